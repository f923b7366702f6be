"""Clipping, accumulation, mixed precision: how a step is computed, as callbacks."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.callback import LearnerCallback
from fastlr.learner import Learner

__all__ = ['GradientClipping', 'GradientAccumulation', 'MixedPrecision']

class GradientClipping(LearnerCallback):
    """Clip the norm of the gradient of all trained parameters at `clip`.

    Args:
        learn: the `Learner`
        clip: largest norm of the gradient, above zero
    """
    clip: float
    def __init__(self, learn: Learner, clip: float) -> None: ...
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any:
        """Clip the gradient before the step."""

class GradientAccumulation(LearnerCallback):
    """Step the optimizer every `n_step` batches, with their mean gradient, and at the end of an epoch.

    Args:
        learn: the `Learner`
        n_step: batches per step, at least 1
    """
    order_in: dict[str, int]
    n_step: int
    count: int
    def __init__(self, learn: Learner, n_step: int) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def training_pass_ended(self) -> None:
        """Take a step with the batches that remain; `learn.validate` during an epoch leaves the window open."""

class MixedPrecision(LearnerCallback):
    """Forward pass and loss in 16 bits, by `torch.amp`: `'bf16'`, or `'fp16'` with a gradient scaler.

    Args:
        learn: the `Learner`
        precision: 'bf16', or 'fp16' with a scaler
        init_scale: first scale of the loss, above zero, for fp16
        clip: largest norm of the gradient, above zero; default: don't clip
    """
    order_in: dict[str, int]
    precision: str
    dtype: Any
    init_scale: float
    clip: float | None
    def __init__(
        self,
        learn: Learner,
        precision: str = 'bf16',
        init_scale: float = 65536.0,
        clip: float | None = None,
    ) -> None: ...
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any: ...
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Enter 16 bits for the forward pass and the loss."""
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Leave 16 bits before `backward`, as torch advises, and scale the loss."""
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any:
        """Divide the gradients by the scale, and clip them."""
    def on_step_end(self, *args: Any, **kwargs: Any) -> Any:
        """Multiply the gradients by the scale again, if a callback has skipped the step after they were divided."""
    def on_loss_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Give the loss and the metrics outputs in 32 bits."""
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any:
        """Leave 16 bits after a validation batch, which has no `backward`."""
    def batch_failed(self) -> None:
        """Leave 16 bits, since `on_batch_end` will not come."""
