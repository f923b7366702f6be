"""Changes of a configuration, from the command line."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['parse_overrides', 'Swapped', 'merge']

def parse_overrides(text: str | None, option: str) -> dict[Any, Any]:
    """Return the overrides in `text`. Raises `ConfigError`.

    Args:
        text: a JSON object, its keys nested or dotted; empty or None: no overrides
        option: what the caller calls it, for messages

    Returns:
        dict[Any, Any]: the object as it is
    """

class Swapped(dict[Any, Any]):
    """The arguments that overrides give to a class which they have put in the place of another.

    Args:
        given: the arguments
        old_class: path of the class that was there before
        old: its arguments, some of which may fit the new class
    """
    old_class: str
    old: dict[Any, Any]
    def __init__(self, given: dict[Any, Any], old_class: str, old: dict[Any, Any]) -> None: ...

def merge(config: dict[Any, Any], overrides: dict[Any, Any]) -> dict[Any, Any]:
    """Return a new dict: the nested `config` with `overrides`, whose keys may be dotted, applied.

    Args:
        config: nested
        overrides: changes, their keys nested or dotted

    Returns:
        dict[Any, Any]: nested; the `init_args` of a class in the place of another are `Swapped`
    """
