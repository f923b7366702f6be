"""What a path such as `torch.optim.SGD` names; and if that can't be imported, where it was looked for."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['ConfigError', 'CodeError', 'place_in_code', 'load_module', 'load_object']

class ConfigError(ValueError):
    """A configuration or an argument that can't be used; the message says which one, and what to do."""

class CodeError(ConfigError):
    """An error that the code of a user has raised, in one line.

    Args:
        what: what couldn't be done, the beginning of a sentence
        error: that was raised
        remedy: the end of the sentence
    """
    def __init__(self, what: str, error: BaseException, remedy: str = '') -> None: ...

def place_in_code(error: BaseException) -> str:
    """Return the last line of the user's own code that `error` has passed, for a message.

    Args:
        error: that was raised

    Returns:
        str: such as ' (mine.py, line 12)'; empty if no code of the user took part
    """

def load_module(path: str, what: str) -> Any:
    """Import the module `path`. Raises `ConfigError` that says where it was looked for, and what to do.

    Args:
        path: with dots, such as 'torch.optim'
        what: what to call it in messages, such as "--include-package 'mine'"

    Returns:
        the module
    """

def load_object(path: str, what: str) -> Any:
    """Import what `path` names. Raises `ConfigError` that says where it was looked for, and what to do.

    Args:
        path: of a class or a function: a module, a dot, and the name in it
        what: what names it, for messages, such as 'model.class_path'

    Returns:
        the class or function
    """
