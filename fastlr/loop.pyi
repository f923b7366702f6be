"""The training loop, in full view."""

# Made by tools/stubs.py: run `make prepare`.

import contextlib
import torch
from typing import Any, Iterator
from fastlr.learner import Learner
from fastlr.sweep import LRSweep

__all__ = ['fit', 'loss_batch', 'check_loss_func', 'validate', 'evaluating', 'settle', 'PlainBar',
    'epoch_bar', 'batch_bar']

def fit(epochs: int, learn: Any, callbacks: Any = None, metrics: Any = None, silent: bool = False) -> None:
    """Train. Raise `ValueError` if the training loader gives no batch.

    Args:
        epochs: passes over the training data, from 0
        learn: the `Learner`: its model, data, loss_func and opt are used
        callbacks: list of `Callback`s
        metrics: list of functions `(predictions, targets)`, or callbacks
        silent: show nothing
    """

def loss_batch(
    model: Any,
    xb: Any,
    yb: Any,
    loss_func: Any = None,
    opt: Any = None,
    handler: Any = None,
) -> torch.Tensor:
    """Return the loss of one batch and, with `opt`, take one step of training.

    Args:
        model: called with the input: positionally with the parts of a tuple, by keyword with a mapping
        xb: input, on the device of the model
        yb: target; None if the model computes its loss itself
        loss_func: (output, target) -> scalar tensor; default: the `loss` in the model's output
        opt: has `step` and `zero_grad`; None for validation
        handler: `CallbackHandler`; default: one without callbacks

    Returns:
        torch.Tensor: the loss as measured, detached
    """

def check_loss_func(loss_func: Any, yb: Any) -> None:
    """Raise `ValueError` if there is a target, but no function that compares the output with it.

    Args:
        loss_func: (output, target) -> scalar tensor, or None
        yb: target of a batch, None if the model computes its loss itself
    """

def validate(learn: Any, dl: Any, handler: Any) -> torch.Tensor:
    """Return the mean loss of `learn.model` over `dl`. Raise `ValueError` if `dl` gives no batch.

    Args:
        learn: the `Learner`: its model and loss_func are used
        dl: iterable of batches, at least one
        handler: `CallbackHandler`, which notifies callbacks and metrics of the batches

    Returns:
        torch.Tensor: shape (), the mean loss over the rows, on the CPU
    """

def evaluating(learn: Learner, handler: Any) -> contextlib.AbstractContextManager[Any]:
    """Switch to evaluation mode without gradients; if something raises, callbacks release the batch.

    Args:
        learn: the `Learner`
        handler: `CallbackHandler` of the pass
    """

def settle(learn: Any, sweep: LRSweep, loader: Any) -> None:
    """Let fresh running statistics of `learn.model` see batches of `loader`, without a step.

    Args:
        learn: the `Learner`; its model is in training mode
        sweep: running `LRSweep`
        loader: training data
    """

class PlainBar:
    """A stand-in for a progress bar: it iterates, and prints what is written to it unless it is `silent`.

    Args:
        gen: iterable that it goes through
        silent: print nothing either
    """
    gen: Any
    silent: Any
    names: Any
    def __init__(self, gen: Any, silent: Any = False) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def on_iter_end(self) -> Any: ...
    def update_graph(self, *args: Any, **kwargs: Any) -> None:
        """Show no graph."""
    def show_imgs(self, *args: Any, **kwargs: Any) -> None:
        """Show no images."""
    def write(self, line: Any, table: Any = False) -> None:
        """Print a line of text, or a line of a table in columns.

        Args:
            line: text; with `table`, a list of texts
            table: whether it is a line of a table, whose first line sets the widths of the columns
        """

def epoch_bar(epochs: int, silent: Any = False) -> Any:
    """Return the bar over the epochs; its `write(text)` prints without disturbing it.

    Args:
        epochs: number of epochs
        silent: show and print nothing

    Returns:
        fastprogress's `master_bar`, or a `PlainBar`
    """

def batch_bar(dl: Any, parent: Any) -> Iterator[Any]:
    """Go through the batches of `dl`, with a bar below `parent` that goes away at the end.

    Args:
        dl: iterable of batches
        parent: what `epoch_bar` returned
    """
