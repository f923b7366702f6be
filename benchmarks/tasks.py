"""Thirty-eight small trainings on which suggested learning rates are judged; none needs a download or a GPU.

    setup = TASKS['char_gru_adam'].build(seed=0)        # the same weights and batches for the same seed
    opt = setup.opt(1e-3)
    for xb, yb in setup.train: ...

They are small, so that each can be trained hundreds of times, and as different as small trainings can be:
dense, convolutional, recurrent and attention nets; with and without normalization; losses around 0.1, in the
hundred thousands, and below zero; SGD with momentum 0, 0.5 and 0.9, Adam and its family, RMSprop; batches of
8 to 128. The constants of fastlr's default rule were chosen with the results on `FITTED` in view; the
results on `HELD_OUT` were obtained after the constants had been fixed, and its last five tasks were written
only then.
"""

import sysconfig
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset


@dataclass
class Setup:
    "A training that is ready to start."

    model: nn.Module
    opt: Callable  # rate -> optimizer of the model
    loss: Callable  # (output, target) -> scalar tensor
    train: DataLoader
    valid: DataLoader
    steps: int  # the number of updates that the training may take


@dataclass
class Task:
    "The parts of a training, from which `build` makes a `Setup`."

    data: Callable  # () -> (inputs, targets), all examples
    model: Callable  # () -> module
    opt: Callable  # (parameters, lr=...) -> optimizer
    loss: Callable
    bs: int
    steps: int

    def build(self, seed):
        "Return a `Setup`, with the same weights and batches for the same seed."
        torch.manual_seed(seed)
        np.random.seed(seed)
        model, (x, y) = self.model(), self.data()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1234))
        valid, train = order[: len(x) // 4], order[len(x) // 4 :]
        return Setup(
            model,
            partial(self.opt, model.parameters()),
            self.loss,
            _batches(x[train], y[train], self.bs, seed),
            _batches(x[valid], y[valid], 512),
            self.steps,
        )


def _batches(x, y, bs, seed=None):
    "Return a loader that takes a batch out of the tensors at once; it shuffles if there is a `seed`."
    data, shuffled = TensorDataset(x, y), seed is not None
    order = (
        RandomSampler(data, generator=torch.Generator().manual_seed(seed))
        if shuffled
        else SequentialSampler(data)
    )
    return DataLoader(data, batch_size=None, sampler=BatchSampler(order, bs, drop_last=shuffled))


# ---- data ----------------------------------------------------------------


def _float(a):
    return torch.tensor(np.asarray(a), dtype=torch.float32)


def _standard(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-6)


@lru_cache(None)
def digits():
    from sklearn.datasets import load_digits

    d = load_digits()
    return _float(d.data / 16), torch.tensor(d.target)


def digits_themselves():
    return (digits()[0],) * 2


@lru_cache(None)
def shipped(name):
    "Return a table that comes with scikit-learn, with standardized columns."
    import sklearn.datasets

    d = getattr(sklearn.datasets, f'load_{name}')()
    y = torch.tensor(d.target)
    return _standard(_float(d.data)), y if y.dtype == torch.int64 else y.float()[:, None]


@lru_cache(None)
def made(name, n, **kwargs):
    "Return an artificial problem of scikit-learn."
    import sklearn.datasets

    x, y = getattr(sklearn.datasets, f'make_{name}')(n, random_state=0, **kwargs)
    return _float(x), torch.tensor(y) if y.dtype == np.int64 else _float(y)[:, None]


def standard(x, y):
    return _standard(x), y


def small_targets(x, y):
    return _standard(x), 0.1 * _standard(y)


@lru_cache(None)
def mnist1d():
    from mnist1d.data import get_dataset_args, make_dataset

    state = np.random.get_state()
    d = make_dataset(get_dataset_args())
    # `make_dataset` has seeded the global generator.
    np.random.set_state(state)
    return _float(d['x']), torch.tensor(d['y'])


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
    return _float(x), _float(np.sin(3 * x) + 0.1 * r.randn(n, 1))


@lru_cache(None)
def marked_sums(n=4000, length=16):
    "Return sequences of (number, mark); the target is the sum of the two marked numbers."
    r = np.random.RandomState(0)
    x, marks = r.uniform(0, 1, (n, length)), np.zeros((n, length))
    for row in marks:
        row[r.choice(length, 2, replace=False)] = 1
    return _float(np.stack([x, marks], -1)), _float((x * marks).sum(1))[:, None]


@lru_cache(None)
def ratings(n=8000, users=200, items=100, rank=4):
    r = np.random.RandomState(0)
    u, i = r.randint(0, users, n), r.randint(0, items, n)
    y = 3 + ((r.randn(users, rank)[u] * r.randn(items, rank)[i]).sum(1)) / 2 + 0.3 * r.randn(n)
    return torch.tensor(np.stack([u, i], 1)), _float(y)[:, None]


@lru_cache(None)
def raw_columns(n=3000):
    "Return a problem with two classes and columns on scales from 0.3 to 3."
    x, y = made('classification', n, n_features=20, n_informative=8, flip_y=0.02)
    return x * torch.logspace(-0.5, 0.5, 20), y


# ---- nets ----------------------------------------------------------------


def dense(*sizes, act=nn.ReLU, norm=None):
    "Return linear layers, with `norm` and `act` between them and nothing after the last."
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), *([norm(b)] if norm else []), act()]
    return nn.Sequential(*layers[: -2 if norm else -1])


