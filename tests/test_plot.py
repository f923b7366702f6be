"The plots: what they show, in light and dark, large and small; and that drawing does no harm."

import io, random, subprocess, sys
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch
from matplotlib.colors import to_rgb
from torch import nn

import fastlr.live
import fastlr.plot
from conftest import make_learner, net
from curves import LRS, a_curve
from fastlr import Callback, RangeTest, accuracy
from fastlr.bounds import Bounds
from fastlr.curve import LRCurve
from fastlr.live import LivePlot
from fastlr.plot import plot_curves
from fastlr.rules import RULES, NoSuggestion
from fastlr.rules import rule as as_rule
from fastlr.smooth import smoothed
from fastlr.suggestion import Rule, Suggestion, range_text
from faults import fails_for

BLUE, STYLES, SIZES = to_rgb('tab:blue'), ['default', 'dark_background'], [(3, 2), (10, 6)]


def curve(edge=0.3, scale=1.0, n=100, lo=-7, hi=1, noise=0.03, high=5.0, seed=0, **kw):
    "Return the curve of a sweep that falls at 1e-3 and is stopped beyond `edge`, if it gets there."
    lrs = 10 ** np.linspace(lo, hi, n)
    caused = 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5) + 30 * np.maximum(lrs - edge, 0) ** 2
    losses = np.r_[2.3, caused[:-1]] + np.random.default_rng(seed).normal(0, noise, n)
    stop = np.flatnonzero(losses > high)
    m, kw = (stop[0] + 1, dict(dict(stop_reason='diverged'), **kw)) if len(stop) else (n, kw)
    return LRCurve(lrs[:m], scale * losses[:m], **kw)


def runs(n):
    return LRCurve.median(
        [curve(edge, noise=0.1, seed=i) for i, edge in enumerate(np.geomspace(0.2, 0.5, n))]
    )


def flat():
    return LRCurve(10 ** np.linspace(-6, 0, 60), np.ones(60))


