"""From a batch to its loss: input and target, device, output."""

# Made by tools/stubs.py: run `make prepare`.

import contextlib
import torch
from typing import Any

__all__ = ['TARGETS', 'split_batch', 'to_device', 'as_device', 'device_of', 'move_training', 'call_model',
    'get_loss', 'check_loss', 'eval_mode', 'train_mode', 'loss_with_graph', 'take_step', 'step_optimizers',
    'check_loader', 'first_tensor', 'find_bs', 'check_loaders', 'mean_loss']

TARGETS: tuple[str, ...]
def split_batch(batch: Any, by_name: bool = False) -> Any:
    """Split a batch into input and target. Raise `TypeError` for one that isn't of a known form.

    Args:
        batch: from a loader
        by_name: take the target out of a mapping, because a loss function needs it

    Returns:
        (input, target); the target is None if there is none, and for a mapping unless it is taken out
    """

def to_device(x: Any, device: Any, non_blocking: bool = True) -> Any:
    """Return `x` on `device`.

    Args:
        x: tensors, and other things with a `to`, in nested tuples, lists and mappings; the rest passes
            through
        device: a `torch.device`, or None to leave everything where it is
        non_blocking: don't wait for the copy where the memory is pinned
    """

def as_device(device: Any) -> Any:
    """Return `device` as a `torch.device`. Raise `ValueError` if it can't be used here.

    Args:
        device: a device, its name, or None

    Returns:
        `torch.device`, or None
    """

def device_of(models: Any) -> Any:
    """Return the device of the first parameter of `models`, or None if there is no parameter.

    Args:
        models: list of modules

    Returns:
        `torch.device`, or None
    """

def move_training(models: Any, opts: Any, device: Any) -> None:
    """Move the modules and the optimizers' state. Raise `ValueError` if this makes new parameters.

    Args:
        models: list of modules
        opts: list of torch optimizers over their parameters
        device: where to
    """

def call_model(model: Any, xb: Any) -> Any:
    """Return the output of `model` for input `xb`.

    Args:
        model: any callable
        xb: input: a plain tuple or list of several, a mapping of keyword arguments, or anything else
            alone
    """

def get_loss(out: Any, yb: Any, loss_func: Any, name: Any = 'loss_func') -> torch.Tensor:
    """Return the loss: `loss_func` of output and target, or without a target the `loss` in the output.

    Args:
        out: the model's output
        yb: target, a plain tuple or list of several, or None if the model has computed the loss
        loss_func: (output, target) -> scalar tensor; not needed without a target
        name: its name in error messages

    Returns:
        torch.Tensor: one number, with its graph
    """

def check_loss(loss: Any, name: Any) -> Any:
    """Return `loss`. Raise `TypeError` or `ValueError` unless it is a tensor with one number.

    Args:
        loss: what a loss function or a model returned
        name: its name in error messages
    """

def eval_mode(*models: Any, opts: Any = ()) -> contextlib.AbstractContextManager[Any]:
    """Put `models` into evaluation mode inside the `with` block; restore the mode of each module after it.

    Args:
        *models: modules
        opts: optimizers; those without modes of their own are left alone
    """

def train_mode(opts: Any) -> None:
    """Put optimizers that have modes, such as schedule-free ones, into training mode.

    Args:
        opts: list of optimizers; those without modes of their own are left alone
    """

def loss_with_graph(loss_of: Any, batch: Any) -> torch.Tensor:
    """Return the loss of `batch`. Raise `ValueError` unless `backward` can be called on it.

    Args:
        loss_of: batch -> scalar tensor
        batch: from a loader

    Returns:
        torch.Tensor: scalar
    """

def take_step(opt: Any) -> None:
    """Take a step. Raise `TypeError` if the optimizer complains that it got no closure.

    Args:
        opt: torch optimizer
    """

def step_optimizers(opts: Any, scaler: Any = None) -> None:
    """Take a step with each optimizer, and clear the gradients.

    Args:
        opts: list of torch optimizers
        scaler: `torch.amp.GradScaler`
    """

def check_loader(name: str, dl: Any) -> None:
    """Raise `TypeError` or `ValueError` if `dl` can't be iterated, or has length 0.

    Args:
        name: of the parameter, for error messages
        dl: loader of batches
    """

def first_tensor(x: Any) -> Any:
    """Return the first tensor in nested tuples, lists and mappings, or None if there is none.

    Args:
        x: tensors in nested tuples, lists and mappings
    """

def find_bs(x: Any) -> int:
    """Return the batch size of `x`: the length of its first tensor, or of a list of mappings.

    Args:
        x: a batch, or a part of it

    Returns:
        int: 1 if it is unknown
    """

def check_loaders(
    loader: Any,
    val_loader: Any = None,
    names: tuple[Any, ...] = ('loader', 'val_loader'),
) -> None:
    """Raise `ValueError` or `TypeError` for loaders that can't give batches, or can't be used together.

    Args:
        loader: training data
        val_loader: validation data, or None
        names: of the two parameters, for error messages
    """

def mean_loss(
    models: Any,
    loss_of: Any,
    loader: Any,
    name: str = 'val_loader',
    opts: Any = (),
) -> torch.Tensor:
    """Return the mean of `loss_of` over the batches of `loader`, weighted by their rows.

    Args:
        models: list of modules, which are in evaluation mode meanwhile
        loss_of: batch -> scalar tensor
        loader: iterable of batches
        name: of the parameter, for error messages
        opts: optimizers, likewise, if they have such a mode

    Returns:
        torch.Tensor: one number, without a graph
    """