class Image(nn.Module):
    "Three convolutions over an 8x8 image, the first with stride 1, and a linear layer."

    def __init__(self, norm=True):
        super().__init__()
        layers, sizes = [], (1, 16, 32, 32)
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            layers += [
                nn.Conv2d(a, b, 3, stride=2 if i else 1, padding=1),
                nn.BatchNorm2d(b) if norm else nn.Identity(),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))

    def forward(self, x):
        return self.body(x.view(-1, 1, 8, 8))


class Signal(nn.Module):
    "Three strided convolutions over 40 samples, and a linear layer."

    def __init__(self, width=25, norm=False):
        super().__init__()
        layers = []
        for a, k in ((1, 5), (width, 3), (width, 3)):
            layers += [
                nn.Conv1d(a, width, k, stride=2, padding=1),
                nn.BatchNorm1d(width) if norm else nn.Identity(),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 5, 10))

    def forward(self, x):
        return self.body(x[:, None])


class CharGRU(nn.Module):
    def __init__(self, symbols=128, width=96):
        super().__init__()
        self.embed = nn.Embedding(symbols, 32)
        self.rnn = nn.GRU(32, width, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def forward(self, x):
        return self.head(self.rnn(self.embed(x))[0])


class SignalGRU(nn.Module):
    "A GRU over forty samples, four at a time; the answer is computed from its last state."

    def __init__(self, width=48):
        super().__init__()
        self.rnn, self.head = nn.GRU(4, width, batch_first=True), nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.rnn(x.view(-1, 10, 4))[0][:, -1])


class CharDense(nn.Module):
    "A dense net that sees eight characters side by side (Bengio et al., 2003)."

    def __init__(self, symbols=128, dim=16):
        super().__init__()
        self.embed, self.head = nn.Embedding(symbols, dim), dense(8 * dim, 128, symbols, act=nn.Tanh)

    def forward(self, x):
        return self.head(self.embed(x).flatten(1))


class Attention(nn.Module):
    "One or more transformer layers over the pieces of a vector, averaged."

    def __init__(self, pieces, size, width=32, layers=1, norm_first=False):
        super().__init__()
        self.pieces, self.size = pieces, size
        self.embed, self.place = nn.Linear(size, width), nn.Parameter(0.02 * torch.randn(pieces, width))
        self.body = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=norm_first
            )
            for _ in range(layers)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.embed(x.view(-1, self.pieces, self.size)) + self.place
        for layer in self.body:
            x = layer(x)
        return self.head(x.mean(1))


class CharAttention(nn.Module):
    def __init__(self, symbols=128, width=64, length=32):
        super().__init__()
        self.embed, self.place = nn.Embedding(symbols, width), nn.Parameter(0.02 * torch.randn(length, width))
        self.body = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(width, symbols)
        self.register_buffer('mask', torch.full((length, length), float('-inf')).triu(1))

    def forward(self, x):
        return self.head(self.body(self.embed(x) + self.place, src_mask=self.mask))


