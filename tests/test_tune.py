"A rate that sets itself: `tune`, and what the trainings after it use."

import copy, json, pickle
from argparse import Namespace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch
from torch import nn

from conftest import make_learner, same, state_of
from fastlr import Learner, LRCurve, NoSuggestion, digits_data
from fastlr.suggestion import range_text
from fastlr.training import MixedPrecision
from fastlr.tune import LRFound


class Net(nn.Sequential):
    def __init__(self, **attrs):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        for k, v in attrs.items():
            setattr(self, k, v)


DATA = digits_data()
STORED = Path(__file__).parent.parent / 'benchmarks' / 'fine_tuning.json'


def learner(auto=True, silent=True, **attrs):
    torch.manual_seed(0)
    return Learner(DATA, Net(**attrs), auto_lr_find=auto, silent=silent)


@pytest.mark.parametrize(
    'auto, attrs, read',
    [
        (True, dict(lr=0.5), lambda m: m.lr),
        (True, dict(learning_rate=None), lambda m: m.learning_rate),
        (True, dict(hparams=Namespace(lr=0.5)), lambda m: m.hparams.lr),
        (True, dict(hparams=dict(learning_rate=1)), lambda m: m.hparams['learning_rate']),
        ('my_value', dict(my_value=3.0, lr=7), lambda m: m.my_value),
        ('my_value', dict(hparams=Namespace(my_value=0.1)), lambda m: m.hparams.my_value),
        (False, {}, None),
        (True, {}, None),
    ],
    ids=[
        'lr',
        'learning_rate',
        'hparams.lr',
        'hparams dict',
        'named',
        'named in hparams',
        'off',
        'no attribute',
    ],
)
def test_what_is_set_is_what_the_next_training_uses(auto, attrs, read):
    "Lightning #21030: a rate was reported as set, and the optimizer went on with its own."
    learn = learner(auto, **attrs)
    found = learn.tune()
    lr, s = found.suggestion(), found.curve.suggest()
    assert (
        lr == s.lr == learn.tuned.lr
        and 1e-3 < lr < 0.3
        and (read is None or read(learn.model) == lr)
        and getattr(learn.model, 'lr', None) in (lr, attrs.get('lr'))
        and (auto != 'my_value' or getattr(learn.model, 'lr', 7) == 7)
    )
    learn.fit(1)
    assert set(learn.recorder.lrs) == {lr} and learn.opt.lr == lr
    learn.fit_one_cycle(1)
    assert max(learn.recorder.lrs) == pytest.approx(s.one_cycle, rel=1e-2)
    learn.fit(1, 1e-4)
    assert set(learn.recorder.lrs) == {1e-4}


def test_attribute_and_hparams_of_the_same_name_are_both_set():
    learn = learner(lr=1.0, hparams=dict(lr=2.0))
    lr = learn.tune().suggestion()
    assert learn.model.lr == learn.model.hparams['lr'] == lr


def test_without_tune_the_defaults_are_as_before():
    learn = learner()
    learn.fit(1)
    assert set(learn.recorder.lrs) == {3e-3}


def test_trainings_and_tune_print_the_rate(capsys):
    learn = learner(silent=False, lr=1.0)
    capsys.readouterr()
    found = learn.tune()
    out = capsys.readouterr().out
    s = learn.tuned
    known = range_text(s, ' (range {})')
    assert f'Learning rate set to {s:.2E}{known}, also as model.lr; for one-cycle: {s.one_cycle:.2E}' in out
    learn.fit(0)
    assert capsys.readouterr().out.startswith(f'lr={s.lr:.2E}, as tune() found')
    learn.fit_one_cycle(1)
    assert f'max_lr={s.one_cycle:.2E}, as tune() found' in capsys.readouterr().out
    learn.fit(0, 1e-3)
    assert 'tune' not in capsys.readouterr().out
    learn = learner()
    learn.tune()
    learn.fit(0)
    assert capsys.readouterr().out == ''


def test_one_number_for_both_is_printed_once_with_its_reason(capsys, monkeypatch):
    "The loss falls late and steeply, and then bursts: no rate may be higher than a quarter of the edge."
    lrs = 10 ** np.linspace(-6, 0.5, 100)
    falling = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 8) + np.random.default_rng(0).normal(0, 0.01, 100)
    burst = LRCurve(lrs, np.where(lrs < 1.5e-3, falling, 40.0), shift=0, stop_reason='data')
    learn = learner(silent=False, auto=False)
    monkeypatch.setattr(Learner, 'lr_find', lambda self, **kw: burst)
    learn.tune()
    s = learn.tuned
    first, *notes = capsys.readouterr().out.splitlines()
    assert s.lr == s.one_cycle and first.startswith(
        f"Learning rate set to {s:.2E}{range_text(s, ' (range {})')}; "
    )
    assert first.endswith(f'; for one-cycle the same, which is {s.reason}')
    assert notes == [f'Note: {finding}' for finding in burst.findings]
    assert burst.findings


