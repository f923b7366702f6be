"""All the state that a training step can change, saved, and restored in place."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any
from typing_extensions import Self
from fastlr.advice import EntryPoint

__all__ = ['Snapshot', 'check_parts']

class Snapshot:
    """The state of a training at the moment of creation, and that of the global random generators.
    `restore` restores it in place, bit for bit.

    Args:
        model: `nn.Module`, or a list of several
        optimizers: torch optimizer, or a list of several
        schedulers: learning-rate scheduler, or a list of several
        scaler: `torch.amp.GradScaler`
        loaders: data loader, or a list of several; another iterable too
        others: another object that the training changes, or several: averaged weights, a metric
        where: where copies are: beside the originals, in main memory ('cpu'), or in a directory
        entry: the function that was called, which messages name options after
    """
    restorers: list[Any]
    empty: list[Any]
    living: list[Any]
    asides: list[Any]
    last: list[Any]
    held: dict[Any, Any]
    loaders: dict[Any, Any]
    copies: Any
    def __init__(
        self,
        model: Any = None,
        optimizers: Any = None,
        *,
        schedulers: Any = None,
        scaler: Any = None,
        loaders: Any = None,
        others: Any = None,
        where: Any = 'device',
        entry: EntryPoint = ...,
    ) -> None: ...
    def restore(self) -> None:
        """Restore everything; may be called again and again. Every part is tried, and the first error is raised
        at the end. Raises `RuntimeError` for a snapshot that was closed. Signals wait until it is over.
        """
    def close(self) -> None:
        """Delete the copies."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: Any) -> bool | None: ...
    def keep(self, x: Any) -> None:
        """Save `x` as it is now, and everything inside of it. Objects of other kinds are left alone.
        Raises `ValueError` for a parameter that has no shape yet.

        Args:
            x: tensor, array, generator, module or optimizer, a container of these, or an object with a
                state dict
        """
    def keep_object(self, x: Any) -> None:
        """Save `x`, whatever class it is of, and what is in its attributes.

        Args:
            x: any object with attributes; a tensor, module, container or generator is saved as `keep` does
                it
        """
    def keep_called(self, f: Any) -> None:
        """Save what `f` may change, as far as it is found: see `parts_of_function`.

        Args:
            f: function that the training calls, such as a loss function or a hook of an optimizer
        """
    def add_loader(self, loader: Any) -> Any:
        """Save what decides the next draws of `loader`. If it was added before, only set its stored iterators and
        workers aside: do this after a `restore`, before the loader is used again in the same snapshot.

        Args:
            loader: a torch `DataLoader`, or any iterable of batches
        """
    def leave_out(self, *xs: Any) -> None:
        """Leave `xs` alone, wherever they are found later.

        Args:
            *xs: objects
        """
    def keep_random(self) -> None:
        """Save the states of the random generators of Python, NumPy, and torch on the CPU and every device in use."""

def check_parts(
    models: Any,
    opts: Any,
    schedulers: Any = (),
    scaler: Any = None,
    others: Any = (),
    entry: EntryPoint | None = None,
) -> None:
    """Raise `TypeError`, or `ValueError` for an optimizer that is listed twice, unless these can be saved.

    Args:
        models: list of `nn.Module`s
        opts: list of torch optimizers, each once
        schedulers: list of objects with a `step`
        scaler: `torch.amp.GradScaler`
        others: list of objects that can change: no numbers, texts, classes, functions
        entry: the function that was called, which messages name options after; default: ours
    """
