"""Parts (b), (g), (h) and (k) of the benchmark of speed: a range test beside the same training by hand, and
beside other range tests."""

import json, os, socket, tempfile, time
from pathlib import Path

import numpy as np
import torch
from speed_loop import learner
from timing import SIZES, adamw, batches, by_hand, criterion, has, interleaved, net
from torch.utils.data import DataLoader

# ---------------------------------------------------------------- (b) the range test


def finders(data, widths, steps):
    "Return the competitors of part (b), of which each takes `steps` steps."
    from fastlr import LRSweep, RangeTest

    # At these rates the loss doesn't diverge, so that all competitors take the same number of steps.
    rates = np.geomspace(1e-7, 1e-2, steps).tolist()
    kw = dict(start_lr=1e-7, end_lr=1e-2, stop_div=False)

    def hand():
        model = net(widths)
        opt = adamw(model)
        return lambda: by_hand(model, opt, data, rates)

    def lr_find():
        learn = learner(widths, data)
        return lambda: learn.lr_find(num_it=steps, silent=True, probe=False, **kw)

    def sweep():
        model = net(widths)
        opt = adamw(model)

        def run():
            with LRSweep(opt, model, num_it=steps, **kw) as sweep:
                for xb, yb in sweep(data):
                    loss = criterion(model(xb), yb)
                    loss.backward()
                    opt.step()
                    opt.zero_grad()
                    sweep.record(loss)

        return run

    def range_test():
        model = net(widths)
        finder = RangeTest(model, adamw(model), criterion)
        return lambda: finder.range_test(data, start_lr=1e-7, end_lr=1e-2, num_iter=steps, diverge_th=1e9)

    found = {'by hand': hand, 'Learner.lr_find': lr_find, 'LRSweep': sweep, 'RangeTest': range_test}
    if has('torch_lr_finder'):

        def theirs():
            from torch_lr_finder import LRFinder

            model = net(widths)
            finder = LRFinder(model, torch.optim.AdamW(model.parameters(), lr=1e-7), criterion)

            def run():
                finder.range_test(data, end_lr=1e-2, num_iter=steps, diverge_th=1e9)
                finder.reset()

            return run

        found['pytorch-lr-finder, with reset()'] = theirs
    return found


