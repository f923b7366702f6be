"`lr_find` for Lightning: real trainers of both packages, real loaders and workers, real processes."

import json, logging, os, random, re, signal, subprocess, sys, threading, warnings
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest, torch, yaml
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import launches
from conftest import net, problem, same
from fastlr import Learner, NoSuggestion, NotRestored, find_lr
from fastlr.fingerprint import Fingerprint
from fastlr.integrations.lightning import lr_find

L = pytest.importorskip('lightning.pytorch')
PL = pytest.importorskip('pytorch_lightning')
BOTH = pytest.mark.parametrize('pl', [L, PL], ids=['lightning', 'pytorch_lightning'])
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope='module', autouse=True)
def plugins_found_once():
    "Look for plugins once. Each new trainer looks in all packages that are installed, which takes long."
    with pytest.MonkeyPatch.context() as patch:
        for name in 'lightning.fabric', 'lightning_fabric':
            registry = import_module(f'{name}.utilities.registry')
            patch.setattr(registry, 'entry_points', cache(registry.entry_points))
        yield


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# Modules write here what the tests want to know, because their own attributes are restored.
LOG = []


@pytest.fixture(autouse=True)
def empty_log():
    LOG.clear()


class Steps:
    "A small classifier, with dropout and batch norm. `make` adds the base class of either package."

    def __init__(self, lr=1e-3, optimizer=torch.optim.Adam):
        super().__init__()
        self.lr = lr
        self.optimizer = optimizer
        self.net = net()
        self.seen = []

    def training_step(self, batch, i):
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log('loss', loss)
        self.seen.append(float(loss.detach()))
        return loss

    def configure_optimizers(self):
        return self.optimizer(self.parameters(), lr=self.lr)

    def train_dataloader(self):
        return DataLoader(problem(), 16, shuffle=True)


def make(kind=Steps, pl=L, seed=0, **kw):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    return type(kind.__name__, (kind, pl.LightningModule), {})(**kw)


QUIET = dict(
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    accelerator='cpu',
    devices=1,
)


def trainer(pl=L, max_epochs=2, **kw):
    return pl.Trainer(max_epochs=max_epochs, **{**QUIET, **kw})


def loader(bs=16, **kw):
    return DataLoader(problem(), bs, **{'shuffle': True, **kw})


# A sweep of this length takes two epochs, and a third of the next one.
STEPS = 14
find = partial(lr_find, silent=True, max_lr=10.0, early_stop_threshold=None, num_training=STEPS, probe=False)
gen = lambda: torch.Generator().manual_seed(3)


def weights(m):
    return {k: v.clone() for k, v in m.state_dict().items()}


def listing(*roots):
    return sorted(str(p) for r in roots for p in Path(r).rglob('*'))


# The sweep is the same as elsewhere.


@BOTH
@pytest.mark.parametrize('k', [1, 2])
def test_one_curve_through_every_entry_point(pl, k):
    # In later epochs Lightning draws another order from the generator than a plain loop.
    dl = loader(shuffle=False, generator=gen())
    kw = dict(start_lr=1e-6, end_lr=10.0, num_it=12, stop_div=False, accumulate=k)
    torch.manual_seed(0)
    model = net()
    torch.manual_seed(1)
    a = find_lr(
        model, torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss(), dl, progress=False, **kw
    )
    torch.manual_seed(0)
    model = net()
    torch.manual_seed(1)
    b = Learner(
        (dl, None), model, partial(torch.optim.Adam, weight_decay=0.0), nn.CrossEntropyLoss(), silent=True
    ).lr_find(**kw)
    m = make(pl=pl)
    torch.manual_seed(1)
    c = find(trainer(pl, accumulate_grad_batches=k), m, dl, min_lr=1e-6, num_training=12).curve
    assert len(a) == 12 and np.ptp(a.losses) > 0.1
    # The only difference is how the options are called.
    # What an entry point calls the options, and which of them it has, are its own.
    settings = lambda curve: {k: v for k, v in curve.settings.items() if k not in ('names', 'probe')}
    for x in (b, c):
        assert np.array_equal(a.losses, x.losses)
        assert np.array_equal(a.lrs, x.lrs)
        assert settings(a) == settings(x)


def test_the_sweep_sees_the_batches_of_the_training():
    class Sums(Steps):
        def training_step(self, batch, i):
            LOG.append(float(batch[0].sum()))
            return super().training_step(batch, i)

    for run in (
        lambda t, dl: t.fit(make(Sums), dl),
        lambda t, dl: find(t, make(Sums), dl, num_training=12, batches=None),
    ):
        run(trainer(), loader(generator=gen()))
    assert LOG[:12] == LOG[12:] and len(set(LOG)) > 6


# Everything is restored.

LOADERS = dict(
    shuffled=loader,
    own_generator=lambda: loader(generator=gen()),
    workers=lambda: loader(num_workers=2),
    persistent=lambda: loader(num_workers=1, persistent_workers=True, generator=gen()),
    nested=lambda: pytest.importorskip('lightning').pytorch.utilities.CombinedLoader(
        {'a': loader(generator=gen())}, 'max_size_cycle'
    ),
)


class Nested(Steps):
    def training_step(self, batch, i):
        return super().training_step(batch['a'] if isinstance(batch, dict) else batch, i)


@pytest.mark.parametrize('name', LOADERS)
@pytest.mark.parametrize('before', ['fresh', 'trained'])
def test_a_later_fit_is_the_same(before, name):
    def training(detour):
        m, dl = make(Nested), LOADERS[name]()
        if before == 'trained':
            trainer(max_epochs=1).fit(m, dl)
        t = trainer()
        if detour:
            find(t, m, dl, num_training=8)
        t.fit(m, dl)
        return weights(m), m.seen, torch.get_rng_state(), t.global_step

    with_detour, without = training(True), training(False)
    assert same(with_detour, without) and len(without[1]) in (12, 18)


@BOTH
def test_in_the_middle_of_a_training(pl):
    "The same trainer has fitted, looks for a rate, and goes on."

    def training(detour):
        m, dl, t = make(pl=pl), loader(generator=gen()), trainer(pl, max_epochs=1)
        t.fit(m, dl)
        if detour:
            find(t, m, dl)
        t.fit_loop.max_epochs = 3
        t.fit(m, dl)
        return weights(m), m.seen, t.global_step, t.current_epoch

    assert same(training(True), training(False)) and training(False)[2:] == (18, 3)


class Counting:
    "A callback or a logger that counts its calls, and may stop the training."

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __getattribute__(self, name):
        if name.startswith('on_') or name in (
            'setup',
            'teardown',
            'log_metrics',
            'save',
            'experiment',
            'finalize',
        ):
            object.__setattr__(self, 'calls', object.__getattribute__(self, 'calls') + 1)
        return object.__getattribute__(self, name)


@BOTH
def test_the_trainer_is_restored(pl, tmp_path):
    "Lightning #15603, #17412, #19575: limits, callbacks, loggers and checkpoints were changed."
    cb, log = type('C', (Counting, pl.Callback), {})(), pl.loggers.CSVLogger(tmp_path / 'logs')
    parts = [
        cb,
        pl.callbacks.EarlyStopping('loss'),
        pl.callbacks.LearningRateMonitor(),
        pl.callbacks.ModelCheckpoint(tmp_path / 'ckpt', monitor='loss'),
    ]
    m, dl = make(pl=pl), loader()
    t = trainer(
        pl,
        max_epochs=1,
        logger=log,
        callbacks=parts,
        enable_checkpointing=True,
        default_root_dir=tmp_path / 'root',
        gradient_clip_val=0.5,
        log_every_n_steps=1,
        limit_val_batches=3,
        num_sanity_val_steps=0,
    )
    for fitted in (False, True):
        if fitted:
            t.fit(m, dl)
        loops = lambda: json.dumps(
            [l.state_dict() for l in (t.fit_loop, t.validate_loop, t.test_loop)], default=str
        )
        look = lambda: (
            list(map(id, t.callbacks)),
            list(map(id, t.loggers)),
            loops(),
            repr(t.state),
            list(map(id, t.optimizers)),
            t.global_step,
            t.current_epoch,
            t.limit_val_batches,
            t.max_epochs,
            t.max_steps,
            id(t.strategy),
            id(t.strategy.model),
            id(t.strategy.precision_plugin),
            cb.calls,
            dict(t.callback_metrics),
            t.should_stop,
            id(m._trainer),
            t.datamodule,
        )
        print_, files, before = Fingerprint(**vars(t)), listing(tmp_path), look()
        find(t, m, dl)
        assert before == look() and print_.changed() == [] and listing(tmp_path) == files
    # The fit did call it, and did write files.
    assert cb.calls > 10 and files


class Everything(Steps):
    "A module that has state of many kinds, changes it at every hook, and makes callbacks of its own."

    def __init__(self):
        super().__init__()
        self.made = []
        self.count = 0
        self.log_of = []
        self.mean = torch.zeros(2)
        self.old = torch.optim.SGD(self.parameters(), lr=0.3, momentum=0.9)
        self.save_hyperparameters({'lr': 0.3})

    def configure_callbacks(self):
        self.made.append(1)
        return [self.stopper()]

    def setup(self, stage):
        self.count += 1
        self.new = nn.Linear(2, 2)
        self.hparams['more'] = 1

    def training_step(self, batch, i):
        self.count += 1
        self.log_of.append(i)
        self.mean += 1
        self.net[0].weight.requires_grad_(True)
        random.random()
        np.random.rand()
        return super().training_step(batch, i)

    def configure_optimizers(self):
        return self.old

    def on_train_batch_end(self, *args):
        self.hparams.lr *= 0.9


