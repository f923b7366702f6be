"The rules compared with fastai's numbers, probes through the learner, and suggestions used by trainings."

import subprocess, sys, warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest, torch
from hypothesis import given, strategies as st
from torch import nn
from torch.optim import SGD, RMSprop
from torch.utils.data import DataLoader

from conftest import examples, make_learner, noting, same, state_of
from curves import LRS, a_curve, decades, flat
from fastlr import Callback, LRCurve, LRFinder, LRSweep, NoSuggestion, lr_finder
from fastlr.bounds import cyclical_bounds
from fastlr.rules import RULES, fall_centre, minimum, slide, steep, valley
from fastlr.rules import rule as as_rule
from faults import fails_for

# The answers of minimum, valley and slide of fastai 2.8.7 for the curves that `fastais_curve` makes of these
# seeds.
FASTAIS = [
    (0.030039050936070944, 0.0679392794640536, 1.0517390554024232e-07),
    (0.04117206374019371, 0.20296896046688637, 0.48367510209666026),
    (0.7162534808418893, 0.001128267121959879, 1.347954633780325),
    (0.008938850189835932, 0.0037360498724201053, 0.009762067917662133),
    (6.564901143378923e-05, 0.014405229655328273, 1.1851802699937588),
    (0.06039417346576317, 0.5673463966088084, 0.38549268754941685),
    (0.7948901721441872, 0.0016238926078160864, 0.6293975510446135),
    (0.008593450484284209, 0.0021337845735081382, 0.003610390649916429),
    (2.42032398803906e-05, 0.03112761424530943, 1.271356847232282e-07),
    (0.7978586818610994, 0.18227509053752636, 0.08433111898712718),
    (0.7888495372766292, 0.00040353808997098633, 0.5017762257211077),
    (0.0023061347118398592, 0.0009867858186837206, 0.0012561991866191695),
]


def fastais_curve(seed):
    r = np.random.default_rng(seed)
    n = int(r.integers(16, 160))
    lrs = 10 ** np.sort(r.uniform(-7, 1, n))
    noise, little, less = r.normal(0, 1, n), r.normal(0, 0.05, n), r.normal(0, 0.01, n)
    return lrs, [
        noise,
        2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + little,
        np.linspace(3, 1, n),
        np.minimum(2 - 1 / (1 + (1e-2 / lrs)) + 10 * np.maximum(lrs - 0.1, 0), 20) + less,
    ][seed % 4]


@pytest.mark.parametrize('seed', range(12))
def test_fastais_rules_give_fastais_numbers(seed):
    for rule, theirs in zip((minimum, valley, slide), FASTAIS[seed]):
        assert rule(*fastais_curve(seed)).lr == pytest.approx(theirs, rel=1e-9)


def test_the_installed_fastai_agrees():
    "It is installed with the extra `bench`."
    schedule = pytest.importorskip('fastai.callback.schedule')
    for seed in range(40):
        lrs, losses = fastais_curve(seed)
        for rule in (minimum, valley, slide):
            assert rule(lrs, losses).lr == pytest.approx(
                getattr(schedule, rule.__name__)(torch.tensor(lrs), torch.tensor(losses), len(lrs))[0],
                rel=1e-9,
            )


def test_momentum_is_noted_and_used():
    """Without momentum the constant rate of SGD is higher by the cube root of ten. Its one-cycle maximum,
    twice that, is lower by the whole factor of ten that the momentum adds. Adam has none to note."""
    curves = {}
    for name, opt_func in dict(
        plain=SGD, heavy=lambda p, lr: SGD(p, lr, momentum=0.9), adam=torch.optim.Adam
    ).items():
        curves[name] = make_learner(opt_func=opt_func, silent=True).lr_find(num_it=40)
        assert curves[name].settings['momentum'] == dict(plain=0, heavy=0.9, adam=None)[name]
    lrs = 10 ** np.linspace(-7, 1, 100)
    losses = 2 - 1 / (1 + (1e-2 / lrs) ** 2) + 10 * np.maximum(lrs - 5, 0)
    a, b = fall_centre(lrs, losses, 0.0), fall_centre(lrs, losses, 0.9)
    assert (
        a.lr / b.lr == pytest.approx(10 ** (1 / 3))
        and b.one_cycle / a.one_cycle == pytest.approx(10 ** (2 / 3))
        and a.one_cycle == pytest.approx(2 * a.lr / 10)
        and b == fall_centre(lrs, losses)
    )


