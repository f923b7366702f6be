"""What the model says about each row, and how wrong it is."""

# Made by tools/stubs.py: run `make prepare`.

import torch
from typing import Any

__all__ = ['activation_for', 'row_losses', 'row_of']

def activation_for(loss_func: Any) -> Any:
    """Return what makes predictions of the outputs that `loss_func` takes.

    Args:
        loss_func: (output, target) -> scalar tensor, or None

    Returns:
        function of an output; None if predictions are the outputs themselves
    """

def row_losses(loss_func: Any, out: Any, yb: Any) -> torch.Tensor:
    """Return the loss of each row of a batch: the mean of its entries.

    Args:
        loss_func: (output, target) -> scalar tensor
        out: output of the model for a batch
        yb: its target; the parts of a plain tuple are passed as arguments of their own

    Returns:
        torch.Tensor: (n,)
    """

def row_of(x: Any, i: int) -> Any:
    """Return row `i` of `x`, as a batch of one.

    Args:
        x: tensors and packed sequences in nested tuples, lists, mappings; anything else is returned as
            it is
        i: from 0
    """
