"""What other libraries call it: such a name is refused, and the error says what it is called here."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['RENAMED', 'OTHER_OPTIONS', 'V2_EVENTS', 'instead_of', 'refuses_other_options']

RENAMED: dict[str, str]
OTHER_OPTIONS: dict[str, str]
def instead_of(option: Any, options: Any) -> Any:
    """Say what to pass or to do instead of an option of another library.

    Args:
        option: name of an option that a function lacks
        options: names of those that it has

    Returns:
        text, or None if nothing is known
    """

def refuses_other_options(f: Any) -> Any:
    """Decorate `f`, so that an option of another library is refused with a remedy.

    Args:
        f: function with named parameters

    Returns:
        `f`, which raises `TypeError` for an option of another library, or one that is passed by name
            only
    """

V2_EVENTS: dict[str, str]
