"""Trainings of many kinds that can be continued, for tests that compare them bit for bit.

They combine optimizers, models and loaders. `Training.train` takes steps as a user would write them;
`Training.find` runs a range test with the same step. A fault is set with `trip.arm(place, step, error)`: the
places call `trip(place)` in every step, which does nothing until then."""

import copy, itertools, os, random, tempfile
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler

from conftest import net, problem
from fastlr import LRSweep


class Trip:
    "A fault that raises once, where it was armed."

    def __init__(self):
        self.disarm()

    def disarm(self):
        self.place, self.left, self.error = None, 0, None

    def arm(self, place, step, error):
        self.place, self.left, self.error = place, step, error

    def __call__(self, place):
        if place != self.place:
            return
        self.left -= 1
        if self.left < 0:
            self.place = None
            raise self.error


trip = Trip()


# Models with 6 numbers as input and 3 logits as output.


class Remembers(nn.Module):
    "A module with plain Python state, as many have it, on which its output depends."

    def __init__(self):
        super().__init__()
        self.net = net()
        self.calls = 0
        self.seen = []
        self.last = None
        self.kinds = set()

    def forward(self, x):
        self.calls += 1
        self.last = x
        self.seen.append(float(x.mean()))
        self.kinds.add(self.calls)
        return self.net(x) * (1 + 0.01 * self.calls)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.out(self.b(torch.tanh(self.a(x))))


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, 3, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.w).abs()


class Sparse(nn.Module):
    "A model whose gradients are sparse."

    def __init__(self):
        super().__init__()
        self.emb = nn.EmbeddingBag(12, 3, sparse=True)

    def forward(self, x):
        return self.emb((x > 0).long() + 2 * torch.arange(6))


class Running(nn.Module):
    "A model with a statistic that the state dict leaves out, and a buffer that repeats itself."

    def __init__(self):
        super().__init__()
        self.net = net()
        self.register_buffer('mean', torch.zeros(6), persistent=False)
        self.register_buffer('wide', torch.ones(1).expand(6))

    def forward(self, x):
        self.mean.lerp_(x.mean(0).detach(), 0.1)
        return self.net((x - self.mean) * self.wide)


class Counts(nn.Module):
    "A model with its state in an object of another class, and `get_extra_state` for it."

    class Box:
        def __init__(self):
            self.n = 0

    def __init__(self):
        super().__init__()
        self.net, self.box = net(), Counts.Box()

    def forward(self, x):
        self.box.n += 1
        return self.net(x) * (1 + 0.01 * self.box.n)

    def get_extra_state(self):
        return {'n': self.box.n}

    def set_extra_state(self, state):
        self.box.n = state['n']


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(2, 5, batch_first=True, dropout=0.1, num_layers=2), nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.gru(x.view(-1, 3, 2))[0][:, -1])


def parametrized():
    m = net()
    nn.utils.parametrizations.weight_norm(m[0])
    nn.utils.parametrizations.spectral_norm(m[4])
    return m


def lazy():
    m = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(3))
    m(torch.randn(4, 6))
    return m


def frozen():
    m = net()
    m[0].requires_grad_(False)
    m[1].eval()
    m[3].eval()
    return m


MODELS = dict(
    plain=net,
    remembers=Remembers,
    tied=Tied,
    complex=Complex,
    sparse=Sparse,
    running=Running,
    extra_state=Counts,
    recurrent=Recurrent,
    parametrized=parametrized,
    lazy=lazy,
    frozen=frozen,
    compiled=lambda: torch.compile(net(), backend='eager'),
)


# Optimizers.

O = torch.optim
OPTS = dict(
    sgd=partial(O.SGD, momentum=0.9, nesterov=True),
    adamw=O.AdamW,
    foreach=partial(O.AdamW, foreach=True),
    fused=partial(O.AdamW, fused=True),
    tensor_lr=lambda ps: O.Adam(ps, lr=torch.tensor(1e-3), amsgrad=True),
    rmsprop=partial(O.RMSprop, centered=True, momentum=0.5),
    adagrad=O.Adagrad,
    nadam=O.NAdam,
    adadelta=O.Adadelta,
    asgd=O.ASGD,
    lbfgs=partial(O.LBFGS, lr=0.1, max_iter=3),
    two_groups=lambda ps: (
        lambda ps: O.AdamW([dict(params=ps[:1], lr=1e-4, weight_decay=0.5), dict(params=ps[1:])])
    )(list(ps)),
)
# It has come with torch 2.5.
if hasattr(O, 'Adafactor'):
    OPTS['adafactor'] = O.Adafactor
NO_COMPLEX = ('fused', 'rmsprop', 'adadelta', 'adafactor', 'lbfgs', 'foreach', 'asgd')
# These take sparse gradients.
SPARSE = dict(sgd=O.SGD, adagrad=O.Adagrad, adamw=O.SparseAdam)


# Loaders.


class Rows(Dataset):
    def __init__(self):
        self.x, self.y = problem()[:]

    def __len__(self):
        return 96

    def __getitem__(self, i):
        trip('dataset')
        return self.x[i], self.y[i]


class Noisy(Rows):
    "A dataset that augments with every kind of global random number."

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + 0.1 * random.random() + 0.1 * np.random.rand() + 0.1 * torch.rand(1), y


class Stream(IterableDataset):
    "An endless dataset without a length that starts anew at every `iter`, at another place."

    def __init__(self):
        self.rows, self.epoch = Rows(), 0

    def __iter__(self):
        self.epoch += 1
        i = self.epoch
        while True:
            yield self.rows[i % 96]
            i += 7