def legend(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def rate_label(name, s):
    return f'{name}: {s:.2e}{range_text(s, " ({})").lower()}'


def line(ax, label):
    return next(l for l in ax.get_lines() if l.get_label() == label)


def points(ax):
    "Return the marks: lines of one point that isn't one of the losses."
    return [l for l in ax.get_lines() if l.get_marker() not in ('.', 'None') and len(l.get_xdata()) == 1]


def pixels(ax):
    "Return `ax` as it is saved: (height, width, 3) from 0 to 1."
    png = io.BytesIO()
    ax.figure.savefig(png, format='png', dpi=100)
    return plt.imread(io.BytesIO(png.getvalue()))[..., :3]


def near(image, color, by=0.1):
    return int((np.abs(image - color).max(-1) < by).sum())


def contrast(a, b):
    light = [
        np.dot(
            [0.2126, 0.7152, 0.0722],
            [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(x)],
        )
        for x in (a, b)
    ]
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.fixture(autouse=True)
def no_show_and_no_figures_left(monkeypatch):
    monkeypatch.setattr(plt, 'show', lambda *a, **k: pytest.fail('show was called'))
    plt.close('all')
    yield
    plt.close('all')


@pytest.fixture
def bounds(monkeypatch):
    "Make bounds and a one-cycle maximum known: drawing is tested here, not the analysis."
    monkeypatch.setattr(fastlr.plot, 'cyclical_bounds', lambda view: Bounds(1e-4, 1e-2, ''))
    monkeypatch.setattr(
        LRCurve, 'suggest', lambda self, rule='auto': Suggestion(3e-3, 50, 1.0, 'auto', '', one_cycle=2e-2)
    )


# One curve.


def test_the_signature_that_others_rely_on():
    ax = plt.subplots()[1]
    # The arguments are passed in this order.
    assert curve().plot('auto', 3, 4, 2.0, True, ax) is ax
    assert len(line(ax, 'single losses').get_xdata()) == len(curve()) - 1 - 3 - 4
    assert ax.xaxis.get_gridlines()[0].get_visible()
    with pytest.raises(TypeError):
        # The others are passed by name.
        curve().plot(False, 0, 0, None, False, ax, True)


@pytest.mark.parametrize(
    'draw',
    [
        lambda ax: curve().plot(True, ax=ax),
        lambda ax: runs(3).plot(ax=ax),
        lambda ax: plot_curves({'a': curve()}, ax=ax),
    ],
)
def test_an_ax_that_is_given_is_used_and_no_other_is_made(draw):
    ax = plt.subplots()[1]
    assert draw(ax) is ax and len(plt.get_fignums()) == 1
    assert draw(None) is not ax and len(plt.get_fignums()) == 2


@pytest.mark.parametrize(
    'c',
    [
        curve(),
        curve(high=1e9),
        runs(3),
        runs(12),
        flat(),
        curve(n=3),
        LRCurve([1e-3, 1e-2], [1.0, 2.0], shift=0),
        LRCurve(10 ** np.linspace(-5, 0, 50), np.r_[np.linspace(2, -1, 40), 10.0 ** np.arange(280, 290)]),
        LRCurve(np.linspace(1e-4, 1, 50), np.linspace(2, 1, 50), settings=dict(mode='linear')),
    ],
    ids=repr,
)
def test_everything_that_is_drawn_is_finite(c, recwarn):
    ax = c.plot(suggestion=True)
    for l in ax.get_lines():
        assert np.isfinite(np.asarray(l.get_xydata(), dtype=float)).all()
    for band in ax.collections:
        assert all(np.isfinite(p.vertices).all() for p in band.get_paths())
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all() and pixels(ax).std() > 0
    assert not [w for w in recwarn if not issubclass(w.category, DeprecationWarning)]


def test_no_line_where_all_losses_are_cut_off():
    "The sweep goes on far beyond the edge."
    c = curve(high=1e9)
    assert line(c.plot(), 'smoothed').get_xdata()[-1] < 1 < c.lrs[-2]


def test_the_line_is_what_was_judged_whatever_is_skipped():
    c = curve()
    whole, part = (
        line(c.plot(**kw), 'smoothed').get_xydata() for kw in ({}, dict(skip_start=30, skip_end=20))
    )
    assert np.array_equal(part, whole[30 : len(c) - 1 - 20])
    twice = line(c.plot(k=2), 'smoothed').get_ydata()
    # With a larger `k` the line is smoother.
    assert np.abs(np.diff(twice, 2)).sum() < 0.8 * np.abs(np.diff(whole[:, 1], 2)).sum()


@pytest.mark.parametrize('kw', [{}, dict(k=3)])
def test_the_points_lie_on_the_line_and_carry_the_rate(kw):
    c = curve()
    ax = c.plot(suggestion=['auto', 'steep', 'minimum'], **kw)
    z = line(ax, 'smoothed')
    for p, rule in zip(points(ax), ('auto', 'steep', 'minimum')):
        lr = c.suggest(rule).lr
        assert (
            p.get_xdata()[0] == lr
            and p.get_color() == RULES[rule].color
            and p.get_label() == rate_label(RULES[rule].label, c.suggest(rule))
        )
        assert p.get_ydata()[0] == pytest.approx(
            np.interp(np.log10(lr), np.log10(z.get_xdata()), z.get_ydata())
        )
    assert len(points(ax)) == 3 and points(flat().plot(suggestion=True)) == []


def test_a_rule_of_ones_own_has_a_point_with_its_name():
    def mine(view):
        return view.answer(1e-3, 'mine', 'always')

    for asked in (mine, partial(mine)):
        ax = curve().plot(suggestion=asked)
        assert legend(ax)[-1] == 'mine: 1.00e-03' and points(ax)[0].get_color() == 'olive'


@pytest.mark.parametrize('entry', [RULES['steep'], Rule('gone', RULES['steep'].find, 'not entered', 'teal')])
def test_an_entry_of_the_registry_has_its_name_and_its_colour(entry):
    ax = curve().plot(suggestion=entry)
    assert legend(ax)[-1].startswith(f'{entry.label}: ') and points(ax)[0].get_color() == entry.color


def test_the_label_and_the_colour_of_a_rule_are_in_the_registry():
    find = as_rule('always', label='as ever', color='teal')(lambda view: view.answer(1e-3, 'always', 'so'))
    try:
        for asked in ('always', find):
            ax = curve().plot(suggestion=['auto', asked])
            assert legend(ax)[-1] == 'as ever: 1.00e-03' and points(ax)[-1].get_color() == 'teal'
    finally:
        del RULES['always']


@pytest.fixture
def smoothings(monkeypatch):
    "Count the calls of `smoothed`, from every module."
    calls = []

    def counting(*args, **kwargs):
        calls.append(args)
        return smoothed(*args, **kwargs)

    for name in ('fastlr.smooth.smoothed', 'fastlr.plot.smoothed'):
        monkeypatch.setattr(name, counting)
    return calls


@pytest.mark.parametrize('kw, most', [({}, 1), (dict(k=2), 2), (dict(bounds=True, skip_start=5), 1)])
def test_a_curve_is_smoothed_once_and_remembered(smoothings, kw, most):
    "The plot, all rules, the findings and the table use it."
    c = curve()
    c.plot(suggestion=True, **kw)
    assert 1 <= len(smoothings) <= most
    for use in (LRCurve.suggestions, LRCurve._repr_html_, LRCurve.bounds, LRCurve.probe_rates):
        use(c)
    assert isinstance(c.findings, list)
    c.plot([*RULES, 'one_cycle'])
    assert len(smoothings) <= most
    runs(3).plot(suggestion=True)
    # One is the median, and the others are the runs.
    assert len(smoothings) <= most + 4


def test_the_recorders_picture_and_text_smooth_once(smoothings, capsys):
    learn = make_learner()
    learn.recorder.curve = curve()
    learn.recorder.plot(suggestion=True)
    assert len(smoothings) == 1 and 'Suggested lr' in capsys.readouterr().out


def test_bounds_and_one_cycle(bounds, monkeypatch):
    ax = curve().plot(suggestion='one_cycle', bounds=True)
    assert legend(ax)[-2:] == ['one-cycle: 2.00e-02', 'cyclical: 1.0e-04 to 1.0e-02']
    (p,) = points(ax)
    z = line(ax, 'smoothed')
    assert p.get_ydata()[0] == pytest.approx(
        np.interp(np.log10(2e-2), np.log10(z.get_xdata()), z.get_ydata())
    )
    shade = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shade.x0, shade.x1) == pytest.approx((1e-4, 1e-2))

    def none(view):
        raise NoSuggestion('no')

    monkeypatch.setattr(fastlr.plot, 'cyclical_bounds', none)
    # There is nothing to shade, and no error.
    assert not curve().plot(bounds=True).patches


