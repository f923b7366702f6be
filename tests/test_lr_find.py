"lr_find: the examples of fastai's documentation, the ways in which it ends, and that everything is restored."

import signal, time
from functools import partial

import numpy as np
import pytest, torch
from hypothesis import given, strategies as st
from torch import nn

from children import Child
from conftest import examples, loaders, make_learner, net, problem, same, state_of
from fastlr import (
    Callback,
    GradientAccumulation,
    GradientClipping,
    Learner,
    LRFinder,
    LRSweep,
    MixedPrecision,
    NoSuggestion,
    accuracy,
    digits_sample,
    simple_cnn,
)
from fastlr.callback import EVENTS


def test_the_examples_of_fastais_documentation(capsys):
    torch.manual_seed(0)
    data = digits_sample()

    def simple_learner():
        return Learner(data, simple_cnn((1, 16, 16, 2)), metrics=[accuracy])

    learn = simple_learner()
    learn.lr_find(stop_div=False, num_it=200)
    learn.recorder.plot()
    simple_learner().fit(2, 1e-2)
    learn = simple_learner()
    learn.lr_find(stop_div=False, num_it=200)
    capsys.readouterr()
    ax = learn.recorder.plot(suggestion=True)
    out = capsys.readouterr().out
    min_grad_lr = learn.recorder.min_grad_lr
    assert (
        f'Min numerical gradient: {min_grad_lr:.2E}' in out
        and 'Min loss divided by 10: ' in out
        and 'Suggested lr: ' in out
        and '{' not in out
    )
    assert any(l.get_color() == 'tab:red' and l.get_xdata()[0] == min_grad_lr for l in ax.get_lines())
    assert type(min_grad_lr) is float and 1e-3 < min_grad_lr < 0.1
    learn = simple_learner()
    simple_learner().fit(2, min_grad_lr)


def restored(learn, do):
    "Return whether everything is unchanged after `do`."
    before, opt = state_of(learn), learn.opt
    do()
    return learn.opt is opt and same(before, state_of(learn))


OPTS = [
    torch.optim.AdamW,
    partial(torch.optim.SGD, momentum=0.9),
    torch.optim.RMSprop,
    torch.optim.Adagrad,
    torch.optim.NAdam,
    torch.optim.Adamax,
]
SHAPES = [
    (),
    (partial(GradientClipping, clip=0.1),),
    (partial(GradientAccumulation, n_step=3),),
    (MixedPrecision,),
    (partial(MixedPrecision, precision='fp16'),),
]


@examples(25)
@given(
    opt=st.sampled_from(OPTS),
    shapes=st.sampled_from(SHAPES),
    trained=st.booleans(),
    groups=st.booleans(),
    generator=st.booleans(),
    fault=st.none()
    | st.tuples(st.sampled_from(EVENTS), st.integers(0, 7), st.sampled_from([ValueError, KeyboardInterrupt])),
    kw=st.fixed_dictionaries(
        {},
        optional=dict(
            runs=st.just(2),
            val_batches=st.just(2),
            accumulate=st.just(2),
            stop_div=st.booleans(),
            wd=st.just(0.3),
        ),
    ),
)
def test_everything_is_restored(opt, shapes, trained, groups, generator, fault, kw):
    "This holds for every optimizer, for callbacks and options, trained before or not, also after an error."
    g = torch.Generator().manual_seed(1) if generator else None
    learn = make_learner(dls=loaders(generator=g), opt_func=opt, callback_fns=list(shapes))
    if groups:
        learn.split(lambda m: m[4])
    if trained:
        learn.fit(1, slice(1e-4, 1e-2) if groups else 1e-2)
    draws = None if g is None else g.get_state()

    class Fails(Callback):
        shapes_training, calls = True, 0

    if fault:

        def fail(self, **kwargs):
            self.calls += 1
            if self.calls > fault[1] or fault[0] in ('on_train_begin', 'on_train_end'):
                raise fault[2]('injected')

        setattr(Fails, fault[0], fail)
        learn.callbacks = [Fails()]

    def find():
        try:
            learn.lr_find(num_it=12, **kw)
        except (ValueError, KeyboardInterrupt) as e:
            assert fault or 'both gather' in str(e)

    assert restored(learn, find)
    assert g is None or torch.equal(g.get_state(), draws)
    learn.callbacks = []
    # The next one works.
    assert len(learn.lr_find(num_it=5, stop_div=False)) == 5


