"""The events of a training loop, and callbacks that listen to them."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from fastlr.learner import Learner

__all__ = ['EVENTS', 'STATE', 'FLAGS', 'SHAPING_EVENTS', 'Callback', 'shapes_training', 'might_shape',
    'LearnerCallback', 'check_callback', 'listens_to', 'new_state', 'entries_for']

EVENTS: tuple[str, ...]
STATE: dict[str, str]
FLAGS: tuple[str, ...]
class Callback:
    """Base class. Override `on_<event>(self, <state by name>, **kwargs)`; return a dict to change the state."""
    order_in: dict[Any, Any]
    shapes_training: Any
    batches_per_step: int
    def on_train_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Before the first epoch."""
    def on_epoch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """At the start of each epoch."""
    def on_batch_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Before the forward pass: may return `last_input`, `last_target`."""
    def on_loss_begin(self, *args: Any, **kwargs: Any) -> Any:
        """After the forward pass, before the loss: may return `last_output`."""
    def on_backward_begin(self, *args: Any, **kwargs: Any) -> Any:
        """Before `backward`: may return `last_loss`, `skip_bwd`."""
    def on_backward_end(self, *args: Any, **kwargs: Any) -> Any:
        """Before the optimizer's step: may return `skip_step`."""
    def on_step_end(self, *args: Any, **kwargs: Any) -> Any:
        """Before the gradients are zeroed: may return `skip_zero`."""
    def on_batch_end(self, *args: Any, **kwargs: Any) -> Any:
        """After the batch: may return `stop_epoch`, `stop_training`."""
    def on_epoch_end(self, *args: Any, **kwargs: Any) -> Any:
        """After training and validation: may return `stop_training`."""
    def on_train_end(self, *args: Any, **kwargs: Any) -> Any:
        """At the very end, whatever happened: `exception` says what."""
    def batch_failed(self) -> None:
        """Release what `on_batch_begin` has acquired, if anything; called if a validation fails."""
    def training_pass_ended(self) -> None:
        """Finish what was begun in the training batches of an epoch; called before they are validated."""
    def jump_to_epoch(self, epoch: int) -> None:
        """Prepare for a training that starts at `epoch`, not at 0; called after `on_train_begin`.

        Args:
            epoch: counted from 0
        """
    @property
    def cb_name(self) -> str:
        """Its name in snake case."""
    def get_state(self, minimal: bool = True) -> dict[Any, Any]:
        """Return the attributes, without those that `exclude` names.

        Args:
            minimal: leave out the attributes that `not_min` names

        Returns:
            dict[Any, Any]: attribute -> value
        """

SHAPING_EVENTS: tuple[str, ...]
def shapes_training(cb: Any) -> bool:
    """Return whether `cb` changes how a step is computed, by its `shapes_training` or else by its events.

    Args:
        cb: a callback, or a class of callbacks
    """

def might_shape(cb: Any) -> bool:
    """Return whether `cb` may change the training although it seems not to: nobody has said that it doesn't.

    Args:
        cb: a callback, or a class of callbacks
    """

class LearnerCallback(Callback):
    """A callback at `learn.<its name in snake case>`, which looks up in `learn` the attributes that it lacks.

    Args:
        learn: the `Learner`
    """
    learn: Learner
    exclude: list[Any]
    not_min: list[Any]
    def __init__(self, learn: Learner) -> None: ...

def check_callback(cb: Any) -> None:
    """Raise `TypeError` unless `cb` is a `Callback` whose methods name known events and entries of the state.

    Args:
        cb: what is to be registered as a callback
    """

def listens_to(cb: Callback, event: str) -> bool:
    """Return whether `cb` overrides `event`.

    Args:
        cb: `Callback`
        event: one of `EVENTS`
    """

def new_state() -> dict[Any, Any]:
    """Return the state at the start of a fit.

    Returns:
        dict[Any, Any]: entry -> value
    """

def entries_for(method: Any) -> tuple[Any, ...] | None:
    """Return the entries that `method` is called with: those that it names, or all if it has `**kwargs`.

    Args:
        method: bound method of a callback, or a function that an instance was given in its place

    Returns:
        tuple[Any, ...] | None: names of entries; None for all of them
    """
