"""A training loader and a validation loader, held together."""

# Made by tools/stubs.py: run `make prepare`.

import enum
import pathlib
import torch
import torch.utils.data
from typing import Any

__all__ = ['DataBunch', 'default_device', 'DatasetType', 'first_batch', 'as_databunch']

class DataBunch:
    """A training and a validation loader, the device for their batches, and the loss that fits them.

    Args:
        train_dl: iterable of batches, at least one; usually a `DataLoader`
        valid_dl: the same for validation; None to train without
        device: `torch.device` or its name, where batches go; default: where the model is
        loss_func: (output, target) -> scalar tensor, used by a `Learner` that was given none
        path: folder for what a `Learner` writes
        test_dl: iterable of batches to predict, with or without targets
    """
    train_dl: Any
    valid_dl: Any
    test_dl: Any
    device: Any
    loss_func: Any
    path: pathlib.Path
    def __init__(
        self,
        train_dl: Any,
        valid_dl: Any = None,
        *,
        device: Any = None,
        loss_func: Any = None,
        path: Any = '.',
        test_dl: Any = None,
    ) -> None: ...
    @classmethod
    def create(
        cls,
        train_ds: Any,
        valid_ds: Any = None,
        *,
        bs: int = 64,
        num_workers: int = 0,
        device: Any = None,
        loss_func: Any = None,
        path: Any = '.',
        test_ds: Any = None,
    ) -> DataBunch:
        """Make loaders over two datasets. Raise `ValueError` for an empty one, or a batch size below 1.

        Args:
            train_ds: map-style dataset for training, not empty
            valid_ds: the same for validation
            bs: batch size, at least 1
            num_workers: processes that load data; 0: this one does
            device: `torch.device` or its name; default: the accelerator if there is one, else the CPU
            loss_func: (output, target) -> scalar tensor; default: the attribute `loss_func` of `train_ds`
            path: folder for what a `Learner` writes
            test_ds: the same for rows to predict
        """
    @property
    def fix_dl(self) -> torch.utils.data.DataLoader[Any]:
        """The training rows in order, all of them. Raise `AttributeError` unless the loader is torch's."""
    @property
    def single_dl(self) -> torch.utils.data.DataLoader[Any]:
        """The first row of the validation data, or of the training data if there is none, as a batch."""
    def dl(self, ds_type: DatasetType = ...) -> Any:
        """Return the loader that is meant. Raise `ValueError` if there is none.

        Args:
            ds_type: a `DatasetType`

        Returns:
            the loader
        """
    @property
    def train_ds(self) -> Any:
        """The dataset of the training loader."""
    @property
    def valid_ds(self) -> Any:
        """The dataset of the validation loader."""
    @property
    def test_ds(self) -> Any:
        """The dataset of the loader to predict; None if there is no such loader."""
    @property
    def fix_ds(self) -> Any:
        """The dataset of `fix_dl`: that of the training loader."""
    @property
    def single_ds(self) -> Any:
        """The dataset of `single_dl`: one row."""
    @property
    def empty_val(self) -> bool:
        """Whether there is no validation data."""
    @property
    def classes(self) -> list[Any]:
        """The classes that the training dataset names. Raise `AttributeError` if it names none.

        Returns:
            list[Any]: of what the dataset has, usually texts
        """
    @property
    def batch_size(self) -> Any:
        """The batch size of the training loader."""
    @batch_size.setter
    def batch_size(self, value: Any) -> None: ...
    def one_batch(
        self,
        ds_type: DatasetType = ...,
        detach: bool = True,
        denorm: bool = True,
        cpu: bool = True,
    ) -> tuple[Any, ...]:
        """Return the first batch of a loader.

        Args:
            ds_type: a `DatasetType`
            detach: accepted as in fastai v1, and ignored: a loader gives tensors without a graph
            denorm: accepted as in fastai v1, and ignored: the batch is what the loader gives
            cpu: the batch is on the CPU; False: move it to the device

        Returns:
            tuple[Any, ...]: (input, target); the target is None if the batch has none
        """
    @property
    def c(self) -> Any:
        """The number of classes, or of columns of the target; it can be set where the dataset doesn't say."""
    @c.setter
    def c(self, value: Any) -> None: ...

def default_device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""

class DatasetType(enum.Enum):
    """Which data is meant: for training, the same rows in order, for validation, to predict, or a single row."""
    Train = 'train_dl'
    Fix = 'fix_dl'
    Valid = 'valid_dl'
    Test = 'test_dl'
    Single = 'single_dl'
def first_batch(dl: Any) -> Any:
    """Return the first batch of `dl`. An epoch that is under way goes on.

    Args:
        dl: iterable of batches
    """

def as_databunch(data: Any) -> DataBunch:
    """Return `data` as a `DataBunch`. Raise `TypeError` if it is none of these.

    Args:
        data: a `DataBunch`, a pair (train, valid), or an object with `train_dl`/`valid_dl` or
            `train`/`valid`
    """
