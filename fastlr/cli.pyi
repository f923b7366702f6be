"""`fastlr find-lr`: a learning rate for a training that is described in a file."""

# Made by tools/stubs.py: run `make prepare`.

import argparse
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.settings import SweepSettings

__all__ = ['CLI', 'sweep_settings', 'run', 'run_command', 'main']

CLI: EntryPoint
def sweep_settings(
    entry: EntryPoint,
    start_lr: float = 1e-05,
    end_lr: float = 10.0,
    num_batches: int = 100,
    linear: bool = False,
    stopping_factor: float | None = None,
    runs: int = 1,
    probe: Any = 'auto',
    accumulate: int = 1,
    extend: bool = False,
    batches: int | None = 8,
) -> SweepSettings:
    """Return the settings of a range test, with AllenNLP's defaults. Raises `ConfigError`.

    Args:
        entry: the function that was called: messages use its option names
        start_lr: first rate, above zero
        end_lr: last rate, above the first
        num_batches: optimizer updates, more than 10
        linear: equal steps instead of equal factors
        stopping_factor: stop when the smoothed loss exceeds its best by this factor, above 1
        runs: sweeps from the same state, whose median counts, at least 1
        probe: train shortly at five rates: True, False, or 'auto': if the sweep can't tell
        accumulate: batches that make one optimizer update, at least 1
        extend: go on beyond `end_lr` while the loss still falls there
        batches: number of batches to go round, at least 1; None: fresh ones throughout
    """

def run(
    config: dict[Any, Any],
    settings: SweepSettings,
    directory: Any = None,
    name: str = 'training',
    rule: str = 'auto',
    device: Any = None,
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> tuple[Any, ...]:
    """Build what `config` describes, look for a rate, and write the results. Raises `ConfigError`.

    After Ctrl-C in a sweep, the `KeyboardInterrupt` has what there is of the answer in its `found`.

    Args:
        config: as `read_config` returns it
        settings: as `sweep_settings` returns them
        directory: for the results; None: nothing is written
        name: what to call it in the report
        rule: name of a rule, as for `curve.suggest`
        device: name of a device, such as cuda; default: that of the data
        seed: of all random numbers, from 0 to 2**63-1
        force: replace results that are in the directory
        quiet: print nothing to the error output while it runs, which has a line now and then

    Returns:
        tuple[Any, ...]: (`LRCurve`, its `answer`)
    """

def run_command(args: argparse.Namespace) -> int:
    """Do what the arguments of `fastlr find-lr` say. Raises `ConfigError`.

    Args:
        args: as `parser` returns it, for `find-lr`

    Returns:
        int: exit code: 0 found, 1 no suggestion, 130 interrupted after something was measured
    """

def main(argv: list[Any] | None = None, prog: str = 'fastlr') -> int:
    """Run the command `fastlr`: 0 found, 1 no suggestion, 2 bad input, 130 interrupted.

    Args:
        argv: arguments; default: those of the command line
        prog: what the usage calls the command

    Returns:
        int: exit code
    """