@BOTH
def test_module_and_data_are_restored(pl):
    Everything.stopper = lambda self: pl.callbacks.EarlyStopping('no such metric')

    class Data(pl.LightningDataModule):
        def __init__(self):
            super().__init__()
            self.rng, self.calls, self.rows = np.random.default_rng(0), 0, problem()

        def setup(self, stage):
            self.calls += 1
            self.dl = loader(generator=gen())

        def train_dataloader(self):
            self.calls += 1
            self.rng.random()
            return self.dl

        def teardown(self, stage):
            self.calls += 1

        def on_exception(self, e):
            self.calls += 1

    m, dm, t = make(Everything, pl), Data(), trainer(pl)
    for x in (dict(datamodule=dm), dict(train_dataloaders=dm)):
        prints = Fingerprint(leave_out=(t,), module=m, datamodule=dm, optimizer=m.old)
        found = find(t, m, verify=True, **x)
        assert prints.changed() == [] and m.made == [] and len(found.curve) == STEPS
    t = trainer(pl, max_epochs=1)
    with pytest.raises((RuntimeError, ValueError, Exception), match='no such metric'):
        # This is what the callback does where it is run.
        t.fit(m, datamodule=dm)
    assert m.count > 0 and dm.calls > 0


def test_what_the_module_reaches_in_other_ways():
    "A loader that it holds, and an optimizer and a scheduler that it only names."

    class Reaches(Steps):
        def __init__(self):
            super().__init__()
            self.dl = loader(generator=gen())

        def train_dataloader(self):
            return self.dl

        def configure_optimizers(self):
            return [opt], [sched]

    m = make(Reaches)
    opt = torch.optim.SGD(m.parameters(), lr=0.3, momentum=0.9)
    sched = torch.optim.lr_scheduler.StepLR(opt, 2)
    for fitted in (False, True):
        if fitted:
            trainer(max_epochs=1).fit(m)
        prints = Fingerprint(module=m, opt=opt, sched=sched, dl=m.dl)
        find(trainer(), m)
        assert prints.changed() == []


def test_a_loader_that_a_hook_draws_from():
    class Draws(Steps):
        def setup(self, stage):
            next(iter(dl))

    dl = loader(generator=gen())
    m = make(Draws)
    prints = Fingerprint(module=m, dl=dl)
    find(trainer(), m, dl)
    assert prints.changed() == []


def test_verify_names_what_could_not_be_restored():
    hidden = []

    class Hides(Steps):
        def __init__(self):
            super().__init__()
            self.box = Box()

        def training_step(self, batch, i):
            self.box.n += 1
            return super().training_step(batch, i)

    class Box:
        n = 0

    m = make(Hides)
    with pytest.raises(NotRestored, match='module.box'):
        find(trainer(), m, loader(), verify=True)


@BOTH
def test_surroundings(pl, capfd, recwarn, request):
    """Environment, signals, levels, filters and switches are restored.

    Lightning prints nothing, and the module does."""

    class Talks(Steps):
        def training_step(self, batch, i):
            if i == 0:
                os.environ['FROM_A_MODULE'] = '1'
                print('from the module')
                warnings.warn('a warning of the module')
            self.log('whole', torch.tensor(1))
            return super().training_step(batch, i)

    caches = lambda: [
        sorted(map(str, m.warning_cache))
        for n, m in list(sys.modules.items())
        if 'lightning' in n and hasattr(m, 'warning_cache')
    ]
    look = lambda: (
        caches(),
        dict(os.environ),
        [signal.getsignal(s) for s in signal.valid_signals()],
        os.getcwd(),
        list(warnings.filters),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(),
        {n: l.level for n, l in logging.Logger.manager.loggerDict.items() if isinstance(l, logging.Logger)},
    )
    m, t = make(Talks, pl), trainer(pl)

    class Said(logging.Handler):
        def emit(self, record):
            LOG.append(record.getMessage())

    for n in ('lightning.pytorch', 'lightning.fabric', 'pytorch_lightning', 'lightning_fabric'):
        logging.getLogger(n).addHandler(Said())
        request.addfinalizer(lambda n=n: logging.getLogger(n).handlers.pop())
    capfd.readouterr()
    recwarn.clear()
    before = look()
    find(t, m, loader())
    out, err = capfd.readouterr()
    assert (
        LOG == []
        and look() == before
        and out.startswith('from the module')
        and set(out.split('\n')) == {'from the module', ''}
        and err == ''
        and {str(w.message) for w in recwarn} == {'a warning of the module'}
    )
    t.fit(m, loader())
    del os.environ['FROM_A_MODULE']
    # Lightning still reports.
    assert any('stopped' in x for x in LOG)


class Breaks(Steps):
    where, error = None, None

    def _maybe(self, place):
        if self.where == place:
            self.count = getattr(self, 'count', 0) + 1
            raise self.error

    def setup(self, stage):
        self._maybe('setup')

    def configure_optimizers(self):
        self._maybe('configure_optimizers')
        return super().configure_optimizers()

    def on_train_start(self):
        self._maybe('on_train_start')

    def teardown(self, stage):
        self._maybe('teardown')

    def training_step(self, batch, i):
        if len(self.seen) > 3:
            self._maybe('training_step')
        return super().training_step(batch, i)


@BOTH
@pytest.mark.parametrize('error', [ZeroDivisionError('broken'), KeyboardInterrupt()], ids=['error', 'Ctrl-C'])
@pytest.mark.parametrize(
    'place', ['setup', 'configure_optimizers', 'on_train_start', 'training_step', 'teardown']
)
def test_errors_and_interrupts_are_raised_and_everything_is_restored(pl, place, error):
    m, dl, t = make(Breaks, pl), loader(generator=gen()), trainer(pl)
    m.where, m.error = place, error
    prints, before = (
        Fingerprint(leave_out=(t, error), module=m, loader=dl),
        [signal.getsignal(s) for s in signal.valid_signals()],
    )
    with pytest.raises(type(error)):
        find(t, m, dl)
    assert (
        prints.changed() == []
        and [signal.getsignal(s) for s in signal.valid_signals()] == before
        and t.state.status == 'initializing'
    )


def test_in_another_thread_and_without_gradients():
    m, dl, found = make(), loader(generator=gen()), []
    prints = Fingerprint(module=m, loader=dl)
    thread = threading.Thread(target=lambda: found.append(find(trainer(), m, dl)))
    thread.start()
    thread.join()
    with torch.no_grad():
        found.append(find(trainer(), m, dl))
        assert not torch.is_grad_enabled()
    assert [len(f.curve) for f in found] == [STEPS, STEPS] and prints.changed() == []


def test_a_real_interrupt(request):
    # A job in the background is started with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    class Presses(Steps):
        def training_step(self, batch, i):
            if len(self.seen) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            return super().training_step(batch, i)

    m, dl = make(Presses), loader()
    prints, handler = Fingerprint(module=m, loader=dl), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        find(trainer(), m, dl)
    assert prints.changed() == [] and signal.getsignal(signal.SIGINT) is handler


@BOTH
def test_a_failed_run_leaves_nothing_behind(pl):
    "pytorch-forecasting #1863: the next run failed, too."
    m, dl, t = make(Breaks, pl), loader(generator=gen()), trainer(pl)
    m.where, m.error = 'training_step', ZeroDivisionError('broken')
    with pytest.raises(ZeroDivisionError):
        find(t, m, dl)
    m.where = m.error = None
    fresh = make(Breaks, pl)
    a = find(trainer(pl), fresh, loader(generator=gen())).curve
    torch.manual_seed(0)
    # Start from the same random state as then.
    fresh = make(Breaks, pl)
    assert np.array_equal(find(t, m, dl).curve.losses, a.losses)
    t.fit(m, dl)
    assert t.global_step == 12


# What is measured.


class Writes(Steps):
    "A module without dropout that notes the rate and the loss of each batch."

    def training_step(self, batch, i):
        loss = super().training_step(batch, i)
        LOG.append((self.trainer.optimizers[0].param_groups[0]['lr'], float(loss.detach())))
        return loss


@BOTH
def test_with_accumulation_a_point_is_an_update(pl):
    "Lightning #1726: a point is an update, with its mean loss; the rest of the last window makes a step too."
    m, rows = make(Writes, pl), LOG
    # With 6 batches an epoch the windows have 4, 2, 4, 2 and 4.
    curve = find(trainer(pl, accumulate_grad_batches=4), m, loader(shuffle=False), num_training=5).curve
    assert [len(rows), len(curve), curve.settings['accumulate']] == [16, 5, 4]
    for i, (a, b) in enumerate([(0, 4), (4, 6), (6, 10), (10, 12), (12, 16)]):
        assert {lr for lr, _ in rows[a:b]} == {curve.lrs[i]} and curve.losses[i] == pytest.approx(
            np.mean([l for _, l in rows[a:b]]), rel=1e-6
        )


def test_earlier_training_does_not_stop_the_sweep():
    "Lightning #4846: the counter was the trainer's, so the sweep ended at once."
    m, t = make(), trainer(max_epochs=5)
    t.fit(m, loader())
    n = t.global_step
    curve = find(t, m, loader()).curve
    assert n == 30 and len(curve) == STEPS and curve.stop_reason == 'end' and t.global_step == n


@pytest.mark.parametrize(
    'limits',
    [
        dict(max_epochs=1),
        dict(max_epochs=-1, max_steps=3),
        dict(max_epochs=0),
        dict(max_epochs=2, min_epochs=2, min_steps=50),
        dict(max_epochs=1, limit_train_batches=2),
        dict(max_epochs=1, overfit_batches=1),
        dict(max_epochs=1, reload_dataloaders_every_n_epochs=1),
        dict(max_epochs=1, max_time='00:00:00:00'),
    ],
    ids=str,
)
def test_limits_of_the_trainer_are_seen_and_raised_where_they_must(limits):
    seen = []

    class Looks(Steps):
        def training_step(self, batch, i):
            LOG.append(
                (
                    self.trainer.current_epoch + 1,
                    self.trainer.max_epochs,
                    self.trainer.global_step + 1,
                    self.trainer.max_steps,
                )
            )
            return super().training_step(batch, i)

        def configure_optimizers(self):
            seen.append(
                (self.trainer.estimated_stepping_batches, self.trainer.max_epochs, self.trainer.max_steps)
            )
            return super().configure_optimizers()

    m, t = make(Looks), trainer(**limits)
    assert len(find(t, m, loader()).curve) == STEPS and len(LOG) == STEPS
    # The limits look as always until they are reached.
    for epoch, max_epochs, step, max_steps in LOG:
        assert max_epochs == (
            t.max_epochs if t.max_epochs < 0 else max(t.max_epochs, epoch)
        ) and max_steps == (-1 if t.max_steps < 0 else max(t.max_steps, step))
    if limits['max_epochs'] != 0:
        t.fit(m, loader())
        assert seen[0] == seen[1]


