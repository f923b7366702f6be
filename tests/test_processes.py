"Several processes that train together, for real: two and three of them, gloo on this machine."
import json, socket, tempfile
from datetime import timedelta

import numpy as np
import pytest, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr.sweep
from conftest import problem
from fastlr import Learner, LRCurve, LRSweep, find_lr


def batches(rank):
    "Another half of the data for each process."
    rows = problem(288)
    return [rows[i:i+16] for i in range(96*rank, 96*rank+96, 16)]

def training(rank, together=True):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    model = nn.parallel.DistributedDataParallel(model) if together else model
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)

def usual(rank, **kw):
    model, opt = training(rank)
    return find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), end_lr=1e5, progress=False, **kw)

def ten_at_a_time(rank): # as on an accelerator
    fastlr.sweep._read_every, before = (lambda loss: 10), fastlr.sweep._read_every
    try: return usual(rank)
    finally: fastlr.sweep._read_every = before

def shorter(rank, n=7): # the second process has fewer batches, and can't begin again
    return find_lr(*training(rank), nn.CrossEntropyLoss(), (b for b in (batches(rank)*3)[:n if rank else 18]), progress=False)

def shorter_ten(rank):
    fastlr.sweep._read_every, before = (lambda loss: 10), fastlr.sweep._read_every
    try: return shorter(rank, 13)
    finally: fastlr.sweep._read_every = before

def uneven_lists(rank): # the second process begins its loader again sooner; they all do then
    return find_lr(*training(rank), nn.CrossEntropyLoss(), batches(rank)[:6-2*rank], num_it=20, stop_div=False, progress=False)

def rest_of_a_window(rank): # 8 batches, or 7 in the second process: two full windows, and one batch
    return find_lr(*training(rank), nn.CrossEntropyLoss(), (b for b in (batches(rank)*3)[:8-rank]), accumulate=3, progress=False)

class Leftovers:
    "Can't begin again, and doesn't look like it."
    def __init__(self, rows): self.rows = rows
    def __iter__(self):
        while self.rows: yield self.rows.pop(0)
def leftovers(rank): return find_lr(*training(rank), nn.CrossEntropyLoss(), Leftovers((batches(rank)*3)[:9-2*rank]), progress=False)

def floats(rank): # an optimizer whose first group is empty, and losses that are Python's numbers
    model, _ = training(rank); opt = torch.optim.Adam([dict(params=[]), dict(params=model.parameters())], lr=1e-3)
    with LRSweep(opt, model, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)): loss = cross_entropy(model(x), y); loss.backward(); opt.step(); opt.zero_grad(); sweep.record(loss.item())
    return sweep.curve

def nan_in_one(rank):
    n = []
    def step(batch): n.append(1); loss = cross_entropy(model(batch[0]), batch[1]); return loss*float('nan') if rank and len(n) == 6 else loss
    model, opt = training(rank)
    return find_lr(model, opt, None, batches(rank), step=step, progress=False)

def apart(rank): # each for itself
    model, opt = training(rank, together=False)
    return find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), end_lr=1e5, reduce=False, progress=False)

def one_alone(rank): # only the first looks for a rate
    if rank: return apart(rank)
    with LRSweep((t := training(rank, False))[1], t[0], reduce=False, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)): loss = cross_entropy(t[0](x), y); loss.backward(); t[1].step(); t[1].zero_grad(); sweep.record(loss)
    return sweep.curve

def later_training(rank, detour): # weights after a training, with and without a range test in the middle
    model, opt = training(rank)
    def steps(n):
        for x, y in batches(rank)[:n]: cross_entropy(model(x), y).backward(); opt.step(); opt.zero_grad()
    steps(3)
    if detour: find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), progress=False)
    steps(6)
    return [v.tolist() for v in model.state_dict().values()]

def fused(rank, model): # sharded over the processes, as FSDP2 does it
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    mesh = init_device_mesh('cpu', (dist.get_world_size(),))
    for layer in (model[0], model[3]): fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)

def sharded(rank):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 17), nn.LayerNorm(17), nn.ReLU(), nn.Linear(17, 3))       # 17 rows: the shards differ in size
    model = fused(rank, model)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)

def sharded_curve(rank):
    model, opt = sharded(rank)
    return find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), end_lr=1e5, progress=False, verify=True)

