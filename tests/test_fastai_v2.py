"""The tables of the page for users of fastai v2: each row has a test, of fastai's side and of ours, and each
test a row."""

import inspect, os

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch

pytest.importorskip('fastai')
from fastai.callback import schedule
from fastai.callback.all import CSVLogger, GradientClip
from fastai.learner import Callback, Learner
from fastai.optimizer import SGD

import coming_from, fastlr
from conftest import loaders, make_learner, net, same, state_of
from fastlr import LRCurve
from fastlr.integrations.fastai import lr_find
from fastlr.shortcuts import NOT_HERE
from test_fastai import QUICK, HalfOnCPU, frozen, plain, train, two_groups
from test_fastai import same as same_training

pytestmark = pytest.mark.filterwarnings('ignore')
THEIRS = dict(num_it=12, stop_div=False, show_plot=False)
ROWS = {name: ours for name, ours in coming_from.rows('fastai v2', 'pytorch-lr-finder')}
CHECKS = {}


def row(name):
    def register(check):
        assert name not in CHECKS
        CHECKS[name] = check
        return check

    return register


def test_each_row_has_a_test_and_each_test_a_row():
    assert len(coming_from.rows('fastai v2', 'pytorch-lr-finder')) == len(ROWS) > 15
    assert set(ROWS) == set(CHECKS) and all(ROWS.values())


