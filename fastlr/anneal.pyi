"""Curves from one value to another, and a counter that steps along them."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['annealing_no', 'annealing_linear', 'annealing_exp', 'annealing_cos', 'annealing_poly',
    'Scheduler']

def annealing_no(start: Any, end: Any, pct: float) -> Any:
    """Return `start`, whatever `pct` is.

    Args:
        start: value at every `pct`
        end: not used: it is here so that all schedules are called alike
        pct: not used either
    """

def annealing_linear(start: Any, end: Any, pct: float) -> Any:
    """Return the value at `pct` on a straight line from `start` to `end`.

    Args:
        start: value at `pct` 0, a float or an array
        end: value at `pct` 1
        pct: fraction of the way covered, 0 to 1
    """

def annealing_exp(start: Any, end: Any, pct: float) -> Any:
    """Return `start**(1-pct) * end**pct`. Raise `ValueError` unless both ends are positive.

    Args:
        start: value at `pct` 0, above zero
        end: value at `pct` 1, above zero
        pct: fraction of the way covered, 0 to 1
    """

def annealing_cos(start: Any, end: Any, pct: float) -> Any:
    """Return the value at `pct` on half a cosine wave: `end + (start-end) * (1+cos(pi*pct))/2`.

    Args:
        start: value at `pct` 0
        end: value at `pct` 1
        pct: fraction of the way covered, 0 to 1
    """

def annealing_poly(degree: float) -> Any:
    """Return the schedule `end + (start-end) * (1-pct)**degree`, which is called like the others.

    Args:
        degree: exponent, above zero: 1 is a straight line
    """

class Scheduler:
    """Step from `vals[0]` to `vals[1]` in `n_iter` steps along `func`, and stay there.

    Args:
        vals: (start, end), or one value: the end is then 0; a list has one value per parameter group
        n_iter: steps to the end; fewer than 1 count as 1
        func: a schedule `(start, end, pct)`; default: linear for a pair, constant for one value
    """
    start: Any
    end: Any
    n_iter: Any
    func: Any
    n: int
    def __init__(self, vals: Any, n_iter: int, func: Any = None) -> None: ...
    def restart(self) -> None:
        """Go back to before the first step."""
    def step(self) -> Any:
        """Take one step, and return the value after it."""
    @property
    def is_done(self) -> bool:
        """Whether the end has been reached."""