@pytest.mark.parametrize(
    'n, label',
    [
        (2, 'lowest to highest of 2 smoothed runs'),
        (8, 'lowest to highest of 8 smoothed runs'),
        (9, 'middle half of 9 smoothed runs'),
    ],
)
def test_the_band_holds_the_line_and_opens_where_a_run_leaves(n, label):
    c = runs(n)
    ax = c.plot(skip_start=5)
    assert label in legend(ax) and len(ax.collections) == 1
    edge = ax.collections[0].get_paths()[0]
    ends = edge.get_extents()
    assert ends.x0 == pytest.approx(c.lrs[5]) and ends.y0 >= ax.get_ylim()[0]
    # The band reaches the top of the picture, rather than the middle.
    assert ends.y1 == pytest.approx(ax.get_ylim()[1])
    inside = [edge.contains_point((x, y), radius=0) for x, y in line(ax, 'smoothed').get_xydata()[5:60]]
    # The smoothed median is not one of the smoothed runs, so it is inside of them most of the time only.
    assert np.mean(inside) > 0.6


@pytest.mark.parametrize('levels, low, high', [((1.0, 1.0, 0.5), 0.5, 1.0), (range(1, 10), 3.0, 7.0)])
def test_the_band_is_in_the_picture_also_below_the_lowest_median(levels, low, high):
    lrs = 10 ** np.linspace(-6, 0, 60)
    c = LRCurve.median([LRCurve(lrs, np.full(60, float(v))) for v in levels])
    c = LRCurve(lrs, np.linspace(10, 0.9, 60), runs=c.runs)
    ax = c.plot()
    edge = ax.collections[0].get_paths()[0].get_extents()
    assert (edge.y0, edge.y1) == pytest.approx((low, high)) and ax.get_ylim()[0] <= low


