"""`lr_find(learn)`: a learning rate for a fastai v2 `Learner`, whose training is left untouched."""

# Made by tools/stubs.py: run `make prepare`.

import matplotlib.axes
import matplotlib.figure
from typing import Any, Iterator
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve
from fastlr.suggestion import Suggestion
from fastlr.tune import LRFound

__all__ = ['FASTAI', 'SuggestedLRs', 'lr_find']

FASTAI: EntryPoint
class SuggestedLRs(LRFound):
    """What `lr_find` has found: the `curve`, our suggestion, and as entries the rates of rules of fastai.

    Args:
        curve: `LRCurve`
        suggest_funcs: rules: functions (rates, losses, num_it) -> (rate, ...), or names of fastai's
    """
    functions: Any
    def __init__(self, curve: LRCurve, suggest_funcs: Any = None) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __truediv__(self, other: Any) -> None: ...
    def __getitem__(self, i: Any) -> Any: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def suggestion(
        self,
        skip_begin: int | None = None,
        skip_end: int | None = None,
        schedule: str | None = None,
    ) -> Suggestion:
        """Return our suggestion. Raise `NoSuggestion` if there is none, or `ValueError`.

        Args:
            skip_begin: points at the low end that can't be the answer, from 0; default: any can
            skip_end: points at the high end, likewise
            schedule: of the training, one of `SCHEDULES`, for its peak alone, which is a plain float

        Returns:
            Suggestion: a number, with the range and the rates for all schedules
        """
    @property
    def valley(self) -> float:
        """What fastai's `valley` finds on the curve. Raise `NoSuggestion` if that is nothing.

        Returns:
            float: above zero
        """
    @property
    def slide(self) -> float:
        """What fastai's `slide` finds on the curve. Raise `NoSuggestion` if that is nothing.

        Returns:
            float: above zero
        """
    @property
    def minimum(self) -> float:
        """What fastai's `minimum` finds on the curve. Raise `NoSuggestion` if that is nothing.

        Returns:
            float: above zero
        """
    @property
    def steep(self) -> float:
        """What fastai's `steep` finds on the curve. Raise `NoSuggestion` if that is nothing.

        Returns:
            float: above zero
        """
    def plot(
        self,
        suggest: bool = True,
        show: bool = False,
        ax: matplotlib.axes.Axes | None = None,
    ) -> matplotlib.figure.Figure:
        """Draw the curve, with our suggestion, and a ring for each entry.

        Args:
            suggest: mark our suggestion
            show: show it now; a script waits until the window is closed
            ax: matplotlib axes to draw on; default: a new figure

        Returns:
            matplotlib.figure.Figure: the figure
        """

def lr_find(
    learn: Any,
    start_lr: Any = 1e-07,
    end_lr: Any = 10,
    num_it: int = 100,
    stop_div: Any = True,
    show_plot: bool = True,
    suggest_funcs: Any = 'valley',
    *,
    probe: Any = 'auto',
    batches: int | None = 8,
    where: Any = 'device',
    verify: bool = False,
    silent: bool = False,
) -> SuggestedLRs:
    """Run a learning-rate range test with the steps that `learn` itself would take, and restore everything.

    Raise `ValueError` or `TypeError` for what can't work, before anything has changed. If a rule fails, the
    result is there all the same, and reading that entry raises `NoSuggestion`.

    Args:
        learn: `Learner` of fastai v2
        start_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        stop_div: stop on divergence: True, False, or a factor above 1 on the best loss
        show_plot: draw the curve
        suggest_funcs: rules of fastai: functions or names, one or a tuple; None: our suggestion alone
        probe: short trainings at five rates, 300 more updates: True, False, or if the sweep can't tell
        batches: number of (accumulated) batches to go round; None: fresh ones, which scatter more
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        verify: check by checksum that everything is restored; raise `NotRestored` if not
        silent: no progress bar, no line, no message

    Returns:
        SuggestedLRs: fastai's entries, and `suggestion()`, `results`, `plot()` and `curve`
    """
