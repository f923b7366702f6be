"""The iterators of pytorch-lr-finder, which turn batches of any kind into pairs of inputs and labels."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any, Iterator

__all__ = ['DataLoaderIter', 'TrainDataLoaderIter', 'ValDataLoaderIter']

class DataLoaderIter:
    """Batches of a loader as pairs (inputs, labels). Override `inputs_labels_from_batch` for other batches.

    Args:
        data_loader: any iterable of batches
    """
    data_loader: Any
    def __init__(self, data_loader: Any) -> None: ...
    @property
    def dataset(self) -> Any:
        """The dataset of the loader."""
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def inputs_labels_from_batch(self, batch_data: Any) -> Any:
        """Return the batch as a pair. Raises `ValueError` if it is not a tuple or list of two or more.

        Args:
            batch_data: a batch of the loader

        Returns:
            (inputs, labels)
        """
    def restarted(self) -> Any:
        """Return a copy that begins with the first batch; the original stays where it is."""

class TrainDataLoaderIter(DataLoaderIter):
    """Endless passes over the loader: it starts again when the loader runs out, unless `auto_reset` is False.

    Args:
        data_loader: any iterable of batches
        auto_reset: start again when the loader runs out
    """
    auto_reset: bool
    def __init__(self, data_loader: Any, auto_reset: bool = True) -> None: ...
    def __next__(self) -> Any: ...

class ValDataLoaderIter(DataLoaderIter):
    """One pass over the loader; after its end `iter`, as in a `for` loop, begins the next one.

    Args:
        data_loader: any iterable of batches
    """
    run_counter: int
    ended: bool
    def __init__(self, data_loader: Any) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def restarted(self) -> Any:
        """Return a copy at the beginning of a pass; the original stays where it is."""
