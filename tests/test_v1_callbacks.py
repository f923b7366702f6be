"""Callbacks as people write them for fastai v1, in a fit, in a validation and in a range test; and what is
typed out of habit with fastai v2."""

import inspect, random, warnings
from functools import partial

import numpy as np
import pytest, torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from conftest import loaders, make_learner, same, state_of
from fastlr import (
    Callback,
    DataBunch,
    GradientAccumulation,
    GradientClipping,
    Learner,
    LearnerCallback,
    LRFinder,
    LRSweep,
    MixedPrecision,
    OneCycleScheduler,
    Recorder,
    SmoothenValue,
    accuracy,
    add_metrics,
    find_lr,
)
from fastlr.callback import check_callback, might_shape, shapes_training
from fastlr.mixup import MixUpCallback, MixUpLoss
from fastlr.integrations import lightning, transformers
from fastlr.other_names import OTHER_OPTIONS, RENAMED, V2_EVENTS, instead_of
from fastlr.shortcuts import NOT_HERE


def everywhere(learn, num_it=20, **options):
    "Fit, sweep, fit, validate and predict; the range test must restore everything. Return its curve."
    learn.fit_one_cycle(1, 1e-3)
    before = state_of(learn)
    curve = learn.lr_find(num_it=num_it, stop_div=False, probe=False, **options)
    assert same(before, state_of(learn)) and len(curve) == num_it
    learn.fit(1, 1e-3)
    learn.validate()
    learn.get_preds()
    return curve


# A recurrent network: the model is reset at the start of an epoch, and its activations are regularized.


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 6)
        self.rnn = nn.RNN(6, 6, batch_first=True)
        self.out = nn.Linear(6, 8)
        self.resets = 0

    def reset(self):
        self.resets += 1

    def forward(self, x):
        raw, _ = self.rnn(self.embedding(x))
        return self.out(raw).transpose(1, 2), [raw], [raw]


class Regularizes(LearnerCallback):
    def __init__(self, learn, alpha, beta):
        super().__init__(learn)
        self.not_min += ['raw', 'dropped']
        self.alpha, self.beta = alpha, beta

    def on_epoch_begin(self, **kwargs):
        self.learn.model.reset()

    def on_loss_begin(self, last_output, **kwargs):
        self.raw, self.dropped = last_output[1], last_output[2]
        return {'last_output': last_output[0]}

    def on_backward_begin(self, last_loss, last_input, **kwargs):
        # In place, as v1 does.
        last_loss += self.alpha * self.dropped[-1].float().pow(2).mean()
        h = self.raw[-1]
        last_loss += self.beta * (h[:, 1:] - h[:, :-1]).float().pow(2).mean()
        return {'last_loss': last_loss}


def recurrent(**kw):
    torch.manual_seed(0)
    text = torch.randint(8, (64, 9), generator=torch.Generator().manual_seed(1))
    data = DataBunch.create(*[TensorDataset(text[:, :-1], text[:, 1:])] * 2, bs=16)
    return Learner(data, Recurrent(), loss_func=nn.CrossEntropyLoss(), silent=True, **kw)


def test_a_recurrent_network_is_reset_and_regularized():
    learn = recurrent(metrics=accuracy)
    learn.callbacks.append(Regularizes(learn, 2.0, 1.0))
    resets = []
    everywhere(learn)
    resets.append(learn.model.resets)
    assert resets[0] >= 4 and learn.regularizes.get_state() == dict(alpha=2.0, beta=1.0)
    plain = recurrent()
    plain.callbacks.append(Regularizes(plain, 0.0, 0.0))
    plain.fit(1, 1e-3)
    again = recurrent()
    again.callbacks.append(Regularizes(again, 2.0, 1.0))
    again.fit(1, 1e-3)
    # The losses are those that were measured, before anything was added.
    assert torch.equal(again.recorder.losses[:1], plain.recorder.losses[:1])
    assert not torch.equal(again.model.out.weight, plain.model.out.weight)


def test_the_smooth_loss_is_that_of_the_losses_that_were_measured():
    seen = []

    class Adds(Callback):
        def on_backward_begin(self, last_loss, smooth_loss, **kwargs):
            last_loss += 100
            seen.append(float(smooth_loss))

        def on_batch_end(self, smooth_loss, train, **kwargs):
            assert not train or float(smooth_loss) == seen[-1]

    make_learner(callbacks=Adds()).fit(1, 1e-6)
    assert max(seen) < 3


