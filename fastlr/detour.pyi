"""A context manager that restores everything, whatever happens inside of it."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from typing_extensions import Self
from fastlr.signals import SignalGuard
from fastlr.snapshot import Snapshot

__all__ = ['check_alone', 'Detour']

def check_alone(opts: Any = ()) -> None:
    """Raise `RuntimeError` if a range test is under way in another thread, or sweeps one of `opts`.

    Args:
        opts: optimizers that are about to be swept
    """

class Detour:
    """Restore everything that `snapshot` holds, whatever happens inside the `with` block.

    Args:
        snapshot: taken before anything could change
        close: close the snapshot at the end; False: the caller closes it
        within: further functions during which signals wait
        opts: optimizers that are swept
    """
    snapshot: Snapshot
    close: bool
    opts: Any
    failed: bool
    guard: SignalGuard
    def __init__(
        self,
        snapshot: Snapshot,
        close: bool = True,
        within: tuple[Any, ...] = (),
        opts: Any = (),
    ) -> None: ...
    def before_restore(self, f: Any) -> None:
        """Call `f` at the end, before the snapshot is restored; the last such function is called first.

        Args:
            f: function without arguments
        """
    def after_restore(self, f: Any) -> None:
        """Call `f` at the end, after the snapshot is restored; the last such function is called first.

        Args:
            f: function without arguments
        """
    def deliver_signals(self) -> None:
        """Deliver the signals that have arrived and wait."""
    def start(self) -> Any:
        """Guard the signals from here on; the same as entering the `with` block. Return the detour."""
    def finish(self, failed: bool = False) -> None:
        """Restore everything; the same as leaving the `with` block.

        Args:
            failed: an exception is being raised
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: Any, *exc: Any) -> bool | None: ...
