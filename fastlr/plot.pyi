"""The picture of a range test: the losses, the line beneath them, and the suggestion."""

# Made by tools/stubs.py: run `make prepare`.

import matplotlib.axes
from typing import Any

__all__ = ['label_rates', 'new_axes', 'plot_curves']

def label_rates(ax: Any) -> None:
    """Give the axis of rates ticks and labels that fit its span and the size of the picture.

    Args:
        ax: matplotlib axes with rates along x, whose limits are set
    """

def new_axes() -> Any:
    """Return the axes of a new figure, in the size that all our pictures have."""

def plot_curves(
    curves: dict[Any, Any],
    suggestion: Any = False,
    skip_start: int = 0,
    skip_end: int = 0,
    k: float | None = None,
    show_grid: bool = False,
    ax: matplotlib.axes.Axes | None = None,
) -> matplotlib.axes.Axes:
    """Draw several curves in one picture. Raise `ValueError` or `TypeError` if one of them can't be drawn;
    never call `show`.

    Args:
        curves: label -> `LRCurve`, at least one
        suggestion: mark a rate on each curve: True for the default suggestion, or the name of a rule
        skip_start: points to leave out at the low end of each, from 0
        skip_end: points to leave out at the high end of each, from 0
        k: smooth `k` times as far as the rules do, above zero; default: as the rules do
        show_grid: draw a grid
        ax: matplotlib axes to draw on; default: axes of a new figure

    Returns:
        matplotlib.axes.Axes: the axes
    """