def test_a_training_in_progress_gets_the_rate_and_nothing_else_changes():
    learn = make_learner()
    learn.fit(1, 1e-3)
    first = state_of(learn)
    learn.recorder.curve = None
    monkey = LRCurve(
        10 ** np.linspace(-7, 1, 100), 2.5 - 2 / (1 + (1e-2 / 10 ** np.linspace(-7, 1, 100)) ** 1.5), shift=0
    )
    # A net as small as this one supports no suggestion, so the curve is replaced.
    learn.lr_find = lambda **kw: monkey
    lr = learn.tune().suggestion()
    assert learn.opt.lr == lr
    learn.opt.lr = 1e-3
    assert same(first, state_of(learn))


def test_layer_groups_get_their_own():
    learn = learner()
    learn.split(lambda m: m[3])
    learn.fit(1, slice(1e-4, 1e-2))
    learn.tune()
    learn.fit(1)
    a, b = learn.opt.get_stats('lr')
    assert b == learn.tuned.lr and a == pytest.approx(b / 100)
    learn.split(learn.model)
    learn.fit(1)
    # The groups are not those of the sweep: all get one rate.
    assert learn.opt.lr == learn.tuned.lr


def test_options_of_lr_find_are_passed_on():
    found = learner().tune(num_it=60, start_lr=1e-5)
    assert found.curve.settings['num_it'] == 60 and found.curve.lrs[0] == 1e-5


class Refuses(Net):
    lr = property(lambda self: 0.5, lambda self, value: None)


class ReadOnly(Net):
    lr = property(lambda self: 0.5)


@pytest.mark.parametrize(
    'make, auto, words',
    [
        (lambda: Net(lr=1.0, learning_rate=2.0), True, 'model.lr and model.learning_rate'),
        (
            lambda: Net(lr=1.0, hparams=dict(learning_rate=2.0)),
            True,
            'model.lr and model.hparams.learning_rate',
        ),
        (lambda: Net(), 'my_value', 'my_value'),
        (lambda: Net(lr='auto'), True, "'auto'"),
        (lambda: Net(lr=True), True, 'True'),
        (lambda: Net(lr=nn.Parameter(torch.ones(1))), True, 'a number'),
        (Refuses, True, 'nothing that is trained would use'),
        (ReadOnly, True, 'without a setter'),
    ],
)
def test_what_cannot_be_set_is_an_error_and_nothing_is_set(make, auto, words):
    learn = Learner(DATA, make(), auto_lr_find=auto, silent=True)
    learn.opt = None
    with pytest.raises((ValueError, TypeError, AttributeError), match=words):
        learn.tune(num_it=60)
    assert learn.tuned is None and learn.opt is None
    if not isinstance(learn.model, Refuses):
        # It was refused before the first step.
        assert learn.recorder.curve is None


def test_what_was_set_is_taken_back_when_the_next_cannot_be():
    class Half(Net):
        @property
        def hparams(self):
            return Frozen()

    class Frozen:
        lr = property(lambda self: 2.0, lambda self, value: (_ for _ in ()).throw(AttributeError('frozen')))

    learn = Learner(DATA, Half(lr=1.0), auto_lr_find=True, silent=True)
    with pytest.raises(AttributeError):
        learn.tune(num_it=60)
    assert learn.model.lr == 1.0 and learn.tuned is None


def test_no_suggestion_sets_nothing():
    learn = make_learner()
    learn.model.lr = 0.7
    learn.auto_lr_find = True
    with pytest.raises(NoSuggestion):
        learn.tune(start_lr=1e-9, end_lr=1e-8)
    assert learn.model.lr == 0.7 and learn.tuned is None and learn.recorder.curve is not None


@pytest.mark.parametrize('bad', [1, None, ['lr']])
def test_auto_lr_find_is_checked(bad):
    with pytest.raises(TypeError, match='auto_lr_find'):
        learner(bad)


def test_what_is_found_can_be_looked_at():
    lrs = 10 ** np.linspace(-7, 1, 100)
    curve = LRCurve(lrs, 2.5 - 2 / (1 + (1e-2 / lrs) ** 1.5), shift=0)
    found = LRFound(curve)
    assert (
        found.results == {'lr': lrs.tolist(), 'loss': curve.losses.tolist()}
        and found.suggestion() == curve.suggest().lr
        and f'{found.suggestion():.2E}' in repr(found)
    )
    late = found.suggestion(skip_begin=70)
    assert late >= lrs[70] > found.suggestion()
    with pytest.raises(ValueError, match='skip_begin|skip_start'):
        found.suggestion(skip_begin=99)
    fig = found.plot(suggest=True)
    assert any('suggested' in t.get_text() for t in fig.axes[0].get_legend().get_texts())
    ax = plt.subplots()[1]
    assert found.plot(suggest=False, ax=ax) is ax.figure and not any(
        'suggested' in t.get_text() for t in ax.get_legend().get_texts()
    )
    plt.close('all')


