"""`learn.to_accelerate()`: several processes, other devices, mixed precision, sharded models."""

# Made by tools/stubs.py: run `make prepare`.

import contextlib
from typing import Any
from fastlr.callback import Callback
from fastlr.callback import LearnerCallback
from fastlr.learner import Learner

__all__ = ['AccelerateCallback', 'MeanOverProcesses']

class AccelerateCallback(LearnerCallback):
    """Take the steps of a fit with an `Accelerator`. `learn.to_accelerate()` makes one.

    Args:
        learn: the `Learner`
        accelerator: `accelerate.Accelerator`
    """
    accelerator: Any
    scaler: Any
    counters: Any
    model: Any
    before: dict[Any, Any]
    window: contextlib.ExitStack
    def __init__(self, learn: Learner, accelerator: Any) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def batch_failed(self) -> None:
        """Close the accelerator's window, since `on_batch_end` will not be called."""

class MeanOverProcesses(Callback):
    """Replace validation loss and metrics of an epoch by their means over all processes, weighted by rows.

    Args:
        accelerator: `accelerate.Accelerator`
    """
    shapes_training: bool
    accelerator: Any
    rows: int
    def __init__(self, accelerator: Any) -> None: ...
    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_epoch_end(self, *args: Any, **kwargs: Any) -> Any: ...
