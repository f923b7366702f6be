"A suggestion is a number with a range and a rate for each schedule, and it is shown so everywhere."

import copy, io, json, math, pickle
from dataclasses import FrozenInstanceError, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch, yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

from conftest import examples, make_learner
from fastlr import LRCurve, NoSuggestion, OneCycleScheduler, RangeTest, Suggestion
from fastlr.cli import run_command
from fastlr.cli import parser as cli_parser
from fastlr.findings import suggestion_text
from fastlr.integrations.transformers import TrainerLRFound
from fastlr.results import answer, report
from fastlr.rules import RULES
from fastlr.smooth import View
from fastlr.suggestion import SCHEDULES, Rule, peaks_text, range_text
from fastlr.tune import LRFound, RatePlace, set_rate

LRS = np.geomspace(1e-6, 3, 100)


def a_curve(noise=0.02):
    "A curve that falls around 1e-3 and breaks away from 0.3 on."
    losses = 2.3 - 1.8 / (1 + (1e-3 / LRS) ** 1.5) + 30 * np.maximum(LRS - 0.3, 0)
    return LRCurve(LRS, losses + np.random.default_rng(0).normal(0, noise, 100), shift=0)


def flat():
    return LRCurve(LRS, np.random.default_rng(0).normal(2.3, 0.05, 100), shift=0)


S = Suggestion(3.2e-3, 40, 0.7, 'auto', 'an example', (1e-3, 3.2e-3), 6.4e-3, low=1.1e-3, high=7.9e-3)


def small_model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def trained(lr, opt_func):
    "Return the weights after three steps at rate `lr`."
    model = small_model()
    opt = opt_func(model.parameters(), lr=lr)
    for _ in range(3):
        model(torch.ones(4, 3)).square().sum().backward()
        opt.step()
    return [p.detach().clone() for p in model.parameters()]


# A number.


def test_it_works_wherever_a_float_works():
    assert isinstance(S, float) and float(S) == S == S.lr == 3.2e-3 and type(S.lr) is type(float(S)) is float
    assert f'{S:.2e}' == '3.20e-03' and f'{S}' == str(S) == '0.0032'
    for plain in (S * 0.5, S / 2, -S, S + 0, abs(S), round(S, 5), max(0.0, S) + 0):
        assert type(plain) is float
    assert json.loads(json.dumps(dict(lr=S))) == dict(lr=3.2e-3)
    assert np.log10(S) == math.log10(3.2e-3) and np.array([S, S]).dtype == float
    assert torch.tensor(S) == torch.tensor(3.2e-3)
    assert {S: 1}[3.2e-3] == 1 and hash(S) == hash(3.2e-3) and S < 4e-3 and sorted([1.0, S]) == [S, 1.0]
    assert S == replace(S, rule='other') != S * 2


