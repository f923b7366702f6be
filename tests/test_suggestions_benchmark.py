"The benchmark of suggestions: its figures are right on made-up data, and what is stored is complete."

import json, math, re, subprocess, sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
HERE = ROOT / 'benchmarks'
sys.path.insert(0, str(HERE))
import answers, suggestions, tables, tasks
import oracle as trained

GRID = [1e-3, 1e-2, 1e-1, 1.0]


def test_regret_by_hand():
    o = dict(init=2.0, grid=GRID, const=[[1.5] * 3, [1.0, 9.0, 1.0], [0.5] * 3, [float('inf')] * 3])
    # The regret is the share of the 1.5 that can be gained; over seeds it is the median.
    by_hand = {1e-3: 2 / 3, 1e-2: 1 / 3, 1e-1: 0.0, 1.0: 1.0, 10**-1.5: 1 / 6, 1e-9: 2 / 3}
    for lr, r in by_hand.items():
        assert trained.regret(o, lr, 'const') == pytest.approx(r)
    assert all(trained.regret(o, lr, 'const') == 1 for lr in (None, 0.0, -1.0, math.nan, math.inf))


# Made-up results: two families, of one and of two trainings, whose best rate is the third.


def own_answer(lr, steps=100, low=None, high=None):
    rates = dict(lr=lr, one_cycle=lr, cosine=lr, linear=lr, low=low, high=high)
    return dict(rates, steps=steps, calls=2 * steps, seconds=0.5)


def asked(lrs, never=0.1, can_tell=True, steps=100):
    "Return our answers for three seeds: `lrs` are those of the default."
    return [
        dict(
            seed=seed,
            can_tell=can_tell,
            clarity=5.0,
            auto=own_answer(lr, steps, 0.05, 0.2),
            never=own_answer(never),
            always=own_answer(0.1, 400),
            rules=dict(steep=0.01, minimum=None, valley=0.1, slide=1.0),
        )
        for seed, lr in zip(answers.SEEDS, lrs)
    ]


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(trained, 'RATES', GRID)
    losses = [[1.5] * 3, [1.0] * 3, [0.5] * 3, [2.0] * 3]
    entry = dict(init=2.0, grid=GRID, const=np.array(losses), onecycle=np.array(losses), slow=False)
    own = {
        'a': asked([0.1, 0.1, 0.1]),
        'b': asked([0.01, 0.01, 0.01], never=1.0, can_tell=False, steps=400),
        'c': asked([0.1, 0.1, None]),
    }
    peers = dict(
        suggestions={'ignite': {'a': [1e-3] * 3, 'b': [1e-3, 0.1, 0.1], 'c': [None] * 3}},
        costs={'pytorch-ignite': {t: [[100, 100, 0.1]] * 3 for t in own}},
    )
    family = {'a': 'one', 'b': 'other', 'c': 'other'}
    return tables.Results({t: {**entry, 'slow': t == 'b'} for t in own}, own, peers, family, 4)


def test_means_and_standard_errors_are_over_families():
    mean, error = tables.by_family([1.0, 2.0, 4.0, 5.0, np.nan], ['x', 'x', 'y', 'z', 'z'])
    # The families' means are 1.5, 4 and 5.
    assert mean == pytest.approx(3.5) and error == pytest.approx(np.std([1.5, 4, 5], ddof=1) / 3**0.5)
    mean, error = tables.by_family([1.0, 3.0], ['x', 'x'])
    assert mean == 2 and math.isnan(error)


def test_shares():
    assert tables.share([True, False, False, True]) == 0.5
    assert math.isnan(tables.share([]))


def test_a_row_by_hand(made):
    row = made.row('fastlr')
    # Regrets 0 0 0, 1/3 1/3 1/3, 0 0 1.
    by_hand = dict(mean=2 / 9, median=0.0, worst=1.0, near=5 / 9, far=1 / 9)
    for name, value in by_hand.items():
        assert row[name, 'const'] == row[name, 'onecycle'] == pytest.approx(value), name
    assert ('mean', 'cosine') not in row
    assert (row['steps'], row['calls'], row['seconds']) == pytest.approx((200, 400, 0.5))
    assert made.row('0.1')['mean', 'const'] == 0 and made.row('0.1')['steps'] == 0
    assert made.row('minimum on our sweep')['mean', 'const'] == 1
    assert not made.complete and len(made) == 3


def test_paired_differences_by_hand(made):
    # The mean regrets of ignite are 2/3, 2/9 and 1; those of the default are 0, 1/3 and 1/3.
    in_families = [-2 / 3, ((1 / 3 - 2 / 9) + (1 / 3 - 1)) / 2]
    mean, error = made.difference('fastlr', 'ignite', 'const')
    assert mean == pytest.approx(np.mean(in_families))
    assert error == pytest.approx(np.std(in_families, ddof=1) / 2**0.5)
    assert made.ahead('ignite', 'const') == (mean < -2 * error)
    # A rate of 0.001 has a regret of 2/3, so the families' differences are -2/3 and -1/3: three errors.
    assert made.ahead('0.001', 'const') and not made.ahead('0.1', 'const')
    assert made.best_other('const') == '0.1' and not made.asked('lightning')


def test_what_the_sweeps_could_tell_by_hand(made):
    # The sweeps of b had an answer of 1, the others of 0.1.
    assert made.told() == {(True, False): 6, (True, True): 0, (False, False): 0, (False, True): 3}
    assert sum(made.told(made.slow()).values()) == 3 and made.told(made.slow())[False, True] == 3
    assert made.probed().tolist() == [[False] * 3, [True] * 3, [False] * 3]
    assert made.in_range().all() and not made.in_range('never').any()