def test_training_with_worker_processes_goes_on_as_if_nothing_had_happened():
    def run(find):
        learn = make_learner(dls=loaders(num_workers=2))
        learn.fit(1, 1e-2)
        if find:
            learn.lr_find(num_it=15)
        learn.fit(1, 1e-2)
        return state_of(learn)

    assert same(run(False), run(True))


def test_a_real_sigint_to_a_real_process(tmp_path):
    code = f"""
import time
from conftest import *
from fastlr import Callback
class Slow(Callback):
    shapes_training = True
    def on_batch_end(self, iteration, **kw):
        if iteration == 3: open({str(tmp_path / 'ready')!r}, 'w').close()
        time.sleep(0.05)
learn = make_learner(callbacks=[Slow()])
learn.callbacks.clear(); learn.fit(1); learn.callbacks.append(Slow())
before = state_of(learn)
try: learn.lr_find(num_it=1000, stop_div=False)
except KeyboardInterrupt:
    curve = learn.recorder.curve
    print('interrupted', same(before, state_of(learn)), curve.stop_reason, len(curve) > 0)
learn.callbacks.clear(); learn.fit(1); print('still works')
"""
    with Child(code) as child:
        deadline = time.time() + 60
        while not (tmp_path / 'ready').exists() and time.time() < deadline and child.process.is_alive():
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0, child.stderr
        assert child.stdout.splitlines() == ['interrupted True interrupted True', 'still works']


def test_loggers_trackers_and_schedulers_are_not_run():
    class Logger(Callback):
        events = []

        def on_train_begin(self, **kwargs):
            self.events.append('begin')

        def on_batch_end(self, **kwargs):
            self.events.append('batch')

    learn = make_learner(callbacks=[Logger()], callback_fns=[lambda learn: Logger()])
    learn.fit(1)
    n = len(Logger.events)
    learn.lr_find(num_it=10)
    assert len(Logger.events) == n and len(learn.recorder.val_losses) == 1


def test_as_a_callback_in_fit_like_in_fastai():
    learn = make_learner()
    learn.fit(1)
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    learn.fit(50, callbacks=[LRFinder(learn, num_it=30, stop_div=False)])
    assert (
        same(before, dict(learn.model.state_dict()))
        and len(learn.recorder.curve) == 30
        and len(learn.recorder.nb_batches) == 5
    )


def test_twice_with_the_same_callback():
    learn = make_learner()
    finder = LRFinder(learn, num_it=10, stop_div=False)
    curves = []
    for _ in range(2):
        torch.manual_seed(0)
        learn.fit(50, callbacks=[finder])
        curves.append(learn.recorder.curve)
    assert np.array_equal(curves[0].losses, curves[1].losses)


def test_same_curve_by_learner_and_by_hand():
    learn = make_learner()
    c = learn.lr_find(num_it=30, stop_div=False)
    torch.manual_seed(0)
    train, _ = loaders()
    model = net()
    opt = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.99), weight_decay=1e-2)
    with LRSweep(opt, model, num_it=30, stop_div=False) as sweep:
        for xb, yb in sweep(train):
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)
    assert np.array_equal(c.losses, sweep.curve.losses) and np.array_equal(c.lrs, sweep.curve.lrs)


def test_earlier_training_does_not_stop_it():
    "The counters are the sweep's own. With those of the trainer, a trained model would stop at once."
    learn = make_learner()
    learn.fit(20, 1e-3)
    assert len(learn.lr_find(num_it=40, stop_div=False)) == 40 and len(learn.lr_find(num_it=40)) > 15


def test_nan_ends_it_and_is_not_in_the_curve():
    class Blow(nn.Module):
        calls = 0

        def forward(self, o, y):
            self.calls += 1
            return nn.functional.cross_entropy(o, y) * (float('nan') if self.calls > 8 else 1)

    learn = make_learner()
    learn.loss_func = Blow()
    c = learn.lr_find(stop_div=False)
    assert c.stop_reason == 'non-finite' and len(c) == 8 and np.isfinite(c.losses).all()


@pytest.mark.parametrize('offset', [0.0, -50.0, 1e4])
def test_a_negative_loss_does_not_stop_it(offset):
    learn = make_learner()
    ce = nn.CrossEntropyLoss()
    plain = learn.lr_find(1e-5, 1.0, num_it=40)
    learn.loss_func = lambda o, y: ce(o, y) + offset
    c = learn.lr_find(1e-5, 1.0, num_it=40)
    assert len(c) == len(plain) and np.allclose(c.losses - offset, plain.losses, atol=2e-3)


