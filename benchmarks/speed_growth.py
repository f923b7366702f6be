"""How the cost of a range test, of callbacks and of snapshots grows."""

import torch
from speed_loop import learner
from timing import SIZES, adamw, batches, by_hand, interleaved, net
from torch import nn


def grows(quick):
    "Return what a range test, callbacks and snapshots cost, against what could make them expensive."
    from fastlr import Callback, LRSweep, Snapshot

    found, reps = {}, 3 if quick else 7

    def sweep_time(groups=1, steps=100):
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

    found['groups'] = {g: sweep_time(groups=g) for g in (1, 10, 100, 1000)}
    found['steps'] = {s: sweep_time(steps=s) for s in (10, 100, 1000, 10_000)[: 3 if quick else 4]}

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

    got = interleaved({0: hand, **{k: with_callbacks(k) for k in (1, 5, 10, 20, 50)}}, reps, n)
    found['callbacks'] = {k: 1e6 * t['seconds'] for k, t in got.items()}
    found['parameters'] = {}
    for width in (32, 100, 316, 1000, 3162, 5000)[: 5 if quick else 6]:
        model = nn.Sequential(nn.Linear(width, width), nn.Linear(width, width))
        opt = adamw(model)
        model(torch.randn(2, width)).sum().backward()
        opt.step()
        tensors = [
            t
            for p in model.parameters()
            for t in (p.data, p.grad, *(v for v in opt.state[p].values() if v.ndim))
        ]
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
        found['parameters'][sum(p.numel() for p in model.parameters())] = {
            k: 1e3 * t['seconds'] for k, t in got.items()
        }
    return found
