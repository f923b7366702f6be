"""A second Lightning `Trainer` with the settings of yours, for a training that leaves no trace."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['private_trainer']

def private_trainer(pl: Any, trainer: Any, callback: Any) -> Any:
    """Return a trainer with the settings of `trainer`, whose only callback is `callback`.

    Args:
        pl: the package that `trainer` is from, `lightning.pytorch` or `pytorch_lightning`
        trainer: its `Trainer`; it is read, and stays as it is
        callback: its `Callback`

    Returns:
        a `Trainer` that has not run yet
    """
