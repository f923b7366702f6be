"""What the stored answers are worth: regrets, their means, differences between finders, and goals.

    r = read('CHOSEN_ON')
    r.regrets('fastlr', 'const')       # (trainings, seeds)
    r.row('fastlr')['mean', 'const']
    r.difference('fastlr', 'ignite', 'const')

Everything is computed from `oracle/`, `answers/` and `peers/`. A training is part of it as soon as the first
two have it; a finder that wasn't asked for some of them (yet) has NaN there. The trainings of a family are
alike, so standard errors are over families.
"""

import argparse, json, math, re
from dataclasses import dataclass
from functools import cache, reduce
from operator import getitem
from pathlib import Path

import answers
import numpy as np
import oracle as trained
import tasks
from peers import FOLDER, TOOLS

SPLITS = 'LOCKED', 'CHOSEN_ON', 'FITTED'
# What the rate for each schedule of the oracle is called in a suggestion.
SCHEDULES = dict(const='lr', onecycle='one_cycle', cosine='cosine', linear='linear')
BOTH = 'const', 'onecycle'
OURS = {'fastlr': 'auto', 'fastlr, never probed': 'never', 'fastlr, always probed': 'always'}
ON_OUR_SWEEP = {f'{rule} on our sweep': rule for rule in ('steep', 'minimum', 'valley', 'slide')}
FIXED = {f'{lr:g}': lr for lr in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 0.3)}
THUMB = 'rule of thumb (SGD .1, else 1e-3)'
FINDERS = [name for tool in TOOLS if tool.__name__ != 'constants' for name in TOOLS[tool][2]]
# Those that the default is to be ahead of.
OTHERS = [*FINDERS, *FIXED, THUMB]
RULES = [*OURS, *ON_OUR_SWEEP, *OTHERS]
NEAR, FAR, BAD = 0.05, 0.5, 0.1


def by_family(values, families):
    "Return the mean over families of the means within each, and its standard error; NaN is left out."
    values, families = np.asarray(values, dtype=float), np.asarray(families)
    known = ~np.isnan(values)
    means = np.array([values[known & (families == f)].mean() for f in dict.fromkeys(families[known])])
    error = means.std(ddof=1) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    return (float(means.mean()) if len(means) else math.nan), float(error)


def share(flags):
    "Return the share of True in `flags`; NaN if there are none."
    flags = np.asarray(flags, dtype=bool)
    return float(flags.mean()) if flags.size else math.nan


