"""A range test that something else has ended, before the learning rate could."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.curve import LRCurve
from fastlr.suggestion import NoSuggestion

__all__ = ['has_risen', 'bad_batches', 'name_batches', 'check_data', 'what_ended', 'with_ending',
    'interrupted']

def has_risen(losses: Any) -> bool:
    """Return whether the loss rises at the end, by more than noise.

    Args:
        losses: (n,) raw losses, finite
    """

def bad_batches(curve: LRCurve) -> tuple[Any, ...] | None:
    """Return the batches that have ended the sweep by their data, by their numbers in the order of use.

    Args:
        curve: of a range test

    Returns:
        tuple[Any, ...] | None: (first, last) of the update whose loss was not finite, by their number
            from 1; or None
    """

def name_batches(span: tuple[Any, ...]) -> str:
    """Return the text that names these batches.

    Args:
        span: as `bad_batches` returns it
    """

def check_data(curve: LRCurve) -> None:
    """Raise `NoSuggestion` if a bad batch has ended the sweep before the loss had fallen completely.

    Args:
        curve: of a range test
    """

def what_ended(curve: LRCurve) -> tuple[Any, ...]:
    """Return what has ended the sweep too early, with the remedy.

    Args:
        curve: of a range test

    Returns:
        tuple[Any, ...]: (sentence, short name); (None, '') if the sweep went on to its end or until the
            loss diverged
    """

def with_ending(curve: LRCurve, error: NoSuggestion) -> NoSuggestion:
    """Return `error` with a message that begins with what has ended the sweep too early, if something has.

    Args:
        curve: of a range test
        error: what a rule has raised
    """

def interrupted(curve: LRCurve, place: str, basis: str) -> LRCurve:
    """Return `curve` with a note that something was interrupted, which its findings begin with.

    Args:
        curve: what there is
        place: where Ctrl-C was pressed, such as 'probe 2 of 5, after 31 of 60 updates'
        basis: what the curve and its suggestion rest on, the end of a sentence
    """
