"""Which rates a training will have: its scheduler is tried out on a copy, and the shape of the rates named."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any, NamedTuple

__all__ = ['MOST_STEPS', 'planned_rates', 'kind_of_rates', 'Planned', 'Plan', 'plan_of_training']

MOST_STEPS: int
def planned_rates(scheduler: Any, steps: int, shared: Any = ()) -> Any:
    """Return the rates that `scheduler` will set. It steps a copy, and leaves the scheduler alone.

    One that would take too long is not tried out: steps times (groups + 2) must be at most `MOST_STEPS`.

    Args:
        scheduler: scheduler of torch, before the training
        steps: how often the training will step it, at least 0
        shared: objects that it may refer to and that are not to be copied, such as the model

    Returns:
        array: at first, and after each step (steps+1, groups); None if it can't be tried out
    """

def kind_of_rates(rates: Any) -> Any:
    """Return the kind of schedule that has these `rates`. The last ones may be those after the training.

    Args:
        rates: of one parameter group, at first and after each step of the scheduler (n,), n at least 1

    Returns:
        one of `SCHEDULES`, or None if it is none of these
    """

class Planned(NamedTuple):
    """What a scheduler will do in a training."""
    name: str
    interval: str
    steps: int
    rates: Any
    kind: str
    error: str | None = ...

class Plan(NamedTuple):
    """What a training would do, apart from the steps that a sweep takes."""
    made: list[Any]
    schedulers: list[Any]
    kind: str
    peak: float
    left_out: list[Any]
    @property
    def first(self) -> float:
        """The highest rate with which an optimizer was made.

        Returns:
            float: above zero
        """

def plan_of_training(trainer: Any, module: Any, left_out: Any = ()) -> Plan:
    """Return what the training would do with its rates.

    Args:
        trainer: a `Trainer` that is about to train
        module: its `LightningModule`
        left_out: names of callbacks that take no part
    """
