"""Scenarios in which one process alone is interrupted, at random instants, as by Ctrl-C; in `PARTS` parts of
`TRIALS` range tests each. The others are notified, or have ended well."""

import random, signal, time, traceback
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr
from fastlr import Learner, LRSweep, find_lr
from fastlr.link import describe_error, notify_failure
from scenarios import SCENARIOS, messages
from scenarios.plain import batches, small_net, train

PARTS, TRIALS = 50, 20

# How the first process may end, and the one that is interrupted: it may be too late for the first one.
FINE = (
    ('notified', 'interrupted'),
    ('notified', 'too early'),
    ('finished', 'interrupted'),
    ('finished', 'finished'),
)


def interrupt(*args):
    raise KeyboardInterrupt


def plain_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


SETTINGS = dict(num_it=25, stop_div=False)


def no_buffers(rank, net=plain_net, pause=0.0):
    model = nn.parallel.DistributedDataParallel(net())
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    data = batches(rank)

    def step(batch):
        if pause and not rank:
            time.sleep(pause)
        return cross_entropy(model(batch[0]), batch[1])

    return model, lambda: find_lr(model, opt, None, data, step=step, progress=False, **SETTINGS)


def buffers(rank):
    return no_buffers(rank, small_net)


def waits(rank):
    "The process that is interrupted waits for the other one most of the time."
    return no_buffers(rank, pause=0.004)


def loop(rank, synchronizes=True):
    model = nn.parallel.DistributedDataParallel(plain_net())
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    data = batches(rank)

    def run():
        with LRSweep(opt, model, **SETTINGS) as sweep:
            train(sweep, model, opt, data, synchronizes)

    return model, run


def loop_without(rank):
    "The loop doesn't call `synchronize`."
    return loop(rank, False)


def in_a_learner(rank):
    model = nn.parallel.DistributedDataParallel(plain_net())
    learn = Learner((batches(rank), None), model, loss_func=cross_entropy, silent=True)
    return model, lambda: learn.lr_find(probe=False, **SETTINGS)


KINDS = no_buffers, buffers, waits, loop, loop_without, in_a_learner


def before_fastlr(error):
    "Return whether no function of fastlr had been called yet, or none was running."
    package = Path(fastlr.__file__).parent
    files = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return package not in {path.parent for path in files}


def trial(rank, kind, instant):
    "Run a range test, interrupted after this number of seconds, and return how it ended."
    model, run = kind(rank)
    before = [v.clone() for v in model.state_dict().values()]
    dist.barrier()
    sent = messages()
    began = time.perf_counter()
    try:
        if instant is not None:
            signal.setitimer(signal.ITIMER_REAL, instant)
        try:
            run()
            end = 'finished'
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt as e:
        end = 'interrupted'
        # It came before fastlr was called, or between the constructor and the `with` block of a loop. A
        # script that is interrupted there ends, and with it its process; here it has to notify the others
        # itself.
        if messages() == sent and before_fastlr(e):
            end = 'too early'
            notify_failure(describe_error(e))
    except RuntimeError as e:
        end = 'notified' if 'process 1 was interrupted (Ctrl-C)' in str(e) else str(e)
    seconds = time.perf_counter() - began
    same = all(map(torch.equal, before, model.state_dict().values()))
    dist.barrier()
    return end if same else f'{end}, and not restored', seconds


def part(i, rank):
    "Return how each trial of part `i` ended, and the longest time that one took."
    draw = random.Random(i)
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        seconds = {kind: trial(rank, kind, None)[1] for kind in KINDS}
        found = []
        for _ in range(TRIALS):
            kind, instant = draw.choice(KINDS), draw.uniform(0.001, 1.05)
            end, took = trial(rank, kind, instant * seconds[kind] if rank == 1 else None)
            found.append([kind.__name__, end, took])
    finally:
        signal.signal(signal.SIGALRM, handler)
    return found


def make(i):
    SCENARIOS[f'interrupts.part_{i}'] = lambda rank: part(i, rank)


for i in range(PARTS):
    make(i)
