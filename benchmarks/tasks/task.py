"A training, and how it is made ready to start."

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
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
    family: str  # the data, the kind of net and the loss; no family is in two splits
    real: bool = False  # whether the data were measured, and not made up
    costly: bool = False  # whether one run takes so long that fewer rates are tried

    def build(self, seed):
        "Return a `Setup`, with the same weights and batches for the same seed."
        torch.manual_seed(seed)
        np.random.seed(seed)
        model, (x, y) = self.model(), self.data()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1234))
        valid, train = order[: len(x) // 4], order[len(x) // 4 :]
        return Setup(
            model,
            partial(self.opt, [p for p in model.parameters() if p.requires_grad]),
            self.loss,
            batches(x[train], y[train], self.bs, seed),
            batches(x[valid], y[valid], 512),
            self.steps,
        )


def batches(x, y, bs, seed=None):
    "Return a loader that takes a batch out of the tensors at once; it shuffles if there is a `seed`."
    data, shuffled = TensorDataset(x, y), seed is not None
    order = (
        RandomSampler(data, generator=torch.Generator().manual_seed(seed))
        if shuffled
        else SequentialSampler(data)
    )
    return DataLoader(data, batch_size=None, sampler=BatchSampler(order, bs, drop_last=shuffled))


def family(name, data, loss, *, bs, steps, trainings, model=None, **kwargs):
    """Return the tasks of a family by name.

    `trainings` has the optimizer of each, or a dict with it and with whatever differs from the family.
    """
    shared = dict(data=data, model=model, loss=loss, bs=bs, steps=steps, family=name, **kwargs)
    own = {n: t if isinstance(t, dict) else dict(opt=t) for n, t in trainings.items()}
    return {n: Task(**{**shared, **t}) for n, t in own.items()}