@pytest.mark.parametrize('name', ['plateau', 'one_cycle', 'warmup', 'by hand'])
def test_schedulers_stand_still(name):
    class Scheduled(Steps):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = name != 'by hand'

        def configure_optimizers(self):
            o, S = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9), torch.optim.lr_scheduler
            if name == 'plateau':
                return {
                    'optimizer': o,
                    'lr_scheduler': {'scheduler': S.ReduceLROnPlateau(o), 'monitor': 'val_loss'},
                }
            if name == 'one_cycle':
                return [o], [
                    {
                        'scheduler': S.OneCycleLR(
                            o, 0.5, total_steps=self.trainer.estimated_stepping_batches
                        ),
                        'interval': 'step',
                    }
                ]
            return [o], [{'scheduler': S.LambdaLR(o, lambda i: min(1, i / 10)), 'interval': 'step'}]

        def training_step(self, batch, i):
            loss = super().training_step(batch, i)
            assert self.lr_schedulers().get_last_lr()
            if name == 'by hand':
                o = self.optimizers()
                o.zero_grad()
                self.manual_backward(loss)
                o.step()
                self.lr_schedulers().step()
                return loss
            return loss

    curve = find(trainer(max_epochs=1), make(Scheduled), loader(), min_lr=1e-4).curve
    assert np.allclose(curve.lrs, np.geomspace(1e-4, 10, STEPS)) and len(curve) == STEPS


def test_a_rate_set_by_the_module_is_an_error():
    class Warms(Steps):
        def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
            optimizer.step(closure=optimizer_closure)
            for g in optimizer.param_groups:
                g['lr'] = 1e-3 * (self.trainer.global_step + 1)

    m = make(Warms)
    prints = Fingerprint(module=m)
    with pytest.raises(ValueError, match='the rate was set to.*a scheduler in configure_optimizers'):
        find(trainer(), m, loader())
    assert prints.changed() == []


class Gan(nn.Module):
    "A module with two optimizers, one after the other."

    returns, logs, kw = True, 'g_loss', {}

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.g, self.d = nn.Linear(6, 6), nn.Linear(6, 1)

    def training_step(self, batch, i):
        og, od = self.optimizers()
        fake, bce = self.g(torch.randn_like(batch[0])), nn.functional.binary_cross_entropy_with_logits
        d = bce(self.d(batch[0]), torch.ones(len(fake), 1)) + bce(
            self.d(fake.detach()), torch.zeros(len(fake), 1)
        )
        od.zero_grad()
        self.manual_backward(d)
        od.step()
        if i % 2 == 0 or not self.returns:
            g = bce(self.d(fake), torch.ones(len(fake), 1))
            og.zero_grad()
            self.manual_backward(g)
            og.step()
            LOG.append(float(g.detach()))
            if self.logs:
                self.log(self.logs, g, **self.kw)
        if self.returns:
            return d

    def configure_optimizers(self):
        return torch.optim.Adam(self.g.parameters(), lr=1e-3), torch.optim.Adam(self.d.parameters(), lr=2e-3)


@BOTH
@pytest.mark.parametrize('returns, monitor', [(True, None), (False, 'g_loss'), (True, 'g_loss')])
def test_several_optimizers_and_manual_optimization(pl, returns, monitor):
    "pytorch-lr-finder #16: this was impossible there, and in Lightning."
    m = make(Gan, pl)
    m.returns, history = returns, LOG
    before = weights(m)
    curve = find(
        trainer(pl, max_epochs=1, max_steps=4), m, loader(), min_lr=1e-6, max_lr=1e-1, monitor=monitor
    ).curve
    assert same(before, weights(m))
    if returns and monitor:
        # A batch without a loss is in the window of the next one.
        assert set(np.float32(curve.losses)) <= set(np.float32(history)) and len(set(curve.losses)) == STEPS
    else:
        assert len(curve) == STEPS
    if monitor and not returns:
        assert np.array_equal(np.float32(curve.losses), np.float32(history[:STEPS]))
    assert np.allclose(curve.group_lrs[:, 0] * 2, curve.group_lrs[:, 1]) and np.allclose(
        curve.lrs, curve.group_lrs[:, 1]
    )


@pytest.mark.parametrize(
    'logs, kw, monitor, words',
    [
        ('g_loss', {}, None, "pass monitor=.*Logged were 'g_loss'"),
        (None, {}, 'g_loss', 'Logged were nothing'),
        ('g_loss', {}, 'gloss', "monitor='gloss'"),
        ('g_loss', dict(on_epoch=True, on_step=False), 'g_loss', 'on_step=True'),
    ],
)
def test_no_loss_to_record(logs, kw, monitor, words):
    m = make(Gan)
    m.returns, m.logs, m.kw = False, logs, kw
    with pytest.raises(ValueError, match=words):
        find(trainer(), m, loader(), monitor=monitor)


def test_a_step_that_never_returns_a_loss_is_reported():
    "With a forgotten `return` Lightning trains on silently, and there would never be a point."

    class Forgets(Steps):
        def training_step(self, batch, i):
            super().training_step(batch, i)

    with pytest.raises(ValueError, match='training_step returned no loss'):
        find(trainer(), make(Forgets), loader())


def test_manual_accumulation_counts_steps_not_batches():
    class Manual(Writes):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch, i):
            loss, o = super().training_step(batch, i), self.optimizers()
            self.manual_backward(loss / 3)
            if (i + 1) % 3 == 0:
                o.step()
                o.zero_grad()
            return loss

    m, rows = make(Manual), LOG
    curve = find(trainer(), m, loader()).curve
    assert (
        len(rows) == 3 * STEPS
        and np.allclose(curve.losses, np.reshape([l for _, l in rows], (STEPS, 3)).mean(1))
        and np.array_equal(np.reshape([r for r, _ in rows], (STEPS, 3))[:, 2], curve.lrs)
    )


def test_skipped_batches_and_skipped_steps():
    class Skips(Steps):
        def training_step(self, batch, i):
            if i == 2:
                return None
            loss = super().training_step(batch, i)
            LOG.append(float(loss.detach()))
            return loss

        def optimizer_step(self, epoch, i, optimizer, closure):
            if i % 2:
                closure()
            else:
                optimizer.step(closure)

    m, seen = make(Skips), LOG
    # Of 6 batches 0, 2 and 4 make a step, 2 without a loss; 1 and 5 go with the next one.
    curve = find(trainer(), m, loader()).curve
    assert (
        len(curve) == STEPS
        and np.isclose(curve.losses[0], seen[0])
        and np.isclose(curve.losses[1], seen[1])
        and np.isclose(curve.losses[2], np.mean(seen[2:4]))
    )


@BOTH
def test_settings_of_the_trainer_arrive(pl):
    class Looks(Steps):
        def training_step(self, batch, i):
            assert (
                torch.is_anomaly_enabled()
                and len(self.loggers) == 2
                and self.trainer.num_training_batches == 5
                and self.trainer.sanity_checking is False
            )
            self.logger.experiment.add_scalar('x', 1)
            self.loggers[1].log_metrics({}, 1)
            return super().training_step(batch, i)

        def on_before_zero_grad(self, optimizer):
            LOG.append(
                max([p.grad.abs().max().item() for p in self.parameters() if p.grad is not None], default=0.0)
            )

        def validation_step(self, batch, i):
            pytest.fail('it validates')

        def val_dataloader(self):
            pytest.fail('it asks for validation data')

    m = make(Looks, pl)
    t = trainer(
        pl,
        logger=[pl.loggers.CSVLogger('a'), pl.loggers.CSVLogger('b')],
        gradient_clip_val=1e-3,
        gradient_clip_algorithm='value',
        detect_anomaly=True,
        limit_train_batches=5,
        val_check_interval=3,
        max_epochs=1,
    )
    find(t, m, loader())
    assert 0 < max(LOG) <= 1.001e-3 and listing('.') == []


@pytest.mark.parametrize('precision', ['bf16-mixed', '32-true', '64-true', 'bf16-true'])
def test_precision(precision):
    kinds = []

    class Looks(Steps):
        def training_step(self, batch, i):
            kinds.append(
                (self.net(batch[0]).dtype, self.net[0].weight.dtype, torch.is_autocast_enabled('cpu'))
            )
            return super().training_step(batch, i)

    m, t = make(Looks), trainer(precision=precision)
    before = weights(m)
    curve = find(t, m, loader()).curve
    assert same(before, weights(m)) and len(curve) == STEPS and m.net[0].weight.dtype == torch.float32
    assert set(kinds) == {
        {
            'bf16-mixed': (torch.bfloat16, torch.float32, True),
            '32-true': (torch.float32,) * 2 + (False,),
            '64-true': (torch.float64,) * 2 + (False,),
            'bf16-true': (torch.bfloat16,) * 2 + (False,),
        }[precision]
    }
    t.fit(m, loader())


