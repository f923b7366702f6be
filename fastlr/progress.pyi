"""How far a range test is: a bar where people watch, elsewhere a line now and then."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['FIRST', 'LONGEST', 'Progress', 'as_progress']

FIRST: float
LONGEST: float
class Progress:
    """How far a range test is: a bar where people watch, elsewhere a line now and then.

    Args:
        silent: show nothing
        runs: sweeps before there are probes, from 1
        bar: show a bar in a notebook or a terminal; False: show nothing there
        file: text file that gets lines, wherever the program runs; default: standard output, or a bar
        clock: function () -> time in seconds; default: `time.monotonic`
    """
    silent: bool
    file: Any
    clock: Any
    what: str
    sweeps: int
    number: int
    length: int
    done: int
    done_before: int
    reached: int
    began: float
    next_line: float
    pause: Any
    seconds: Any
    def __init__(
        self,
        silent: bool = False,
        *,
        runs: int = 1,
        bar: bool = True,
        file: Any = None,
        clock: Any = None,
    ) -> None: ...
    def stage(self, what: str, sweeps: int) -> None:
        """A new stage begins, with sweeps of another kind.

        Args:
            what: what each of its sweeps is called in a line, such as 'Probe'
            sweeps: the number of sweeps, from 1
        """
    def begin(self, updates: int) -> None:
        """The next sweep of the stage begins.

        Args:
            updates: that the sweep will take, from 1
        """
    def follow(self, sweep: Any, rate: float) -> None:
        """Move the bar, or print a line if one is due. The sweep calls this after each update.

        Args:
            sweep: `LRSweep` that runs
            rate: of its last update
        """
    def end(self) -> None:
        """The sweep is over."""
    def place(self) -> str:
        """Return how far the sweep came that began last, for a message.

        Returns:
            str: such as 'probe 2 of 5, after 31 of 60 updates'
        """
    def say(self, text: str) -> None:
        """Print `text` where the lines go, unless this `Progress` is silent or another process prints.

        Args:
            text: a line
        """

def as_progress(progress: Any) -> Progress:
    """Return a `Progress` without a bar, silent for False; or `progress` itself. Raise `TypeError` for others.

    Args:
        progress: True, False, or a `Progress`
    """
