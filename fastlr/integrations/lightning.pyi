"""A learning rate for a Lightning training: one call, with your trainer, your module and your data."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.advice import EntryPoint
from fastlr.tune import LRFound

__all__ = ['LIGHTNING', 'lr_find']

LIGHTNING: EntryPoint
def lr_find(
    trainer: Any,
    module: Any,
    train_dataloaders: Any = None,
    datamodule: Any = None,
    min_lr: Any = 1e-08,
    max_lr: Any = 1,
    num_training: int = 100,
    mode: str = 'exponential',
    early_stop_threshold: Any = 4.0,
    update_attr: bool = False,
    attr_name: str = '',
    *,
    probe: Any = 'auto',
    batches: int | None = 8,
    monitor: str | None = None,
    verify: bool = False,
    silent: bool = False,
) -> LRFound:
    """Run a learning-rate range test in Lightning's own loop, and restore everything.

    Raises `ValueError` or `TypeError` for what can't work, before anything has changed; with `update_attr`
    also `NoSuggestion`.

    Args:
        trainer: `Trainer` of `lightning` or of `pytorch_lightning`; it is read, and never run
        module: `LightningModule` of the same package
        train_dataloaders: as for `trainer.fit`; default: those of the datamodule or of the module
        datamodule: `LightningDataModule`
        min_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        max_lr: last rate, above the first, likewise
        num_training: optimizer updates, at least 2
        mode: 'exponential' or 'linear'
        early_stop_threshold: stop above this factor on the best loss; None: never; True: without a
            factor
        update_attr: set the rate as `lr` or `learning_rate` of the module and of its hparams
        attr_name: the name of that attribute, if it is another one
        probe: short trainings at five rates, 300 more updates: True, False, or if the sweep can't tell
        batches: number of (accumulated) batches of each loader to go round; None: fresh ones throughout
        monitor: the loss is what the module logs by this name; default: what `training_step` returns
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        silent: no progress bar, no line, no message

    Returns:
        LRFound: with `suggestion()`, `schedule`, `results`, `plot()` and `curve`
    """