def sharded_on_disk(rank):
    model, opt = sharded(rank)
    with tempfile.TemporaryDirectory() as tmp: return find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), end_lr=1e5, progress=False, where=tmp)

def first_training(rank, detour):
    "As `later_training`, but the range test comes first: DDP arranges the gradients anew after its first step, which changes sums of three."
    model, opt = training(rank)
    if detour: find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), num_it=5, progress=False)
    for x, y in batches(rank): cross_entropy(model(x), y).backward(); opt.step(); opt.zero_grad()
    return [v.tolist() for v in model.state_dict().values()]

def sharded_training(rank, detour):
    "Weights and moments, shard by shard, after a training; in its middle a range test that ends well, and two that break off: in a forward pass, and after one."
    model, opt = sharded(rank)
    def steps(n):
        for x, y in batches(rank)[:n]: cross_entropy(model(x), y).backward(); opt.step(); opt.zero_grad()
    def breaks_off(out, y): raise ZeroDivisionError
    fails = []
    model[2].register_forward_hook(lambda *args: 1/0 if fails else None)
    steps(2); model(batches(rank)[0][0])                                # the root's parameters stay together after a forward pass
    if detour:
        find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), end_lr=1e5, progress=False, verify=True)
        fails.append(1)
        with pytest.raises(ZeroDivisionError): find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), progress=False)
        fails.clear()
        with pytest.raises(ZeroDivisionError): find_lr(model, opt, breaks_off, batches(rank), progress=False)
    steps(4)
    return [t.to_local().tolist() for p in model.parameters() for t in (p, opt.state[p]['exp_avg'])]


# what goes wrong in one process alone: the other one is told, and both are as before and in step

class Bad(Exception): pass

class Trap(nn.Module):
    "Raises in its n-th call."
    def __init__(self, n): super().__init__(); self.left = n
    def forward(self, out, y=None):
        self.left -= 1
        if self.left == 0: raise Bad('in one process')
        return out if y is None else cross_entropy(out, y)

def bad_loading(rank):
    def loading():
        for i, b in enumerate(batches(rank)*3):
            if rank and i == 5: raise Bad('in one process')
            yield b
    return find_lr(*training(rank), nn.CrossEntropyLoss(), loading(), progress=False)

def bad_forward(rank):
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), Trap(6 if rank else 0), nn.Linear(16, 3)))
    return find_lr(model, torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss(), batches(rank), progress=False)

def bad_loss(rank): return find_lr(*training(rank), Trap(6 if rank else 0), batches(rank), progress=False)

def bad_step(rank):
    model, opt = training(rank)
    n = []
    def count(*args):
        n.append(1)
        if rank and len(n) == 6: raise Bad('in one process')
    opt.register_step_pre_hook(count)
    return find_lr(model, opt, nn.CrossEntropyLoss(), batches(rank), progress=False)

def bad_in_a_learner(rank):
    model, _ = training(rank)
    return Learner((batches(rank), None), model, loss_func=Trap(6 if rank else 0), silent=True).lr_find()

def bad_before(rank): # an error before the sweep has begun
    return find_lr(*training(rank), nn.CrossEntropyLoss(), [] if rank else batches(rank), progress=False)

def bad_copy(rank): return find_lr(*training(rank), nn.CrossEntropyLoss(), batches(rank), where='/no/such/place' if rank else 'device', progress=False)

def bad_before_the_model(rank): # DDP's buffers come from process 0 in the forward pass, which it does not begin
    model, opt = training(rank); n = []
    def step(batch):
        n.append(1)
        if rank and len(n) == 6: raise Bad('in one process')
        return cross_entropy(model(batch[0]), batch[1])
    return find_lr(model, opt, None, batches(rank), step=step, progress=False)

def bad_closure(rank):
    model, _ = training(rank)
    return find_lr(model, torch.optim.LBFGS(model.parameters(), max_iter=2), Trap(6 if rank else 0), batches(rank), progress=False)

def bad_while_the_other_runs_out(rank): # two words at one meeting
    def loading(): yield from (batches(rank)*2)[:8]; raise Bad('in one process')
    return find_lr(*training(rank), nn.CrossEntropyLoss(), loading() if rank else (b for b in (batches(rank)*2)[:8]), accumulate=3, progress=False)