def test_goals_are_met_or_not(made):
    goals = {g.what: g for g in tables.goals(made)}
    assert len(goals) == 14
    assert not goals['fastlr: mean regret, constant'].met and goals['fastlr: median regret, constant'].met
    assert goals['fastlr, always probed: mean regret, one-cycle'].met
    assert goals['fastlr: no further steps'].measured == '67%' and not goals['fastlr: no further steps'].met
    held = goals['fastlr: the range holds the best constant rate']
    # Too wide a range is no better than too narrow a one.
    assert held.measured == '100.0%' and not held.met
    lead = goals['fastlr: ahead by more than two standard errors, constant']
    assert lead.wanted == '9 of 9' and not lead.met


def test_the_tables_show_what_is_missing(made, capsys):
    for rule in ('b', 'c'):
        del made.peers['suggestions']['ignite'][rule]
    suggestions.report('CHOSEN_ON', made)
    out = capsys.readouterr().out
    assert '3 trainings (4 are planned) of 2 families' in out and 'ignite (of 1)' in out
    assert 'lightning' not in out and 'NOT MET' in out
    assert re.search(r"^all +can tell: +6 good, +0 bad; +can't tell: +0 good, +3 bad", out, re.M)
    assert re.search(r'^other +2 +50% +0\.500 +0\.333 +0\.333 +50%', out, re.M)


# What is stored.


@pytest.mark.parametrize('split', answers.SPLITS)
def test_stored_answers_are_complete(split):
    own = answers.load(split)
    assert own or split == 'LOCKED'
    for task, by_seed in own.items():
        assert [a['seed'] for a in by_seed] == list(answers.SEEDS), task
        for a in by_seed:
            parts = [a[part] for part in ('auto', 'never', 'always')]
            assert all(part.keys() == {*answers.RATES, *answers.COSTS} for part in parts)
            assert a['never']['steps'] <= a['auto']['steps'] <= a['always']['steps'], task
            assert a['can_tell'] <= (a['auto'] == a['never']), task
    assert own.keys() == getattr(tasks, split).keys()


def test_no_family_is_in_two_splits():
    families = [{t.family for t in getattr(tasks, split).values()} for split in answers.SPLITS]
    assert len(set().union(*families)) == sum(map(len, families))


def test_the_readme_and_the_pages_say_what_is_stored():
    "Each of them quotes one sentence, which `python benchmarks/tables.py` prints."
    if not tables.read(tables.judged_on()).complete:
        pytest.skip('not all trainings have been run')
    for page in ('README.md', 'nbs/index.ipynb', 'nbs/tutorials/measured.ipynb'):
        assert tables.claim() in (ROOT / page).read_text(), page


@pytest.mark.parametrize('split', answers.SPLITS)
def test_the_default_is_first(split):
    "No other finder and no fixed rate has a lower mean regret, on either schedule."
    r = tables.read(split)
    if not r.complete:
        pytest.skip('not scored yet')
    for s in tables.BOTH:
        assert r.mean('fastlr', s) < r.mean(r.best_other(s), s)


# The commands.


def run(*args):
    "Run a command of the benchmark, and return what it prints."
    command = [sys.executable, *map(str, args)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr[-2000:]
    return out.stdout


def test_quick_mode_prints_the_locked_part_first():
    some = ['digits_logreg_sgd', 'diabetes_linear_sgd', 'digits_mlp_sgdm']
    out = run(HERE / 'suggestions.py', '--quick', '--tasks', *some)
    parts = [out.index(f'\n{split}') for split in tables.SPLITS]
    assert parts == sorted(parts) and tables.SPLITS[0] == 'LOCKED'
    printed = {
        m[1].strip(): (float(m[2]), float(m[3]))
        for m in re.finditer(r'^(.{36}) +(\d\.\d{3}) +(\d\.\d{3})', out[parts[-1] :], re.M)
    }
    assert {'fastlr', 'ignite', 'fastai valley', 'lightning', '0.001'} <= printed.keys()
    assert max(printed['fastlr']) < 0.06 and printed['lightning'][0] > printed['fastlr'][0]


def test_answers_are_asked_for_stored_and_not_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, 'FOLDER', tmp_path)
    monkeypatch.setattr(answers, 'CURVES', tmp_path / 'curves')
    answers.fill('FITTED', only=['digits_logreg_sgd'])
    stored = json.loads((tmp_path / 'fitted.json').read_text())
    a = stored['digits_logreg_sgd'][0]
    assert list(stored) == ['digits_logreg_sgd'] and a['can_tell']
    assert a['auto'] == a['never'] and a['always']['steps'] > a['auto']['steps'] >= 50
    # It gives what is in the repository, up to the rounding of another machine.
    kept = {t: s['auto'] for t, (s, *_) in json.loads((HERE / 'answers/fitted.json').read_text()).items()}
    rates = [a['auto'][r] for r in answers.RATES], [kept['digits_logreg_sgd'][r] for r in answers.RATES]
    np.testing.assert_allclose(*np.log10(rates), atol=0.05)
    monkeypatch.setattr(answers, 'range_test', None)
    answers.fill('FITTED', only=['digits_logreg_sgd'])
    # The kept curves give the same answers, unless a rule would now probe other rates.
    answers.fill('FITTED', only=['digits_logreg_sgd'], kept=True)
    assert answers.load('FITTED') == stored
    monkeypatch.setattr('fastlr.rules.CENTRE', 0.3)
    with pytest.raises(TypeError, match='NoneType'):
        answers.fill('FITTED', only=['digits_logreg_sgd'], kept=True)


def test_the_locked_split_comes_with_a_warning(capsys):
    answers.prepare(['FITTED'])
    assert not capsys.readouterr().out
    answers.prepare(['LOCKED'])
    assert 'once per release' in capsys.readouterr().out