@pytest.mark.parametrize('scales', [1, 64.0])
def test_what_is_added_to_the_loss_is_scaled_and_divided_with_it(scales):
    "A gradient scaler multiplies the loss, accumulation divides it: both after callbacks at order 0."

    def gradient(*fns, n=1):
        learn = recurrent(callback_fns=list(fns), opt_func=torch.optim.SGD, wd=0.0)
        learn.callbacks.append(Regularizes(learn, 100.0, 0.0))
        found = []

        class Notes(Callback):
            _order = 500

            def on_backward_end(self, skip_step, **kwargs):
                if not skip_step:
                    found.append(learn.model.rnn.weight_hh_l0.grad.clone())

        learn.callbacks.append(Notes())
        torch.manual_seed(2)
        learn.fit(1, 0.0)
        return torch.stack(found).mean(0)

    plain = gradient()
    assert torch.allclose(gradient(partial(GradientAccumulation, n_step=4)), plain, atol=1e-5)
    if scales > 1:
        scaled = gradient(partial(MixedPrecision, precision='fp16', init_scale=scales))
        assert torch.allclose(scaled, plain, rtol=0.05, atol=1e-3)


# Batch norm that is put into evaluation mode at the start of an epoch.


class FreezesBatchNorm(LearnerCallback):
    def on_epoch_begin(self, **kwargs):
        for m in self.learn.model.modules():
            if isinstance(m, nn.BatchNorm1d) and not m.weight.requires_grad:
                m.eval()


def test_batch_norm_that_is_frozen_at_the_start_of_an_epoch_is_frozen_in_a_range_test():
    seen = []

    class Modes(Callback):
        shapes_training = True

        def on_loss_begin(self, train, **kwargs):
            seen.append((train, learn.model[1].training))

    learn = make_learner(callback_fns=FreezesBatchNorm, callbacks=Modes(), train_bn=False)
    learn.split(learn.model[4]).freeze()
    before = learn.model[1].running_mean.clone()
    learn.lr_find(num_it=10, stop_div=False, probe=False)
    assert seen == [(True, False)] * 10
    learn.fit(1)
    assert torch.equal(before, learn.model[1].running_mean) and shapes_training(FreezesBatchNorm)


# Two models that are trained in turns, each with an optimizer of its own, which takes the place of the
# learner's.


class Turns(nn.Module):
    def __init__(self):
        super().__init__()
        self.makes, self.judges = nn.Linear(4, 8), nn.Linear(8, 1)
        self.making = False

    def forward(self, *args):
        return self.makes(*args) if self.making else self.judges(*args)


class TurnLoss(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, out, target):
        if self.model.making:
            return self.model.judges(out).mean()
        return out.mean() - self.model.judges(self.model.makes(target)).mean()


class TrainsInTurns(LearnerCallback):
    _order = -20

    def __init__(self, learn):
        super().__init__(learn)
        self.parts = self.model.makes, self.model.judges

    def on_train_begin(self, **kwargs):
        if not getattr(self, 'opts', None):
            self.opt_makes = self.opt.new([nn.Sequential(self.parts[0])])
            self.opt_judges = self.opt.new([nn.Sequential(self.parts[1])])
            self.opts = True
        self.smooth, self.losses = SmoothenValue(0.98), []
        self.recorder.add_metric_names(['judged'])
        self.switch(False)

    def switch(self, making):
        self.model.making = making
        self.opt.opt = (self.opt_makes if making else self.opt_judges).opt
        for part, trains in zip(self.parts, (making, not making)):
            part.requires_grad_(trains)

    def on_batch_begin(self, last_input, last_target, **kwargs):
        if self.model.making:
            return {'last_input': last_input, 'last_target': last_target}
        return {'last_input': last_target, 'last_target': last_input}

    def on_backward_begin(self, last_loss, **kwargs):
        self.smooth.add_value(last_loss.detach().cpu())
        self.losses.append(self.smooth.smooth)

    def on_batch_end(self, **kwargs):
        self.opt_makes.zero_grad()
        self.opt_judges.zero_grad()

    def on_epoch_end(self, last_metrics, **kwargs):
        return add_metrics(last_metrics, self.smooth.smooth)

    def on_train_end(self, **kwargs):
        self.switch(True)


