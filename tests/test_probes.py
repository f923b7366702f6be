"""Short trainings after the sweep: whether they are needed, how many updates they take, and what they leave.

They are the same through every entry point. For several processes see test_processes.py."""

import json, os, signal
from functools import partial

import pytest, torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, TensorDataset

from fastlr import Learner, LRCurve, LRSweep, cli, find_lr
from fastlr.fingerprint import Fingerprint
from fastlr.lockstep import CommonBatches

# Updates of the sweep, and of each of the five probes.
SWEEP, PROBE = 40, 60


def inputs():
    return torch.randn(1024, 6, generator=torch.Generator().manual_seed(0))


def loader(slow):
    "Return batches that are learned at once, or only after a while: the signs of one input, or of a product."
    x = inputs()
    y = x.prod(1, keepdim=True) if slow else x[:, :1]
    return DataLoader(TensorDataset(x, (y > 0).float()), 64, shuffle=True)


class Net(nn.Sequential):
    "A net that a `Trainer` takes too, which passes the entries of a batch by keyword."

    def __init__(self, slow: bool = False):
        torch.manual_seed(0)
        deep = [m for _ in range(3) for m in (nn.Linear(32, 32), nn.Tanh())]
        layers = [nn.Linear(6, 32), nn.Tanh(), *deep, nn.Linear(32, 1)] if slow else [nn.Linear(6, 1)]
        super().__init__(*layers)

    def forward(self, x, y=None):
        out = super().forward(x)
        return out if y is None else dict(loss=binary_cross_entropy_with_logits(out, y))


def sgd(params, lr=0.1):
    return torch.optim.SGD(params, lr, momentum=0.9)


def plain(slow):
    "Return a model and a function that looks for its rate."
    model = Net(slow)
    find = partial(find_lr, model, sgd(model.parameters()), binary_cross_entropy_with_logits, loader(slow))
    return model, partial(find, num_it=SWEEP)


def learner(slow):
    learn = Learner((loader(slow), None), Net(slow), sgd, binary_cross_entropy_with_logits)
    return learn.model, partial(learn.lr_find, num_it=SWEEP)


def accelerated(slow):
    pytest.importorskip('accelerate')
    learn = Learner((loader(slow), None), Net(slow), sgd, binary_cross_entropy_with_logits)
    learn.to_accelerate(cpu=True)
    return learn.model, partial(learn.lr_find, num_it=SWEEP)


def lightning(slow):
    pl = pytest.importorskip('lightning.pytorch')
    from fastlr.integrations.lightning import lr_find

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net(slow)

        def training_step(self, batch, i):
            return binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return sgd(self.parameters())

    module = Module()
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator='cpu')
    trainer = pl.Trainer(max_epochs=1, enable_model_summary=False, **quiet)
    find = partial(lr_find, trainer, module, loader(slow), max_lr=10.0, num_training=SWEEP)
    return module, lambda **kwargs: find(**kwargs).curve


def transformers(slow, folder='trainer', **kwargs):
    pytest.importorskip('transformers')
    from transformers import Trainer, TrainingArguments

    from fastlr.integrations.transformers import lr_find

    model = Net(slow)
    options = dict(report_to=[], use_cpu=True, disable_tqdm=True, dataloader_pin_memory=False)
    args = TrainingArguments(
        folder, per_device_train_batch_size=64, max_grad_norm=0.0, save_strategy='no', **options, **kwargs
    )
    rows = [dict(x=x, y=y) for x, y in loader(slow).dataset]
    trainer = Trainer(model, args, train_dataset=rows, optimizers=(sgd(model.parameters()), None))
    find = partial(lr_find, trainer, end_lr=10.0, num_it=SWEEP)
    return model, lambda **kwargs: find(**kwargs).curve