def test_a_gradient_scaler_is_copied_and_what_it_skips_is_not_a_point():
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0**40, growth_interval=10**6)
    m, dl = make(Writes), loader()
    t = trainer(plugins=L.plugins.MixedPrecision('16-mixed', 'cpu', scaler=scaler))
    curve = find(t, m, dl).curve
    # The last loss at each rate is compared.
    assert (
        len(LOG) > STEPS + 5
        and np.allclose(curve.losses, list(dict(LOG).values()), rtol=1e-3)
        and len(curve) == STEPS
    )
    assert scaler.get_scale() == 2.0**40 and scaler._scale is None
    t.fit(m, dl)
    assert scaler.get_scale() < 2.0**40


def test_data_that_cannot_begin_again():
    class Once(IterableDataset):
        def __init__(self):
            self.rows = iter(problem())

        def __iter__(self):
            return self.rows

    curve = find(trainer(), make(), DataLoader(Once(), 8), batches=None).curve
    assert curve.stop_reason == 'data' and len(curve) == 12
    # It need not begin again where the sweep goes round a few batches.
    curve = find(trainer(), make(), DataLoader(Once(), 8)).curve
    assert curve.stop_reason == 'end' and curve.batches.tolist() == [i % 8 for i in range(STEPS)]


def test_an_empty_loader_and_a_training_that_never_steps():
    for dl in ([], DataLoader(TensorDataset(torch.zeros(0, 6)), 4)):
        with pytest.raises((ValueError, IndexError, TypeError)):
            find(trainer(), make(), dl)

    class Nothing(Steps):
        def training_step(self, batch, i):
            return None

        def optimizer_step(self, *args):
            args[-1]()

    with pytest.raises(ValueError, match='without a step'):
        find(trainer(), make(Nothing), loader())
    with pytest.raises(ValueError, match='no batch'):
        find(trainer(limit_train_batches=0), make(), loader())


def test_stopping():
    found = lr_find(trainer(), make(optimizer=torch.optim.SGD), loader(), max_lr=1e5, silent=True)
    assert (
        found.curve.stop_reason in ('diverged', 'non-finite')
        and len(found.curve) < 100
        and found.curve.settings['stop_div'] == 4
    )
    found = lr_find(
        trainer(),
        make(),
        loader(),
        early_stop_threshold=None,
        mode='linear',
        min_lr=1e-3,
        num_training=30,
        silent=True,
    )
    assert (
        len(found.curve) == 30
        and np.allclose(np.diff(found.curve.lrs), (1 - 1e-3) / 29)
        and found.curve.settings['stop_div'] is False
    )


@pytest.mark.parametrize('compiled', [False, True])
def test_where_the_data_comes_from(compiled):
    class Bare(Steps):
        def training_step(self, batch, i):
            return cross_entropy(self.net(batch[0]), batch[1])

    m = make(Bare)
    whole = torch.compile(m, backend='eager') if compiled else m
    prints = Fingerprint(module=m)
    a, b = find(trainer(), whole).curve, find(trainer(), whole, loader()).curve
    assert np.array_equal(a.losses, b.losses) and prints.changed() == []


# What is printed, and what is set.

from fastlr import digits_data


class Digits(Steps):
    def __init__(self, **attrs):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        del self.lr
        if hp := attrs.pop('hp', None):
            self.save_hyperparameters(hp)
        for k, v in attrs.items():
            setattr(self, k, v)

    def configure_optimizers(self):
        return torch.optim.Adam(
            self.parameters(), lr=getattr(self, 'lr', None) or self.hparams.get('lr') or 1e-3
        )


DATA = digits_data().train_dl


@BOTH
@pytest.mark.parametrize(
    'attrs, name, read',
    [
        (dict(lr=0.5), '', lambda m: m.lr),
        (dict(learning_rate=None), '', lambda m: m.learning_rate),
        (dict(hp=dict(lr=1)), '', lambda m: m.hparams.lr),
        (dict(rate=1.0, lr=0.7), 'rate', lambda m: m.rate),
        (dict(hp=dict(rate=1.0), lr=0.7), 'rate', lambda m: m.hparams['rate']),
    ],
)
def test_what_is_set_is_what_the_next_fit_uses(pl, attrs, name, read, capsys):
    "Lightning #21030: what is reported as set is set, and the next fit uses it."
    m, t = make(Digits, pl, **attrs), trainer(pl, max_epochs=1, max_steps=2)
    found = lr_find(t, m, DATA, num_training=50, update_attr=True, attr_name=name)
    lr = found.curve.suggest().lr
    assert read(m) == lr
    assert 5e-3 < lr < 0.2
    assert f'Learning rate set to {lr:.2E}, as model.' in capsys.readouterr().out
    if name == 'rate':
        assert m.lr == 0.7
    elif 'learning_rate' not in attrs:
        t.fit(m, DATA)
        assert t.optimizers[0].param_groups[0]['lr'] == lr


S = torch.optim.lr_scheduler


def by_step(scheduler):
    return dict(scheduler=scheduler, interval='step')


def steps_of(m):
    return m.trainer.estimated_stepping_batches


def hf(name, m, opt):
    "A schedule of transformers, which is a `LambdaLR`."
    make = getattr(import_module('transformers'), name)
    kw = {} if name.startswith('get_constant') else dict(num_training_steps=steps_of(m))
    return [opt], [by_step(make(opt, num_warmup_steps=4, **kw))]


def in_sequence(m, opt):
    parts = [S.LinearLR(opt, 0.1, 1.0, 4), S.CosineAnnealingLR(opt, steps_of(m) - 4)]
    return [dict(optimizer=opt, lr_scheduler=by_step(S.SequentialLR(opt, parts, [4])))]


def chained(m, opt):
    parts = [S.LinearLR(opt, 0.1, 1.0, 4), S.CosineAnnealingLR(opt, steps_of(m))]
    return [opt], [by_step(S.ChainedScheduler(parts))]


def scaled_down(m, opt):
    "The lambda holds a rate of its own, so the attribute is a factor."
    return [opt], [by_step(S.LambdaLR(opt, lambda i: 0.01 * min(1, (i + 1) / 5)))]


# What configure_optimizers returns for module and optimizer, and the schedule that this is in a training of
# two epochs with 22 updates each; None if it isn't known.
FORMS = dict(
    one_cycle=(lambda m, o: ([o], [by_step(S.OneCycleLR(o, m.lr, total_steps=steps_of(m)))]), 'one_cycle'),
    as_dict=(
        lambda m, o: dict(optimizer=o, lr_scheduler=by_step(S.OneCycleLR(o, m.lr, steps_of(m)))),
        'one_cycle',
    ),
    cosine=(lambda m, o: ([o], [by_step(S.CosineAnnealingLR(o, steps_of(m)))]), 'cosine'),
    cosine_by_epoch=(lambda m, o: ([o], [S.CosineAnnealingLR(o, m.trainer.max_epochs)]), 'linear'),
    beginning=(lambda m, o: ([o], [S.CosineAnnealingLR(o, 100)]), 'constant'),
    polynomial=(lambda m, o: ([o], [by_step(S.PolynomialLR(o, steps_of(m)))]), 'linear'),
    sequence=(in_sequence, 'cosine'),
    chained=(chained, 'cosine'),
    hf_cosine=(partial(hf, 'get_cosine_schedule_with_warmup'), 'cosine'),
    hf_linear=(partial(hf, 'get_linear_schedule_with_warmup'), 'linear'),
    hf_constant=(partial(hf, 'get_constant_schedule_with_warmup'), 'constant'),
    warm_up=(lambda m, o: ([o], [by_step(S.ConstantLR(o, 0.1, 5))]), 'constant'),
    scaled_down=(scaled_down, 'constant'),
    plateau=(
        lambda m, o: dict(optimizer=o, lr_scheduler=dict(scheduler=S.ReduceLROnPlateau(o), monitor='loss')),
        'constant',
    ),
    cycles=(
        lambda m, o: ([o], [by_step(S.CyclicLR(o, m.lr / 10, m.lr, step_size_up=3, cycle_momentum=False))]),
        None,
    ),
    exponential=(lambda m, o: ([o], [S.ExponentialLR(o, 0.1)]), None),
    two=(lambda m, o: ([o], [by_step(S.LinearLR(o, 0.1, 1.0, 5)), S.CosineAnnealingLR(o, 2)]), None),
    none=(lambda m, o: o, 'constant'),
)


class Scheduled(Digits):
    "It notes the rate with which each step of a training is taken."

    def configure_optimizers(self):
        return self.form(self, torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9))

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure):
        LOG.append(max(g['lr'] for g in optimizer.param_groups))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


SHORT = dict(num_training=20, probe=False, update_attr=True)


@pytest.mark.parametrize('name', FORMS)
def test_schedules_are_recognized_by_the_rates_that_they_set(name, measured, capsys):
    "The highest rate that the optimizer then uses is the suggested one."
    form, schedule = FORMS[name]
    m = make(Scheduled, lr=0.7, form=form)
    found = lr_find(trainer(), m, DATA, **SHORT)
    LOG.clear()
    trainer().fit(m, DATA)
    assert max(LOG) == pytest.approx(found.suggestion(), rel=0.05)
    assert found.schedule == (schedule or 'constant')
    assert found.suggestion() == found.curve.suggest().peak(found.schedule)
    said = capsys.readouterr().out
    assert ("isn't known" in said) == (schedule is None)
    assert ('as the schedule of' in said) == (schedule == 'constant' and name != 'none')
    assert ('of which the optimizers make' in said) == (name == 'scaled_down')
    assert 'The highest rate' not in said


def test_a_schedule_that_is_stepped_too_rarely_is_told(measured, capsys):
    "Lightning steps a scheduler once per epoch by default, which one of updates isn't made for."
    form = lambda m, o: ([o], [S.OneCycleLR(o, m.lr, total_steps=steps_of(m))])
    for options in (SHORT, {**SHORT, 'update_attr': False}):
        m = make(Scheduled, lr=0.7, form=form)
        lr_find(trainer(), m, DATA, **options)
        LOG.clear()
        said = capsys.readouterr().out
        assert "since the schedule of configure_optimizers (OneCycleLR) isn't known" in said
        assert (
            "times that of the optimizers, because of OneCycleLR, stepped 2 times with interval='epoch'"
            in said
        )
        # What the optimizers have after one of two epochs, of which the schedule makes a twentieth.
        highest = float(re.search('The highest rate of this training is ([^,]+),', said)[1])
        trainer().fit(m, DATA)
        assert highest == pytest.approx(max(LOG), rel=1e-2)
        assert "interval='step'" in said


