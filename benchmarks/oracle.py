"""What is each learning rate worth? Trains the tasks at many rates, and stores their final validation losses.

    python benchmarks/oracle.py --split CHOSEN_ON          # a minute per training; what is stored is skipped
    python benchmarks/oracle.py --tasks digits_mlp_sgdm --schedules cosine linear

Each task is trained at a constant rate, and with three schedules up to the rate: torch's OneCycleLR, and a
linear warm-up over a tenth of the updates with a fall to zero along a cosine or a line. The grid has four
rates per decade from 1e-5 to 17.8, of which a search tries those that matter: a coarse pass over the whole
grid with one seed, all rates near the best one, and more seeds there. Each task has a file in `oracle/`; what
was not tried is null in it, and a training that broke down is infinite. It also tells whether the task is
*slow*: whether the loss over the training data falls, in the first hundred updates at the best constant rate,
by less than 3 % of what it falls by in all.

The *regret* of a rate is the share of the achievable reduction of the loss that it leaves behind: 0 for the
best rate, and 1 for a rate that is no better than not training at all, or for no answer.
"""

import argparse, json, math, os, re, time
from pathlib import Path

import numpy as np
import tasks
import torch
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

FOLDER = Path(__file__).parent / 'oracle'
RATES = [10 ** (-5 + k / 4) for k in range(26)]
SCHEDULES = ('const', 'onecycle', 'cosine', 'linear')
SEEDS = (0, 1, 2)
# The passes of a search: every how manieth rate is tried, how far from the best, and with how many seeds.
PASSES = dict(
    const=[(2, 26, 1), (1, 3, 1), (1, 2, 2), (1, 1, 3)],
    others=[(2, 4, 1), (8, 26, 1), (4, 8, 1), (2, 4, 1), (1, 1, 1), (1, 1, 2)],
    costly_const=[(4, 26, 1), (2, 4, 1), (1, 1, 1), (1, 1, 2)],
    costly_others=[(2, 4, 1), (8, 26, 1), (2, 4, 1), (1, 1, 1)],
)
EARLY = 100
VISIBLE = 0.03


# Training.


@torch.no_grad()
def validation_loss(setup):
    "Return the mean loss over the validation data of `setup`."
    setup.model.eval()
    losses, sizes = zip(*((setup.loss(setup.model(x), y).item(), len(x)) for x, y in setup.valid))
    setup.model.train()
    return float(np.average(losses, weights=sizes))


@torch.no_grad()
def training_loss(setup, n=512):
    "Return the loss over the first `n` training examples."
    x, y = (t[:n] for t in setup.train.dataset.tensors)
    setup.model.eval()
    loss = setup.loss(setup.model(x), y).item()
    setup.model.train()
    return loss


