"""What can be said about a curve, and the directory that it is written to."""

# Made by tools/stubs.py: run `make prepare`.

import pathlib
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve

__all__ = ['FILES', 'CHECK_DIRECTORY', 'answer', 'can_be_drawn', 'report', 'check_directory', 'write_results']

def answer(curve: LRCurve, rule: str = 'auto') -> dict[Any, Any]:
    """Return what can be said about a curve; if it supports no suggestion, `error` says why.

    Args:
        curve: of the range test
        rule: name of a rule, as for `curve.suggest`

    Returns:
        dict[Any, Any]: the fields of the table above, without `directory`
    """

def can_be_drawn(curve: LRCurve) -> bool:
    """Return whether `curve` has two rates whose effect on the loss is known, as a picture needs them.

    Args:
        curve: of the range test
    """

def report(name: str, curve: LRCurve, found: dict[Any, Any], asked: dict[Any, Any]) -> str:
    """Return the report of a range test.

    Args:
        name: of the training
        curve: of the range test
        found: the `answer` of the curve
        asked: option -> value, as the report shall list them

    Returns:
        str: Markdown
    """

FILES: tuple[str, ...]
CHECK_DIRECTORY: EntryPoint
def check_directory(path: Any, force: bool = False, entry: EntryPoint = ...) -> pathlib.Path:
    """Return `path` if the results can go there. Raises `ConfigError`.

    Args:
        path: directory for the results, which needn't exist
        force: it may hold earlier results
        entry: the function that was called: messages use its option names
    """

def write_results(
    path: pathlib.Path,
    curve: LRCurve,
    found: dict[Any, Any],
    config: str,
    text: str,
    rule: str = 'auto',
) -> pathlib.Path:
    """Write the results into a directory. Raises `OSError` if that fails; then the old ones are still there.

    Args:
        path: directory, as `check_directory` returns it
        curve: of the range test
        found: the `answer` of the curve
        config: YAML of the training, with all defaults
        text: the `report`
        rule: name of the rule to mark in the picture

    Returns:
        pathlib.Path: of the directory
    """
