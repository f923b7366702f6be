"""What an error says after it has named what is wrong: what was probably meant, and what to do, in the words of the function that was called."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['OPTIONS', 'did_you_mean', 'got', 'EntryPoint']

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

OPTIONS: tuple[str, ...]
class EntryPoint:
    """A function that starts a range test, and its names for our options.

    Args:
        name: of the function
        options: our name of each option that it has -> its own name; default: all, by our names
        modes: its name of each mode -> ours, 'exp' or 'linear'; default: our names
        never: the value of `stop_div` with which it never stops early
        without_factor: the value of `stop_div` for the rule without a factor; None: it has none
    """
    name: str
    options: Any
    modes: Any
    never: str
    without_factor: str | None
    def __init__(
        self,
        name: str = 'lr_find',
        options: dict[Any, Any] | None = None,
        modes: dict[Any, Any] | None = None,
        never: str = 'False',
        without_factor: str | None = 'True',
    ) -> None: ...
    def __contains__(self, option: Any) -> bool: ...
    def say(self, text: str) -> str | None:
        """Return `text` with the function's own names of the options.

        Args:
            text: a template with options in braces, such as 'raise {end_lr}'

        Returns:
            str | None: None if the function lacks one of the options
        """
    def advise(self, what: str, *remedies: Any) -> str:
        """Return one sentence: what is wrong, and the remedies for which the function has an option.

        Args:
            what: what is wrong; names no option
            *remedies: templates with options in braces; each remedy alone would help
        """
    def mode_of(self, mode: str) -> str:
        """Return our name of `mode`. Raise `ValueError` for one that the function doesn't have.

        Args:
            mode: as it was passed

        Returns:
            str: 'exp' or 'linear'
        """
    @property
    def several_runs(self) -> str:
        """The remedy against noise: an option of the function, or the median of sweeps over other batches.

        Returns:
            str: a template, for `advise`
        """