class Adder(nn.Module):
    "A plain RNN with tanh; the answer is computed from its last state."

    def __init__(self, width=48):
        super().__init__()
        self.rnn, self.head = nn.RNN(2, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Factors(nn.Module):
    "The product of two embeddings plus a bias for each, which predicts a rating."

    def __init__(self, users=200, items=100, rank=8):
        super().__init__()
        self.u, self.i = nn.Embedding(users, rank + 1), nn.Embedding(items, rank + 1)
        for e in (self.u, self.i):
            nn.init.normal_(e.weight, std=0.1)

    def forward(self, x):
        u, i = self.u(x[:, 0]), self.i(x[:, 1])
        return (u[:, 1:] * i[:, 1:]).sum(1, keepdim=True) + u[:, :1] + i[:, :1]


class Flow(nn.Module):
    "Four affine couplings of two numbers, which give the log density (Dinh et al., 2017)."

    def __init__(self):
        super().__init__()
        self.nets = nn.ModuleList(dense(1, 32, 2, act=nn.Tanh) for _ in range(4))

    def forward(self, x):
        log_det = 0.0
        for net in self.nets:
            a, b = x[:, :1], x[:, 1:]
            scale, shift = net(a).chunk(2, 1)
            x, log_det = torch.cat([b * scale.exp() + shift, a], 1), log_det + scale[:, 0]
        return log_det - 0.5 * (x**2).sum(1) - np.log(2 * np.pi)


# ---- losses and optimizers -----------------------------------------------

cross_entropy = nn.CrossEntropyLoss()


def each_character(out, y):
    return F.cross_entropy(out.flatten(0, 1), y.flatten())


def nll(out, y):
    "Return the negative log likelihood of a normal distribution, which is below zero if targets are small."
    return F.gaussian_nll_loss(out[:, :1], y, out[:, 1:].clamp(-12, 12).exp())


def likelihood(out, y):
    return -out.mean()


def minus_cosine(out, y):
    return -F.cosine_similarity(out, y).mean()


def minus_correlation(out, y):
    a, b = out - out.mean(0), y - y.mean(0)
    return -((a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0) + 1e-6)).mean()


def minus_reward(out, y):
    "Return the negative reward of a policy that is rewarded for the right answer."
    return -out.softmax(1).gather(1, y[:, None]).mean()


def sgd(momentum=0.0, **kw):
    return partial(optim.SGD, momentum=momentum, **kw)


_friedman = partial(made, 'friedman1', 4000, noise=1.0)


def _friedman2():
    return standard(*made('friedman2', 3000, noise=10.0))


def _moons():
    return made('moons', 2000, noise=0.2)


def _small_moons():
    return 0.2 * made('moons', 4000, noise=0.05)[0], made('moons', 4000, noise=0.05)[1]


