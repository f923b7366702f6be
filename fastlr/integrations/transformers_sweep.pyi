"""One sweep of learning rates, with the steps taken by a Hugging Face `Trainer`."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.settings import SweepSettings
from fastlr.sweep import LRSweep

__all__ = ['sweep_once']

def sweep_once(
    trainer: Any,
    settings: SweepSettings,
    *,
    rings: list[Any] | None = None,
    seed: int | None = None,
    where: Any = 'device',
    expected_lr: float | None = None,
    verify: bool = False,
    progress: Any = False,
) -> LRSweep:
    """Let `trainer` train for one sweep, and restore everything. Raises `ValueError` if there is no batch.

    Args:
        trainer: `transformers.Trainer`
        settings: what to sweep; `accumulate` is taken from the trainer
        rings: the batches that an earlier sweep went round, or an empty list to store them in
        seed: for the random generators and the order of the data; default: those of the trainer
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        expected_lr: raise `ValueError` unless the optimizer begins at this rate
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        progress: shows how far it is: True, False, or a `Progress` that is shared

    Returns:
        LRSweep: finished
    """
