"""Has everything been restored? Ask for checksums."""

# Made by tools/stubs.py: run `make prepare`.

import functools
from typing import Any

__all__ = ['NotRestored', 'Fingerprint', 'attributes_to_compare']

class NotRestored(RuntimeError):
    """A range test changed something that could not be restored; `names` lists it, as `model.vocab.words`."""

class Fingerprint:
    """Checksums of all that can be reached from some objects, of the random states, and of settings of torch.

    Args:
        leave_out: list of objects that may change
        **objects: those that must not change, by the name to be used in messages
    """
    leave_out: Any
    objects: dict[Any, Any]
    seen: Any
    sums: dict[Any, Any]
    kinds: dict[Any, Any]
    def __init__(self, *, leave_out: Any = (), **objects: Any) -> None: ...
    def add(self, **objects: Any) -> None:
        """Add more objects, as they are now. If a name is there already, its object stays.

        Args:
            **objects: by the name to be used in messages
        """
    def add_loader(self, loader: Any) -> None:
        """Add `loader` as 'loader', 'loader2', ..., unless it was added before.

        Args:
            loader: any iterable of batches
        """
    def changed(self) -> list[str]:
        """Return the paths of what differs from before. If an object and its parts differ, the parts are named;
        if an object is found in two places, the first one is.
        """
    def check(self, entry: Any = None) -> None:
        """Raise `NotRestored`, with the names of what differs from before.

        Args:
            entry: `EntryPoint` of the function that was called: the error names `others` as it does
        """

@functools.singledispatch
def attributes_to_compare(x: Any) -> dict[Any, Any]:
    """Return what of `x` must be as before: what it pickles, if its class says so, or all of its attributes.

    Args:
        x: object of any class

    Returns:
        dict[Any, Any]: name -> value
    """