def test_one_rate_is_set_everywhere():
    "This holds also where the answer lies among the first ten points, which Lightning skips."
    lrs, x = np.geomspace(1e-3, 10, 100), np.arange(100)
    curve = LRCurve(lrs, 2.3 - 1.5 / (1 + np.exp(-(x - 1) / 2)) + np.where(x > 85, (x - 85) * 0.3, 0))
    learn = learner(lr=1.0)
    learn.fit(1, 1e-3)
    learn.lr_find = lambda **kw: curve
    found = learn.tune()
    learn.fit(0)
    assert (
        learn.model.lr == learn.tuned.lr == learn.opt.lr == curve.suggest().lr == found.suggestion() < lrs[10]
    )
    assert found.suggestion(skip_begin=10, skip_end=1) >= lrs[10]
    assert found.suggestion(skip_begin=10) == found.suggestion(skip_end=1) == found.suggestion(10, 1)
    assert found.suggestion(0, 0) == found.suggestion()


def test_one_answer_for_one_curve(monkeypatch):
    "What `tune` sets is what it returns, for curves of many trainings."
    stored = json.loads(STORED.read_text())
    curves = [LRCurve(c['lrs'], c['losses']) for task in stored.values() for c in task['curves']]
    learn = learner(lr=1.0)
    learn.fit(0)
    for curve in curves:
        monkeypatch.setattr(Learner, 'lr_find', lambda self, curve=curve, **kw: curve)
        found = learn.tune()
        assert found.suggestion() == curve.suggest().lr == learn.tuned.lr == learn.model.lr == learn.opt.lr
    assert len(curves) == 14


def test_none_is_not_a_default():
    "A finder that failed may have returned it."
    learn = learner()
    for train in (learn.fit, learn.fit_one_cycle):
        with pytest.raises(TypeError, match='lr must be a number'):
            train(1, None)


@pytest.mark.parametrize(
    'name, where',
    dict(
        lr='the rate is found.suggestion()',
        suggest='did you mean found.suggestion()?',
        one_cycle='it is found.curve.suggest().one_cycle',
        lrs='it is found.curve.suggest().lrs',
        findings='it is found.curve.findings',
        plot_plotly='it is found.curve.plot_plotly',
        sugestion="did you mean 'suggestion'?",
    ).items(),
)
def test_a_name_that_a_result_lacks_is_answered(name, where):
    "Lightning returns an `LRFound`, and a `Learner` with Accelerate has the curve."
    lrs = np.geomspace(1e-5, 1, 60)
    found = LRFound(LRCurve(lrs, 2 - 1 / (1 + (1e-2 / lrs) ** 1.5)))
    with pytest.raises(AttributeError) as error:
        getattr(found, name)
    assert str(error.value) == f'LRFound has no attribute {name!r}: {where}'
    twin = pickle.loads(pickle.dumps(found))
    assert copy.copy(twin).suggestion() == found.suggestion() and not hasattr(found, 'quite_unlike')


@pytest.mark.parametrize(
    'name, where',
    dict(
        lr='it is curve.suggest().lr',
        one_cycle='it is curve.suggest().one_cycle',
        suggestion="did you mean 'suggest'?",
        sugest="did you mean 'suggest'?",
        losess="did you mean 'losses'?",
        valley="call curve.suggest('valley')",
    ).items(),
)
def test_a_name_that_a_curve_lacks_is_answered(name, where):
    curve = LRCurve([0.1, 0.2], [1.0, 2.0])
    with pytest.raises(AttributeError) as error:
        getattr(curve, name)
    assert str(error.value) == f'a curve has no {name!r}: {where}'
    assert not hasattr(curve, 'quite_unlike') and not hasattr(curve, '__array__')


@pytest.mark.parametrize(
    'call, meant',
    [
        (lambda found, learn: found.suggestion(schedule='onecycle'), 'one_cycle'),
        (lambda found, learn: found.curve.suggest('steepest'), 'steep'),
        (lambda found, learn: learn.lr_find(mode='exponential'), 'exp'),
        (lambda found, learn: learn.lr_find(mode='Linear'), 'linear'),
        (lambda found, learn: learn.lr_find(probe='Auto'), 'auto'),
        (lambda found, learn: MixedPrecision(learn, 'BF16'), 'bf16'),
    ],
)
def test_a_near_miss_of_an_options_value_is_answered(call, meant):
    lrs = np.geomspace(1e-5, 1, 60)
    found = LRFound(LRCurve(lrs, 2 - 1 / (1 + (1e-2 / lrs) ** 1.5)))
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        call(found, learner(auto=False))
