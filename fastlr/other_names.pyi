"""What other libraries call it: such a name is refused, and the error says what it is called here."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['RENAMED', 'OTHER_OPTIONS', 'INTEGRATIONS', 'V2_EVENTS', 'instead_of', 'refuses_other_options',
    'integration_for', 'who_sets_rates', 'pass_one_rate']

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

INTEGRATIONS: dict[str, str]
def integration_for(x: Any) -> str:
    """Say what to import for an object of another library, such as its trainer.

    Args:
        x: what was passed in the place of a model or a `Learner`

    Returns:
        str: the end of a message; empty if no integration is for it
    """

def who_sets_rates() -> str | None:
    """Return the name of the method of fastai that was called, if it is about to set rates.

    Returns:
        str | None: or None
    """

def pass_one_rate(entries: Any) -> str:
    """Return the message for a training of fastai that was given the whole result of a range test.

    Args:
        entries: names of the rules whose rates the result holds
    """

V2_EVENTS: dict[str, str]
