"""Whatever happens to a learner inside, it is the same afterwards."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.detour import Detour
from fastlr.learner import Learner

__all__ = ['parts_of_learner', 'MockTraining']

def parts_of_learner(learn: Learner) -> tuple[Any, ...]:
    """Return the model with the modules in the loss function, and the other objects in the loss function.

    Args:
        learn: the `Learner`

    Returns:
        tuple[Any, ...]: list of modules, list of other objects
    """

class MockTraining(Detour):
    """Save a learner before any code of a callback runs, even a constructor, and restore it afterwards.

    Args:
        learn: the `Learner`
        where: where the copy of the state is stored: 'device', 'cpu', or a directory
    """
    learn: Learner
    finder: Any
    def __init__(self, learn: Learner, where: Any) -> None: ...