@pytest.mark.parametrize(
    'reason, word',
    [
        ('diverged', 'diverged'),
        ('non-finite', 'not finite'),
        ('end', None),
        ('data', None),
        ('interrupted', None),
    ],
)
def test_divergence_is_marked_at_the_last_rate(reason, word):
    c = curve(stop_reason=reason)
    ax = c.plot(skip_end=5)
    assert [t.get_text() for t in ax.texts] == ([word] if word else [])
    marks = [l for l in ax.get_lines() if l.get_linestyle() == ':']
    assert [l.get_xdata()[0] for l in marks] == ([c.lrs[-1]] if word else [])
    # The view of one decade stays close.
    assert c.plot(skip_end=40).get_xlim()[1] < 1e-2 and not c.plot(skip_end=40).texts


@pytest.mark.parametrize('size', SIZES)
def test_the_label_at_the_mark_has_room(size):
    ax = plt.subplots(figsize=size, layout='constrained')[1]
    curve().plot(skip_start=10, skip_end=5, ax=ax)
    pixels(ax)
    word, frame = ax.texts[0].get_window_extent(), ax.get_window_extent()
    assert word.x1 < frame.x1 - 2 and word.y1 < frame.y1 and word.y0 > frame.y0


# The axis.


@pytest.mark.parametrize('size', [*SIZES, (4, 3), (6.4, 4)])
@pytest.mark.parametrize(
    'lo, hi', [(-7, 1), (-9, 2), (-5, -2), (-3.8, -2.3), (-3.5, -2.6), (-3.2, -2.9), (-3.05, -3)]
)
def test_ticks_can_be_read(lo, hi, size):
    ax = plt.subplots(figsize=size, layout='constrained')[1]
    curve(lo=lo, hi=hi, n=50).plot(ax=ax)
    pixels(ax)
    a, b = ax.get_xlim()
    seen = [t.label1 for t in ax.xaxis.get_major_ticks() if a <= t.get_loc() <= b and t.label1.get_text()]
    assert 2 <= len(seen) and ax.get_xscale() == 'log'
    boxes = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in seen)
    # No label covers another.
    assert all(one[1] < two[0] for one, two in zip(boxes, boxes[1:])), [t.get_text() for t in seen]
    assert not any(t.label1.get_text() for t in ax.xaxis.get_minor_ticks())
    if hi - lo > 2:
        assert all(np.log10(t.get_loc()) % 1 < 1e-9 for t in ax.xaxis.get_major_ticks())


# Saved on white and on black.


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('size', SIZES)
def test_what_is_saved_after_trimming_is_not_blank(style, size):
    with plt.style.context(style):
        empty, ax = (plt.subplots(figsize=size, layout='constrained')[1] for _ in range(2))
        runs(3).plot(True, 40, 10, ax=ax)
        image, blank = pixels(ax), pixels(empty)
        band = 0.35 * np.array(BLUE) + 0.65 * np.array(to_rgb(ax.get_facecolor()))
    wide = size[0] * 100
    # The line is two points thick, and takes most of the width.
    assert near(image, BLUE) > wide > near(blank, BLUE)
    assert near(image, band, 0.03) > wide / 4 > near(blank, band, 0.03)
    for rule in ('steep', 'auto'):
        assert near(image, to_rgb(RULES[rule].color)) > 50 > near(blank, to_rgb(RULES[rule].color))


