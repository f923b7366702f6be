"Scenarios with `lr_find` for Lightning. Lightning makes the process group, in the first of them."

import os
from datetime import timedelta
from types import SimpleNamespace

import lightning.pytorch as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.nn.functional import cross_entropy, softplus
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from fastlr.integrations.lightning import lr_find
from scenarios import error_of, scenario

# The framework makes the process group, in the first scenario.
MAKES_GROUP = True


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, 3))
        self.seen = []

    def training_step(self, batch, i):
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.seen.append(loss.item())
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Fails(Net):
    "Raise in the second process, in the sixth step."

    def training_step(self, batch, i):
        if len(self.seen) == 5 and self.global_rank:
            raise KeyError('unreadable')
        return super().training_step(batch, i)


class Gan(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.g, self.d = nn.Linear(6, 6), nn.Linear(6, 1)

    def training_step(self, batch, i):
        fake = self.g(batch[0])
        losses = softplus(-self.d(fake)).mean(), softplus(self.d(self.g(batch[0]).detach())).mean()
        for opt, loss in zip(self.optimizers(), losses):
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
        self.log('d', loss)

    def configure_optimizers(self):
        return torch.optim.Adam(self.g.parameters()), torch.optim.Adam(self.d.parameters())


class Stream(IterableDataset):
    "A loader that ends sooner in one process, and can't begin again."

    def __init__(self, rows):
        self.rows = list(rows)

    def __iter__(self):
        while self.rows:
            yield self.rows.pop()


def rows():
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x[:, :3].argmax(1))


QUIET = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)


def trainer(find_unused_parameters=False, **kwargs):
    """Return a trainer of two processes.

    Their group is made with the time-out that all groups of these tests have."""
    strategy = DDPStrategy(timeout=timedelta(seconds=180), find_unused_parameters=find_unused_parameters)
    return L.Trainer(max_epochs=2, accelerator='cpu', devices=2, strategy=strategy, **QUIET, **kwargs)


def find(*args, **kwargs):
    options = dict(max_lr=10.0, num_training=20, early_stop_threshold=None, probe=False)
    return lr_find(*args, **{**options, **kwargs}).curve


def trained(detour, **kwargs):
    "Train, after a range test or without one; return trainer, module, curve and the state at the end."
    torch.manual_seed(0)
    module, t = Net(), trainer(accumulate_grad_batches=2)
    loader = DataLoader(rows(), 8, shuffle=True)
    curve = find(t, module, loader, **kwargs) if detour else None
    t.fit(module, loader)
    weights = [v.tolist() for v in module.state_dict().values()]
    end = dict(weights=weights, steps=t.global_step, seen=module.seen)
    return SimpleNamespace(trainer=t, module=module, curve=curve, end=end)


@scenario
def training(rank):
    "Run the range test first, before there is a process group."
    files = os.listdir('.')
    found = trained(True)
    new = sorted(set(os.listdir('.')) - set(files))
    return dict(curve=found.curve.to_dict(), after=found.end, plain=trained(False).end, files=new)


@scenario
def gan(rank):
    return find(trainer(find_unused_parameters=True), Gan(), DataLoader(rows(), 8), monitor='d', silent=True)


@scenario
def stream(rank):
    data = DataLoader(Stream([row for row in rows()][: 56 + 24 * rank]), 8)
    return lr_find(
        trainer(), Net(), data, max_lr=10.0, num_training=20, batches=None, probe=False, silent=True
    ).curve


@scenario
def fault(rank):
    return error_of(find, trainer(), Fails(), DataLoader(rows(), 8), silent=True)


@scenario
def again(rank):
    "Return the curve of a trainer that has trained, after an error in another one."
    found = trained(True, silent=True)
    fault(rank)
    return find(found.trainer, found.module, DataLoader(rows(), 8), verify=True, silent=True)


@scenario
def probes(rank):
    return find(trainer(), Net(), DataLoader(rows(), 8), probe=True, verify=True, silent=True)
