"""Measure what fastlr costs, compared with loops written by hand and with other libraries if installed.

    python benchmarks/speed.py [--quick] [--write] [a b ...]

What is compared with a loop runs in one process (in part g two) and one thread, without garbage collection.
In each round every competitor runs once, between two runs of the loop written by hand. The script prints the
medians and the quartiles of the ratios to that loop, since seconds tell more about the machine than about the
code. Letters choose parts (see `--help`); `--quick` runs fewer rounds and leaves out the largest cases;
`--write` saves the results in speed.json, which the notebook on speed draws. To install the other libraries:

    pip install -c constraints.txt -e '.[bench]'"""

import argparse, gc, importlib.metadata, importlib.util, io, json, logging, os, re
import subprocess, sys, tempfile, time, warnings
from collections import defaultdict
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
# By default glibc returns memory to the system and requests it again in some steps, depending on
# the state of the heap. These settings prevent that. glibc reads them when a process starts, so the script
# restarts itself with them, before it imports modules that take seconds.
STEADY = dict(MALLOC_TRIM_THRESHOLD_=str(2**40), MALLOC_MMAP_MAX_='0')
if __name__ == '__main__' and sys.platform == 'linux' and 'MALLOC_TRIM_THRESHOLD_' not in os.environ:
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **STEADY})

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.overrides import TorchFunctionMode

HERE = Path(__file__).parent
criterion = nn.CrossEntropyLoss()
SIZES = {
    '5 thousand': (64, 64, 10),
    '1 million': (512, 1024, 512, 10),
    '50 million': (2048, 5120, 5120, 2560, 10),
}


# ---------------------------------------------------------------- the problem


