"What counts in the probes, and where a sweep ends, when the losses are few, ragged, or of unequal batches."

import numpy as np
import pytest

from curves import LRS, a_curve
from fastlr import LRCurve
from fastlr.smooth import batch_effect


def flat_curve(batches=8, level=0.3, seed=0, rise=0.0):
    "Return a curve on which nothing is learnt, and which rises by `rise` from the middle on."
    rng = np.random.default_rng(seed)
    losses = 2 + rng.normal(0, 1e-4, 100) + rise * (LRS > 1e-3)
    if batches is None:
        return LRCurve(LRS, losses + rng.normal(0, level, 100), shift=0)
    member = np.arange(100) % batches
    return LRCurve(LRS, losses + rng.normal(0, level, batches)[member], shift=0, batches=member)


def probed(curve, falls, updates=60, levels=None):
    "Return the curve with probes that come down evenly by `falls`, on batches with these `levels`."
    levels = np.zeros(60) if levels is None else levels
    lines = [2 + levels[:updates] - np.linspace(0, fall, updates) for fall in falls]
    return curve.probed(dict(zip(curve.probe_rates(), lines)))


def place(curve):
    "Return which of its probes won, as an index."
    winner = curve.view.winner
    return None if winner is None else [lr for lr, _ in curve.probes].index(winner)


def test_probes_of_one_loss_each():
    curve = flat_curve()
    ends = (2.3, 2.2, 1.0, 2.0, 2.2)
    c = curve.probed({lr: [end] for lr, end in zip(curve.probe_rates(), ends)})
    # There is nothing to come down from, so the lowest one counts as the beginning.
    assert place(c) == 2


def test_a_lowest_probe_that_exploded_is_no_beginning():
    curve = flat_curve()
    rates = curve.probe_rates()
    c = curve.probed({rates[0]: [2.3, 900.0, 1e6]} | {lr: np.linspace(2, 2.3, 60) for lr in rates[1:]})
    assert c.view.winner is None


@pytest.mark.parametrize('batches', [3, 5, 8])
@pytest.mark.parametrize('falls, best', [((0, 0, 0, 0.02, -0.03), 3), ((0, 0, 0, 0, -0.03), None)])
def test_rounds_of_any_length(batches, falls, best):
    "Means over other batches at the beginning than at the end would let all probes rise or fall."
    for seed in range(20):
        curve = flat_curve(batches, seed=seed)
        levels = (curve.losses[:batches] - 2)[np.arange(60) % batches]
        c = probed(curve, falls, levels=levels)
        assert place(c) == best


def test_on_a_plateau_the_highest_one_that_is_like_the_best_wins():
    c = probed(flat_curve(), (0.02, 0.03, 0.035, 0.02, 0.01))
    assert c.view.spread > 0.1 and place(c) == 3
    assert 'the highest of the probes that came down alike' in c.suggest().reason
    # That can't be told where each loss is of another batch.
    assert place(probed(flat_curve(None), (0.02, 0.03, 0.035, 0.02, 0.01))) == 2


def test_the_margin_below_a_probe_that_failed():
    curve = flat_curve()
    c = probed(curve, (0.2, 0.5, 1.0, 1.5, 0.1))
    broken = curve.probe_rates()[4]
    assert c.suggest() == pytest.approx(broken / 8) and c.suggest().one_cycle == pytest.approx(broken / 4)
    # One that comes down less than the best, but does come down, hasn't failed.
    c = probed(curve, (0.2, 0.5, 1.0, 1.5, 0.2))
    assert c.suggest() == pytest.approx(curve.probe_rates()[3] / 2)


def test_a_deep_fall_counts_beside_the_probes():
    rng = np.random.default_rng(3)
    losses = 2 - (LRS > 1e-3) * (LRS < 0.1) * rng.uniform(0.1, 1, 100) + 5 * (LRS > 0.1)
    curve = LRCurve(LRS, losses, shift=0, batches=np.arange(100) % 8)
    assert curve.needs_probes and curve.view.falls and curve.view.fall > 3 * curve.view.spread
    c = probed(curve, (0.2, 0.5, 1.0, 1.5, 1.0))
    assert c.suggest() == pytest.approx(np.sqrt(curve.suggest() * c.view.winner / 2))


def test_a_rise_that_is_small_beside_the_batches_is_no_edge():
    alike, different = (flat_curve(level=level, rise=0.01).view for level in (0.0, 1.0))
    assert 1e-5 < alike.lrs[alike.edge] < 2e-3 and different.edge == 99


def test_one_hard_batch_is_no_fall():
    "Its losses are far above the ceiling, and still show its level."
    for seed in range(20):
        rng = np.random.default_rng(seed)
        member = np.arange(100) % 8
        losses = 2.3 - 0.3 / (1 + (1e-3 / LRS) ** 1.5) + rng.normal(0, 0.02, 100) + (member == 3)
        effect = batch_effect(losses, member)
        assert effect[3] - np.delete(effect[:8], 3).mean() == pytest.approx(1, abs=0.1)


def test_losses_of_a_breakdown_are_no_level():
    losses = np.r_[np.random.default_rng(0).normal(1, 0.01, 8), 10.0 ** np.arange(1, 9)]
    assert not batch_effect(losses, np.arange(16) % 8).any()


def test_batches_differ_by_the_noise_where_their_levels_are_unknown():
    c = a_curve(noise=0.1)
    plain, ring = (LRCurve(c.lrs, c.losses, shift=0, batches=b).view for b in (None, np.arange(100) % 60))
    assert ring.spread == plain.spread > 0.05


def test_why_a_curve_cannot_tell():
    clear, flat, noisy = a_curve(), flat_curve(), a_curve(noise=0.5)
    assert clear.view.can_tell and clear.view.doubt == ''
    assert flat.view.doubt == "the loss doesn't visibly fall"
    assert noisy.view.falls and 'times its scatter' in noisy.view.doubt
    member = np.arange(100) % 8
    levels = np.linspace(-5, 5, 8)[member]
    shallow = LRCurve(LRS, a_curve(noise=0.01).losses + levels, shift=0, batches=member)
    assert shallow.view.falls and 'batches differ from one another' in shallow.view.doubt
    assert [f.code for f in shallow.findings] == ['unclear'] and shallow.view.doubt in shallow.findings[0]


def test_probes_are_in_the_order_of_their_rates():
    a, b = (0.1, [2.0, 1.0]), (0.01, [2.0, 1.5])
    assert [lr for lr, _ in LRCurve(LRS, LRS, probes=(a, b)).probes] == [0.01, 0.1]
    with pytest.raises(ValueError, match='each rate once'):
        LRCurve(LRS, LRS, probes=(a, b, a))