@pytest.mark.parametrize('style', STYLES)
def test_every_colour_stands_out_from_the_background(style, bounds):
    with plt.style.context(style):
        axs = (
            curve().plot([*RULES, 'one_cycle'], bounds=True),
            plot_curves({i: curve(seed=i) for i in range(4)}, suggestion=True),
        )
        for ax in axs:
            for artist in (*ax.get_lines(), *ax.texts):
                assert contrast(artist.get_color(), ax.get_facecolor()) > 2, artist
            for p in points(ax):
                # A ring has no rim.
                ring = p.get_markerfacecolor() == 'none'
                assert p.get_markeredgecolor() == (p.get_color() if ring else ax.get_facecolor())
            assert contrast(ax.get_legend().get_texts()[0].get_color(), ax.get_facecolor()) > 2


# Several curves.


def test_curves_each_have_a_colour_and_their_rate():
    curves = {'wd 0': curve(2.0), 0.01: curve(0.3, seed=1), 'flat': flat()}
    ax = plot_curves(curves, suggestion=True)
    rate = [curves[k].suggest().lr for k in ('wd 0', 0.01)]
    known = [rate_label(k, curves[k].suggest()) for k in ('wd 0', 0.01)]
    assert legend(ax) == [*known, 'flat: no suggestion']
    assert [p.get_xdata()[0] for p in points(ax)] == rate
    colors = [line(ax, label).get_color() for label in legend(ax)]
    assert len(set(colors)) == 3 and [p.get_color() for p in points(ax)] == colors[:2]
    assert legend(plot_curves(curves)) == ['wd 0', '0.01', 'flat'] and not points(plot_curves(curves))
    assert (
        points(plot_curves(curves, suggestion='steep'))[0].get_xdata()[0]
        == curves['wd 0'].suggest('steep').lr
    )


def test_limits_show_every_curve_and_no_explosion():
    small, large = curve(high=1e9, scale=0.01), curve(lo=-4, hi=2, scale=10.0)
    exploded = LRCurve(small.lrs, np.r_[small.losses[:-5], 10.0 ** np.arange(10, 15)])
    for pair in ({'a': exploded, 'b': large}, {'b': large, 'a': exploded}):
        ax = plot_curves(pair)
        low, high = ax.get_ylim()
        assert low < 0.01 * 0.5 and 23 < high < 60
        assert ax.get_xlim()[0] < 1e-7 and ax.get_xlim()[1] > large.lrs[-2]
    one, other = ((ax := plot_curves({'a': c})).get_ylim() for c in (curve(), curve(scale=1e-3)))
    # The limits don't depend on the unit of the loss.
    assert np.allclose(np.array(one) / 1e3, other)