def updates(setup, opt, n):
    "Train for up to `n` updates, and yield the loss after each."
    done = 0
    while True:
        for xb, yb in setup.train:
            loss = setup.loss(setup.model(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            yield loss.detach()
            done += 1
            if done == n:
                return


def shape(schedule, steps):
    "Return the share of the rate that update number `i` takes, as a function of `i`."
    warm_up = max(1, round(steps / 10))

    def share(i):
        if i < warm_up:
            return (i + 1) / warm_up
        left = (steps - i) / (steps - warm_up)
        return left if schedule == 'linear' else 0.5 - 0.5 * math.cos(math.pi * left)

    return share


def scheduler(schedule, opt, lr, steps):
    "Return the scheduler that takes `opt` through `steps` updates up to `lr`, or None for a constant rate."
    if schedule == 'const':
        return None
    if schedule == 'onecycle':
        # It also moves the momentum, where there is one.
        momentum = 'momentum' in opt.defaults or 'betas' in opt.defaults
        return OneCycleLR(opt, lr, total_steps=steps, cycle_momentum=momentum)
    return LambdaLR(opt, shape(schedule, steps))


def final_loss(setup, lr, schedule):
    "Return the validation loss after all updates; infinite if the training broke down."
    opt = setup.opt(lr)
    plan = scheduler(schedule, opt, lr, setup.steps)
    for i, loss in enumerate(updates(setup, opt, setup.steps), 1):
        if (i <= 20 or i % 20 == 0) and not math.isfinite(loss):
            return math.inf
        if plan is not None and i < setup.steps:
            plan.step()
    loss = validation_loss(setup)
    return loss if math.isfinite(loss) else math.inf


def early_fall(setup, lr):
    "Return the share of the fall of the training loss at `lr` that happens in the first updates."
    losses = [training_loss(setup)]
    for i, _ in enumerate(updates(setup, setup.opt(lr), setup.steps), 1):
        if i in (EARLY, setup.steps):
            losses.append(training_loss(setup))
    return (losses[0] - losses[1]) / (losses[0] - losses[-1])


# The search.


def medians(rows, init):
    "Return the rates' medians over the seeds that exist; nothing is worse than `init`, the untrained loss."
    losses = np.minimum(np.array(rows, dtype=float), init)
    known = ~np.isnan(losses).all(1)
    result = np.full(len(losses), np.nan)
    result[known] = np.nanmedian(losses[known], axis=1)
    return result


def search(task, passes, schedule, init, start=0):
    "Return the final losses for each rate and seed; None where they are not needed. Begin around `start`."
    rows = [[None] * len(SEEDS) for _ in RATES]
    for step, reach, seeds in passes:
        new = True
        while new:
            loss = medians(rows, init)
            best = start if np.isnan(loss).all() else int(np.nanargmin(loss))
            near = [k for k in range(0, len(RATES), step) if abs(k - best) <= reach]
            new = [(k, s) for k in near for s in range(seeds) if rows[k][s] is None]
            for k, s in new:
                rows[k][s] = final_loss(task.build(SEEDS[s]), RATES[k], schedule)
    return rows


def untrained(task):
    return float(np.median([validation_loss(task.build(seed)) for seed in SEEDS]))


def best_rate(entry, schedule):
    return int(np.nanargmin(medians(entry[schedule], entry['init'])))


def fill(name, schedules=SCHEDULES, anew=False):
    "Train what is missing in the file of a task, or everything, and write it after each schedule."
    task, file, began = tasks.TASKS[name], FOLDER / f'{name}.json', time.time()
    entry = json.loads(file.read_text()) if file.exists() and not anew else {}
    entry.setdefault('init', untrained(task))
    for s in schedules:
        if s not in entry:
            passes = PASSES[('costly_' if task.costly else '') + ('const' if s == 'const' else 'others')]
            start = best_rate(entry, 'const') if 'const' in entry else 0
            entry[s] = search(task, passes, s, entry['init'], start)
            write(file, entry)
            edge = ', AT THE END OF THE GRID' if best_rate(entry, s) in (0, len(RATES) - 1) else ''
            print(f"{name} {s}: {time.time() - began:.0f} s{edge}", flush=True)
    if 'slow' not in entry:
        lr = RATES[best_rate(entry, 'const')]
        falls = [early_fall(task.build(seed), lr) for seed in SEEDS] if task.steps > EARLY else [1.0]
        entry['early_fall'] = float(np.median(falls))
        entry['slow'] = entry['early_fall'] < VISIBLE
        write(file, entry)


def short(value):
    "Return `value` with five significant digits; what is neither a number nor a list stays."
    if isinstance(value, list):
        return [short(v) for v in value]
    return float(f'{value:.5g}') if isinstance(value, float) else value


def write(file, entry):
    "Write the file of a task, with a line for each rate, in such a way that it is complete at any time."
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps({k: short(v) for k, v in entry.items()}, indent=1)
    unfinished = file.with_suffix('.unfinished')
    unfinished.write_text(re.sub(r'\n\s+(?=[^\[\]{}]*\])', ' ', text) + '\n')
    os.replace(unfinished, file)


# What is stored.


def load(names):
    """Return the entries of the tasks that have a file.

    An entry has init, the untrained loss; grid; slow and early_fall; and for each schedule the losses of each
    rate and seed, of which those that were not tried are NaN.
    """
    files = {n: FOLDER / f'{n}.json' for n in names}
    entries = {n: dict(json.loads(f.read_text()), grid=RATES) for n, f in files.items() if f.exists()}
    for entry in entries.values():
        entry.update({s: np.array(entry[s], dtype=float) for s in SCHEDULES if s in entry})
    return entries


def regret(entry, lr, schedule):
    "Return the share of the achievable reduction that `lr` leaves behind, from 0 to 1; 1 for None."
    if lr is None or not 0 < lr < math.inf:
        return 1.0
    losses = medians(entry[schedule], entry['init'])
    known = ~np.isnan(losses)
    best = np.nanmin(losses)
    share = (losses[known] - best) / (entry['init'] - best)
    return float(np.interp(math.log10(lr), np.log10(entry['grid'])[known], share))


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--split', choices=('FITTED', 'CHOSEN_ON', 'LOCKED'), help='all tasks of a split')
    p.add_argument('--tasks', nargs='+', choices=tasks.TASKS, default=[], metavar='TASK')
    p.add_argument('--schedules', nargs='+', choices=SCHEDULES, default=SCHEDULES)
    args = p.parse_args()
    torch.set_num_threads(1)
    for name in [*args.tasks, *(getattr(tasks, args.split) if args.split else ())]:
        fill(name, args.schedules)


if __name__ == '__main__':
    main()