class Switches(LearnerCallback):
    def on_batch_end(self, train, **kwargs):
        if train:
            self.learn.trains_in_turns.switch(not self.learn.model.making)


def in_turns(switches=None):
    torch.manual_seed(0)
    ds = TensorDataset(torch.randn(64, 4), torch.randn(64, 8) + 1)
    model = Turns()
    adam = partial(torch.optim.Adam, betas=(0.0, 0.99))
    data = DataBunch.create(ds, ds, bs=16)
    learn = Learner(data, model, adam, TurnLoss(model), wd=0.0, silent=True, callback_fns=switches)
    learn.callbacks.append(TrainsInTurns(learn))
    return learn


@pytest.mark.parametrize('trained_before', [False, True])
@pytest.mark.parametrize('takes_part', [None, True])
def test_two_models_with_optimizers_of_their_own(trained_before, takes_part, monkeypatch, capsys):
    monkeypatch.setattr(Switches, 'shapes_training', takes_part)
    learn = in_turns(Switches)
    if trained_before:
        learn.fit(2, 1e-3)
        assert learn.recorder.names[3] == 'judged' and len(learn.trains_in_turns.losses) == 8
    weights = [p.clone() for p in learn.model.parameters()]
    learn.silent = False
    curve = learn.lr_find(num_it=20, stop_div=False, probe=False)
    assert len(curve) == 20 and all(map(torch.equal, learn.model.parameters(), weights))
    # Both optimizers had the rate, whichever took the steps.
    assert curve.group_lrs.shape == (20, 2) and (curve.group_lrs[:, 0] == curve.group_lrs[:, 1]).all()
    assert ('Not run in the range test: Switches.' in capsys.readouterr().out) == (takes_part is None)
    learn.fit(1, 1e-3)
    assert learn.recorder.metrics_names == ['judged'] and learn.opt.lr == 1e-3


def test_an_optimizer_that_is_replaced_in_the_middle_is_noticed():
    class Replaces(LearnerCallback):
        def on_backward_begin(self, iteration, **kwargs):
            if iteration == 3:
                self.learn.opt.opt = torch.optim.SGD(self.learn.model.parameters(), lr=1.0)

    learn = make_learner(callback_fns=Replaces)
    with pytest.raises(ValueError, match='another optimizer'):
        learn.lr_find(num_it=10)
    finder = LRFinder(learn, num_it=10)
    with pytest.raises(ValueError, match='another optimizer'):
        learn.fit(5, callbacks=finder)


def test_an_optimizer_that_takes_the_place_of_the_learners_is_swept_and_gone_afterwards():
    class Halves(LearnerCallback):
        "Steps copies of the weights, as v1's mixed precision does."

        _order = 999

        def on_train_begin(self, **kwargs):
            self.params = [p for p in self.learn.model.parameters() if p.requires_grad]
            self.copies = [p.detach().clone().requires_grad_() for p in self.params]
            self.learn.opt.opt = self.learn.opt.new_with_params([self.copies]).opt

        def on_backward_end(self, **kwargs):
            for p, copy in zip(self.params, self.copies):
                copy.grad = p.grad.clone()

        def on_step_end(self, **kwargs):
            self.learn.model.zero_grad()
            for p, copy in zip(self.params, self.copies):
                p.data.copy_(copy.data)

    plain, learn = make_learner(), make_learner(callback_fns=Halves)
    for one in (plain, learn):
        one.create_opt(1e-2)
    inside = learn.opt.opt
    curves = [one.lr_find(num_it=20, stop_div=False, probe=False) for one in (plain, learn)]
    assert curves[0].losses == pytest.approx(curves[1].losses, rel=1e-5)
    assert learn.opt.opt is inside and same(state_of(plain)['model'], state_of(learn)['model'])


# Gradients that are gathered, and scaled by hand in the end.


