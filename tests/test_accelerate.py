"`learn.to_accelerate()` and loops with an `Accelerator`: in one process. For several, see test_processes.py."

import subprocess, sys
from functools import partial

import numpy as np
import pytest, torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from conftest import problem
from fastlr import GradientAccumulation, GradientClipping, Learner, LRSweep, MixedPrecision, find_lr
from launches import launch


def test_accelerate_launch(tmp_path):
    "The launcher for several processes asks for GPUs by name, but starts CPU trainings just as well."
    options = dict(
        num_processes=2, num_machines=1, mixed_precision='no', dynamo_backend='no', main_process_port=0
    )
    words = [word for name, value in options.items() for word in (f'--{name}', str(value))]
    launcher = [sys.executable, '-m', 'accelerate.commands.launch', '--multi_gpu', *words]
    found = launch(tmp_path, 2, 'accelerate.curve', launcher=launcher)
    found.check_end()
    a, b = found.curves('accelerate.curve')
    assert np.array_equal(a.lrs, b.lrs)
    assert np.array_equal(a.losses, b.losses)
    assert a.stop_reason == b.stop_reason
    assert a.suggest() == b.suggest()


def fresh(**kwargs):
    "Return an accelerator. Accelerate remembers the settings of the first one until they are reset."
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    return Accelerator(cpu=True, **kwargs)


def model_and_loader():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    return model, DataLoader(problem(), 16, shuffle=True)


def adamw(model):
    return torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)


def learner(**kwargs):
    model, dl = model_and_loader()
    return Learner((dl, dl), model, loss_func=nn.CrossEntropyLoss(), silent=True, **kwargs)


SWEEP = dict(num_it=30, stop_div=False)


def by_learner(k):
    return learner().lr_find(accumulate=k, **SWEEP)


def by_accelerated_learner(k):
    return learner().to_accelerate(fresh(gradient_accumulation_steps=k)).lr_find(**SWEEP)


def by_find_lr(k):
    model, dl = model_and_loader()
    return find_lr(model, adamw(model), nn.CrossEntropyLoss(), dl, accumulate=k, progress=False, **SWEEP)


def by_prepared_find_lr(k):
    model, dl = model_and_loader()
    model, opt, dl = fresh().prepare(model, adamw(model), dl)
    return find_lr(model, opt, nn.CrossEntropyLoss(), dl, accumulate=k, progress=False, verify=True, **SWEEP)


def by_loop(k):
    acc = fresh(gradient_accumulation_steps=k)
    model, dl = model_and_loader()
    model, opt, dl = acc.prepare(model, adamw(model), dl)
    with LRSweep(opt, model, others=acc, scaler=acc.scaler, verify=True, **SWEEP) as sweep:
        for x, y in sweep(dl):
            with acc.accumulate(model):
                loss = cross_entropy(model(x), y)
                acc.backward(loss)
                opt.step()
                opt.zero_grad()
            sweep.record(loss, update=acc.sync_gradients)
    assert acc.step == 0
    assert acc.gradient_state.sync_gradients
    assert acc.gradient_state.active_dataloader is None
    return sweep.curve


FACES = [by_accelerated_learner, by_find_lr, by_prepared_find_lr, by_loop]


@pytest.mark.parametrize('k', [1, 3])
@pytest.mark.parametrize('other', FACES, ids=lambda f: f.__name__)
def test_one_curve_through_all_entry_points(other, k):
    """At the end of an epoch accelerate makes a step with an incomplete window: 6 batches are two windows of
    3."""
    torch.manual_seed(5)
    a = by_learner(k)
    torch.manual_seed(5)
    b = other(k)
    assert len(a) == 30
    assert np.array_equal(a.lrs, b.lrs)
    assert np.array_equal(a.losses, b.losses)


def test_precision():
    curves = []
    for learn in (
        learner(callback_fns=partial(MixedPrecision, precision='bf16')),
        learner().to_accelerate(fresh(mixed_precision='bf16')),
    ):
        torch.manual_seed(5)
        curves.append(learn.lr_find(verify=True, **SWEEP))
        assert 'forward' not in vars(learn.model)
        assert '_original_forward' not in vars(learn.model)
    full = learner()
    torch.manual_seed(5)
    full = full.lr_find(**SWEEP)
    assert np.allclose(curves[0].losses[:15], curves[1].losses[:15], atol=2e-2)
    assert not np.array_equal(full.losses, curves[1].losses)


def test_a_scaler_that_skips():
    "Steps are skipped until the scale has come down."
    acc = fresh()
    acc.scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127)
    learn = learner().to_accelerate(acc)
    learn.loss_func = lambda out, y: 1000 * cross_entropy(out, y)
    curve = learn.lr_find(num_it=20, stop_div=False, verify=True)
    assert len(curve) == 20
    assert acc.scaler.get_scale() == 2.0**127
    assert learn.opt is None
    learn.fit(1, 1e-3)
    assert acc.scaler.get_scale() < 2.0**127


def test_training_after_it_is_the_same():
    "The 6 batches of an epoch are a window and a half."
    states = []
    for detour in (False, True):
        learn = learner(callback_fns=partial(GradientClipping, clip=0.1))
        learn = learn.to_accelerate(fresh(gradient_accumulation_steps=4))
        learn.fit(1, 1e-2)
        if detour:
            learn.lr_find(num_it=13, verify=True)
        learn.fit(2, 1e-2)
        states.append([t.tolist() for t in learn.model.state_dict().values()])
    assert states[0] == states[1]


def test_groups_keep_their_ratio_and_the_rate_sets_itself():
    learn = learner()
    learn.split(lambda m: m[4])
    learn = learn.to_accelerate(fresh())
    learn.fit(1, slice(1e-4, 1e-2))
    found = learn.tune()
    assert np.allclose(found.curve.group_lrs[:, 0] * 100, found.curve.group_lrs[:, 1])
    assert learn.opt.get_stats('lr') == list(found.curve.suggest().lrs)


def with_callback(make):
    learn = learner()
    learn.callbacks.append(make(learn))
    return learn


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda: learner().to_accelerate(3), 'must be an accelerate.Accelerator'),
        (lambda: learner().to_accelerate(fresh(), cpu=True), "cpu can't be passed together"),
        (lambda: learner().to_accelerate(fresh()).to_accelerate(fresh()), 'has an accelerator already'),
        (
            lambda: with_callback(lambda l: GradientAccumulation(l, 2)).to_accelerate(fresh()),
            'GradientAccumulation, and the accelerator does that',
        ),
        (
            lambda: with_callback(MixedPrecision).to_accelerate(fresh()),
            'MixedPrecision, and the accelerator does that',
        ),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_without_accelerate_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'accelerate', None)
    with pytest.raises(ImportError, match='to_accelerate needs accelerate: pip install accelerate$'):
        learner().to_accelerate(cpu=True)


def test_nothing_is_imported_before_it_is_used():
    code = """
import sys
from fastlr import Learner
Learner.to_accelerate
print([m for m in ('accelerate', 'lightning', 'transformers') if m in sys.modules])
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert out.stdout.strip() == '[]'
