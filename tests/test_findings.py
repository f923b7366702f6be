"What is said about a curve: its findings, and the error where no rate can be suggested."

import json, pickle

import numpy as np
import pytest

from curves import LRS, ODD, a_curve, flat
from fastlr import LRCurve, NoSuggestion
from fastlr.findings import Finding, suggestion_text
from faults import fails_for


KINDS = {
    'never diverged': (a_curve(edge=100, stop_reason='end'), 'never diverged', 'end_lr'),
    'still falling': (a_curve(centre=1.0, edge=100, stop_reason='end'), 'still falling', 'extend'),
    'starts too high': (
        a_curve(centre=1e-2, lrs=10 ** np.linspace(-2.2, 0.5, 100)),
        'from the first rates on',
        'start_lr',
    ),
    'trained': (
        LRCurve(
            LRS, 0.1 + np.random.default_rng(0).normal(0, 0.02, 100) + 1e3 * np.maximum(LRS - 0.1, 0), shift=0
        ),
        'trained already',
        'num_it',
    ),
    'flat': (LRCurve(LRS, 0.1 + np.random.default_rng(0).normal(0, 0.02, 100)), 'does not fall', 'end_lr'),
    'unclear': (a_curve(noise=0.8, seed=1), "sweep alone can't tell", 'runs'),
    'few points': (a_curve(lrs=10 ** np.linspace(-5, 1, 20)), 'Only 20 points', 'num_it'),
    'diverged at once': (
        LRCurve(LRS[:4], [2.0, 3.0, 9.0, 40.0], stop_reason='diverged'),
        'diverged at once',
        'start_lr',
    ),
    'interrupted': (a_curve(lrs=LRS[:90], stop_reason='interrupted'), 'interrupted', 'not tried'),
    'data': (a_curve(stop_reason='data'), 'data ran out', 'restarted'),
}


@pytest.mark.parametrize('kind', KINDS)
def test_odd_curves_have_findings(kind):
    """pytorch-lr-finder #103, #10 and #44 ask whether a curve is normal: a finding names what is odd and a
    remedy."""
    c, words, remedy = KINDS[kind]

    def check(findings):
        assert findings(a_curve()) == []
        assert any(words in f and remedy in f for f in findings(c)), findings(c)

    check(lambda c: c.findings)
    fails_for(check, lambda c: [])


@pytest.mark.parametrize(
    'c',
    [
        LRCurve([], []),
        LRCurve([0.1], [1.0]),
        LRCurve(LRS[:3], [3.0, 2.0, 1.0]),
        LRCurve(LRS, np.ones(100)),
        LRCurve(LRS, np.random.default_rng(0).normal(0, 1, 100)),
        a_curve(lrs=LRS[:12]),
    ],
    ids=['none', 'one', 'three', 'constant', 'noise', 'flat'],
)
def test_no_suggestion_is_an_error_with_a_remedy(c):
    """Lightning #10557 and #4846, fastai #3658: the answer was None, which was then set as the rate, or an
    IndexError."""

    def check(suggest):
        with pytest.raises(NoSuggestion) as e:
            suggest(c)
        assert any(remedy in str(e.value) for remedy in ('num_it', 'start_lr', 'end_lr')) and any(
            ch.isdigit() for ch in str(e.value)
        )

    check(LRCurve.suggest)
    fails_for(check, lambda c: None if len(c) < 5 else c.lrs[np.gradient(c.losses).argmin()])


@pytest.mark.parametrize(
    'losses, words',
    [
        (np.linspace(1, 2, 100), 'only rises'),
        (np.full(100, 0.7), 'stays at 0.7: check that its gradient'),
        (flat(), 'by more than its noise'),
    ],
)
def test_the_reason_where_nothing_falls(losses, words):
    with pytest.raises(NoSuggestion, match=words):
        LRCurve(LRS, losses).suggest()