def one_cycle(**options):
    "Return a form whose scheduler gets the `options`, which may be functions of the module."

    def form(m, opt):
        given = dict(max_lr=m.lr, total_steps=steps_of(m)) | {
            name: option(m) if callable(option) else option for name, option in options.items()
        }
        return [opt], [by_step(S.OneCycleLR(opt, **given))]

    return form


def cyclic(m, opt):
    return [opt], [by_step(S.CyclicLR(opt, 1e-4, 1e-2, step_size_up=4, cycle_momentum=False))]


def in_parts(m, opt):
    parts = [S.ConstantLR(opt, 0.1, 4), S.OneCycleLR(opt, 0.01, total_steps=steps_of(m))]
    return [opt], [by_step(S.SequentialLR(opt, parts, [4]))]


class OwnRates(S.LRScheduler):
    "It takes no notice of the optimizer's rate, as many that people write for a warm-up."

    def get_lr(self):
        return [0.01 * min(1, (self.last_epoch + 1) / 5)] * len(self.base_lrs)


FIXED = (
    "Note: (.*) sets the same rates whatever model.lr is, so a training won't use the rate that was set, but "
    r'(\S*) at most: pass it there\.'
)


@pytest.mark.parametrize(
    'form, name',
    [
        (one_cycle(max_lr=0.01), 'OneCycleLR'),
        (cyclic, 'CyclicLR'),
        (in_parts, 'SequentialLR'),
        (lambda m, o: ([o], [by_step(OwnRates(o))]), 'OwnRates'),
        (one_cycle(max_lr=lambda m: 10 * m.lr), ''),
    ],
    ids=['literal', 'cyclic', 'in parts', 'own', 'factor'],
)
def test_a_maximum_that_does_not_follow_the_attribute_is_told(form, name, measured, capsys):
    "The optimizer does get the attribute, so the remedy is in the scheduler."
    m = make(Scheduled, lr=0.001, form=form)
    found = lr_find(trainer(), m, DATA, **SHORT)
    said = capsys.readouterr().out
    LOG.clear()
    trainer().fit(m, DATA)
    assert max(LOG) == pytest.approx(0.01 if name else found.suggestion(), rel=1e-2)
    told = [(by, float(highest)) for by, highest in re.findall(FIXED, said)]
    assert told == ([(name, pytest.approx(max(LOG), rel=1e-2))] if name else [])
    assert 'makes optimizers with the same rates' not in said and 'The highest rate' not in said


@pytest.mark.parametrize('every', ['step', 'epoch'])
def test_a_schedule_that_ends_before_the_training_is_told(every, measured, capsys):
    "Lightning raises the error in the middle of the training."
    n = dict(step=20, epoch=1)[every]
    form = lambda m, o: ([o], [dict(scheduler=S.OneCycleLR(o, m.lr, total_steps=n), interval=every)])
    m = make(Scheduled, lr=0.001, form=form)
    lr_find(trainer(), m, DATA, **SHORT)
    said = capsys.readouterr().out
    with pytest.raises(ValueError, match='Tried to step') as e:
        trainer().fit(m, DATA)
    steps = 44 if every == 'step' else 2
    assert (
        f"Note: This training would end with an error: of OneCycleLR, with interval='{every}', "
        f'step {n + 1} of {steps} raises ValueError: {e.value}. It needs total_steps={steps} or more.\n'
    ) in said


def test_a_schedule_that_the_module_steps_in_its_own_way_is_not_held_to_end_early(measured, capsys):
    class Rarely(Scheduled):
        def lr_scheduler_step(self, scheduler, metric):
            if self.global_step % 4 == 0:
                scheduler.step()

    m = make(Rarely, lr=0.001, form=one_cycle(total_steps=20))
    lr_find(trainer(), m, DATA, **SHORT)
    assert 'error' not in capsys.readouterr().out
    trainer().fit(m, DATA)


def test_a_scheduler_that_is_tried_out_stays_as_it_is():
    class Counts(S.LambdaLR):
        def step(self, *args):
            LOG.append(self)
            super().step(*args)

    kept = []

    def form(m, opt):
        # The same objects in each training.
        if not kept:
            kept.extend([opt, Counts(opt, lambda i: 1 / (i + 1))])
        LOG.clear()
        return [kept[0]], [by_step(kept[1])]

    m = make(Scheduled, lr=0.1, form=form)
    m.form(m, torch.optim.SGD(m.parameters(), lr=0.1))
    before = kept[1].state_dict()
    lr_find(trainer(), m, DATA, num_training=20, probe=False, silent=True)
    assert kept[1].state_dict() == before and kept[0].param_groups[0]['lr'] == 0.1
    # The first step was that of its __init__.
    assert {id(s) for s in LOG if not isinstance(s, float)} - {id(kept[1])}


def test_a_schedule_of_manual_optimization():
    class ByHand(Scheduled):
        def __init__(self, **kw):
            super().__init__(**kw)
            self.automatic_optimization = False

        def training_step(self, batch, i):
            opt, loss = self.optimizers(), super().training_step(batch, i)
            opt.zero_grad()
            self.manual_backward(loss)
            opt.step()
            return loss

    for schedule, n in dict(cosine=44, constant=500).items():
        m = make(ByHand, lr=0.1, form=lambda m, o: ([o], [S.CosineAnnealingLR(o, n)]))
        assert find(trainer(), m, DATA).schedule == schedule
    m = make(ByHand, lr=0.1, form=lambda m, o: ([o], [S.LinearLR(o, 1.0, 0.0, 2)]))
    assert find(trainer(), m, DATA).schedule == 'linear'


@BOTH
def test_the_rate_is_for_the_schedule_of_the_module(pl, measured, capsys):
    m = make(Scheduled, pl, lr=0.7, form=FORMS['one_cycle'][0])
    found = lr_find(trainer(pl), m, DATA, **SHORT)
    assert found.suggestion() == m.lr == 6e-3 and type(m.lr) is float
    for other in ('constant', 'cosine'):
        assert found.suggestion(schedule=other) == found.curve.suggest().peak(other)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        'Learning rate set to 6.00E-03, as model.lr, the maximum of the one-cycle schedule of '
        'configure_optimizers (3.00E-03 for a constant rate, range 1.0E-03 to 9.0E-03)'
    )


TOO_LOW = dict(min_lr=1e-9, max_lr=1e-8, num_training=50, probe=False, batches=None)


def test_a_missing_suggestion_is_an_error():
    "Lightning #10557, #4846: the suggestion was None, or an IndexError came later."
    m, t = make(Digits, lr=0.7), trainer()
    found = lr_find(t, m, DATA, **TOO_LOW)
    assert found.results['lr']
    assert 'no suggestion' in repr(found)
    with pytest.raises(NoSuggestion):
        found.suggestion()
    with pytest.raises(NoSuggestion):
        lr_find(t, m, DATA, update_attr=True, **TOO_LOW)
    assert m.lr == 0.7


def test_what_is_printed(capsys):
    t = trainer()
    capsys.readouterr()
    lr_find(t, make(Digits), DATA, num_training=50, probe=False)
    assert capsys.readouterr().out.startswith('Suggested learning rate: ')
    lr_find(t, make(Digits), DATA, **TOO_LOW)
    said = capsys.readouterr().out
    assert said.startswith('No learning rate is suggested: ') and 'not set' not in said
    lr_find(t, make(Digits), DATA, num_training=50, silent=True)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize(
    'attrs, remedy',
    [
        (dict(lr=0.002), '2.00E-03 at most. To set it, as model.lr, pass update_attr=True.'),
        (
            dict(lr=0.002, hp=dict(lr=1)),
            'To set it, as model.lr and model.hparams.lr, pass update_attr=True.',
        ),
        (dict(lr=0.002, learning_rate=1.0), 'To set it, pass update_attr=True, and attr_name.'),
        (dict(), '1.00E-03 at most. To set it, pass it to the optimizer.'),
    ],
)
def test_whether_the_rate_was_set_is_said_and_how_to_do_it(attrs, remedy, measured, capsys):
    m = make(Digits, **attrs)
    before = m.lr if attrs else None
    lr_find(trainer(), m, DATA, num_training=20, probe=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('The rate was not set')]
    assert len(lines) == 1 and lines[0].endswith(remedy)
    assert not attrs or m.lr == before
    if 'as model' in remedy:
        lr_find(trainer(), m, DATA, **SHORT)
        assert 'not set' not in capsys.readouterr().out and m.lr == 3e-3


def test_the_rate_for_the_schedule_is_marked(measured):
    m = make(Scheduled, lr=0.7, form=FORMS['cosine'][0])
    found = lr_find(trainer(), m, DATA, silent=True, **SHORT)
    ax = found.plot().axes[0]
    marked = {
        line.get_label(): line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() in ('D', 6)
    }
    constant = 'for a constant rate: 3.00e-03 (1.0e-03 to 9.0e-03)'
    assert marked == {constant: 3e-3, 'suggested, for cosine: 4.00e-03': m.lr}
    assert m.lr == found.suggestion() == 4e-3


# Loads a checkpoint as somebody would who hasn't installed fastlr.
LOADS = """
import sys, torch
for path in sys.argv[1:]: print(torch.load(path, weights_only=True)['hyper_parameters'])
assert not any(name.startswith('fastlr') for name in sys.modules)
"""


