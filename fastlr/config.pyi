"""A training that is described in a file: how the file is read, checked and built."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.advice import EntryPoint

__all__ = ['EXAMPLES', 'PARTS', 'KINDS', 'CONFIGURATION', 'read_config', 'training_settings', 'Configuration']

EXAMPLES: dict[str, str]
PARTS: tuple[str, ...]
KINDS: dict[str, str]
CONFIGURATION: EntryPoint
def read_config(config: Any, overrides: str | None = None, entry: EntryPoint = ...) -> dict[Any, Any]:
    """Return the contents of `config`, with the overrides applied; not checked yet. Raises `ConfigError`.

    Args:
        config: path of a file, or the name of a built-in example
        overrides: a JSON object, its keys nested or dotted; default: none
        entry: the function that was called: messages use its option names

    Returns:
        dict[Any, Any]: nested: model, data, optimizer, loss, and perhaps training
    """

def training_settings(
    accumulate: int = 1,
    precision: str | None = None,
    clip: float | None = None,
    wd: float | None = None,
) -> dict[Any, Any]:
    """Return the settings, with their defaults. Raises `ConfigError`.

    Args:
        accumulate: batches that make one optimizer update, at least 1
        precision: 'bf16' or 'fp16'; None: full precision
        clip: largest norm of the gradient, above zero; None: no clipping
        wd: weight decay, from 0; None leaves it to the optimizer

    Returns:
        dict[Any, Any]: the same four, by name
    """

class Configuration:
    """A training as a file describes it, checked against all signatures that it names. Raises `ConfigError`.

    Args:
        config: nested, as `read_config` returns it
        entry: the function that was called: messages use its option names
    """
    entry: EntryPoint
    notes: list[Any]
    given: Any
    targets: Any
    parser: Any
    training: dict[Any, Any]
    values: Any
    def __init__(self, config: dict[Any, Any], entry: EntryPoint = ...) -> None: ...
    def make(self, name: str) -> Any:
        """Build the part `name`. Raises `ConfigError`.

        Args:
            name: 'model', 'data', 'optimizer' or 'loss'

        Returns:
            for an optimizer, and for a loss that is a function, that function with its arguments bound
        """
    def learner(self, device: Any = None) -> Any:
        """Build the `Learner`. Raises `ConfigError`.

        Args:
            device: name of a device, such as 'cuda'; default: that of the data
        """
    def to_yaml(self) -> str:
        """Return the configuration as YAML, with all defaults that a file can hold."""
