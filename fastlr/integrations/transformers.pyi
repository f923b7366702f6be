"""`lr_find(trainer)`: a learning rate for a Hugging Face `Trainer`, found with its own steps."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve
from fastlr.tune import LRFound

__all__ = ['TRANSFORMERS', 'TrainerLRFound', 'lr_find']

TRANSFORMERS: EntryPoint
class TrainerLRFound(LRFound):
    """What `lr_find` has found: the `curve`, and the rate for a schedule.

    Args:
        curve: `LRCurve`
        schedule: of the training, a name of `TrainingArguments.lr_scheduler_type`
    """
    def __init__(self, curve: LRCurve, schedule: str = 'linear') -> None: ...
    def suggestion(
        self,
        skip_begin: int | None = None,
        skip_end: int | None = None,
        schedule: str | None = None,
    ) -> float:
        """Return the rate, or its peak if the schedule falls. Raises `NoSuggestion`, or `ValueError`.

        Args:
            skip_begin: points at the low end that can't be the answer, from 0; default: any can
            skip_end: points at the high end, likewise
            schedule: name of another schedule; default: the trainer's

        Returns:
            float: the `learning_rate` of the fastest parameter group
        """

def lr_find(
    trainer: Any,
    *,
    start_lr: Any = 1e-07,
    end_lr: Any = 1.0,
    num_it: int = 100,
    mode: str = 'exp',
    stop_div: Any = True,
    runs: int = 1,
    extend: bool = False,
    probe: Any = 'auto',
    batches: int | None = 8,
    update_args: bool = False,
    where: Any = 'device',
    verify: bool = False,
    silent: bool = False,
) -> TrainerLRFound:
    """Run a learning-rate range test with the steps that `trainer` itself would take, and restore everything.

    Raises `ValueError`, `TypeError` or `RuntimeError` for what can't work, before anything has changed; with
    `update_args` also `NoSuggestion`.

    Args:
        trainer: `transformers.Trainer`, or one derived from it
        start_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        mode: 'exp' or 'linear'
        stop_div: stop on divergence: True, False, or a factor above 1 on the best loss
        runs: sweeps from the same state, with other seeds, at least 1; the curve is their median
        extend: go on beyond `end_lr` while the loss still falls there
        probe: short trainings at five rates, 300 more updates: True, False, or if the sweep can't tell
        batches: number of (accumulated) batches to go round; None: fresh ones, which scatter more
        update_args: set `trainer.args.learning_rate` to the suggestion
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        silent: no progress bar, no line, no message

    Returns:
        TrainerLRFound: with `suggestion()`, `results`, `plot()` and `curve`
    """