def test_a_checkpoint_has_a_plain_number(measured, tmp_path):
    "It loads without fastlr, after `update_attr` and where the rate was passed on."

    class Saves(Scheduled):
        def __init__(self, lr, form):
            super().__init__(hp=dict(lr=lr), lr=lr, form=form)

    expected, paths = [], []
    for name, lr in dict(none=3e-3, one_cycle=6e-3).items():
        m = make(Saves, lr=0.7, form=FORMS[name][0])
        found = lr_find(trainer(), m, DATA, silent=True, **SHORT)
        for x in (m.lr, m.hparams.lr, m.hparams_initial.lr, found.suggestion()):
            assert type(x) is float and x == lr
        for module in (m, make(Saves, lr=found.suggestion(), form=m.form)):
            t = trainer(max_steps=1)
            t.fit(module, DATA)
            expected.append(str(dict(lr=lr)))
            paths.append(tmp_path / f'{len(paths)}.ckpt')
            t.save_checkpoint(paths[-1])
    out = subprocess.run([sys.executable, '-c', LOADS, *map(str, paths)], capture_output=True, text=True)
    assert out.stdout.splitlines() == expected, out.stderr


@pytest.mark.parametrize('name, logged', [('width', 3e-3), ('lr', 0.7)])
def test_loggers_write_the_rate_that_was_set(name, logged, measured, tmp_path):
    """Lightning #3219, #15928: they wrote the one before. If the datamodule has a hyperparameter of the same
    name, the two must not differ."""
    log = L.loggers.CSVLogger(tmp_path)
    m, data = make(Digits, hp=dict(lr=0.7, depth=2)), type('Data', (Data, L.LightningDataModule), {})()
    data.save_hyperparameters({name: 0.7})
    t = trainer(logger=log, max_steps=1)
    lr_find(t, m, datamodule=data, silent=True, **SHORT)
    assert m.hparams.lr == 3e-3
    t.fit(m, datamodule=data)
    written = yaml.safe_load(Path(log.log_dir, 'hparams.yaml').read_text())
    assert written == {name: 0.7} | dict(lr=logged, depth=2)


def test_after_an_error_while_the_rate_is_tried_nothing_is_set(measured):
    class Breaks(Digits):
        def configure_optimizers(self):
            if self.lr != 0.7:
                raise ZeroDivisionError
            return super().configure_optimizers()

    m = make(Breaks, lr=0.7)
    with pytest.raises(ZeroDivisionError):
        lr_find(trainer(), m, DATA, silent=True, **SHORT)
    assert m.lr == 0.7


# The suggestion lies among the first points, and they are few.
EARLY = dict(min_lr=5e-3, max_lr=10.0, num_training=29, early_stop_threshold=None, probe=False)


@BOTH
def test_one_curve_has_one_suggestion(pl, capsys):
    "Lightning's own finder leaves the first ten points out."
    m = make(Digits, pl, lr=0.7)
    found = lr_find(trainer(pl), m, DATA, update_attr=True, **EARLY)
    lr = found.curve.suggest().lr
    assert lr < found.curve.lrs[10]
    assert found.suggestion() == lr == m.lr
    assert f'set to {lr:.2E}, as' in capsys.readouterr().out


@pytest.mark.parametrize('update_attr', [False, True])
def test_findings_follow_the_suggestion(update_attr, capsys):
    found = lr_find(trainer(), make(Digits, lr=0.7), DATA, update_attr=update_attr, **EARLY)
    first, *notes = capsys.readouterr().out.splitlines()
    assert first.startswith('Learning rate set to' if update_attr else 'Suggested learning rate: ')
    # Between them may be the rates for other schedules, and whether the rate was set.
    notes = [note for note in notes if note.startswith('Note: ')]
    assert notes == [f'Note: {finding}' for finding in found.curve.findings]
    assert notes[0].startswith('Note: Only ')


def test_findings_use_the_names_of_lightning(capsys):
    lr_find(trainer(), make(Digits), DATA, **EARLY)
    said = capsys.readouterr().out
    assert 'num_training' in said
    assert 'num_it' not in said


# What is refused before anything has changed.


class Strange(L.strategies.Strategy):
    pass


Strange.__abstractmethods__ = frozenset()


def with_strategy(s):
    t = trainer()
    t._accelerator_connector.strategy = s
    return t


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda: find(trainer(), make(), loader(), min_lr=1.0, max_lr=0.1), 'min_lr must be below max_lr'),
        (lambda: find(trainer(), make(), loader(), num_training=1), 'num_training must be at least 2'),
        (
            lambda: find(trainer(), make(), loader(), min_lr='1e-5'),
            "min_lr must be a learning rate or a list of them, got '1e-5'",
        ),
        (
            lambda: find(trainer(), make(), loader().dataset),
            'train_dataloaders must be a loader of batches, got the dataset',
        ),
        (
            lambda: find(trainer(), type(make()), loader()),
            'module must be a LightningModule, got the class .* call it to make one',
        ),
        (
            lambda: find(trainer(), make(Digits), DATA, update_attr='lr'),
            "update_attr must be True or False, got 'lr'",
        ),
        (lambda: find(trainer(), make(), loader(), num_training=2.5), 'num_training must be a whole number'),
        (lambda: find(trainer(), make(), loader(), min_lr=0), 'min_lr must be finite and above zero'),
        (
            lambda: find(trainer(), make(), loader(), mode='exp'),
            "mode must be 'exponential' or 'linear', got 'exp'",
        ),
        (lambda: find(trainer(), make(), loader(), early_stop_threshold=0.5), 'early_stop_threshold must be'),
        (
            lambda: find(trainer(), make(), loader(), early_stop_threshold=False),
            'early_stop_threshold must be',
        ),
        (lambda: find(make(), trainer(), loader()), 'trainer must be a Trainer'),
        (lambda: find(trainer(), net(), loader()), 'module must be a LightningModule, got a Sequential'),
        (lambda: find(trainer(), make(pl=PL), loader()), 'the module from pytorch_lightning'),
        (
            lambda: find(trainer(PL), make(), loader()),
            'the trainer is from pytorch_lightning, and the module from lightning.pytorch',
        ),
        (lambda: find(trainer(), make(), loader(), loader()), 'validation loaders are not used'),
        (lambda: find(trainer(), make(), loader(), L.LightningDataModule()), "can't both"),
        (lambda: find(trainer(fast_dev_run=True), make(), loader()), 'fast_dev_run=True'),
        (lambda: find(trainer(), make(), loader(), attr_name='lr'), 'both, or neither'),
        (lambda: find(trainer(), make(), loader(), monitor=True), 'monitor must be'),
        (lambda: find(trainer(), make(Digits), DATA, update_attr=True), 'neither the module nor its hparams'),
        (
            lambda: find(trainer(), make(Digits, lr=1.0, learning_rate=2.0), DATA, update_attr=True),
            "update_attr=True: .* as attr_name='lr'",
        ),
        (
            lambda: find(trainer(), make(), loader(), update_attr=True, attr_name='rate'),
            "attr_name='rate': neither",
        ),
        (lambda: find(trainer(), make(Digits, lr='auto'), DATA, update_attr=True), "'auto'"),
        (
            lambda: find(with_strategy(L.strategies.FSDPStrategy()), make(), loader()),
            'FSDPStrategy shards the module',
        ),
        (
            lambda: find(
                with_strategy(L.strategies.DeepSpeedStrategy.__new__(L.strategies.DeepSpeedStrategy)),
                make(),
                loader(),
            ),
            'DeepSpeedStrategy shards the module',
        ),
        (
            lambda: find(with_strategy(Strange.__new__(Strange)), make(), loader()),
            'Strange shards the module, or may',
        ),
        (
            lambda: find(trainer(strategy='ddp_spawn', devices=2), make(), loader()),
            'processes that are made for each call',
        ),
        (
            lambda: find(trainer(strategy='ddp_notebook', devices=2), make(), loader()),
            'processes that are made for each call',
        ),
    ],
)
def test_configuration_errors_come_before_the_first_step(call, words, monkeypatch):
    """Lightning #5487: they came after minutes; now they come before the first step, and before anything is
    set up."""
    for name in ('configure_optimizers', 'training_step', 'train_dataloader'):
        monkeypatch.setattr(Steps, name, lambda self, *args: pytest.fail('it has begun'))
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_a_trainer_that_is_running():
    class Inside(Steps):
        def on_train_start(self):
            find(self.trainer, self, loader())

    with pytest.raises(ValueError, match='the trainer is running'):
        trainer().fit(make(Inside), loader())


def test_subclasses_of_the_trainer():
    class Mine(L.Trainer):
        def __init__(self, **kw):
            super().__init__(**kw)
            self.mine = 3

        def twice(self):
            return 2 * self.mine

        def fit(self, *args, **kw):
            pytest.fail('it is run')

    class Asks(Steps):
        def training_step(self, batch, i):
            assert self.trainer.twice() == 6
            return super().training_step(batch, i)

    assert len(find(Mine(max_epochs=1, **QUIET), make(Asks), loader()).curve) == STEPS


WITHOUT_LIGHTNING = """
import sys, importlib.abc

class No(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *args):
        if name.split('.')[0] in ('lightning', 'pytorch_lightning'): raise ModuleNotFoundError(name)

sys.meta_path.insert(0, No())
import fastlr.integrations.lightning as m
m.find_spec = lambda name: None
try: m.lr_find(1, 2)
except ImportError as e: print(e)
print([k for k in sys.modules if 'lightning' in k and 'fastlr' not in k])
"""


def test_the_module_imports_without_lightning():
    out = subprocess.run(
        [sys.executable, '-c', WITHOUT_LIGHTNING],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    ).stdout
    said, imported = out.splitlines()
    assert said == 'fastlr.integrations.lightning needs Lightning: pip install lightning'
    assert imported == '[]'


# Several processes, of which Lightning starts the second; for those of torchrun see test_processes.py.


