"""`learn.tune()`: find a rate, and set it, for the next training and in the model."""

# Made by tools/stubs.py: run `make prepare`.

import matplotlib.axes
import matplotlib.figure
from typing import Any, NamedTuple
from fastlr.curve import LRCurve
from fastlr.suggestion import Suggestion

__all__ = ['RATE_NAMES', 'LRFound', 'suggest_without_ends', 'rate_text', 'RatePlace', 'rate_places',
    'set_rate']

class LRFound:
    """What `tune` has found: the `curve`, with the methods of Lightning's finder.

    Args:
        curve: `LRCurve`
        schedule: of the training, one of `fastlr.suggestion.SCHEDULES`
    """
    curve: LRCurve
    schedule: str
    def __init__(self, curve: LRCurve, schedule: str = 'constant') -> None: ...
    @property
    def results(self) -> dict[str, list[float]]:
        """Rates and losses, as lists.

        Returns:
            dict[str, list[float]]: lr: (n,), loss: (n,)
        """
    def suggestion(
        self,
        skip_begin: int | None = None,
        skip_end: int | None = None,
        schedule: str | None = None,
    ) -> float:
        """Return the curve's suggestion; if it lies among the points to skip, the suggestion without these.

        Without an argument nothing is skipped. If only one is given, the other has Lightning's default:
        10 at the low end, 1 at the high end. Raise `NoSuggestion` if there is none, or `ValueError`.

        Args:
            skip_begin: points at the low end that can't be the answer, from 0; default: see below
            skip_end: points at the high end that can't be the answer, from 0
            schedule: another schedule of the training, one of `SCHEDULES`; default: `self.schedule`

        Returns:
            float: of the fastest group; the peak, if the schedule isn't constant
        """
    def plot(
        self,
        suggest: bool = True,
        show: bool = False,
        ax: matplotlib.axes.Axes | None = None,
    ) -> matplotlib.figure.Figure:
        """Draw the curve, with the rate for a constant schedule, and the one for `self.schedule` if it differs.

        Args:
            suggest: mark the suggested rate
            show: show it now; a script waits until the window is closed
            ax: matplotlib axes to draw on; default: a new figure

        Returns:
            matplotlib.figure.Figure: the figure
        """

def suggest_without_ends(
    curve: LRCurve,
    skip_begin: int | None = None,
    skip_end: int | None = None,
) -> Suggestion:
    """Return the whole `Suggestion` of which `LRFound.suggestion` is a rate, or raise what it raises.

    Args:
        curve: `LRCurve`
        skip_begin: as for `LRFound.suggestion`
        skip_end: likewise
    """

def rate_text(
    lr: float,
    s: Suggestion,
    kind: str | None,
    owner: str,
    name: str = '',
    set_to: str = '',
) -> str:
    """Return the text to print about a suggested rate: what it is for, and where it was set.

    Args:
        lr: the suggested rate, for a schedule of this `kind`
        s: that of the curve
        kind: of the schedule, one of `SCHEDULES`; None: not known
        owner: who makes the schedule, such as 'configure_optimizers'
        name: of the schedule; default: there is none
        set_to: the rate that was set, and where, as text; default: it wasn't set

    Returns:
        str: one line, and others if other schedules or parameter groups have other rates
    """

RATE_NAMES: tuple[str, ...]
class RatePlace(NamedTuple):
    """An attribute of a model, or an entry of its `hparams`, that holds a rate."""
    holder: Any
    name: str
    label: str
    def read(self) -> Any:
        """Return what is there."""
    def write(self, value: Any) -> None:
        """Set it to `value`.

        Args:
            value: a rate, or None
        """

def rate_places(
    model: Any,
    auto: Any,
    option: str = 'auto_lr_find',
    named: str = 'auto_lr_find',
) -> list[Any]:
    """Return where `model` has its rate. Raise if that is ambiguous, or can't be set.

    Args:
        model: the module, with or without `hparams`
        auto: True: `lr` or `learning_rate`; or the name of another attribute; False: none
        option: the caller's option that asks for it, for messages
        named: the caller's option that names the attribute, for messages

    Returns:
        list[Any]: of `RatePlace`s; empty if the model has no attribute for a rate
    """

def set_rate(places: list[Any], lr: float) -> None:
    """Write `lr` to all `places`. If one doesn't accept it, restore them all and raise `ValueError`.

    Args:
        places: `RatePlace`s, from `rate_places`
        lr: rate, above zero
    """
