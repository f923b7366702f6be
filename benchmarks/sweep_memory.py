"""Measure the memory that `find_lr` takes on top of a training, as Linux counts it.

    python benchmarks/sweep_memory.py '50 million'

It prints two numbers in megabytes: how much higher the peak is in a range test of 20 updates than in as many
steps of the training by hand; and the size of the state of that training (weights, gradients, and the two
moments of AdamW). The batches that the range test goes round are included."""

import sys

import torch
from snapshot_memory import reset_peak, resident
from timing import SIZES, adamw, batches, by_hand, criterion, net, quiet

from fastlr import find_lr


def peak_of(f):
    "Return the peak of the memory in use while `f()` runs, in bytes."
    reset_peak()
    f()
    return resident('VmHWM')


def main(size):
    torch.set_num_threads(1)
    widths, steps = SIZES[size], 20
    model = net(widths)
    opt = adamw(model)
    data = batches(widths, steps)

    def train():
        by_hand(model, opt, data)

    def find():
        kw = dict(num_it=steps, end_lr=1e-2, stop_div=False, probe=False, progress=False)
        find_lr(model, opt, criterion, data, **kw)

    # What is imported at the first call is not what this measures.
    small = net(SIZES['5 thousand'])
    with quiet():
        find_lr(small, adamw(small), criterion, batches(SIZES['5 thousand'], 8), num_it=8, probe=False)
        train()
        by_hand_peak = peak_of(train)
        extra = peak_of(find) - by_hand_peak
    state = 4 * sum(p.nbytes for p in model.parameters())
    print(extra / 1e6, state / 1e6)


if __name__ == '__main__':
    main(*sys.argv[1:])
