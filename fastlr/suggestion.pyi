"""What a rule returns, when it must refuse, and how to write a rule."""

# Made by tools/stubs.py: run `make prepare`.

import collections
import dataclasses
from typing import Any
from typing_extensions import Self
from fastlr.smooth import View

__all__ = ['SCHEDULES', 'MIN_POINTS', 'RULES', 'Suggestion', 'NoSuggestion', 'range_text', 'peaks_text',
    'one_cycle_text', 'groups_text', 'check_points', 'check_fall', 'left_out', 'no_fall', 'Rule',
    'function_of_view', 'rule']

SCHEDULES: tuple[str, ...]
@dataclasses.dataclass(frozen=True, eq=False)
class Suggestion(float):
    """A learning rate: a number, the rates for other schedules, the range, and why this one.

    Args:
        lr: for training at a constant rate, above zero; of the fastest group if there are several
        index: of the point of the curve that is nearest to `lr`, counted from 0 over the aligned pairs
        loss: smoothed loss there
        rule: name of the rule
        reason: why this rate, in words
        lrs: `lr` for each parameter group, in the ratio in which they were swept
        one_cycle: maximum of a one-cycle schedule that sets the momentum too; default: `lr`
        cosine: peak of a cosine decay after a short warm-up; default: `lr`
        linear: peak of a linear decay after a short warm-up; default: `lr`
        low: the best constant rate is between this one ...
        high: ... and this one in four of five trainings; None: the rule doesn't know
    """
    lr: float
    index: int
    loss: float
    rule: str
    reason: str
    lrs: tuple[float, ...] = ...
    one_cycle: float = ...
    cosine: float = ...
    linear: float = ...
    low: float | None = ...
    high: float | None = ...
    def __init__(
        self,
        lr: float,
        index: int,
        loss: float,
        rule: str,
        reason: str,
        lrs: tuple[float, ...] = (),
        one_cycle: float | None = None,
        cosine: float | None = None,
        linear: float | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None: ...
    def __new__(
        cls,
        lr: float,
        index: int,
        loss: float,
        rule: str,
        reason: str,
        lrs: tuple[float, ...] = (),
        one_cycle: float | None = None,
        cosine: float | None = None,
        linear: float | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> Self: ...
    def peak(self, schedule: str) -> float:
        """Return the highest rate of a training with this schedule. Raise `ValueError` for another one.

        Args:
            schedule: one of `SCHEDULES`

        Returns:
            float: above zero
        """
    def peaks(self, schedule: str) -> tuple[float, ...]:
        """Return `peak` for each parameter group, in the ratio of `lrs`.

        Args:
            schedule: one of `SCHEDULES`

        Returns:
            tuple[float, ...]: (groups,)
        """
    @property
    def one_cycle_lrs(self) -> tuple[float, ...]:
        """`one_cycle` for each parameter group, in the ratio of `lrs`.

        Returns:
            tuple[float, ...]: (groups,)
        """

class NoSuggestion(ValueError):
    """Raised when a curve supports no honest suggestion: the message says why, and what to do.

    Args:
        detail: why there is none, and what to do
        ending: a sentence on what has ended the sweep too early, which comes first
        curve: the `LRCurve` that was asked, so that what was measured can be reached after an error
    """
    detail: str
    ending: str
    curve: Any
    def __init__(self, detail: str, ending: str = '', curve: Any = None) -> None: ...
    @property
    def reason(self) -> str:
        """The reason alone, in a few words: the message without remedies and parentheses."""

def range_text(s: Any, template: str = '{}') -> str:
    """Return a text with the range; an empty one if it isn't known.

    Args:
        s: `Suggestion`, or what else has its `low` and `high`
        template: the text around the range
    """

def peaks_text(s: Any, template: str = '{}') -> str:
    """Return a text with the peak for each schedule that differs from `lr`; an empty one if none does.

    Args:
        s: `Suggestion`, or what else has its `lr`, `one_cycle`, `cosine` and `linear`
        template: the text around the rates
    """

def one_cycle_text(s: Any) -> str:
    """Return the text with the maximum for one-cycle, and the reason if it is below the constant rate.

    Args:
        s: `Suggestion`, or what else has its `lr` and `one_cycle`
    """

def groups_text(s: Suggestion, schedule: str = 'constant') -> str:
    """Return a sentence with the rate of each parameter group; an empty one if all have the same.

    Args:
        s: with a rate for each group in `lrs`
        schedule: the one whose rate is printed before, one of `SCHEDULES`
    """

MIN_POINTS: int
def check_points(view: View) -> None:
    """Raise `NoSuggestion` if the curve has too few points for any rule.

    Args:
        view: of the curve
    """

def check_fall(view: View) -> None:
    """Raise `NoSuggestion` if the curve has too few points, or if its loss doesn't fall.

    Args:
        view: of the curve
    """

def left_out(view: View) -> list[str]:
    """Return the remedies against noise that we have by default, and that were switched off for this sweep.

    Args:
        view: of a curve that can't tell

    Returns:
        list[str]: templates, for `EntryPoint.advise`
    """

def no_fall(view: View) -> NoSuggestion:
    """Return the error for a curve without a fall.

    Args:
        view: of the curve
    """

@dataclasses.dataclass(frozen=True)
class Rule:
    """An entry of `RULES`.

    Args:
        name: by which it is asked for, as in `curve.suggest(name)`
        find: function View -> `Suggestion`
        label: in the legend of a plot
        color: of its point there, for matplotlib
    """
    name: str
    find: Any
    label: str
    color: str
    def __init__(
        self,
        name: str,
        find: Any,
        label: str,
        color: str,
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

def function_of_view(find: Any) -> Any:
    """Return `find`, wrapped if it takes rates and losses, with a warning at the caller's caller.

    Args:
        find: a rule; or a function (rates, losses) -> `Suggestion`, as rules were in version 0.1.0

    Returns:
        function View -> `Suggestion`
    """

RULES: collections.UserDict[Any, Any]
def rule(name: str, label: str | None = None, color: str = 'olive') -> Any:
    """Enter the decorated function View -> `Suggestion` in `RULES`. Raise `ValueError` for an unusable name.

    Args:
        name: by which it is asked for, as in `curve.suggest(name)`; a rule of the same name is replaced
        label: in the legend of a plot; default: `name`
        color: of its point there, for matplotlib

    Returns:
        decorator that returns the function itself
    """
