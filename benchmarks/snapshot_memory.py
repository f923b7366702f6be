"""Peak memory of a snapshot, in copies of the training's state (weights, gradients, two moments of AdamW), as Linux counts it.

    python benchmarks/snapshot_memory.py

A 192 MB state is kept and restored, on the device (here the CPU), in main memory, and on disk."""

import multiprocessing, os, sys, tempfile

import torch
from torch import nn

from fastlr import Snapshot


def resident(field):
    "VmRSS, the memory in use, or VmHWM, its peak since `reset_peak`; in bytes."
    with open('/proc/self/status') as f:
        return next(int(l.split()[1]) for l in f if l.startswith(field)) * 1024


def reset_peak():
    with open('/proc/self/clear_refs', 'w') as f:
        f.write('5')


def copies(base, state):
    """Return the memory taken since `base`, in units of `state`.

    Linux counts pages for each thread and adds them up later, so a peak can be read a few pages below `base`: then 0.
    """
    return max(0, resident('VmHWM') - base) / state


def measure(where, name):
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
    # As speed.py asks: one place, in a process that did nothing else.
    if len(sys.argv) == 3:
        return measure(*sys.argv[1:])
    # A process for each, because memory that was freed is not returned at once; forked, because nothing was computed here yet.
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
