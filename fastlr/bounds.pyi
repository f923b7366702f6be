"""The two rates between which a cyclical schedule goes up and down."""

# Made by tools/stubs.py: run `make prepare`.

import dataclasses
from typing import Any

__all__ = ['Bounds', 'cyclical_bounds']

@dataclasses.dataclass(frozen=True)
class Bounds:
    """The range of a cyclical schedule.

    Args:
        base_lr: lower rate, where the loss begins to fall
        max_lr: upper rate, where it stops falling, or turns ragged
        reason: why these, in words
    """
    base_lr: float
    max_lr: float
    reason: str
    def __init__(
        self,
        base_lr: float,
        max_lr: float,
        reason: str,
    ) -> None: ...

def cyclical_bounds(lrs: Any, losses: Any = None) -> Bounds:
    """Return base and maximum rate for a cyclical schedule, after Smith (2017). Raise `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite
    """