FITTED = dict(
    digits_mlp_sgdm=Task(digits, lambda: dense(64, 128, 10), sgd(0.9), cross_entropy, 64, 300),
    digits_cnn_adam=Task(digits, Image, optim.Adam, cross_entropy, 64, 200),
    mnist1d_conv_adamw=Task(mnist1d, Signal, partial(optim.AdamW, weight_decay=0.01), cross_entropy, 64, 400),
    friedman_mlp_sgd=Task(_friedman, lambda: dense(10, 64, 64, 1), sgd(), F.mse_loss, 64, 300),
    char_gru_adam=Task(python_text, CharGRU, optim.Adam, each_character, 32, 200),
    digits_autoencoder_rmsprop=Task(
        digits_themselves, lambda: dense(64, 64, 8, 64, 64), optim.RMSprop, F.mse_loss, 64, 300
    ),
    cancer_mlp_adam=Task(
        partial(shipped, 'breast_cancer'), lambda: dense(30, 64, 2), optim.Adam, cross_entropy, 16, 200
    ),
    digits_logreg_sgd=Task(digits, lambda: nn.Linear(64, 10), sgd(), cross_entropy, 64, 300),
    # Attention.
    digits_attention_sgdm=Task(digits, partial(Attention, 8, 8), sgd(0.9), cross_entropy, 64, 250),
    # Batch norm.
    digits_cnn_bn_sgd=Task(digits, Image, sgd(), cross_entropy, 64, 200),
    wine_bn_rmsprop=Task(
        partial(shipped, 'wine'),
        lambda: dense(13, 32, 3, norm=nn.BatchNorm1d),
        optim.RMSprop,
        cross_entropy,
        16,
        150,
    ),
    digits_bn_sgd5=Task(
        digits, lambda: dense(64, 64, 64, 10, norm=nn.BatchNorm1d), sgd(0.5), cross_entropy, 32, 250
    ),
    # Tanh.
    moons_tanh_sgd5=Task(_moons, lambda: dense(2, 32, 32, 2, act=nn.Tanh), sgd(0.5), cross_entropy, 32, 300),
    digits_tanh_adam=Task(
        digits, lambda: dense(64, 64, 64, 10, act=nn.Tanh), optim.Adam, cross_entropy, 64, 200
    ),
    wave_tanh_sgdm=Task(wave, lambda: dense(1, 64, 64, 1, act=nn.Tanh), sgd(0.9), F.mse_loss, 64, 400),
    adder_rnn_adam=Task(marked_sums, Adder, optim.Adam, F.mse_loss, 64, 300),
    char_dense_sgd=Task(next_character, CharDense, sgd(), cross_entropy, 64, 400),
    # Unscaled targets in the hundreds.
    diabetes_raw_adam=Task(
        partial(shipped, 'diabetes'), lambda: dense(10, 64, 1), optim.Adam, F.mse_loss, 32, 300
    ),
    diabetes_raw_sgdm=Task(
        partial(shipped, 'diabetes'), lambda: dense(10, 64, 1), sgd(0.9), F.mse_loss, 32, 300
    ),
    diabetes_linear_sgd=Task(
        partial(shipped, 'diabetes'), lambda: nn.Linear(10, 1), sgd(), F.mse_loss, 32, 200
    ),
    friedman2_raw_l1_adam=Task(_friedman2, lambda: dense(4, 64, 64, 1), optim.Adam, F.l1_loss, 64, 300),
    friedman2_raw_tanh_rmsprop=Task(
        _friedman2, lambda: dense(4, 64, 1, act=nn.Tanh), optim.RMSprop, F.mse_loss, 64, 300
    ),
    # Losses below zero.
    friedman_nll_adam=Task(
        lambda: small_targets(*_friedman()), lambda: dense(10, 64, 2), optim.Adam, nll, 64, 300
    ),
    moons_flow_adam=Task(_small_moons, Flow, optim.Adam, likelihood, 128, 300),
    digits_cosine_sgdm=Task(digits_themselves, lambda: dense(64, 32, 64), sgd(0.9), minus_cosine, 64, 300),
    digits_policy_adamw=Task(
        digits, lambda: dense(64, 64, 10), partial(optim.AdamW, weight_decay=0.01), minus_reward, 32, 250
    ),
    # Others.
    ratings_factors_adam=Task(ratings, Factors, optim.Adam, F.mse_loss, 128, 300),
    columns_logreg_sgdm=Task(raw_columns, lambda: nn.Linear(20, 2), sgd(0.9), cross_entropy, 32, 250),
    digits_mlp_small_batch_adam=Task(digits, lambda: dense(64, 64, 10), optim.Adam, cross_entropy, 8, 400),
)

HELD_OUT = dict(
    mnist1d_attention_adamw=Task(
        mnist1d, partial(Attention, 10, 4), partial(optim.AdamW, weight_decay=0.01), cross_entropy, 64, 300
    ),
    digits_attention_deep_adam=Task(
        digits, partial(Attention, 8, 8, layers=3), optim.Adam, cross_entropy, 32, 200
    ),
    char_attention_adam=Task(python_text, CharAttention, optim.Adam, each_character, 32, 200),
    mnist1d_conv_bn_nesterov=Task(
        mnist1d, partial(Signal, norm=True), sgd(0.9, nesterov=True), cross_entropy, 64, 300
    ),
    mnist1d_gru_nadam=Task(mnist1d, SignalGRU, optim.NAdam, cross_entropy, 64, 300),
    wine_tanh_sgd=Task(
        partial(shipped, 'wine'), lambda: dense(13, 32, 3, act=nn.Tanh), sgd(), cross_entropy, 16, 150
    ),
    friedman2_raw_bn_sgdm=Task(
        _friedman2, lambda: dense(4, 64, 64, 1, norm=nn.BatchNorm1d), sgd(0.9), F.mse_loss, 64, 300
    ),
    friedman_correlation_sgd5=Task(
        _friedman, lambda: dense(10, 64, 1, act=nn.Tanh), sgd(0.5), minus_correlation, 64, 300
    ),
    digits_layernorm_adamw=Task(
        digits,
        lambda: dense(64, 64, 64, 10, norm=nn.LayerNorm),
        partial(optim.AdamW, weight_decay=0.1),
        cross_entropy,
        32,
        200,
    ),
)

TASKS = {**FITTED, **HELD_OUT}