@pytest.mark.parametrize(
    'kw, kind, words',
    [
        (dict(curves={}), ValueError, r"curves is {}.*pass at least one"),
        (dict(curves=[1, 2]), TypeError, r"curves must be a dict of label: curve, got \[1, 2\]"),
        (dict(curves={'wd': 3}), TypeError, r"curves\['wd'\] must be an LRCurve.*got 3"),
        (
            dict(curves={'wd': flat()}, suggestion=['auto', 'steep']),
            TypeError,
            r"suggestion must be True or one rule, got \['auto', 'steep'\]",
        ),
        (
            dict(curves={'wd': flat(), 'x': curve(n=20)}, skip_start=15, skip_end=5),
            ValueError,
            r"curves\['x'\].*skip_start=15 and skip_end=5",
        ),
        (dict(curves={'wd': curve()}, suggestion='best'), ValueError, r"unknown rule 'best'"),
        (dict(curves={'wd': curve()}, k=-1), ValueError, r"k must be above zero, got -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_leaves_no_figure(kw, kind, words):
    with pytest.raises(kind, match=words):
        plot_curves(**kw)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    'kw, words',
    [
        (dict(skip_start=60, skip_end=40), 'skip_start=60 and skip_end=40'),
        (dict(skip_start=-1), 'skip_start'),
        (dict(skip_start=98), 'skip_start=98 and skip_end=0 leave 1 points'),
        (dict(k=0), 'k must be above zero, got 0'),
        (dict(suggestion='best'), "unknown rule 'best'"),
    ],
)
def test_one_curve_refuses_before_there_is_a_figure(kw, words):
    with pytest.raises(ValueError, match=words):
        curve(high=1e9).plot(**kw)
    assert not plt.get_fignums()


@pytest.mark.parametrize('size', [(3, 2.2), (6.4, 4), (10, 6)])
def test_a_long_name_takes_no_room_from_the_axes(size):
    long = 'a name of many words, as it comes from a file of settings with all their values, '
    ax = plt.subplots(figsize=size, layout='constrained')[1]
    plot_curves({long + 'one': curve(), long + 'two': flat()}, suggestion=True, ax=ax)
    pixels(ax)
    frame, named = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert frame.width > 60 * size[0]
    assert frame.x0 <= named.x0 and named.x1 <= frame.x1


def test_curves_differ_without_their_colours():
    lines = [
        l for l in plot_curves({i: curve(seed=i) for i in range(4)}).get_lines() if l.get_marker() != '.'
    ]
    assert len({l.get_linestyle() for l in lines}) == 4


def test_of_several_groups_the_axis_says_whose_rate_it_is():
    c = curve()
    for share, label in ((1.0, 'Learning rate'), (0.1, 'Learning rate (fastest group)')):
        groups = LRCurve(c.lrs, c.losses, group_lrs=np.c_[share * c.lrs, c.lrs])
        assert groups.plot().get_xlabel() == label


# To be pointed at.


@pytest.mark.parametrize('c', [curve(), runs(5), flat(), curve(scale=-1.0), curve(n=3)], ids=repr)
def test_plotly_shows_what_matplotlib_shows(c):
    pytest.importorskip('plotly')
    ax, fig = c.plot(True), c.plot_plotly()
    labels = [l.get_label() for l in ax.get_lines()] + [b.get_label() for b in ax.collections]
    assert {t.name for t in fig.data if t.showlegend is not False} == {
        name for name in labels if not name.startswith('_')
    }
    seen = {t.name: t for t in fig.data}
    smooth = line(ax, 'smoothed')
    assert np.array_equal(np.c_[seen['smoothed'].x, seen['smoothed'].y], smooth.get_xydata())
    assert np.allclose(fig.layout.xaxis.range, np.log10(c.plot(True, ax=fresh()).get_xlim()))
    assert fig.layout.xaxis.type == 'log' and fig.layout.yaxis.range == pytest.approx(ax.get_ylim())
    for p in points(ax):
        text = seen[p.get_label()].hovertemplate
        assert repr(float(p.get_xdata()[0])) in text and len(text.split('<br>')) == 3
        assert seen[p.get_label()].x[0] == p.get_xdata()[0]
    # Nothing is left for pyplot to show, but the one that was drawn here.
    assert len(plt.get_fignums()) == 1


def fresh():
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4)).add_subplot()


def test_plotly_draws_what_plot_is_asked_for(bounds):
    pytest.importorskip('plotly')
    fig = curve().plot_plotly('one_cycle', 5, 5, 2.0, bounds=True)
    assert [t.name for t in fig.data if t.fill] == ['cyclical: 1.0e-04 to 1.0e-02']
    assert len(next(t for t in fig.data if t.name == 'single losses').x) == len(curve()) - 1 - 10
    with pytest.raises(ValueError, match='k must be above zero'):
        curve().plot_plotly(k=0)


def test_without_plotly_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'plotly', None)
    monkeypatch.setitem(sys.modules, 'plotly.graph_objects', None)
    with pytest.raises(ImportError, match='plot_plotly needs plotly: pip install plotly'):
        curve().plot_plotly()


# While the sweep runs.


class Clock:
    "A clock that stands still unless it is moved."

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def shown(monkeypatch):
    "Draw as in a notebook, and collect what would be displayed: PNGs, and None where the picture is removed."
    out = []
    monkeypatch.setattr(fastlr.live, '_in_notebook', lambda: True)
    monkeypatch.setattr(LivePlot, '_put', lambda self, png: out.append(png))
    monkeypatch.setattr(LivePlot, '_erase', lambda self: out.append(None))
    return out