class Gathers(LearnerCallback):
    def __init__(self, learn, n_step=2):
        super().__init__(learn)
        self.n_step = n_step

    def on_epoch_begin(self, **kwargs):
        self.rows, self.batches = 0.0, 0.0

    def on_batch_begin(self, last_input, **kwargs):
        self.rows += last_input.shape[0]
        self.batches += 1

    def on_backward_end(self, **kwargs):
        if self.batches % self.n_step:
            return {'skip_step': True, 'skip_zero': True}
        for p in self.learn.model.parameters():
            p.grad.div_(self.rows)
        self.rows = 0

    def on_epoch_end(self, **kwargs):
        for p in self.learn.model.parameters():
            p.grad.div_(self.rows)
        self.learn.opt.step()
        self.learn.opt.zero_grad()


def test_gradients_are_gathered_and_scaled_by_hand():
    learn = make_learner(dls=loaders(4), callback_fns=Gathers, metrics=accuracy)
    learn.loss_func = nn.CrossEntropyLoss(reduction='sum')
    # A range test of one epoch: it has no validation, and the callback divides by the rows of that.
    everywhere(learn, num_it=12)
    # It steps the optimizer at the end of an epoch, and a validation is not one.
    before = state_of(learn)
    learn.validate()
    assert all(same(before[part], state_of(learn)[part]) for part in ('model', 'moments'))
    assert torch.isfinite(next(learn.model.parameters())).all()


def test_an_epoch_of_a_range_test_is_as_long_as_one_of_the_training():
    class Counts(Callback):
        shapes_training = True
        epochs = []

        def on_epoch_end(self, num_batch, **kwargs):
            self.epochs.append(num_batch)

    learn = make_learner(dls=loaders(4), callbacks=Counts())
    curve = learn.lr_find(num_it=60, stop_div=False, probe=False)
    # 24 batches are an epoch, and 8 of them come again and again, in the same order across its end.
    assert Counts.epochs == [24, 24, 12] and curve.batches.tolist() == [i % 8 for i in range(60)]


# Columns that callbacks add, pictures, hooks, and schedules.


class LossParts(LearnerCallback):
    _order = -20

    def on_train_begin(self, **kwargs):
        self.names = list(self.learn.loss_func.parts)
        self.learn.recorder.add_metric_names(self.names)

    def on_epoch_begin(self, **kwargs):
        self.sums, self.n = dict.fromkeys(self.names, 0.0), 0

    def on_batch_end(self, last_target, train, **kwargs):
        if train:
            return
        for name in self.names:
            self.sums[name] += len(last_target) * self.learn.loss_func.parts[name]
        self.n += len(last_target)

    def on_epoch_end(self, last_metrics, **kwargs):
        if self.n:
            return {'last_metrics': last_metrics + [self.sums[name] / self.n for name in self.names]}


class NamedWhenMade(LearnerCallback):
    _order = -20

    def __init__(self, learn, name='extra'):
        super().__init__(learn)
        self.learn.recorder.add_metric_names([name])

    def on_backward_end(self, **kwargs):
        "It may shape a step, so it is also made for validations and range tests."

    def on_epoch_end(self, last_metrics, **kwargs):
        return {'last_metrics': last_metrics + [1.0]}


def test_columns_can_be_announced_when_a_callback_is_made():
    learn = make_learner(
        callback_fns=[NamedWhenMade, partial(NamedWhenMade, name='accuracy')], metrics=accuracy
    )
    columns = ['epoch', 'train_loss', 'valid_loss', 'accuracy', 'extra', 'accuracy_2', 'time']
    for _ in range(2):
        learn.validate()
        learn.get_preds()
        learn.lr_find(num_it=10, probe=False)
        learn.fit(1)
        assert learn.recorder.names == columns and learn.recorder.metrics[0][1:] == [1.0, 1.0]
    learn.callback_fns = []
    learn.fit(1)
    assert learn.recorder.names == ['epoch', 'train_loss', 'valid_loss', 'accuracy', 'time']


def test_a_validation_before_the_fit_adds_no_second_column():
    class AtTheBeginning(LearnerCallback):
        _order = -20
        shapes_training = True

        def on_train_begin(self, **kwargs):
            self.learn.recorder.add_metric_names('extra')

    learn = make_learner(callback_fns=AtTheBeginning)
    learn.validate()
    learn.fit(1)
    assert learn.recorder.metrics_names == ['extra']


class PartsLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = {'fit': 0.0, 'size': 0.0}

    def forward(self, out, y):
        self.parts = {'fit': F.cross_entropy(out, y), 'size': out.pow(2).mean()}
        return sum(self.parts.values())


