"""The rates of a range test, and a watch over the loop that should train with them."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.settings import SweepSettings

__all__ = ['check_rates', 'Rates', 'ScalerWatch']

def check_rates(opts: Any) -> None:
    """Raise `ValueError` unless each of `opts` has rates that its steps follow.

    Args:
        opts: list of torch optimizers
    """

class Rates:
    """The rates of a range test. Notice if other code changes them, or if no optimizer takes a step.
    Raises `ValueError` if there is nothing to train.

    Args:
        opts: torch optimizers
        settings: of the range test
    """
    opts: list[Any]
    entry: Any
    mode: Any
    groups: list[Any]
    schedule: Any
    current: list[Any]
    limit: Any
    top: Any
    momentum: Any
    raised: Any
    after_step: dict[Any, Any]
    has_stepped: bool
    sees_all: bool
    hooks: list[Any]
    depth: int
    made: list[Any]
    ignored: bool
    writes: int
    effect: Any
    has_gradients: bool
    has_nonzero: bool
    zeros: int
    left: Any
    def __init__(self, opts: list[Any], settings: SweepSettings) -> None: ...
    def limited_by(self, points: int) -> str | None:
        """Return which optimizer has ended the sweep, because it uses no higher rate.

        Args:
            points: of a sweep that is over

        Returns:
            str | None: name of its class, or None
        """
    def watch(self) -> None:
        """Watch the steps of the optimizers, and the parameters, from here on."""
    def unwatch(self) -> None:
        """Watch no longer. The hooks refer to the optimizers: a cycle that would keep their state in memory."""
    def set(self, update: int) -> None:
        """Set the rates of `update`, and note that no step has been taken with them yet.
        Raises `ValueError` if an optimizer doesn't have them then.

        Args:
            update: from 0
        """
    def check(self, remedy: str | None = None) -> None:
        """Raise `ValueError` if a rate is neither what was set nor what the optimizer made of that in its step.

        Args:
            remedy: how the error ends; default: in general terms
        """
    def check_step(self, skips: bool = False) -> None:
        """Raise `RuntimeError` if no optimizer has stepped since the last point, in a loop that did so before.

        Args:
            skips: a gradient scaler may have skipped the step
        """
    def check_effect(self, points: int) -> None:
        """Raise `RuntimeError` if the loop changes no parameter, or not by the rates that are set.

        Args:
            points: how many there are so far
        """
    def has_no_effect(self, points: int) -> str | None:
        """Return a sentence if the loop has changed no parameter, or the gradients were always zero.

        Args:
            points: of the sweep that ends

        Returns:
            str | None: None if it had an effect, or that can't be known
        """

class ScalerWatch:
    """Tell from the scale of a `GradScaler` whether it has skipped a step.

    Args:
        scaler: `torch.amp.GradScaler`
    """
    scaler: Any
    scale: Any
    skips: int
    def __init__(self, scaler: Any) -> None: ...
    def skipped(self) -> bool:
        """Return whether the scale is lower than when `look` was last called."""
    def look(self) -> bool:
        """Return the same, and note the scale for the next step."""
    def count(self, skipped: bool) -> int:
        """Return how many steps in a row were skipped.

        Args:
            skipped: whether the last step was skipped, in this process or another
        """
