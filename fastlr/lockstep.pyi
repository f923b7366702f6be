"""One loop in several processes: it ends in all of them at the same iteration."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any, Iterator
from fastlr.processes import SingleProcess

__all__ = ['Lockstep', 'LoopEnded', 'CommonBatches', 'redraw', 'copied', 'LockstepLoader']

class Lockstep:
    """A loop over batches that ends in all processes at the same iteration."""
    done: bool
    stop_reason: Any
    iterations: int
    processes: SingleProcess
    ever_synchronized: bool
    def __init__(self) -> None: ...
    @property
    def several(self) -> bool:
        """Whether there is more than one process."""
    def stop(self, reason: str) -> None:
        """End the loop for `reason`, in this process.

        Args:
            reason: one of `STOP_REASONS`, see `LRCurve`; the first one that was given is kept
        """
    def end(self, reason: str) -> None:
        """End the loop for `reason`, by a decision that all processes come to.

        Args:
            reason: likewise
        """
    def synchronize(self, forward: bool = False) -> None:
        """Wait for the other processes before `backward`. Raises `RuntimeError` if one of them will not come.

        Args:
            forward: before a forward pass that needs other processes; it counts for nothing else
        """
    def has_batch(self) -> bool:
        """Return whether all processes have a batch. Each of them has to call this before it uses its own."""
    def out_of_data(self) -> None:
        """End the loop in all processes, because there are no more batches in this one."""
    def leave(self) -> None:
        """Notify the other processes that this one has left the loop, which ends theirs too."""
    def batches(self, loader: Any) -> Iterator[Any]:
        """Yield the batches of `loader`, once, as long as all processes have one.

        Args:
            loader: iterable of batches
        """
    def repeat(self, loader: Any) -> Iterator[Any]:
        """Yield the batches of `loader` again and again until the loop is over. Raises `ValueError` if there is
        none, `RuntimeError` if an iteration was not counted.

        Args:
            loader: iterable of batches
        """

class LoopEnded(BaseException):
    """Leaves an iteration that another process will not take part in. It isn't an error."""

class CommonBatches:
    """A few batches of a loader, for any number of passes. The first pass draws them. If the loader ends
    earlier, later passes go round those that came.

    Args:
        loader: iterable of batches; a generator will do
        n: number of batches, at least 1
        length: batches of a pass, from 0, which continues the one before; default: each comes once
        window: with `length`: batches of an update, at least 1; a pass begins with a whole window
    """
    loader: Any
    n: Any
    length: int | None
    window: int
    current: Any
    def __init__(self, loader: Any, n: int, length: int | None = None, window: int = 1) -> None: ...
    @staticmethod
    def of(loader: Any, settings: Any) -> CommonBatches:
        """Return the batches that a sweep with these `settings` goes round.

        Args:
            loader: iterable of batches, or `CommonBatches`
            settings: `SweepSettings`

        Returns:
            CommonBatches: `CommonBatches`, or the `loader` with `batches=None`
        """
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def draw_no_more(self) -> None:
        """Let go of the loader's iterator for good: all passes go round the batches that were drawn."""
    def release(self) -> None:
        """Let go of the loader's iterator. If no pass has come to the end yet, the next one draws anew, or goes
        on drawing if the loader is a generator.
        """

def redraw(batches: Any) -> Any:
    """Return what another run goes round, once the loader was reseeded: batches that are still to be drawn.
    A generator gives its batches once, so that all runs go round the same; other iterables are returned.

    Args:
        batches: `CommonBatches`, or another iterable

    Returns:
        likewise
    """

def copied(batch: Any) -> Any:
    """Return a deep copy of `batch`. Tensors are copied without their graph; what can't be copied is returned
    itself.

    Args:
        batch: anything that a loader gives
    """

class LockstepLoader:
    """The batches of a loader, as long as all processes that train together have one.

    Args:
        loop: the loop that uses the batches
        loader: iterable of batches
    """
    loop: Lockstep
    loader: Any
    def __init__(self, loop: Lockstep, loader: Any) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
