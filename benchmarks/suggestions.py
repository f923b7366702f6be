"""How good are suggested learning rates? fastlr's rules, other finders and fixed rates, on 38 trainings.

    python benchmarks/suggestions.py --quick            # uses the stored trainings: under two minutes
    python benchmarks/suggestions.py --quick --probe    # with probes, 500 steps more each: about six minutes
    python benchmarks/suggestions.py [--tasks a b ...]  # trains everything first: two hours on two cores

What a rate is worth is known by training with it: each task of `tasks.FITTED` was trained at 26 rates from
1e-5 to 17.8, four per decade, with three seeds, at a constant rate and with torch's OneCycleLR up to it. The
final validation losses are in `oracle/`, and `oracle.py` obtains them. The *regret* of a rate is the share of
the achievable reduction of the loss that it leaves behind: 0 for the best of the 26, and 1 for a rate that is
no better than not training at all, or for a finder that gives no answer. Sweeps use other seeds than the
trainings.

The other libraries' answers are read from `peers/`, which `peers.py` writes. Ours are stored in
`suggestions.json` when all tasks are run with probes. `make benchmark` does that, and installs what the tasks
need, scikit-learn and mnist1d; the extra `bench` has the other libraries too.
"""

import argparse, json, math, time
from pathlib import Path

import numpy as np
import torch
from fastlr import LRSweep, NoSuggestion
from fastlr.rules import RULES, centre_of_fall
from fastlr.smooth import noise_level, smoothed, start_level
from oracle import fill, load, regret
from tasks import HELD_OUT
from tasks import FITTED as TASKS

HERE = Path(__file__).parent
SCHEDULES = ('const', 'onecycle')
SWEEP_SEEDS = (10, 11, 12)


# What is suggested.


def sweep(task, seed, **kwargs):
    "Return a finished sweep over `task`, made by a training loop of its own."
    setup = TASKS[task].build(seed)
    opt = setup.opt(1e-7)
    with LRSweep(opt, setup.model, **kwargs) as s:
        for xb, yb in s(setup.train):
            loss = setup.loss(setup.model(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            s.record(loss)
    return s


def probed(task, seed, curve):
    "Return `curve` with probes around its suggestion, or unchanged if it has none."
    try:
        rates = curve.probe_rates()
    except NoSuggestion:
        return curve
    return curve.probed({lr: sweep(task, seed, start_lr=lr, num_it=100, mode='hold').losses for lr in rates})


def capped_knee(lrs, losses):
    """Return the rate of the rule with which fastlr began, for comparison; None if it finds none.

    It is twice the rate where 70 % of the fall has happened, but at most an eighth of the edge.
    """
    x, z, start = np.log10(lrs), smoothed(lrs, losses), start_level(losses)
    fall = start - z.min()
    if len(lrs) < 10 or not fall > 2 * noise_level(losses) or z.argmin() == 0:
        return None
    knee = x[np.argmax(z <= start - 0.7 * fall)]
    edge = x[np.flatnonzero(z <= start - 0.5 * fall)[-1]]
    return float(10 ** max(min(knee + np.log10(2), edge - np.log10(8)), x[0]))


def answers(curve):
    "Return rule -> what it suggests for each schedule; None for each if it suggests nothing."
    none = {f'fastlr {name}': (None, None) for name in RULES}
    found = {f'fastlr {name}': (s.lr, s.one_cycle) for name, s in curve.suggestions().items()}
    knee = capped_knee(*curve.aligned())
    return {**none, **found, 'capped knee (the first sketch)': (knee, knee)}


# The tables. In them, `suggested` is rule -> task -> one pair of answers per seed.


def table(suggested, oracle):
    "Print a line per rule: its regret over the tasks of `oracle`."
    rows = []
    for rule, by_task in suggested.items():
        pairs = [(t, pair) for t in oracle for pair in by_task[t]]
        each = np.array([[regret(oracle[t], lr, s) for lr, s in zip(pair, SCHEDULES)] for t, pair in pairs])
        rows.append((rule, each.mean(0), (each <= 0.05).mean(0), (each > 0.5).mean(0), each.max(0)))
    print(f"{'':38}{'mean regret':^17}{'within 0.05':^15}{'above 0.5':^13}{'worst':^13}")
    columns = [f"{'const':>{n}} {schedule:>{n}}" for n, schedule in ((8, '1-cycle'), (7, '1-cycle'))]
    print(f"{'':38}" + ''.join(columns) + f"{'const':>6} {'1-cyc':>6}" * 2)
    for rule, mean, near, far, worst in sorted(rows, key=lambda r: r[1].sum()):
        shares = f"{near[0]:7.0%} {near[1]:7.0%}{far[0]:6.0%} {far[1]:6.0%}"
        print(f"{rule:38}{mean[0]:8.3f} {mean[1]:8.3f}{shares}{worst[0]:6.2f} {worst[1]:6.2f}")


def by_task(suggested, oracle, ours='fastlr auto'):
    "Print a line per task: our regret and that of the best other finder, with its name where it wins."
    others = [r for r in suggested if not r.startswith('fastlr') and 'sketch' not in r]
    print(f"\n{'task':32}{'const':>7} {'best other':>11}   {'1-cycle':>7} {'best other':>11}")
    wins = 0
    for t in oracle:
        line = f"{t:32}"
        for k, s in enumerate(SCHEDULES):
            regrets = {
                r: np.mean([regret(oracle[t], pair[k], s) for pair in suggested[r][t]])
                for r in (ours, *others)
            }
            best = min(others, key=regrets.get)
            won = regrets[ours] <= regrets[best]
            wins += won
            line += f"{regrets[ours]:7.3f} {regrets[best]:7.3f} {'-' if won else best:24}"
        print(line.rstrip())
    chosen = f"the best of {len(others)} others, chosen anew for each task"
    print(f"{ours} is at least as good as {chosen}, in {wins} of {2 * len(oracle)} lines")


# How the default rule's constants depend on single tasks.


def constants(curves, oracle):
    "Fit the default rule's last three constants on all tasks but one, and print the regret on that one."
    print(
        "\nleave one out: the constants (factor, power of the momentum's effect, cap) fitted on all tasks "
        "but the one that is judged"
    )
    for k, schedule in enumerate(SCHEDULES):
        grid, cost = costs(curves, oracle, k)
        best = [np.delete(cost, i, 1).mean(1).argmin() for i in range(len(oracle))]
        left_out = float(np.mean([cost[b, i] for i, b in enumerate(best)]))
        chosen = ', '.join(map(str, sorted({rounded(grid[b]) for b in best})))
        on_all = rounded(grid[cost.mean(1).argmin()])
        print(
            f"{schedule:9} mean regret {left_out:.3f}; fitted on all: {on_all}; fitted without one: {chosen}"
        )


def costs(curves, oracle, k):
    "Return the combinations of constants, and the mean regret (combinations, tasks) on schedule `k`."
    sign = (1, -1)[k]
    powers = [0.0, *(sign * power for power in (1 / 6, 1 / 3, 1 / 2, 2 / 3))]
    grid = [(f, p, c) for f in np.geomspace(0.4, 4, 21) for p in powers for c in (2, 3, 4, 6)]
    parts = {t: [parts_of(c, k) for c in cs] for t, cs in curves.items()}
    cost = [
        [np.mean([regret(oracle[t], with_constants(p, *g), SCHEDULES[k]) for p in parts[t]]) for t in oracle]
        for g in grid
    ]
    return grid, np.array(cost)


def parts_of(curve, k):
    "Return centre, edge and momentum, of which the answer is made; without a fall, the answer itself."
    view = curve.view
    if view.falls:
        return centre_of_fall(view), view.x[view.edge], view.momentum
    s = curve.suggest()
    return (s.lr, s.one_cycle)[k]


def with_constants(parts, factor, power, cap):
    "Return the default rule's answer with other constants."
    if not isinstance(parts, tuple):
        return parts
    centre, edge, momentum = parts
    slow = 0.0 if momentum is None else math.log10((1 - momentum) / 0.1)
    return 10 ** min(centre + math.log10(factor) + power * slow, edge - math.log10(cap))


def rounded(values):
    return tuple(round(float(v), 2) for v in values)


# The command.


def options():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--quick', action='store_true', help='use the stored results of the trainings')
    p.add_argument('--probe', action='store_true', help="also judge the suggestions after probes")
    p.add_argument(
        '--leave-one-out',
        action='store_true',
        help="also fit the default rule's constants with each task left out",
    )
    p.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS), metavar='TASK')
    return p.parse_args()


