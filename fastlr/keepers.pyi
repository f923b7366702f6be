"""For each kind of object, a function that saves its state and restores it in place."""

# Made by tools/stubs.py: run `make prepare`.

import functools
from typing import Any, Iterator

__all__ = ['ATTRIBUTES', 'keep_parts', 'keep_attributes', 'keep_inside', 'keep_vars']

@functools.singledispatch
def keep_parts(x: Any, snapshot: Any, mode: str) -> Any:
    """Save `x` as it is now, in the way that is registered for its class.

    Args:
        x: object that a training may change
        snapshot: `Snapshot`; its `restorers` get functions that restore `x`
        mode: which other objects to save: 'near', 'deep' or 'draws', see the sections on them

    Returns:
        iterable over what is in `x`, to be saved next; None: `x` is left alone
    """

ATTRIBUTES: dict[str, Any]
@functools.singledispatch
def keep_attributes(x: Any, snapshot: Any, mode: str) -> Any:
    """Save the attributes of `x` that are in its `__dict__`, or do what is registered for its class instead.

    Args:
        x: object of any class
        snapshot: `Snapshot`; its `restorers` get functions that restore `x`
        mode: 'deep' or 'draws'

    Returns:
        iterable over what is in `x`, to be saved next
    """

def keep_inside(x: Any, snapshot: Any, mode: str) -> Iterator[Any]:
    """Save `x` attribute by attribute, including those in slots.

    Args:
        x: object of any class
        snapshot: `Snapshot`; its `restorers` get functions that restore `x`
        mode: 'deep' or 'draws'

    Returns:
        Iterator[Any]: iterator over what is in `x`, to be saved next
    """

def keep_vars(attrs: dict[Any, Any], snapshot: Any, leave: Any) -> Iterator[Any]:
    """Save the attributes of an object, except for those of which `leave` is true.

    Args:
        attrs: attributes of an object, its `vars`
        snapshot: `Snapshot`; its `restorers` get a function that restores `attrs`
        leave: function of name and value: whether to leave this attribute alone

    Returns:
        Iterator[Any]: iterator over the values that are saved, to be saved themselves next
    """
