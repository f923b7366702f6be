"""Which callbacks of a Lightning trainer take part in a range test, and how."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['STEP_HOOKS', 'OTHER_HOOKS', 'takes_part', 'might_shape', 'stand_in', 'all_callbacks',
    'first_accumulation']

STEP_HOOKS: tuple[str, ...]
OTHER_HOOKS: tuple[str, ...]
def takes_part(pl: Any, cb: Any) -> bool:
    """Return whether `cb` shapes the first steps of a training, by its `shapes_training` or else by its hooks.

    Args:
        pl: the package that the callback is from, `lightning.pytorch` or `pytorch_lightning`
        cb: its `Callback`
    """

def might_shape(
    pl: Any,
    cb: Any,
    hooks: Any = ('setup', 'on_fit_start', 'on_train_start', 'on_train_epoch_start', 'on_train_batch_end'),
) -> bool:
    """Return whether `cb` may change the training although it takes no part: nobody has said that it doesn't.

    Args:
        pl: the package that the callback is from, `lightning.pytorch` or `pytorch_lightning`
        cb: its `Callback`
        hooks: in which it may do so
    """

def stand_in(pl: Any, cb: Any) -> Any:
    """Return a callback that passes on to `cb` what shapes the steps of the first epoch, and nothing else.

    Args:
        pl: the package that the callback is from, `lightning.pytorch` or `pytorch_lightning`
        cb: its `Callback`

    Returns:
        another `Callback`
    """

def all_callbacks(given: list[Any], of_module: list[Any]) -> list[Any]:
    """Return the callbacks of a training: those of the module replace those of the trainer of the same class.

    Args:
        given: callbacks of the trainer
        of_module: those that `configure_callbacks` has returned

    Returns:
        list[Any]: in the order in which Lightning would call them
    """

def first_accumulation(callbacks: list[Any], default: int) -> int:
    """Return how many batches are accumulated in the first epoch.

    Args:
        callbacks: of a training
        default: `accumulate_grad_batches` of the trainer

    Returns:
        int: at least 1
    """