@pytest.mark.parametrize('valid', [True, False])
def test_parts_of_the_loss_are_columns(valid, capsys):
    dls = loaders() if valid else (loaders()[0], None)
    learn = make_learner(dls=dls, metrics=accuracy if valid else None, callback_fns=LossParts, silent=False)
    learn.loss_func = PartsLoss()
    learn.fit(1)
    head, line = (text.split() for text in capsys.readouterr().out.splitlines())
    assert head[3 + valid : -1] == ['fit', 'size'] and len(line) == len(head)
    if valid:
        found = dict(zip(head, line))
        both = float(found['fit']) + float(found['size'])
        assert both == pytest.approx(float(found['valid_loss']), abs=1e-5)
        assert learn.recorder.metrics_names == ['accuracy', 'fit', 'size']
    else:
        assert line[2:5] == ['#na#'] * 3


def test_pictures_below_the_bar_are_ignored_where_there_is_none():
    class Draws(LearnerCallback):
        def on_epoch_end(self, pbar, **kwargs):
            rec = self.learn.recorder
            xs = range(len(rec.losses))
            rec.pbar.update_graph([(xs, rec.losses)], (0, len(xs)), (0, float(max(rec.losses))))
            pbar.show_imgs([torch.zeros(2, 2)], ['a'])

    make_learner(callback_fns=Draws).fit(1)


def test_hooks_are_registered_for_a_fit():
    class Stats(LearnerCallback):
        def on_train_begin(self, **kwargs):
            self.stats = []
            hook = self.model[0].register_forward_hook(lambda m, x, y: self.stats.append(y.mean().item()))
            self.hooks = [hook]

        def on_train_end(self, **kwargs):
            for hook in self.hooks:
                hook.remove()

    learn = make_learner(callback_fns=Stats)
    everywhere(learn)
    assert not learn.model[0]._forward_hooks and len(learn.stats.stats) == 9
    assert learn.left_out() == ['Stats']


def test_a_schedule_by_epochs_is_left_out_of_a_range_test():
    class Unfreezes(LearnerCallback):
        calls = 0

        def on_epoch_begin(self, epoch, **kwargs):
            Unfreezes.calls += 1
            self.learn.model.requires_grad_(epoch > 1)

    learn = make_learner(callback_fns=Unfreezes)
    learn.lr_find(num_it=40, stop_div=False, probe=False)
    assert Unfreezes.calls == 0 and learn.left_out() == ['Unfreezes']


def test_callbacks_of_the_library_are_never_named():
    learn = make_learner(callback_fns=[MixedPrecision, partial(GradientClipping, clip=1)])
    learn.callbacks = [OneCycleScheduler(learn, 1e-2)]
    assert learn.left_out() == []
    assert not any(map(might_shape, (OneCycleScheduler, LRFinder, MixedPrecision)))


# Learner(auto_lr_find=True)


def test_a_learner_that_should_find_its_rate_says_that_it_has_not(capsys):
    learn = make_learner(auto_lr_find=True, silent=False)
    learn.model.lr = None
    learn.fit(1)
    assert 'call learn.tune() first'.lower() in capsys.readouterr().out.lower()
    learn.fit(1, 1e-3)
    assert 'tune()' not in capsys.readouterr().out
    learn.tune()
    capsys.readouterr()
    learn.fit(1)
    assert 'as tune() found' in capsys.readouterr().out


# Names of fastai v2.


@pytest.mark.parametrize('event', V2_EVENTS)
def test_events_of_v2_are_refused_and_ours_is_named(event):
    cb = type('FromV2', (Callback,), {event: lambda self: None})()
    for register in (
        check_callback,
        lambda cb: make_learner(callbacks=cb),
        lambda cb: make_learner().fit(1, callbacks=cb),
    ):
        with pytest.raises(TypeError, match=f'FromV2.{event} is an event of fastai v2.*{V2_EVENTS[event]}'):
            register(cb)


