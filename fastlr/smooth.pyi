"""A smoother that doesn't lag, and the view of a curve with which every rule begins."""

# Made by tools/stubs.py: run `make prepare`.

import dataclasses
import numpy.typing
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.suggestion import Suggestion

__all__ = ['whittaker', 'noise_level', 'start_level', 'ceiling', 'smoothed', 'batch_effect', 'View',
    'view_of']

def whittaker(x: Any, y: Any, bandwidth: float = 0.12, robust: bool = True) -> numpy.typing.NDArray[Any]:
    """Smooth `y` along `x` without lag, by penalised least squares (Whittaker, 1923; Eilers, 2003).

    Args:
        x: (n,) positions, increasing; for a curve: log10 of the rate
        y: (n,) values, finite
        bandwidth: how far it looks, in units of `x` (for a curve: decades), above zero
        robust: weigh outliers down, after Huber

    Returns:
        NDArray[Any]: (n,) smoothed values
    """

def noise_level(losses: Any) -> float:
    """Return the noise of single losses: the median difference between neighbours, up to the lowest loss. A
    trend hardly changes it, nor do outliers.

    Args:
        losses: (n,) raw losses, finite

    Returns:
        float: standard deviation of the noise, in units of the loss
    """

def start_level(losses: Any) -> float:
    """Return the loss before the sweep had any effect: the median of the first five points, or of the first
    half if there are fewer than ten.

    Args:
        losses: (n,) raw losses, finite, at least one

    Returns:
        float: in units of the loss
    """

def ceiling(losses: Any, share: float = 0.25) -> float:
    """The start level plus a `share` of the fall below it, or plus four times the noise if that is more.

    Args:
        losses: (n,) raw losses, finite, at least one
        share: how far above the start level, as a share of the depth of the fall, from 0

    Returns:
        float: level above which a loss counts as "high", whatever its height
    """

def smoothed(lrs: Any, losses: Any, k: float = 1.0) -> numpy.typing.NDArray[Any]:
    """Return the losses without their noise: cut off at the `ceiling`, then smoothed along log10 of the rate
    by `whittaker`, farther the noisier they are.

    Args:
        lrs: (n,) learning rates, above zero, increasing
        losses: (n,) raw losses, finite
        k: smooth `k` times as far, above zero

    Returns:
        NDArray[Any]: (n,) one value per rate
    """

def batch_effect(losses: Any, batches: Any) -> numpy.typing.NDArray[Any]:
    """Return by how much each loss is higher because of its batch; zeros without two rounds before the loss
    falls or breaks down.

    Args:
        losses: (n,) losses in the order in which they were measured, finite
        batches: (n,) the batch that each was measured on, as a whole number from 0

    Returns:
        NDArray[Any]: (n,) in units of the loss
    """

