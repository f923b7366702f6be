"""What was probably meant by a name that doesn't exist."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['did_you_mean']

def did_you_mean(name: str, names: Any, or_all: bool = True) -> str:
    """Return the end of an error message: the name that is closest to `name`, or else all of `names`.

    Args:
        name: what was written
        names: the names that exist
        or_all: if none of them is close, list them all; False: return an empty text
    """
