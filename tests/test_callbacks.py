"Callbacks in fits, in validations and in range tests: what they get, what they change, what they leave."

from functools import partial

import pytest, torch
from torch import nn
from torch.utils.data import DataLoader

from conftest import make_learner, problem, same, state_of
from fastlr import (
    Callback,
    GradientAccumulation,
    GradientClipping,
    Learner,
    LearnerCallback,
    MixedPrecision,
    Scheduler,
    accuracy,
    annealing_cos,
)
from faults import Interrupts


@pytest.mark.parametrize(
    'fn', [partial(GradientAccumulation, n_step=4), partial(MixedPrecision, precision='fp16')]
)
def test_the_loss_that_was_measured_is_recorded(fn):
    plain = make_learner(opt_func=torch.optim.SGD)
    plain.fit(1, 1e-6)
    other = make_learner(opt_func=torch.optim.SGD, callback_fns=fn)
    other.fit(1, 1e-6)
    assert other.recorder.losses[-1] == pytest.approx(float(plain.recorder.losses[-1]), rel=0.02)


def test_a_loss_that_is_changed_in_place_is_recorded_as_measured():
    class Adds(Callback):
        def on_backward_begin(self, last_loss, **kwargs):
            last_loss += 100

    plain = make_learner()
    plain.fit(1, 1e-6)
    other = make_learner(callbacks=Adds())
    other.fit(1, 1e-6)
    assert torch.equal(other.recorder.losses, plain.recorder.losses)


