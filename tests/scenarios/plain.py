"Scenarios without a framework: `find_lr`, `LRSweep` and a `Learner` over DistributedDataParallel."

import itertools
from functools import partial
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr.progress
import fastlr.utils
from conftest import problem
from fastlr import Callback, Learner, LRSweep, find_lr
from scenarios import replaced, scenario


def batches(rank):
    "Return the part of the data that belongs to this process, of up to four."
    rows = problem(384)
    return [rows[i : i + 16] for i in range(96 * rank, 96 * rank + 96, 16)]


def train(sweep, model, opt, data, synchronizes=True):
    "Train with the batches that `sweep` takes from `data`, as a loop of one's own does."
    for x, y in sweep(data):
        loss = cross_entropy(model(x), y)
        if synchronizes:
            sweep.synchronize()
        loss.backward()
        opt.step()
        opt.zero_grad()
        sweep.record(loss)


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


def training(together=True):
    """Return a model, which averages its gradients over all processes unless `together` is False, and its
    optimizer."""
    model = small_net()
    if together:
        model = nn.parallel.DistributedDataParallel(model)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


CROSS_ENTROPY = nn.CrossEntropyLoss()


def found(model, opt, loader, loss=CROSS_ENTROPY, **kwargs):
    "Return the curve of a range test with these."
    return find_lr(model, opt, loss, loader, progress=False, **kwargs)


@scenario
def progress(rank):
    "Two range tests into a log. An update takes a second of a clock that is made up."
    clock = SimpleNamespace(monotonic=partial(next, itertools.count()))
    with replaced(fastlr.progress, 'time', clock):
        model, opt = training()
        find_lr(model, opt, CROSS_ENTROPY, batches(rank), num_it=15, probe=False)
        with LRSweep(opt, model, num_it=15) as sweep:
            train(sweep, model, opt, batches(rank))


def take_steps(model, opt, batches, loss_func=cross_entropy):
    for x, y in batches:
        loss_func(model(x), y).backward()
        opt.step()
        opt.zero_grad()


def stream(rank, n):
    "Give the first `n` of three epochs of batches, as a generator, which can't begin again."
    return (b for b in (batches(rank) * 3)[:n])


@scenario
def usual(rank, **kwargs):
    return found(*training(), batches(rank), end_lr=1e5, **kwargs)


@scenario
def ten_at_a_time(rank):
    "Read losses ten at a time, as on an accelerator."
    with replaced(fastlr.utils, 'read_every', lambda loss: 10):
        return usual(rank)


@scenario
def shorter(rank, n=7):
    "All processes except the first have fewer batches, and can't begin again."
    return found(*training(), stream(rank, n if rank else 18), batches=None)


@scenario
def shorter_ten(rank):
    with replaced(fastlr.utils, 'read_every', lambda loss: 10):
        return shorter(rank, 13)


@scenario
def rest_of_a_window(rank):
    "There are 8 batches, or 7 in the second process: two full windows, and one batch."
    return found(*training(), stream(rank, 8 - rank), accumulate=3, batches=None)


@scenario
def uneven_lists(rank):
    "The second process begins its loader again sooner, and then they all do."
    return found(*training(), batches(rank)[: 6 - 2 * rank], num_it=20, stop_div=False)


class Leftovers:
    "A loader that can't begin again, although it looks as if it could."

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        while self.rows:
            yield self.rows.pop(0)


@scenario
def leftovers(rank):
    return found(*training(), Leftovers((batches(rank) * 3)[: 9 - 2 * rank]), batches=None)


@scenario
def floats(rank):
    "The first group of the optimizer is empty, and the losses are numbers of Python."
    model, _ = training()
    opt = torch.optim.Adam([dict(params=[]), dict(params=model.parameters())], lr=1e-3)
    with LRSweep(opt, model, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)):
            loss = cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss.item())
    return sweep.curve