@pytest.mark.parametrize('opt_func', [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_an_optimizer_trains_with_it_as_with_the_number(opt_func):
    assert all(map(torch.equal, trained(S, opt_func), trained(S.lr, opt_func)))


def test_a_scheduler_takes_it():
    opt = torch.optim.SGD(small_model().parameters(), lr=S, momentum=0.9)
    schedule = OneCycleLR(opt, max_lr=S, total_steps=10)
    rates = []
    for _ in range(9):
        opt.step()
        schedule.step()
        rates.append(opt.param_groups[0]['lr'])
    assert max(rates) == pytest.approx(S.lr) and min(rates) < S / 100


def test_a_checkpoint_of_an_optimizer_that_has_it_loads_without_trust():
    file = io.BytesIO()
    torch.save(torch.optim.SGD(small_model().parameters(), lr=S).state_dict(), file)
    file.seek(0)
    lr = torch.load(file, weights_only=True)['param_groups'][0]['lr']
    assert lr == S and vars(lr) == vars(S)


def test_it_cannot_be_changed():
    for name in ('lr', 'low', 'new'):
        with pytest.raises(FrozenInstanceError):
            setattr(S, name, 1.0)
    with pytest.raises(FrozenInstanceError):
        del S.rule


rates = st.floats(1e-12, 1e6)


@st.composite
def suggestions(draw):
    low, high = draw(st.one_of(st.just((None, None)), st.tuples(rates, rates)))
    n = draw(st.integers(0, 3))
    optional = [draw(st.one_of(st.none(), rates)) for _ in range(3)]
    lrs = tuple(draw(st.lists(rates, min_size=n, max_size=n)))
    index, loss = draw(st.integers(0, 99)), draw(st.floats(-9, 9))
    return Suggestion(draw(rates), index, loss, draw(st.text()), draw(st.text()), lrs, *optional, low, high)


@examples(40)
@given(suggestions(), rates)
def test_copies_are_the_same_and_it_is_always_its_rate(s, other):
    assert float(s) == s.lr == s and type(s) is Suggestion
    pickled = [pickle.loads(pickle.dumps(s, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in (*pickled, copy.copy(s), copy.deepcopy(s), replace(s)):
        assert type(twin) is Suggestion and twin == s and vars(twin) == vars(s) and repr(twin) == repr(s)
    changed = replace(s, lr=other, index=7)
    assert float(changed) == changed.lr == other and changed.index == 7 and changed.reason == s.reason
    for spec in ('', '.2e', '.3E', '12.4f', 'g'):
        assert format(s, spec) == format(s.lr, spec)
    assert float(str(s)) == s and json.loads(json.dumps(s)) == s
    assert '\n' not in repr(replace(s, rule='auto')) and repr(s).startswith(f'Suggestion({s:.1e}')


def test_the_repr_is_short():
    assert repr(S) == "Suggestion(3.2e-03, in 1.1e-03 to 7.9e-03, one_cycle=6.4e-03, rule='auto')"
    assert repr(Suggestion(1e-3, 0, 1.0, 'mine', 'a long reason')) == "Suggestion(1.0e-03, rule='mine')"


# A range, and a rate for each schedule.


def test_there_is_a_rate_for_each_schedule():
    s = replace(S, cosine=4e-3)
    assert SCHEDULES == ('constant', 'one_cycle', 'cosine', 'linear')
    assert [s.peak(schedule) for schedule in SCHEDULES] == [s.lr, 6.4e-3, 4e-3, s.lr]
    assert s.peaks('constant') == s.lrs and s.peaks('one_cycle') == s.one_cycle_lrs == (2e-3, 6.4e-3)
    assert s.peaks('cosine') == pytest.approx((1.25e-3, 4e-3))
    for ask in (s.peak, s.peaks):
        with pytest.raises(ValueError, match="constant, one_cycle, cosine, linear; got 'triangle'"):
            ask('triangle')


def test_a_range_has_two_ends_or_none():
    for half in (dict(low=1e-3), dict(high=1e-2)):
        with pytest.raises(ValueError, match='pass both, or neither'):
            Suggestion(3e-3, 0, 1.0, 'mine', '', **half)
    plain = Suggestion(3e-3, 0, 1.0, 'mine', '')
    assert plain.low is plain.high is None and range_text(plain, '({})') == peaks_text(plain, 'x {}') == ''
    assert plain.one_cycle == plain.cosine == plain.linear == 3e-3


def test_a_rule_gives_them_and_a_curve_returns_them(measured):
    s = a_curve().suggest()
    assert (s.low, s.high, s.one_cycle, s.cosine, s.linear) == (1e-3, 9e-3, 6e-3, 4e-3, 5e-3)
    assert s.lrs == (3e-3,) and all(type(v) is float for v in (s.low, s.high, s.cosine, s.linear))


# It is shown everywhere.


def test_in_print(measured, capsys):
    c = a_curve()
    fastais = [
        f'Min numerical gradient: {c.suggest("steep"):.2E}',
        f'Min loss divided by 10: {c.suggest("minimum"):.2E}',
    ]
    own = [
        'Suggested lr: 3.00E-03 (range 1.0E-03 to 9.0E-03)',
        'Suggested maximum for one-cycle: 6.00E-03, for cosine: 4.00E-03, for linear: 5.00E-03',
    ]
    assert suggestion_text(c).splitlines()[:4] == fastais + own
    assert repr(LRFound(c)).startswith('LRFound(3.00E-03 (range 1.0E-03 to 9.0E-03) from LRCurve')
    assert repr(LRFound(c, 'cosine')).startswith('LRFound(4.00E-03 for cosine from LRCurve')
    assert '<th>range</th>' in c._repr_html_()
    assert '<td>3.00e-03</td><td>1.0e-03 to 9.0e-03</td><td>6.00e-03</td>' in c._repr_html_()


def test_without_a_range_nothing_is_said_of_one(monkeypatch):
    monkeypatch.setitem(RULES, 'auto', Rule('auto', lambda v: v.answer(3e-3, 'auto', ''), 'suggested', 'g'))
    c = a_curve()
    text = '\n'.join([suggestion_text(c), repr(LRFound(c)), report('x', c, answer(c), {})])
    assert 'Suggested lr: 3.00E-03\n' in text and 'range' not in text and 'Suggested maximum' not in text
    labels = [t.get_text() for t in c.plot('auto').get_legend().get_texts()]
    assert labels[-1] == 'suggested: 3.00e-03'
    plt.close('all')


def test_in_the_message_of_tune(measured, capsys, monkeypatch):
    learn = make_learner()
    learn.silent = False
    monkeypatch.setattr(type(learn), 'lr_find', lambda self, **kwargs: a_curve())
    found = learn.tune()
    assert capsys.readouterr().out.splitlines()[0] == (
        'Learning rate set to 3.00E-03 (range 1.0E-03 to 9.0E-03); '
        'for one-cycle: 6.00E-03, for cosine: 4.00E-03, for linear: 5.00E-03'
    )
    assert learn.tuned.high == found.curve.suggest().high == 9e-3


def test_in_the_results_of_the_command(measured, tmp_path, capsys):
    options = '--num-batches', '60'
    run = lambda *args: run_command(cli_parser().parse_args(['find-lr', 'digits', *options, *args]))
    assert run('-s', str(tmp_path / 'a')) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        'Suggested lr: 3.00E-03 (range 1.0E-03 to 9.0E-03)\nSuggested maximum for one-cycle'
    )
    text = (tmp_path / 'a/report.md').read_text()
    for row in (
        '| constant rate | 3.00e-03 |',
        '| range of the best constant rate | 1.0e-03 to 9.0e-03 |',
        '| maximum for cosine decay | 4.00e-03 |',
        '| maximum for linear decay | 5.00e-03 |',
    ):
        assert row in text
    assert run('-s', str(tmp_path / 'b'), '--json') == 0
    found = json.loads(capsys.readouterr().out)
    assert (found['low'], found['high'], found['cosine'], found['linear']) == (1e-3, 9e-3, 4e-3, 5e-3)


def test_by_the_range_test_of_pytorch_lr_finder(measured, capsys):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    data = DataLoader(TensorDataset(torch.randn(32, 3), torch.randint(2, (32,))), 8)
    opt = torch.optim.SGD(model.parameters(), lr=1e-6)
    finder = RangeTest(model, opt, torch.nn.CrossEntropyLoss())
    finder.range_test(data, end_lr=10, num_iter=50)
    finder._curve = c = a_curve()
    finder.history = dict(lr=c.lrs.tolist(), loss=c.losses.tolist())
    capsys.readouterr()
    finder.plot()
    assert 'suggest() finds 3.00E-03, range 1.0E-03 to 9.0E-03)' in capsys.readouterr().out
    plt.close('all')


# In the plot.


def labels(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def pixels(ax, color):
    "Return how many pixels of the picture have this colour."
    file = io.BytesIO()
    ax.figure.savefig(file, format='png', dpi=100)
    file.seek(0)
    return int((np.abs(plt.imread(file)[..., :3] - to_rgb(color)).max(-1) < 0.03).sum())


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close('all')


def test_a_bar_shows_the_range(measured):
    ax = a_curve().plot('auto')
    assert labels(ax)[-1] == 'suggested: 3.00e-03 (1.0e-03 to 9.0e-03)'
    (mark,) = [l for l in ax.get_lines() if l.get_marker() == 'D']
    (bar,) = [l for l in ax.get_lines() if list(l.get_xdata()) == [1e-3, 9e-3]]
    assert set(bar.get_ydata()) == {mark.get_ydata()[0]} and bar.get_color() == mark.get_color()


def test_the_bar_ends_with_the_line(monkeypatch):
    wide = lambda view: view.answer(3e-3, 'auto', '', low=1e-12, high=1e6)
    monkeypatch.setitem(RULES, 'auto', Rule('auto', wide, 'suggested', 'tab:green'))
    c = a_curve()
    plain, ax = c.plot(), c.plot('auto')
    assert ax.get_xlim() == plain.get_xlim() and labels(ax)[-1].endswith('(1.0e-12 to 1.0e+06)')


@pytest.mark.parametrize(
    'suggestion, expected',
    [
        (True, ['no suggestion: the loss does not fall by more than its noise']),
        (['auto', 'valley'], ['no suggestion: the loss does not fall by more than its noise']),
        ('steep', ['no suggestion: the loss does not fall by more than its noise']),
        (False, []),
    ],
)
def test_a_curve_without_a_suggestion_says_so(suggestion, expected):
    ax = flat().plot(suggestion=suggestion)
    assert [' '.join(text.split()) for text in labels(ax)[2:]] == expected
    # It takes no part of the axes.
    assert ax.get_xlim() == flat().plot().get_xlim()


def test_it_says_which_of_several_rules_has_none(monkeypatch):
    def never(view):
        raise NoSuggestion('Never (not today): wait.')

    never_rule = Rule('never', never, 'mine', 'olive')
    monkeypatch.setitem(RULES.data, 'never', never_rule)
    c = a_curve()
    assert labels(c.plot(['never', 'auto']))[-1] == 'mine: no suggestion'
    assert labels(c.plot('never'))[2:] == ['no suggestion: never']


@pytest.mark.parametrize('size', [(6.4, 4), (3, 2)])
def test_marks_at_one_rate_are_all_seen(monkeypatch, size):
    "The red dot was hidden under the green one."
    for name in ('steep', 'auto'):
        same = lambda view: view.answer(3e-3, 'same', '', one_cycle=3e-3)
        monkeypatch.setitem(RULES, name, Rule(name, same, RULES[name].label, RULES[name].color))
    ax = a_curve().plot(suggestion=True, ax=plt.subplots(figsize=size)[1])
    ax.get_legend().remove()
    for color in ('tab:red', 'tab:green', 'chocolate'):
        assert pixels(ax, color) > 10, color


def test_losses_that_were_corrected_for_their_batches_are_drawn_with_the_measured_ones():
    plain = a_curve()
    raw = np.array(plain.losses) + np.tile([0.3, -0.3], 50)
    c = replace(plain, losses=raw, batches=np.tile([0, 1], 50))
    ax = c.plot()
    assert labels(ax) == ['single losses', 'without the level of each batch', 'smoothed']
    measured, without = ax.get_lines()[:2]
    assert (
        np.array_equal(measured.get_ydata(), raw)
        and np.median(np.abs(without.get_ydata() - plain.losses)) < 0.01
    )
    assert measured.get_markersize() < without.get_markersize()
    assert measured.get_alpha() < without.get_alpha()
    assert isinstance(c.view, View)


# What takes it.


def test_what_tune_returns_is_the_suggestion_as_a_plain_number():
    "A checkpoint with hyperparameters can hold it."
    c = a_curve()
    found = LRFound(c)
    assert found.suggestion() == c.suggest().lr
    # It would be among the points that are left out.
    s, skip = c.suggest(), int(np.searchsorted(LRS, c.suggest())) + 3
    assert found.suggestion(skip_begin=skip) != s and found.suggestion(skip_begin=1) == s
    for schedule in SCHEDULES:
        assert found.suggestion(schedule=schedule) == s.peak(schedule)
        assert LRFound(c, schedule).suggestion() == s.peak(schedule)
        assert type(found.suggestion(schedule=schedule)) is type(LRFound(c, schedule).suggestion()) is float
    with pytest.raises(ValueError, match='constant, one_cycle, cosine, linear'):
        found.suggestion(schedule='triangle')


@pytest.mark.parametrize('probed', [False, True])
@pytest.mark.parametrize('make', [LRFound, TrainerLRFound])
def test_there_is_one_answer(make, probed):
    "Lightning gets an `LRFound` as well. Another rate is only given for another schedule."
    c = a_curve()
    if probed:
        c = c.probed({lr: np.full(60, 1 + i) for i, lr in enumerate(c.probe_rates())})
    found, s = make(c, 'constant'), c.suggest()
    assert found.suggestion() == s and type(found.suggestion()) is float
    assert found.suggestion(schedule='linear') == s.linear and make(c, 'cosine').suggestion() == s.cosine
    errors = []
    for ask in (flat().suggest, make(flat(), 'constant').suggestion):
        with pytest.raises(NoSuggestion) as e:
            ask()
        errors.append(str(e.value))
    assert errors[0] == errors[1]


def test_a_rule_with_numbers_of_numpy_gives_plain_ones(monkeypatch):
    numpys = lambda view: replace(S, lr=np.float64(S), one_cycle=np.float64(6.4e-3))
    monkeypatch.setitem(RULES, 'auto', Rule('auto', numpys, 'suggested', 'tab:green'))
    for schedule in ('constant', 'one_cycle'):
        lr = LRFound(a_curve(), schedule).suggestion()
        assert type(lr) is float and lr == S.peak(schedule)


def test_a_model_gets_a_plain_number():
    "It may be saved with the model's hyperparameters."
    holder = dict(lr=None)
    set_rate([RatePlace(holder, 'lr', 'lr')], S)
    assert type(holder['lr']) is float and holder['lr'] == S and yaml.safe_dump(holder) == 'lr: 0.0032\n'


def test_the_one_cycle_callback_takes_the_maximum():
    learn = make_learner()
    assert OneCycleScheduler(learn, replace(S, lrs=(3.2e-3,))).lr_max == 6.4e-3
    assert OneCycleScheduler(learn, S).lr_max.tolist() == list(S.one_cycle_lrs)
    assert OneCycleScheduler(learn, S.lr).lr_max == S
