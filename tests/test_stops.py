"When a sweep ends: at divergence, NaN, an interrupt, or at its last rate."

import pickle
from functools import partial

import numpy as np
import pytest, torch
from torch import nn

from conftest import make_learner, net
from fastlr import Callback, LRCurve, LRFinder, LRSweep
from fastlr.stop import Divergence
from faults import Interrupts, fails_for, plain_finder
from trainings import Training


@pytest.mark.parametrize('offset', [-100.0, -2.3, 0.0, 100.0])
def test_the_sign_of_the_loss_does_not_stop_it(offset):
    """fastai #962:

    `loss > 4*best` holds at once if the best loss is negative, and never if it has a large offset."""
    falls_then_explodes = np.r_[[2.3] * 20, np.linspace(2.3, 0.5, 20), 0.5 + 2.0 ** np.arange(12)]

    def check(make):
        stops_at = lambda losses, rule: next((i for i, l in enumerate(losses) if rule(l)), None)
        assert 40 < stops_at(falls_then_explodes, make()) == stops_at(falls_then_explodes + offset, make())

    check(Divergence)

    class Factor:
        best = float('inf')

        def __call__(self, loss):
            self.best = min(self.best, loss)
            return loss > 4 * self.best

    if offset:
        fails_for(check, Factor)


def test_a_nan_ends_it_and_is_not_in_the_curve():
    "fastai #3476, ignite #1482: `nan > 4*best` is false, so the sweep went on, and the lowest loss was NaN."

    def check(find):
        class Blows(nn.Module):
            def __init__(self):
                super().__init__()
                self.net, self.calls = net(), 0

            def forward(self, x):
                self.calls += 1
                return self.net(x) * (float('nan') if self.calls > 7 else 1.0)

        t = Training(Blows)
        losses = find(t)
        assert len(losses) == 7 and np.isfinite(losses).all()

    check(lambda t: t.find().losses)
    fails_for(check, partial(plain_finder, stop=lambda losses: losses[-1] > 4 * min(losses)))
    for bad in (float('inf'), float('-inf')):
        t = Training()
        with LRSweep(t.opt, t.model, num_it=9) as sweep:
            assert not sweep.record(1.0) and sweep.record(bad)
        assert sweep.curve.stop_reason == 'non-finite' and sweep.curve.losses.tolist() == [1.0]


def test_a_first_loss_of_nan():
    learn = make_learner()
    with torch.no_grad():
        learn.model[0].weight.fill_(float('nan'))
    c = learn.lr_find()
    assert (
        len(c) == 0
        and c.stop_reason == 'non-finite'
        and 'very first loss' in c.findings[0]
        and c._repr_html_()
    )
    with pytest.raises(ValueError, match='0 points'):
        c.plot()


def test_earlier_training_does_not_shorten_it():
    "Lightning #4846: the step counter was the trainer's, so after a training the sweep stopped at once."

    def check(find):
        learn = make_learner()
        learn.fit(10)
        assert find(learn) == 20

    check(lambda learn: len(learn.lr_find(num_it=20, stop_div=False)))

    def in_fit(learn):
        learn.fit(50, callbacks=[LRFinder(learn, num_it=20, stop_div=False)])
        return len(learn.recorder.curve)

    check(in_fit)

    def trainers_counter(learn):
        steps, done = int(learn.opt.opt.state[next(iter(learn.opt.opt.state))]['step']), 0
        while steps < 20:
            steps, done = steps + 1, done + 1
        return done

    fails_for(check, trainers_counter)


@pytest.mark.parametrize('loss', [0.3, 2.302585, -7.0, 1e6])
def test_constant_losses_smooth_to_that_constant(loss):
    "Lightning #14167: with a bias correction one step late the loss seems to rise, or to fall, at the start."

    def check(smooth):
        assert all(s == loss for s in smooth([loss] * 60))

    def ours(losses):
        d, out = Divergence(), []
        for l in losses:
            d(l)
            out.append(d.smooth)
        return out

    def late(losses, beta=0.98):
        avg, out = 0.0, []
        for i, l in enumerate(losses):
            avg = beta * avg + (1 - beta) * l
            out.append(avg / (1 - beta ** (i + 2)))
        return out

    check(ours)
    fails_for(check, late)


def test_interrupt_in_the_first_batch_stays_an_interrupt():
    learn = make_learner(callbacks=[Interrupts()])
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find()


def test_interrupt_in_a_later_run_keeps_the_complete_ones():
    class Later(Callback):
        shapes_training, batches = True, [0]

        def on_backward_end(self, **kwargs):
            self.batches[0] += 1
            if self.batches[0] == 25:
                raise KeyboardInterrupt

    learn = make_learner(callbacks=[Later()])
    Later.batches[0] = 0
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(num_it=10, runs=5, stop_div=False)
    assert len(learn.recorder.curve) == 10 and len(learn.recorder.curve.runs) == 2


@pytest.mark.parametrize('kind', ['closure', 'object', 'Divergence'])
def test_a_curve_stores_the_name_of_the_rule_that_stopped_it(kind, tmp_path):
    "A function itself can be written to no file, and a closure can't be pickled."

    def above_two(loss):
        return loss > 2

    class Above:
        factor = 2

        def __call__(self, loss):
            return loss > self.factor

    rule, stored = {
        'closure': (above_two, 'above_two'),
        'object': (Above(), 'Above'),
        'Divergence': (Divergence(3), 3),
    }[kind]
    t = Training()
    with LRSweep(t.opt, t.model, num_it=5, stop_div=rule) as sweep:
        sweep.record(1.0, update=True)
    curve = pickle.loads(pickle.dumps(sweep.curve))
    assert curve.settings['stop_div'] == stored
    path = curve.save(tmp_path / 'curve.json')
    assert LRCurve.load(path).settings['stop_div'] == stored