@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """What there is to know about a curve, each quantity computed once. Levels are those of the smoothed line.

    Args:
        lrs: (n,) learning rates, increasing
        uncorrected: (n,) the loss that was measured after each rate was applied
        batches: (n,) the batch that it was measured on, as a whole number from 0; None: unknown
        raw_lrs: (m,) the rates as they were swept, m >= n
        raw_losses: (m,) the loss that was recorded with each of them
        settings: of the sweep
        probes: pairs of a rate and the losses of a short training at it
        entry: what the function that made the curve calls our options
    """
    lrs: numpy.typing.NDArray[Any]
    uncorrected: numpy.typing.NDArray[Any]
    batches: numpy.typing.NDArray[Any] | None
    raw_lrs: numpy.typing.NDArray[Any]
    raw_losses: numpy.typing.NDArray[Any]
    settings: dict[Any, Any]
    probes: tuple[Any, ...]
    entry: EntryPoint
    def __init__(
        self,
        lrs: numpy.typing.ArrayLike,
        uncorrected: numpy.typing.ArrayLike,
        batches: numpy.typing.ArrayLike | None,
        raw_lrs: numpy.typing.ArrayLike,
        raw_losses: numpy.typing.ArrayLike,
        settings: dict[Any, Any],
        probes: tuple[Any, ...],
        entry: EntryPoint,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def momentum(self) -> float:
        """Momentum of SGD (or RMSprop) during the sweep; None if there is none to set, as in Adam.

        Returns:
            float: from 0 to below 1
        """
    @property
    def x(self) -> numpy.typing.NDArray[Any]:
        """log10 of the rates.

        Returns:
            NDArray[Any]: (n,)
        """
    @property
    def losses(self) -> numpy.typing.NDArray[Any]:
        """The loss after each rate was applied, without the level of its batch.

        Returns:
            NDArray[Any]: (n,)
        """
    @property
    def spread(self) -> float:
        """By how much batches differ: the standard deviation of their levels, or the noise without levels.

        Returns:
            float: in units of the loss
        """
    @property
    def z(self) -> numpy.typing.NDArray[Any]:
        """The losses, `smoothed`.

        Returns:
            NDArray[Any]: (n,)
        """
    @property
    def cut(self) -> numpy.typing.NDArray[Any]:
        """The losses, cut off at their `ceiling`.

        Returns:
            NDArray[Any]: (n,)
        """
    @property
    def noise(self) -> float:
        """Standard deviation of single losses.

        Returns:
            float: in units of the loss
        """
    @property
    def low(self) -> int:
        """Where the line is lowest.

        Returns:
            int: index
        """
    @property
    def fall(self) -> float:
        """From the line's first value down to its lowest.

        Returns:
            float: in units of the loss
        """
    @property
    def least_fall(self) -> float:
        """A fiftieth of the scatter between batches. A smaller fall teaches nothing, however smooth it is.

        Returns:
            float: in units of the loss, from 0
        """
    @property
    def falls(self) -> bool:
        """Whether there is a fall that is more than noise."""
    @property
    def clarity(self) -> float:
        """How many times as deep the fall is as the losses scatter where it is lowest. The scatter is
        measured by second differences, to which neither the fall nor its slope adds much.

        Returns:
            float: from 0; infinite where there is no scatter
        """
    @property
    def edge(self) -> int:
        """The last rate at which the line is no higher than at first, give or take half the noise, or a tenth
        of what batches differ by. Where the line is cut off below that, it is the last rate of the sweep.

        Returns:
            int: index
        """
    def nearest(self, lr: float) -> int:
        """The point whose rate is nearest to `lr`, on a logarithmic scale.

        Args:
            lr: rate, above zero

        Returns:
            int: index
        """
    def answer(
        self,
        lr: float,
        rule: str,
        reason: str,
        one_cycle: float | None = None,
        cosine: float | None = None,
        linear: float | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> Suggestion:
        """Return a suggestion of the rate `lr`, with the point of the curve that is nearest to it.

        Args:
            lr: the suggested rate, above zero
            rule: name of the rule
            reason: why this rate, in words
            one_cycle: maximum of a one-cycle schedule; default: `lr`
            cosine: peak of a cosine decay; default: `lr`
            linear: peak of a linear decay; default: `lr`
            low: the range up to `high` is meant to hold the best constant rate in four of five trainings
            high: default of both: not known
        """
    @property
    def can_tell(self) -> bool:
        """Whether the fall is deep enough, beside the scatter and the batches, to read the rates off it."""
    @property
    def doubt(self) -> str:
        """Why the curve can't tell, in words.

        Returns:
            str: "" if the curve can tell
        """
    @property
    def winner(self) -> float | None:
        """The rate of the best probe; None if there are no probes, or if no loss came down.

        Returns:
            float | None: rate, or None
        """

def view_of(lrs: Any, losses: Any = None, momentum: float | None = None) -> View:
    """Return the view of rates and losses that are not in a curve; or a view as it is, or with another
    `momentum`. Raise `TypeError` unless there are two arrays, or a view alone.

    Args:
        lrs: (n,) learning rates, above zero, increasing; or a view alone
        losses: (n,) the loss after each rate was applied, finite
        momentum: of SGD (or RMSprop) during the sweep, from 0 to below 1; None: none, or the view's
    """
