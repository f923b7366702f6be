"Rules on very long curves, how a rule is added, and where a curve's methods come from."

import inspect, pickle, subprocess, sys, warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from fastlr import LRCurve
from fastlr.bounds import cyclical_bounds
from fastlr.cli import parser
from fastlr.advice import EntryPoint
from fastlr.rules import RULES, fall_centre, minimum, rule, slide, steep, valley
from fastlr.settings import SweepSettings
from fastlr.smooth import view_of


def a_curve(n=100, noise=0.02):
    "A curve of `n` points that falls around 1e-3 and breaks away from 0.3 on."
    lrs = np.geomspace(1e-7, 10, n)
    losses = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + 30 * np.maximum(lrs - 0.3, 0) ** 2
    return LRCurve(lrs, np.minimum(losses, 5) + np.random.default_rng(0).normal(0, noise, n))


def recursive_average(losses, beta=0.98):
    "Fastai's average, point by point."
    average, out = 0.0, []
    for i, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        out.append(average / (1 - beta**i))
    return np.array(out)


def summed_average(losses, beta=0.98):
    "The same as one sum, as in versions before 0.2: its weights grow until they are too large for a float."
    n = len(losses)
    weighted = np.array([loss * (1 - beta) * beta**-i for i, loss in enumerate(losses)])
    return weighted.cumsum() * beta ** np.arange(n) / (1 - beta ** np.arange(1, n + 1))


