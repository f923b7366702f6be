"""The arguments of the command `fastlr`: options, what it says about misspelt ones, completion in the shell."""

# Made by tools/stubs.py: run `make prepare`.

import argparse
from typing import Any

__all__ = ['PROBE_CHOICES', 'CommandParser', 'parser']

class CommandParser(argparse.ArgumentParser):
    """A parser whose errors say what was received, and what was probably meant."""
    commands: dict[Any, Any]
    top: Any
    @staticmethod
    def instead(option: Any) -> None: ...
    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; options that don't exist are refused before anything else is missed.

        Args:
            args: list of texts; default: those of the command line
            namespace: for the result; default: a new one

        Returns:
            of the type of `namespace`
        """

def parser(prog: str = 'fastlr') -> argparse.ArgumentParser:
    """Return the parser of the command line. Most options have AllenNLP's names and defaults.

    Args:
        prog: what the usage calls the command
    """

PROBE_CHOICES: dict[str, Any]
