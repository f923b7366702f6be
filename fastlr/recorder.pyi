"""The diary of a training: rates, momenta, losses, metrics; and the plots of them."""

# Made by tools/stubs.py: run `make prepare`.

import matplotlib.axes
import torch
from typing import Any
from fastlr.callback import LearnerCallback
from fastlr.curve import LRCurve
from fastlr.learner import Learner

__all__ = ['Recorder']

class Recorder(LearnerCallback):
    """Records rates, momenta, losses and metrics of the last fit, and prints the table of epochs.

    Args:
        learn: the `Learner`
        add_time: a column for the time that each epoch took
    """
    curve: LRCurve
    order_in: dict[str, int]
    shapes_training: bool
    add_time: bool
    swept: bool
    names: list[Any]
    start: Any
    metrics_names: list[Any]
    no_val: bool
    pbar: Any
    lrs: list[Any]
    moms: list[Any]
    nb_batches: list[Any]
    val_losses: list[Any]
    metrics: list[Any]
    def __init__(self, learn: Learner, add_time: bool = True) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Begin new lists, and print the head of the table."""
    def add_metric_names(self, names: Any) -> None:
        """Add columns to the table of the fit that begins: in `__init__`, or `on_train_begin` at `_order` < -10.

        Args:
            names: texts, one per value that a callback appends to `last_metrics` in `on_epoch_end`
        """
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any:
        """Forget names that came too late for the table of this fit."""
    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Note the time."""
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Record rate and momentum of a training batch."""
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Record the loss: as a number if reading it is cheap, else as a tensor."""
    def on_epoch_end(self, *args: Any, **kwargs: Any) -> Any:
        """Record validation loss and metrics, and print a line of the table."""
    def hold(self, curve: LRCurve, mom: Any = None) -> None:
        """Hold `curve`, and its rates and losses as the last run; what was recorded once per epoch stays.

        Args:
            curve: of a range test
            mom: the momentum of the optimizer; default: the one that was recorded last
        """
    def format_stats(self, stats: Any) -> list[str]:
        """Format a line of the table: the numbers of `stats`, and the time that the epoch took.

        Args:
            stats: numbers or None, in the order of `names`; missing ones at the end count as None

        Returns:
            list[str]: one per column
        """
    @property
    def losses(self) -> torch.Tensor:
        """Training loss of each batch, smoothed: a moving average with momentum 0.98, corrected for its start.

        Returns:
            torch.Tensor: (n,) on the CPU
        """
    def plot(
        self,
        skip_start: int = 10,
        skip_end: int = 5,
        suggestion: bool = False,
        return_fig: bool | None = None,
        show_grid: bool = False,
        k: float | None = None,
        ax: matplotlib.axes.Axes | None = None,
    ) -> Any:
        """Draw the loss of the last `lr_find` against the rate. Raise `RuntimeError` if there was none.

        Args:
            skip_start: points to leave out at the low end, from 0
            skip_end: points to leave out at the high end, from 0
            suggestion: mark and print the suggested rates
            return_fig: return the figure, not the axes
            show_grid: draw a grid
            k: smooth over `k` times the usual distance, above zero
            ax: matplotlib axes to draw on; default: a new figure

        Returns:
            the axes, or the figure
        """
    @property
    def min_grad_lr(self) -> float:
        """The rate at which the loss of the last `lr_find` falls fastest. May raise `NoSuggestion`.

        Returns:
            float: of the fastest layer group
        """
    def plot_lr(
        self,
        show_moms: bool = False,
        skip_start: int = 0,
        skip_end: int = 0,
        return_fig: bool | None = None,
        axs: Any = None,
    ) -> Any:
        """Draw the learning rate of each batch of the last run, and the momentum on request.

        Args:
            show_moms: draw the momentum beside it
            skip_start: batches to leave out at the beginning, from 0
            skip_end: batches to leave out at the end, from 0
            return_fig: return the figure, not the axes
            axs: matplotlib axes: one, or two with `show_moms`; default: a new figure

        Returns:
            the axes, or the figure
        """
    def plot_losses(
        self,
        skip_start: int = 0,
        skip_end: int = 0,
        return_fig: bool | None = None,
        show_grid: bool = False,
        ax: matplotlib.axes.Axes | None = None,
    ) -> Any:
        """Draw the smoothed training loss of the last run, and the validation loss where an epoch ended.

        Args:
            skip_start: batches to leave out at the beginning, from 0
            skip_end: batches to leave out at the end, from 0
            return_fig: return the figure, not the axes
            show_grid: draw a grid
            ax: matplotlib axes; default: a new figure

        Returns:
            the axes, or the figure
        """
    def plot_metrics(
        self,
        skip_start: int = 0,
        skip_end: int = 0,
        return_fig: bool | None = None,
        show_grid: bool = False,
        axs: Any = None,
    ) -> Any:
        """Draw each metric where an epoch of the last fit ended. Raise `ValueError` if none was recorded.

        Args:
            skip_start: leave out the epochs that ended before this number of batches, from 0
            skip_end: leave out the epochs that ended in this number of batches at the end, from 0
            return_fig: return the figure, not the axes
            show_grid: draw a grid
            axs: matplotlib axes, one per metric; default: a new figure

        Returns:
            the axes, or the figure
        """