def learner(**kw):
    torch.manual_seed(1)
    kw = {'opt_func': lambda p, lr: SGD(p, lr, momentum=0.9), **kw}
    return make_learner(silent=True, **kw)


@pytest.mark.parametrize('fails_in', [None, 0, 1, 3])
def test_probes_leave_nothing_behind(fails_in):
    """Nothing is left either when Ctrl-C comes in the middle of the sweep, of the first probe, or of the
    third. In a probe, it leaves the sweep's own answer."""
    updates = dict(n=0)

    class Interrupt(Callback):
        shapes_training = True

        def on_backward_end(self, **kwargs):
            updates['n'] += 1
            if fails_in is not None and updates['n'] == 40 + 60 * fails_in - 30:
                raise KeyboardInterrupt

    learn = learner()
    learn.fit(1, 1e-2)
    learn.callbacks.append(Interrupt())
    before = state_of(learn)
    if fails_in is None:
        curve = learn.lr_find(num_it=40, stop_div=False, probe=True)
        assert (
            len(curve.probes) == 5
            and all(len(losses) <= 60 for _, losses in curve.probes)
            and updates['n'] <= 340
        )
        # All of them begin with the same batch.
        assert len({losses[0] for _, losses in curve.probes}) == 1
        assert np.allclose(np.diff(np.log10([lr for lr, _ in curve.probes])), 0.4)
    elif fails_in == 0:
        with pytest.raises(KeyboardInterrupt):
            learn.lr_find(num_it=40, stop_div=False, probe=True)
        assert learn.recorder.curve.stop_reason == 'interrupted' and not learn.recorder.curve.probes
    else:
        curve = learn.lr_find(num_it=40, stop_div=False, probe=True)
        assert curve is learn.recorder.curve and len(curve) == 40 and curve.probes == ()
        assert curve.suggest().lr > 0
    assert same(before, state_of(learn))


def test_probes_keep_the_ratio_of_groups_and_count_updates():
    seen = []

    class See(Callback):
        shapes_training = True

        def __init__(self, learn):
            self.learn = learn

        def on_backward_begin(self, **kwargs):
            seen.append(tuple(self.learn.opt.get_stats('lr')))

    learn = learner()
    learn.split(lambda m: m[1])
    learn.create_opt([1e-3, 1e-1])
    learn.callbacks.append(See(learn))
    curve = learn.lr_find(num_it=40, stop_div=False, probe=True, accumulate=2)
    assert len(curve.suggest().lrs) == 2 and curve.suggest().lrs[1] / curve.suggest().lrs[0] == pytest.approx(
        100
    )
    probing = seen[80:]
    assert {round(b / a) for a, b in probing} == {100} and sorted({b for _, b in probing}) == pytest.approx(
        [lr for lr, _ in curve.probes]
    )
    assert max(len(losses) for _, losses in curve.probes) == 60


def test_a_generator_cannot_be_probed_with_fresh_batches():
    """This is an error before the sweep.

    A loader that ends in a probe all the same is an error then, and the curve is kept."""
    learn = learner()
    batches = list(learn.data.train_dl)
    learn.data.train_dl = iter(batches * 30)
    with pytest.raises(ValueError, match='can be restarted'):
        learn.lr_find(probe=True, batches=None)
    # No batch was used.
    assert len(list(learn.data.train_dl)) == 30 * len(batches)

    class Dries:
        left = 110

        def __iter__(self):
            for _ in range(self.left):
                Dries.left -= 1
                yield batches[0]

    learn.data.train_dl = Dries()
    with pytest.raises(ValueError, match='ran out'):
        learn.lr_find(num_it=40, stop_div=False, probe=True, batches=None)
    assert len(learn.recorder.curve) == 40


def swept(noise=0.02, seed=0):
    "A curve that ends at its last rate."
    return a_curve(noise=noise, seed=seed, stop_reason='end')


def probes(c, *ends, n=(60,) * 5):
    return {lr: np.linspace(2.5, end, k) for lr, end, k in zip(c.probe_rates(), ends, n)}


