"""What a range test changes: fastlr and, where they are installed, pytorch-lr-finder, ignite, fastai and Lightning.

    python benchmarks/side_effects.py            # --write: keep it in side_effects.json, beside this file

Each tool trains the same small net (dropout, batch norm, AdamW, a shuffled loader) for an epoch, runs its range test as its
documentation says, and trains for another epoch. Printed is what differs between just before and just after the range test,
bit for bit; whether the second epoch ends with the weights that it gives without the range test; whether the state comes back
when the model raises in the middle; and which files are left. To install the others:

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
    "Raises at forward pass number `fails_at`."

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
    return DataLoader(dataset, 16, shuffle=True, generator=torch.Generator().manual_seed(3)), DataLoader(
        dataset, 64
    )


class Tool:
    "A training with the tool's own trainer, where it has one; else with a loop written by hand."

    package = None

    def __init__(self):
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        self.model, self.loss, (self.loader, self.valid) = Net(), nn.CrossEntropyLoss(), data()
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
        import fastai.callback.schedule  # noqa: F401  brings `lr_find`

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

        self.trainer.fit_loop.max_epochs += 10  # room for the steps of the range test
        try:
            Tuner(self.trainer).lr_find(
                self.module,
                self.loader,
                min_lr=1e-7,
                max_lr=10,
                num_training=STEPS,
                update_attr=False,
                early_stop_threshold=None,
            )  # its stop rule counts the trainer's steps, and ends after one here
        finally:
            self.trainer.fit_loop.max_epochs -= 10

    def optimizer(self):
        return self.trainer.optimizers[0] if self.trainer.optimizers else None


def state(tool):
    "{what: a copy of it}"
    m, opt, copied = tool.model, tool.optimizer(), lambda t: t.detach().clone() if torch.is_tensor(t) else t
    groups = (
        []
        if opt is None
        else [{k: copied(v) for k, v in g.items() if k != 'params'} for g in opt.param_groups]
    )
    return {
        'weights': [copied(p) for p in m.parameters()],
        'buffers': [copied(b) for b in m.buffers()],
        'gradients': [None if p.grad is None else copied(p.grad) for p in m.parameters()],
        'train/eval and requires_grad': [x.training for x in m.modules()]
        + [p.requires_grad for p in m.parameters()],
        'optimizer state': []
        if opt is None
        else [{k: copied(v) for k, v in opt.state[p].items()} for g in opt.param_groups for p in g['params']],
        'hyperparameters': groups,
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
    "What the range test of a tool has changed."
    tool = make()
    tool.train()
    before = state(tool)
    tool.find()
    after = state(tool)
    changed = [k for k in before if not same(before[k], after[k])]
    tool.train()
    with_it = state(tool)['weights']
    tool = make()
    tool.train()
    tool.train()
    without = state(tool)['weights']
    tool = make()
    tool.train()
    before, Net.fails_at = state(tool), STEPS // 2
    try:
        tool.find()
        raised = False
    except ArithmeticError:
        raised = True
    Net.fails_at, after = None, state(tool)
    left = sorted(str(p) for p in Path('.').rglob('*') if p.is_file())
    return (
        changed,
        same(with_it, without),
        [k for k in before if not same(before[k], after[k])] if raised else ['(the error was not raised)'],
        left,
    )


def measure(make):
    "The same in an empty directory, and quietly, by name; with the version of the package. Raises `PackageNotFoundError` if it isn't installed."
    version = importlib.metadata.version(make.package)
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            with quiet():
                changed, goes_on, failed, left = examine(make)
        finally:
            os.chdir(here)
    return dict(
        package=make.package, version=version, changed=changed, failed=failed, goes_on=goes_on, left=left
    )


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
            sys.exit('not written, because not all of them are installed')
        kept = dict(
            versions=dict(python=platform.python_version(), torch=torch.__version__),
            compared=list(state(Tool())),
            tools=found,
        )
        Path(__file__).with_suffix('.json').write_text(json.dumps(kept, indent=1) + '\n')


if __name__ == '__main__':
    main(write='--write' in sys.argv[1:])
