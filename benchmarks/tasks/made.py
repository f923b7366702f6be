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
