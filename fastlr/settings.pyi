"""What a range test is asked to do, checked once, in the words of the function that was called."""

# Made by tools/stubs.py: run `make prepare`.

import dataclasses
import numpy.typing
from typing import Any
from fastlr.advice import EntryPoint

__all__ = ['SweepSettings', 'is_number', 'is_whole', 'check_above_zero', 'trained_groups', 'settings_of']

@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """What a range test is asked to do. Raise `ValueError` or `TypeError`, in the words of the entry point.

    Args:
        start_lr: first rate, above zero, of the fastest parameter group; or a list, one per group
        end_lr: last rate, above the first, likewise
        num_it: optimizer updates, at least 2
        mode: 'exp', 'linear', or 'hold': `start_lr` throughout
        stop_div: True: the rule; False: never; a factor above 1 on the best loss; a `Divergence`
        accumulate: batches that make one optimizer update, at least 1
        extend: go on beyond `end_lr` while the loss still falls there
        runs: sweeps from the same state, at least 1
        probe: short trainings after the sweep: True, False, or 'auto': if it can't tell
        batches: number of windows of `accumulate` batches to go round; None: fresh ones throughout
        entry: the function that was called, whose words the messages use
    """
    start_lr: Any = ...
    end_lr: Any = ...
    num_it: int = ...
    mode: str = ...
    stop_div: Any = ...
    accumulate: int = ...
    extend: bool = ...
    runs: int = ...
    probe: Any = ...
    batches: int | None = ...
    entry: EntryPoint = ...
    def __init__(
        self,
        start_lr: Any = 1e-07,
        end_lr: Any = 10.0,
        num_it: int = 100,
        mode: str = 'exp',
        stop_div: Any = True,
        accumulate: int = 1,
        extend: bool = False,
        runs: int = 1,
        probe: Any = False,
        batches: int | None = 8,
        entry: EntryPoint = ...,
    ) -> None: ...
    def ends(self, groups: Any) -> tuple[numpy.typing.NDArray[Any], numpy.typing.NDArray[Any]]:
        """Return the first and the last rate of each group. Raise `ValueError` if they don't fit, or don't rise.

        Args:
            groups: parameter groups of one optimizer or several, with an 'lr' each

        Returns:
            tuple[NDArray[Any], NDArray[Any]]: first rates (groups,), last rates (groups,)
        """
    def schedule(self, first: Any, last: Any) -> numpy.typing.NDArray[Any]:
        """Return the rates of each update: in equal factors (exp), in equal steps (linear), or constant (hold).

        Args:
            first: (groups,) rates of the first update
            last: (groups,) rates of update `num_it`

        Returns:
            NDArray[Any]: (updates, groups); twice `num_it` updates with `extend`
        """
    def holding(self, rates: Any, updates: int) -> SweepSettings:
        """Return settings for the same training at constant `rates`, once, until the loss diverges: a probe.

        Args:
            rates: (groups,) one rate per group
            updates: at least 2
        """
    def check_restartable(self, loader: Any) -> None:
        """Raise `ValueError` if one sweep uses up `loader` and the settings ask for several.

        Args:
            loader: training data
        """
    def check_alone(self, function: str, options: dict[Any, Any]) -> None:
        """Raise `ValueError` for an option that is not the default, and would be ignored.

        Args:
            function: the one that was called
            options: options that were passed besides these settings, by their names here
        """
    def by_name(self) -> dict[Any, Any]:
        """Return the value of each option, by the name that the function which was called has for it.

        Returns:
            dict[Any, Any]: name of each option -> its value
        """

def is_number(x: Any) -> bool:
    """Return whether `x` is a real number, of Python or numpy, and not a bool.

    Args:
        x: anything
    """

def is_whole(x: Any) -> bool:
    """Return whether `x` is a whole number, of Python or numpy, and not a bool.

    Args:
        x: anything
    """

def check_above_zero(name: str, x: Any, remedy: str) -> None:
    """Raise `ValueError` unless `x` is a finite number above zero.

    Args:
        name: what the caller's parameter is called
        x: what was passed
        remedy: what to do instead
    """

def trained_groups(groups: Any) -> list[int]:
    """Return the groups that have a parameter with `requires_grad`.

    Args:
        groups: parameter groups

    Returns:
        list[int]: their indices
    """

def settings_of(settings: Any, options: dict[Any, Any], entry: EntryPoint) -> SweepSettings:
    """Return `settings`, or if they are None those of `options`. Raise `ValueError` for options in vain.

    Args:
        settings: `SweepSettings`, or None
        options: those that were passed besides, by their names here
        entry: of the function that was called
    """
