"""Warm up to the rate that was found, and anneal to almost nothing: `fit_one_cycle`."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.callback import LearnerCallback
from fastlr.learner import Learner

__all__ = ['one_cycle_at', 'OneCycleScheduler']

def one_cycle_at(i: int, n: int, start: Any, peak: Any, end: Any, pct_start: float = 0.3) -> Any:
    """Return the value at step `i`: half a cosine from `start` to `peak`, then half a cosine to `end`.

    Args:
        i: step, from 0 to n-1
        n: steps of the whole cycle, at least 1
        start: value at step 0, a float or an array with one per group
        peak: value at the end of the first phase, likewise
        end: value at step n-1, likewise
        pct_start: share of the steps in the first phase, in (0, 1)

    Returns:
        the value for step `i`
    """

class OneCycleScheduler(LearnerCallback):
    """One cycle of rate and momentum over a fit. Raise `ValueError` for a shape that isn't a cycle.

    Args:
        learn: the `Learner`
        lr_max: peak rate, above zero: a number, a list with one per layer group, or a `Suggestion`
        moms: momentum at both ends, and at the peak of the rate, in [0, 1); or one number
        div_factor: the rate starts at lr_max/div_factor, above zero
        pct_start: share of the steps in which the rate rises, in (0, 1)
        final_div: the rate ends at lr_max/final_div, above zero; default: div_factor*1e4
        tot_epochs: epochs of the whole cycle; default: those of the fit
        start_epoch: epoch at which to resume a cycle, counted from 0
    """
    shapes_training: bool
    lr_max: Any
    moms: Any
    div_factor: float
    pct_start: float
    final_div: Any
    tot_epochs: int | None
    start_epoch: int | None
    per_epoch: Any
    n: Any
    i: int
    old_moms: Any
    def __init__(
        self,
        learn: Learner,
        lr_max: Any,
        moms: Any = (0.95, 0.85),
        div_factor: float = 25.0,
        pct_start: float = 0.3,
        final_div: float | None = None,
        tot_epochs: int | None = None,
        start_epoch: int | None = None,
    ) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Count the steps of the cycle, and set the first values."""
    def check_fit(self, n_epochs: int) -> None:
        """Raise `ValueError` if the training loader has no length, or the epochs don't fit those of the cycle.

        Args:
            n_epochs: epochs of the fit, from 0
        """
    def jump_to_epoch(self, epoch: int) -> None:
        """Set rate and momentum as at the start of `epoch`.

        Args:
            epoch: counted from 0
        """
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any:
        """Set rate and momentum for the next step."""
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any:
        """Restore the momentum."""
