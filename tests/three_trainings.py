"Three small trainings that have a learning rate to find, for tests of the default rule."

from functools import cache, partial

import numpy as np
import torch
from sklearn.datasets import load_digits, make_friedman1
from torch import nn
from torch.optim import SGD, Adam
from torch.utils.data import DataLoader, TensorDataset

from fastlr import find_lr


@cache
def digits():
    "Return scikit-learn's images of digits (1797, 1, 8, 8) and their classes, in random order."
    d = load_digits()
    order = np.random.default_rng(0).permutation(len(d.target))
    x = torch.tensor(d.images[order] / 16, dtype=torch.float32)[:, None]
    return x, torch.tensor(d.target[order])


@cache
def friedman():
    "Return rows of Friedman's first regression problem, and their standardized targets."
    x, y = make_friedman1(1500, noise=1.0, random_state=0)
    y = (y - y.mean()) / y.std()
    return torch.tensor(x, dtype=torch.float32) - 0.5, torch.tensor(y[:, None], dtype=torch.float32)


def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn():
    convs = nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1)
    return nn.Sequential(*convs, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


def regression():
    return nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))


# Data, net, loss, and optimizer of each.
TRAININGS = dict(
    dense=(digits, dense, nn.CrossEntropyLoss(), partial(SGD, momentum=0.9)),
    cnn=(digits, cnn, nn.CrossEntropyLoss(), Adam),
    regression=(friedman, regression, nn.MSELoss(), SGD),
)


def curve_of(name, seed=0, ordered=False, a=1.0, b=0.0, momentum=None, **options):
    """Return the curve that `find_lr` makes of the training `name`, whose loss is multiplied by `a` and then
    higher by `b`; `ordered`: by class (or by target) instead of shuffled."""
    data, *kind = TRAININGS[name]
    make, loss_func, make_opt = kind
    x, y = data()
    if ordered:
        order = y.flatten().argsort()
        x, y = x[order], y[order]
    torch.manual_seed(seed)
    model = make()
    more = {} if momentum is None else dict(momentum=momentum)
    loader = DataLoader(TensorDataset(x, y), 64, shuffle=not ordered)
    loss = lambda out, yb: a * loss_func(out, yb) + b
    opt = make_opt(model.parameters(), lr=1e-3, **more)
    return find_lr(model, opt, loss, loader, progress=False, **options)
