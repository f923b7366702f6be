"""Is this curve normal? What is odd about it, in words, each with a remedy."""

# Made by tools/stubs.py: run `make prepare`.

from typing_extensions import Self
from fastlr.curve import LRCurve

__all__ = ['Finding', 'suggestion_text']

class Finding(str):
    """One sentence on what is odd about a curve.

    Args:
        text: the sentence
        code: short name of what is odd, such as 'unclear'
    """
    def __new__(cls, text: str, code: str = '') -> Self: ...

def suggestion_text(curve: LRCurve) -> str:
    """Return a text with the suggestions, or the reason why there is none, and the findings.

    Args:
        curve: of a range test

    Returns:
        str: several lines
    """
