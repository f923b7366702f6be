"""How good are suggested learning rates? fastlr's rules, other finders and fixed rates, on small trainings.

    python benchmarks/suggestions.py --quick                   # from what is stored: seconds
    python benchmarks/suggestions.py                           # asks fastlr anew first: half an hour
    python benchmarks/suggestions.py --split LOCKED            # once per release

What a rate is worth is known by training with it: `oracle.py` did that, and explains the *regret* of a
rate, the share of the achievable reduction of the loss that it leaves behind. `answers.py` collects our
answers, and `peers.py` those of other libraries; each was asked with three seeds, which are not those of the
trainings. `tables.py` computes everything that is printed here.

The trainings are in three splits (see `tasks`). Those of FITTED and CHOSEN_ON were in view when the rule was
made, so only the numbers of LOCKED tell how good it will be on others.
"""

import argparse, math, time

import answers
import numpy as np
import tasks
from tables import BOTH, IN_VIEW, NAMES, OTHERS, RULES, SCHEDULES, SPLITS, goals, read, share

HEADS = dict(const='const', onecycle='1-cycle', cosine='cosine', linear='linear')
ABOUT = dict(
    LOCKED='LOCKED: no part in making the rule, except in one late choice (see which_rule)',
    CHOSEN_ON=f'CHOSEN_ON: {IN_VIEW}',
    FITTED=f'FITTED: {IN_VIEW}',
)


def number(value, form, width):
    "Return a number as a column; a dash if it isn't known."
    known = value is not None and not math.isnan(value)
    return format(format(value, form) if known else '-', f'>{width}')


def columns(row):
    "Return the columns of `table` for the figures of a rule."
    cells = [number(row.get(('mean', s)), '.3f', 8) for s in SCHEDULES]
    for name, form in (('median', '.3f'), ('near', '.0%'), ('far', '.0%'), ('worst', '.2f')):
        cells += [number(row.get((name, s)), form, 8) for s in BOTH]
    return ''.join(cells) + ''.join(number(row.get(c), '.4g', 8) for c in answers.COSTS)


def table(r, rules=RULES):
    "Print a line per rule, sorted by the sum of the mean regrets of both schedules."
    rules = [rule for rule in rules if r.asked(rule)]
    print(f"{'':36}{'mean regret':^32}{'median':^16}{'within 0.05':^16}{'above 0.5':^16}{'worst':^16}")
    heads = ''.join(f'{HEADS[s]:>8}' for s in SCHEDULES) + ''.join(f'{HEADS[s]:>8}' for s in BOTH) * 4
    print(f"{'':36}{heads}{'steps':>8}{'calls':>8}{'seconds':>8}")
    for rule in sorted(rules, key=lambda rule: sum(r.mean(rule, s) for s in BOTH)):
        some = '' if r.asked(rule) == len(r) else f' (of {r.asked(rule)})'
        print(f'{rule + some:36}{columns(r.row(rule))}')
    for s in SCHEDULES:
        known = sum(s in r.oracle[t] for t in r.trainings)
        if known < len(r):
            print(f'{NAMES[s]}: mean over the {known} of the {len(r)} trainings that were run with it')


def print_goals(r):
    "Print what was aimed at beside what was measured."
    for g in goals(r):
        print(f"{g.what:62}{g.wanted:>14}{g.measured:>10}   {'met' if g.met else 'NOT MET'}")


def differences(r, others=OTHERS, ours='fastlr'):
    "Print how much lower the regret of one of our answers is than that of the others."
    print(f"{f'the regret of {ours} less that of':48}{'constant':^20}{'one-cycle':^20}")
    for other in others:
        if r.asked(other):
            pairs = [r.difference(ours, other, s) for s in BOTH]
            stars = [' *' if mean < -2 * error else '  ' for mean, error in pairs]
            cells = [f'{mean:+.3f} ± {error:.3f}{star}' for (mean, error), star in zip(pairs, stars)]
            print(f'{other:48}' + ''.join(f'{cell:^20}' for cell in cells).rstrip())
    print('mean and standard error over families; *: lower by more than two standard errors')


def print_told(r, who, where=None):
    "Print how often sweeps can tell, and whether that is right."
    n = r.told(where)
    print(
        f'{who:24} can tell: {n[True, False]:3} good, {n[True, True]:2} bad;   '
        f"can't tell: {n[False, False]:3} good, {n[False, True]:2} bad"
    )


def can_tell(r):
    "Print how often it is right that a sweep can tell, or that it can't."
    print("The sweeps' own answers, bad above a regret of 0.1 at a constant rate:")
    slow = r.slow()
    print_told(r, 'all')
    if slow.any():
        print_told(r, 'slow starters', slow)
        print_told(r, 'the others', ~slow)


def by_family(r):
    "Print a line per family."
    clear, probed = r.each('can_tell') > 0, r.probed()
    own = r.regrets('fastlr, never probed', 'const')
    ours = [r.regrets('fastlr', s) for s in BOTH]
    print(f"{'':62}{'trainings':>10}{'can tell':>10}{'own':>8}{'fastlr':>8}{'1-cycle':>8}{'probed':>8}")
    for name in dict.fromkeys(r.families):
        here = np.array(r.families) == name
        regrets = ''.join(f'{x[here].mean():8.3f}' for x in (own, *ours))
        print(f'{name:62}{here.sum():10}{share(clear[here]):10.0%}{regrets}{share(probed[here]):8.0%}')


def heading(text):
    print(f'\n{text}\n')


def report(split, r):
    "Print all tables of a split."
    if not len(r):
        print(f'\n{split} has not been scored yet.')
        return
    rest = '' if r.complete else f' ({r.planned} are planned)'
    heading(f'{ABOUT[split]}. {len(r)} trainings{rest} of {len(set(r.families))} families')
    table(r)
    heading(f'{split}: goals')
    print_goals(r)
    heading(f'{split}: differences')
    differences(r)
    heading(f'{split}: can the sweep tell?')
    can_tell(r)
    heading(f"{split}: families; 'own' is the answer of the sweep without probes")
    by_family(r)


def options():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--quick', action='store_true', help='use the stored answers')
    answers.add_split(p)
    p.add_argument('--tasks', nargs='+', choices=tasks.TASKS, metavar='TASK', help='only these')
    return p.parse_args()


def main():
    args, began = options(), time.time()
    if not args.quick:
        wanted = args.split or ['FITTED', 'CHOSEN_ON']
        answers.prepare(wanted)
        for split in wanted:
            answers.fill(split, args.tasks, anew=True)
    print(
        'regret: share of the achievable reduction of the validation loss that is left behind; 0 is the\n'
        'best rate, 1 no better than not training, or no answer. Means are over trainings and three seeds\n'
        'each. Costs are optimizer steps, calls of the model, and seconds of processor time.'
    )
    for split in SPLITS:
        if split in args.split or not args.split:
            report(split, read(split, args.tasks))
    print(f'\n{time.time() - began:.0f} s')


if __name__ == '__main__':
    main()
