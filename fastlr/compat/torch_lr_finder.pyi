"""Run code that was written for pytorch-lr-finder: one import line changes."""

# Made by tools/stubs.py: run `make prepare`.

import matplotlib.axes
import torch
import torch.nn
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.curve import LRCurve
from fastlr.suggestion import Suggestion

__all__ = ['RANGE_TEST', 'LRFinder', 'RangeTest']

RANGE_TEST: EntryPoint
class RangeTest:
    """The range test of pytorch-lr-finder. Everything is restored at its end, also after an error or Ctrl-C.

    Args:
        model: called as model(inputs)
        optimizer: its rate is the default of `start_lr`
        criterion: (outputs, labels) -> scalar tensor
        device: where to train; default: where the model is
        memory_cache: store the copy of the state in memory; False: in an unnamed file
        cache_dir: where that file is; default: the system's directory for temporary files
        amp_backend: 'torch': mixed precision with `torch.amp`
        amp_config: arguments for `torch.autocast`; default: its device
        grad_scaler: `torch.amp.GradScaler`, needed with `amp_backend`
    """
    model: torch.nn.Module
    optimizer: Any
    criterion: Any
    memory_cache: bool
    cache_dir: Any
    amp_backend: str | None
    amp_config: dict[Any, Any] | None
    grad_scaler: Any
    history: dict[Any, Any]
    best_loss: Any
    progress: bool
    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: Any,
        criterion: Any,
        device: Any = None,
        memory_cache: bool = True,
        cache_dir: Any = None,
        amp_backend: str | None = None,
        amp_config: dict[Any, Any] | None = None,
        grad_scaler: Any = None,
    ) -> None: ...
    @property
    def device(self) -> torch.device:
        """The device that was passed, or that of the model."""
    def range_test(
        self,
        train_loader: Any,
        val_loader: Any = None,
        start_lr: float | None = None,
        end_lr: float = 10,
        num_iter: int = 100,
        step_mode: str = 'exp',
        smooth_f: float = 0.05,
        diverge_th: float = 5,
        accumulation_steps: int = 1,
        non_blocking_transfer: bool = True,
        progress: bool = True,
    ) -> None:
        """Sweep the rate; afterwards `history` has the smoothed losses and `curve` the measured ones.

        Raises `ValueError` or `TypeError` for what can't work, before anything has changed.

        Args:
            train_loader: `DataLoader`, or a `TrainDataLoaderIter`
            val_loader: `DataLoader`, or a `ValDataLoaderIter`: measure the loss on it after each update
            start_lr: first rate, above zero; default: the optimizer's
            end_lr: last rate, above the first
            num_iter: optimizer updates, at least 2
            step_mode: 'exp' or 'linear'
            smooth_f: share of the newest loss in the smoothed one, from 0 (not smoothed) to below 1
            diverge_th: stop when the smoothed loss exceeds its best by this factor, above zero; inf: never
            accumulation_steps: batches that make one update, at least 1
            non_blocking_transfer: don't wait for copies to the device
            progress: show a bar, say how it ended
        """
    def reset(self) -> None:
        """Do nothing, since `range_test` has restored everything already."""
    @property
    def curve(self) -> LRCurve:
        """The curve that the last `range_test` measured. Raises `RuntimeError` before the first one."""
    def suggest(self, rule: Any = 'auto') -> Suggestion:
        """Return the rate that `rule` finds in the curve, as `LRCurve.suggest` does. Raises `NoSuggestion`.

        Args:
            rule: 'auto', 'steep', 'minimum', 'valley', 'slide', or a function (lrs, losses) -> `Suggestion`

        Returns:
            Suggestion: `Suggestion`
        """
    def plot(
        self,
        skip_start: int = 10,
        skip_end: int = 5,
        log_lr: bool = True,
        show_lr: float | None = None,
        ax: matplotlib.axes.Axes | None = None,
        suggest_lr: bool = True,
    ) -> Any:
        """Draw `history`. Raises `RuntimeError` if it has too few points for a suggestion.

        Args:
            skip_start: points to leave out at the low end, from 0
            skip_end: points to leave out at the high end, from 0
            log_lr: logarithmic axis of rates
            show_lr: mark this rate with a vertical line
            ax: matplotlib axes to draw on; default: new ones
            suggest_lr: mark the steepest descent

        Returns:
            axes; with `suggest_lr` the pair (axes, rate)
        """

LRFinder = RangeTest
