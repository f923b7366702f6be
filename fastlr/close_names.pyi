"""A name that doesn't exist is answered with the one that was probably meant."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['did_you_mean', 'got']

def did_you_mean(name: str, names: Any, or_all: bool = True) -> str:
    """Return the end of an error message: the name that is closest to `name`, or else all of `names`.

    Args:
        name: what was written
        names: the names that exist
        or_all: if none of them is close, list them all; False: return an empty text
    """

def got(value: Any, names: Any) -> str:
    """Return the end of an error message: what was passed, and the name that was probably meant.

    Args:
        value: what was passed
        names: the texts that could have been passed
    """