@dataclass(eq=False)
class Results:
    "What is known of some trainings. Arrays are (trainings, seeds), with NaN for what isn't known."

    oracle: dict  # training -> what its rates are worth, as `oracle.load` returns it
    own: dict  # training -> our answers for each seed, as in `answers/`
    peers: dict  # as in `peers/`
    family: dict  # training -> name
    planned: int  # the number of trainings that the split has

    def __post_init__(self):
        self.trainings = [t for t in self.own if set(BOTH) <= self.oracle.get(t, {}).keys()]
        self.families = [self.family[t] for t in self.trainings]
        self.regrets = cache(self.regrets)

    def __len__(self):
        return len(self.trainings)

    @property
    def complete(self):
        return len(self) == self.planned

    # Answers and costs.

    def rates(self, rule, training, schedule):
        "Return what `rule` suggests for each seed, None for nothing; None alone if it wasn't asked."
        own = self.own[training]
        if rule in OURS:
            return [a[OURS[rule]][SCHEDULES[schedule]] for a in own]
        if rule in ON_OUR_SWEEP:
            return [a['rules'][ON_OUR_SWEEP[rule]] for a in own]
        if rule in FIXED:
            return [FIXED[rule]] * len(own)
        return self.peers.get('suggestions', {}).get(rule, {}).get(training)

    def regrets(self, rule, schedule):
        "Return the regret of each answer; it is stored after the first call."
        result = np.full((len(self), len(answers.SEEDS)), np.nan)
        for i, t in enumerate(self.trainings):
            rates = self.rates(rule, t, schedule)
            if rates is not None and schedule in self.oracle[t]:
                result[i] = [trained.regret(self.oracle[t], lr, schedule) for lr in rates]
        return result

    def costs(self, rule):
        "Return optimizer steps, calls of the model and seconds of each answer: (trainings, seeds, 3)."
        result = np.full((len(self), len(answers.SEEDS), 3), np.nan)
        for i, t in enumerate(self.trainings):
            result[i] = self.cost(rule, t)
        return result

    def cost(self, rule, training):
        "Return the costs for each seed; zeros for a fixed rate."
        if rule in OURS or rule in ON_OUR_SWEEP:
            part = OURS.get(rule, 'never')
            return [[a[part][cost] for cost in answers.COSTS] for a in self.own[training]]
        if rule in FIXED or rule == THUMB:
            return 0.0
        package = next(TOOLS[tool][0] for tool in TOOLS if rule in TOOLS[tool][2])
        return self.peers.get('costs', {}).get(package, {}).get(training, np.nan)

    def asked(self, rule):
        "Return for how many trainings there are answers of `rule`."
        return int((~np.isnan(self.regrets(rule, 'const'))).all(1).sum())

    # What is in the tables.

    def row(self, rule):
        "Return the figures of a rule: (figure, schedule) or cost -> number."
        found = {}
        for s in SCHEDULES:
            r = self.regrets(rule, s)
            r = r[~np.isnan(r)]
            if r.size:
                figures = dict(mean=r.mean(), median=np.median(r), worst=r.max())
                figures |= dict(near=share(r <= NEAR), far=share(r > FAR))
                found |= {(name, s): float(value) for name, value in figures.items()}
        costs = self.costs(rule)
        known = ~np.isnan(costs).any((1, 2))
        if known.any():
            found |= dict(zip(answers.COSTS, costs[known].mean((0, 1)).tolist()))
        return found

    def mean(self, rule, schedule):
        return self.row(rule).get(('mean', schedule), math.nan)

    def difference(self, rule, other, schedule):
        "Return the mean regret of `rule` less that of `other` over families, and its standard error."
        worse = self.regrets(rule, schedule).mean(1) - self.regrets(other, schedule).mean(1)
        return by_family(worse, self.families)

    def ahead(self, other, schedule):
        "Return whether the default's regret is lower by more than two standard errors."
        mean, error = self.difference('fastlr', other, schedule)
        return bool(mean < -2 * error)

    def best_other(self, schedule):
        "Return the finder or fixed rate with the lowest mean regret."
        asked = [other for other in OTHERS if self.asked(other)]
        return min(asked, key=lambda other: self.mean(other, schedule))

    # The default in particular.

    def each(self, *names):
        "Return an array of what our answers have under `names`."
        found = [[reduce(getitem, names, a) for a in self.own[t]] for t in self.trainings]
        return np.array(found, dtype=float)

    def probed(self):
        "Return whether the default took further steps."
        return self.each('auto', 'steps') > self.each('never', 'steps')

    def in_range(self, part='auto'):
        "Return whether the best constant rate of the grid is between `low` and `high`."
        best = np.array([trained.RATES[trained.best_rate(self.oracle[t], 'const')] for t in self.trainings])
        low, high = self.each(part, 'low'), self.each(part, 'high')
        return (low <= best[:, None]) & (best[:, None] <= high)

    def slow(self):
        "Return which of the trainings hardly begin within the first hundred updates: (trainings,)."
        return np.array([bool(self.oracle[t].get('slow')) for t in self.trainings], dtype=bool)

    def told(self, where=None):
        "Count the sweeps by (whether they can tell, whether their own answer is bad); `where`: of these."
        where = np.ones(len(self), dtype=bool) if where is None else where
        can_tell, bad = self.each('can_tell') > 0, self.regrets('fastlr, never probed', 'const') > BAD
        pairs = [(can, is_bad) for can in (True, False) for is_bad in (False, True)]
        return {p: int(((can_tell == p[0]) & (bad == p[1]))[where].sum()) for p in pairs}


def read(split, only=None):
    "Return the `Results` of a split, or of `only` some of its trainings."
    chosen = [t for t in getattr(tasks, split) if only is None or t in only]
    own = answers.load(split)
    # What isn't scored yet isn't looked at.
    own = {t: own[t] for t in chosen if t in own}
    file = FOLDER / f'{split.lower()}.json'
    peers = json.loads(file.read_text()) if own and file.exists() else {}
    family = {t: tasks.TASKS[t].family for t in chosen}
    return Results(trained.load(own), own, peers, family, len(chosen))


# Goals.


@dataclass
class Goal:
    what: str
    wanted: str
    measured: str
    met: bool


def at_most(what, limit, value):
    return Goal(what, f'at most {limit:g}', f'{value:.3f}', value <= limit)


def at_least(what, limit, value):
    return Goal(what, f'at least {limit:.0%}', f'{value:.0%}', value >= limit)


NAMES = dict(const='constant', onecycle='one-cycle', cosine='cosine', linear='linear')


def goals_of(r, rule, mean):
    "Return the goals for the mean regret of a rule."
    return [at_most(f'{rule}: mean regret, {NAMES[s]}', mean, r.mean(rule, s)) for s in BOTH]


def goals(r):
    "Return all `Goal`s, with what was measured."
    row, found = r.row('fastlr'), goals_of(r, 'fastlr', 0.05)
    for s in BOTH:
        found += [
            at_most(f'fastlr: median regret, {NAMES[s]}', 0.02, row['median', s]),
            at_least(f'fastlr: within 0.05, {NAMES[s]}', 0.8, row['near', s]),
            at_most(f'fastlr: worst, {NAMES[s]}', FAR, row['worst', s]),
        ]
    found += [at_least('fastlr: no further steps', 0.8, share(~r.probed()))]
    found += goals_of(r, 'fastlr, always probed', 0.03)
    held = share(r.in_range())
    within = 0.75 <= held <= 0.85
    found += [Goal('fastlr: the range holds the best constant rate', '75% to 85%', f'{held:.1%}', within)]
    return [*found, *(goal_to_lead(r, s) for s in BOTH)]


