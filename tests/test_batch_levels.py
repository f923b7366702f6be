"Some batches have a higher loss than others: their levels are taken off, and nothing else is."

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import examples
from fastlr import LRCurve
from fastlr.smooth import batch_effect

LRS = np.geomspace(1e-7, 10, 100)


def fall(noise=0.01, seed=0):
    "Return losses that are flat, fall by two around 1e-2, and break away beyond 1."
    trend = 2.5 - 2 / (1 + (1e-2 / LRS) ** 1.5) + 20 * np.maximum(LRS - 1, 0)
    return trend + np.random.default_rng(seed).normal(0, noise, len(LRS))


@st.composite
def with_levels(draw):
    "Draw a curve: its losses, the level of each loss's batch, and which batch that is."
    count, seed = draw(st.integers(2, 16)), draw(st.integers(0, 10**6))
    noise, scatter = draw(st.sampled_from([0.003, 0.03, 0.3])), draw(st.sampled_from([0.0, 0.05, 0.5]))
    batches = np.arange(len(LRS)) % count
    levels = np.random.default_rng(seed).normal(0, scatter, count)[batches]
    return fall(noise, seed) + levels, batches


@examples(40)
@given(with_levels(), st.floats(0.01, 100), st.floats(-100, 100))
def test_unit_and_zero_of_the_loss_dont_matter(curve, a, b):
    losses, batches = curve
    effect = batch_effect(losses, batches)
    assert np.allclose(batch_effect(a * losses + b, batches), a * effect, atol=1e-6 * a * np.ptp(losses))


@examples(40)
@given(with_levels())
def test_losses_before_the_fall_scatter_no_more_than_before(curve):
    losses, batches = curve
    flat = slice(40)
    left = losses - batch_effect(losses, batches)
    # Where the batches don't differ at all, levels that are found in the noise can add a little to it.
    assert np.std(left[flat]) <= 1.1 * np.std(losses[flat])


@pytest.mark.parametrize('batches', [np.zeros(100), np.arange(100), np.arange(100) % 51], ids=str)
def test_nothing_is_taken_off_with_one_batch_or_less_than_two_rounds(batches):
    assert not batch_effect(fall(0.3), batches.astype(int)).any()


def test_levels_are_found_and_taken_off():
    levels = np.random.default_rng(1).normal(0, 0.3, 8)[np.arange(100) % 8]
    levels -= levels.mean()
    effect = batch_effect(fall() + levels, np.arange(100) % 8)
    assert np.abs(effect - levels)[:40].max() < 0.03
    c = LRCurve(LRS, fall() + levels, shift=0, batches=np.arange(100) % 8)
    plain = c.without_levels()
    assert plain.batches is None and plain.without_levels() is plain
    assert np.array_equal(plain.losses, c.view.losses)
    assert abs(np.log10(c.suggest() / LRCurve(LRS, fall(), shift=0).suggest())) < 0.05


def test_levels_of_the_single_runs_are_taken_off_before_their_median():
    "Each run has other batches, so that the median alone would keep much of their scatter."
    rng = np.random.default_rng(2)
    batches = np.arange(100) % 8
    runs = [
        LRCurve(LRS, fall(seed=seed) + rng.normal(0, 0.5, 8)[batches], shift=0, batches=batches)
        for seed in range(3)
    ]
    median = LRCurve.median([r.without_levels() for r in runs])
    kept = LRCurve.median([LRCurve(r.lrs, r.losses, shift=0) for r in runs])
    assert median.view.noise < 0.1 * kept.view.noise
    # This is what several runs give by themselves.
    assert LRCurve.median(runs).view.noise < 0.2 * kept.view.noise