def test_probes_move_the_answer_to_where_they_came_down():
    c = swept()
    first, rates = c.suggest(), c.probe_rates()
    low, high = (c.probed(probes(c, *ends)).suggest() for ends in ((0.0, 1, 2, 2, 2), (2, 2, 2, 1, 0.0)))
    assert (
        low.lr < first.lr < high.lr
        and low.one_cycle < first.one_cycle < high.one_cycle
        and rates[0] * 0.99 <= low.lr
        and high.one_cycle <= rates[-1] * 1.01
    )
    # The last probe diverged: however low its loss was, it doesn't count.
    cut = c.probed(probes(c, 2, 2, 2, 1, -5.0, n=(60, 60, 60, 60, 40))).suggest()
    assert cut.lr < high.lr and cut.one_cycle < rates[-1] * 0.9
    # What counts is the end of a probe: one that begins badly and ends best, or the other way round.
    late = {
        lr: np.r_[np.full(40, 9.0 if i == 4 else 1.0), np.full(20, 0.0 if i == 4 else 1.0)]
        for i, lr in enumerate(rates)
    }
    assert c.probed(late).suggest().lr > first.lr
    # No probe came below the first level.
    assert c.probed({lr: np.full(60, 9.0) for lr in rates}).suggest().lr == pytest.approx(first.lr)


def test_probes_that_say_nothing_leave_the_answer():
    "With noise about the first level, as from a trained model, the fall of the sweep itself counts."
    for seed in range(20):
        c, r = swept(0.05, seed), np.random.default_rng(seed)
        p = c.probed({lr: r.normal(2.48, 0.05, 60) for lr in c.probe_rates()})
        assert abs(np.log10(p.suggest().lr / c.suggest().lr)) < 0.1
    with pytest.raises(ValueError, match='three rates'):
        c.probed({1e-2: [1.0]})
    with pytest.raises(ValueError, match='no losses'):
        c.probed({1e-3: [], 1e-2: [1.0], 1e-1: [1.0]})


def test_a_flat_curve_needs_a_clear_burst():
    """An outlier at the end isn't one, nor a small rise, nor a burst after a moment, nor errors that are
    zeros and ones."""
    answer = lambda losses: LRCurve(LRS[: len(losses)], losses, shift=0).suggest()
    burst = np.r_[flat()[:80], 0.5 * 2.0 ** np.arange(1, 11)]
    s = answer(burst)
    assert s.lr == pytest.approx(LRS[79] / 8, rel=0.3) and 'does not visibly fall' in s.reason
    outlier = flat()
    outlier[-1] = 5
    # The rise is three times the noise.
    small = np.r_[flat()[:90], flat(1)[:10] + 0.06]
    at_once = np.r_[flat()[:12], 0.5 * 2.0 ** np.arange(1, 11)]
    for losses in (
        outlier,
        small,
        at_once,
        *((np.random.default_rng(s).random(100) < 0.1) * 1.0 for s in range(10)),
    ):
        with pytest.raises(NoSuggestion):
            answer(losses)


def test_answers_stay_inside_of_the_sweep():
    "After a fall right at the start no rate below the first one is suggested, since it was not tried."
    lrs = 10 ** np.linspace(-3, 1, 60)
    losses = np.r_[2.0, 1.5, np.full(28, 1.0), 1.0 * 3.0 ** np.arange(30)]
    s = LRCurve(lrs, losses, shift=0).suggest()
    assert s.lr >= lrs[0] and s.one_cycle >= lrs[0]


def test_the_recorder_prints_what_there_is(capsys):
    "This holds for a curve with a default suggestion and no steepest descent as well."
    learn = learner()
    learn.recorder.curve = LRCurve(
        LRS[:90], np.r_[flat()[:80], 0.5 * 2.0 ** np.arange(1, 11)], shift=0, stop_reason='diverged'
    )
    learn.recorder.plot(suggestion=True)
    out = capsys.readouterr().out
    assert 'Suggested lr' in out and 'gradient' not in out and 'trained already' in out
    s = learn.recorder.curve.suggest()
    assert s.one_cycle == 2 * s.lr and f'Suggested maximum for one-cycle: {s.one_cycle:.2E}' in out


def test_a_frozen_group_stays_frozen():
    "A group at rate zero is swept, probed, and trained with the answer."
    learn = learner()
    learn.split(lambda m: m[1])
    learn.create_opt([0.0, 1e-2])
    s = learn.lr_find(num_it=40, stop_div=False, probe=True).suggest()
    assert s.lrs[0] == 0 and s.lrs[1] == s.lr
    frozen = [p.clone() for p in learn.model[0].parameters()]
    learn.fit(1, s)
    learn.fit_one_cycle(1, s)
    assert all(torch.equal(a, b) for a, b in zip(frozen, learn.model[0].parameters()))