CALLS = {
    'cbs': [
        lambda learn: make_learner(cbs=[]),
        lambda learn: learn.fit(1, cbs=[]),
        lambda learn: learn.fit_one_cycle(1, cbs=[]),
        lambda learn: learn.validate(cbs=[]),
        lambda learn: learn.get_preds(cbs=[]),
        lambda learn: find_lr(
            learn.model, torch.optim.SGD(learn.model.parameters(), lr=1.0), None, [], cbs=[]
        ),
    ],
    'dls': [
        lambda learn: Learner(dls=learn.data, model=learn.model),
        lambda learn: find_lr(
            learn.model, torch.optim.SGD(learn.model.parameters(), lr=1.0), None, [], dls=[]
        ),
    ],
    'lr_max': [
        lambda learn: learn.fit_one_cycle(1, lr_max=1e-3),
        lambda learn: learn.fit(1, lr_max=1e-3),
    ],
    'show_plot': [
        lambda learn: learn.lr_find(show_plot=False),
        lambda learn: LRFinder(learn, show_plot=False),
        lambda learn: learn.tune(show_plot=False),
        lambda learn: find_lr(
            learn.model, torch.optim.SGD(learn.model.parameters(), lr=1.0), None, [], show_plot=1
        ),
    ],
    'suggest_funcs': [
        lambda learn: learn.lr_find(suggest_funcs=[]),
        lambda learn: learn.recorder.plot(suggest_funcs=[]),
    ],
    'lr': [lambda learn: make_learner(lr=1e-3), lambda learn: learn.fit_one_cycle(1, lr=1e-3)],
    'splitter': [lambda learn: make_learner(splitter=None)],
    'div': [lambda learn: learn.fit_one_cycle(1, 1e-3, div=10)],
    'num_iter': [lambda learn: learn.lr_find(num_iter=50)],
    'ds_idx': [lambda learn: learn.get_preds(ds_idx=1), lambda learn: learn.validate(ds_idx=1)],
}


@pytest.mark.parametrize('option', CALLS)
def test_options_of_other_libraries_are_refused_and_nothing_changes(option):
    for call in CALLS[option]:
        learn = make_learner()
        before = state_of(learn)
        with pytest.raises(TypeError, match=f'has no option {option!r}: '):
            call(learn)
        assert same(before, state_of(learn))


FUNCTIONS = [
    *(Learner, Learner.fit, Learner.fit_one_cycle, Learner.validate, Learner.get_preds, Learner.to_fp16),
    *(Learner.lr_find, LRFinder, LRSweep, Recorder.plot),
    *(lightning.lr_find, transformers.lr_find),
]


@pytest.mark.parametrize('option', [*RENAMED, *OTHER_OPTIONS])
def test_an_option_of_another_library_is_answered_with_one_that_the_function_has(option):
    remedies = []
    for f in FUNCTIONS:
        options = inspect.signature(f).parameters
        remedy = None if option in options else instead_of(option, options)
        if remedy is None:
            continue
        with pytest.raises(TypeError, match=f'has no option {option!r}: ') as e:
            f(**{option: None})
        assert str(e.value).endswith(remedy)
        assert option in OTHER_OPTIONS or remedy.split()[-1] in options
        remedies.append(remedy)
    # A gradient scaler can be passed to `find_lr` only.
    assert remedies or option == 'grad_scaler'


def test_options_that_nobody_has_are_refused_as_ever():
    with pytest.raises(TypeError, match='nonsense'):
        make_learner().fit(1, nonsense=1)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        make_learner().fit(1, lr=1e-3)


# What a look at the data, a prediction or a shortcut must leave alone.


class Draws(torch.utils.data.Dataset):
    "Rows with noise of numpy and of Python."

    def __len__(self):
        return 48

    def __getitem__(self, i):
        return torch.full((4,), np.random.rand() + random.random()), i % 2


@pytest.mark.parametrize('look', [lambda learn: learn.data.one_batch(), lambda learn: learn.summary()])
def test_a_look_at_the_data_in_the_middle_of_an_epoch_leaves_it_as_long(look):
    looks = []

    class Looks(LearnerCallback):
        def on_batch_end(self, train, **_):
            looks.append(look(self.learn))

    data = DataBunch.create(Draws(), bs=8, num_workers=1)
    learn = Learner(data, nn.Linear(4, 2), loss_func=nn.CrossEntropyLoss(), silent=True, callback_fns=Looks)
    learn.fit(2, 1e-3)
    assert len(looks) == 12 and data.train_dl.num_workers == 1


