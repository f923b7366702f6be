"""How the cost of a range test, of callbacks and of snapshots grows."""

import torch
from speed_loop import learner
from timing import SIZES, adamw, batches, by_hand, interleaved, net
from torch import nn


def sweep_times(reps, groups=1, steps=100):
    "Return the microseconds of an update, by the optimizer alone and within a sweep."
    from fastlr import LRSweep

    params = [nn.Parameter(torch.zeros(4)) for _ in range(groups)]
    model = nn.ParameterList(params)
    opt = torch.optim.SGD([dict(params=[p]) for p in params], lr=0.1, foreach=False)
    for p in params:
        p.grad = torch.ones(4)
    loss = torch.tensor(1.0)

    def hand():
        def run():
            for _ in range(steps):
                opt.step()

        return run

    def swept():
        def run():
            with LRSweep(opt, model, num_it=steps, stop_div=False) as sweep:
                for _ in sweep(range(steps)):
                    opt.step()
                    sweep.record(loss)

        return run

    got = interleaved({'hand': hand, 'sweep': swept}, reps, steps)
    return [1e6 * got['hand']['seconds'], 1e6 * got['sweep']['seconds']]


def callback_times(reps, counts):
    "Return {number of callbacks: microseconds of a batch in a `Learner`}; that of 0 is the loop by hand."
    from fastlr import Callback

    class Listens(Callback):
        def on_batch_begin(self, iteration, **kwargs):
            pass

        def on_batch_end(self, last_loss, **kwargs):
            pass

    widths, n = SIZES['5 thousand'], 200
    data = batches(widths, n)

    def with_callbacks(k):
        def make():
            learn = learner(widths, data)
            return lambda: learn.fit(1, 1e-3, callbacks=[Listens() for _ in range(k)])

        return make

    def hand():
        model = net(widths)
        opt = adamw(model)
        return lambda: by_hand(model, opt, data)

    got = interleaved({0: hand, **{k: with_callbacks(k) for k in counts}}, reps, n)
    return {k: 1e6 * t['seconds'] for k, t in got.items()}


def snapshot_times(reps, model, width):
    "Return the milliseconds to copy the state of a training, and to save and to restore it."
    from fastlr import Snapshot

    opt = adamw(model)
    model(torch.randn(2, width)).sum().backward()
    opt.step()
    state = [[p.data, p.grad, *(v for v in opt.state[p].values() if v.ndim)] for p in model.parameters()]
    tensors = [t for of_one in state for t in of_one]
    copies = [torch.empty_like(t) for t in tensors]

    def keep():
        snap = Snapshot(model, opt)
        return lambda: (snap.restore(), snap.close())

    def take():
        return lambda: Snapshot(model, opt)

    def copy():
        return lambda: [c.copy_(t) for c, t in zip(copies, tensors)]

    def clone():
        return lambda: [t.clone() for t in tensors]

    got = interleaved({'copy': copy, 'clone': clone, 'take': take, 'restore': keep}, reps)
    return {k: 1e3 * t['seconds'] for k, t in got.items()}


def layers(width, n):
    "Return `n` linear layers."
    return nn.Sequential(*[nn.Linear(width, width) for _ in range(n)])


def grows(quick):
    "Return what a range test, callbacks and snapshots cost, against what could make them expensive."
    reps = 3 if quick else 7
    widths = (32, 100, 316, 1000, 3162, 5000)[: 5 if quick else 6]
    # Weights and biases, of eight numbers each at most.
    counts = (10, 100, 1000, 10_000)[: 3 if quick else 4]
    return {
        'groups': {g: sweep_times(reps, groups=g) for g in (1, 10, 100, 1000)},
        'steps': {s: sweep_times(reps, steps=s) for s in (10, 100, 1000, 10_000)[: 3 if quick else 4]},
        'callbacks': callback_times(reps, (1, 5, 10, 20, 50)),
        'parameters': {2 * w * (w + 1): snapshot_times(reps, layers(w, 2), w) for w in widths},
        'tensors': {n: snapshot_times(reps, layers(2, n // 2), 2) for n in counts},
    }