@pytest.mark.parametrize(
    'best, codes, remedy',
    [(4, ['highest-probe'], 'raise end_lr'), (0, ['lowest-probe'], 'a lower one may be better'), (2, [], '')],
)
def test_where_a_probe_at_either_end_is_best_other_rates_are_advised(best, codes, remedy):
    c = LRCurve(LRS, 2 + flat(noise=0.3), shift=0)
    assert c.view.edge == len(LRS) - 1 and c.needs_probes
    losses = [np.linspace(2.5, 1.7 if i == best else 1.8, 60) for i in range(5)]
    probed = c.probed(dict(zip(c.probe_rates(), losses)))
    assert [f.code for f in probed.findings] == codes and probed.suggest()
    assert all(remedy in f for f in probed.findings)


def test_findings_are_texts_with_a_code():
    f = ODD['noise'].findings[0]
    assert isinstance(f, str) and isinstance(f, Finding) and f.code == 'no-suggestion' and f == str(f)
    again = pickle.loads(pickle.dumps(f))
    assert again == f and again.code == f.code and json.loads(json.dumps([f])) == [f]


def test_what_is_printed_has_the_findings_with_or_without_a_suggestion():
    for c in ODD.values():
        text = suggestion_text(c)
        others = [f for f in c.findings if f.code != 'no-suggestion']
        # What has ended the sweep is said at the beginning, if there is no suggestion.
        others = [f for f in others if not text.startswith(f'No suggestion: {f}')]
        assert [line[6:] for line in text.splitlines() if line.startswith('Note: ')] == others
        assert text.startswith('No suggestion: ') == ('no-suggestion' in [f.code for f in c.findings])


@pytest.mark.parametrize(
    'n, reason, first, last',
    [
        (1, 'interrupted', 'The sweep was interrupted', '1 usable point and a suggestion needs 10.'),
        (12, 'data', 'The data ran out before the last rate', 'look at the plot.'),
        (0, 'non-finite', 'The very first loss was not finite', '0 usable points and a suggestion needs 10.'),
        (4, 'diverged', 'The loss diverged at once', '4 usable points and a suggestion needs 10.'),
    ],
)
def test_a_missing_suggestion_is_explained_by_what_ended_the_sweep(n, reason, first, last):
    rng = np.random.default_rng(0)
    c = LRCurve(LRS[:n], 2 + 0.1 * rng.normal(size=n), stop_reason=reason, shift=0)
    with pytest.raises(NoSuggestion) as raised:
        c.suggest()
    text = str(raised.value)
    assert text.startswith(first) and text.endswith(last) and text.startswith(c.findings[0])
    assert text == f'{c.findings[0]} {c.findings[-1]}' and text.count('interrupted') <= 1
    assert suggestion_text(c).startswith(f'No suggestion: {first}')
    # A sweep that went on to its end has another reason.
    complete = LRCurve(LRS[:n], c.losses, stop_reason='end', shift=0)
    with pytest.raises(NoSuggestion, match='^The (curve has|loss does not fall)'):
        complete.suggest()


def test_a_loss_that_is_suddenly_nan_is_no_reason_to_go_higher():
    "It hadn't risen: that is a fault of model, loss or data, rather than a rate that is too high."
    losses = np.linspace(2.0, 0.5, len(LRS)) + 0.01 * np.sin(np.arange(len(LRS)))
    nan, went_on = (LRCurve(LRS, losses, stop_reason=reason) for reason in ('non-finite', 'end'))
    assert [f.code for f in nan.findings] == ['sudden-nan']
    assert 'raise end_lr' not in str(nan.findings[0]) and f'{LRS[-1]:.1e}' in nan.findings[0]
    assert 'still-falling' in [f.code for f in went_on.findings]


@pytest.mark.parametrize('mode, remedy', [('exp', 'lower start_lr'), ('linear', 'lower end_lr')])
def test_a_linear_sweep_that_diverges_at_once_begins_where_its_second_rate_is(mode, remedy):
    settings = dict(mode=mode, start_lr=1e-7, end_lr=10.0, num_it=100)
    c = LRCurve(
        [0.1 * i + 1e-7 for i in range(5)],
        [1.0, 3.0, 20.0, 90.0, 500.0],
        stop_reason='diverged',
        settings=settings,
    )
    with pytest.raises(NoSuggestion, match=f'diverged at once, at 0.4: {remedy}'):
        c.suggest()