FACES = [plain, learner, accelerated, lightning, transformers]
ALL = pytest.mark.parametrize('face', FACES, ids=lambda f: f.__name__)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Steps:
    "The steps that optimizers take. One of them may raise Ctrl-C, or send a signal to this process."

    def __init__(self):
        self.n = 0
        self.at = {}

    def __call__(self, *args):
        self.n += 1
        if self.n in self.at:
            self.at[self.n]()


@pytest.fixture
def steps():
    steps = Steps()
    hook = register_optimizer_step_post_hook(steps)
    yield steps
    hook.remove()


def raise_interrupt():
    raise KeyboardInterrupt


def send_interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@ALL
def test_a_sweep_that_can_tell_takes_its_own_updates_and_no_more(face, steps, capsys):
    model, find = face(slow=False)
    curve = find(stop_div=False) if face in FACES[:3] else find()
    assert not curve.needs_probes and curve.probes == ()
    assert steps.n == len(curve) <= SWEEP
    assert 'further updates' not in capsys.readouterr().out
    steps.n = 0
    curve = find(probe=True)
    assert len(curve.probes) == 5 and len(curve) + 5 * PROBE >= steps.n > len(curve)
    assert 'Probing the suggestion' in capsys.readouterr().out


@ALL
def test_a_sweep_that_cannot_is_followed_by_probes_that_are_announced(face, steps, capsys):
    said = []
    model, find = face(slow=True)
    before = Fingerprint(model=model)
    # The first update after the sweep, which may end early.
    alone = find(probe=False)
    taken = steps.n
    assert alone.needs_probes and alone.probes == () and taken == len(alone)
    capsys.readouterr()
    steps.n, steps.at = 0, {taken + 1: lambda: said.append(capsys.readouterr().out)}
    curve = find(verify=True)
    assert not curve.needs_probes and [lr for lr, _ in curve.probes] == alone.probe_rates()
    assert taken < steps.n == taken + sum(len(losses) for _, losses in curve.probes) <= taken + 5 * PROBE
    assert before.changed() == []
    (text,) = said
    assert "can't tell" in text and '300 further updates, about ' in text and 'Ctrl-C' in text
    # They begin with the same batch, which is the first one of the sweep.
    assert {losses[0] for _, losses in curve.probes} == {curve.losses[0]}


@ALL
@pytest.mark.parametrize('interrupt', [raise_interrupt, send_interrupt], ids=['raised', 'signal'])
def test_ctrl_c_in_a_probe_leaves_the_answer_of_the_sweep(face, interrupt, steps, capsys):
    model, find = face(slow=True)
    before = Fingerprint(model=model)
    steps.at = {SWEEP + PROBE + 5: interrupt}
    curve = find()
    assert curve.probes == () and curve.needs_probes and SWEEP < steps.n <= SWEEP + PROBE + 7
    assert before.changed() == []
    assert "Stopped: the suggestion is the sweep's own." in capsys.readouterr().out


@pytest.mark.parametrize('slow', [False, True])
def test_the_command(slow, steps, capsys):
    config = dict(
        model=dict(class_path='test_probes.Net', init_args=dict(slow=slow)),
        data=dict(class_path='test_probes.command_data', init_args=dict(slow=slow)),
        optimizer=dict(class_path='torch.optim.SGD', init_args=dict(momentum=0.9)),
        loss=dict(class_path='torch.nn.BCEWithLogitsLoss'),
    )
    with open('config.json', 'w') as f:
        json.dump(config, f)
    call = 'find-lr', 'config.json', '--num-batches', str(SWEEP)
    for i, (option, probes) in enumerate([((), slow), (('--probe', 'never'), False)]):
        steps.n = 0
        assert cli.main([*call, '-s', str(i), *option]) == 0
        curve = LRCurve.load(f'{i}/curve.json')
        assert bool(curve.probes) == probes and 0 <= steps.n - len(curve) <= 5 * PROBE * probes
        # What they cost is told on the way, and not where the result is printed.
        out, err = capsys.readouterr()
        assert ("This sweep can't tell which rate is good" in err) == ('further updates' in err) == probes
        assert 'further updates' not in out


