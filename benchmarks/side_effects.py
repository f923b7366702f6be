"""What a range test changes: that of fastlr, and those of other packages that are installed.

    python benchmarks/side_effects.py            # --write: store it in side_effects.json

Each tool trains the same small net (dropout, batch norm, AdamW, a shuffled loader) for an epoch, runs its
range test as its documentation says, and trains for another epoch. The output lists what differs between
just before and just after the range test, bit for bit; whether the second epoch ends with the same weights
as it does without the range test; whether everything is restored if the model raises an error halfway; and
which files are left. To install the other tools:

    pip install torch-lr-finder pytorch-ignite fastai lightning
"""

import importlib.metadata, json, logging, os, platform, random, sys, tempfile, warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

STEPS = 40


class Net(nn.Sequential):
    "A net that raises an error after `fails_at` forward passes."

    fails_at = None

    def __init__(self):
        super().__init__(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3))

    def forward(self, x):
        if Net.fails_at is not None:
            Net.fails_at -= 1
            if Net.fails_at < 0:
                Net.fails_at = None
                raise ArithmeticError('injected')
        return super().forward(x)


def data():
    x = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
    dataset = TensorDataset(x, (x @ torch.randn(8, 3, generator=torch.Generator().manual_seed(2))).argmax(1))
    train = DataLoader(dataset, 16, shuffle=True, generator=torch.Generator().manual_seed(3))
    return train, DataLoader(dataset, 64)


class Tool:
    "A training with the trainer of the tool, or with a loop written by hand if it has none."

    package = None

    def __init__(self):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        self.model, self.loss = Net(), nn.CrossEntropyLoss()
        self.loader, self.valid = data()
        self.opt = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def step(self, xb, yb):
        self.model.train()
        loss = self.loss(self.model(xb), yb)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()

    def train(self):
        for xb, yb in self.loader:
            self.step(xb, yb)

    def optimizer(self):
        return self.opt


class Fastlr(Tool):
    package = 'fastlr-finder'

    def __init__(self):
        super().__init__()
        from fastlr import Learner

        self.learn = Learner((self.loader, self.valid), self.model, loss_func=self.loss, silent=True)

    def train(self):
        self.learn.fit(1, 1e-3)

    def find(self):
        self.learn.lr_find(num_it=STEPS)

    def optimizer(self):
        return self.learn.opt.opt


class FastlrLoop(Tool):
    package = 'fastlr-finder'

    def find(self):
        from fastlr import LRSweep

        with LRSweep(self.opt, self.model, num_it=STEPS) as sweep:
            for xb, yb in sweep(self.loader):
                sweep.record(self.step(xb, yb))


class PytorchLRFinder(Tool):
    package = 'torch-lr-finder'

    def find(self):
        from torch_lr_finder import LRFinder

        finder = LRFinder(self.model, self.opt, self.loss)
        finder.range_test(self.loader, start_lr=1e-7, end_lr=10.0, num_iter=STEPS)
        finder.reset()


class Ignite(Tool):
    package = 'pytorch-ignite'

    def __init__(self):
        super().__init__()
        from ignite.engine import Engine

        self.trainer = Engine(lambda engine, batch: self.step(*batch))

    def train(self):
        self.trainer.run(self.loader, max_epochs=1)

    def find(self):
        from ignite.handlers import FastaiLRFinder

        finder = FastaiLRFinder()
        with finder.attach(
            self.trainer,
            {'model': self.model, 'optimizer': self.opt},
            start_lr=1e-7,
            end_lr=10.0,
            num_iter=STEPS,
        ) as trainer:
            trainer.run(self.loader)


class Fastai(Tool):
    package = 'fastai'

    def __init__(self):
        super().__init__()
        from functools import partial
        from fastai.learner import DataLoaders, Learner
        from fastai.optimizer import OptimWrapper

        # This adds `lr_find` to the learner.
        import fastai.callback.schedule  # noqa: F401

        self.learn = Learner(
            DataLoaders(self.loader, self.valid),
            self.model,
            loss_func=self.loss,
            opt_func=partial(OptimWrapper, opt=torch.optim.AdamW),
            lr=1e-3,
        )

    def train(self):
        self.learn.fit(1)

    def find(self):
        self.learn.lr_find(num_it=STEPS, show_plot=False)

    def optimizer(self):
        return self.learn.opt.opt