def test_fastais_rules_are_asked_as_fastai_asks_them():
    """They get a moving average with fastai's weights, each loss at the rate that was set when it was
    measured, without a tenth and five points."""
    c = LRCurve(LRS, swept().losses, settings=dict(num_it=100))
    avg, out = 0.0, []
    for i, loss in enumerate(c.losses, 1):
        avg = 0.98 * avg + 0.02 * loss
        out.append(avg / (1 - 0.98**i))
    for rule in (minimum, valley, slide):
        assert c.suggest(rule.__name__).lr == pytest.approx(
            rule(LRS[10:-5], np.array(out)[10:-5]).lr, rel=1e-9
        )
        assert abs(np.log10(c.lrs[c.suggest(rule.__name__).index] / c.suggest(rule.__name__).lr)) < 0.1


@pytest.mark.parametrize(
    'moves, num_it, probed',
    [(True, 20, True), (False, 20, False), (True, 9, False)],
    ids=['moves', 'constant', 'short'],
)
def test_a_curve_without_suggestion_is_probed_if_its_loss_moves(monkeypatch, capsys, moves, num_it, probed):
    "At these rates nothing is learnt. A constant loss has nothing to compare, and nine points are too few."
    learn = learner()
    learn.silent = False
    loss_func = learn.loss_func

    def moves_or_not(out, yb):
        loss = loss_func(out, yb)
        # A constant, with gradients: without any, the sweep would be an error.
        return loss if moves else loss - loss.detach() + 1

    learn.loss_func = moves_or_not
    calls = []
    note = lambda *args, **kwargs: calls.append(1)
    monkeypatch.setattr(lr_finder, '_sweep_once', noting(lr_finder._sweep_once, note))
    curve = learn.lr_find(1e-9, 1e-8, num_it=num_it, probe=True)
    assert len(curve.probes) == len(calls) - 1 == (5 if probed else 0)
    assert ('Not probed' in capsys.readouterr().out) is not probed
    if not probed:
        with pytest.raises(NoSuggestion):
            curve.suggest()


def test_a_held_rate_is_no_curve():
    learn = learner()
    with pytest.raises(ValueError, match="mode must be 'exp' or 'linear', got 'hold'"):
        learn.lr_find(mode='hold')
    model = nn.Linear(4, 1)
    opt = SGD(model.parameters(), lr=1.0)
    with LRSweep(opt, model, start_lr=1e-2, num_it=7, mode='hold') as s:
        for _ in s([None]):
            loss = model(torch.ones(2, 4)).pow(2).mean()
            loss.backward()
            opt.step()
            opt.zero_grad()
            assert opt.param_groups[0]['lr'] == 1e-2
            s.record(loss)
    assert len(s.losses) == 7 and s.losses[-1] < s.losses[0]
    with pytest.raises(RuntimeError, match='read .losses'):
        s.curve
    learn.fit(1, callbacks=LRFinder(learn, 1e-2, num_it=5, mode='hold'))
    assert learn.recorder.curve is None


def test_the_live_picture_is_fed_and_closed(monkeypatch):
    fed, closed = [], []

    class Live:
        due = True

        def update(self, curve):
            fed.append(len(curve))

        def close(self, curve=None):
            closed.append(curve)

    monkeypatch.setattr(lr_finder, 'LivePlot', Live)
    learn = learner()
    curve = learn.lr_find(num_it=12, stop_div=False, live=True)
    assert fed == [*range(1, 13)] and closed == [curve]
    learn.lr_find(num_it=12)
    assert len(closed) == 1
    # The sweep fails at once: the picture of the curve before is not shown again.
    learn.loss_func = None
    with pytest.raises(Exception):
        learn.lr_find(num_it=12, live=True)
    assert closed[1:] == [None]


