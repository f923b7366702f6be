"The nets of the first trainings; `dense` serves the others, too."

import numpy as np
import torch
from torch import nn


def dense(*sizes, act=nn.ReLU, norm=None, bias=True):
    "Return linear layers, with `norm` and `act` between them and nothing after the last."
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b, bias), *([norm(b)] if norm else []), act()]
    return nn.Sequential(*layers[: -2 if norm else -1])


def shrunk(factor, net):
    "Return `net` with smaller parameters than torch gives it."
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(factor)
    return net


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
