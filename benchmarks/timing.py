"""What the benchmarks of speed have in common: the training that they time, and how they time it.

Seconds tell more about the machine than about the code, so what counts are ratios to a loop written by hand
that ran just before and just after."""

import gc, importlib.util, io, logging, os, sys, time, warnings
from collections import defaultdict
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# By default glibc returns memory to the system and requests it again in some steps, depending on
# the state of the heap. These settings prevent that. glibc reads them when a process starts.
STEADY = dict(MALLOC_TRIM_THRESHOLD_=str(2**40), MALLOC_MMAP_MAX_='0')
criterion = nn.CrossEntropyLoss()
SIZES = {
    '5 thousand': (64, 64, 10),
    '1 million': (512, 1024, 512, 10),
    '50 million': (2048, 5120, 5120, 2560, 10),
}

# ---------------------------------------------------------------- the problem


def net(widths):
    "Return a dense net with ReLU, always with the same weights."
    torch.manual_seed(0)
    layers = [x for a, b in zip(widths, widths[1:]) for x in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def batches(widths, n, bs=32):
    """Return `n` batches in memory, so that the loop is measured and not the loading.

    They come from a `DataLoader`, since some libraries require one.
    """
    gen = torch.Generator().manual_seed(1)
    return DataLoader(
        TensorDataset(
            torch.randn(n, bs, widths[0], generator=gen), torch.randint(0, widths[-1], (n, bs), generator=gen)
        ),
        batch_size=None,
    )


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3)


def by_hand(model, opt, data, rates=None, set_to_none=True):
    """Run the loop that everything is compared with.

    With `rates` it is a range test that neither looks at the losses nor restores anything. A `Learner` fills
    gradients with zeros, as in fastai v1, where `set_to_none=True` drops them.
    """
    model.train()
    for i, (xb, yb) in enumerate(data):
        if rates is not None:
            opt.param_groups[0]['lr'] = rates[i]
        loss = criterion(model(xb), yb)
        loss.backward()
        opt.step()
        opt.zero_grad(set_to_none)


# ---------------------------------------------------------------- measuring


@contextmanager
def quiet():
    "Silence logs, warnings and everything that is printed."
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter('ignore')
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def restart_steadily():
    "Restart this script with `STEADY`, unless it has them."
    if sys.platform == 'linux' and STEADY.keys() - os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **STEADY})


def timed(f):
    "Return the seconds that `f()` takes without garbage collection."
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        f()
        return time.perf_counter() - begin
    finally:
        gc.enable()


def interleaved(competitors, rounds, per=1, warm=1):
    """Return {name: its median seconds / `per`, and the quartiles of its ratio to the first competitor}.

    `competitors` are {name: a function that returns a function without arguments}; only the latter is timed.
    All are compared with the first, which runs before and after each of the others, since the speed of a
    shared machine changes from second to second: a ratio is that to the mean of these two runs. `warm` rounds
    at the start are not counted.
    """
    (base, first), *others = competitors.items()

    def time_of(make):
        with quiet():
            return timed(make())

    seconds, ratios = defaultdict(list), defaultdict(list, {base: [1.0]})
    for r in range(rounds + warm):
        before = time_of(first)
        for name, make in others[r % max(1, len(others)) :] + others[: r % max(1, len(others))]:
            t, after = time_of(make), time_of(first)
            if r >= warm:
                seconds[base].append(after)
                seconds[name].append(t)
                ratios[name].append(2 * t / (before + after))
            before = after
    found = {}
    for n in competitors:
        low, ratio, high = np.quantile(ratios[n], [0.25, 0.5, 0.75]).round(4).tolist()
        found[n] = dict(seconds=float(np.median(seconds[n])) / per, ratio=ratio, low=low, high=high)
    return found


def has(*packages):
    "Return whether all of `packages` can be imported."
    return all(importlib.util.find_spec(p) is not None for p in packages)
