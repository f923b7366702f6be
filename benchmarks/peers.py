"""Collect in `peers.json` the learning rates that other finders suggest for the trainings of `tasks.py`.

    python benchmarks/peers.py [task ...]

Each finder is called as its documentation says, at its own defaults, with the task's model, optimizer, loss
and batches, once for each of three seeds; it starts from fresh weights every time. Three constants that
people use instead are listed beside them. A finder that raises or finds nothing has no suggestion (null in
the file; the reason is printed). Tools that are not installed are left out. The file keeps its results on
tasks that are not named, unless they were obtained with other versions. To install all tools:

    pip install torch-lr-finder pytorch-ignite fastai lightning mnist1d scikit-learn
"""

import json, logging, math, os, platform, re, sys, time, warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import wraps
from importlib import import_module
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tasks import TASKS

SEEDS = 10, 11, 12
FILE = Path(__file__).with_suffix('.json')
# torch-lr-finder and ignite start at the rate of the optimizer; the former's documentation sets it to this.
LOWEST = 1e-7
# All finders but ignite take 100 steps by default. Ignite's default is the whole run, here one epoch, which
# may have as few as 8 batches.
STEPS = 100


def torch_lr_finder(setup):
    "Return what `LRFinder.plot` marks: the steepest gradient."
    from matplotlib.figure import Figure
    from torch_lr_finder import LRFinder

    finder = LRFinder(setup.model, setup.opt(LOWEST), setup.loss)
    finder.range_test(setup.train)
    return {'torch-lr-finder steepest': finder.plot(ax=Figure().subplots())[1]}


def fastai(setup):
    "Return the four suggestions for one range test, with an exception for each that raises one."
    # The import of this module also adds `lr_find` to `Learner`.
    from fastai.callback.schedule import minimum, slide, steep, valley
    from fastai.learner import DataLoaders, Learner
    from fastai.optimizer import OptimWrapper

    def on_its_own(suggest):
        "Let `suggest` return its exception, so that the others still answer."

        @wraps(suggest)
        def answer(*args):
            try:
                return suggest(*args)
            except Exception as e:
                return e, None

        return answer

    with TemporaryDirectory() as folder:
        data, opt = DataLoaders(setup.train, setup.valid), OptimWrapper(opt=setup.opt(1e-3))
        learn = Learner(data, setup.model, loss_func=setup.loss, opt_func=opt, path=folder)
        found = learn.lr_find(
            suggest_funcs=[on_its_own(s) for s in (valley, slide, minimum, steep)], show_plot=False
        )
    return {f'fastai {how}': rate for how, rate in found._asdict().items()}


def lightning(setup):
    "Return what `Tuner.lr_find` would set the `lr` of the module to."
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.tuner import Tuner

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.net, self.lr = setup.model, 1e-3

        def training_step(self, batch, i):
            return setup.loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return setup.opt(self.lr)

    with TemporaryDirectory() as folder:
        trainer = Trainer(
            default_root_dir=folder,
            accelerator='cpu',
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
        )
        return {'lightning': Tuner(trainer).lr_find(Module(), setup.train).suggestion()}


def ignite(setup):
    "Return `lr_suggestion` of a `FastaiLRFinder`."
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    opt, finder = setup.opt(LOWEST), FastaiLRFinder()
    trainer = create_supervised_trainer(setup.model, opt, setup.loss)
    with finder.attach(trainer, {'model': setup.model, 'optimizer': opt}, num_iter=STEPS) as searching:
        searching.run(setup.train)
    return {'ignite': finder.lr_suggestion()}


def constants(setup):
    "Return the rates that one can use without a range test."
    return {
        '1e-3': 1e-3,
        '0.03': 0.03,
        'rule of thumb (SGD .1, else 1e-3)': 0.1 if isinstance(setup.opt(1e-3), torch.optim.SGD) else 1e-3,
    }


# tool: (its package, the module that must be importable, the names of its suggestions)
TOOLS = {
    torch_lr_finder: ('torch-lr-finder', 'torch_lr_finder', ['torch-lr-finder steepest']),
    fastai: (
        'fastai',
        'fastai.callback.schedule',
        ['fastai valley', 'fastai slide', 'fastai minimum', 'fastai steep'],
    ),
    lightning: ('lightning', 'lightning.pytorch.tuner', ['lightning']),
    ignite: ('pytorch-ignite', 'ignite.handlers', ['ignite']),
    constants: ('torch', 'torch', ['1e-3', '0.03', 'rule of thumb (SGD .1, else 1e-3)']),
}


@contextmanager
def quiet():
    "Silence progress bars, warnings and logs."
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def importable(tool):
    "Return whether `tool` is installed; if not, print how to install it."
    package, module, _ = TOOLS[tool]
    try:
        with quiet():
            import_module(module)
    except ImportError as e:
        print(f'{package} is left out ({e}): pip install {package}')
        return False
    return True


def ask(tool, task, seed):
    "Return {suggestion: a rate, None, or an exception}."
    try:
        with quiet():
            return tool(TASKS[task].build(seed))
    except Exception as e:
        return dict.fromkeys(TOOLS[tool][2], e)


def rounded(answer):
    "Return `answer` with four digits if it is a finite number, None otherwise."
    return float(f'{answer:.4g}') if isinstance(answer, (int, float)) and math.isfinite(answer) else None


def write(result):
    "Write the file, with a line for each task, in such a way that it is complete at any time."
    unfinished = FILE.with_suffix('.unfinished')
    unfinished.write_text(re.sub(r'\n\s+(?=[^\[]*\])', ' ', json.dumps(result, indent=1)) + '\n')
    os.replace(unfinished, FILE)


def main(names):
    torch.set_num_threads(1)
    tools = [t for t in TOOLS if importable(t)]
    packages = ['torch', 'numpy', 'scikit-learn', 'mnist1d', *(TOOLS[t][0] for t in tools)]
    # The version of Python matters, too: some tasks learn the text of its standard library.
    versions = {'python': platform.python_version(), **{p: version(p) for p in packages}}
    result = {'versions': versions, 'suggestions': {}}
    if FILE.exists():
        earlier = json.loads(FILE.read_text())
        if earlier['versions'] == versions:
            result = earlier
    for task in names or TASKS:
        start = time.time()
        for tool in tools:
            answers = [ask(tool, task, seed) for seed in SEEDS]
            for name in TOOLS[tool][2]:
                given = [a[name] for a in answers]
                result['suggestions'].setdefault(name, {})[task] = [rounded(g) for g in given]
                for seed, g in zip(SEEDS, given):
                    if rounded(g) is None:
                        reason = f'{type(g).__name__}: {g}' if isinstance(g, Exception) else g
                        print(f'  {name}, seed {seed}: {reason}')
        write(result)
        print(f'{task}: {time.time() - start:.0f} s', flush=True)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
