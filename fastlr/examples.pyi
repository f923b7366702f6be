"""A small data set, a small network and two metrics, to try things on."""

# Made by tools/stubs.py: run `make prepare`.

import torch
import torch.nn
from typing import Any
from fastlr.data import DataBunch

__all__ = ['digits_data', 'digits_sample', 'simple_cnn', 'accuracy', 'error_rate']

def digits_data(
    bs: int = 64,
    valid_pct: float = 0.2,
    seed: int = 42,
    classes: Any = None,
    num_workers: int = 0,
    device: Any = None,
) -> DataBunch:
    """Return scikit-learn's handwritten digits. Raise `ImportError` if it isn't installed.

    Args:
        bs: batch size, at least 1
        valid_pct: share that is held out for validation, in (0, 1)
        seed: for the split into training and validation
        classes: digits to keep, relabelled from 0 in this order; default: all ten
        num_workers: processes that load data; 0: this one does
        device: `torch.device` or its name; default: the accelerator if there is one, else the CPU

    Returns:
        DataBunch: images (bs, 1, 8, 8) from 0 to 1, targets (bs,) of classes, loss: cross-entropy
    """

def digits_sample(
    bs: int = 16,
    *,
    valid_pct: float = 0.2,
    seed: int = 42,
    classes: Any = None,
    num_workers: int = 0,
    device: Any = None,
) -> DataBunch:
    """Return threes (class 0) and sevens (class 1): `digits_data` with two classes.

    Args:
        bs: batch size, at least 1
        valid_pct: share that is held out for validation, in (0, 1)
        seed: for the split into training and validation
        classes: digits to keep, relabelled from 0 in this order; default: all ten
        num_workers: processes that load data; 0: this one does
        device: `torch.device` or its name; default: the accelerator if there is one, else the CPU

    Returns:
        DataBunch: targets are 0 for a three, 1 for a seven
    """

def simple_cnn(
    actns: Any,
    kernel_szs: Any = None,
    strides: Any = None,
    bn: bool = False,
) -> torch.nn.Sequential:
    """Return convolutions with ReLU between them, and an average over the image at the end.

    Args:
        actns: channels: of the image, after each convolution, and of the output, for instance (1, 16,
            16, 2)
        kernel_szs: kernel size of each convolution; default: 3
        strides: stride of each; default: 2
        bn: batch norm after all but the last

    Returns:
        torch.nn.Sequential: (n, actns[0], height, width) -> (n, actns[-1])
    """

def accuracy(preds: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the share of targets that have the highest score.

    Args:
        preds: (n, classes) scores of any scale
        targets: indices of classes: (n,), or as many in another shape, such as (n, 1)

    Returns:
        torch.Tensor: shape (), from 0 to 1
    """

def error_rate(preds: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the share of rows that are wrong: one minus the `accuracy`.

    Args:
        preds: (n, classes) scores of any scale
        targets: (n,) indices of classes

    Returns:
        torch.Tensor: shape (), from 0 to 1
    """
