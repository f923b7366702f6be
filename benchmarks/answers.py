"""Collect in `answers/` what fastlr suggests for the trainings of `tasks`, and what that costs.

    python benchmarks/answers.py --split CHOSEN_ON       # what is stored is skipped
    python benchmarks/answers.py --split FITTED --anew   # everything is asked again
    python benchmarks/answers.py --split FITTED --kept   # the same after a change of a rule, but quicker
    python benchmarks/answers.py --tasks TASK ...        # these are asked anew

`find_lr` is called as its documentation says, at its own defaults, with the task's model, optimizer, loss and
batches, once for each of three seeds; it starts from fresh weights every time. The answers are those of
`probe='auto'` (the default), of `probe=False` (the same sweep without its probes), and of `probe=True` (a
second call where the default had no probes); and those of the other rules on the same sweep. Each split has a
file; in it each task has a line for each seed. An answer without a suggestion is null. The costs are
optimizer steps, calls of the model, and seconds of processor time; those of `probe=False` after a call that
probed are its steps and calls without the probes', and the same share of its seconds.

The curves are kept in `curves/`, which isn't in the repository. `--kept` asks rules for another answer from
them, and sweeps only where other rates would be probed now. Don't use it when the sweep itself has changed.
"""

import argparse, json, math, os, time, warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import tasks
import torch
from fastlr import LRCurve, NoSuggestion, find_lr
from fastlr.rules import RULES
from fastlr.suggestion import MIN_POINTS
from peers import counted

SEEDS = 10, 11, 12
FOLDER = Path(__file__).parent / 'answers'
CURVES = Path(__file__).parent / 'curves'
SPLITS = 'FITTED', 'CHOSEN_ON', 'LOCKED'
LOWEST = 1e-7
RATES = 'lr', 'one_cycle', 'cosine', 'linear', 'low', 'high'
COSTS = 'steps', 'calls', 'seconds'
WARNING = (
    "LOCKED is scored once per release, when all rules and constants are fixed. If you have not fixed them "
    "for good, stop now: what you learn here can't be unlearned."
)


# One task and seed.


def range_test(name, seed, probe):
    "Return the curve of a range test, and its costs by name."
    setup, count = counted(tasks.TASKS[name].build(seed))
    opt, began = setup.opt(LOWEST), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        curve = find_lr(setup.model, opt, setup.loss, setup.train, probe=probe, progress=False)
    return curve, dict(count, seconds=time.process_time() - began)


def find(name, seed, probe, kept=False):
    "Return what `range_test` does, and keep it; with `kept`, return what was kept if it would be the same."
    file = CURVES / f'{name}-{seed}-{probe}.json'
    if kept and file.exists():
        earlier = json.loads(file.read_text())
        curve = LRCurve.from_dict(earlier['curve'])
        if probed_as_now(curve, probe):
            return curve, earlier['costs']
    curve, costs = range_test(name, seed, probe)
    CURVES.mkdir(exist_ok=True)
    file.write_text(json.dumps(dict(curve=curve.to_dict(), costs=costs)))
    return curve, costs


def probed_as_now(curve, probe):
    "Return whether the probes of `curve` are those that would be made now."
    sweep, rates = replace(curve, probes=()), [lr for lr, _ in curve.probes]
    wanted = sweep.needs_probes or (probe is True and sweep.view.can_tell)
    now = sweep.probe_rates() if wanted else []
    return len(now) == len(rates) and np.allclose(now, rates)


def suggested(curve, rule='auto'):
    "Return the suggestion, or None."
    try:
        return curve.suggest(rule)
    except NoSuggestion:
        return None


def short(value):
    "Return `value` with four significant digits, or None for None."
    return None if value is None else float(f'{value:.4g}')


def answer(curve, costs):
    "Return the rates of a suggestion and what it cost, by name; the rates are None if there is none."
    s = suggested(curve)
    rates = {rate: short(getattr(s, rate, None)) for rate in RATES}
    return {**rates, **{cost: short(costs[cost]) for cost in COSTS}}


def without_probes(curve, costs):
    "Return the costs of the sweep of a call that may have probed."
    probes = sum(len(losses) for _, losses in curve.probes)
    share = (costs['calls'] - probes) / costs['calls']
    return {
        'steps': costs['steps'] - probes,
        'calls': costs['calls'] - probes,
        'seconds': costs['seconds'] * share,
    }


def ask(name, seed, kept=False):
    "Return the answers to a range test with this seed: with probes by default, never, and always."
    curve, costs = find(name, seed, 'auto', kept)
    sweep = replace(curve, probes=())
    always = (curve, costs) if curve.probes else find(name, seed, True, kept)
    others = {rule: suggested(sweep, rule) for rule in RULES if rule != 'auto'}
    return {
        'seed': seed,
        'can_tell': bool(sweep.view.can_tell),
        'clarity': clarity(sweep.view),
        'auto': answer(curve, costs),
        'never': answer(sweep, without_probes(curve, costs)),
        'always': answer(*always),
        'rules': {rule: None if s is None else short(s.lr) for rule, s in others.items()},
    }


def clarity(view):
    "Return the clarity of a view; None if it has too few points to have one, or is perfectly clear."
    if len(view) < MIN_POINTS or not math.isfinite(view.clarity):
        return None
    return short(view.clarity)


# The files.


def file_of(split):
    return FOLDER / f'{split.lower()}.json'


def load(split):
    "Return the stored answers of a split: task -> one dict per seed; nothing if there is no file."
    file = file_of(split)
    return json.loads(file.read_text()) if file.exists() else {}


def write(split, answers):
    "Write the file of a split, with a line for each seed, in such a way that it is complete at any time."
    FOLDER.mkdir(exist_ok=True)
    blocks = [
        f'{json.dumps(name)}: [\n ' + ',\n '.join(map(json.dumps, by_seed)) + ' ]'
        for name, by_seed in answers.items()
    ]
    unfinished = file_of(split).with_suffix('.unfinished')
    unfinished.write_text('{' + ',\n'.join(blocks) + '}\n')
    os.replace(unfinished, file_of(split))


def fill(split, only=None, anew=False, kept=False):
    "Ask for each task of a split (or `only` these) that has no answers yet, or all; write after each."
    names = [n for n in getattr(tasks, split) if only is None or n in only]
    # The slowest come last.
    for name in sorted(names, key=lambda n: tasks.TASKS[n].costly):
        answers, began = load(split), time.time()
        if anew or kept or name not in answers:
            write(split, {**answers, name: [ask(name, seed, kept) for seed in SEEDS]})
            print(f'{name}: {time.time() - began:.0f} s', flush=True)


def add_split(parser):
    "Add the option that `suggestions.py` has, too."
    parser.add_argument(
        '--split', nargs='+', choices=SPLITS, default=[], help='all tasks of a split; LOCKED only once'
    )


def prepare(splits):
    "Use one core, and warn if the locked split is among these."
    torch.set_num_threads(1)
    if 'LOCKED' in splits:
        print(WARNING, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_split(p)
    p.add_argument('--tasks', nargs='+', choices=tasks.TASKS, default=[], metavar='TASK')
    p.add_argument('--anew', action='store_true', help='ask again where answers are stored')
    p.add_argument('--kept', action='store_true', help='the same, from the curves that were kept')
    args = p.parse_args()
    own = [split for split in SPLITS if set(args.tasks) & set(getattr(tasks, split))]
    prepare([*args.split, *own])
    for split in args.split:
        fill(split, anew=args.anew, kept=args.kept)
    for split in own:
        fill(split, only=args.tasks, anew=True, kept=args.kept)


if __name__ == '__main__':
    main()