@pytest.mark.parametrize('slow, pause', [(0.0, 0.5), (0.125, 0.5), (0.25, 0.75)])
def test_live_draws_at_most_every_half_second_and_a_quarter_of_the_time(shown, monkeypatch, slow, pause):
    clock, c, drawn = Clock(), curve(), []
    live, plot = LivePlot(clock=clock), LRCurve.plot

    def takes_its_time(self, *args, **kwargs):
        clock.now += slow
        return plot(self, *args, **kwargs)

    monkeypatch.setattr(LRCurve, 'plot', takes_its_time)
    for n in range(1, 41):
        clock.now += 0.125
        live.update(LRCurve(c.lrs[:n], c.losses[:n]))
        if len(shown) > len(drawn):
            drawn.append(clock.now)
    # The first line needs three losses: two that are aligned with rates.
    assert len(drawn) == live.drawings > 3 and drawn[0] == 3 * 0.125 + slow
    assert all(b - a == pause + slow for a, b in zip(drawn, drawn[1:]))


def test_live_shows_what_is_still_to_come_and_ends_with_the_suggestions(shown):
    c = curve(settings=dict(end_lr=[0.1, 10.0]))
    live = LivePlot(every=0, clock=Clock())
    live.update(LRCurve(c.lrs[:50], c.losses[:50], settings=c.settings))
    assert live.ax.get_xlim()[1] == 10 and not points(live.ax)
    live.close(c)
    assert (
        live.ax.get_xlim()[1] < 10
        and len(points(live.ax)) == 3
        and len(shown) == 2
        and shown[1][:4] == b'\x89PNG'
    )
    live.update(c)
    live.close(c)
    live.close()
    # After the end nothing happens.
    assert len(shown) == 2 and not live.due
    # Pyplot knows of no figure.
    assert not plt.get_fignums()


def test_live_takes_the_picture_away_if_there_is_no_curve(shown):
    for last in (None, LRCurve([], [])):
        live = LivePlot(every=0, clock=Clock())
        live.update(curve())
        live.close(last)
        assert shown[-1] is None and live.error is None


def test_live_draws_on_the_ax_that_it_is_given(shown):
    ax = plt.subplots()[1]
    live = LivePlot(ax, every=0, clock=Clock())
    for _ in range(3):
        live.update(curve())
    # The axes were cleared: they hold dots, a line, and where it stopped.
    assert live.drawings == 3 and live.ax is ax and len(plt.get_fignums()) == 1 and len(ax.get_lines()) == 3


@pytest.mark.filterwarnings('error')
def test_an_error_in_drawing_is_not_raised(shown, monkeypatch, capsys):
    calls = []

    def fails(self, *args, **kwargs):
        calls.append(1)
        raise OSError('no such font')

    monkeypatch.setattr(LRCurve, 'plot', fails)
    live = LivePlot(every=0, clock=Clock())
    for _ in range(3):
        live.update(curve())
    live.close(curve())
    # It is tried once, not in every batch.
    assert len(calls) == 1 and shown == [] and isinstance(live.error, OSError)
    assert capsys.readouterr().out.count('no such font') == 1
    monkeypatch.setattr(sys, 'stdout', None)
    monkeypatch.setattr('builtins.print', fails)
    # It isn't raised even where nothing can be printed.
    LivePlot(every=0, clock=Clock()).update(curve())


def test_ctrl_c_in_a_drawing_is_raised(shown, monkeypatch):
    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(LRCurve, 'plot', interrupted)
    with pytest.raises(KeyboardInterrupt):
        LivePlot(every=0, clock=Clock()).update(curve())


def test_drawing_draws_no_random_numbers(shown):
    import torch

    state = lambda: (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        np.random.get_state()[2],
        torch.get_rng_state().tolist(),
    )
    before, live = state(), LivePlot(every=0, clock=Clock())
    live.update(runs(3))
    live.close(runs(3))
    assert state() == before and live.drawings == 2


