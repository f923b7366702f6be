"""The range test for a model, an optimizer, a criterion and a loader, without a `Learner`."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve
from fastlr.sweep import LRSweep

__all__ = ['MORE', 'FIND_LR', 'find_lr', 'train_sweep', 'PlainTraining']

MORE: tuple[str, ...]
FIND_LR: EntryPoint
def find_lr(
    model: Any,
    optimizer: Any,
    criterion: Any,
    loader: Any,
    *,
    start_lr: Any = 1e-07,
    end_lr: Any = 10.0,
    num_it: int = 100,
    mode: str = 'exp',
    stop_div: Any = True,
    runs: int = 1,
    probe: Any = 'auto',
    accumulate: int = 1,
    batches: int | None = 8,
    val_loader: Any = None,
    step: Any = None,
    device: Any = None,
    progress: bool = True,
    scaler: Any = None,
    schedulers: Any = None,
    extend: bool = False,
    others: Any = None,
    reduce: bool = True,
    where: Any = 'device',
    verify: bool = False,
) -> LRCurve:
    """Run a learning-rate range test, and restore everything.

    The probes go round the batches of the first run. Each further run draws others, but not from a generator.
    Raises `ValueError` or `TypeError` for what can't work, before anything has changed.

    Args:
        model: `nn.Module`; with `step` all modules that it calls, such as an averaged model: one, or a
            list
        optimizer: torch optimizer over its parameters, or a list of several that step together
        criterion: (output, target) -> scalar tensor; None if the model or `step` computes the loss
        loader: iterable of training batches; all sweeps go round the first few, or those that `batches`
            says
        start_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        mode: 'exp' or 'linear'
        stop_div: stop on divergence: True, False, a factor on the best loss, or a function of the loss
        runs: sweeps from the same state, reseeded, at least 1; the curve is their median
        probe: train briefly at five rates, 300 further updates: True, False, 'auto': if it can't tell
        accumulate: batches that make one optimizer update and one point of the curve, at least 1
        batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
        val_loader: measure the loss on these batches after each update; None: the training loss
        step: batch -> loss, instead of `criterion(model(input), target)`; without `backward`
        device: where to train; default: where the model is
        progress: show a bar; in a log file print a line now and then
        scaler: `torch.amp.GradScaler`: a step that it skips is not a point
        schedulers: schedulers that the loop steps: one or a list; they do nothing during the sweep
        extend: go on beyond `end_lr` while the loss still falls, for up to `num_it` more updates
        others: other objects that the loop changes, such as a metric: their attributes are restored
        reduce: sweep with the other processes of `torch.distributed`; False: in this one alone
        where: where the copy of the state is stored: 'device', 'cpu', or a directory
        verify: check by checksum that all is restored; `NotRestored` names what is not

    Returns:
        LRCurve: of the sweep, or the median of its `runs`
    """

def train_sweep(sweep: LRSweep, loader: Any, loss_of: Any, measure: Any = None) -> None:
    """Train until `sweep` is over.

    Args:
        sweep: running `LRSweep`
        loader: iterable of batches
        loss_of: batch -> scalar tensor
        measure: () -> loss, recorded after each update instead of the training loss
    """

class PlainTraining:
    """A model, its optimizers and its loss functions, as `find_lr` and `RangeTest` train them.

    Args:
        models: list of modules
        opts: list of torch optimizers
        functions: loss functions, by the name of their parameter: 'criterion' or 'step'
        device: where to train; default: where the model is
        entry: the function that was called, which messages name options after
    """
    models: Any
    opts: Any
    functions: dict[Any, Any]
    device: Any
    entry: EntryPoint
    modules: Any
    def __init__(
        self,
        models: Any,
        opts: Any,
        functions: dict[Any, Any],
        device: Any = None,
        entry: EntryPoint = ...,
    ) -> None: ...
    @property
    def place(self) -> Any:
        """The device of the batches: `device`, or that of the model."""
    def check(self, accumulate: int = 1, scaler: Any = None) -> None:
        """Raise `ValueError` or `TypeError` for what can't work.

        Args:
            accumulate: batches that make one update
            scaler: `torch.amp.GradScaler`
        """
    def run(
        self,
        sweep: Any,
        loader: Any,
        loss_of: Any,
        val_loader: Any = None,
        on_step: Any = None,
    ) -> LRSweep:
        """Train until the `sweep` is over, and restore everything.

        Args:
            sweep: `LRSweep` over `opts` and `modules` that has not begun
            loader: iterable of training batches
            loss_of: batch -> scalar tensor
            val_loader: measure the loss on these batches after each update, in evaluation mode
            on_step: hook, called before each step of an optimizer

        Returns:
            LRSweep: `sweep`, finished
        """