def net(widths):
    "Return a dense net with ReLU, always with the same weights."
    torch.manual_seed(0)
    layers = [x for a, b in zip(widths, widths[1:]) for x in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def batches(widths, n, bs=32):
    """Return `n` batches in memory, so that the loop is measured and not the loading.

    They come from a `DataLoader`, since some libraries require one.
    """
    gen = torch.Generator().manual_seed(1)
    return DataLoader(
        TensorDataset(
            torch.randn(n, bs, widths[0], generator=gen), torch.randint(0, widths[-1], (n, bs), generator=gen)
        ),
        batch_size=None,
    )


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def by_hand(model, opt, data, rates=None):
    """Run the loop that everything is compared with.

    With `rates` it is a range test that neither looks at the losses nor restores anything.
    """
    model.train()
    for i, (xb, yb) in enumerate(data):
        if rates is not None:
            opt.param_groups[0]['lr'] = rates[i]
        loss = criterion(model(xb), yb)
        loss.backward()
        opt.step()
        opt.zero_grad()


# ---------------------------------------------------------------- measuring


@contextmanager
def quiet():
    "Silence logs, warnings and everything that is printed."
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter('ignore')
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def timed(f):
    "Return the seconds that `f()` takes without garbage collection."
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        f()
        return time.perf_counter() - begin
    finally:
        gc.enable()


def interleaved(competitors, rounds, per=1, warm=1):
    """Return {name: its median seconds / `per`, and the quartiles of its ratio to the first competitor}.

    `competitors` are {name: a function that returns a function without arguments}; only the latter is timed.
    All are compared with the first, which runs before and after each of the others, since the speed of a
    shared machine changes from second to second: a ratio is that to the mean of these two runs. `warm` rounds
    at the start are not counted.
    """
    (base, first), *others = competitors.items()

    def time_of(make):
        with quiet():
            return timed(make())

    seconds, ratios = defaultdict(list), defaultdict(list, {base: [1.0]})
    for r in range(rounds + warm):
        before = time_of(first)
        for name, make in others[r % max(1, len(others)) :] + others[: r % max(1, len(others))]:
            t, after = time_of(make), time_of(first)
            if r >= warm:
                seconds[base].append(after)
                seconds[name].append(t)
                ratios[name].append(2 * t / (before + after))
            before = after
    found = {}
    for n in competitors:
        low, ratio, high = np.quantile(ratios[n], [0.25, 0.5, 0.75]).round(4).tolist()
        found[n] = dict(seconds=float(np.median(seconds[n])) / per, ratio=ratio, low=low, high=high)
    return found


def has(*packages):
    "Return whether all of `packages` can be imported."
    return all(importlib.util.find_spec(p) is not None for p in packages)


# ---------------------------------------------------------------- (a) the loop


@contextmanager
def watched():
    "Draw progress bars as on a terminal or in a notebook, although their output is discarded here."
    import fastlr.loop as L

    old, L.is_watched = L.is_watched, lambda: True
    try:
        yield
    finally:
        L.is_watched = old


def learner(widths, data, **kw):
    from fastlr import Learner

    return Learner(
        (data, None),
        net(widths),
        loss_func=criterion,
        opt_func=torch.optim.AdamW,
        silent=kw.pop('silent', True),
        **kw,
    )


def loops(data, widths):
    "Return the competitors of part (a), which train alike."

    def hand():
        model = net(widths)
        opt = adamw(model)
        return lambda: by_hand(model, opt, data)

    def plain():
        learn = learner(widths, data)
        return lambda: learn.fit(1, 1e-3)

    def bar():
        learn = learner(widths, data, silent=False)

        def run():
            with watched():
                learn.fit(1, 1e-3)

        return run

    def metrics():
        from fastlr import accuracy

        learn = learner(widths, data, silent=False, metrics=accuracy)
        learn.data.valid_dl = batches(widths, 1)

        def run():
            with watched():
                learn.fit(1, 1e-3)

        return run

    return {
        'by hand': hand,
        'Learner.fit': plain,
        '... with a progress bar': bar,
        '... bar, metric, validation': metrics,
        **peer_loops(data, widths),
    }


def peer_loops(data, widths):
    "Return the training loops of the other libraries that are installed."
    found = {}
    if has('ignite'):

        def ignite():
            from ignite.engine import Engine

            model = net(widths)
            opt = adamw(model)

            def step(engine, batch):
                model.train()
                loss = criterion(model(batch[0]), batch[1])
                loss.backward()
                opt.step()
                opt.zero_grad()
                return loss.detach()

            trainer = Engine(step)
            return lambda: trainer.run(data, max_epochs=1)

        found['ignite'] = ignite
    if has('lightning'):

        def lightning():
            import lightning.pytorch as pl

            class Module(pl.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.net = net(widths)

                def training_step(self, batch, i):
                    return criterion(self.net(batch[0]), batch[1])

                def configure_optimizers(self):
                    return adamw(self)

            trainer = pl.Trainer(
                max_epochs=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                accelerator='cpu',
            )
            module = Module()
            return lambda: trainer.fit(module, data)

        found['Lightning'] = lightning
    if has('fastai', 'fastai.learner'):

        def fastai():
            from functools import partial
            from fastai.learner import DataLoaders, Learner
            from fastai.optimizer import OptimWrapper

            learn = Learner(
                DataLoaders(data, batches(widths, 1)),
                net(widths),
                loss_func=criterion,
                opt_func=partial(OptimWrapper, opt=torch.optim.AdamW),
            )
            return lambda: learn.fit(1, 1e-3)

        found['fastai 2'] = fastai
    return found


def part_a(quick):
    "Return the rows on the training loop."
    widths, n = SIZES['5 thousand'], 200
    rows = interleaved(loops(batches(widths, n), widths), 6 if quick else 30, n)
    return [
        dict(what=f'(a) {name}', **t, goal=1.05 if name.startswith(('Learner', '... with a')) else None)
        for name, t in rows.items()
    ]


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


# ---------------------------------------------------------------- (c) memory


def part_c(quick):
    "Return the rows on the memory of a snapshot, as Linux counts the memory of a process."
    if not Path('/proc/self/clear_refs').exists():
        return []
    sys.path.insert(0, str(HERE))
    env = {k: v for k, v in os.environ.items() if k not in STEADY}
    out = subprocess.run(
        [sys.executable, HERE / 'snapshot_memory.py', 'device', 'device'],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    ).stdout
    keep, restore = [float(number) for number in re.findall(r'-?\d+\.\d+', out)]
    return [
        dict(what='(c) memory of a snapshot, in copies of the state', ratio=keep, goal=1.05),
        dict(what='(c) further memory to restore it', ratio=restore, goal=0.05),
    ]


# ---------------------------------------------------------------- (d) copies


class Copies(TorchFunctionMode):
    """Count how often numbers are fetched from a tensor.

    (Calls of `aten::_local_scalar_dense` would not include `tolist`, which on the CPU reads the memory.)
    """

    count = 0
    names = ('item', 'tolist', 'numpy', 'cpu', '__float__', '__int__', '__bool__')
    fetching = {getattr(torch.Tensor, n) for n in names}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func in self.fetching
        return func(*args, **(kwargs or {}))


def part_d(quick):
    """Return the rows on copies to the host.

    From an accelerator, losses are read ten at a time. Here the CPU is treated as one. A sweep reads once
    more, to see whether there are gradients that aren't zero.
    """
    import fastlr.utils as utils

    widths, n = SIZES['5 thousand'], 100
    # A list of batches, because the seed that a DataLoader draws is on the host anyway. SGD, because Adam's
    # counters are there, too.
    data = list(batches(widths, n))
    kw = dict(opt_func=torch.optim.SGD)

    def learner():
        from fastlr import Learner

        return Learner((data, None), net(widths), loss_func=criterion, silent=True, **kw)

    runs = {
        'Learner.fit': lambda: learner().fit(1, 1e-3),
        'Learner.lr_find': lambda: learner().lr_find(
            1e-7, 1e-2, num_it=n, stop_div=False, silent=True, probe=False
        ),
    }
    rows = []
    old, utils.read_every = utils.read_every, lambda loss: 10
    try:
        for name, run in runs.items():
            with quiet(), Copies() as copies:
                run()
            what = f'(d) copies to the host per step, {name}'
            rows.append(dict(what=what, ratio=copies.count / n, goal=0.1))
    finally:
        utils.read_every = old
    return rows


# ---------------------------------------------------------------- (e) start


def part_e(quick):
    """Return the rows on imports and on the command.

    They are timed in new processes that find compiled modules, as after an installation by pip.
    """
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONDONTWRITEBYTECODE'}

    def python(code):
        return subprocess.run(
            [sys.executable, '-c', code], check=True, capture_output=True, env=env, text=True
        ).stdout

    def imports(code, before=''):
        return lambda: float(
            python(f'{before}\nimport time; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)')
        )

    def command():
        code = "import sys; sys.argv = ['fastlr', '--help']; from fastlr.cli import main; main()"
        return timed(lambda: python(code))

    first_name = imports('import fastlr; fastlr.Learner', 'import torch')
    runs = {
        "'import fastlr'": (imports('import fastlr'), 0.1),
        "a name of fastlr, after 'import torch'": (first_name, 0.1),
        "'fastlr --help'": (command, 0.3),
    }
    return [
        dict(
            what=f'(e) seconds of {name}',
            ratio=float(np.median([run() for _ in range(4 if quick else 10)][1:])),
            goal=goal,
        )
        for name, (run, goal) in runs.items()
    ]


# ---------------------------------------------------------------- (f) analysis


def fall(n):
    "Return a typical curve of a range test with `n` points: flat, a fall, a steep rise, and noise."
    from fastlr import LRCurve

    lrs = np.geomspace(1e-7, 10, n)
    z = np.log10(lrs)
    losses = (
        2.3
        - 2 / (1 + np.exp(-4 * (z + 2)))
        + 8 * np.exp(6 * (z - 0.3)).clip(max=3) * (z > -0.5)
        + 0.02 * np.random.default_rng(0).normal(size=n)
    )
    return LRCurve(lrs, losses)


def part_f(quick):
    "Return the rows on the suggestion."
    rows = []
    for n in (100, 1000, 10_000, 100_000)[: 3 if quick else 4]:
        times = []
        for _ in range(3 if n > 10_000 else 7):
            # Each time is that of a new curve, since a curve remembers what it has computed.
            curve = fall(n)
            times.append(timed(curve.suggest))
        rows.append(
            dict(
                what=f'(f) milliseconds of suggest(), {n:,} points',
                ratio=1000 * float(np.median(times)),
                goal=5 if n == 1000 else None,
            )
        )
    return rows


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
    import socket
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


# ---------------------------------------------------------------- how it grows


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


# ---------------------------------------------------------------- the table

PARTS = dict(a=part_a, b=part_b, c=part_c, d=part_d, e=part_e, f=part_f, g=part_g)


def show(row):
    "Print `row` as a line of the table."
    per = f"{1e6 * row['seconds']:8.0f} µs" if 'seconds' in row else ' ' * 11
    spread = f"  {row['low']:.2f} to {row['high']:.2f}" if 'low' in row else ' ' * 14
    goal = ''
    if row['goal'] is not None:
        goal = f"  goal {row['goal']:<5g} {'met' if row['ratio'] <= row['goal'] else 'not met'}"
    print(f"{row['what']:69}{per}{row['ratio']:9.3f}{spread}{goal}".rstrip(), flush=True)


def parse(args=None):
    "Return the parser of the command, and the options."
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    what = (
        'a: the loop, b: the range test, c: memory of a snapshot, d: copies to the host, e: start, '
        'f: the suggestion, g: two processes, grows: what grows with what '
        '(default: all, a quarter of an hour)'
    )
    quick = 'fewer rounds, without the largest model, the longest curve and the longest sweep'
    p.add_argument('parts', nargs='*', help=what)
    p.add_argument('--quick', action='store_true', help=quick)
    p.add_argument('--write', action='store_true', help='save the results in speed.json')
    args = p.parse_args(args)
    if unknown := set(args.parts) - {*PARTS, 'grows'}:
        p.error(f"parts must be of {' '.join(PARTS)} grows, got {' '.join(sorted(unknown))}")
    if args.write and args.quick:
        p.error('--write saves complete measurements: leave out --quick')
    return p, args


def installed_versions():
    "Return the versions of torch and of the libraries that fastlr is compared with: {package: version}."
    modules = {
        'torch': 'torch',
        'pytorch-ignite': 'ignite',
        'lightning': 'lightning',
        'fastai': 'fastai',
        'torch-lr-finder': 'torch_lr_finder',
    }
    return {n: importlib.metadata.version(n) for n, module in modules.items() if has(module)}


def main(args=None):
    parser, args = parse(args)
    torch.set_num_threads(1)
    path = HERE / 'speed.json'
    stored = json.loads(path.read_text()) if path.exists() and args.parts else {}
    versions = installed_versions()
    if args.write and stored.get('versions', versions) != versions:
        parser.error(f"{path.name} was measured with {stored['versions']}: measure all parts anew")
    shown = ', '.join(f'{k} {v}' for k, v in versions.items())
    print(f'python {sys.version.split()[0]}, {shown}, {os.cpu_count()} cores, one thread')
    print(f"{'':69}{'per step':>11}{'ratio':>9}{'quartiles':>14}")
    rows = [r for r in stored.get('rows', []) if r['what'][1] not in args.parts] if args.parts else []
    for part in PARTS:
        if args.parts and part not in args.parts:
            continue
        for row in PARTS[part](args.quick):
            show(row)
            rows.append(row)
    if not args.parts or 'grows' in args.parts:
        stored['grows'] = grows(args.quick)
        print(json.dumps(stored['grows'], indent=1))
    if args.write:
        rows.sort(key=lambda r: r['what'][:3])
        path.write_text(json.dumps({**stored, 'versions': versions, 'rows': rows}, indent=1) + '\n')


if __name__ == '__main__':
    main()
