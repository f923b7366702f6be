"Several processes that train together, for real: two of them, gloo on this machine."
import json, os
from datetime import timedelta
from functools import partial

import numpy as np
import pytest, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr.sweep
from conftest import problem
from fastlr import LRSweep, find_lr


def batches(rank):
    "Another half of the data for each process."
    rows = problem(192)
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

CASES = [usual, ten_at_a_time, shorter, shorter_ten, rest_of_a_window, leftovers, floats, nan_in_one, apart, one_alone]


def run(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2, timeout=timedelta(seconds=60))
    for case in CASES: case(rank).save(f'{folder}/{case.__name__}{rank}.json')
    json.dump([later_training(rank, True), later_training(rank, False)], open(f'{folder}/later{rank}.json', 'w'))
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('processes')
    mp.spawn(run, (str(folder),), nprocs=2, join=True)
    return folder

def curves(folder, case):
    from fastlr import LRCurve
    return [LRCurve.load(folder/f'{case.__name__}{rank}.json') for rank in range(2)]

def check_same(a, b): assert np.array_equal(a.lrs, b.lrs) and np.array_equal(a.losses, b.losses) and a.stop_reason == b.stop_reason


@pytest.mark.parametrize('case, points, reason', [(usual, None, 'diverged'), (ten_at_a_time, None, 'diverged'), (shorter, 7, 'data'), (shorter_ten, 13, 'data'), (rest_of_a_window, 3, 'data'), (leftovers, 7, 'data'), (floats, 10, 'end'),
                                                  (nan_in_one, 5, 'non-finite')],
                         ids=lambda x: getattr(x, '__name__', None))
def test_one_answer_on_all_processes(folder, case, points, reason):
    "fastai #2485, Lightning #19611, pytorch-lr-finder #64: each process stopped where its own loss did, and the others waited for it."
    a, b = curves(folder, case)
    check_same(a, b)
    assert a.stop_reason == reason and len(a) == (points or len(a))
    if points is None: assert a.suggest().lr == b.suggest().lr

def test_it_is_the_mean_that_is_recorded(folder):
    a, b = curves(folder, usual)
    own = []
    for rank in range(2):
        torch.manual_seed(0); model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)); x, y = batches(rank)[0]
        own.append(cross_entropy(model(x), y).item())
    assert a.losses[0] == pytest.approx(np.mean(own), rel=1e-6) and abs(own[0]-own[1]) > 1e-3
    check_same(*(c.trim(0, 0) for c in (curves(folder, ten_at_a_time)[0], a)))

def test_the_check_fails_where_nothing_is_reduced(folder):
    with pytest.raises(AssertionError): check_same(*curves(folder, apart))

def test_a_process_can_sweep_alone(folder): assert len(curves(folder, one_alone)[0]) == 10

def test_later_training_is_the_same(folder):
    for rank in range(2):
        with_detour, without = json.load(open(folder/f'later{rank}.json'))
        assert with_detour == without
