"""The learning rates that other finders suggest for the trainings of `tasks.py`, kept in `peers.json`.

    python benchmarks/peers.py [task ...]

Each finder is called as its documentation says, at its own defaults, with the task's model, optimizer, loss and batches, once for
each of three seeds; it starts from fresh weights every time. Three constants that people use instead are listed beside them. A
finder that raises or finds nothing has no suggestion (null in the file; the reason is printed). Tools that are not installed are
left out. The file keeps what it has on tasks that are not named, unless it was made with other versions. To install all tools:

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
# Torch-lr-finder and ignite start at the optimizer's rate; this is what the former's documentation gives it.
LOWEST = 1e-7
STEPS = (
    # Everybody's default but ignite's, which is as long as the run: an epoch, here as short as 8 batches.
    100
)


def torch_lr_finder(setup):
    "What `LRFinder.plot` marks, the steepest gradient."
    from matplotlib.figure import Figure
    from torch_lr_finder import LRFinder

    finder = LRFinder(setup.model, setup.opt(LOWEST), setup.loss)
    finder.range_test(setup.train)
    return {'torch-lr-finder steepest': finder.plot(ax=Figure().subplots())[1]}


def fastai(setup):
    "One range test, and all four ways of reading it; a way that raises gives its exception."
    # Brings `lr_find`, too.
    from fastai.callback.schedule import minimum, slide, steep, valley
    from fastai.learner import DataLoaders, Learner
    from fastai.optimizer import OptimWrapper

    def on_its_own(suggest):
        "The others still answer where one raises."

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
    "What `Tuner.lr_find` would set the module's `lr` to."
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
    "`lr_suggestion` of a `FastaiLRFinder`."
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    opt, finder = setup.opt(LOWEST), FastaiLRFinder()
    trainer = create_supervised_trainer(setup.model, opt, setup.loss)
    with finder.attach(trainer, {'model': setup.model, 'optimizer': opt}, num_iter=STEPS) as searching:
        searching.run(setup.train)
    return {'ignite': finder.lr_suggestion()}


def constants(setup):
    "What one can use without looking at the training."
    return {
        '1e-3': 1e-3,
        '0.03': 0.03,
        'rule of thumb (SGD .1, else 1e-3)': 0.1 if isinstance(setup.opt(1e-3), torch.optim.SGD) else 1e-3,
    }


# {tool: (its package, the module that has to import, its suggestions)}
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
    "No progress bars, warnings and logs."
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def importable(tool):
    package, module, _ = TOOLS[tool]
    try:
        with quiet():
            import_module(module)
    except ImportError as e:
        print(f'{package} is left out ({e}): pip install {package}')
        return False
    return True


def ask(tool, task, seed):
    "{suggestion: a rate, None, or the exception}"
    try:
        with quiet():
            return tool(TASKS[task].build(seed))
    except Exception as e:
        return dict.fromkeys(TOOLS[tool][2], e)


def rounded(answer):
    "The rate to four digits; None if it isn't one."
    return float(f'{answer:.4g}') if isinstance(answer, (int, float)) and math.isfinite(answer) else None


def write(result):
    "The file is whole at any time, and has a line for each task."
    unfinished = FILE.with_suffix('.unfinished')
    unfinished.write_text(re.sub(r'\n\s+(?=[^\[]*\])', ' ', json.dumps(result, indent=1)) + '\n')
    os.replace(unfinished, FILE)


def main(names):
    torch.set_num_threads(1)
    tools = [t for t in TOOLS if importable(t)]
    packages = ['torch', 'numpy', 'scikit-learn', 'mnist1d', *(TOOLS[t][0] for t in tools)]
    versions = {
        'python': platform.python_version(),
        **{p: version(p) for p in packages},
        # Python's library is text for tasks.
    }
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
                        print(
                            f'  {name}, seed {seed}: {f"{type(g).__name__}: {g}" if isinstance(g, Exception) else g}'
                        )
        write(result)
        print(f'{task}: {time.time() - start:.0f} s', flush=True)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
