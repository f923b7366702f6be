"Data that need no download: artificial problems, and what comes with Python, scikit-learn and mnist1d."

import sysconfig
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch


def as_float(a):
    return torch.tensor(np.asarray(a), dtype=torch.float32)


def scaled(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-6)


@lru_cache(None)
def digits():
    from sklearn.datasets import load_digits

    d = load_digits()
    return as_float(d.data / 16), torch.tensor(d.target)


def digits_themselves():
    return (digits()[0],) * 2


@lru_cache(None)
def shipped(name):
    "Return a table that comes with scikit-learn, with standardized columns."
    import sklearn.datasets

    d = getattr(sklearn.datasets, f'load_{name}')()
    y = torch.tensor(d.target)
    return scaled(as_float(d.data)), y if y.dtype == torch.int64 else y.float()[:, None]


@lru_cache(None)
def made(name, n, **kwargs):
    "Return an artificial problem of scikit-learn."
    import sklearn.datasets

    x, y = getattr(sklearn.datasets, f'make_{name}')(n, random_state=0, **kwargs)
    return as_float(x), torch.tensor(y) if y.dtype == np.int64 else as_float(y)[:, None]


def standard(x, y):
    return scaled(x), y


def small_targets(x, y):
    return scaled(x), 0.1 * scaled(y)


@lru_cache(None)
def mnist1d():
    from mnist1d.data import get_dataset_args, make_dataset

    state = np.random.get_state()
    d = make_dataset(get_dataset_args())
    # `make_dataset` has seeded the global generator.
    np.random.set_state(state)
    return as_float(d['x']), torch.tensor(d['y'])


@lru_cache(None)
def python_text(length=32, n=24000):
    "Return windows of the source of Python's standard library, byte by byte, and for each byte the next one."
    files = sorted(Path(sysconfig.get_paths()['stdlib']).glob('*.py'))[:60]
    text = np.frombuffer(b''.join(f.read_bytes() for f in files), dtype=np.uint8).astype(np.int64)
    text[text > 127] = 0
    at = np.random.RandomState(0).randint(0, len(text) - length - 1, n)
    windows = torch.tensor(text[at[:, None] + np.arange(length + 1)])
    return windows[:, :-1], windows[:, 1:]


def next_character():
    x, y = python_text()
    return x[:, -8:], y[:, -1]


@lru_cache(None)
def wave(n=2000):
    r = np.random.RandomState(0)
    x = r.uniform(-3, 3, (n, 1))
    return as_float(x), as_float(np.sin(3 * x) + 0.1 * r.randn(n, 1))


@lru_cache(None)
def marked_sums(n=4000, length=16):
    "Return sequences of (number, mark); the target is the sum of the two marked numbers."
    r = np.random.RandomState(0)
    x, marks = r.uniform(0, 1, (n, length)), np.zeros((n, length))
    for row in marks:
        row[r.choice(length, 2, replace=False)] = 1
    return as_float(np.stack([x, marks], -1)), as_float((x * marks).sum(1))[:, None]


@lru_cache(None)
def ratings(n=8000, users=200, items=100, rank=4):
    r = np.random.RandomState(0)
    u, i = r.randint(0, users, n), r.randint(0, items, n)
    y = 3 + ((r.randn(users, rank)[u] * r.randn(items, rank)[i]).sum(1)) / 2 + 0.3 * r.randn(n)
    return torch.tensor(np.stack([u, i], 1)), as_float(y)[:, None]


@lru_cache(None)
def raw_columns(n=3000):
    "Return a problem with two classes and columns on scales from 0.3 to 3."
    x, y = made('classification', n, n_features=20, n_informative=8, flip_y=0.02)
    return x * torch.logspace(-0.5, 0.5, 20), y


friedman = partial(made, 'friedman1', 4000, noise=1.0)


def small_friedman():
    return small_targets(*friedman())


def friedman2():
    return standard(*made('friedman2', 3000, noise=10.0))


def moons():
    return made('moons', 2000, noise=0.2)


def small_moons():
    return 0.2 * made('moons', 4000, noise=0.05)[0], made('moons', 4000, noise=0.05)[1]
