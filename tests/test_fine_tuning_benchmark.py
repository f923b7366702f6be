"The benchmark of fine-tunings: it runs, and its stored results support what the notebook says of them."

import json, sys
from pathlib import Path

import numpy as np
import pytest, torch

pytest.importorskip('transformers')
HERE = Path(__file__).parent.parent / 'benchmarks'
sys.path.insert(0, str(HERE))
import fine_tuning
from fastlr.integrations.transformers import lr_find


@pytest.fixture(scope='module')
def results():
    return json.loads((HERE / 'fine_tuning.json').read_text())


def test_stored_results_are_complete(results):
    assert results.keys() == fine_tuning.TASKS.keys() and len(results) == 7
    for r in results.values():
        assert (
            {s: np.shape(g) for s, g in r['grid'].items()}
            == {s: (8, n) for s, n in fine_tuning.SCHEDULES.items()}
            and len(r['curves']) == 2
            and r['start'] > 1
        )


def test_regret_by_hand(monkeypatch):
    monkeypatch.setattr(fine_tuning, 'RATES', [1e-3, 1e-2, 1e-1])
    r = dict(start=2.0, grid=dict(linear=[[1.5, 1.7], [1.0, 1.0], [9.0, 9.0]]))
    assert [fine_tuning.regret(r, 'linear', lr) for lr in (1e-9, 1e-3, 10**-2.5, 1e-2, 1.0)] == pytest.approx(
        [0.6, 0.6, 0.3, 0.0, 1.0]
    )


def test_suggestions_are_near_the_best_and_none_is_much_too_high(results):
    "transformers #16013: the suggestion was much too high for fine-tuning."
    own = {s: np.array(list(fine_tuning.regrets(results, s).values())) for s in fine_tuning.SCHEDULES}
    for schedule, mean, most in (('linear', 0.1, 0.4), ('cosine', 0.1, 0.5), ('constant', 0.07, 0.2)):
        r = own[schedule]
        assert r.mean() < mean and r.max() < most, (schedule, r.mean(), r.max())

    def others(schedule, other):
        "Return the mean regret on `schedule` of the suggestion for `other`."
        return np.mean(
            [
                fine_tuning.regret(r, schedule, fine_tuning.suggested(curve, other))
                for r in results.values()
                for curve in r['curves']
            ]
        )

    # Each schedule has a best rate of its own.
    for schedule, other in (('constant', 'linear'), ('linear', 'constant')):
        assert others(schedule, other) > 2 * own[schedule].mean()


def test_it_runs(monkeypatch):
    "Run a short version of one task, from the first training to the regret."
    torch.set_num_threads(1)
    for name, value in dict(UPDATES=6, SCHEDULES={'linear': 1}, RATES=[1e-3, 1e-2], SEEDS=1).items():
        monkeypatch.setattr(fine_tuning, name, value)
    monkeypatch.setattr(fine_tuning, 'lr_find', lambda trainer, **kw: lr_find(trainer, num_it=12, **kw))
    monkeypatch.setitem(
        fine_tuning.TASKS,
        'short',
        (*fine_tuning.TASKS['gpt2_untrained'][:5], {'per_device_train_batch_size': 4}),
    )
    r = fine_tuning.run('short')
    assert (
        np.shape(r['grid']['linear']) == (2, 1)
        and len(r['curves'][0]['lrs']) == 12
        and r['start'] == pytest.approx(np.log(128), abs=0.5)
    )
