"""`LRCurve`: the record of one range test, checked and saved."""

# Made by tools/stubs.py: run `make prepare`.

import dataclasses
import matplotlib.axes
import numpy.typing
import pathlib
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.bounds import Bounds
from fastlr.findings import Finding
from fastlr.smooth import View
from fastlr.suggestion import Suggestion

__all__ = ['STOP_REASONS', 'LRCurve', 'write_whole', 'plain']

STOP_REASONS: tuple[str, ...]
@dataclasses.dataclass(frozen=True, eq=False)
class LRCurve:
    """The (rate, loss) pairs of one range test. Raise `ValueError` if they can't be one.

    Args:
        lrs: (n,) learning rate of each optimizer update, increasing; of the fastest group
        losses: (n,) loss recorded with each rate, raw and finite
        group_lrs: (n, groups) rate of each parameter group; default: one group, `lrs`
        stop_reason: why the sweep ended, one of `STOP_REASONS`
        shift: 1: each loss was measured before its rate was applied (training loss); 0: after it
        runs: losses of the single sweeps, at most n values each, if the curve is their median
        settings: of the sweep, plain values; `momentum`, if it is known
        probes: pairs of a rate and the losses of a short training at it, if there were any
        batches: (n,) which of the common batches, or windows of them, made each loss, from 0
    """
    lrs: numpy.typing.NDArray[Any]
    losses: numpy.typing.NDArray[Any]
    group_lrs: numpy.typing.NDArray[Any] = ...
    stop_reason: str = ...
    shift: int = ...
    runs: tuple[Any, ...] = ...
    settings: dict[Any, Any] = ...
    probes: tuple[Any, ...] = ...
    batches: numpy.typing.NDArray[Any] | None = ...
    def __init__(
        self,
        lrs: numpy.typing.ArrayLike,
        losses: numpy.typing.ArrayLike,
        group_lrs: numpy.typing.ArrayLike | None = None,
        stop_reason: str = 'end',
        shift: int = 1,
        runs: tuple[Any, ...] = (),
        settings: dict[Any, Any] = ...,
        probes: tuple[Any, ...] = (),
        batches: numpy.typing.ArrayLike | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    def aligned(self) -> tuple[numpy.typing.NDArray[Any], numpy.typing.NDArray[Any]]:
        """Return the rates, each with the loss measured after it was applied.

        Returns:
            tuple[NDArray[Any], NDArray[Any]]: rates (n-shift,), losses (n-shift,)
        """
    def aligned_batches(self) -> numpy.typing.NDArray[Any] | None:
        """Return which of the common batches, or windows of them, made each loss of `aligned`.

        Returns:
            NDArray[Any] | None: (n-shift,) whole numbers from 0; None if they are unknown
        """
    def trim(self, skip_start: int = 0, skip_end: int = 0) -> LRCurve:
        """Return the curve without its ends. Raise `ValueError` if fewer than two points would remain.

        Args:
            skip_start: points to leave out at the low end, from 0
            skip_end: points to leave out at the high end, from 0
        """
    @classmethod
    def median(cls, curves: Any) -> LRCurve:
        """Return the median of several sweeps. Raise `ValueError` if their rates differ, or if there is none.

        Args:
            curves: list of `LRCurve`s over the same rates, at least one; of different length if some were
                stopped
        """
    def to_dict(self) -> dict[Any, Any]:
        """Return all fields as plain numbers, lists and strings.

        Returns:
            dict[Any, Any]: field -> plain value, ready for JSON
        """
    @classmethod
    def from_dict(cls, d: dict[Any, Any]) -> LRCurve:
        """Return the curve that `to_dict` described. Raise `ValueError` if it has no rates or no losses.

        Args:
            d: as `to_dict` makes it; `lrs` and `losses` are needed, the other fields have defaults
        """
    def save(self, path: Any) -> pathlib.Path:
        """Write the curve to `path`; with .csv, also as .json. Raise `FileExistsError` if that holds another.

        Args:
            path: file to write, its name ending in .json or .csv
        """
    @classmethod
    def load(cls, path: Any) -> LRCurve:
        """Return the curve in `path`, equal to the last bit. Raise `ValueError` if the file holds none.

        Args:
            path: file written by `save`
        """
    def to_frame(self) -> Any:
        """Return the points as a table, and the other fields in its `attrs`. Raise `ImportError` without pandas."""
    @property
    def entry(self) -> EntryPoint:
        """What the function that made the curve calls our options."""
    def smooth(self, k: float = 1.0) -> numpy.typing.NDArray[Any]:
        """Return the curve's losses, `smoothed`.

        Args:
            k: smooth `k` times as far, above zero

        Returns:
            NDArray[Any]: (n,) one value per rate
        """
    def without_levels(self) -> LRCurve:
        """Return the curve without the level of each batch; the curve itself if its batches are unknown."""
    @property
    def view(self) -> View:
        """What there is to know about the curve, computed once."""
    def bounds(self) -> Bounds:
        """Return base and maximum rate for a cyclical schedule: see `cyclical_bounds`. Raise `NoSuggestion`.

        Returns:
            Bounds: of the fastest group
        """
    def suggest(self, rule: Any = 'auto') -> Suggestion:
        """Return the rate that `rule` finds. Raise `NoSuggestion`, or `ValueError` for an unknown rule.

        Args:
            rule: a name in `RULES`, or a function View -> `Suggestion`
        """
    def suggestions(self) -> dict[str, Suggestion]:
        """Return what each rule finds, without the rules that find no rate.

        Returns:
            dict[str, Suggestion]: rule name -> `Suggestion`
        """
    @property
    def needs_probes(self) -> bool:
        """Whether the sweep was complete, and still can't tell which rate is good."""
    def probe_rates(self) -> list[float]:
        """Return the rates to probe: around the suggestion, or down from the edge if the curve can't tell. Raise
        `NoSuggestion` if there are too few points, or if the loss is constant.

        Returns:
            list[float]: five of them, increasing
        """
    def probed(self, probes: dict[Any, Any]) -> LRCurve:
        """Return the curve with its probes, which `suggest` will use. Raise `ValueError` if they are too few.

        Args:
            probes: rate -> losses of a training at it, three rates or more; fewer losses if it diverged
        """
    @property
    def findings(self) -> list[Finding]:
        """What is odd about the curve, and what to do about it.

        Returns:
            list[Finding]: one sentence each; empty for a normal curve
        """
    def plot(
        self,
        suggestion: Any = False,
        skip_start: int = 0,
        skip_end: int = 0,
        k: float | None = None,
        show_grid: bool = False,
        ax: matplotlib.axes.Axes | None = None,
        *,
        bounds: bool = False,
    ) -> matplotlib.axes.Axes:
        """Draw loss against rate. Raise `ValueError` if the skips leave nothing to draw; never call `show`.

        Args:
            suggestion: mark suggested rates: True for steepest, default and its one-cycle maximum, or
                name(s)
            skip_start: points to leave out at the low end, from 0
            skip_end: points to leave out at the high end, from 0
            k: smooth `k` times as far as the rules do, above zero; default: as the rules do
            show_grid: draw a grid
            ax: matplotlib axes to draw on; default: axes of a new figure
            bounds: shade from the base to the maximum rate for a cyclical schedule

        Returns:
            matplotlib.axes.Axes: the axes
        """
    def plot_plotly(
        self,
        suggestion: Any = True,
        skip_start: int = 0,
        skip_end: int = 0,
        k: float | None = None,
        *,
        bounds: bool = False,
    ) -> Any:
        """Draw loss against rate to be pointed at, with plotly. Raise `ImportError` without it, and `ValueError`
        if the skips leave nothing to draw.

        Args:
            suggestion: mark suggested rates: True for steepest, default and its one-cycle maximum, or
                name(s)
            skip_start: points to leave out at the low end, from 0
            skip_end: points to leave out at the high end, from 0
            k: smooth `k` times as far as the rules do, above zero; default: as the rules do
            bounds: shade from the base to the maximum rate for a cyclical schedule

        Returns:
            a `plotly.graph_objects.Figure`
        """
    def log_to(self, logger: Any, name: str = 'lr_find') -> None:
        """Send losses, suggestion and picture to a logger. Its steps and runs stay as they are. Raise `TypeError`
        for another object, `ValueError` if there is no run yet, or no line to draw.

        Args:
            logger: of TensorBoard, W&B, MLflow, Lightning or Accelerate, as the table says; or a list of
                loggers
            name: what the names of all entries begin with, as in 'lr_find/loss'
        """

def write_whole(path: Any, write: Any) -> pathlib.Path:
    """Write a file completely or not at all: under another name first, and then in its place.

    Args:
        path: file to write, in a directory that exists
        write: called with an open binary file

    Returns:
        pathlib.Path: of the file
    """

def plain(x: Any) -> Any:
    """Return `x` as plain values, which strict JSON can hold: None for NaN and infinity, else text.

    Args:
        x: anything

    Returns:
        of dicts with texts as keys, lists, texts, finite numbers, True, False and None
    """