class OwnDraws(torch.utils.data.Sampler):
    "A sampler that draws from generators of NumPy and Python, shuffles a list and an array, and counts."

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.py = random.Random(0)
        self.order = list(range(96))
        self.array = np.arange(96)
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        self.py.shuffle(self.order)
        self.array[:] = np.roll(self.array, 7)
        return iter([self.order[self.array[i]] for i in self.rng.permutation(96)])

    def __len__(self):
        return 96


def numbers_from(i):
    return map(int, itertools.count(i))


class Stateful:
    "A loader that isn't a DataLoader, with its position in an iterator and in its state dict."

    def __init__(self):
        self.hidden = numbers_from(0)

    def __iter__(self):
        x, y = problem()[:]
        for _ in range(5):
            i = next(self.hidden) * 11 % 80
            yield x[i : i + 16], y[i : i + 16]

    def state_dict(self):
        return {'next': next(copy.copy(self.hidden.__reduce__()[1][1]))}

    def load_state_dict(self, state):
        self.hidden = numbers_from(state['next'])


class InFile(IterableDataset):
    "A dataset that goes on reading in a file."

    def __init__(self):
        x, y = problem()[:]
        path = tempfile.mktemp()
        with open(path, 'wb') as f:
            f.write(torch.cat([x, y[:, None].float()], 1).numpy().tobytes() * 20)
        self.file = open(path, 'rb')
        os.unlink(path)

    def __iter__(self):
        for _ in range(85):
            row = torch.frombuffer(bytearray(self.file.read(28)), dtype=torch.float32)
            yield row[:6], row[6].long()


class Wraps:
    "A loader that holds another one, which draws."

    def __init__(self):
        self.inner = [DataLoader(Rows(), 16, shuffle=True, generator=gen(4))]

    def __iter__(self):
        return iter(self.inner[0])


gen = lambda seed=1: torch.Generator().manual_seed(seed)
LOADERS = dict(
    shuffled=lambda: DataLoader(Rows(), 16, shuffle=True),
    own_generator=lambda: DataLoader(Rows(), 16, shuffle=True, generator=gen()),
    augmented=lambda: DataLoader(Noisy(), 16, shuffle=True),
    own_draws=lambda: DataLoader(Rows(), 16, sampler=OwnDraws()),
    weighted=lambda: DataLoader(
        Rows(), 16, sampler=WeightedRandomSampler(torch.rand(96, generator=gen(5)), 64, generator=gen(2))
    ),
    batch_sampler=lambda: DataLoader(
        Rows(),
        batch_sampler=torch.utils.data.BatchSampler(RandomSampler(range(96), generator=gen(3)), 16, True),
    ),
    stream=lambda: DataLoader(Stream(), 16),
    stateful=Stateful,
    file=lambda: DataLoader(InFile(), 16),
    wraps=Wraps,
    batches=lambda: [b for b in DataLoader(Rows(), 16)],
)
WORKERS = dict(
    workers=lambda: DataLoader(Noisy(), 16, shuffle=True, num_workers=2),
    persistent=lambda: DataLoader(Noisy(), 16, shuffle=True, num_workers=1, persistent_workers=True),
    stream_workers=lambda: DataLoader(Stream(), 16, num_workers=1),
)


class Training:
    "A model, an optimizer and a loader, made from seed 0, and the step of a loop by hand."

    def __init__(self, model='plain', opt='adamw', loader='shuffled'):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        self.model = MODELS[model]() if isinstance(model, str) else model()
        make = (
            (
                SPARSE.get(opt, O.SGD)
                if model == 'sparse'
                else OPTS['adamw' if model == 'complex' and opt in NO_COMPLEX else opt]
            )
            if isinstance(opt, str)
            else opt
        )
        self.opt = make(
            [p for p in self.model.parameters() if p.requires_grad],
            **({} if not (model == 'sparse' and opt not in SPARSE) else {'lr': 0.1}),
        )
        self.loader = {**LOADERS, **WORKERS}[loader]() if isinstance(loader, str) else loader()
        self.closure = opt == 'lbfgs' and model not in ('sparse', 'complex')

    def step(self, xb, yb):
        def closure():
            self.opt.zero_grad()
            trip('model')
            out = self.model(xb)
            trip('loss')
            loss = cross_entropy(out, yb)
            loss.backward()
            trip('backward')
            return loss

        if self.closure:
            loss = self.opt.step(closure)
        else:
            loss = closure()
            trip('optimizer')
            self.opt.step()
        trip('after step')
        return loss.detach()

    def train(self, steps):
        while True:
            for xb, yb in self.loader:
                if steps == 0:
                    return self
                self.step(xb, yb)
                steps -= 1

    def find(self, num_it=12, **kw):
        with LRSweep(
            self.opt, self.model, **{'num_it': num_it, 'end_lr': 10.0, 'stop_div': False, **kw}
        ) as sweep:
            for xb, yb in sweep(self.loader):
                trip('loader')
                sweep.record(self.step(xb, yb))
        return sweep.curve

    def state(self):
        "Return copies of everything that the rest of the training may depend on."
        m = self.model
        return dict(
            tensors={
                n: t.detach().clone()
                for n, t in (*m.named_parameters(remove_duplicate=False), *m.named_buffers())
            },
            grads=[None if p.grad is None else p.grad.to_dense().clone() for p in m.parameters()],
            flags=[x.training for x in m.modules()] + [p.requires_grad for p in m.parameters()],
            attributes=copy.deepcopy(
                {k: v for k, v in vars(m).items() if k in ('calls', 'seen', 'last', 'kinds')}
            ),
            box=getattr(getattr(m, 'box', None), 'n', None),
            opt=copy.deepcopy(self.opt.state_dict()),
            rng=(
                torch.get_rng_state(),
                random.getstate(),
                [x if isinstance(x, (str, int, float)) else x.tolist() for x in np.random.get_state()],
            ),
        )