def test_lightning_processes_agree_and_none_waits(tmp_path):
    """Lightning #19611: processes differed, or waited for ever; now both have one curve and one answer, and
    train on unchanged."""
    script = ROOT / 'tests' / 'lightning_script.py'
    exit_code, out = launches.run([sys.executable, str(script), str(tmp_path)], tmp_path, limit=300)
    assert exit_code == 0, launches.last(tmp_path / 'launcher.stderr')
    a, b = (json.loads((tmp_path / f'{rank}.json').read_text()) for rank in (0, 1))
    assert a['processes'] == 1, 'launched once'
    assert a['losses'] == b['losses']
    assert len(a['losses']) == 20
    assert out.count('Suggested learning rate') == 1, 'one of them speaks'
    assert b['fault'] == "KeyError: 'unreadable'"
    assert "process 1 has failed (KeyError: 'unreadable')" in a['fault']
    for end in (a, b):
        assert end['after'] == end['plain']
        assert end['after']['steps'] == 6
    assert a['after']['seen'] != b['after']['seen'], 'each has its own half of the data'


def test_no_memory_for_the_snapshot(monkeypatch):
    "Lightning's `lr_find` has no option for another place, so none is offered."

    def full(self, **kw):
        raise torch.OutOfMemoryError('CUDA out of memory')

    m = make()
    t = trainer()
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, 'clone', full)
        with pytest.raises(torch.OutOfMemoryError, match='no memory for a copy') as e:
            find(t, m, loader())
    assert 'where' not in str(e.value)


# Whether the rate that is set is used.


class OwnRate(Digits):
    "Its optimizer has a rate of its own, as one that LightningCLI was given."

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.5e-3)


class ScaledRate(Digits):
    "Two groups, the rates of which are multiples of the attribute, and a warm-up that begins at zero."

    def configure_optimizers(self):
        *first, last = self.parameters()
        groups = [dict(params=first, lr=self.lr / 3), dict(params=[last], lr=self.lr * 2)]
        opt = torch.optim.SGD(groups)
        return [opt], [torch.optim.lr_scheduler.LambdaLR(opt, [lambda step: step / 100] * 2)]


UNUSED = 'makes optimizers with the same rates whatever model.lr is'


@BOTH
def test_a_rate_that_is_not_used_is_told(pl, capsys):
    m, t = make(OwnRate, pl, lr=0.5), trainer(pl)
    before = [p.clone() for p in m.parameters()]
    lr_find(t, m, DATA, update_attr=True, **EARLY)
    assert UNUSED in capsys.readouterr().out
    assert all(map(torch.equal, before, m.parameters()))


@pytest.mark.parametrize('cls', [Digits, ScaledRate])
def test_a_rate_that_is_used_is_not(cls, capsys):
    m = make(cls, lr=0.5)
    # The rate of the fastest group is the suggested one.
    times = 2 if cls is ScaledRate else 1
    found = lr_find(trainer(), m, DATA, update_attr=True, **EARLY)
    assert UNUSED not in capsys.readouterr().out and m.lr == pytest.approx(found.suggestion() / times)
    # The second time, the same rate is there already.
    again = lr_find(trainer(), m, DATA, update_attr=True, **EARLY)
    assert UNUSED not in capsys.readouterr().out and m.lr == pytest.approx(again.suggestion() / times)
    # It isn't set, so nothing is said about it.
    lr_find(trainer(), make(OwnRate, lr=0.5), DATA, **EARLY)
    assert UNUSED not in capsys.readouterr().out


@pytest.mark.parametrize(
    'option, words',
    [
        ('num_it', 'here it is called num_training'),
        ('end_lr', 'here it is called max_lr'),
        ('stop_div', 'here it is called early_stop_threshold'),
        ('dataloaders', 'here it is called train_dataloaders'),
        ('val_dataloaders', 'nothing is validated'),
        ('weights_only', 'no checkpoint is read'),
        ('method', 'a sweep takes steps of training'),
    ],
)
def test_options_of_others_are_named(option, words):
    with pytest.raises(TypeError, match=f"lr_find has no option '{option}': .*{words}"):
        lr_find(trainer(), make(Digits), DATA, **{option: None})


# Callbacks of the trainer.

C = L.callbacks


class Mixes:
    "Changes the batch. It counts, and would save."

    def __init__(self):
        self.n = 0
        self.seen = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        LOG.append((trainer.current_epoch, batch_idx))
        self.n += 1
        self.seen.append(batch_idx)
        batch[0].mul_(2)

    def on_train_epoch_end(self, trainer, module):
        Path('saved').write_text('by a callback')

    def on_fit_end(self, trainer, module):
        Path('saved').write_text('by a callback')


class Clips:
    def on_before_optimizer_step(self, trainer, module, optimizer):
        LOG.append('clip')
        for p in module.parameters():
            p.grad.clamp_(-1e-3, 1e-3)


class Zeroes:
    def on_before_zero_grad(self, trainer, module, optimizer):
        LOG.append('zero')


class Watches:
    "It has the hook of a step, and says that it changes nothing."

    shapes_training = False

    def on_before_optimizer_step(self, trainer, module, optimizer):
        LOG.append('watched')


class Starts:
    "A hook in which it may change anything."

    def on_fit_start(self, trainer, module):
        LOG.append('started')


def callback(kind, pl=L):
    return type(kind.__name__, (kind, pl.Callback), {})()


def scaled_by_hand(data, factor):
    x, y = data.dataset.tensors
    return DataLoader(TensorDataset(x * factor, y), 16, shuffle=True, generator=gen())


@BOTH
def test_a_callback_that_changes_the_batch_takes_part(pl, tmp_path, capsys):
    "The curve is that of data which were changed before, and nothing of the callback stays."
    mixes = callback(Mixes, pl)
    m, data = make(Writes, pl), loader(generator=gen())
    prints = Fingerprint(module=m, loader=data, callback=vars(mixes))
    curve = lr_find(trainer(pl, callbacks=[mixes]), m, data, num_training=STEPS, probe=False).curve
    assert [x for x in LOG if isinstance(x[0], int)][-1] == (2, 1)
    LOG.clear()
    assert prints.changed() == [] and mixes.n == 0 and listing(tmp_path) == []
    assert 'take part' not in capsys.readouterr().out
    plain = lr_find(trainer(pl), make(Writes, pl), scaled_by_hand(data, 2), num_training=STEPS, probe=False)
    assert np.array_equal(curve.losses, plain.curve.losses)


def test_callbacks_of_a_step_take_part(capsys):
    parts = [callback(kind) for kind in (Clips, Zeroes)]
    parts.append(C.LambdaCallback(on_after_backward=lambda *args: LOG.append('lambda')))
    curve = lr_find(trainer(callbacks=parts), make(), loader(), num_training=STEPS, probe=False).curve
    assert [LOG.count(name) for name in ('clip', 'zero', 'lambda')] == [STEPS, STEPS, STEPS]
    assert not np.array_equal(curve.losses, find(trainer(), make(), loader()).curve.losses)
    assert 'take part' not in capsys.readouterr().out


class Thaws(C.BaseFinetuning):
    def freeze_before_training(self, module):
        self.freeze(module.net[0])

    def finetune_function(self, module, epoch, optimizer):
        LOG.append(('epoch', epoch))
        if epoch == 1:
            self.unfreeze_and_add_param_group(module.net[0], optimizer, lr=1e-3)


class Frozen(Steps):
    "It looks at the layer that a callback freezes."

    def training_step(self, batch, i):
        LOG.append(('trains', any(p.requires_grad for p in self.net[0].parameters())))
        return super().training_step(batch, i)

    def configure_optimizers(self):
        return torch.optim.Adam((p for p in self.parameters() if p.requires_grad), lr=self.lr)


def test_layers_that_a_callback_freezes_stay_frozen_and_are_free_afterwards():
    "A range test of several epochs asks for the rate of the beginning."
    t, m = trainer(callbacks=[Thaws()]), make(Frozen)
    prints = Fingerprint(module=m, callback=vars(t.callbacks[0]))
    assert len(find(t, m, loader()).curve) == STEPS
    assert {x for x in LOG if x[0] == 'trains'} == {('trains', False)}
    assert [x for x in LOG if x[0] == 'epoch'] == [('epoch', 0)]
    LOG.clear()
    assert prints.changed() == [] and all(p.requires_grad for p in m.parameters())

    def training(test):
        t, m = trainer(callbacks=[Thaws()]), make(Frozen)
        if test:
            find(t, m, loader())
        t.fit(m, loader())
        return m.state_dict()

    assert same(training(True), training(False))


def test_accumulation_that_a_callback_sets():
    fours = C.GradientAccumulationScheduler({0: 4, 1: 1})
    given = find(trainer(callbacks=[fours]), make(Writes), loader(generator=gen()), num_training=5).curve
    plain = find(
        trainer(accumulate_grad_batches=4), make(Writes), loader(generator=gen()), num_training=5
    ).curve
    assert given.settings['accumulate'] == 4 and np.array_equal(given.losses, plain.losses)


def test_callbacks_of_the_module():
    class Brings(Writes):
        def configure_callbacks(self):
            return [callback(Clips), C.GradientAccumulationScheduler({0: 2})]

    # The one of the trainer is replaced.
    t = trainer(callbacks=[C.GradientAccumulationScheduler({0: 3})])
    curve = find(t, make(Brings), loader(), num_training=5).curve
    assert LOG.count('clip') == 5 and curve.settings['accumulate'] == 2


