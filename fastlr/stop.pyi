"""When a range test has seen enough: the loss has diverged."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['IN_ROW', 'AT_START', 'FLOOR', 'VALIDATION_FLOOR', 'Divergence', 'rule_in_file']

IN_ROW: int
AT_START: int
FLOOR: float
VALIDATION_FLOOR: float
class Divergence:
    """Say, loss by loss, whether the sweep has diverged; the same for `loss` as for `a*loss + b`, a above 0,
    as long as the `floor` is small.

    Args:
        factor: True: the rule; above 1: a factor on the best loss while that is above 0; False: never
        beta: share of the past in the smoothed loss, from 0 to below 1
        corrected: False: the first loss has full weight in the past, as in pytorch-lr-finder
        floor: smallest rise that counts, as a share of the best loss, from 0
    """
    factor: Any
    beta: float
    corrected: bool
    floor: float
    n: int
    high: int
    last: float
    smooth: float
    noise: float
    first: float
    best: float
    calm: float
    def __init__(
        self,
        factor: Any = True,
        beta: float = 0.9,
        corrected: bool = True,
        floor: float = 5e-07,
    ) -> None: ...
    def __call__(self, loss: float) -> bool:
        """Take in the next loss, and return whether the sweep has diverged.

        Args:
            loss: of the next update, finite
        """
    @property
    def at_best(self) -> bool:
        """Whether the smoothed loss has never been lower than it is now."""

def rule_in_file(stop_div: Any) -> Any:
    """Return `stop_div` as a file can store it.

    Args:
        stop_div: True, False, a factor, or a function of the loss

    Returns:
        True, False, a factor, or a name
    """
