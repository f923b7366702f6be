"""Small functions that several modules need."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['as_list', 'describe', 'check_flag', 'check_iterable', 'known_len', 'add_note', 'is_main_process',
    'trains_alone', 'is_watched', 'progress_bar', 'duration_text', 'set_group_value', 'set_group_values',
    'has_copies', 'inner_optimizer', 'needs_closure', 'steps_twice', 'has_step_hooks', 'read_every']

def as_list(x: Any) -> list[Any]:
    """Return `x` as a list: an empty one for None, and one entry for anything but a list, tuple or set.

    Args:
        x: one object, a list, tuple or set of them, or None

    Returns:
        list[Any]: a new one
    """

def describe(x: Any) -> str:
    """Return what `x` is, for an error message.

    Args:
        x: anything
    """

def check_flag(name: str, value: Any) -> None:
    """Raise `TypeError` unless `value` is True or False.

    Args:
        name: of the option
        value: what was passed
    """

def check_iterable(name: str, x: Any) -> None:
    """Raise `TypeError` unless `x` can be iterated over.

    Args:
        name: of the parameter, for the error message
        x: what should be a loader
    """

def known_len(dl: Any) -> Any:
    """Return the length of a loader, or None if it has none or can't say it.

    Args:
        dl: any iterable of batches

    Returns:
        the number of batches, or None
    """

def add_note(e: Any, note: str) -> None:
    """Add `note` to the printed message of exception `e`, also on Python 3.10.

    Args:
        e: exception
        note: a sentence
    """

def is_main_process() -> bool:
    """Return whether this process is the first of those that train together: the one that prints."""

def trains_alone() -> bool:
    """Return whether this process doesn't train together with others."""

def is_watched() -> bool:
    """Return whether a progress bar would be seen: in a notebook or a terminal, and in the first process only."""

def progress_bar(n: int, silent: bool = False) -> Any:
    """Return a progress bar over `n` updates; None with `silent`, or where it wouldn't be seen.

    Args:
        n: updates
        silent: show nothing

    Returns:
        fastprogress's bar, or None
    """

def duration_text(seconds: float) -> str:
    """Return a number of seconds as one says it.

    Args:
        seconds: from 0
    """

def set_group_value(group: dict[Any, Any], name: str, value: Any) -> None:
    """Set a hyperparameter of `group`; in place if it is a tensor, as compiled steps need it.

    Args:
        group: a parameter group of an optimizer
        name: hyperparameter: 'lr', 'weight_decay', ...
        value: new value, a number
    """

def set_group_values(opt: Any, name: str, values: list[Any]) -> None:
    """Set a hyperparameter of all groups of `opt`; if they are copies, assign them, if `opt` allows that.

    Args:
        opt: optimizer with `param_groups`
        name: hyperparameter: 'lr', 'weight_decay', ...
        values: new values, one number per group
    """

def has_copies(opt: Any) -> bool:
    """Return whether `opt` makes its parameter groups anew whenever they are read.

    Args:
        opt: optimizer with `param_groups`
    """

def inner_optimizer(opt: Any) -> Any:
    """Return the innermost optimizer of wrappers that hold one as `optimizer`, or as `opt`.

    Args:
        opt: torch optimizer, or a wrapper around one, such as accelerate's

    Returns:
        torch optimizer
    """

def needs_closure(opt: Any) -> bool:
    """Return whether `opt.step` requires a function that evaluates the loss.

    Args:
        opt: torch optimizer
    """

def steps_twice(opt: Any) -> bool:
    """Return whether `opt` moves away and back in each step, as SAM does, and evaluates the loss in between.

    Args:
        opt: torch optimizer
    """

def has_step_hooks(opt: Any) -> bool:
    """Return whether functions can be registered that `opt` calls before and after each step.

    Args:
        opt: torch optimizer
    """

def read_every(loss: Any) -> int:
    """Return the number of losses to gather on the device of `loss` before they are read.

    Args:
        loss: tensor

    Returns:
        int: 1 or 10
    """
