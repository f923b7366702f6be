"""What decides the next batches of a data loader, saved and restored."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['is_data', 'is_living', 'name_living', 'name_iterator', 'seed_loader', 'seed_all',
    'gives_in_order']

def is_data(x: Any) -> bool:
    """Return whether `x` is data rather than what decides the next draws: an array or tensor other than an
    order of indices, names or objects.

    Args:
        x: object somewhere in a loader
    """

def is_living(x: Any) -> bool:
    """Return whether `x` goes its own way, so that it can't be restored: an iterator whose position can't be
    seen, such as a generator or one with workers, or an object with a running thread or process.

    Args:
        x: any object
    """

def name_living(living: list[Any]) -> None:
    """Warn about what was found in a loader and can't be restored.

    Args:
        living: texts; emptied
    """

def name_iterator(loader: Any) -> None:
    """Warn that its batches can't be drawn again.

    Args:
        loader: iterator that was passed as a loader
    """

def seed_loader(loader: Any, seed: int) -> None:
    """Reseed the generators that belong to `loader`, its samplers and its datasets, if any.

    Args:
        loader: a `DataLoader`, or any iterable; without generators it stays as it is
        seed: for each of its generators, from 0
    """

def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch.

    Args:
        seed: from 0
    """

def gives_in_order(loader: Any) -> bool:
    """Return whether `loader` is a `DataLoader` that gives the rows of a dataset in order, in several batches.

    Args:
        loader: any iterable of batches

    Returns:
        bool: False also if it isn't known
    """