def part_b(quick):
    "Return the rows on the range test."
    # Taking and restoring a snapshot weighs more against fewer steps: the largest model has the hardest goal.
    plan = {'5 thousand': (100, 30), '1 million': (100, 6), '50 million': (10, 3)}
    rows = []
    for size, widths in list(SIZES.items())[: 2 if quick else 3]:
        steps, rounds = plan[size]
        found = interleaved(
            finders(batches(widths, steps), widths, steps),
            max(3, rounds // 4) if quick else rounds,
            steps,
            warm=rounds > 3,
        )
        rows += [
            dict(
                what=f'(b) {name}, {size} parameters, {steps} steps',
                **t,
                goal=1.10 if name in ('Learner.lr_find', 'LRSweep', 'RangeTest') else None,
            )
            for name, t in found.items()
        ]
    return rows


# ---------------------------------------------------------------- (h) a slow loader


class SlowRows:
    """Batches with labels that can be learned, each of which takes `seconds` to get."""

    def __init__(self, widths, n, seconds, bs=32):
        gen = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(n, bs, widths[0], generator=gen)
        self.targets = self.inputs[..., : widths[-1]].argmax(-1)
        self.seconds = seconds

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        time.sleep(self.seconds)
        return self.inputs[i], self.targets[i]


def seconds_of_a_step(widths):
    "Return how long a step takes by hand, from batches in memory."
    data = list(batches(widths, 50))
    model = net(widths)
    opt = adamw(model)
    by_hand(model, opt, data)
    begin = time.perf_counter()
    by_hand(model, opt, data)
    return (time.perf_counter() - begin) / len(data)


def whole_finders(data, widths):
    "Return the competitors of part (h): whole calls, as the documentation of each shows them."
    from fastlr import find_lr

    def ours():
        model = net(widths)
        opt = adamw(model)
        return lambda: find_lr(model, opt, criterion, data, progress=False).suggest()

    return {'find_lr': ours, **peer_finders(data, widths)}


def peer_finders(data, widths):
    "Return the range tests of the other libraries that are installed, each with 100 steps."
    found = {}
    if has('torch_lr_finder'):

        def torch_lr_finder():
            from matplotlib.figure import Figure
            from torch_lr_finder import LRFinder

            model = net(widths)
            finder = LRFinder(model, torch.optim.AdamW(model.parameters(), lr=1e-7), criterion)

            def run():
                finder.range_test(data)
                finder.plot(ax=Figure().subplots())
                finder.reset()

            return run

        found['pytorch-lr-finder'] = torch_lr_finder
    if has('ignite'):

        def ignite():
            from ignite.engine import create_supervised_trainer
            from ignite.handlers import FastaiLRFinder

            model = net(widths)
            opt = torch.optim.AdamW(model.parameters(), lr=1e-7)
            trainer = create_supervised_trainer(model, opt, criterion)
            finder = FastaiLRFinder()

            def run():
                with finder.attach(trainer, {'model': model, 'optimizer': opt}, num_iter=100) as searching:
                    searching.run(data)
                finder.lr_suggestion()

            return run

        found['ignite'] = ignite
    if has('lightning'):
        found['Lightning'] = lambda: lightning_finder(data, widths)
    if has('fastai', 'fastai.learner'):
        found['fastai 2'] = lambda: fastai_finder(data, widths)
    return found


def lightning_finder(data, widths):
    "Return a function that runs Lightning's finder, in a directory of its own."
    import lightning.pytorch as pl
    from lightning.pytorch.tuner import Tuner

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net, self.lr = net(widths), 1e-3

        def training_step(self, batch, i):
            return criterion(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=self.lr)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            trainer = pl.Trainer(
                default_root_dir=folder,
                max_epochs=10,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                accelerator='cpu',
            )
            Tuner(trainer).lr_find(Module(), data).suggestion()

    return run


def fastai_finder(data, widths):
    "Return a function that runs fastai's finder, in a directory of its own."
    from functools import partial

    import fastai.callback.schedule  # noqa: F401
    from fastai.learner import DataLoaders, Learner
    from fastai.optimizer import OptimWrapper

    model = net(widths)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            opt_func = partial(OptimWrapper, opt=torch.optim.AdamW)
            dls = DataLoaders(data, batches(widths, 1))
            learn = Learner(dls, model, loss_func=criterion, opt_func=opt_func, path=folder)
            learn.lr_find(show_plot=False)

    return run


def part_h(quick):
    "Return the rows on range tests where a batch takes as long as ten steps; the goal is a fifth of others."
    widths = SIZES['5 thousand']
    loader = DataLoader(SlowRows(widths, 128, 10 * seconds_of_a_step(widths)), batch_size=None)
    rows = interleaved(whole_finders(loader, widths), 2 if quick else 5)
    fastest = min((t['ratio'] for name, t in rows.items() if name != 'find_lr'), default=None)
    found = [dict(what=f'(h) {name}, a batch takes ten steps', **t, goal=None) for name, t in rows.items()]
    if fastest is None:
        return found
    return [*found, dict(what='(h) find_lr, as a share of the fastest other', ratio=1 / fastest, goal=0.2)]


# ---------------------------------------------------------------- (k) with moments


def with_moments(widths, steps):
    "Return the loop by hand and `find_lr`, of a training that has taken a step."
    from fastlr import find_lr

    data = batches(widths, steps)
    rates = np.geomspace(1e-7, 1e-2, steps).tolist()

    def start():
        model = net(widths)
        opt = adamw(model)
        by_hand(model, opt, batches(widths, 1))
        return model, opt

    def hand():
        model, opt = start()
        return lambda: by_hand(model, opt, data, rates)

    def ours():
        model, opt = start()
        kw = dict(num_it=steps, start_lr=1e-7, end_lr=1e-2, stop_div=False, probe=False, progress=False)
        return lambda: find_lr(model, opt, criterion, data, **kw)

    return {'by hand': hand, 'find_lr': ours}


def part_k(quick):
    "Return the rows on a range test of 100 steps when AdamW has its moments already."
    size = '1 million' if quick else '50 million'
    found = interleaved(with_moments(SIZES[size], 100), 2, 100, warm=0)
    what = f'(k) {{}}, {size} parameters, 100 steps, with moments'
    return [dict(what=what.format(n), **t, goal=1.10 if n == 'find_lr' else None) for n, t in found.items()]


# ---------------------------------------------------------------- (g) processes


def in_process(rank, port, count, path, quick):
    """Measure part (g) in one of `count` processes; the first writes the results to `path`.

    The first competitor is a loop by hand with DDP that averages its loss over all processes before
    `backward`, as a careful loop does to log it. The others are the same loop without that, and sweeps.
    """
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel as DDP
    from fastlr import LRSweep

    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=count)
    steps = 100
    rates = np.geomspace(1e-7, 1e-2, steps).tolist()

    def average(loss):
        mean = loss.detach() / count
        dist.all_reduce(mean)
        return mean.item()

    def competitors(size):
        widths = SIZES[size]
        data = batches(widths, steps)

        def start():
            model = DDP(net(widths))
            return model, adamw(model)

        def hand(averages):
            def make():
                model, opt = start()

                def run():
                    for (xb, yb), lr in zip(data, rates):
                        opt.param_groups[0]['lr'] = lr
                        loss = criterion(model(xb), yb)
                        if averages:
                            average(loss)
                        loss.backward()
                        opt.step()
                        opt.zero_grad()

                return run

            return make

        def sweep(**kw):
            def make():
                model, opt = start()

                def run():
                    with LRSweep(
                        opt, model, start_lr=1e-7, end_lr=1e-2, num_it=steps, stop_div=False, **kw
                    ) as sweep:
                        for xb, yb in sweep(data):
                            loss = criterion(model(xb), yb)
                            sweep.synchronize()
                            loss.backward()
                            opt.step()
                            opt.zero_grad()
                            sweep.record(loss)

                return run

            return make

        return {
            'by hand, with the mean of each loss': hand(True),
            'by hand, without it': hand(False),
            'LRSweep, reduce=False': sweep(reduce=False),
            'LRSweep': sweep(),
        }

    rounds = 3 if quick else 8
    found = {size: interleaved(competitors(size), rounds, steps) for size in ('5 thousand', '1 million')}
    if rank == 0:
        Path(path).write_text(json.dumps(found))
    dist.destroy_process_group()


def part_g(quick):
    "Return the rows on a sweep in two and in three processes."
    import torch.multiprocessing as mp

    rows = []
    for count in (2, 3):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'found.json'
            mp.spawn(in_process, args=(port, count, str(path), quick), nprocs=count)
            found = json.loads(path.read_text())
        for size, times in found.items():
            for name, t in times.items():
                goal = 1.05 if name == 'LRSweep' else None
                rows.append(dict(what=f'(g) {size}, {count} processes, {name}', **t, goal=goal))
    return rows
