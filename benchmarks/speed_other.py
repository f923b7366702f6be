"""Parts (c) to (f), (i), (j) and (l) of the benchmark of speed: memory, copies to the host, starts, and what
is computed of a curve."""

import io, os, re, subprocess, sys, tempfile
from pathlib import Path

import numpy as np
import torch
from timing import SIZES, STEADY, batches, criterion, net, quiet, timed
from torch.overrides import TorchFunctionMode

HERE = Path(__file__).parent

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


def part_i(quick):
    """Return the rows on all that is made of one curve: suggestion, picture and report.

    To turn the picture into pixels is matplotlib's work, so that is shown beside a picture of a bare line."""
    from fastlr.results import answer, report
    from matplotlib.figure import Figure

    def figure():
        return Figure(figsize=(7, 4.5), layout='constrained')

    def everything(curve):
        made = figure()
        curve.plot(suggestion=True, ax=made.subplots())
        report('a net', curve, answer(curve), {})
        return made

    def bare_line(curve):
        made = figure()
        made.subplots().semilogx(curve.lrs, curve.losses)
        return made

    def as_png(draw):
        return lambda curve: draw(curve).savefig(io.BytesIO(), format='png', dpi=120)

    def milliseconds(f):
        curves = [fall(100) for _ in range(4 if quick else 12)]
        return 1000 * float(np.median([timed(lambda: f(c)) for c in curves][1:]))

    return [
        dict(what='(i) milliseconds of suggestion, plot and report', ratio=milliseconds(everything), goal=30),
        dict(what='(i) the same, with the plot as PNG', ratio=milliseconds(as_png(everything)), goal=None),
        dict(what='(i) a bare line as PNG, by matplotlib', ratio=milliseconds(as_png(bare_line)), goal=None),
    ]


# ---------------------------------------------------------------- (j) memory of a range test


def part_j(quick):
    "Return the rows on the memory that a range test takes on top of the training, in copies of its state."
    if not Path('/proc/self/clear_refs').exists():
        return []
    env = {k: v for k, v in os.environ.items() if k not in STEADY}
    rows = []
    for size in list(SIZES)[: 2 if quick else 3]:
        command = [sys.executable, HERE / 'sweep_memory.py', size]
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
        megabytes, state = [float(number) for number in out.split()]
        goal = 1.1 if size == '50 million' else None
        rows += [
            dict(what=f'(j) megabytes that find_lr takes, {size} parameters', ratio=megabytes, goal=None),
            dict(what=f'(j) the same, in copies of the state, {size}', ratio=megabytes / state, goal=goal),
        ]
    return rows


# ---------------------------------------------------------------- (l) the command


# What no program that loads the digits with scikit-learn and makes an optimizer of torch can avoid.
UNAVOIDABLE = """
import torch
from sklearn.datasets import load_digits
load_digits()
torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)"""


def part_l(quick):
    "Return the rows on `fastlr find-lr digits` in a new process, from its start to its end."
    # As after an installation by pip, compiled modules are found.
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONDONTWRITEBYTECODE'}
    env['PYTHONPATH'] = str(HERE.parent)

    def seconds(*args):
        command = [sys.executable, *args]
        with tempfile.TemporaryDirectory() as folder:
            return timed(
                lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder, env=env)
            )

    runs = {
        "a bare 'import torch'": ('-c', 'import torch'),
        "'import torch', load_digits and an optimizer": ('-c', UNAVOIDABLE),
        "'fastlr find-lr digits'": ('-m', 'fastlr', 'find-lr', 'digits'),
    }
    rounds = [[seconds(*args) for args in runs.values()] for _ in range(3 if quick else 8)]
    medians = np.median(rounds[1:], axis=0).tolist()
    return [
        dict(what=f'(l) seconds of {name}, in a new process', ratio=median, goal=None)
        for name, median in zip(runs, medians)
    ]
