"""AllenNLP's functions for finding a learning rate, with their names and defaults."""

# Made by tools/stubs.py: run `make prepare`.

import argparse
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.learner import Learner

__all__ = ['SEARCH', 'ALLENNLP', 'search_learning_rate', 'find_learning_rate_model',
    'find_learning_rate_from_args']

SEARCH: EntryPoint
def search_learning_rate(
    trainer: Learner,
    start_lr: float = 1e-05,
    end_lr: float = 10.0,
    num_batches: int = 100,
    linear_steps: bool = False,
    stopping_factor: float | None = None,
    *,
    accumulate: int = 1,
    extend: bool = False,
    runs: int = 1,
    probe: Any = 'auto',
    batches: int | None = 8,
    wd: float | None = None,
    val_batches: int = 0,
    live: bool = False,
    where: Any = 'device',
    verify: bool = False,
) -> tuple[Any, ...]:
    """Run a range test of `trainer`; everything is restored afterwards. Raises `ConfigError`.

    Args:
        trainer: `Learner`
        start_lr: first rate, above zero
        end_lr: last rate, above the first
        num_batches: optimizer updates, more than 10
        linear_steps: equal steps instead of equal factors
        stopping_factor: stop when the smoothed loss exceeds its best by this factor, above 1
        accumulate: batches that make one optimizer update, at least 1
        extend: go on beyond `end_lr` while the loss still falls there
        runs: sweeps from the same state, whose median counts, at least 1
        probe: train shortly at five rates: True, False, or 'auto': if the sweep can't tell
        batches: number of batches to go round, at least 1; None: fresh ones throughout
        wd: weight decay during the sweep, from 0; default: the optimizer's
        val_batches: measure the loss on this number of validation batches; 0: the training loss
        live: in a notebook, draw the curve while it grows
        where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
        verify: check by checksum that everything is restored; raises `NotRestored` if not

    Returns:
        tuple[Any, ...]: (rates, losses), lists; the loss was measured before the rate was applied
    """

ALLENNLP: EntryPoint
def find_learning_rate_model(
    params: Any,
    serialization_dir: Any,
    start_lr: float = 1e-05,
    end_lr: float = 10.0,
    num_batches: int = 100,
    linear_steps: bool = False,
    stopping_factor: float | None = None,
    force: bool = False,
    *,
    batches: int | None = 8,
) -> None:
    """Look for a rate and write the results into `serialization_dir`. Raises `ConfigError`.

    Args:
        params: path of a configuration, the name of an example, or a dict
        serialization_dir: directory for the results
        start_lr: first rate, above zero
        end_lr: last rate, above the first
        num_batches: optimizer updates, more than 10
        linear_steps: equal steps instead of equal factors
        stopping_factor: stop when the smoothed loss exceeds its best by this factor, above 1
        force: replace results that are in the directory
        batches: number of batches to go round, at least 1; None: fresh ones throughout
    """

def find_learning_rate_from_args(args: argparse.Namespace) -> int:
    """Do what the command line says. Raises `ConfigError`.

    Args:
        args: as `fastlr.cli.parser` returns it

    Returns:
        int: exit code: 0 found, 1 no suggestion
    """
