"""Batch normalization collects statistics of the data before a validation loss is measured."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.sweep import LRSweep

__all__ = ['BATCHES', 'unsettled', 'settle_statistics']

def unsettled(models: Any) -> list[Any]:
    """Return the modules in `models`, in training mode, whose running statistics hardly know the data.

    Args:
        models: list of modules

    Returns:
        list[Any]: of modules
    """

BATCHES: int
def settle_statistics(sweep: LRSweep, models: Any, forward: Any, loader: Any) -> None:
    """Let fresh running statistics of `models` see batches of `loader`, and change nothing else.

    Args:
        sweep: running `LRSweep`
        models: list of modules that it trains, in training mode
        forward: function of a batch that calls them
        loader: iterable of training batches
    """
