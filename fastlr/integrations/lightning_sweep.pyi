"""One sweep of learning rates, with the steps taken by a Lightning `Trainer`."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.settings import SweepSettings
from fastlr.sweep import LRSweep

__all__ = ['leaf_loaders', 'sweep_once']

def leaf_loaders(x: Any) -> list[Any]:
    """Return the single loaders in `x`.

    Args:
        x: a loader, lists, tuples or dicts of loaders, or None

    Returns:
        list[Any]: in their order
    """

def sweep_once(
    pl: Any,
    trainer: Any,
    module: Any,
    settings: SweepSettings,
    loaders: Any = None,
    datamodule: Any = None,
    *,
    rings: list[Any] | None = None,
    plans: list[Any] | None = None,
    monitor: str | None = None,
    verify: bool = False,
    progress: Any = False,
) -> LRSweep:
    """Train `module` for one sweep, and restore everything. Raises `ValueError` if nothing can be measured.

    Args:
        pl: the package that `trainer` is from, `lightning.pytorch` or `pytorch_lightning`
        trainer: its `Trainer`; it is read, and never run
        module: its `LightningModule`
        settings: what to sweep; `accumulate` is taken from the trainer
        loaders: as for `trainer.fit`; default: those of the datamodule or of the module
        datamodule: `LightningDataModule`
        rings: the batches that earlier sweeps went round, or an empty list to store them in
        plans: if it is empty, the `Plan` of the training is appended
        monitor: the loss is what the module logs by this name; default: what `training_step` returns
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        progress: shows how far it is: True, False, or a `Progress` that is shared

    Returns:
        LRSweep: finished
    """
