"""Find a rate in one of several processes, one of which ends in its sixth step: killed_process.py PORT RANK
WORLD_SIZE HOW. It is `killed` before `backward`, or `killed in backward`, where the others wait for it, or it
`fails` there. They print for how many seconds they then waited, and the error with its notes."""

import os, signal, sys, time, warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr.link
from fastlr import find_lr
from scenarios.plain import ChangedGradient, batches

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
port, rank, world_size = map(int, sys.argv[1:4])
how = sys.argv[4]


class NoTimeout(dist.AllToAllOptions):
    "The options of a message in older versions of PyTorch, such as 2.7: the time-out has no effect."

    timeout = property(lambda self: None, lambda self, value: None)


def end_in_backward(grad):
    if how == 'killed in backward':
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError('in backward')


if how == 'fails':
    dist.AllToAllOptions = NoTimeout
    fastlr.link._NOTIFY_TIMEOUT = timedelta(seconds=1)
# This process serves the store, as a launcher does.
store = dist.TCPStore('127.0.0.1', port, is_master=rank == 0, timeout=timedelta(seconds=60))
dist.init_process_group('gloo', store=store, rank=rank, world_size=world_size)
model = nn.parallel.DistributedDataParallel(nn.Linear(6, 3))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
calls = []


def step(batch):
    calls.append(time.monotonic())
    now = rank == world_size - 1 and len(calls) == 6
    if now and how == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
    return ChangedGradient.apply(cross_entropy(model(batch[0]), batch[1]), end_in_backward if now else None)


try:
    find_lr(model, opt, None, batches(rank), step=step, num_it=20, stop_div=False, progress=False)
except RuntimeError as e:
    print(time.monotonic() - calls[-1], e, *getattr(e, '__notes__', []), flush=True)
