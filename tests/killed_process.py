"""Find a rate in one of several processes, one of which is killed in its sixth step: killed_process.py PORT
RANK WORLD_SIZE. The others print for how many seconds they then waited, and the error."""

import os, signal, sys, time, warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

from fastlr import find_lr
from scenarios.plain import batches

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
port, rank, world_size = map(int, sys.argv[1:])
# This process serves the store, as a launcher does.
store = dist.TCPStore('127.0.0.1', port, is_master=rank == 0, timeout=timedelta(seconds=60))
dist.init_process_group('gloo', store=store, rank=rank, world_size=world_size)
model = nn.parallel.DistributedDataParallel(nn.Linear(6, 3))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
calls = []


def step(batch):
    calls.append(time.monotonic())
    if rank == world_size - 1 and len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return cross_entropy(model(batch[0]), batch[1])


try:
    find_lr(model, opt, None, batches(rank), step=step, num_it=20, stop_div=False, progress=False)
except RuntimeError as e:
    print(time.monotonic() - calls[-1], e, flush=True)