def command_data(slow: bool):
    return loader(slow), None


def test_probes_in_a_loop_of_ones_own():
    model = Net(slow=True)
    opt, ring = sgd(model.parameters()), CommonBatches(loader(True), 8)

    def sweep_with(**options):
        with LRSweep(opt, model, **options) as sweep:
            assert not sweep.needs_probes
            for x, y in sweep(ring):
                loss = model(x, y)['loss']
                loss.backward()
                opt.step()
                opt.zero_grad()
                sweep.record(loss)
        return sweep

    sweep = sweep_with(num_it=SWEEP)
    assert sweep.needs_probes
    held = {lr: sweep_with(start_lr=lr, num_it=PROBE, mode='hold') for lr in sweep.curve.probe_rates()}
    assert not any(probe.needs_probes for probe in held.values())
    assert not sweep.curve.probed({lr: probe.losses for lr, probe in held.items()}).needs_probes


# The common batches in the loops of trainers.


class Counted(DataLoader):
    "A loader that notes how many batches it was asked for."

    given = 0

    def __iter__(self):
        for batch in super().__iter__():
            Counted.given += 1
            yield batch


@pytest.mark.parametrize('length', [0, 3, 8, 10])
@pytest.mark.parametrize('window', [1, 2])
def test_a_pass_may_be_as_long_as_an_epoch(length, window):
    ring = CommonBatches([torch.tensor(i) for i in range(length)], 4 * window, length, window)
    passes = [[b.item() for b in ring] for _ in range(4)]
    assert all(len(p) == length == len(ring) for p in passes)
    # Each goes on where the last one ended, with a whole window.
    assert all(p[0] % window == 0 and set(p) <= set(range(min(length, 4 * window))) for p in passes if p)
    if window == 1:
        flat = [b for p in passes for b in p]
        assert flat == [i % min(4, length) for i in range(4 * length)]


@pytest.mark.parametrize('k', [1, 2])
def test_lightning_asks_the_loader_for_eight_windows(k):
    pl = pytest.importorskip('lightning.pytorch')
    from fastlr.integrations.lightning import lr_find

    seen = []

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def training_step(self, batch, i):
            (x, y), (z, _) = batch['a'], batch['b']
            seen.append((x.sum().item(), z.sum().item()))
            # Loops may change a batch in place.
            x.zero_()
            return binary_cross_entropy_with_logits(self.net(z), y * 0)

        def configure_optimizers(self):
            return sgd(self.parameters())

    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator='cpu')
    trainer = pl.Trainer(max_epochs=1, enable_model_summary=False, accumulate_grad_batches=k, **quiet)
    data = loader(False).dataset
    Counted.given = 0
    # Of the second loader there are three batches only.
    few = TensorDataset(*data[:96])
    parts = dict(a=Counted(data, 32, shuffle=True), b=DataLoader(few, 32))
    curve = lr_find(
        trainer, Module(), parts, num_training=20, probe=True, early_stop_threshold=None, silent=True
    ).curve
    assert Counted.given == 8 * k and len({a for a, _ in seen}) == 8 * k
    assert len(curve.batches) == 20 and max(curve.batches) >= 7
    # Each window has its number: the same number means the same batches.
    windows = [tuple(seen[i * k : (i + 1) * k]) for i in range(20)]
    assert len(set(zip(curve.batches.tolist(), windows))) == len(set(windows)) == len(set(curve.batches))


@pytest.mark.parametrize('k', [1, 2])
def test_a_trainer_goes_round_eight_windows(k):
    model, find = transformers(False, gradient_accumulation_steps=k)
    curve = find(probe=False, stop_div=False, silent=True)
    assert len(curve) == SWEEP and curve.batches.tolist() == [i % 8 for i in range(SWEEP)]
    fresh = find(probe=False, stop_div=False, batches=None, silent=True)
    assert fresh.batches is None and len(fresh) == SWEEP