class Lightning(Tool):
    package = 'lightning'

    def __init__(self):
        super().__init__()
        import lightning.pytorch as pl

        tool = self

        class Module(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.net, self.lr = tool.model, 1e-3

            def training_step(self, batch, i):
                return tool.loss(self.net(batch[0]), batch[1])

            def configure_optimizers(self):
                return torch.optim.AdamW(self.parameters(), lr=self.lr)

        self.module = Module()
        self.trainer = pl.Trainer(
            max_epochs=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            accelerator='cpu',
        )

    def train(self):
        self.trainer.fit_loop.max_epochs += 1
        self.trainer.fit(self.module, self.loader)

    def find(self):
        from lightning.pytorch.tuner import Tuner

        # Room for the steps of the range test.
        self.trainer.fit_loop.max_epochs += 10
        try:
            Tuner(self.trainer).lr_find(
                self.module,
                self.loader,
                min_lr=1e-7,
                max_lr=10,
                num_training=STEPS,
                update_attr=False,
                # Its rule counts the steps of the trainer, and would stop after one step here.
                early_stop_threshold=None,
            )
        finally:
            self.trainer.fit_loop.max_epochs -= 10

    def optimizer(self):
        return self.trainer.optimizers[0] if self.trainer.optimizers else None


def state(tool):
    "Return copies of everything that a training step may change, by name."

    def copied(x):
        return x.detach().clone() if torch.is_tensor(x) else x

    m, opt = tool.model, tool.optimizer()
    groups = [] if opt is None else opt.param_groups
    parameters = [p for g in groups for p in g['params']]
    return {
        'weights': [copied(p) for p in m.parameters()],
        'buffers': [copied(b) for b in m.buffers()],
        'gradients': [None if p.grad is None else copied(p.grad) for p in m.parameters()],
        'train/eval and requires_grad': [x.training for x in m.modules()]
        + [p.requires_grad for p in m.parameters()],
        'optimizer state': [{k: copied(v) for k, v in opt.state[p].items()} for p in parameters],
        'hyperparameters': [{k: copied(v) for k, v in g.items() if k != 'params'} for g in groups],
        'Python random': random.getstate(),
        'NumPy random': [np.asarray(x).tolist() for x in np.random.get_state()],
        'torch random': torch.get_rng_state(),
        "loader's generator": tool.loader.generator.get_state(),
    }


def same(a, b):
    if torch.is_tensor(a):
        return torch.is_tensor(b) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b


@contextmanager
def quiet():
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def examine(make):
    "Return what the range test of a tool changes."
    tool = make()
    tool.train()
    before = state(tool)
    tool.find()
    changed = differences(before, state(tool))
    tool.train()
    weights = state(tool)['weights']
    goes_on = same(weights, weights_without(make))
    failed = changed_by_error(make)
    left = sorted(str(p) for p in Path('.').rglob('*') if p.is_file())
    return dict(changed=changed, failed=failed, goes_on=goes_on, left=left)


def differences(before, after):
    return [k for k in before if not same(before[k], after[k])]


def weights_without(make):
    "Return the weights after two epochs without a range test."
    tool = make()
    tool.train()
    tool.train()
    return state(tool)['weights']


def changed_by_error(make):
    "Return what a range test changes that ends with an error in the model."
    tool = make()
    tool.train()
    before = state(tool)
    Net.fails_at = STEPS // 2
    try:
        tool.find()
    except ArithmeticError:
        return differences(before, state(tool))
    finally:
        Net.fails_at = None
    return ['(the error was not raised)']


def measure(make):
    """Return the version of a tool, and what its range test changes; it runs in an empty directory.

    Raises `PackageNotFoundError` if it isn't installed."""
    version = importlib.metadata.version(make.package)
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            with quiet():
                found = examine(make)
        finally:
            os.chdir(here)
    return dict(package=make.package, version=version, **found)


TOOLS = Fastlr, FastlrLoop, PytorchLRFinder, Ignite, Fastai, Lightning


def main(write=False):
    torch.set_num_threads(1)
    found = {}
    for make in TOOLS:
        try:
            r = found[make.__name__] = measure(make)
        except importlib.metadata.PackageNotFoundError:
            print(f'{make.package}: not installed\n')
            continue
        print(f'{make.__name__} ({make.package} {r["version"]})')
        print(f'  changed by the range test:        {", ".join(r["changed"]) or "nothing"}')
        print(f'  changed when the model raises:    {", ".join(r["failed"]) or "nothing"}')
        print(f'  later training is the same:       {"yes" if r["goes_on"] else "no"}')
        print(f'  files left:                       {", ".join(r["left"]) or "none"}\n')
    if write:
        if len(found) < len(TOOLS):
            sys.exit('not written, because not all of the tools are installed')
        result = dict(
            versions=dict(python=platform.python_version(), torch=torch.__version__),
            compared=list(state(Tool())),
            tools=found,
        )
        Path(__file__).with_suffix('.json').write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main(write='--write' in sys.argv[1:])
