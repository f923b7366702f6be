"Loaders and batches of every kind: of any length, with random states of their own, in containers."

import random
from functools import partial
from itertools import islice

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler

from conftest import loaders, make_learner, problem, same, state_of
from fastlr import find_lr
from faults import fails_for, learner_of
from trainings import LOADERS, Rows, Training


class Endless:
    def __iter__(self):
        x, y = problem()[:]
        while True:
            yield x[:16], y[:16]


@pytest.mark.parametrize(
    'loader, points, reason',
    [
        (lambda: DataLoader(Rows(), 96), 30, 'end'),
        (LOADERS['stream'], 30, 'end'),
        (Endless, 30, 'end'),
        (lambda: (b for b in DataLoader(Rows(), 16)), 6, 'data'),
        (lambda: islice(Endless(), 9), 9, 'data'),
    ],
    ids=['one batch', 'iterable', 'endless', 'generator', 'iterator'],
)
def test_loaders_of_any_length(loader, points, reason):
    """keras_lr_finder #35, ignite #1357, Lightning #16561, pytorch-lr-finder #76:

    `len()` was needed, or a short loader ended the sweep."""

    def check(find):
        t = Training(loader=loader)
        curve = find(t)
        assert len(curve) == points and curve.stop_reason == reason

    check(partial(Training.find, num_it=30, batches=None))
    check(lambda t: learner_of(t).lr_find(num_it=30, stop_div=False, batches=None))
    check(
        lambda t: find_lr(
            t.model,
            t.opt,
            nn.CrossEntropyLoss(),
            t.loader,
            num_it=30,
            stop_div=False,
            batches=None,
            progress=False,
        )
    )

    def with_len(t):
        len(t.loader)
        return with_one_epoch(t)

    def with_one_epoch(t):
        curve = type('Curve', (list,), {})(t.step(*b) for b in islice(t.loader, 30))
        curve.stop_reason = 'end'
        return curve

    fails_for(check, with_len)
    with pytest.raises(ValueError, match='gave no batch'):
        Training(loader=list).find()


def test_a_generator_cannot_be_trained_on_twice():
    x, y = problem()[:]
    with pytest.raises(ValueError, match='no batch in epoch 1'):
        make_learner(dls=(iter([(x, y)] * 3), None)).fit(3)
    with pytest.raises(ValueError, match='val_batches=1'):
        make_learner(dls=(loaders()[0], iter([(x, y)]))).lr_find(val_batches=1)


class Pieces(nn.Module):
    "A model with two inputs that computes the loss itself on request."

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(2, 3), nn.Linear(4, 3)

    def forward(self, a, b, labels=None):
        out = self.a(a) + self.b(b)
        return (
            out
            if labels is None
            else type('Output', (), dict(loss=nn.functional.cross_entropy(out, labels)))()
        )


@pytest.mark.parametrize(
    'make',
    [
        lambda a, b, y: (a, b, y),
        lambda a, b, y: dict(a=a, b=b, label=y),
        lambda a, b, y: dict(a=a, b=b, labels=y),
        lambda a, b, y: {'deep': [{'in': (a, b)}, y]},
    ],
    ids=['two inputs', 'target by name', 'loss inside', 'own step'],
)
def test_batches_of_many_kinds(make):
    "pytorch-lr-finder #55, #61, #71, #73: only pairs of tensors were understood."
    rows, kind = problem(), list(make(0, 0, 0))[-1]
    loader = [make(x[:, :2], x[:, 2:], y) for x, y in DataLoader(rows, 16)]

    def check(find):
        losses = find(Pieces())
        model = Pieces()
        opt = torch.optim.SGD(model.parameters(), lr=0.0)
        by_hand = []
        for lr, (x, y) in zip(np.geomspace(1e-7, 10, 12), [b for b in DataLoader(rows, 16)] * 2):
            opt.param_groups[0]['lr'] = lr
            loss = nn.functional.cross_entropy(model(x[:, :2], x[:, 2:]), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            by_hand.append(loss.item())
        assert losses == by_hand

    def find(model):
        step = (
            (lambda batch: nn.functional.cross_entropy(model(*batch['deep'][0]['in']), batch['deep'][1]))
            if kind == 'deep'
            else None
        )
        criterion = None if kind in ('deep', 'labels') else nn.CrossEntropyLoss()
        return find_lr(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            criterion,
            loader,
            step=step,
            num_it=12,
            stop_div=False,
            progress=False,
        ).losses.tolist()

    check(find)

    def pairs_only(model):
        return [nn.functional.cross_entropy(model(inputs), labels).item() for inputs, labels in loader]

    fails_for(check, pairs_only)


class OwnDraws(Sampler):
    "A sampler that draws from NumPy's and Python's own generators, and counts."

    def __init__(self, n):
        self.n = n
        self.rng = np.random.default_rng(0)
        self.py = random.Random(0)
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        self.py.random()
        return iter(self.rng.permutation(self.n).tolist())

    def __len__(self):
        return self.n


class OwnLoader:
    "A loader that isn't a `DataLoader`."

    def __init__(self):
        self.g = torch.Generator().manual_seed(1)

    def __iter__(self):
        x, y = problem()[:]
        for i in torch.randperm(96, generator=self.g).split(16):
            yield x[i], y[i]


@pytest.mark.parametrize(
    'make',
    [
        lambda: DataLoader(problem(), 16, sampler=OwnDraws(96)),
        OwnLoader,
        lambda: DataLoader(
            problem(),
            batch_sampler=BatchSampler(
                RandomSampler(problem(), generator=torch.Generator().manual_seed(2)), 16, True
            ),
        ),
        lambda: DataLoader(problem(), 16, shuffle=True, num_workers=1, persistent_workers=True),
    ],
    ids=['own-draws', 'own-loader', 'batch-sampler', 'persistent-workers'],
)
@pytest.mark.parametrize('trained', [False, True])
def test_every_loader_goes_on_as_if_nothing_had_happened(make, trained):
    def run(find):
        learn = make_learner(dls=(make(), None))
        if trained:
            learn.fit(1, 1e-2)
        if find:
            learn.lr_find(num_it=15, stop_div=False)
        learn.fit(2, 1e-2)
        return state_of(learn)

    assert same(run(False), run(True))


class OwnRng(torch.utils.data.Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 96

    def __getitem__(self, i):
        x, y = problem()[i]
        return x + float(self.rng.normal()), y


class OwnOrder(Sampler):
    def __init__(self):
        self.order = list(range(96))

    def __iter__(self):
        random.shuffle(self.order)
        return iter(self.order)

    def __len__(self):
        return 96


@pytest.mark.parametrize(
    'make, kw',
    [
        (lambda: (DataLoader(OwnRng(), 16), None), {}),
        (lambda: (DataLoader(problem(), 16, sampler=OwnOrder()), None), {}),
        (
            lambda: (DataLoader(problem(), 16, shuffle=True, num_workers=1, persistent_workers=True),) * 2,
            dict(val_batches=1),
        ),
    ],
    ids=['dataset-rng', 'sampler-order', 'one-loader-twice'],
)
def test_loaders_of_a_training_go_on_as_if_nothing_had_happened(make, kw):
    def run(find):
        learn = make_learner(dls=make())
        learn.fit(1, 1e-2)
        if find:
            learn.lr_find(num_it=12, stop_div=False, **kw)
        learn.fit(1, 1e-2)
        return state_of(learn)

    assert same(run(False), run(True))