def read_oracle(tasks, train):
    "Return the oracle's entries of `tasks`, after training them anew if `train` is True."
    for t in tasks if train else ():
        fill(t, SCHEDULES, anew=True)
    return load(tasks)


def our_suggestions(curves, probe):
    "Return rule -> task -> one pair of answers per curve; with probes too, if `probe` is True."
    suggested = {}
    for t, cs in curves.items():
        for seed, curve in zip(SWEEP_SEEDS, cs):
            found = answers(curve)
            if probe:
                found['fastlr auto, probed'] = answers(probed(t, seed, curve))['fastlr auto']
            for rule, pair in found.items():
                suggested.setdefault(rule, {}).setdefault(t, []).append(pair)
    return suggested


def main():
    args = options()
    torch.set_num_threads(1)
    began = time.time()
    oracle = read_oracle(args.tasks, train=not args.quick)
    peers = json.loads((HERE / 'peers/fitted.json').read_text())
    curves = {t: [sweep(t, seed).curve for seed in SWEEP_SEEDS] for t in oracle}
    ours = our_suggestions(curves, args.probe)
    if len(oracle) == len(TASKS) and args.probe:
        (HERE / 'suggestions.json').write_text(json.dumps(ours, default=float))
    theirs = {
        rule: {t: [(lr, lr) for lr in lrs] for t, lrs in tasks.items()}
        for rule, tasks in peers['suggestions'].items()
    }
    suggested = {**theirs, **ours}
    versions = ', '.join(f"{name} {version}" for name, version in peers['versions'].items())
    print(f"{len(oracle)} tasks, {len(SWEEP_SEEDS)} sweeps each; other libraries: {versions}\n")
    print(
        "regret: share of the achievable reduction of the validation loss that is left behind; the mean\n"
        "over tasks and sweeps, at a constant rate and with one-cycle up to the rate. Sorted by the sum of\n"
        "both. "
        "'fastlr minimum', 'valley' and 'slide': fastai's rules on our sweeps.\n"
    )
    table(suggested, oracle)
    held_out = {t: oracle[t] for t in oracle if t in HELD_OUT}
    if held_out:
        print(
            "\nof these, the held-out tasks, which came in when the constants of fastlr auto had been fixed"
        )
        print("(which_rule.ipynb divides them further):")
        table(suggested, held_out)
    by_task(suggested, oracle)
    if args.leave_one_out:
        constants(curves, oracle)
    print(f"\n{time.time() - began:.0f} s")


if __name__ == '__main__':
    main()