FAULTS = [bad_loading, bad_forward, bad_loss, bad_step, bad_in_a_learner, bad_before, bad_copy, bad_before_the_model, bad_closure, bad_while_the_other_runs_out]
SWAPPED = [bad_loading, bad_loss, bad_step, bad_before, bad_before_the_model, bad_while_the_other_runs_out]       # in process 0, from which the others get their buffers

def bad_everywhere(rank): return find_lr(*training(rank), Trap(6), batches(rank), progress=False)      # all fail alike, and none waits

def left(rank): # one process leaves the loop
    model, opt = training(rank)
    with LRSweep(opt, model, num_it=10, stop_div=False) as sweep:
        for x, y in sweep(batches(rank)):
            loss = cross_entropy(model(x), y); sweep.meet(); loss.backward(); opt.step(); opt.zero_grad(); sweep.record(loss)
            if rank and len(sweep) == 5: break
    return sweep.curve

def skipped_in_one(rank): # gradients overflow in one process, and nobody averages them
    model, opt = training(rank, together=False)
    scaler, n = torch.amp.GradScaler('cpu', init_scale=2.), []
    def step(batch): n.append(1); return Overflow.apply(cross_entropy(model(batch[0]), batch[1]), rank and len(n) == 4)
    return find_lr(model, opt, None, batches(rank), step=step, scaler=scaler, num_it=10, stop_div=False, progress=False)

class Overflow(torch.autograd.Function):
    "Passes the loss on; its gradient is infinite if asked for."
    @staticmethod
    def forward(ctx, loss, now): ctx.now = now; return loss.clone()
    @staticmethod
    def backward(ctx, grad): return grad*float('inf') if ctx.now else grad, None

def in_a_learner(rank): # the generator of the second process is the shorter one
    return Learner(((b for b in (batches(rank)*3)[:7 if rank else 18]), None), training(rank)[0], loss_func=nn.CrossEntropyLoss(), silent=True).lr_find()

CASES = [usual, ten_at_a_time, shorter, shorter_ten, rest_of_a_window, uneven_lists, leftovers, floats, nan_in_one, apart, one_alone, left, skipped_in_one, in_a_learner, sharded_curve, sharded_on_disk]
LATER = [later_training, first_training, sharded_training]


def swapped(case):
    def other(rank): return case(1 - rank)
    other.__name__ = f'{case.__name__}_in_0'
    return other

def outcome(case, rank):
    "The curve of a case, or what it raises, as JSON; and its time is bounded by that of the process group."
    try: return dict(curve=case(rank).to_dict())
    except Exception as e: return dict(error=f'{type(e).__name__}: {e}')

def run(rank, folder, port, world, cases, later):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=world, timeout=timedelta(seconds=60))
    found = {case.__name__: outcome(case, rank) for case in cases + [swapped(case) for case in SWAPPED if world == 2]}
    found |= {f.__name__: [f(rank, True), f(rank, False)] for f in later}
    json.dump(found, open(f'{folder}/{rank}.json', 'w'))
    dist.destroy_process_group()

def launch(folder, world, cases, later=LATER):
    "What each of `world` processes found: a list, by rank, of dicts by the name of the case."
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]                     # a free one
    mp.spawn(run, (str(folder), port, world, cases, later), nprocs=world, join=True)
    return [json.load(open(f'{folder}/{rank}.json')) for rank in range(world)]


@pytest.fixture(scope='module')
def two(tmp_path_factory): return launch(tmp_path_factory.mktemp('two'), 2, [*CASES, *FAULTS, bad_everywhere, usual_again])

@pytest.fixture(scope='module')
def three(tmp_path_factory): return launch(tmp_path_factory.mktemp('three'), 3, [usual, nan_in_one, shorter, bad_loss, bad_loading, sharded_curve, usual_again])

def usual_again(rank): return usual(rank) # the processes are in step after all that went wrong

def curves(found, case): return [LRCurve.from_dict(f[getattr(case, '__name__', case)]['curve']) for f in found]

def check_same(a, *others):
    for b in others: assert np.array_equal(a.lrs, b.lrs) and np.array_equal(a.losses, b.losses) and a.stop_reason == b.stop_reason


