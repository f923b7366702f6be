"""Ctrl-C at the wrong moment has to wait."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from typing_extensions import Self

__all__ = ['PATIENT', 'in_main_thread', 'SignalGuard']

PATIENT: float
def in_main_thread() -> bool:
    """Return whether this is the main thread, the only one in which Python handles signals."""

class SignalGuard:
    """While it is installed, a signal that arrives in one of `functions` waits for `deliver`.

    Args:
        *functions: functions that have to run to their end
    """
    codes: Any
    arrived: list[Any]
    holding: bool
    since: Any
    old: dict[Any, Any]
    active: bool
    def __init__(self, *functions: Any) -> None: ...
    def install(self) -> None:
        """Take over the signals. Call it in one of the functions; outside of the main thread it does nothing."""
    def __call__(self, signum: Any, frame: Any) -> Any: ...
    def hold(self) -> None:
        """Let signals wait wherever they arrive, until `deliver`, or until another one arrives after a while."""
    def deliver(self) -> None:
        """Deliver the signals that wait, in the order in which they arrived: call their handlers now."""
    def remove(self) -> None:
        """Give the signals back to their handlers, and deliver those that wait."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: Any) -> bool | None: ...
