"The trainings of the benchmark: no family is in two splits, all start, and the oracle finds the best rates."

import json, sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / 'benchmarks'))
import oracle, tasks
from tasks import real

SPLITS = tasks.FITTED, tasks.CHOSEN_ON, tasks.LOCKED


def families(split):
    return {t.family for t in split.values()}


def test_no_family_is_in_two_splits():
    assert len(tasks.TASKS) == sum(map(len, SPLITS)) >= 100
    kinds = [families(split) for split in SPLITS]
    assert len(set().union(*kinds)) == sum(map(len, kinds)) >= 25


def test_each_new_split_has_real_data_and_many_optimizers():
    p = [torch.nn.Parameter(torch.ones(2, 2))]
    for split in SPLITS[1:]:
        assert len({t.family for t in split.values() if t.real}) >= 3
        assert len({type(t.opt(p, lr=0.1)) for t in split.values()}) >= 7


def missing(task):
    "Return what is not installed of what `task` needs, or None."
    try:
        task.build(0)
    except ImportError as e:
        return str(e)


@pytest.mark.parametrize('split', SPLITS, ids=('fitted', 'chosen_on', 'locked'))
def test_trainings_start_below_infinity_and_repeat(split):
    for name, task in split.items():
        if missing(task):
            continue
        losses = []
        for _ in range(2):
            setup = task.build(3)
            xb, yb = next(iter(setup.train))
            loss = setup.loss(setup.model(xb), yb)
            loss.backward()
            setup.opt(1e-3).step()
            losses.append(loss.item())
        assert len(xb) == task.bs and np.isfinite(losses).all() and losses[0] == losses[1], name


def test_a_missing_package_is_named():
    with pytest.raises(ImportError, match='pip install no_such_package'):
        real.folder('no_such_package')


def bowl(best):
    "Return a function that stands for a training: its loss is the distance from a best rate, in decades."
    return lambda setup, lr, schedule: abs(np.log10(lr) - best) + 0.01 * setup


class Counted:
    "A task that counts how often it is built."

    built = 0

    def build(self, seed):
        self.built += 1
        return seed


@pytest.mark.parametrize('best', [-5.0, -2.5, -0.25, 1.25])
@pytest.mark.parametrize('passes', ['const', 'others'])
def test_the_search_finds_the_best_rate_with_few_trainings(monkeypatch, best, passes):
    monkeypatch.setattr(oracle, 'final_loss', bowl(best))
    task = Counted()
    rows = oracle.search(task, oracle.PASSES[passes], passes, 9.0, start=8)
    known = np.array(rows, dtype=float)
    k = int(np.nanargmin(oracle.medians(rows, 9.0)))
    assert np.log10(oracle.RATES[k]) == pytest.approx(best)
    assert task.built == (~np.isnan(known)).sum() < 35
    assert (~np.isnan(known[max(k - 1, 0) : k + 2])).sum(1).min() >= 2


def test_regret_passes_over_rates_that_were_not_tried():
    entry = dict(init=2.0, grid=[1e-3, 1e-2, 1e-1], const=[[1.0, None, None], [None] * 3, [np.inf, 3.0, 0.0]])
    for lr, expected in ((1e-3, 0.0), (1e-1, 1.0), (1e-2, 0.5), (1e-9, 0.0), (None, 1.0), (np.nan, 1.0)):
        assert oracle.regret(entry, lr, 'const') == pytest.approx(expected)


@pytest.mark.parametrize('schedule', ['cosine', 'linear'])
def test_schedules_warm_up_and_fall_to_zero(schedule):
    share = [oracle.shape(schedule, 100)(i) for i in range(101)]
    assert share[0] == 0.1 and max(share) == share[9] == share[10] == 1.0 and share[100] == 0
    assert (np.diff(share[10:]) < 0).all() and share[55] == pytest.approx(0.5)


def test_an_entry_is_written_in_five_digits_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(oracle, 'FOLDER', tmp_path)
    entry = dict(init=1.234567, const=[[0.1234567, None, float('inf')]] * 26, slow=False)
    oracle.write(tmp_path / 'some.json', entry)
    read = oracle.load(['some', 'other'])
    assert list(read) == ['some'] and read['some']['init'] == 1.2346 and read['some']['slow'] is False
    np.testing.assert_array_equal(read['some']['const'][3], [0.12346, np.nan, np.inf])
    assert len((tmp_path / 'some.json').read_text().splitlines()) == 26 + 5


def test_the_stored_entries_are_sane():
    "A training improves on no training, and its best rate is inside the grid; there are no other files."
    for file in oracle.FOLDER.iterdir():
        assert file.suffix == '.json' and file.stem in tasks.TASKS
        entry = json.loads(file.read_text())
        for s in set(oracle.SCHEDULES) & set(entry):
            losses = oracle.medians(entry[s], entry['init'])
            assert np.shape(entry[s]) == (26, 3) and np.nanmin(losses) < entry['init']
            assert 0 < oracle.best_rate(entry, s) < 25, (file.stem, s)
        if 'slow' in entry:
            assert entry['slow'] is (entry['early_fall'] < oracle.VISIBLE)