@pytest.mark.parametrize('n', [36_000, 100_000])
def test_fastais_rules_on_very_long_curves(n):
    c = a_curve(n)
    with pytest.raises(OverflowError):
        summed_average(c.losses)
    shown = slice(n // 10, n - 5)
    lrs, losses = c.lrs[shown], recursive_average(c.losses)[shown]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = [c.suggest(find).lr for find in (minimum, valley, slide)]
    assert found == pytest.approx([find(lrs, losses).lr for find in (minimum, valley, slide)], rel=1e-3)


@pytest.mark.parametrize('n', [40, 100, 20_000, 35_000])
def test_fastais_rules_give_the_same_bits_as_before(n):
    c = a_curve(n)
    shown = slice(n // 10, n - 5)
    lrs, losses = c.lrs[shown], summed_average(c.losses)[shown]
    for find in (minimum, valley, slide):
        assert c.suggest(find).lr == find(lrs, losses).lr


def test_a_rule_is_known_everywhere_by_its_one_function(early):
    c = a_curve()
    s = c.suggest('early')
    assert s == c.suggestions()['early'] and 'a fifth of the fall</td>' in c._repr_html_()
    labels = [t.get_text() for t in c.plot('early').get_legend().get_texts()]
    assert f'a fifth of the fall: {s.lr:.2e}' in labels
    assert parser().parse_args(['find-lr', 'digits', '--rule', 'early']).rule == 'early'


LONELY = """
import pickle, sys
{get}
assert 'fastlr.rules' not in sys.modules and len(curve) == 100 and not hasattr(curve, '__deepcopy__')
assert 'fastlr.rules' not in sys.modules
print(curve.suggest().lr)
assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules
try: curve.sugest
except AttributeError as e: print(e)
"""


@pytest.mark.parametrize('how', ['imported', 'unpickled'])
def test_a_curve_has_its_methods_wherever_it_comes_from(tmp_path, how):
    "Also if nothing but `fastlr.curve` has been imported; it costs nothing until one of them is used."
    c = a_curve()
    (tmp_path / 'curve.pkl').write_bytes(pickle.dumps(c))
    c.save(tmp_path / 'curve.json')
    get = dict(
        imported="from fastlr.curve import LRCurve; curve = LRCurve.load('curve.json')",
        unpickled="curve = pickle.load(open('curve.pkl', 'rb'))",
    )
    code = LONELY.format(get=get[how])
    p = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert p.stdout.split('\n')[:2] == [
        str(c.suggest().lr),
        "a curve has no 'sugest': did you mean 'suggest'?",
    ], p.stderr


@pytest.mark.parametrize(
    'entry, offered',
    [
        (EntryPoint(), 'best loss, False to go on to the end, or True for a rule that needs no factor;'),
        (EntryPoint(never='None', without_factor=None), 'best loss, or None to go on to the end;'),
    ],
)
def test_only_what_an_entry_point_accepts_is_offered(entry, offered):
    with pytest.raises(ValueError, match=offered):
        SweepSettings(stop_div=0.5, entry=entry)


def test_a_view_can_be_given_another_momentum():
    c = a_curve()
    known = replace(c, settings=dict(momentum=0.99))
    assert c.suggest(partial(fall_centre, momentum=0.99)) == known.suggest() != c.suggest()
    assert fall_centre(c.view, momentum=0.99) == fall_centre(*c.aligned(), momentum=0.99)
    assert view_of(c.view) is c.view and c.view.momentum is None


@pytest.mark.parametrize('find', [fall_centre, steep, cyclical_bounds, minimum, valley, slide])
def test_a_rule_needs_two_arrays_or_a_view_alone(find):
    first, second = list(inspect.signature(find).parameters.values())[:2]
    assert (first.name, second.name, second.default) == ('lrs', 'losses', None)
    c = a_curve()
    for wrong in ((c.lrs,), (c.view, c.losses)):
        with pytest.raises(TypeError, match='needs rates and losses, or a view alone; got'):
            find(*wrong)


@pytest.mark.parametrize('options', [dict(lr_diff=60), dict(thresh=9), dict(lr_diff=3)])
def test_the_options_of_slide_count_for_a_view_as_for_arrays(options, recwarn):
    c = a_curve()
    lrs, losses = c.lrs[10:95], recursive_average(c.losses)[10:95]
    s = slide(c.view, **options)
    assert s.lr == slide(lrs, losses, **options).lr != c.suggest('slide').lr
    assert c.suggest(partial(slide, **options)).lr == s.lr and not recwarn.list


def assigned(find):
    RULES['two'] = find


@pytest.mark.parametrize('enter', [rule('two'), assigned, lambda find: RULES.update(two=find)])
def test_a_function_of_rates_and_losses_can_be_entered(enter):
    "As in version 0.1.0, with a warning."
    c = a_curve()
    try:
        with pytest.warns(DeprecationWarning, match='takes one argument now, a `View`') as seen:
            enter(lambda lrs, losses: replace(steep(lrs, losses), rule='two'))
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            assert c.suggest('two').lr == c.suggestions()['two'].lr == c.suggest('steep').lr
            assert 'two</td>' in c._repr_html_()
            for asked in ('two', 'steep', True):
                c.plot(suggestion=asked)
        assert RULES['two'].label == 'two' and len(seen) == 1
    finally:
        del RULES['two']


def test_only_functions_with_a_name_can_be_entered():
    for name in ('one_cycle', 5):
        with pytest.raises(ValueError, match='rule: name must be a text'):
            RULES[name] = steep
    for enter in (assigned, rule('two')):
        with pytest.raises(TypeError, match='must be a function View -> Suggestion, got 5'):
            enter(5)
    assert 'two' not in RULES


@pytest.mark.parametrize('name', ['lrs', 'losses', 'x', 'z', 'cut'])
@pytest.mark.parametrize('arrays', [False, True])
def test_a_rule_cannot_change_the_view(name, arrays):
    c = a_curve()
    lrs, losses = np.array(c.lrs), np.array(c.losses)
    view = view_of(lrs, losses) if arrays else c.view
    with pytest.raises(ValueError, match='read-only'):
        getattr(view, name)[:] = 1
    # The caller's own arrays stay as they are.
    lrs[0] = losses[0] = 1e-8


@pytest.mark.parametrize(
    'asked, named',
    [
        (dict(runs=3), 'runs=3:'),
        (dict(probe=True), 'probe=True:'),
        (dict(runs=3, probe=True), 'runs=3 and probe=True:'),
    ],
)
def test_what_needs_a_loader_that_restarts_is_named(asked, named):
    with pytest.raises(ValueError, match=f'^{named} the loader must be one that can be restarted'):
        SweepSettings(**asked, batches=None).check_restartable(iter([1]))