@pytest.mark.parametrize(
    'make_it, named',
    [
        (lambda: callback(Starts), 'Starts'),
        (lambda: C.StochasticWeightAveraging(0.1), 'StochasticWeightAveraging'),
        (lambda: C.EMAWeightAveraging(), 'EMAWeightAveraging'),
        (lambda: C.ModelPruning('l1_unstructured', amount=0.5), 'ModelPruning'),
        (lambda: C.LearningRateFinder(), 'LearningRateFinder'),
        (lambda: C.BatchSizeFinder(), 'BatchSizeFinder'),
        (lambda: C.LambdaCallback(on_train_batch_end=lambda *args: None), 'LambdaCallback'),
        (lambda: callback(Watches), None),
        (lambda: C.EarlyStopping('loss'), None),
        (lambda: C.ModelCheckpoint(dirpath='checkpoints', every_n_train_steps=1), None),
        (lambda: C.LearningRateMonitor('step'), None),
        (lambda: C.DeviceStatsMonitor(), None),
        (lambda: C.Timer(dict(seconds=0)), None),
        (lambda: C.OnExceptionCheckpoint('.'), None),
        (lambda: C.LambdaCallback(on_train_epoch_end=lambda *args: LOG.append('watched')), None),
    ],
    ids=lambda x: str(x) if not callable(x) else '',
)
def test_callbacks_that_take_no_part_are_named_if_they_may_shape_the_training(
    make_it, named, tmp_path, capsys
):
    log = L.loggers.CSVLogger(tmp_path / 'logs')
    t = trainer(callbacks=[make_it()], logger=log, enable_checkpointing=True)
    # To make it seeds the generators, so it comes before the fingerprint.
    m = make()
    prints = Fingerprint(callback=vars(t.callbacks[0]))
    lr_find(t, m, loader(), num_training=STEPS, probe=False)
    said = capsys.readouterr().out
    note = f'Note: These callbacks did not take part: {named}. One that has shapes_training = True'
    assert (note in said) if named else ('take part' not in said)
    assert ('take it out' in said) == (named == 'LearningRateFinder')
    assert LOG == [] and prints.changed() == [] and listing(tmp_path) == []


def test_a_callback_is_asked_to_take_part():
    starts = callback(Starts)
    starts.shapes_training = True
    find(trainer(callbacks=[starts]), make(), loader())
    assert LOG == ['started']


def test_verify_looks_at_callbacks_that_take_part():
    class Notes(Mixes):
        count = 0

        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            type(self).count += 1

    with pytest.raises(NotRestored, match='callbacks.*count'):
        find(trainer(callbacks=[callback(Notes)]), make(), loader(), verify=True)


def test_hooks_of_the_module_act():
    "Those that shape a step do as in a training, and a changed batch is changed once."

    class Hooks(Steps):
        def on_train_batch_start(self, batch, batch_idx):
            LOG.append(float(batch[0].abs().max()))
            batch[0].mul_(2)

        def on_after_batch_transfer(self, batch, dataloader_idx):
            LOG.append('transfer')
            return batch

        def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, **kw):
            LOG.append('clip')
            self.clip_gradients(optimizer, gradient_clip_val=1e-3)

        def on_before_zero_grad(self, optimizer):
            LOG.append('zero')

        def on_before_optimizer_step(self, optimizer):
            LOG.append('step')

        def on_train_epoch_start(self):
            LOG.append('epoch')

    find(trainer(), make(Hooks), loader(shuffle=False), batches=2)
    for hook in 'transfer', 'clip', 'zero', 'step':
        assert LOG.count(hook) == STEPS
    assert LOG.count('epoch') == 3
    # There are two batches, as they come from the loader.
    assert len({x for x in LOG if isinstance(x, float)}) == 2


# Called in a running trainer.


class Finds:
    "What a user writes in the place of Lightning's `LearningRateFinder`."

    def setup(self, trainer, module, stage):
        if stage == 'fit':
            self.found = lr_find(trainer, module, num_training=20, probe=False, silent=True, update_attr=True)


class Module(Digits):
    def train_dataloader(self):
        return DataLoader(DATA.dataset, 64, shuffle=True)


class Data:
    def train_dataloader(self):
        return DataLoader(DATA.dataset, 64, shuffle=True)


@BOTH
@pytest.mark.parametrize('source', ['loader', 'datamodule', 'module'])
def test_in_setup_of_a_callback_the_rate_is_set_before_the_optimizers_are_made(pl, source):
    "The training is the same, bit for bit, as after a range test before the fit."

    def data():
        if source == 'module':
            return {}
        if source == 'loader':
            return dict(train_dataloaders=Data().train_dataloader())
        return dict(datamodule=type('Data', (Data, pl.LightningDataModule), {})())

    def run(inside):
        m, finds = make(Module, pl, lr=0.7), callback(Finds, pl)
        t = trainer(pl, max_epochs=1, callbacks=[finds] if inside else [])
        given = data()
        if not inside:
            lr_find(t, m, num_training=20, probe=False, silent=True, update_attr=True, **given)
        t.fit(m, **given)
        assert t.optimizers[0].param_groups[0]['lr'] == m.lr != 0.7
        assert t.global_step == 23 and m.trainer is t
        return m.state_dict()

    assert same(run(True), run(False))


def test_with_other_callbacks_in_a_running_trainer(capsys):
    "Those that were set up before, and the one that calls, aren't named; those that shape a step take part."

    class Speaks(Finds):
        def setup(self, trainer, module, stage):
            lr_find(trainer, module, num_training=20, probe=False)

    others = [Thaws(), callback(Mixes), C.EMAWeightAveraging()]
    trainer(max_epochs=1, callbacks=[callback(Speaks), *others]).fit(make(Frozen), loader())
    assert 'did not take part: EMAWeightAveraging. ' in capsys.readouterr().out
    assert ('trains', True) not in LOG
    # 20 batches of the range test, 6 of the training.
    assert len([x for x in LOG if isinstance(x[0], int)]) == 26


def in_hook(hook, base=nn.Module):
    return type('Late', (base,), {hook: lambda self, trainer, module, *args: lr_find(trainer, module)})


@pytest.mark.parametrize(
    'hook', ['on_fit_start', 'on_train_start', 'on_train_epoch_start', 'on_train_batch_end']
)
def test_elsewhere_in_a_running_trainer_it_says_what_works(hook):
    late = in_hook(hook, L.Callback)()
    words = rf'is running \({hook} of trainer.fit\).*before trainer.fit, or in setup\(.*update_attr=True'
    with pytest.raises(ValueError, match=words):
        trainer(callbacks=[late]).fit(make(), loader())


def test_in_its_own_range_test_it_says_so():
    class SetsUp(Steps):
        def setup(self, stage):
            lr_find(self.trainer, self)

    with pytest.raises(ValueError, match='in its own range test, which calls this hook too'):
        trainer().fit(make(SetsUp), loader())
    with pytest.raises(ValueError, match=r'running \(setup of trainer.validate'):
        late = in_hook('x', L.Callback)()
        late.setup = lambda t, m, stage: lr_find(t, m)
        m = make()
        m.validation_step = lambda batch, i: None
        trainer(callbacks=[late]).validate(m, loader(), verbose=False)


# LightningCLI, and what is written for Lightning's own `Tuner`.


class CLIDigits(Digits):
    def __init__(self, lr: float = 0.7):
        super().__init__(hp=dict(lr=lr))


class CLIAnyOptimizer(CLIDigits):
    "`LightningCLI` gives it an optimizer."

    configure_optimizers = L.LightningModule.configure_optimizers


CLI_SETTINGS = dict(trainer_defaults=dict(max_epochs=1, **QUIET), save_config_callback=None)
FEW = dict(num_training=50, probe=False, update_attr=True)


def cli_module(kind):
    return type(kind.__name__, (kind, L.LightningModule), {})


def rate_of(trainer):
    return trainer.optimizers[0].param_groups[0]['lr']


def test_lightning_cli_without_a_subcommand():
    from lightning.pytorch.cli import LightningCLI

    data = type('Data', (Data, L.LightningDataModule), {})
    cli = LightningCLI(cli_module(CLIDigits), data, run=False, args=['--model.lr=0.3'], **CLI_SETTINGS)
    found = lr_find(cli.trainer, cli.model, datamodule=cli.datamodule, silent=True, **FEW)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert rate_of(cli.trainer) == cli.model.hparams.lr == found.suggestion() != 0.3


def test_lightning_cli_before_its_fit_subcommand():
    from lightning.pytorch.cli import LightningCLI

    class CLI(LightningCLI):
        def before_fit(self):
            self.found = lr_find(self.trainer, self.model, datamodule=self.datamodule, silent=True, **FEW)

    data = type('Data', (Data, L.LightningDataModule), {})
    cli = CLI(cli_module(CLIDigits), data, args=['fit', '--model.lr=0.3'], **CLI_SETTINGS)
    assert rate_of(cli.trainer) == cli.model.hparams.lr == cli.found.suggestion() != 0.3


def test_an_optimizer_that_lightning_cli_was_given(capsys):
    from lightning.pytorch.cli import LightningCLI

    data = type('Data', (Data, L.LightningDataModule), {})
    args = ['--optimizer=SGD', '--optimizer.lr=0.01']
    cli = LightningCLI(cli_module(CLIAnyOptimizer), data, run=False, args=args, **CLI_SETTINGS)
    lr_find(cli.trainer, cli.model, datamodule=cli.datamodule, **FEW)
    said = capsys.readouterr().out
    assert UNUSED.replace('model.lr', 'model.hparams.lr') in said and 'LightningCLI to the optimizer' in said
    assert 'The highest rate' not in said


def test_lines_for_the_tuner_of_lightning():
    "Its result has the same methods; the tuner itself can't be passed."
    from lightning.pytorch.tuner import Tuner

    m, t = make(Digits, lr=0.7), trainer()
    names = dict(min_lr=1e-6, max_lr=1.0, num_training=50, mode='linear', early_stop_threshold=10000.0)
    res = lr_find(t, m, train_dataloaders=DATA, update_attr=True, attr_name='lr', **names, silent=True)
    assert m.lr == res.suggestion() and res.results['lr'][0] == 1e-6
    assert res.plot(show=True, suggest=True) is not None
    with pytest.raises(TypeError, match='got a Tuner; pass the trainer that it was made with'):
        lr_find(Tuner(t), m, DATA)
