"Rules on very long curves, how a rule is added, and where a curve's methods come from."

import pickle, subprocess, sys, warnings

import numpy as np
import pytest

from fastlr import LRCurve
from fastlr.cli import parser
from fastlr.curve import EntryPoint
from fastlr.rules import RULES, check_fall, minimum, rule, slide, valley
from fastlr.settings import SweepSettings


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


@pytest.fixture
def early():
    @rule('early', label='a fifth of the fall', color='slategray')
    def early(view):
        check_fall(view)
        lr = view.lrs[np.argmax(view.z <= view.z[0] - view.fall / 5)]
        return view.answer(lr, 'early', 'a fifth of the fall')

    yield early
    del RULES['early']


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
        "'LRCurve' object has no attribute 'sugest'",
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
