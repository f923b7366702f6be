"""How good are suggested learning rates? fastlr's rules, other libraries' finders and fixed rates, on thirty-eight trainings.

    python benchmarks/suggestions.py --quick            # against the stored results of the trainings: under two minutes
    python benchmarks/suggestions.py [--tasks a b ...]  # trains everything anew first: about two hours on two cores
    python benchmarks/suggestions.py --quick --probe    # with probes, 500 steps more for each suggestion: about six minutes

What a rate is worth is known by training with it: each task of `tasks.py` is trained at 26 rates from 1e-5 to 17.8, four a decade,
with three seeds, at a constant rate and with torch's OneCycleLR up to that rate. Their final validation losses are in `oracle.json`.
The *regret* of a rate is the share of the achievable loss reduction that it leaves behind: 0 for the best of the 26, 1 for a rate
that is no better than not training at all (so does a finder that gives no answer). Sweeps use other seeds than the trainings.

The other libraries' answers are read from `peers.json`, which `peers.py` writes; ours are kept in `suggestions.json` when all
tasks are asked for, with probes. Needs scikit-learn and mnist1d: `pip install -e .[bench]`, from a checkout, brings the other libraries too.
"""

import argparse, json, math, time
from pathlib import Path

import numpy as np
import torch
from fastlr import LRSweep, NoSuggestion
from fastlr.rules import RULES, centre_of_fall
from fastlr.smooth import noise_level, smoothed, start_level
from tasks import HELD_OUT, TASKS

HERE = Path(__file__).parent
RATES = [10 ** (-5 + k / 4) for k in range(26)]
SCHEDULES = ('const', 'onecycle')
SEEDS, SWEEP_SEEDS = (0, 1, 2), (10, 11, 12)


# ---- what each rate is worth -----------------------------------------------------------------------------------------------


@torch.no_grad()
def validation_loss(setup):
    setup.model.eval()
    losses, sizes = zip(*((setup.loss(setup.model(x), y).item(), len(x)) for x, y in setup.valid))
    setup.model.train()
    return float(np.average(losses, weights=sizes))