def test_trainings_take_a_suggestion():
    learn = learner()
    s = LRCurve(
        10 ** np.linspace(-7, 1, 100), 2 - 1 / (1 + (1e-2 / 10 ** np.linspace(-7, 1, 100)) ** 2)
    ).suggest()
    assert s.one_cycle != s.lr
    learn.fit(1, s)
    assert learn.opt.lr == s.lr
    learn.fit_one_cycle(2, s)
    assert max(learn.recorder.lrs) == pytest.approx(s.one_cycle, rel=0.02)
    learn = learner()
    learn.split(lambda m: m[1])
    learn.create_opt([1e-3, 1e-1])
    s = learn.lr_find(num_it=40).suggest()
    learn.fit(1, s)
    assert learn.opt.get_stats('lr') == pytest.approx(s.lrs)
    learn.fit_one_cycle(1, s)
    assert learn.opt.get_stats('lr')[1] / learn.opt.get_stats('lr')[0] == pytest.approx(100)
    assert s.one_cycle_lrs == pytest.approx([v * s.one_cycle / s.lr for v in s.lrs])


@pytest.mark.parametrize('opt_func', [SGD, RMSprop])
def test_one_cycle_brings_momentum_to_those_without(opt_func):
    """Torch's schedule does the same.

    It also works when the optimizer has trained without momentum, and RMSprop has made no buffer for it; and
    the momentum is gone afterwards."""
    learn = learner(opt_func=opt_func)
    learn.fit(1, 1e-3)
    assert learn.opt.mom == 0
    learn.fit_one_cycle(1, 1e-3)
    assert max(learn.recorder.moms) == 0.95 and learn.opt.mom == 0
    mixed = learner(opt_func=opt_func)
    mixed.split(lambda m: m[1])
    mixed.create_opt(1e-3)
    mixed.opt.set_stat('mom', [0.9, 0.0])
    mixed.fit(1, 1e-3)
    mixed.fit_one_cycle(1, 1e-3)
    assert mixed.opt.get_stats('mom') == [0.9, 0.0]
    learn.fit(1, 1e-3)


def test_bounds_begin_where_the_fall_begins_not_where_noise_dips():
    "With a small fall in much noise the base is in the decade before the fall, whatever dips came before."
    for seed in range(30):
        losses = (
            1.15
            - 0.15 / (1 + (0.1 / LRS) ** 2)
            + 5 * np.maximum(LRS - 3, 0)
            + np.random.default_rng(seed).normal(0, 0.05, 100)
        )
        b = LRCurve(LRS, losses, shift=0, stop_reason='diverged').bounds()
        assert 3e-4 < b.base_lr < b.max_lr < 3


def test_noise_alone_is_not_taken_for_a_fall():
    """For normal, heavy-tailed and skewed noise few of a hundred curves get a suggestion, at any number of
    steps."""
    for n in (50, 100, 400):
        lrs = 10 ** np.linspace(-7, 1, n)
        for noise in (
            lambda r: r.normal(0, 1, n),
            lambda r: r.standard_t(3, n),
            lambda r: np.exp(r.normal(0, 1, n)),
        ):
            answers = 0
            for seed in range(100):
                try:
                    LRCurve(lrs, noise(np.random.default_rng(seed)), shift=0).suggest()
                    answers += 1
                except NoSuggestion:
                    pass
            assert answers <= 8


@pytest.mark.parametrize(
    'name, text',
    [
        ('a.json', 'no json'),
        ('a.json', '[1, 2]'),
        ('a.csv', 'x,y\n1,2\n'),
        ('a.csv', 'lr,loss\n0.1,1\n0.1,2\n'),
    ],
)
def test_files_without_a_curve_are_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match='a.*holds no curve'):
        LRCurve.load(tmp_path / name)
    with pytest.raises(ValueError, match='must end in'):
        LRCurve.load(tmp_path / 'a.txt')
    with pytest.raises(FileNotFoundError, match="no directory"):
        swept().save(tmp_path / 'nowhere' / 'c.json')