@pytest.mark.parametrize('case, points, reason', [(usual, None, 'diverged'), (ten_at_a_time, None, 'diverged'), (shorter, 7, 'data'), (shorter_ten, 13, 'data'), (rest_of_a_window, 3, 'data'), (uneven_lists, 20, 'end'), (leftovers, 7, 'data'), (floats, 10, 'end'),
                                                  (nan_in_one, 5, 'non-finite'), (left, 5, 'interrupted'), (skipped_in_one, 10, 'end'), (in_a_learner, 7, 'data'),
                                                  (sharded_curve, None, 'diverged'), (sharded_on_disk, None, 'diverged'), (usual_again, None, 'diverged')],
                         ids=lambda x: getattr(x, '__name__', None))
def test_one_answer_on_all_processes(two, case, points, reason):
    "fastai #2485, Lightning #19611, pytorch-lr-finder #64: each process stopped where its own loss did, and the others waited for it."
    a, b = curves(two, case)
    check_same(a, b)
    assert a.stop_reason == reason and len(a) == (points or len(a))
    if points is None: assert a.suggest().lr == b.suggest().lr

@pytest.mark.parametrize('case, points', [(usual, None), (nan_in_one, 5), (shorter, 7), (sharded_curve, None), (usual_again, None)], ids=lambda x: getattr(x, '__name__', None))
def test_one_answer_on_three(three, case, points):
    a, *others = curves(three, case)
    check_same(a, *others)
    assert len(a) == (points or len(a))

def test_it_is_the_mean_that_is_recorded(two, three):
    for found in (two, three):
        own = []
        for rank in range(len(found)):
            torch.manual_seed(0); model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)); x, y = batches(rank)[0]
            own.append(cross_entropy(model(x), y).item())
        assert curves(found, usual)[0].losses[0] == pytest.approx(np.mean(own), rel=1e-6) and abs(own[0]-own[1]) > 1e-3
    check_same(*(c.trim(0, 0) for c in (curves(two, ten_at_a_time)[0], curves(two, usual)[0])))

def test_what_is_sharded_gives_the_same_curve(two):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 17), nn.LayerNorm(17), nn.ReLU(), nn.Linear(17, 3))
    both = [tuple(map(torch.cat, zip(a, b))) for a, b in zip(batches(0), batches(1))]                  # one process with the batches of two
    whole, a, b = find_lr(model, torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss(), both, end_lr=1e5, progress=False), curves(two, sharded_curve)[0], curves(two, sharded_on_disk)[0]
    check_same(a, b)
    n = 60                                                                                             # then rounding has grown
    assert np.allclose(a.losses[:n], whole.losses[:n], rtol=1e-4) and abs(np.log10(a.suggest().lr/whole.suggest().lr)) < 0.02

def test_the_check_fails_where_nothing_is_reduced(two):
    with pytest.raises(AssertionError): check_same(*curves(two, apart))

def test_a_process_can_sweep_alone(two): assert len(curves(two, one_alone)[0]) == 10

@pytest.mark.parametrize('case, bad', [*((c, 1) for c in FAULTS), *((c, 0) for c in SWAPPED)], ids=lambda x: getattr(x, '__name__', str(x)))
def test_an_error_in_one_process_ends_the_sweep_in_all(two, case, bad):
    errors = [f[case.__name__ if bad else f'{case.__name__}_in_0']['error'] for f in two]
    own, other = errors[bad], errors[1-bad]
    words = {bad_before: 'ValueError: loader gives no batch', bad_copy: "ValueError: where must be 'device'"}.get(case, 'Bad: in one process')
    assert own.startswith(words) and other.startswith(f'RuntimeError: LRSweep: process {bad} has failed ({words}')

def test_an_error_in_one_of_three(three):
    for case in ('bad_loss', 'bad_loading'):
        errors = [f[case]['error'] for f in three]
        assert errors[1:] == ['Bad: in one process']*2 and 'process 1 has failed (Bad' in errors[0] or 'process 2 has failed (Bad' in errors[0]

def test_an_error_in_all_processes_is_the_same_in_all(two): assert [f['bad_everywhere']['error'] for f in two] == ['Bad: in one process']*2

@pytest.mark.parametrize('f', LATER, ids=lambda x: x.__name__)
def test_later_training_is_the_same(two, three, f):
    for found in (*two, *three):
        with_detour, without = found[f.__name__]
        assert with_detour == without