def updates(setup, opt, n):
    "Train for up to `n` updates; yields after each."
    done = 0
    while True:
        for xb, yb in setup.train:
            loss = setup.loss(setup.model(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            yield loss
            done += 1
            if done == n:
                return


def final_loss(task, seed, lr, schedule):
    "Validation loss after the task's budget of updates; infinite if the training broke down."
    setup = TASKS[task].build(seed)
    opt = setup.opt(lr)
    cycle = (
        torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=setup.steps)
        if schedule == 'onecycle'
        else None
    )
    for i, loss in enumerate(updates(setup, opt, setup.steps), 1):
        if i % 20 == 0 and not math.isfinite(loss):
            return math.inf
        if cycle is not None and i < setup.steps:
            cycle.step()
    loss = validation_loss(setup)
    return loss if math.isfinite(loss) else math.inf


def train_all(task):
    "The oracle of `task`."
    untrained = float(np.median([validation_loss(TASKS[task].build(seed)) for seed in SEEDS]))
    return dict(
        init=untrained,
        grid=RATES,
        **{s: [[final_loss(task, seed, lr, s) for seed in SEEDS] for lr in RATES] for s in SCHEDULES},
    )


def regret(oracle, lr, schedule):
    "Share of the achievable loss reduction that training at `lr` leaves behind, from 0 to 1; 1 for None."
    if lr is None or not 0 < lr < math.inf:
        return 1.0
    losses = np.median(oracle[schedule], axis=1)
    losses = np.fmin(losses, oracle['init'])  # nobody has to train: never worse than untrained
    share = (losses - losses.min()) / (oracle['init'] - losses.min())
    return float(np.interp(math.log10(lr), np.log10(oracle['grid']), share))


# ---- what is suggested -----------------------------------------------------------------------------------------------------


def sweep(task, seed, **kwargs):
    "A sweep over `task`, as a loop of one's own would make it."
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
    try:
        rates = curve.probe_rates()
    except NoSuggestion:
        return curve
    return curve.probed({lr: sweep(task, seed, start_lr=lr, num_it=100, mode='hold').losses for lr in rates})


def capped_knee(lrs, losses):
    "The rule that fastlr began with, for comparison: twice the rate where 70 % of the fall has happened, at most an eighth of the edge."
    x, z, start = np.log10(lrs), smoothed(lrs, losses), start_level(losses)
    low, fall = int(z.argmin()), start - z.min()
    if len(lrs) < 10 or not fall > 2 * noise_level(losses):
        return None
    knee, edge = x[np.argmax(z <= start - 0.7 * fall)], x[np.flatnonzero(z <= start - 0.5 * fall)[-1]]
    return float(10 ** max(min(knee + np.log10(2), edge - np.log10(8)), x[0])) if low else None


def answers(curve):
    "Rule -> what it suggests for each schedule."
    found = {f'fastlr {name}': (s.lr, s.one_cycle) for name, s in curve.suggestions().items()}
    knee = capped_knee(*curve.aligned())
    return {
        **{f'fastlr {name}': (None, None) for name in RULES},
        **found,
        'capped knee (the first sketch)': (knee, knee),
    }


# ---- tables ----------------------------------------------------------------------------------------------------------------


def table(suggested, oracle):
    "Print a line a rule: `suggested` is rule -> task -> answers, one pair a seed."
    rows = []
    for rule, by_task in suggested.items():
        each = np.array(
            [
                [regret(oracle[t], lr, s) for lr, s in zip(pair, SCHEDULES)]
                for t in oracle
                for pair in by_task[t]
            ]
        )
        rows.append((rule, each.mean(0), (each <= 0.05).mean(0), (each > 0.5).mean(0), each.max(0)))
    print(f"{'':38}{'mean regret':^17}{'within 0.05':^15}{'above 0.5':^13}{'worst':^13}")
    print(
        f"{'':38}{'const':>8} {'1-cycle':>8}"
        + f"{'const':>7} {'1-cycle':>7}"
        + f"{'const':>6} {'1-cyc':>6}{'const':>6} {'1-cyc':>6}"
    )
    for rule, mean, near, far, worst in sorted(rows, key=lambda r: r[1].sum()):
        print(
            f"{rule:38}{mean[0]:8.3f} {mean[1]:8.3f}{near[0]:7.0%} {near[1]:7.0%}{far[0]:6.0%} {far[1]:6.0%}{worst[0]:6.2f} {worst[1]:6.2f}"
        )


def by_task(suggested, oracle, ours='fastlr auto'):
    "Print a line a task: our regret, and that of the best of the others, with its name where it wins and a dash where it does not."
    others = [r for r in suggested if not r.startswith('fastlr') and 'sketch' not in r]
    print(f"\n{'task':32}{'const':>7} {'best other':>11}   {'1-cycle':>7} {'best other':>11}")
    wins = 0
    for t in oracle:
        line = f"{t:32}"
        for k, s in enumerate(SCHEDULES):
            mean = {
                r: np.mean([regret(oracle[t], pair[k], s) for pair in suggested[r][t]])
                for r in (ours, *others)
            }
            best = min(others, key=mean.get)
            wins += mean[ours] <= mean[best]
            line += f"{mean[ours]:7.3f} {mean[best]:7.3f} {'-' if mean[ours] <= mean[best] else best:24}"
        print(line.rstrip())
    print(
        f"{ours} is at least as good as the best of {len(others)} others, chosen anew for each task, in {wins} of {2 * len(oracle)} lines"
    )


def constants(curves, oracle):
    "Fit the last three constants of the default rule, per schedule, on all tasks but one, and print the regret on the one."
    parts = {
        t: [(c.view.falls and centre_of_fall(c.view), c.view.x[c.view.edge], c.view.momentum, c) for c in cs]
        for t, cs in curves.items()
    }

    def answer(centre, edge, momentum, curve, factor, power, cap, k):
        if centre is False:
            return (lambda s: (s.lr, s.one_cycle)[k])(curve.suggest())
        slow = 0.0 if momentum is None else math.log10((1 - momentum) / 0.1)
        return 10 ** min(centre + math.log10(factor) + power * slow, edge - math.log10(cap))

    def fit(k, powers):
        grid = [(f, p, c) for f in np.geomspace(0.4, 4, 21) for p in powers for c in (2, 3, 4, 6)]
        cost = np.array(
            [
                [
                    np.mean([regret(oracle[t], answer(*part, *g, k), SCHEDULES[k]) for part in parts[t]])
                    for t in oracle
                ]
                for g in grid
            ]
        )
        best = [np.delete(cost, i, 1).mean(1).argmin() for i in range(len(oracle))]
        return (
            float(np.mean([cost[b, i] for i, b in enumerate(best)])),
            sorted({tuple(round(float(v), 2) for v in grid[b]) for b in best}),
            grid[int(cost.mean(1).argmin())],
        )

    print(
        "\nleave one out: the constants (factor, power of the momentum's effect, cap) fitted on all tasks but the one that is judged"
    )
    for k, powers in ((0, (0.0, 1 / 6, 1 / 3, 1 / 2, 2 / 3)), (1, (0.0, -1 / 6, -1 / 3, -1 / 2, -2 / 3))):
        loo, chosen, best = fit(k, powers)
        print(
            f"{SCHEDULES[k]:9} mean regret {loo:.3f}; fitted on all: {tuple(round(float(v), 2) for v in best)}; fitted without one: {', '.join(map(str, chosen))}"
        )


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--quick', action='store_true', help='use the stored results of the trainings')
    p.add_argument('--probe', action='store_true', help="also judge the suggestions after probes")
    p.add_argument(
        '--leave-one-out',
        action='store_true',
        help="also fit the default rule's constants with each task left out",
    )
    p.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS), metavar='TASK')
    args = p.parse_args()
    torch.set_num_threads(1)
    began, stored = time.time(), json.loads((HERE / 'oracle.json').read_text())
    if not args.quick:
        for t in args.tasks:
            stored[t] = train_all(t)
            (HERE / 'oracle.json').write_text(json.dumps(stored))
            print(
                f"{t}: trained {2 * len(RATES) * len(SEEDS)} times, {time.time() - began:.0f} s", flush=True
            )
    oracle, peers = {t: stored[t] for t in args.tasks}, json.loads((HERE / 'peers.json').read_text())
    curves = {t: [sweep(t, seed).curve for seed in SWEEP_SEEDS] for t in oracle}
    suggested = {
        rule: {t: [(lr, lr) for lr in lrs] for t, lrs in by.items()}
        for rule, by in peers['suggestions'].items()
    }
    for t, cs in curves.items():
        for found in map(answers, cs):
            for rule, pair in found.items():
                suggested.setdefault(rule, {}).setdefault(t, []).append(pair)
        if args.probe:
            for seed, c in zip(SWEEP_SEEDS, cs):
                suggested.setdefault('fastlr auto, probed', {}).setdefault(t, []).append(
                    answers(probed(t, seed, c))['fastlr auto']
                )
    if len(oracle) == len(TASKS) and args.probe:
        ours = {rule: by for rule, by in suggested.items() if rule not in peers['suggestions']}
        (HERE / 'suggestions.json').write_text(json.dumps(ours, default=float))
    print(
        f"{len(oracle)} tasks, {len(SWEEP_SEEDS)} sweeps each; other libraries: "
        + ', '.join(f"{k} {v}" for k, v in peers['versions'].items())
        + '\n'
    )
    print(
        "regret: share of the achievable reduction of the validation loss that is left behind; the mean over tasks and sweeps, at a constant rate and with\n"
        "one-cycle up to the rate. Sorted by the sum of both. 'fastlr minimum', 'valley' and 'slide': fastai's rules on our sweeps.\n"
    )
    table(suggested, oracle)
    held_out = {t: oracle[t] for t in oracle if t in HELD_OUT}
    if held_out:
        print(
            "\nof these, the held-out tasks, which came in when the constants of fastlr auto had been fixed (which_rule.ipynb tells them apart further):"
        )
        table(suggested, held_out)
    by_task(suggested, oracle)
    if args.leave_one_out:
        constants(curves, oracle)
    print(f"\n{time.time() - began:.0f} s")


if __name__ == '__main__':
    main()