@examples(50)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 200), kind=st.integers(0, 3))
def test_any_curve_gets_an_answer_inside_or_a_refusal(seed, n, kind):
    """The curves are noise, falls of any place and steepness, random walks, and losses over many orders of
    magnitude. There is no warning, and no other exception."""
    r = np.random.default_rng(seed)
    lrs = np.unique(10 ** r.uniform(-7, 1, n))
    n = len(lrs)
    losses = [
        r.normal(0, 1, n),
        2
        - r.random() * 5 / (1 + (10 ** r.uniform(-6, 1) / lrs) ** r.uniform(0.5, 5))
        + r.normal(0, r.random(), n),
        np.cumsum(r.normal(0, 1, n)),
        np.exp(r.normal(0, 3, n)),
    ][kind]
    c = LRCurve(lrs, losses, shift=seed % 2)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for s in c.suggestions().values():
            assert (
                np.isfinite([s.lr, s.one_cycle, s.loss]).all() and s.lr > 0 and 0 <= s.index < n and s.reason
            )
            if s.rule in ('auto', 'steep', 'valley', 'slide'):
                assert lrs[0] * 0.999 <= min(s.lr, s.one_cycle) and max(s.lr, s.one_cycle) <= lrs[-1] * 1.001
        try:
            b = c.bounds()
            assert lrs[0] <= b.base_lr < b.max_lr <= lrs[-1]
        except NoSuggestion:
            pass
        assert all(isinstance(f, str) and f for f in c.findings) and c._repr_html_()


@pytest.mark.parametrize('n', (1000, 5000))
def test_long_curves_of_noise_do_not_seem_to_fall(n):
    rng, lrs, fell = np.random.default_rng(n), np.geomspace(1e-7, 10, n), 0
    for _ in range(40):
        try:
            fell += LRCurve(lrs, 2.3 + rng.normal(0, 0.1, n)).suggest() is not None
        except NoSuggestion:
            pass
    assert fell <= 3


@pytest.mark.parametrize('n', (100, 200, 1000, 10_000))
def test_the_steepest_point_is_found_however_many_points_there_are(n):
    "It is at 1e-2; with a hundred points the next ones are a factor of 1.2 away."
    lrs = np.geomspace(1e-7, 10, n)
    x = np.log10(lrs)
    losses = 1 - np.tanh(4 * (x + 2)) + 8 * np.maximum(x, 0) + np.random.default_rng(n).normal(0, 0.02, n)
    assert 1 / 1.2 < LRCurve(lrs, losses).suggest('steep').lr / 1e-2 < 1.2


# Rules of your own, and how rules were called in version 0.1.0.


def test_a_decorated_function_is_a_rule_everywhere(early):
    c = swept()
    s = c.suggest('early')
    assert s == c.suggestions()['early'] == c.suggest(early) == c.suggest(RULES['early'])
    assert s.lrs == (s.lr,) and s.index == c.view.nearest(s.lr) and 'early' in c._repr_html_()
    with pytest.raises(ValueError, match='choose from auto, .*, early, or pass'):
        c.suggest('best')
    for bad in ('one_cycle', '', early):
        with pytest.raises(ValueError, match='rule: name must be a text'):
            as_rule(bad)


@pytest.mark.parametrize('find', [fall_centre, steep, minimum, valley, slide, cyclical_bounds])
def test_rules_take_two_arrays_as_they_did(find):
    c = swept()
    named = find(lrs=list(c.lrs), losses=list(c.losses))
    assert find(*c.aligned()) == named
    if find in (fall_centre, steep, cyclical_bounds):
        assert find(c.view) == named
    if find is not cyclical_bounds:
        assert replace(find(c.view), lrs=c.suggest(find).lrs) == c.suggest(find)


def test_the_function_of_a_rule_is_the_rule(recwarn):
    "This holds for rules that are called with arrays as well, and without a warning."
    c = replace(swept(), settings=dict(momentum=0.0)).probed(probes(swept(), 0, 1, 2, 2, 2))
    for r in RULES.values():
        assert c.suggest(r.find) == c.suggest(r.name) == c.suggest(r)
    assert not recwarn.list


def test_a_function_of_rates_and_losses_still_is_a_rule():
    "It worked in version 0.1.0, and warns now with the new form, at the line of the call."
    c = swept()

    def mine(lrs, losses, share=0.5):
        assert np.array_equal(lrs, c.aligned()[0]) and np.array_equal(losses, c.aligned()[1])
        return fall_centre(lrs, losses, momentum=0.9)

    for old in (mine, partial(mine, share=0.3), lambda lrs, losses: valley(lrs, losses)):
        with pytest.warns(DeprecationWarning, match='takes one argument now, a `View`') as seen:
            s = c.suggest(old)
        assert seen[0].filename == __file__ and s.lr == old(*c.aligned()).lr and s.lrs == (s.lr,)
    RULES['steep'](*c.aligned())


