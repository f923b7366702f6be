"""`learn.lr_find()`: a mock training that finds a learning rate, and leaves no trace."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.advice import EntryPoint
from fastlr.callback import LearnerCallback
from fastlr.curve import LRCurve
from fastlr.learner import Learner
from fastlr.progress import Progress
from fastlr.settings import SweepSettings
from fastlr.snapshot import Snapshot

__all__ = ['LR_FIND', 'LR_FINDER', 'LRFinder', 'lr_find', 'run_range_test']

LR_FIND: EntryPoint
LR_FINDER: EntryPoint
class LRFinder(LearnerCallback):
    """Turn a fit into a mock training from `start_lr` to `end_lr`; everything is restored afterwards.

    Args:
        learn: the `Learner`
        start_lr: first rate, above zero, of the fastest layer group; a list gives each group its own
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        stop_div: stop when the loss diverges: True, False, a factor on the best loss, or a function
        wd: weight decay during the sweep, from 0; default: the optimizer's
        val_batches: measure the loss on this number of validation batches; 0: the training loss
        silent: show no progress; `progress`, a `Progress` that is shared, replaces it
        live: a `LivePlot` to redraw meanwhile
        mode: 'exp', 'linear', or 'hold': `start_lr` throughout
        accumulate: batches that make one optimizer update, at least 1
        extend: go on beyond `end_lr` while the loss still falls there
        batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
        settings: already checked; replaces the options above that it contains
        seed: reseed the random generators at the start; default: don't
        where: where the copy of the state is stored: 'device', 'cpu', or a directory
        snapshot: one that was taken earlier, of the same objects; the sweep doesn't close it
        verify: check by checksum that all is restored; `NotRestored` names what is not
        progress: print a line now and then in a log file: True, False, or a `Progress` to share
    """
    order_in: dict[str, int]
    shapes_training: bool
    settings: SweepSettings | None
    start_lr: Any
    end_lr: Any
    num_it: int
    stop_div: Any
    wd: float | None
    val_batches: int
    silent: bool
    live: Any
    kwargs: dict[Any, Any]
    sweep: Any
    in_batch: bool
    data_before: Any
    def __init__(
        self,
        learn: Learner,
        start_lr: Any = 1e-07,
        end_lr: Any = 10.0,
        num_it: int = 100,
        stop_div: Any = True,
        wd: float | None = None,
        val_batches: int = 0,
        silent: bool = True,
        live: Any = None,
        *,
        mode: str = 'exp',
        accumulate: int = 1,
        extend: bool = False,
        batches: int | None = 8,
        settings: SweepSettings | None = None,
        seed: int | None = None,
        where: Any = 'device',
        snapshot: Snapshot | None = None,
        verify: bool = False,
        progress: Any = True,
    ) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Save the state of the training, set the first rate, and switch validation off."""
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Note that a batch has begun, and watch the gradient scaler if mixed precision has brought one."""
    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Before the first validation loss, let batch normalization get to know the data."""
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Scale the loss to the share of this batch in the gradient, as soon as all processes have a batch."""
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any:
        """Allow no step before the window is full, and none at a rate that other code has set."""
    def on_step_end(self, *args: Any, **kwargs: Any) -> Any:
        """Record a step that another callback takes between two batches: the rest of a window."""
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any:
        """Record the loss, and set the next rate; at the end of the sweep, stop the training."""
    def on_epoch_end(self, *args: Any, **kwargs: Any) -> Any:
        """End the sweep if the epoch had no batch: the loader can't be restarted."""
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any:
        """Restore everything, and store the curve at `learn.recorder.curve`."""

def lr_find(
    learn: Learner,
    start_lr: Any = 1e-07,
    end_lr: Any = 10.0,
    num_it: int = 100,
    stop_div: Any = True,
    wd: float | None = None,
    *,
    mode: str = 'exp',
    runs: int = 1,
    accumulate: int = 1,
    batches: int | None = 8,
    val_batches: int = 0,
    extend: bool = False,
    probe: Any = 'auto',
    live: bool = False,
    where: Any = 'device',
    verify: bool = False,
    silent: bool = False,
) -> LRCurve:
    """Explore rates from `start_lr` to `end_lr` over `num_it` updates; everything is restored afterwards.

    Args:
        learn: what to find a rate for
        start_lr: first rate, above zero: a number, a list or a slice over the layer groups
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        stop_div: stop when the loss diverges: True, False, a factor on the best loss, or a function
        wd: weight decay during the sweep, from 0; default: the optimizer's
        mode: 'exp' or 'linear'
        runs: sweeps from the same state, reseeded, at least 1; the curve is their median
        accumulate: batches that make one optimizer update, at least 1
        batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
        val_batches: measure the loss on this number of validation batches; 0: the training loss
        extend: go on beyond `end_lr` while the loss still falls there
        probe: train briefly at five rates, 300 further updates: True, False, 'auto': if it can't tell
        live: in a notebook, draw the curve while it grows
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        silent: no bar, no line, no message

    Returns:
        LRCurve: also at `learn.recorder.curve`
    """

def run_range_test(
    learn: Learner,
    settings: SweepSettings,
    *,
    wd: float | None = None,
    val_batches: int = 0,
    live: bool = False,
    where: Any = 'device',
    verify: bool = False,
    silent: bool = False,
    progress: Progress | None = None,
) -> LRCurve:
    """Run the range test that `settings` describe; everything but the recorder's curve is restored.

    The probes go round the batches of the first run. Other runs draw their own, except from a generator.

    Args:
        learn: what to find a rate for
        settings: what to sweep; messages use the option names of its `entry`
        wd: weight decay during the sweep, from 0; default: the optimizer's
        val_batches: measure the loss on this number of validation batches; 0: the training loss
        live: in a notebook, draw the curve while it grows
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        verify: check by checksum that everything is restored; raises `NotRestored` if not
        silent: no bar, no line, no message
        progress: shows how far it is; default: one that `silent` switches off

    Returns:
        LRCurve: also at `learn.recorder.curve`
    """