def test_outside_a_notebook_live_does_nothing():
    """This holds in plain Python, and in IPython in a terminal, which has no kernel; matplotlib isn't even
    imported."""
    code = """import sys, types
if sys.argv[1] == 'terminal': sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: object())
from fastlr.curve import LRCurve
from fastlr.live import LivePlot
live = LivePlot()
live.update(LRCurve([1e-3, 1e-2, 1e-1], [3., 2., 1.]))
live.close(LRCurve([1e-3, 1e-2, 1e-1], [3., 2., 1.]))
print(live.drawings, live.error, live.due, 'matplotlib' in sys.modules)"""
    for where in ('python', 'terminal'):
        out = subprocess.run(
            [sys.executable, '-c', code, where], capture_output=True, text=True, check=True
        ).stdout
        assert out == '0 None False False\n', where


def test_in_a_notebook_one_display_is_updated_in_place(monkeypatch):
    display = pytest.importorskip('IPython.display')
    seen = []
    handle = SimpleNamespace(update=lambda obj: seen.append(('update', type(obj).__name__)))

    def fake(obj, display_id=None):
        seen.append(('display', type(obj).__name__, display_id))
        return handle

    monkeypatch.setattr(display, 'display', fake)
    monkeypatch.setitem(
        sys.modules,
        'IPython',
        SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1), display=display),
    )
    live = LivePlot(every=0, clock=Clock())
    live.update(curve())
    live.update(curve())
    live.close()
    assert (
        seen == [('display', 'Image', True), ('update', 'Image'), ('update', 'HTML')] and live.error is None
    )


def test_a_plot_never_blocks_is_never_blank_and_can_be_saved(tmp_path, monkeypatch):
    """pytorch-lr-finder #52, #53 and #74, ignite #1926, Lightning #15416: plots blocked, were blank or got
    lost."""
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, 'show', lambda *a, **k: pytest.fail('the script hangs here'))

    def check(plot):
        fig, ax = plt.subplots()
        assert plot(a_curve(), ax=ax, skip_start=10, skip_end=5) is ax
        fig.savefig(tmp_path / 'plot.png')
        assert sum(len(l.get_xdata()) for l in ax.get_lines()) > 100
        with pytest.raises(ValueError, match='skip_start=90'):
            plot(a_curve(), ax=ax, skip_start=90, skip_end=20)

    def shown_and_blank(c, ax, skip_start, skip_end):
        ax.plot(c.lrs[skip_start:-skip_end], c.losses[skip_start:-skip_end])
        plt.show()
        return ax

    check(LRCurve.plot)
    test = RangeTest(*(lambda m: (m, torch.optim.SGD(m.parameters(), lr=0.1), nn.MSELoss()))(net()))
    test.history = dict(lr=LRS.tolist(), loss=a_curve().losses.tolist())
    # A call of `show` would have failed.
    assert test.plot(suggest_lr=False).figure.axes and test.plot(ax=plt.subplots()[1])[0].lines
    fails_for(check, shown_and_blank)
    monkeypatch.setattr(plt, 'show', lambda *a, **k: None)
    # Where everything is skipped, the plot is blank.
    fails_for(check, shown_and_blank)
    plt.close('all')


def test_plots_of_the_recorder_take_arrays_of_axes_and_keep_epochs_apart():
    class Skips(Callback):
        def on_epoch_begin(self, epoch, **kwargs):
            return {'skip_validate': epoch == 1}

    learn = make_learner(metrics=accuracy)
    learn.fit(3, callbacks=Skips())
    fig, axs = plt.subplots(1, 2)
    learn.recorder.plot_lr(True, axs=axs)
    (ax,) = learn.recorder.plot_metrics(axs=plt.subplots()[1])
    assert ax.get_lines()[0].get_xdata().tolist() == [6, 18]
    learn.lr_find(1e-4, 1.0, mode='linear', num_it=40)
    assert len(learn.recorder.plot().get_lines()[0].get_xdata()) == len(learn.recorder.curve) - 1
    plt.close('all')
