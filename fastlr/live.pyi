"""The picture of a sweep, redrawn while it runs."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['LivePlot']

class LivePlot:
    """The picture of a running sweep, redrawn in place in a notebook. Elsewhere it does nothing.

    Args:
        ax: matplotlib axes, cleared before each drawing; default: axes of a figure outside of pyplot
        every: least time between two drawings, in seconds
        clock: function () -> time in seconds
    """
    ax: Any
    every: float
    clock: Any
    active: Any
    drawings: int
    error: Any
    def __init__(self, ax: Any = None, every: float = 0.5, clock: Any = ...) -> None: ...
    @property
    def due(self) -> bool:
        """Whether `update` would draw now: ask first if the curve is costly to make."""
    def update(self, curve: Any) -> None:
        """Redraw the picture if a drawing is due.

        Args:
            curve: `LRCurve` so far
        """
    def close(self, curve: Any = None) -> None:
        """Draw a last picture, or remove the picture. A second call does nothing.

        Args:
            curve: `LRCurve` for a last picture, with its suggestions; default: remove the picture
        """
