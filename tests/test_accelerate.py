"`learn.to_accelerate()` and loops with an `Accelerator`: one process here, several that torchrun and `accelerate launch` start."
import json, os, subprocess, sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest, torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from conftest import problem
from fastlr import GradientAccumulation, GradientClipping, Learner, LRCurve, LRSweep, MixedPrecision, find_lr

HERE = Path(__file__).parent


# --- several processes

def launch(folder, kind, command, world):
    env = {**os.environ, 'PYTHONPATH': f'{HERE.parent}:{HERE}', 'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'agg'}
    p = subprocess.run([*command, str(HERE/'accelerate_script.py'), str(folder), kind], capture_output=True, text=True, timeout=300, env=env)
    assert p.returncode == 0, p.stderr[-3000:]
    return [json.load(open(folder/f'{rank}.json')) for rank in range(world)], p.stdout

def torchrun(n): return [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', str(n)]

@pytest.fixture(scope='module')
def ddp(tmp_path_factory): return launch(tmp_path_factory.mktemp('ddp'), 'ddp', torchrun(2), 2)
@pytest.fixture(scope='module')
def three(tmp_path_factory): return launch(tmp_path_factory.mktemp('three'), 'three', torchrun(3), 3)
@pytest.fixture(scope='module')
def fsdp(tmp_path_factory): return launch(tmp_path_factory.mktemp('fsdp'), 'fsdp', torchrun(2), 2)

def same_curve(found, name='curve'):
    a, *others = (LRCurve.from_dict(f[name]) for f in found)
    for b in others: assert np.array_equal(a.lrs, b.lrs) and np.array_equal(a.losses, b.losses) and a.stop_reason == b.stop_reason and a.suggest() == b.suggest()
    return a


@pytest.mark.parametrize('name', ['curve', 'accumulated', 'bf16', 'uneven', 'again'])
def test_one_curve_in_all_processes(ddp, name): assert len(same_curve(ddp[0], name)) > 20

def test_processes_share_the_batches_out(ddp):
    "Two processes with 8 rows each take the steps of one with 16, up to rounding; dropout and the shuffle differ, so it is the beginning that is compared."
    a, b = same_curve(ddp[0]), same_curve(ddp[0], 'accumulated')
    assert a.settings['num_it'] == 60 and abs(a.losses[:10].mean() - b.losses[:10].mean()) < 0.15

@pytest.mark.parametrize('name', ['later', 'later_accumulated', 'later_workers', 'clipped'])
def test_later_training_is_the_same_bit_for_bit(ddp, name):
    for same, _ in (f[name] for f in ddp[0]): assert same

def test_an_error_in_one_process_ends_the_sweep_in_all_and_the_next_one_works(ddp, three):
    for found in (ddp[0], three[0]):
        for rank, f in enumerate(found):
            assert f['unreadable'] == 'Bad: unreadable' if rank == 1 else 'process 1 has failed (Bad: unreadable)' in f['unreadable']
        assert same_curve(found, 'again').losses.tolist() == same_curve(found).losses.tolist()

def test_a_loop_of_ones_own(ddp):
    for rank, (same, message) in enumerate(f['loop'] for f in ddp[0]): assert same and ('process 1 has failed' in message if rank == 0 else message == 'Bad: unreadable')

def test_only_the_first_process_prints(ddp):
    for line in ('LR Finder is complete', 'Suggested lr', 'epoch     train_loss'): assert ddp[1].count(line) == 1, ddp[1]

def test_validation_is_the_mean_over_all(ddp):
    a, b = (f['validate'] for f in ddp[0])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)).eval()
    x, y = problem(48, 1)[:]
    assert a == b and a[0] == pytest.approx(cross_entropy(model(x), y).item(), rel=1e-5) and a[1] == pytest.approx((model(x).argmax(1) == y).float().mean().item())

def test_what_is_saved_is_whole_and_fits_a_learner_without_accelerate(ddp, fsdp):
    for found in (ddp[0], fsdp[0]):
        for shapes, moment, files in (f['saving'] for f in found): assert shapes['0.weight'] == [16, 6] and moment == 16 and files == 1 and not any(k.startswith('module') for k in shapes)

def test_three_processes(three):
    "Sums of three depend on their order, so this fails if a fit after the finder does not begin with a fresh wrapper of the model."
    assert len(same_curve(three[0])) > 20
    for same, loss in (f['later'] for f in three[0]): assert same and loss == three[0][0]['later'][1]

def test_sharded(fsdp):
    assert len(same_curve(fsdp[0])) > 20
    for f in fsdp[0]:
        assert f['later'][0] and f['later_accumulated'][0]
        assert 'load the model first' in f['trained']

def test_accelerate_launch(tmp_path):
    "Its launcher for several processes asks for GPUs by name, but starts CPU trainings just as well."
    command = [sys.executable, '-m', 'accelerate.commands.accelerate_cli', 'launch', '--multi_gpu', '--num_processes', '2', '--num_machines', '1', '--mixed_precision', 'no', '--dynamo_backend', 'no', '--main_process_port', '0']
    same_curve(launch(tmp_path, 'short', command, 2)[0])


# --- one process

def fresh(**kwargs):
    AcceleratorState._reset_state(True); GradientState._reset_state()
    return Accelerator(cpu=True, **kwargs)

def model_and_loader(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)), DataLoader(problem(), 16, shuffle=True)

def learner(**kwargs):
    model, dl = model_and_loader()
    return Learner((dl, dl), model, loss_func=nn.CrossEntropyLoss(), silent=True, **kwargs)

