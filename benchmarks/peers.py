"""Collect in `peers/` the learning rates that other finders suggest for the trainings of `tasks`.

    python benchmarks/peers.py --split CHOSEN_ON       # what is stored is skipped
    python benchmarks/peers.py --tasks task ...        # these are asked anew

Each finder is called as its documentation says, at its own defaults, with the task's model, optimizer, loss
and batches, once for each of three seeds; it starts from fresh weights every time. Three constants that
people use instead are listed beside them. A finder that raises or finds nothing has no suggestion (null in
the file; the reason is printed). Tools that are not installed are left out. Each split has a file, which
also says what each tool did for its answers: optimizer steps, calls of the model, and seconds of processor
time. Results that were obtained with other versions are dropped. To install all tools:

    pip install -e '.[bench]'
"""

import argparse, json, logging, math, os, platform, re, time, warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import wraps
from importlib import import_module
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import tasks
import torch

SEEDS = 10, 11, 12
FOLDER = Path(__file__).parent / 'peers'
SPLITS = 'FITTED', 'CHOSEN_ON', 'LOCKED'
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


def counted(setup):
    "Return `setup` with a counter for optimizer steps and calls of the model."
    # In a plain dict: the attributes of other objects that the hooks of an optimizer hold are restored.
    count, make = dict(steps=0, calls=0), setup.opt

    def add(what):
        count[what] += 1

    def counting(lr):
        opt = make(lr)
        opt.register_step_post_hook(lambda *args: add('steps'))
        return opt

    setup.model.register_forward_hook(lambda *args: add('calls'))
    return replace(setup, opt=counting), count


def ask(tool, task, seed):
    "Return {suggestion: a rate, None, or an exception}, and [optimizer steps, calls of the model, seconds]."
    setup, count = counted(tasks.TASKS[task].build(seed))
    began = time.process_time()
    try:
        with quiet():
            answers = tool(setup)
    except Exception as e:
        answers = dict.fromkeys(TOOLS[tool][2], e)
    seconds = round(time.process_time() - began, 2)
    return answers, [count['steps'], count['calls'], seconds]


def rounded(answer):
    "Return `answer` with four digits if it is a finite number, None otherwise."
    return float(f'{answer:.4g}') if isinstance(answer, (int, float)) and math.isfinite(answer) else None


def write(file, result):
    "Write the file, with a line for each task, in such a way that it is complete at any time."
    FOLDER.mkdir(exist_ok=True)
    unfinished = file.with_suffix('.unfinished')
    text = re.sub(r'\n\s+(?=[^\[\]]*\])', ' ', json.dumps(result, indent=1))
    unfinished.write_text(re.sub(r'\n\s+(?=[\[\]](?!,?\n\s+"))', ' ', text) + '\n')
    os.replace(unfinished, file)


def stored(file, versions):
    "Return what the file has, or nothing if that was obtained with other versions."
    earlier = json.loads(file.read_text()) if file.exists() else {}
    return {'costs': {}, **earlier} if earlier.get('versions') == versions else empty(versions)


def empty(versions):
    return {'versions': versions, 'suggestions': {}, 'costs': {}}


def add(result, tool, task):
    "Ask `tool` for each seed, and add its answers for `task` to `result`."
    asked = [ask(tool, task, seed) for seed in SEEDS]
    result['costs'].setdefault(TOOLS[tool][0], {})[task] = [cost for _, cost in asked]
    for name in TOOLS[tool][2]:
        given = [answers[name] for answers, _ in asked]
        result['suggestions'].setdefault(name, {})[task] = [rounded(g) for g in given]
        for seed, g in zip(SEEDS, given):
            if rounded(g) is None:
                reason = f'{type(g).__name__}: {g}' if isinstance(g, Exception) else g
                print(f'  {name}, seed {seed}: {reason}')


def options():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--split', choices=SPLITS, help='all tasks of a split that have no results yet')
    p.add_argument('--tasks', nargs='+', choices=tasks.TASKS, default=[], metavar='TASK')
    return p.parse_args()


def main():
    torch.set_num_threads(1)
    args, tools = options(), [t for t in TOOLS if importable(t)]
    packages = ['torch', 'numpy', 'scikit-learn', 'mnist1d', *(TOOLS[t][0] for t in tools)]
    # The version of Python matters, too: some tasks learn the text of its standard library.
    versions = {'python': platform.python_version(), **{p: version(p) for p in packages}}
    for split in SPLITS:
        file = FOLDER / f'{split.lower()}.json'
        result = stored(file, versions)
        has = result['costs'].get('torch', {})
        for task in getattr(tasks, split):
            if task in args.tasks or (split == args.split and task not in has):
                start = time.time()
                for tool in tools:
                    add(result, tool, task)
                write(file, result)
                print(f'{task}: {time.time() - start:.0f} s', flush=True)


if __name__ == '__main__':
    main()
