"""From a curve to a rate: the default rule, the steepest descent, and fastai's."""

# Made by tools/stubs.py: run `make prepare`.

import numpy.typing
from typing import Any
from fastlr.advice import EntryPoint
from fastlr.smooth import View
from fastlr.suggestion import Suggestion

__all__ = ['CENTRE', 'FALLING', 'MARGIN', 'SURE', 'UNSURE', 'PROBED', 'CLEAR', 'PROBES', 'PROBE_SPACING',
    'DEEP', 'centre_of_fall', 'fall_centre', 'steep', 'moving_average', 'minimum', 'valley', 'slide']

def centre_of_fall(view: View) -> float:
    """Return the centre of the lower half of the fall.

    Args:
        view: of a curve that falls

    Returns:
        float: log10 of a rate
    """

CENTRE: float
FALLING: int
MARGIN: int
SURE: tuple[int, ...]
UNSURE: tuple[int, ...]
PROBED: tuple[int, ...]
def fall_centre(lrs: Any, losses: Any = None, momentum: float | None = None) -> Suggestion:
    """Suggest the centre of the fall, or less to stay below the edge; with probes, what they make of it.
    Raise `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite
        momentum: of SGD (or RMSprop) during the sweep, from 0 to below 1; None: none, or the view's
    """

def steep(lrs: Any, losses: Any = None) -> Suggestion:
    """Suggest the rate of the steepest descent on a log scale (fastai's `min_grad_lr`). Raise `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite
    """

def moving_average(losses: Any, beta: float = 0.98) -> numpy.typing.NDArray[Any]:
    """Return the moving average, corrected for its start at zero, as fastai's recorder has it.

    Args:
        losses: (n,) floats
        beta: share of the average before, from 0 to below 1; fastai's is the default

    Returns:
        NDArray[Any]: (n,)
    """

def minimum(lrs: Any, losses: Any = None, *, entry: EntryPoint | None = None) -> Suggestion:
    """Suggest a tenth of the rate at which the loss is lowest, as in fastai v2. Raise `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite; taken as they are
        entry: whose names of options an error uses; default: ours
    """

def valley(lrs: Any, losses: Any = None, *, entry: EntryPoint | None = None) -> Suggestion:
    """Suggest the middle of the longest falling subsequence, as in fastai v2 (after ESRI). Raise
    `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite; taken as they are
        entry: whose names of options an error uses; default: ours
    """

def slide(
    lrs: Any,
    losses: Any = None,
    lr_diff: int = 15,
    thresh: float = 0.005,
    *,
    entry: EntryPoint | None = None,
) -> Suggestion:
    """Suggest the left of two points whose slopes are equal, coming from the right, as in fastai v2 (after
    Petr Havel's interval slide rule). Raise `NoSuggestion`.

    Args:
        lrs: the view of a curve alone; or (n,) learning rates, above zero, increasing
        losses: (n,) the loss after each rate was applied, finite; taken as they are
        lr_diff: points between the two slopes, at least 1
        thresh: difference up to which slopes count as equal, in units of the loss per point, from 0
        entry: whose names of options an error uses; default: ours
    """

CLEAR: float
PROBES: int
PROBE_SPACING: float
DEEP: int
