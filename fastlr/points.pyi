"""Losses on their way from the loop to the curve."""

# Made by tools/stubs.py: run `make prepare`.

import numpy.typing
import torch
from typing import Any
from fastlr.processes import SingleProcess

__all__ = ['Points', 'as_scalar']

class Points:
    """Losses on their way from the loop to the curve.

    Args:
        groups: parameter groups
        processes: or `Processes`, whose mean a loss is
        diverged: function of a loss that returns whether to stop, such as a `Divergence`
    """
    groups: list[Any]
    processes: SingleProcess
    diverged: Any
    window: list[Any]
    span: Any
    rings: list[Any]
    waiting: list[Any]
    read: list[Any]
    not_finite: Any
    def __init__(self, groups: list[Any], processes: SingleProcess, diverged: Any) -> None: ...
    def __len__(self) -> int: ...
    @property
    def losses(self) -> list[float]:
        """The losses that have been read, one per point."""
    @property
    def rates(self) -> numpy.typing.NDArray[Any]:
        """The rates of the points that have been read.

        Returns:
            NDArray[Any]: (points, groups)
        """
    @property
    def windows(self) -> list[int] | None:
        """Which window of the common batches made each loss that has been read, in order of appearance.

        Returns:
            list[int] | None: one per point; None if they were not common batches
        """
    def gather(self, loss: torch.Tensor) -> None:
        """Add a loss to the window, and note which of the common batches made it.

        Args:
            loss: of this iteration, scalar
        """
    def close_window(self, iterations: int | None = None) -> tuple[Any, ...] | None:
        """Return the mean loss of the iterations since the last update, and begin a new window.

        Args:
            iterations: of the loop so far; default: one for each loss

        Returns:
            tuple[Any, ...] | None: (mean loss, a scalar tensor; number of the window, or None)
        """
    def add(self, rates: list[Any], loss: torch.Tensor, window: int | None = None) -> None:
        """Add a point.

        Args:
            rates: one per group, with which the update was made
            loss: scalar; it waits on its device
            window: number of the window of common batches that made it
        """
    def bad_batches(self, epoch: int | None = None) -> list[int] | None:
        """Return the batches whose loss was not finite, unless their data was fine in an earlier epoch.

        Args:
            epoch: batches of an epoch, from 1, if that is known

        Returns:
            list[int] | None: numbers of the first and the last batch of an update, from 1; or None
        """
    @property
    def is_full(self) -> bool:
        """Whether the number of waiting losses is worth a copy from the device."""
    def due(self) -> list[Any]:
        """Return the losses that are worth a copy from the device, for the next message to the other processes.

        Returns:
            list[Any]: of scalar tensors, at most ten
        """
    def fetch(self, means: list[Any] | None = None) -> str:
        """Read the losses that wait, with one copy, and ask the rule about each of them in turn.

        Args:
            means: of the first losses that wait, from all processes; default: read all that wait

        Returns:
            str: 'non-finite' or 'diverged' if the sweep has to end, else None
        """
    def was_skipped(self, loss: torch.Tensor, scaler_watch: Any) -> tuple[bool, bool]:
        """Return whether the step was skipped, and whether the sweep has to end for that. All processes call this.

        Args:
            loss: of this step, scalar
            scaler_watch: `ScalerWatch`, which tells whether this process has skipped the step

        Returns:
            tuple[bool, bool]: (whether any process has skipped it, whether there is no hope for another
                one)
        """

def as_scalar(loss: Any) -> torch.Tensor:
    """Return `loss` as a scalar tensor. Raises `TypeError` or `ValueError` if it is not one number.

    Args:
        loss: tensor with one element, or a number

    Returns:
        torch.Tensor: without dimensions and without a graph
    """