def goal_to_lead(r, schedule):
    "Return the goal to be ahead of all others."
    asked = [other for other in OTHERS if r.asked(other)]
    ahead = [other for other in asked if r.ahead(other, schedule)]
    what = f'fastlr: ahead by more than two standard errors, {NAMES[schedule]}'
    of = f'of {len(asked)}'
    return Goal(what, f'{len(asked)} {of}', f'{len(ahead)} {of}', len(ahead) == len(asked))


# Sentences.

IN_VIEW = 'in view when the rule was made'
WHEN = dict(
    LOCKED='that played no part in making the rule (except in one late choice)',
    CHOSEN_ON=f'that were {IN_VIEW}',
    FITTED=f'that were {IN_VIEW}',
)


def judged_on():
    "Return the split that the README speaks about: the locked one as soon as it has been scored."
    return 'LOCKED' if answers.load('LOCKED') else 'CHOSEN_ON'


def claim(split=None):
    "Return the sentence about the default that the README and the notebooks quote."
    split = split or judged_on()
    r = read(split)
    ours, best = [r.mean('fastlr', s) for s in BOTH], [r.best_other(s) for s in BOTH]
    theirs = [r.mean(other, s) for other, s in zip(best, BOTH)]
    first, second = (f'a fixed rate of {other}' if other in FIXED else other for other in best)
    return (
        f'On {len(r)} trainings {WHEN[split]}, the suggested rate gives up {ours[0]:.0%} of the improvement '
        f'that the best rate achieves, and {ours[1]:.0%} with one-cycle (the aim was 5%); the best of the '
        f'other finders and fixed rates gives up {theirs[0]:.0%} ({first}) and {theirs[1]:.0%} ({second}).'
    ).replace('%', ' %')


# The columns of the table in the README: what they are called there, in the tables of suggestions, and in
# `side_effects.json`.
BESIDE = {
    'fastlr': ('fastlr', 'Fastlr'),
    'fastai (`valley`)': ('fastai valley', 'Fastai'),
    'Lightning': ('lightning', 'Lightning'),
    'pytorch-lr-finder': ('torch-lr-finder steepest', 'PytorchLRFinder'),
    'ignite': ('ignite', 'Ignite'),
}


def beside(split=None):
    "Return the lines of the README's table, in Markdown, which compares fastlr with the other finders."
    r = read(split or judged_on())
    effects = json.loads((Path(__file__).parent / 'side_effects.json').read_text())['tools']
    suggestions, packages = zip(*BESIDE.values())
    found = [effects[package] for package in packages]
    rows = {
        '': list(BESIDE),
        'given up at a constant rate': [percent(r.mean(rule, 'const')) for rule in suggestions],
        'given up with one-cycle': [percent(r.mean(rule, 'onecycle')) for rule in suggestions],
        'updates that it takes': [f'{r.row(rule)["steps"]:.0f}' for rule in suggestions],
        'your training goes on as if it had not run': [yes(f['goes_on']) for f in found],
        'your weights survive an error in the middle': [yes('weights' not in f['failed']) for f in found],
    }
    lines = [f'| {" | ".join([label, *cells])} |' for label, cells in rows.items()]
    return [lines[0].replace('|  |', '| |'), '|---' * (len(BESIDE) + 1) + '|', *lines[1:]]


def percent(share):
    return f'{share:.0%}'.replace('%', ' %')


def yes(flag):
    return 'yes' if flag else 'no'


# The pages that quote the sentence; the README is made of the second.
PAGES = 'README.md', 'nbs/index.ipynb', 'nbs/tutorials/measured.ipynb'
END = r'fixed rates gives up \d+ % \([^|"]*?\) and \d+ % \([^|"]*?\)\.'
SENTENCE = re.compile(r'On \d+ trainings [^|"]*?' + END)


def main():
    p = argparse.ArgumentParser(description='Print the sentence and the table that the README quotes.')
    p.add_argument('--write', action='store_true', help='put them into the pages that quote them')
    args, sentence = p.parse_args(), claim()
    for page in PAGES if args.write else ():
        file = Path(__file__).parent.parent / page
        text, n = SENTENCE.subn(lambda old: sentence, file.read_text())
        file.write_text(with_table(text))
        print(f'{page}: {n} replaced')
    print(sentence, *beside(), sep='\n')


def with_table(text):
    "Return the text of a page with the lines of the README's table put anew, where it has that table."
    for line in beside()[2:]:
        label = line.split(' | ')[0]
        text = re.sub(re.escape(label) + r' \|[^\n"\\]*\|', lambda old: line, text)
    return text


if __name__ == '__main__':
    main()