def by_learner(k): return learner().lr_find(num_it=30, stop_div=False, accumulate=k)
def by_accelerated_learner(k): return learner().to_accelerate(fresh(gradient_accumulation_steps=k)).lr_find(num_it=30, stop_div=False)
def by_find_lr(k):
    model, dl = model_and_loader()
    return find_lr(model, torch.optim.AdamW(model.parameters(), weight_decay=0.01), nn.CrossEntropyLoss(), dl, num_it=30, stop_div=False, accumulate=k, progress=False)
def by_prepared_find_lr(k):
    model, dl = model_and_loader()
    model, opt, dl = fresh().prepare(model, torch.optim.AdamW(model.parameters(), weight_decay=0.01), dl)
    return find_lr(model, opt, nn.CrossEntropyLoss(), dl, num_it=30, stop_div=False, accumulate=k, progress=False, verify=True)
def by_loop(k, **kwargs):
    acc, (model, dl) = fresh(gradient_accumulation_steps=k, **kwargs), model_and_loader()
    model, opt, dl = acc.prepare(model, torch.optim.AdamW(model.parameters(), weight_decay=0.01), dl)
    with LRSweep(opt, model, others=acc, scaler=acc.scaler, num_it=30, stop_div=False, verify=True) as sweep:
        for x, y in sweep(dl):
            with acc.accumulate(model): loss = cross_entropy(model(x), y); acc.backward(loss); opt.step(); opt.zero_grad()
            sweep.record(loss, update=acc.sync_gradients)
    assert acc.step == 0 and acc.gradient_state.sync_gradients and acc.gradient_state.active_dataloader is None
    return sweep.curve

@pytest.mark.parametrize('k', [1, 3])
@pytest.mark.parametrize('other', [by_accelerated_learner, by_find_lr, by_prepared_find_lr, by_loop], ids=lambda f: f.__name__)
def test_one_curve_through_all_faces(other, k):
    def curve(f): torch.manual_seed(5); return f(k)
    a, b = curve(by_learner), curve(other)
    assert len(a) == 30 and np.array_equal(a.lrs, b.lrs)
    # accelerate steps at the end of an epoch with what is there: 6 batches are two windows of 3
    assert np.array_equal(a.losses, b.losses)

def test_precision():
    curves = []
    for make in (lambda: learner(callback_fns=partial(MixedPrecision, precision='bf16')), lambda: learner().to_accelerate(fresh(mixed_precision='bf16'))):
        learn = make()
        torch.manual_seed(5); curves.append(learn.lr_find(num_it=30, stop_div=False, verify=True))
        assert 'forward' not in vars(learn.model) and '_original_forward' not in vars(learn.model)
    full = learner(); torch.manual_seed(5); full = full.lr_find(num_it=30, stop_div=False)
    assert np.allclose(curves[0].losses[:15], curves[1].losses[:15], atol=2e-2) and not np.array_equal(full.losses, curves[1].losses)

def test_a_scaler_that_skips():
    acc = fresh(); acc.scaler = torch.amp.GradScaler('cpu', init_scale=2.**127)              # overflows until it has come down
    learn = learner().to_accelerate(acc)
    learn.loss_func = lambda out, y: 1000*cross_entropy(out, y)
    curve = learn.lr_find(num_it=20, stop_div=False, verify=True)
    assert len(curve) == 20 and acc.scaler.get_scale() == 2.**127 and learn.opt is None
    learn.fit(1, 1e-3)
    assert acc.scaler.get_scale() < 2.**127

def test_training_after_it_is_the_same():
    states = []
    for detour in (False, True):
        learn = learner(callback_fns=partial(GradientClipping, clip=0.1)).to_accelerate(fresh(gradient_accumulation_steps=4))      # 6 batches: a window and a half
        learn.fit(1, 1e-2)
        if detour: learn.lr_find(num_it=13, verify=True)
        learn.fit(2, 1e-2)
        states.append([t.tolist() for t in learn.model.state_dict().values()])
    assert states[0] == states[1]

def test_groups_keep_their_ratio_and_the_rate_sets_itself():
    learn = learner(); learn.split(lambda m: m[4]); learn = learn.to_accelerate(fresh())
    learn.fit(1, slice(1e-4, 1e-2))
    found = learn.tune()
    assert np.allclose(found.curve.group_lrs[:, 0]*100, found.curve.group_lrs[:, 1]) and learn.opt.get_stat('lr') == list(found.curve.suggest().lrs)

def test_refused():
    for call, words in [(lambda l: l.to_accelerate(3), 'must be an accelerate.Accelerator'), (lambda l: l.to_accelerate(fresh(), cpu=True), 'cpu would be for a new'),
                        (lambda l: l.to_accelerate(fresh()).to_accelerate(fresh()), 'has an accelerator already'),
                        (lambda l: (l.callbacks.append(GradientAccumulation(l, 2)), l.to_accelerate(fresh())), 'GradientAccumulation, and the accelerator does that'),
                        (lambda l: (l.callbacks.append(MixedPrecision(l)), l.to_accelerate(fresh())), 'MixedPrecision, and the accelerator does that')]:
        learn = learner()
        with pytest.raises((TypeError, ValueError), match=words): call(learn)

def test_without_accelerate_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'accelerate', None)
    with pytest.raises(ImportError, match=r"pip install 'fastlr-finder\[accelerate\]'"): learner().to_accelerate(cpu=True)

def test_nothing_is_imported_before_it_is_used():
    out = subprocess.run([sys.executable, '-c', "import sys; from fastlr import Learner; Learner.to_accelerate; print([m for m in ('accelerate', 'lightning', 'transformers') if m in sys.modules])"], capture_output=True, text=True)
    assert out.stdout.strip() == '[]'
