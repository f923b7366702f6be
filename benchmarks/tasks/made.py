"Artificial problems for the later trainings, made on the spot."

from functools import lru_cache
from itertools import product

import numpy as np
import torch

from .data import as_float


@lru_cache(None)
def parity(bits=12, of=3):
    "Return all rows of signs, and whether the product of the first few is positive."
    x = as_float(list(product((-1, 1), repeat=bits)))
    return x, (x[:, :of].prod(1, keepdim=True) > 0).float()


@lru_cache(None)
def temporal_order(n=4000, length=16):
    """Return sequences of symbols, and which of four orders the two special ones have.

    This is a problem of Hochreiter and Schmidhuber (1997): an A or a B is at an early and at a middle place.
    """
    r = np.random.RandomState(0)
    x = r.randint(2, 6, (n, length))
    first, second = r.randint(0, 2, (2, n))
    x[np.arange(n), r.randint(0, length // 4, n)] = first
    x[np.arange(n), r.randint(length // 2, 3 * length // 4, n)] = second
    return torch.tensor(np.eye(6)[x], dtype=torch.float32), torch.tensor(2 * first + second)


@lru_cache(None)
def shapes(n=1200, size=16):
    "Return noisy images with a disc and a bar of the same brightness, and the mask of the disc."
    r = np.random.RandomState(0)
    rows, columns = np.mgrid[:size, :size]
    x, y = np.zeros((2, n, 1, size, size))
    for image, mask in zip(x[:, 0], y[:, 0]):
        top, left, row = r.randint(3, size - 3, 3)
        mask[:] = (rows - top) ** 2 + (columns - left) ** 2 < r.randint(4, 16)
        image[:] = np.maximum(mask, abs(rows - row) < 1) + 0.3 * r.randn(size, size)
    return as_float(x), as_float(y)


@lru_cache(None)
def graphs(n=2000, nodes=10):
    "Return the adjacency matrices of random graphs, and how many triangles each has."
    r = np.random.RandomState(0)
    upper = np.triu(r.rand(n, nodes, nodes) < r.uniform(0.1, 0.7, (n, 1, 1)), 1)
    x = (upper | upper.transpose(0, 2, 1)).astype(float)
    return as_float(x), as_float(np.trace(x @ x @ x, axis1=1, axis2=2) / 6)[:, None]


@lru_cache(None)
def checkerboard(n=4000, fields=4):
    "Return places on a board, and whether the field is black."
    x = np.random.RandomState(0).uniform(0, fields, (n, 2))
    black = np.floor(x).sum(1) % 2
    return as_float(x - fields / 2), as_float(black)[:, None]


@lru_cache(None)
def first_symbol(n=3000, length=28):
    "Return sequences of symbols after a first one of four, and which that was."
    r = np.random.RandomState(0)
    x, y = r.randint(4, 8, (n, length)), r.randint(0, 4, n)
    x[:, 0] = y
    return as_float(np.eye(8)[x]), torch.tensor(y)


@lru_cache(None)
def sum_modulo_three(of=3, digits=8):
    "Return all rows of digits from 0 to 2, each as three columns, and the sum of the first few modulo 3."
    x = np.array(list(product(range(3), repeat=digits)))
    return as_float(np.eye(3)[x].reshape(len(x), -1)), torch.tensor(x[:, :of].sum(1) % 3)


@lru_cache(None)
def low_rank(n=2000, size=24, rank=3):
    "Return vectors, and what a matrix of low rank makes of them."
    r = np.random.RandomState(0)
    x = r.randn(n, size)
    y = x @ r.randn(size, rank) @ r.randn(rank, size) / np.sqrt(size) + 0.1 * r.randn(n, size)
    return as_float(x), as_float(y)


@lru_cache(None)
def noisy_digits(n=4000):
    "Return digits under more or less noise, with how much, and the noise."
    from .data import digits

    r, images = np.random.RandomState(0), digits()[0].numpy()
    time, noise = r.rand(n, 1), r.randn(n, 64)
    clean = 2 * images[r.randint(0, len(images), n)] - 1
    x = np.cos(time * np.pi / 2) * clean + np.sin(time * np.pi / 2) * noise
    return as_float(np.c_[x, 2 * time - 1]), as_float(noise)


@lru_cache(None)
def labels(n=3000):
    "Return examples with some of ten labels, most of them rare."
    from sklearn.datasets import make_multilabel_classification

    x, y = make_multilabel_classification(n, n_features=20, n_classes=10, n_labels=2, random_state=0)
    return as_float((x - x.mean(0)) / x.std(0)), as_float(y)
