"""Between the loop and the callbacks: who is called, in which order, and with what."""

# Made by tools/stubs.py: run `make prepare`.

import torch
from typing import Any
from fastlr.callback import Callback

__all__ = ['SmoothenValue', 'add_metrics', 'AverageMetric', 'distinct_names', 'CallbackHandler']

class SmoothenValue:
    """Moving average, at `smooth`, of values: floats, or tensors on any device.

    Args:
        beta: share of the past in the average, from 0 to below 1
    """
    beta: float
    n: int
    smooth: Any
    def __init__(self, beta: float) -> None: ...
    def add_value(self, val: Any) -> None:
        """Take in `val`.

        Args:
            val: float, or tensor
        """

def add_metrics(last_metrics: Any, mets: Any) -> dict[Any, Any]:
    """Return what `on_epoch_end` of a metric should return: `last_metrics` with its value(s) appended.

    Args:
        last_metrics: the state's list so far: validation loss, then metrics
        mets: the value, or a list of several

    Returns:
        dict[Any, Any]: for the state
    """

class AverageMetric(Callback):
    """The mean of `func(predictions, targets)` over the validation set, each batch weighted by its size.

    Args:
        func: (predictions, targets) -> mean over the rows, a number or a tensor with one
    """
    func: Any
    val: float
    count: int
    name: Any
    def __init__(self, func: Any) -> None: ...
    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_epoch_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def call(self, output: Any, target: Any) -> torch.Tensor:
        """Return the value for one batch. Raise `ValueError`, with name and shapes, if the metric raises.

        Args:
            output: predictions for a batch
            target: its target; the parts of a plain tuple or list are passed as arguments of their own

        Returns:
            torch.Tensor: shape (), detached
        """

def distinct_names(names: Any) -> list[str]:
    """Return `names`, and number those that were there before: `f`, `f_2`, `f_3`.

    Args:
        names: texts

    Returns:
        list[str]: as many, no two of them equal
    """

class CallbackHandler:
    """Call the callbacks that listen to an event, in order, and hold the state that they share.

    Args:
        callbacks: list of `Callback`s; sorted by `_order`
        metrics: list of functions `(predictions, targets)`, or callbacks, for the validation batches
        beta: share of the past in `smooth_loss`, from 0 to below 1
    """
    metrics: list[Any]
    callbacks: Any
    state: dict[Any, Any]
    smoothener: SmoothenValue
    kept_gradients: bool
    def __init__(self, callbacks: Any = None, metrics: Any = None, beta: float = 0.98) -> None: ...
    def __call__(self, event: str, metrics: bool = False) -> None:
        """Notify the callbacks that listen to `event`; with `metrics`, those first."""
    def notify_only(self, callbacks: Any, *events: str) -> None:
        """Notify no other callbacks of `events` from now on, except for the metrics.

        Args:
            callbacks: list of `Callback`s, of those that the handler has
            *events: of `EVENTS`
        """
    def on_train_begin(self, epochs: int, pbar: Any, metrics: Any) -> Any:
        """Begin with a fresh state; if a callback sets a later `epoch`, all of them jump there.

        Args:
            epochs: number of epochs
            pbar: progress bar over the epochs
            metrics: what the caller gave as metrics
        """
    def training_pass_ended(self) -> None:
        """Let the callbacks finish what they have begun in the training batches of this epoch."""
    def on_epoch_begin(self) -> Any:
        """Begin to count the batches of an epoch."""
    def on_batch_begin(self, xb: Any, yb: Any, train: bool = True) -> Any:
        """Begin a batch with no flag set.

        Args:
            xb: input
            yb: target
            train: whether it is a training batch

        Returns:
            input and target to go on with
        """
    def on_loss_begin(self, out: Any) -> Any:
        """Let the callbacks change the output.

        Args:
            out: output of the model

        Returns:
            output to go on with
        """
    def on_backward_begin(self, loss: Any) -> Any:
        """Smooth the loss if a callback reads that, and let the callbacks scale it.

        Args:
            loss: scalar tensor, with its graph

        Returns:
            loss for `backward`, and whether to skip `backward`
        """
    def on_backward_end(self) -> Any:
        """Let the callbacks change the gradients.

        Returns:
            whether to skip the step
        """
    def on_step_end(self) -> Any:
        """Notify the callbacks that the step was taken, or skipped.

        Returns:
            whether to leave the gradients as they are
        """
    def on_batch_end(self, loss: Any) -> Any:
        """Notify the callbacks, and count the batch if it was one of training.

        Args:
            loss: as measured, detached

        Returns:
            whether to end the epoch
        """
    def on_epoch_end(self, val_loss: Any) -> Any:
        """Notify the metrics if there was validation, then the callbacks, and count the epoch.

        Args:
            val_loss: validation loss; None if there was no validation

        Returns:
            whether to end the training
        """
    def on_train_end(self, exception: Any = None) -> Any:
        """Notify all callbacks, even if one raises: that is noted on `exception`, or raised if there is none.

        If `on_train_begin` has raised, only those callbacks are notified for which it was called.

        Args:
            exception: what ended the training, if anything went wrong
        """
