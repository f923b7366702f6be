"""Measure the peak memory of a snapshot, as Linux counts it.

    python benchmarks/snapshot_memory.py

A snapshot of a training's state of 192 MB (weights, gradients, two moments of AdamW) is taken and restored:
on the device (here the CPU), in main memory, and on disk. The unit is a copy of this state."""

import multiprocessing, os, sys, tempfile

import torch
from torch import nn

from fastlr import Snapshot


def resident(field):
    "Return VmRSS, the memory in use, or VmHWM, its peak since `reset_peak`, in bytes."
    with open('/proc/self/status') as f:
        return next(int(l.split()[1]) for l in f if l.startswith(field)) * 1024


def reset_peak():
    "Let the peak of the memory, VmHWM, begin at the memory that is in use now."
    with open('/proc/self/clear_refs', 'w') as f:
        f.write('5')


def copies(base, state):
    """Return the memory taken since `base`, in units of `state`.

    Linux counts pages for each thread and adds them up later, so the peak may seem to be a few pages below
    `base`. The result is 0 then.
    """
    return max(0, resident('VmHWM') - base) / state


def measure(where, name):
    "Take and restore a snapshot at the place `where`, and print how much memory each of the two needs."
    torch.set_num_threads(1)
    model = nn.Sequential(*[nn.Linear(1000, 1000) for _ in range(12)])
    opt = torch.optim.AdamW(model.parameters(), foreach=False)
    model(torch.randn(2, 1000)).sum().backward()
    opt.step()
    state = 4 * sum(p.nbytes for p in model.parameters())
    reset_peak()
    base = resident('VmRSS')
    snap = Snapshot(model, opt, where=where)
    taken = copies(base, state)
    reset_peak()
    base = resident('VmRSS')
    snap.restore()
    restored = copies(base, state)
    print(f'where={name:6}  to keep: {taken:.3f} copies   to restore: {restored:.3f}', flush=True)


def main():
    if not os.path.exists('/proc/self/clear_refs'):
        sys.exit('This script reads /proc, and so needs Linux')
    # speed.py starts the script for a single place, in a process that has done nothing else.
    if len(sys.argv) == 3:
        return measure(*sys.argv[1:])
    # Each place has a process of its own, because memory that was freed is not returned at once. Forking is
    # safe, because this process has not computed anything yet.
    fork = multiprocessing.get_context('fork')
    with tempfile.TemporaryDirectory() as folder:
        for where, name in (('device', 'device'), ('cpu', 'cpu'), (folder, 'disk')):
            process = fork.Process(target=measure, args=(where, name))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(process.exitcode)


if __name__ == '__main__':
    main()