def test_generator_ends_with_data():
    x, y = problem()[:]
    learn = make_learner(dls=(((x[i : i + 8], y[i : i + 8]) for i in range(0, 56, 8)), None))
    c = learn.lr_find(batches=None)
    assert c.stop_reason == 'data' and len(c) == 7
    with pytest.raises(NoSuggestion, match='The data ran out before the last rate: pass a loader'):
        c.suggest()


def test_leftover_windows_are_points():
    "Six batches in windows of four make two updates per epoch, each a point with the mean of its batches."
    losses = []

    class Note(Callback):
        shapes_training = True

        def on_batch_end(self, last_loss, **kwargs):
            losses.append(float(last_loss))

    learn = make_learner(callback_fns=partial(GradientAccumulation, n_step=4), callbacks=Note())
    c = learn.lr_find(num_it=6, stop_div=False)
    windows = [losses[i:j] for e in range(3) for i, j in ((6 * e, 6 * e + 4), (6 * e + 4, 6 * e + 6))]
    assert np.allclose(c.losses, [np.mean(w) for w in windows]) and len(c) == 6


def test_fp16_steps_that_were_skipped_are_not_points():
    learn = make_learner(callback_fns=partial(MixedPrecision, precision='fp16', init_scale=2.0**30))
    attempts = []

    class Count(Callback):
        shapes_training = True

        def on_batch_end(self, **kwargs):
            attempts.append(1)

    learn.callbacks = [Count()]
    c = learn.lr_find(1e-6, 1e-3, num_it=20, stop_div=False)
    assert len(c) == 20 and len(attempts) > 20 and c.lrs[-1] == 1e-3


def test_learning_rate_group_by_group():
    learn = make_learner().split(lambda m: m[4])
    learn.fit(1, [1e-4, 1e-2])
    c = learn.lr_find(num_it=30)
    assert np.allclose(c.group_lrs[:, 1] / c.group_lrs[:, 0], 100) and np.array_equal(
        c.lrs, c.group_lrs[:, 1]
    )
    s = make_learner().split(lambda m: m[4]).lr_find(1e-5, 10.0, num_it=100).suggest()
    assert len(s.lrs) == 2 and s.lrs[-1] == s.lr


@pytest.mark.parametrize(
    'kw, words',
    [
        (dict(num_it=1), 'num_it'),
        (dict(start_lr=1.0, end_lr=0.1), 'start_lr must be below'),
        (dict(start_lr=0.0), 'start_lr'),
        (dict(end_lr=-1.0), 'end_lr'),
        (dict(mode='log'), 'mode'),
        (dict(runs=0), 'runs'),
        (dict(wd=-1), 'wd'),
        (dict(accumulate=0), 'accumulate'),
        (dict(stop_div=1.0), 'stop_div'),
        (dict(end_lr='high'), 'end_lr'),
    ],
)
def test_bad_settings_change_nothing(kw, words):
    learn = make_learner()

    def find():
        with pytest.raises((ValueError, TypeError), match=words):
            learn.lr_find(**kw)

    assert restored(learn, find) and learn.recorder.curve is None


def test_frozen_model_is_refused():
    learn = make_learner()
    learn.model.requires_grad_(False)
    with pytest.raises(ValueError, match='no trainable parameter'):
        learn.lr_find()
    assert learn.opt is None


def test_the_callback_has_its_settings_as_attributes_as_in_fastai_v1():
    finder = LRFinder(make_learner(), 1e-6, 1.0, 50, stop_div=4)
    assert (finder.start_lr, finder.end_lr, finder.num_it, finder.stop_div) == (1e-6, 1.0, 50, 4)


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_a_bar_that_cannot_be_closed_leaves_nothing_unrestored(error):
    class Bar:
        def update(self, n):
            pass

        def on_iter_end(self):
            raise error('the bar')

    learn = make_learner()
    learn.fit(1)
    before = state_of(learn)
    finder = LRFinder(learn, num_it=5)

    class GivesBar(Callback):
        def on_batch_begin(self, **_):
            finder.kwargs['progress']._bar = Bar()

    with pytest.raises(error, match='the bar'):
        learn.fit(1, learn.opt.lr, callbacks=[finder, GivesBar()])
    assert same(before['model'], state_of(learn)['model'])


def test_the_scaler_of_the_optimizer_is_the_same_object_after_lr_find():
    "The callback makes one for each training, and takes it away at the end."
    learn = make_learner(callback_fns=partial(MixedPrecision, precision='fp16'))
    learn.fit(1)
    scaler = learn.opt.scaler = torch.amp.GradScaler('cpu')
    learn.lr_find(num_it=5)
    assert learn.opt.scaler is scaler
