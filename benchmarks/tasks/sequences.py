"Nets for sequences, tables and graphs."

import torch
from torch import nn

from .nets import dense


class Recurrent(nn.Module):
    "A recurrent net; the answer is computed from its last state."

    def __init__(self, kind, size, width, classes):
        super().__init__()
        self.rnn, self.head = kind(size, width, batch_first=True), nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


class Channels(Recurrent):
    "The same for series that come as (channels, length)."

    def forward(self, x):
        return super().forward(x.transpose(1, 2))


class Decoder(nn.Module):
    "A transformer that predicts each character from those before it."

    def __init__(self, length=24, symbols=128, width=32, layers=2):
        super().__init__()
        self.embed, self.place = nn.Embedding(symbols, width), nn.Parameter(0.02 * torch.randn(length, width))
        block = dict(dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 2 * width, **block) for _ in range(layers)
        )
        self.end, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)
        self.register_buffer('mask', torch.full((length, length), float('-inf')).triu(1))

    def forward(self, x):
        x = self.embed(x) + self.place
        for layer in self.body:
            x = layer(x, src_mask=self.mask)
        return self.head(self.end(x))


class Table(nn.Module):
    "A dense net for numbers and an embedding for the last column, which is a group; with dropout."

    def __init__(self, numbers=4, groups=16, width=48, dropout=0.0):
        super().__init__()
        self.embed, self.first = nn.Embedding(groups, 8), nn.Linear(numbers + 8, width)
        self.drop, self.rest = nn.Dropout(dropout), dense(width, width, 1)

    def forward(self, x):
        x = torch.cat([x[:, :-1], self.embed(x[:, -1].long())], 1)
        return self.rest(self.drop(torch.relu(self.first(x))))


class Messages(nn.Module):
    "Three rounds in which the nodes of a graph sum what their neighbours say, and a readout."

    def __init__(self, width=32, rounds=3):
        super().__init__()
        self.start = nn.Parameter(0.5 * torch.randn(width))
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.others = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(rounds))
        self.head = dense(width, width, 1)

    def forward(self, x):
        h = self.start.expand(*x.shape[:2], -1)
        for own, others in zip(self.own, self.others):
            h = torch.relu(own(h) + x @ others(h) / x.shape[1])
        return self.head(h.sum(1))


class Residual1d(nn.Module):
    "Convolutions of three widths side by side over a series, twice, with batch norm (Fawaz et al., 2020)."

    def __init__(self, channels=1, width=6, classes=6):
        super().__init__()
        sizes = (channels, 3 * width)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(a, width, k, padding=k // 2, bias=False) for k in (3, 9, 19))
            for a in sizes
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(3 * width) for _ in sizes)
        self.head = nn.Linear(3 * width, classes)

    def forward(self, x):
        for convolutions, norm in zip(self.blocks, self.norms):
            x = torch.relu(norm(torch.cat([c(x) for c in convolutions], 1)))
        return self.head(x.mean(2))


class Forecast(nn.Module):
    "Two strided convolutions over a series and a dense end, which gives three quantiles."

    def __init__(self, length=48, width=12):
        super().__init__()
        self.first, self.second = nn.Conv1d(1, width, 5, 2, 2), nn.Conv1d(width, width, 5, 2, 2)
        self.end = dense(width * length // 4, 24, 3)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x[:, None]))))
        return self.end(x.flatten(1))


class Words(nn.Module):
    "Convolutions over characters, the largest value of each, dropout, and a linear layer (Kim, 2014)."

    def __init__(self, width=32, classes=8, dropout=0.0):
        super().__init__()
        self.embed, self.conv = nn.Embedding(128, 16), nn.Conv1d(16, width, 5)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))

    def forward(self, x):
        return self.head(torch.relu(self.conv(self.embed(x).transpose(1, 2))).amax(2))
