"""Short messages between all processes, none of which waits for one that will not come."""

# Made by tools/stubs.py: run `make prepare`.

import datetime
from typing import Any

__all__ = ['PATIENCE', 'GRACE', 'SIZE', 'WAITED_IN_VAIN', 'CANT_CONNECT', 'Aborted', 'Link', 'describe_error',
    'current_link', 'aborted_links', 'notify_failure']

PATIENCE: Any
GRACE: float
SIZE: int
WAITED_IN_VAIN: str
CANT_CONNECT: str
class Aborted(Exception):
    """Another process has failed, or doesn't respond, so an exchange was aborted. The message says why."""

class Link:
    """A connection of all processes, for short messages.

    Args:
        name: the same in all processes, and new: keys in the store begin with it
        store: the one of `torch.distributed`
        timeout: how long to wait for a message
    """
    name: str
    store: Any
    group: Any
    closed: bool
    completed: int
    completed_at: Any
    def __init__(self, name: str, store: Any, timeout: datetime.timedelta) -> None: ...
    def all_gather(self, numbers: list[Any], signals: Any = None, last: bool = False) -> list[list[float]]:
        """Return the numbers of all processes. Raise `Aborted` if one of them has failed or doesn't respond.

        Args:
            numbers: at most `SIZE`
            signals: `SignalGuard` that holds signals during the exchange and after it
            last: hold signals that have arrived, too: no process needs this one after the exchange

        Returns:
            list[list[float]]: one row per process, in their order, and so the same in all of them
        """

def describe_error(error: BaseException) -> str:
    """Describe `error` to other processes.

    Args:
        error: of this process

    Returns:
        str: at most 500 characters
    """

def current_link(signals: Any = None) -> Link:
    """Return the link of the default process group. Raise `Aborted` if another process has failed.

    Args:
        signals: `SignalGuard` that holds signals meanwhile
    """

def aborted_links() -> int:
    """Return how many links of the default process group were aborted by an error in any process."""

def notify_failure(failure: str) -> Any:
    """Notify the other processes over the current link that this one has failed, without waiting for them.

    Args:
        failure: why this process sends no more messages
    """