def test_metrics_and_predictions_get_what_callbacks_make_of_batches_and_outputs():
    class Tuples(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(6, 3)

        def forward(self, x):
            return self.l(x), x

    class First(Callback):
        def on_loss_begin(self, last_output, **kwargs):
            return {'last_output': last_output[0]}

    class Casts(Callback):
        def on_batch_begin(self, last_input, **kwargs):
            return {'last_input': last_input.float()}

    x, y = problem()[:]
    dl = DataLoader(torch.utils.data.TensorDataset(x.double(), y), 16)
    learn = Learner(
        (dl, dl),
        Tuples(),
        loss_func=nn.CrossEntropyLoss(),
        metrics=accuracy,
        callbacks=[First(), Casts()],
        silent=True,
    )
    learn.fit(1, 1e-2)
    for kw in ({}, dict(val_batches=2)):
        assert len(learn.lr_find(num_it=12, stop_div=False, **kw)) == 12
    assert 0 <= learn.validate()[1] <= 1 and learn.get_preds()[0].shape == (96, 3)


def test_callbacks_with_args_and_decorators_and_metrics_that_ask_for_the_smooth_loss():
    seen = []

    def decorated(f):
        return lambda *args, **kwargs: f(*args, **kwargs)

    class Any(Callback):
        def on_epoch_end(self, *args, **kwargs):
            seen.append(kwargs['epoch'])

        @decorated
        def on_batch_end(self, train, **kwargs):
            seen.append(train)

    class Smooth(Callback):
        def on_epoch_end(self, smooth_loss, **kwargs):
            seen.append(float(smooth_loss))

    make_learner(metrics=Smooth()).fit(1, callbacks=Any())
    assert seen[:6] == [True] * 6 and 0 in seen and any(isinstance(s, float) for s in seen)


def test_a_callback_may_not_replace_what_the_learner_needs():
    class Metrics(LearnerCallback):
        pass

    with pytest.raises(ValueError, match='learn.metrics'):
        Metrics(make_learner())


def test_scheduler_of_one_value_with_a_curve_anneals_to_zero_as_in_v1():
    s = Scheduler(1e-2, 4, annealing_cos)
    assert [round(s.step(), 6) for _ in range(4)] == [0.008536, 0.005, 0.001464, 0.0]


# In a range test.


def test_v1_callbacks_that_shape_the_step_take_part_in_lr_find():
    calls = []

    class MixUpLike(Callback):
        def on_batch_begin(self, last_input, **kwargs):
            calls.append('mix')
            return {'last_input': last_input}

    class SaysNo(MixUpLike):
        shapes_training = False

        def on_batch_begin(self, **kwargs):
            calls.append('no')

    make_learner(callbacks=[MixUpLike(), SaysNo()]).lr_find(num_it=5, stop_div=False)
    assert calls == ['mix'] * 5

    def clips(learn, c):
        return GradientClipping(learn, c)

    norms = []

    class Norms(Callback):
        _order = 50

        def on_backward_end(self, **kwargs):
            norms.append(float(nn.utils.get_total_norm([p.grad for p in learn.model.parameters()])))

    learn = make_learner(callback_fns=partial(clips, c=0.01), callbacks=[Norms()])
    learn.lr_find(num_it=5, stop_div=False)
    assert max(norms) < 0.0101


def test_points_are_updates_also_when_the_very_first_step_is_skipped():
    steps = []

    class Count(Callback):
        _order = 100

        def on_step_end(self, **kwargs):
            steps.append(
                learn.opt.opt.state[learn.model[0].weight]['step'].item() if learn.opt.opt.state else 0
            )

    learn = make_learner(callback_fns=partial(MixedPrecision, precision='fp16', init_scale=2.0**40))
    learn.callbacks = [Count()]
    Count.shapes_training = True
    c = learn.lr_find(1e-6, 1e-3, num_it=12, stop_div=False, probe=False)
    assert len(c) == 12 == steps[-1] and steps[0] == 0 and c.lrs[0] == 1e-6


def test_accumulating_twice_is_refused():
    learn = make_learner(callback_fns=partial(GradientAccumulation, n_step=4))
    with pytest.raises(ValueError, match='accumulate=2 and another callback'):
        learn.lr_find(accumulate=2)


def test_a_callback_that_sets_the_rate_in_a_range_test_is_refused():
    class Warm(LearnerCallback):
        def on_batch_begin(self, train, **kwargs):
            if train:
                self.learn.opt.lr = 1e-3

    learn = make_learner(callback_fns=Warm)
    before = state_of(learn)
    with pytest.raises(ValueError, match='shapes_training = False'):
        learn.lr_find()
    assert same(before, state_of(learn))
    Warm.shapes_training = False
    assert len(learn.lr_find(num_it=5, stop_div=False)) == 5


def test_instances_of_a_fit_keep_their_places_and_factories_of_loggers_are_not_called_again(tmp_path):
    class Hist(LearnerCallback):
        def __init__(self, learn):
            super().__init__(learn)
            self.n = 0

        def on_batch_begin(self, train, **kwargs):
            self.n += train

    class Log(LearnerCallback):
        def __init__(self, learn):
            super().__init__(learn)
            self.f = open(tmp_path / 'log', 'w')

        def on_epoch_end(self, epoch, **kwargs):
            self.f.write(f'{epoch}\n')
            self.f.flush()

    learn = make_learner(metrics=accuracy, callback_fns=[Hist, lambda learn: Log(learn)])
    learn.fit(2)
    assert learn.hist.n == 12
    learn.validate()
    learn.get_preds()
    learn.lr_find(num_it=5)
    assert learn.hist.n == 12 and (tmp_path / 'log').read_text() == '0\n1\n'


# In validations and predictions, and inside of a fit.


def test_what_a_callback_sets_up_for_a_training_is_there_in_validate_if_it_says_so():
    class Aug(Callback):
        def on_train_begin(self, **kwargs):
            self.g = torch.Generator().manual_seed(0)

        def on_batch_begin(self, last_input, **kwargs):
            torch.rand(1, generator=self.g)

        def on_batch_end(self, last_loss, **kwargs):
            float(last_loss)

    learn = make_learner(callback_fns=lambda learn: Aug())
    for call in learn.validate, learn.get_preds:
        with pytest.raises(AttributeError, match="no attribute 'g'") as e:
            call()
        assert 'on_train_begin' in e.value.__notes__[-1] and 'Aug' in e.value.__notes__[-1]
        assert 'shapes_training = True in its class' in e.value.__notes__[-1]
    Aug.shapes_training = True
    learn.validate()
    losses = learn.get_preds(with_loss=True)[2]
    assert float(losses.mean()) == pytest.approx(float(learn.validate()[0]))


@pytest.mark.parametrize('call', [Learner.validate, Learner.get_preds])
def test_validate_and_preds_neither_empty_a_log_nor_load_weights(call, tmp_path):
    class LogsNorms(LearnerCallback):
        def on_train_begin(self, **kwargs):
            self.file = open(tmp_path / 'norms', 'w')

        def on_backward_end(self, **kwargs):
            self.file.write(f'{self.learn.model[4].weight.grad.norm():.3f}\n')

        def on_train_end(self, **kwargs):
            self.file.close()

    class LoadsBest(LearnerCallback):
        def on_loss_begin(self, **kwargs):
            pass

        def on_train_end(self, **kwargs):
            nn.init.zeros_(self.learn.model[4].weight)

    learn = make_learner(callback_fns=LogsNorms)
    learn.fit(1)
    learn.callbacks = [LoadsBest(learn)]
    weight, log = learn.model[4].weight.clone(), (tmp_path / 'norms').read_text()
    call(learn)
    assert torch.equal(weight, learn.model[4].weight) and (tmp_path / 'norms').read_text() == log != ''


@pytest.mark.parametrize(
    'do',
    [
        lambda learn: learn.validate(),
        lambda learn: learn.get_preds(),
        lambda learn: learn.lr_find(num_it=5, stop_div=False, silent=True),
    ],
)
@pytest.mark.parametrize('fns', [(), (MixedPrecision,), (partial(MixedPrecision, precision='fp16'),)])
def test_calls_inside_of_a_fit_leave_it_alone(do, fns):
    class Nested(LearnerCallback):
        do = None

        def on_batch_end(self, train, iteration, **kwargs):
            if train and self.do and iteration == 4:
                assert torch.is_autocast_enabled('cpu') is False
                rng = torch.get_rng_state()
                self.do(self.learn)
                torch.set_rng_state(rng)

    def run(do):
        learn = make_learner(callback_fns=list(fns))
        nested = Nested(learn)
        nested.do = do
        learn.callbacks = [GradientAccumulation(learn, 4), nested]
        learn.fit(2, 1e-2)
        return state_of(learn)

    assert same(run(None), run(do))


def test_nested_validation_leaves_no_autocast_behind():
    class Peek(LearnerCallback):
        def on_loss_begin(self, train, **kwargs):
            if train:
                self.learn.validate()

    learn = make_learner()
    learn.callbacks = [MixedPrecision(learn), Peek(learn)]
    learn.fit(1)
    assert not torch.is_autocast_enabled('cpu')


# After an error.


def test_autocast_is_left_when_validation_raises():
    learn = make_learner(callback_fns=MixedPrecision)

    def fails(o, y):
        raise ZeroDivisionError

    learn.loss_func = fails
    with pytest.raises(ZeroDivisionError):
        learn.validate()
    assert not torch.is_autocast_enabled('cpu')


def test_interrupted_fit_leaves_no_gradient_to_the_next():
    def run(interrupted):
        learn = make_learner()
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                learn.fit(1, callbacks=Interrupts())
            fresh = make_learner()
            learn.model.load_state_dict(fresh.model.state_dict())
            learn.opt = None
            torch.manual_seed(3)
        else:
            torch.manual_seed(3)
        learn.fit(1, 1e-2)
        return {k: v.clone() for k, v in learn.model.state_dict().items()}

    assert same(run(False), run(True))


def test_the_first_error_is_raised_not_the_one_from_cleaning_up():
    class Full(Callback):
        def on_train_begin(self, **kwargs):
            raise RuntimeError('the real cause')

        def on_train_end(self, **kwargs):
            self.file.close()

    with pytest.raises(RuntimeError, match='the real cause') as e:
        make_learner().fit(1, callbacks=Full())
    assert "no attribute 'file'" in ' '.join(getattr(e.value, '__notes__', [str(e.value)]))


ARGS = dict(fit=[1], fit_one_cycle=[1], validate=[])


@pytest.mark.parametrize('call', ARGS)
def test_only_callbacks_for_which_a_training_has_begun_are_notified_of_its_end(call):
    seen = []

    class Opens(Callback):
        def __init__(self, order, fails=False):
            self._order = order
            self.fails = fails

        def on_train_begin(self, **kwargs):
            seen.append(('begin', self._order))
            if self.fails:
                raise RuntimeError('no space')

        def on_train_end(self, **kwargs):
            seen.append(('end', self._order))

    class LoadsBest(Callback):
        def on_train_end(self, **kwargs):
            seen.append('loads')

    learn = make_learner()
    callbacks = [Opens(-1), Opens(0, fails=True), Opens(1), LoadsBest()]
    with pytest.raises(RuntimeError, match='no space'):
        getattr(learn, call)(*ARGS[call], callbacks=callbacks)
    assert seen == [('begin', -1), ('begin', 0), ('end', -1), ('end', 0)]


@pytest.mark.parametrize(
    'wrong',
    [dict(tot_epochs=2), dict(start_epoch=3), dict(max_lr=-1), dict(pct_start='a'), dict(cyc_len=1.5)],
)
def test_a_one_cycle_training_that_cannot_begin_changes_nothing(wrong):
    class Sees(Callback):
        def on_train_end(self, **kwargs):
            raise AssertionError

    learn = make_learner()
    learn.fit(1, 1e-3, wd=0.2)
    before = state_of(learn)
    name = next(iter(wrong))
    with pytest.raises((ValueError, TypeError), match=name):
        learn.fit_one_cycle(**{**dict(cyc_len=3, max_lr=0.5, wd=0.5), **wrong}, callbacks=Sees())
    assert same(before, state_of(learn)) and (learn.opt.lr, learn.opt.wd) == (1e-3, 0.2)


def test_validation_in_a_fit_has_the_callbacks_of_the_fit():
    "They have made in `on_train_begin` what they need, and hear of no further beginning."
    made = []

    class Accumulates(LearnerCallback):
        def __init__(self, learn):
            super().__init__(learn)
            made.append(self)

        def on_train_begin(self, **kwargs):
            self.epochs, self.batches = 0, 0

        def on_epoch_begin(self, **kwargs):
            self.epochs += 1

        def on_batch_begin(self, **kwargs):
            self.batches += 1

    class Validates(LearnerCallback):
        def on_batch_end(self, train, iteration, **kwargs):
            if train and iteration == 2:
                self.learn.validate()
                self.learn.get_preds()

    learn = make_learner(callback_fns=[Accumulates, Validates])
    learn.fit(1)
    # 6 batches of training, 3 of each validation.
    assert len(made) == made[0].epochs == 1 and made[0].batches == 6 + 3 * 3
    learn.callback_fns = [Accumulates]
    learn.lr_find(num_it=5, val_batches=2)


def test_callbacks_that_are_passed_to_a_validation_in_a_fit_hear_all_of_it():
    class Collects(Callback):
        def __init__(self):
            self.seen = []

        def on_train_begin(self, **kwargs):
            self.seen.append('train')

        def on_epoch_begin(self, **kwargs):
            self.seen.append('epoch')

        def on_batch_end(self, **kwargs):
            self.seen.append('batch')

        def on_epoch_end(self, **kwargs):
            self.seen.append('epoch ends')

        def on_train_end(self, **kwargs):
            self.seen.append('train ends')

    inside, outside = Collects(), Collects()

    class Validates(LearnerCallback):
        def on_epoch_end(self, **kwargs):
            self.learn.validate(callbacks=inside)

    learn = make_learner()
    learn.fit(1, callbacks=Validates(learn))
    learn.validate(callbacks=outside)
    assert inside.seen == outside.seen == ['train', 'epoch', *['batch'] * 3, 'epoch ends', 'train ends']


# The order, the scaler, and windows of batches.


def test_at_equal_order_the_callbacks_of_the_learner_come_first():
    seen = []

    class Sees(Callback):
        def __init__(self, name):
            self.name = name

        def on_train_begin(self, **kwargs):
            seen.append(self.name)

    learn = make_learner(callbacks=Sees('callbacks'), callback_fns=lambda learn: Sees('callback_fns'))
    learn.fit(1, callbacks=Sees('fit'))
    assert seen == ['callbacks', 'callback_fns', 'fit']


def test_another_function_with_the_same_id_makes_another_callback():
    class Logs(Callback):
        def on_batch_end(self, **kwargs):
            pass

    class Clips(Callback):
        ran = 0

        def on_backward_end(self, **kwargs):
            Clips.ran += 1

    for _ in range(10):
        learn = make_learner(callback_fns=[])
        learn.callback_fns.append(lambda learn: Logs())
        learn.fit(1)
        learn.callback_fns.clear()
        learn.callback_fns.append(lambda learn: Clips())
        Clips.ran = 0
        learn.lr_find(num_it=5)
        assert Clips.ran and not learn.left_out()


def test_a_callback_that_skips_steps_and_a_gradient_scaler():
    "What is skipped is added to the gradients of the next batch, at the same scale."

    class EverySecond(Callback):
        count = 0

        def on_backward_end(self, **kwargs):
            self.count += 1
            return {'skip_step': True, 'skip_zero': True} if self.count % 2 else None

    def weights(precision):
        fns = [partial(MixedPrecision, precision=precision)] if precision else []
        learn = make_learner(opt_func=torch.optim.SGD, callback_fns=fns, callbacks=EverySecond())
        learn.fit(2, 0.1)
        learn.lr_find(num_it=5)
        return [p.detach() for p in learn.model.parameters()]

    for a, b in zip(weights('fp16'), weights(None)):
        assert torch.allclose(a, b, atol=0.02)


def test_a_fit_inside_of_a_fit_leaves_the_scaler_of_the_outer_one():
    scalers = []

    class Nested(LearnerCallback):
        def on_backward_begin(self, **kwargs):
            scalers.append(self.learn.opt.scaler)

        def on_epoch_end(self, epoch, n_epochs, **kwargs):
            if n_epochs == 2 and epoch == 0:
                self.learn.fit(1)

    learn = make_learner().to_fp16()
    learn.callbacks = [Nested(learn)]
    learn.fit(2)
    assert None not in scalers and scalers[0] is scalers[-1] is not scalers[7]
    assert learn.opt.scaler is None


def test_mixed_precision_twice_is_refused_and_leaves_no_autocast():
    learn = make_learner().to_fp16()
    with pytest.raises(ValueError, match='MixedPrecision twice.*to_fp32'):
        learn.fit(1, callbacks=MixedPrecision(learn))
    assert not torch.is_autocast_enabled('cpu') and learn.opt.scaler is None
    learn.to_fp32().fit(1, callbacks=MixedPrecision(learn))
    assert not torch.is_autocast_enabled('cpu')


class WithModes(torch.optim.SGD):
    "An optimizer that steps in training mode only."

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.train()

    def train(self):
        for g in self.param_groups:
            g['train_mode'] = True

    def eval(self):
        for g in self.param_groups:
            g['train_mode'] = False

    def step(self, closure=None):
        if not self.param_groups[0]['train_mode']:
            raise RuntimeError('not in training mode')
        super().step(closure)


def test_the_last_window_of_an_epoch_is_closed_in_training_mode():
    seen = []

    class Sees(LearnerCallback):
        def on_step_end(self, skip_step, **kwargs):
            if not skip_step:
                seen.append((self.learn.model.training, torch.is_grad_enabled()))

    learn = make_learner(opt_func=WithModes)
    learn.callbacks = [GradientAccumulation(learn, 4), Sees(learn)]
    learn.fit(2)
    # Six batches make a window of four, and one of two.
    assert seen == [(True, True)] * 4


# Weight decay.


@pytest.mark.parametrize(
    'opt_func, wd, used',
    [
        (torch.optim.AdamW, None, 0.01),
        (partial(torch.optim.AdamW, weight_decay=0.1), 1e-2, 0.1),
        (partial(torch.optim.AdamW, weight_decay=0.1), 0.5, 0.5),
        (torch.optim.AdamW, 0.3, 0.3),
    ],
)
def test_the_weight_decay_of_one_fit_is_not_that_of_the_next(opt_func, wd, used):
    learn = make_learner(opt_func=opt_func, wd=wd)
    learn.fit(1)
    assert learn.opt.wd == used
    learn.fit(1, wd=0.2)
    assert learn.opt.wd == 0.2
    learn.fit(1)
    assert learn.opt.wd == used


def test_each_layer_group_may_have_a_weight_decay():
    learn = make_learner()
    learn.split(learn.model[4])
    learn.fit(1, 1e-3, wd=[0.1, 0.2])
    assert learn.opt.get_stats('wd') == [0.1, 0.2]
    with pytest.raises(ValueError, match='wd has 3 values for 2 layer groups'):
        learn.fit(1, wd=[0.1, 0.2, 0.3])
    for wd in ([], [-1, 0.1], ['a', 0.1], 'a'):
        with pytest.raises(ValueError, match='wd must be a finite number from 0'):
            learn.fit(1, wd=wd)