def test_a_summary_draws_no_random_numbers():
    generator = torch.Generator().manual_seed(0)
    dl = DataLoader(Draws(), 8, shuffle=True, generator=generator)
    learn = Learner(DataBunch(dl), nn.Linear(4, 2), loss_func=nn.CrossEntropyLoss(), silent=True)

    def states():
        drawn = np.random.get_state()[1].tolist(), random.getstate()
        return torch.get_rng_state().tolist(), generator.get_state().tolist(), *drawn

    before = states()
    learn.summary()
    assert states() == before


@pytest.mark.parametrize('first', [True, False])
def test_mixup_gives_the_loss_back_although_a_callback_validates_at_the_end(first):
    class Validates(LearnerCallback):
        def on_train_end(self, **_):
            if type(self.learn.loss_func) is MixUpLoss or not seen:
                seen.append(self.learn.validate())

    seen = []
    learn = make_learner()
    loss = learn.loss_func
    callbacks = [Validates(learn), MixUpCallback(learn)]
    learn.callbacks = callbacks if first else callbacks[::-1]
    learn.fit(1, 1e-3)
    assert seen and learn.loss_func is loss


def test_mixup_refuses_what_it_cannot_mix():
    learn = make_learner().mixup().mixup()
    with pytest.raises(TypeError, match='one input and one target, both tensors, and mixes them once'):
        learn.fit(1, 1e-3)


def test_half_precision_has_one_clip():
    learn = make_learner().to_fp16(clip=0.1).to_fp16(clip=1.0)
    (half,) = learn.callbacks_for(shaping=True)
    assert half.clip == 1.0
    assert not list(learn.to_fp32().callbacks_for(shaping=True))
    learn.to_fp16()
    for options in (dict(loss_scale=-1), dict(clip=0.0)):
        with pytest.raises(ValueError, match='to_fp16: .* must be a finite number above zero, got'):
            learn.to_fp16(**options)
    # The refused calls have changed nothing.
    assert len(learn.callback_fns) == 1


@pytest.mark.parametrize('wrong', [-1, 0, float('nan'), 'strong', True, None])
def test_shortcuts_refuse_at_the_call(wrong):
    learn = make_learner()
    for call, words in (learn.clip_grad, 'clip_grad: clip'), (learn.mixup, 'mixup: alpha'):
        with pytest.raises(ValueError, match=f'^{words} must be a finite number above zero, got {wrong!r}'):
            call(wrong)
    assert learn.callback_fns == []


def test_half_precision_clips_what_the_scaler_has_unscaled():
    norms = []

    class Norms(LearnerCallback):
        _order = 100

        def on_backward_end(self, **_):
            grads = [p.grad.norm() for p in self.learn.model.parameters() if p.grad is not None]
            norms.append(torch.stack(grads).norm().item())

    learn = make_learner(callback_fns=Norms).to_fp16(clip=1e-3)
    learn.fit(1, 1e-3)
    assert norms and max(norms) <= 1e-3 * 1.001


def test_predictions_of_a_loss_whose_func_is_none():
    class Loss(nn.CrossEntropyLoss):
        func = None

    learn = make_learner()
    learn.loss_func = Loss()
    assert torch.allclose(learn.get_preds()[0].sum(1), torch.ones(1))


def test_a_property_that_fails_says_why():
    learn = make_learner()
    learn.data = 'no data'
    with pytest.raises(AttributeError, match="'str' object has no attribute 'device'"):
        learn.device


def test_what_is_advised_instead_of_purge_leaves_a_learner_that_trains():
    learn = make_learner()
    learn.fit(1, 1e-3)
    assert 'set learn.opt = None' in NOT_HERE['purge']
    learn.opt = None
    learn.fit(1, 1e-3)


def test_freezing_leaves_batch_norm_that_was_frozen_before():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    learn = Learner(loaders(), model, loss_func=nn.CrossEntropyLoss(), silent=True).split([model[2]])
    for p in model[1].parameters():
        p.requires_grad_(False)
    learn.freeze()
    assert [p.requires_grad for p in model.parameters()] == [False] * 4 + [True] * 2


def test_attributes_named_like_events_are_no_methods():
    class Plain(Callback):
        before_fit = None
        on_gpu = False

    check_callback(Plain())


def test_an_error_that_only_sounds_like_a_closure_is_left_alone():
    class Odd(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError('cannot write the disclosure log')

    with pytest.raises(RuntimeError, match='disclosure'):
        make_learner(opt_func=Odd).fit(1, 1e-3)
