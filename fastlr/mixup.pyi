"""Train on mixtures of two rows, with the targets in the same proportion."""

# Made by tools/stubs.py: run `make prepare`.

import torch.nn
from typing import Any
from fastlr.callback import LearnerCallback
from fastlr.learner import Learner

__all__ = ['MixUpLoss', 'MixUpCallback']

class MixUpLoss(torch.nn.Module):
    """The loss `crit`, or for a mixture of rows the weighted mean of the losses for both targets.

    Args:
        crit: (output, target) -> scalar tensor
    """
    crit: Any
    def __init__(self, crit: Any) -> None: ...
    def forward(self, output: Any, target: Any, other: Any = None, share: Any = None) -> Any:
        """Return the loss.

        Args:
            output: of the model
            target: of the rows
            other: targets of their partners; default: nothing is mixed
            share: (n,) the share of each row in its mixture, from 0 to 1
        """

class MixUpCallback(LearnerCallback):
    """Mix the rows of each training batch, and their targets.

    Args:
        learn: the `Learner`
        alpha: of the beta distribution, above zero; small: one of the rows dominates
        stack_x: pass (input, input of the partners, shares) to the model
        stack_y: mix the losses for both targets; False: mix the targets
    """
    alpha: float
    stack_x: bool
    stack_y: bool
    loss_before: Any
    def __init__(
        self,
        learn: Learner,
        alpha: float = 0.4,
        stack_x: bool = False,
        stack_y: bool = True,
    ) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Mix a training batch."""