@pytest.mark.parametrize('name', ROWS)
def test_row(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.close('all')
    CHECKS[name](tmp_path)
    plt.close('all')


def theirs(learn, **kw):
    "Run the range test of fastai."
    with learn.no_bar():
        return Learner.lr_find(learn, **{**THEIRS, **kw})


def ours(learn, **kw):
    return lr_find(learn, **{**QUICK, **kw})


class Notes(Callback):
    "Calls a function of the learner before each step, and keeps what it returns."

    # After gradients are clipped.
    order = 900

    def __init__(self, look):
        self.look, self.seen = look, []

    def before_step(self):
        self.seen.append(self.look(self.learn))


# Our range test of a learner of fastai.


@row('the training afterwards is another one')
def the_training_afterwards(_):
    alone = train(plain())
    assert not same_training(alone, train(plain(), theirs))
    assert same_training(alone, train(plain(), ours))


@row('optimizer, splitter, frozen groups, mixed precision, callbacks that shape a step')
def what_takes_part(_):
    def look(learn):
        first, last = learn.model[0].weight, learn.model[-1].weight
        small = max(float(p.grad.norm()) for p in learn.model.parameters() if p.grad is not None) < 1e-4
        return type(learn.opt), len(learn.opt.hypers), first.requires_grad, last.requires_grad, small

    for find in theirs, ours:
        # Each has a list of its own, whatever is restored afterwards.
        seen = []
        notes = Notes(lambda learn: seen.append((learn.pred.dtype, *look(learn))))
        learn = frozen(plain(opt_func=SGD, splitter=two_groups, cbs=[HalfOnCPU(), GradientClip(1e-5), notes]))
        kind = type(learn.opt)
        find(learn)
        assert set(seen) == {(torch.float32, kind, 2, False, True, True)}, seen


@row('`start_lr`, `end_lr`, `num_it`, `show_plot`, `suggest_funcs`')
def arguments(_):
    of_fastai, here = (inspect.signature(f).parameters for f in (Learner.lr_find, lr_find))
    for name in 'start_lr', 'end_lr', 'num_it', 'show_plot':
        assert of_fastai[name].default == here[name].default
    assert of_fastai['suggest_funcs'].default.__name__ == here['suggest_funcs'].default == 'valley'


@row('`stop_div=True`: above 4 times the best smoothed loss')
def stops(_):
    long = dict(num_it=60, end_lr=1e4)
    assert ours(plain(), **long, stop_div=True).curve.settings['stop_div'] is True
    by_factor = ours(plain(), **long, stop_div=4.0).curve
    assert by_factor.settings['stop_div'] == 4.0 and by_factor.stop_reason == 'diverged'
    learn = plain()
    theirs(learn, **long, stop_div=True)
    losses = learn.recorder.losses
    assert losses[-1] > 4 * min(losses) and max(losses[:-1]) <= 4 * min(losses)


@row('all groups at one rate')
def rates_of_groups(_):
    seen = []
    notes = Notes(lambda learn: seen.append(learn.opt.hypers[0]['lr'] / learn.opt.hypers[1]['lr']))
    for find, ratio in (theirs, 1), (ours, 0.01):
        seen.clear()
        find(plain(splitter=two_groups, lr=slice(1e-4, 1e-2), cbs=notes))
        assert np.allclose(seen, ratio) and len(seen) == 12
    curve = ours(plain(splitter=two_groups), start_lr=[1e-6, 1e-5], end_lr=[1e-2, 1]).curve
    assert np.allclose(curve.group_lrs[[0, -1]], [[1e-6, 1e-5], [1e-2, 1]])


@row('returns a named tuple with one rate for each function, or None')
def what_is_returned(_):
    rules = schedule.valley, schedule.slide
    long = dict(num_it=60)
    for find in theirs, ours:
        valley, slide = found = find(plain(), **long, suggest_funcs=rules)
        assert (valley, slide) == (found.valley, found.slide) == tuple(found) and len(found) == 2
    assert theirs(plain(), suggest_funcs=None) is None
    alone = ours(plain(), **long, suggest_funcs=None)
    assert len(alone) == 0 and alone.suggestion() == alone.curve.suggest()
    learn = plain()
    with learn.no_logging():
        learn.fit_one_cycle(3, lr_max=alone.suggestion().one_cycle)
    assert max(learn.recorder.lrs) == pytest.approx(alone.suggestion().one_cycle, rel=0.05)


@row('`learn.recorder` holds the range test')
def what_the_recorder_holds(_):
    for find, first in (theirs, 1e-7), (ours, 1e-3):
        learn = plain()
        with learn.no_logging():
            learn.fit(1, 1e-3)
        found = find(learn)
        assert learn.recorder.lrs[0] == pytest.approx(first)
    assert plt.get_fignums() == []
    found.plot()
    assert len(plt.get_fignums()) == 1


@row("trackers and most loggers stand aside, `CSVLogger` and progress bars don't")
def what_stands_aside(path):
    log = path / 'history.csv'
    for find, left_alone in (theirs, False), (ours, True):
        log.write_text('a log')
        find(plain(cbs=CSVLogger()))
        assert (log.read_text() == 'a log') == left_alone


@row('trains in several processes with `distrib_ctx`')
def several_processes(_):
    trainer = type('DistributedTrainer', (Callback,), {})
    with pytest.raises(ValueError, match='DistributedTrainer.*look for the rate in one of them'):
        ours(plain(cbs=trainer()))


# Our own learner beside that of fastai.


@row('`lr_find()` returns the rate of `valley`, and draws the picture unless `show_plot=False`')
def returns_the_curve(_):
    found = theirs(plain(), num_it=60, show_plot=True)
    assert found._fields == ('valley',) and len(plt.get_fignums()) == 1
    theirs(plain(), num_it=60)
    curve = make_learner().lr_find()
    assert isinstance(curve, LRCurve) and len(plt.get_fignums()) == 1
    curve.plot()
    assert len(plt.get_fignums()) == 2 and curve.suggest().lr != curve.suggest('valley').lr


@row('`Learner(dls, model, loss_func)`')
def the_loss_is_passed_by_name(_):
    for loss in torch.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss, torch.nn.functional.cross_entropy:
        with pytest.raises(TypeError, match='opt_func must make an optimizer.*pass it as loss_func'):
            fastlr.Learner(loaders(), net(), loss)
    learn = fastlr.Learner(loaders(), net(), loss_func=torch.nn.CrossEntropyLoss())
    assert list(inspect.signature(fastlr.Learner).parameters)[2] == 'opt_func' and learn.opt_func is not None


@row('takes a fresh batch for each update')
def common_batches(_):
    inputs = set()
    theirs(plain(cbs=Notes(lambda learn: inputs.add(learn.xb[0].sum().item()))))
    curve = make_learner().lr_find(num_it=12, batches=3)
    assert len(inputs) > 8 and len(set(curve.batches)) == 3
    assert make_learner().lr_find(num_it=12, batches=None).batches is None


@row('`steep`')
def steep(_):
    rate = theirs(plain(), num_it=60, suggest_funcs=schedule.steep).steep
    curve = make_learner().lr_find(num_it=60)
    assert 1e-7 < rate < 10 and 1e-7 < curve.suggest('steep').lr < 10


@row('makes a temporary directory in `path/models`, and leaves `path/models` behind')
def files(path):
    make_learner(path=path).lr_find(num_it=12)
    assert os.listdir(path) == []
    theirs(plain(path=path))
    assert os.listdir(path) == ['models']


@row('restores weights and optimizer, but not random numbers, loaders, train/eval flags')
def what_is_restored(_):
    learn = plain()
    learn.model.eval()
    weights = [p.clone() for p in learn.model.parameters()]
    numbers = torch.get_rng_state()
    theirs(learn)
    assert all(map(torch.equal, weights, learn.model.parameters()))
    assert not any('grad_avg' in state for state in learn.opt.state_dict()['state'])
    assert learn.model.training and not torch.equal(numbers, torch.get_rng_state())
    learn = make_learner()
    learn.model.eval()
    before = state_of(learn)
    learn.lr_find(num_it=12)
    assert same(before, state_of(learn))


class Fails(Callback):
    def after_step(self):
        raise KeyboardInterrupt


@row('restores nothing after an exception or Ctrl-C')
def after_an_exception(_):
    learn = plain(cbs=Fails())
    weights = [p.clone() for p in learn.model.parameters()]
    with pytest.raises(KeyboardInterrupt):
        theirs(learn, start_lr=1e-2)
    assert not all(map(torch.equal, weights, learn.model.parameters()))

    class Interrupts(fastlr.Callback):
        def on_step_end(self, **kwargs):
            raise KeyboardInterrupt

        def on_backward_end(self, **kwargs):
            "Shape the step, as gradient clipping does, so that this takes part."

    learn = make_learner(callbacks=Interrupts())
    before = state_of(learn)
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(start_lr=1e-2)
    assert same(before, state_of(learn))


@row('callbacks of the learner run')
def callbacks(_):
    notes, run = [], []
    theirs(plain(cbs=Notes(lambda learn: notes.append('a logger of fastai'))))

    class Logs(fastlr.Callback):
        def on_batch_end(self, **kwargs):
            run.append('a logger')

    class Shapes(fastlr.Callback):
        def on_backward_end(self, **kwargs):
            run.append('a callback that shapes a step')

    make_learner(callbacks=[Logs(), Shapes()]).lr_find(num_it=12)
    assert set(notes) == {'a logger of fastai'} and set(run) == {'a callback that shapes a step'}


@row('`get_preds(ds_idx=1)`, `validate(ds_idx=1)`')
def which_data(_):
    learn = make_learner()
    for call in learn.get_preds, learn.validate:
        with pytest.raises(TypeError, match=r'dl=learn\.dl\(DatasetType\.Valid\)'):
            call(ds_idx=1)
    valid = learn.dl(fastlr.DatasetType.Valid)
    assert torch.equal(learn.get_preds(dl=valid)[0], learn.get_preds()[0])
    assert learn.validate(dl=valid) == learn.validate() == learn.validate(fastlr.DatasetType.Valid)
    with pytest.raises(TypeError, match='ds_type must be a DatasetType, such as DatasetType.Valid, got 1'):
        learn.get_preds(ds_type=1)
    with pytest.raises(TypeError, match='dl must be an iterable of batches, got 1'):
        learn.validate(dl=1)


@row('`learn.predict(item)`')
def predict(_):
    learn = make_learner()
    assert 'learn.get_preds([x[None]])' in NOT_HERE['predict']
    x = learn.data.valid_ds[0][0]
    assert torch.allclose(learn.get_preds([x[None]])[0][0], learn.get_preds()[0][0], atol=1e-6)


@row('`learn.export()`')
def export(path):
    learn, file = make_learner(), path / 'model.pt'
    assert 'torch.load(file, weights_only=False)' in NOT_HERE['export']
    torch.save(learn.model, file)
    again = torch.load(file, weights_only=False)
    assert same(again.state_dict(), learn.model.state_dict())


@row('`learn.to_bf16()`')
def to_bf16(_):
    learn = make_learner()
    assert NOT_HERE['to_bf16'].startswith('learn.callback_fns.append(MixedPrecision)')
    learn.callback_fns.append(fastlr.MixedPrecision)
    dtypes = []
    learn.model[0].register_forward_hook(lambda module, args, out: dtypes.append(out.dtype))
    learn.fit(1)
    assert torch.bfloat16 in dtypes


@row('`lr_min, lr_steep = learn.lr_find()`, `learn.lr_find().valley`')
def rates_of_a_curve(_):
    curve = make_learner().lr_find()
    with pytest.raises(TypeError, match=r"curve\.suggest\(\).*curve\.suggest\('valley'\)"):
        lr_min, lr_steep = curve
    for rule in 'valley', 'slide', 'minimum', 'steep':
        with pytest.raises(AttributeError, match=rf"curve\.suggest\('{rule}'\)"):
            getattr(curve, rule)
        assert curve.suggest(rule).lr > 0
    assert curve.view is not None


@row('`Learner(lr=1e-3, moms=(0.95, 0.85, 0.95))`')
def rate_and_momenta(_):
    with pytest.raises(TypeError, match='pass the rate to fit'):
        make_learner(lr=1e-3)
    with pytest.raises(TypeError, match='pass two momenta to fit_one_cycle'):
        make_learner(moms=(0.95, 0.85, 0.95))
    make_learner().fit_one_cycle(1, 1e-3, moms=(0.95, 0.85))


@row('`learn.lr`, `learn.one_batch(i, b)`, `learn.show_results()`')
def attributes(_):
    learn = make_learner()
    for name, what in dict(
        lr='learn.opt.lr', one_batch='learn.data.one_batch()', show_results='preds'
    ).items():
        with pytest.raises(AttributeError) as e:
            getattr(learn, name)
        assert str(e.value).endswith(NOT_HERE[name]) and what in NOT_HERE[name]


@row('`learn.fine_tune(n, base_lr)`')
def fine_tune(_):
    learn = make_learner()
    with pytest.raises(AttributeError) as e:
        learn.fine_tune(1, 1e-3)
    assert str(e.value).endswith(NOT_HERE['fine_tune']) and 'call split, freeze' in str(e.value)
    learn.split(lambda model: model[4])
    learn.freeze()
    first = learn.model[0].weight.clone()
    learn.fit_one_cycle(1, 1e-3)
    assert torch.equal(first, learn.model[0].weight)
    learn.unfreeze()
    learn.fit_one_cycle(1, slice(1e-5, 1e-3))
    assert not torch.equal(first, learn.model[0].weight)