def test_the_analysis_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys, fastlr.plot; print([m for m in ('torch', 'matplotlib', 'IPython') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert out == '[]\n'


def test_valley_counts_the_longest_fall_as_the_plain_way_does():
    rng = np.random.default_rng(0)
    for n in (1, 2, 10, 60, 200):
        for losses in (rng.normal(size=n), rng.integers(0, 5, n).astype(float), -np.arange(n, dtype=float)):
            length = np.ones(n, dtype=int)
            for i in range(1, n):
                length[i] = 1 + max(length[:i][losses[:i] > losses[i]], default=0)
            assert (
                f'a fall {length.max()} points long that ends at {1 + length.argmax():.3g}'
                in valley(1.0 + np.arange(n), losses).reason
            )


@pytest.mark.parametrize('rule', ['steep', 'auto'])
def test_the_slope_is_against_the_logarithm_of_the_rate(rule):
    """Lightning #21141 and #14248: the rate is absurdly low if the gradient is taken with respect to the rate
    itself."""

    def check(find):
        assert decades(find(a_curve()), 1e-2) < 0.6

    check(lambda c: c.suggest(rule).lr)
    fails_for(check, lambda c: c.lrs[np.gradient(c.losses, c.lrs).argmin()])


@pytest.mark.parametrize('rule', ['steep', 'auto'])
def test_noise_and_spikes_are_not_chased(rule):
    """pytorch-lr-finder #106 and #86, Lightning #1767: the answer was the steepest gradient of the noise, or
    of the fall after an early spike."""

    def check(find):
        for seed in range(5):
            c = a_curve(noise=0.08, seed=seed)
            spiky = c.losses.copy()
            spiky[[3, 20, 33]] += 5
            assert decades(find(LRCurve(c.lrs, spiky, shift=0)), find(a_curve(noise=0))) < 0.5

    check(lambda c: c.suggest(rule).lr)
    fails_for(check, lambda c: c.lrs[np.gradient(c.losses, np.log(c.lrs)).argmin()])


def test_the_number_of_steps_hardly_moves_the_answer():
    """pytorch-lr-finder #68: the answer was 1.2e-3 with 100 steps, and 3.3e-5 with 1000.

    Here it is the median over real sweeps with three optimizers and three seeds."""
    from sklearn.datasets import load_digits

    d = load_digits()
    data = torch.utils.data.TensorDataset(
        torch.tensor(d.data / 16, dtype=torch.float32), torch.tensor(d.target)
    )

    def sweep(num_it, seed, make_opt):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        opt = make_opt(model.parameters(), lr=1.0)
        with LRSweep(opt, model, num_it=num_it) as s:
            for xb, yb in s(DataLoader(data, 64, shuffle=True)):
                loss = nn.functional.cross_entropy(model(xb), yb)
                loss.backward()
                opt.step()
                opt.zero_grad()
                s.record(loss)
        return s.curve

    kinds = torch.optim.Adam, torch.optim.SGD, partial(torch.optim.SGD, momentum=0.9)
    curves = {n: [sweep(n, seed, kind) for kind in kinds for seed in range(3)] for n in (50, 100, 400)}

    def check(find):
        moved = {
            n: np.median([decades(find(c), find(usual)) for c, usual in zip(curves[n], curves[100])])
            for n in (50, 400)
        }
        assert max(moved.values()) <= 0.3, moved

    check(lambda c: c.suggest().lr)
    check(lambda c: c.suggest().one_cycle)

    def plain(c):
        z = c.smooth()
        # This finds the same level, but takes no account of the number of steps.
        return c.lrs[np.argmax(z < z[0] - 0.75 * (z[0] - z.min()))]

    fails_for(check, plain)


def test_bounds_for_a_cyclical_schedule():
    """Lightning #10089: a finder gives one number, and a cyclical schedule needs two.

    Here they are at a tenth and 95 % of the fall, which has a closed form."""

    def check(bounds):
        base, top = bounds(a_curve())
        assert decades(base, 1e-2 * (1 / 9) ** (1 / 1.5)) < 0.2 and decades(top, 1e-2 * 19 ** (1 / 1.5)) < 0.3

    def ours(c):
        b = c.bounds()
        return b.base_lr, b.max_lr

    check(ours)
    fails_for(check, lambda c: (c.suggest('steep').lr / 10, c.suggest('steep').lr))