@scenario
def nan_in_one(rank):
    "The sixth loss is NaN, except in the first process."
    model, opt = training()
    calls = []

    def step(batch):
        calls.append(1)
        loss = cross_entropy(model(batch[0]), batch[1])
        return loss * float('nan') if rank and len(calls) == 6 else loss

    return found(model, opt, batches(rank), None, step=step)


@scenario
def apart(rank):
    "Each process sweeps for itself."
    return found(*training(together=False), batches(rank), end_lr=1e5, reduce=False)


@scenario
def one_alone(rank):
    "Only the first process looks for a rate; the second one does so after it."
    if rank:
        return apart(rank)
    model, opt = training(together=False)
    with LRSweep(opt, model, reduce=False, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)):
            loss = cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)
    return sweep.curve


@scenario
def left(rank):
    "One process leaves the loop."
    model, opt = training()
    with LRSweep(opt, model, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)):
            loss = cross_entropy(model(x), y)
            sweep.synchronize()
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)
            if rank and len(sweep) == 5:
                break
    return sweep.curve


class Leave(Callback):
    "Ends the training after five batches, except in the first process."

    shapes_training = True

    def __init__(self, rank):
        self.left = 5 if rank else 100

    def on_batch_end(self, **_):
        self.left -= 1
        return {'stop_epoch': not self.left, 'stop_training': not self.left}


@scenario
def left_a_learner(rank):
    "A callback of one process ends the training."
    model = nn.parallel.DistributedDataParallel(nn.Linear(6, 3))
    learn = Learner(
        (batches(rank), None), model, loss_func=CROSS_ENTROPY, silent=True, callbacks=[Leave(rank)]
    )
    return learn.lr_find(num_it=10, stop_div=False, probe=False)


class ChangedGradient(torch.autograd.Function):
    "Returns the loss. The gradient is what the function `change` makes of it, if there is one."

    @staticmethod
    def forward(ctx, loss, change):
        ctx.change = change
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad if ctx.change is None else ctx.change(grad), None


def overflow(grad):
    return grad * float('inf')


@scenario
def skipped_in_one(rank):
    "Gradients overflow in one process, and are not averaged."
    model, opt = training(together=False)
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0)
    calls = []

    def step(batch):
        calls.append(1)
        change = overflow if rank and len(calls) == 4 else None
        return ChangedGradient.apply(cross_entropy(model(batch[0]), batch[1]), change)

    return found(model, opt, batches(rank), None, step=step, scaler=scaler, num_it=10, stop_div=False)


@scenario
def in_a_learner(rank):
    "The generator of the second process is the shorter one."
    loader = stream(rank, 7 if rank else 18)
    learn = Learner((loader, None), training()[0], loss_func=nn.CrossEntropyLoss(), silent=True)
    return learn.lr_find(batches=None)


@scenario
def common(rank):
    "The first process goes round 8 batches, the others have 3: all begin again after these."
    return found(*training(), stream(rank, 3 if rank else 18), num_it=20, stop_div=False)


@scenario
def common_in_a_learner(rank):
    loader = Leftovers((batches(rank) * 3)[: 3 if rank else 18])
    learn = Learner((loader, None), training()[0], loss_func=nn.CrossEntropyLoss(), silent=True)
    return learn.lr_find(num_it=20, stop_div=False, accumulate=2)


def weights(model):
    return [v.tolist() for v in model.state_dict().values()]


@scenario
def later_training(rank):
    "Return the weights after a training, with and without a range test in the middle."

    def train(detour):
        model, opt = training()
        take_steps(model, opt, batches(rank)[:3])
        if detour:
            found(model, opt, batches(rank), num_it=30)
        take_steps(model, opt, batches(rank))
        return weights(model)

    return [train(True), train(False)]


@scenario
def first_training(rank):
    """Do the same as `later_training`, with the range test at the beginning.

    DDP arranges the gradients anew after its first step, which changes sums of three."""

    def train(detour):
        model, opt = training()
        if detour:
            found(model, opt, batches(rank), num_it=5)
        take_steps(model, opt, batches(rank))
        return weights(model)

    return [train(True), train(False)]
