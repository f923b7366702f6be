"""Several processes train together, and none of them waits for one that will not come."""

# Made by tools/stubs.py: run `make prepare`.

import contextlib
from typing import Any

__all__ = ['ALL_HERE', 'END_OF_PASS', 'OUT_OF_DATA', 'LEFT', 'SingleProcess', 'Processes',
    'current_processes', 'fail_together']

ALL_HERE: str
END_OF_PASS: str
OUT_OF_DATA: str
LEFT: str
class SingleProcess:
    """A process that sweeps by itself."""
    several: bool
    agreed: bool
    left: bool
    signals: Any
    def __init__(self) -> None: ...
    def check_same(self, settings: dict[Any, Any], function: str) -> None:
        """Do nothing: there is no other process.

        Args:
            settings: name -> value
            function: the one that was called with them
        """
    def synchronize(
        self,
        message: str = '',
        losses: Any = (),
        ends: bool = False,
        forward: bool = False,
    ) -> str:
        """Return the message, as other processes would receive it.

        Args:
            message: `END_OF_PASS` or `OUT_OF_DATA`
            losses: not used
            ends: not used
            forward: not used

        Returns:
            str: the same, or `ALL_HERE`
        """
    def mean(self, losses: list[Any]) -> list[float]:
        """Return the losses as numbers, fetched with one copy from their device.

        Args:
            losses: scalar tensors
        """
    def any_process(self, flag: bool) -> bool:
        """Return `flag`.

        Args:
            flag: of this process
        """
    def before_forward(self, models: list[Any], f: Any) -> None:
        """Do nothing: no forward pass waits for another process.

        Args:
            models: modules that are trained
            f: function without arguments
        """
    def warn_of_waits(self, models: list[Any]) -> None:
        """Do nothing: no `backward` waits for another process.

        Args:
            models: modules that are trained
        """
    def notify(self, error: BaseException) -> None:
        """Do nothing: there is no other process.

        Args:
            error: it ends the sweep
        """
    def leave(self, failed: bool = False) -> None:
        """Note that the sweep is over.

        Args:
            failed: an exception is being raised
        """

class Processes(SingleProcess):
    """All processes of `torch.distributed`, which sweep together."""
    several: bool
    count: Any
    pass_ends: bool
    means: list[Any]
    aborted: Any
    def __init__(self) -> None: ...
    def synchronize(
        self,
        message: str = '',
        losses: Any = (),
        ends: bool = False,
        forward: bool = False,
    ) -> str:
        """Send a message and wait for those of the others. Raise `RuntimeError` if one of them has failed.

        Args:
            message: instead of `ALL_HERE`: `END_OF_PASS`, `OUT_OF_DATA` or `LEFT`
            losses: scalar tensors, at most ten, the same number in each process; see `means`
            ends: after this iteration, a pass over the data ends here
            forward: before a forward pass; then all processes have to be there

        Returns:
            str: the one that counts, of all processes
        """
    def abort(self, message: str) -> None:
        """End the sweep in this process too, by raising a `RuntimeError`.

        Args:
            message: the one that has ended the sweep in another process
        """
    def check_same(self, settings: dict[Any, Any], function: str) -> None:
        """Raise `ValueError`, in all processes, if the settings are not the same in all of them.

        Args:
            settings: name -> value, at most a dozen
            function: the one that was called with them
        """
    def mean(self, losses: list[Any]) -> list[float]:
        """Return the mean of each loss over all processes. All of them have to call this.

        Args:
            losses: scalar tensors, the same number in each process
        """
    def any_process(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process. All of them have to call this.

        Args:
            flag: of this process
        """
    def before_forward(self, models: list[Any], f: Any) -> None:
        """Call `f` before each forward pass of a module that sends anything to other processes in it.

        Args:
            models: modules that are trained
            f: function without arguments
        """
    def warn_of_waits(self, models: list[Any]) -> None:
        """Warn if `models` are in DDP: then a process that fails leaves the others waiting in `backward`.

        Args:
            models: modules that are trained, by a loop that sends no message before `backward`
        """
    def notify(self, error: BaseException) -> None:
        """Notify the other processes of the error, unless they have been notified of it before.

        Args:
            error: it ends the sweep
        """
    def leave(self, failed: bool = False) -> Any:
        """Wait until all processes have come to the end, or notify those that may wait for this one.

        Args:
            failed: an exception is being raised
        """

def current_processes(reduce: bool = True) -> SingleProcess:
    """Return the processes that sweep together: all of `torch.distributed`, if it is initialized.

    Args:
        reduce: False: this process sweeps by itself

    Returns:
        SingleProcess: or `Processes`
    """

def fail_together(reduce: bool = True, to_the_end: bool = True) -> contextlib.AbstractContextManager[Any]:
    """Notify the other processes, which would wait for this one, of an error in the `with` block.

    Args:
        reduce: False: this process sweeps by itself
        to_the_end: wait until all processes have come to the end of the block, too
    """
