"""Does a loop change the parameters, and does the rate decide by how much?"""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['warn_of_models', 'LeftGradients', 'raised_momentum', 'Effect']

def warn_of_models(models: list[Any], opts: list[Any]) -> None:
    """Warn of models that probably aren't those that are meant, or not in the mode that is.

    Args:
        models: `nn.Module`s that were passed to an `LRSweep`
        opts: the optimizers that are swept
    """

class LeftGradients:
    """Notice whether gradients are added to those of the update before, because the loop doesn't zero them.

    Args:
        opt: torch optimizer, the steps of which are watched
    """
    opt: Any
    param: Any
    grad: Any
    added: list[Any]
    alone: Any
    updates: int
    left: int
    hook: Any
    def __init__(self, opt: Any) -> None: ...
    def before_step(self, opt: Any) -> None:
        """Compare the gradient with that of the step before.

        Args:
            opt: the optimizer that takes it
        """
    def after_step(self, opt: Any) -> None:
        """Note the gradient that was used.

        Args:
            opt: the optimizer that has taken it
        """
    def stop(self) -> None:
        """Watch no longer."""
    def warn(self) -> None:
        """Warn once if gradients were left in the two updates after the first."""

def raised_momentum(opt: Any) -> tuple[float, float] | None:
    """Return the momentum that a scheduler has set, and the one that `opt` was made with, if they differ.

    Args:
        opt: torch optimizer

    Returns:
        tuple[float, float] | None: or None
    """

class Effect:
    """Notice by value whether parameters change, and whether the changes grow with the rate.

    Args:
        params: parameters that are trained
        rates: (updates,) above zero, that will be set
    """
    params: list[Any]
    is_complete: bool
    places: list[Any]
    instants: Any
    values: list[Any]
    sums: Any
    def __init__(self, params: list[Any], rates: Any) -> None: ...
    @property
    def has_changed(self) -> bool:
        """Whether one of the entries differs from what it was at the start, or can't be compared."""
    def sum_up(self) -> None:
        """Note the values of all parameters, as one sum for each."""
    @property
    def is_still(self) -> bool:
        """Whether nothing has changed since `sum_up`, and no entry since the start, as far as that can be known."""
    @property
    def precision(self) -> float:
        """The precision of the parameters: the relative distance of two numbers, of the finest kind among them.

        Returns:
            float: above 0, 1 if there are no parameters
        """
    def look(self, updates: int) -> None:
        """Note the values if it is time for that. Call this after each update, or `is_fixed` is False.

        Args:
            updates: how many were made so far
        """
    @property
    def is_fixed(self) -> bool:
        """Whether the parameters change, by steps that don't grow with the rate."""
    @property
    def grows(self) -> bool:
        """Whether the steps are seen to grow with the rate."""
    def stays_fixed(self, updates: int) -> bool:
        """Whether `is_fixed`, and the parameters have gone no faster after the three decades, up to now.

        Args:
            updates: how many were made so far
        """
    @property
    def shrinks(self) -> bool:
        """Whether all entries shrank by the same part in the first decade, as weight decay does it."""
