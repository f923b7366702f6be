"""`LRSweep`: the range test itself, for a loop that you write."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any, Iterator
from typing_extensions import Self
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve
from fastlr.lockstep import CommonBatches
from fastlr.lockstep import Lockstep
from fastlr.progress import Progress
from fastlr.settings import SweepSettings
from fastlr.snapshot import Snapshot

__all__ = ['SWEEP', 'LRSweep']

SWEEP: EntryPoint
class LRSweep(Lockstep):
    """A range test around a loop of your own. After the `with` block, everything that was passed is restored.

    Args:
        opt: torch optimizer, or a list of several that are swept together
        model: `nn.Module`, or a list: all that the loop trains or averages, and a loss with buffers too
        start_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        mode: 'exp', 'linear', or 'hold': `start_lr` throughout; this makes no curve, but `losses`
        stop_div: stop on divergence: True, False, a factor above 1 on the best loss, or loss -> bool
        accumulate: iterations of the loop that make one optimizer update, and one point; at least 1
        scaler: `torch.amp.GradScaler`: a step that it skips is not a point
        schedulers: schedulers that the loop steps: one or a list; they do nothing during the sweep
        extend: go on beyond `end_lr` while the loss still falls, for up to `num_it` more updates
        batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
        shift: 1: the loss that is recorded was measured before the step; 0: after it
        seed: reseed the random generators at the start; default: don't
        others: other objects that the loop changes, such as a metric: their attributes are restored
        reduce: sweep with the other processes of `torch.distributed`; False: in this one alone
        where: where the copy of the state is stored: 'device', 'cpu', or a directory
        snapshot: one that was taken earlier, of the same objects; the sweep doesn't close it
        verify: check by checksum that all is restored; `NotRestored` names what is not
        progress: print a line now and then in a log file: True, False, or a `Progress` to share
        settings: instead of `start_lr` to `batches`, which can't be passed besides
    """
    num_it: int
    mode: str
    accumulate: int
    model: Any
    opts: list[Any]
    schedulers: Any
    scaler: Any
    others: list[Any]
    shift: int
    seed: int | None
    where: Any
    verify: bool
    reduce: bool
    snapshot: Any
    fingerprint: Any
    groups: list[Any]
    settings: SweepSettings
    progress: Progress
    def __init__(
        self,
        opt: Any,
        model: Any,
        start_lr: Any = 1e-07,
        end_lr: Any = 10.0,
        num_it: int = 100,
        mode: str = 'exp',
        stop_div: Any = True,
        accumulate: int = 1,
        scaler: Any = None,
        schedulers: Any = None,
        extend: bool = False,
        batches: int | None = 8,
        shift: int = 1,
        seed: int | None = None,
        others: Any = None,
        reduce: bool = True,
        where: Any = 'device',
        snapshot: Snapshot | None = None,
        verify: bool = False,
        progress: Any = True,
        settings: SweepSettings | None = None,
    ) -> None: ...
    def end(self, reason: str) -> None:
        """End the sweep by a decision that all processes come to, once all losses are read.

        Args:
            reason: one of `STOP_REASONS`, see `LRCurve`
        """
    def start(self) -> LRSweep:
        """Save what a step can change, and set the first rate. Raises `ValueError` if there is nothing to train.

        Returns:
            LRSweep: itself
        """
    def finish(self, failed: bool = False) -> None:
        """Restore everything, and verify it if asked. Does nothing the second time.

        Args:
            failed: an exception is being raised: don't verify, so that no other error hides it
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: Any, *exc: Any) -> bool | None: ...
    def record(self, loss: Any, update: bool | None = None) -> bool:
        """Record the loss of this iteration, after the step, and set the next rate after an update.

        Args:
            loss: of this iteration, a scalar tensor or a number; None with `update=False`: nothing was
                measured
            update: whether the optimizer has just stepped; default: in every `accumulate`-th iteration

        Returns:
            bool: whether the sweep is over
        """
    def flush(self) -> bool:
        """Make a point of the losses since the last one, after the optimizer's step. `record` calls this.

        Returns:
            bool: whether the sweep is over
        """
    def __len__(self) -> int: ...
    @property
    def losses(self) -> list[float]:
        """The loss of each update so far."""
    @property
    def windows(self) -> list[int] | None:
        """Which of the common batches, or windows of them, made each loss so far; None if the sweep can't know.

        Returns:
            list[int] | None: or None
        """
    @property
    def curve(self) -> LRCurve:
        """The curve so far. Raises `RuntimeError` before the start, and for `mode='hold'`."""
    @property
    def needs_probes(self) -> bool:
        """Whether the sweep is over, and its curve can't tell which rate is good."""
    def __call__(self, loader: Any) -> Iterator[Any]:
        """Yield batches until the sweep is over. Raises `ValueError` if there is none, `RuntimeError` if an
        iteration recorded no loss.

        Args:
            loader: iterable of batches, or the `CommonBatches` that another sweep has gone round
        """
    def common_batches(self, loader: Any) -> CommonBatches:
        """Return the batches to go round in this running sweep. `sweep(loader)` does this by itself.

        Args:
            loader: iterable of batches, or the `CommonBatches` that another sweep has gone round

        Returns:
            CommonBatches: `CommonBatches`, for as many passes as are needed; with `batches=None` the
                `loader` itself
        """
    def use_loader(self, loader: Any, training: bool = True) -> None:
        """Restore `loader` too at the end, and reseed its generators if the sweep has a seed.

        Args:
            loader: any iterable of batches; `sweep(loader)` does this by itself
            training: the loop trains with its batches; False: it only measures a loss with them
        """
    def use_scaler(self, scaler: Any) -> None:
        """Watch `scaler` from here on: a step that it skips is not a point.

        Args:
            scaler: `torch.amp.GradScaler` that was made after the sweep had begun
        """
    @property
    def step_skipped(self) -> bool:
        """Whether the scaler has skipped the step of this iteration, before `flush`."""
    def check_rate(self, remedy: str | None = None) -> None:
        """Raise `ValueError` if anything but the optimizer's own step has changed the rate since it was set.

        Args:
            remedy: how the error ends; default: in general terms
        """
