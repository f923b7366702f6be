"""The tables of the page for users of other libraries: each row about fastai v1 has a test, and each test a
row."""

import inspect, io, warnings
from functools import partial
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import coming_from, fastlr
from conftest import loaders, make_learner, net, problem, same, state_of
from fastlr import (
    AverageMetric,
    Callback,
    CallbackHandler,
    DataBunch,
    DatasetType,
    GradientAccumulation,
    GradientClipping,
    Learner,
    LearnerCallback,
    LRCurve,
    LRFinder,
    OneCycleScheduler,
    Scheduler,
    SmoothenValue,
    accuracy,
    add_metrics,
    annealing_cos,
    annealing_exp,
    annealing_linear,
    annealing_no,
    annealing_poly,
    error_rate,
)
from fastlr.callback import EVENTS, STATE
from fastlr.mixup import MixUpCallback
from fastlr.optim import OptimWrapper, group_params
from fastlr.shortcuts import DATA_NOT_HERE, NOT_HERE

KINDS = 'same', 'differs', 'not here'
CHECKS = {}


def rows():
    "Return the rows of the page's tables about fastai v1: (name, same or not, what to know)."
    return [tuple(line) for line in coming_from.rows('fastai v1', 'fastai v2')]


def row(name, kind):
    def register(check):
        assert name not in CHECKS
        CHECKS[name] = kind, check
        return check

    return register


def learner_attribute(name):
    "Return the attribute that a row is about, if it is just that: `learn.export`."
    bare = name.strip('`')
    return bare.removeprefix('learn.') if bare.startswith('learn.') and bare[6:].isidentifier() else None


def test_each_row_has_a_test_and_each_test_a_row():
    found = {name: kind for name, kind, _ in rows()}
    assert len(found) == len(rows()) > 60 and set(found.values()) == set(KINDS)
    generic = {name for name, kind in found.items() if kind == 'not here' and learner_attribute(name)}
    assert {k: v for k, v in found.items() if k not in generic} == {k: v[0] for k, v in CHECKS.items()}
    assert all(what for _, kind, what in rows() if kind != 'same')


@pytest.mark.parametrize('name, kind, what', rows(), ids=[name for name, *_ in rows()])
def test_row(name, kind, what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if name in CHECKS:
        CHECKS[name][1](SimpleNamespace(path=tmp_path, capsys=capsys))
    else:
        attribute = learner_attribute(name)
        with pytest.raises(AttributeError) as e:
            getattr(make_learner(), attribute)
        assert what == NOT_HERE[attribute] and str(e.value).endswith(what)
    plt.close('all')


def refused(call, *words):
    with pytest.raises((TypeError, ValueError, AttributeError, RuntimeError)) as e:
        call()
    assert all(word in str(e.value) for word in words), str(e.value)


def not_importable(names, *words):
    for name in names.split():
        assert not hasattr(fastlr, name)
        refused(lambda name=name: getattr(fastlr, name), name, *words)
        with pytest.raises(ImportError) as e:
            exec(f'from fastlr import {name}')
        assert all(word in str(e.value) for word in (name, *words)), str(e.value)


def sgd(**kw):
    return partial(torch.optim.SGD, **kw)


def trained(learn):
    return [name for name, p in learn.model.named_parameters() if p.requires_grad]


# The range test.


@row('`learn.lr_find()`', 'differs')
def returns_the_curve(_):
    learn = make_learner()
    curve = learn.lr_find(num_it=10)
    assert isinstance(curve, LRCurve) and learn.recorder.curve is curve


@row('the arguments of `lr_find`', 'same')
def arguments_of_lr_find(_):
    params = inspect.signature(Learner.lr_find).parameters
    first = {k: p.default for k, p in list(params.items())[1:6]}
    assert first == dict(start_lr=1e-7, end_lr=10, num_it=100, stop_div=True, wd=None)


@row('a fresh batch for each update', 'differs')
def common_batches(_):
    learn = make_learner()
    assert len(set(learn.lr_find(num_it=12, batches=4).batches)) == 4
    assert learn.lr_find(num_it=12, batches=None).batches is None


@row('stops at 4 times the best smoothed loss, or NaN', 'differs')
def stop_by_factor(_):
    learn = make_learner()
    factor = learn.lr_find(end_lr=1e4, stop_div=4.0)
    assert factor.stop_reason == 'diverged' and factor.settings['stop_div'] == 4.0
    assert learn.lr_find().settings['stop_div'] is True


@row('writes `tmp.pth` into `learn.path/learn.model_dir`', 'differs')
def writes_no_file(at):
    make_learner(path=at.path).lr_find(num_it=10)
    assert not list(at.path.iterdir())


@row('restores weights and optimizer', 'differs')
def restores_everything(_):
    learn = make_learner()
    learn.fit(1)
    before = state_of(learn)
    learn.lr_find(num_it=10)
    assert same(before, state_of(learn))


@row('`learn.opt` after `lr_find` on a fresh learner', 'differs')
def no_optimizer(_):
    learn = make_learner()
    learn.lr_find(num_it=10)
    assert learn.opt is None


@row('`recorder.lrs`, `losses`, `moms` after `lr_find`', 'same')
def the_recorder_holds_the_sweep(_):
    learn = make_learner(opt_func=sgd(momentum=0.8))
    learn.fit(1, 1e-2)
    curve, rec = learn.lr_find(num_it=30), learn.recorder
    assert rec.lrs == curve.lrs.tolist() and rec.moms == [0.8] * len(curve) and len(rec.losses) == len(curve)
    smooth = SmoothenValue(0.98)
    for loss in curve.losses:
        smooth.add_value(loss)
    assert float(rec.losses[-1]) == pytest.approx(smooth.smooth)
    # A recipe from the forum, letter for letter.
    losses = np.array(learn.recorder.losses)
    assert learn.recorder.lrs[np.gradient(losses).argmin()] in curve.lrs
    assert [x.item() for x in learn.recorder.losses[:-5]][0] == pytest.approx(losses[0])
    median = learn.lr_find(num_it=12, runs=3, stop_div=False)
    assert rec.lrs == median.lrs.tolist()
    learn.fit(1, 1e-3)
    assert set(rec.lrs) == {1e-3} and rec.curve is median


@row('`recorder.val_losses`, `metrics` after `lr_find`', 'differs')
def the_fit_stays(_):
    learn = make_learner(metrics=accuracy)
    learn.fit(2)
    rec = learn.recorder
    before = list(rec.val_losses), list(rec.metrics), list(rec.nb_batches)
    learn.lr_find(num_it=10)
    assert (rec.val_losses, rec.metrics, rec.nb_batches) == before
    assert len(rec.plot_losses().get_lines()) == 1 and len(rec.plot_metrics()[0].get_lines()) == 1


@row('`recorder.min_grad_lr`', 'differs')
def min_grad_lr(_):
    learn = make_learner()
    curve = learn.lr_find()
    assert learn.recorder.min_grad_lr == curve.suggest('steep').lr


@row('callbacks during `lr_find`', 'differs')
def callbacks_during_lr_find(at):
    class Clips(Callback):
        calls = 0

        def on_backward_end(self, **kwargs):
            Clips.calls += 1

    class Switches(Clips):
        def on_batch_end(self, **kwargs):
            pass

        on_backward_end = Callback.on_backward_end

    learn = make_learner(callbacks=[Clips(), Switches()], silent=False)
    learn.lr_find(num_it=10, stop_div=False, probe=False)
    assert Clips.calls == 10 and 'Not run in the range test: Switches.' in at.capsys.readouterr().out
    Switches.shapes_training = False
    learn.lr_find(num_it=10)
    assert 'Not run' not in at.capsys.readouterr().out


@row('`LRFinder(learn, start_lr, end_lr, num_it, stop_div)`', 'same')
def lr_finder_as_a_callback(_):
    learn = make_learner()
    before = state_of(learn)['model']
    learn.fit(9, callbacks=[LRFinder(learn, 1e-6, 1, 20, False)])
    assert same(before, state_of(learn)['model']) and learn.recorder.lrs[0] == 1e-6
    assert len(learn.recorder.lrs) == 20


# Learner and data.


@row('`Learner(data, model, opt_func, loss_func, metrics)`', 'same')
def arguments_of_a_learner(_):
    params = list(inspect.signature(Learner).parameters)
    assert params[:5] == ['data', 'model', 'opt_func', 'loss_func', 'metrics']
    named = 'wd', 'path', 'model_dir', 'callback_fns', 'callbacks', 'layer_groups', 'silent', 'train_bn'
    assert set(named) < set(params)


@row('`opt_func=AdamW`', 'differs')
def adamw_with_betas_of_fastai(_):
    learn = make_learner()
    learn.fit(1, 1e-2)
    by_hand = make_learner(opt_func=partial(torch.optim.AdamW, betas=(0.9, 0.99)))
    by_hand.fit(1, 1e-2)
    assert same(state_of(learn), state_of(by_hand))
    assert (learn.opt.mom, learn.opt.beta, type(learn.opt.opt)) == (0.9, 0.99, torch.optim.AdamW)
    of_torch = make_learner(opt_func=torch.optim.AdamW)
    of_torch.create_opt(1e-2)
    assert of_torch.opt.beta == 0.999
    not_importable('AdamW Adam SGD', 'leave opt_func out')


@row('`wd=1e-2`', 'same')
def weight_decay(_):
    learn = make_learner()
    learn.fit(1)
    assert learn.opt.wd == 1e-2


@row('`true_wd=True`', 'differs')
def decay_is_the_optimizers_own(_):
    refused(lambda: make_learner(true_wd=True), 'true_wd', 'AdamW')

    def one_step(opt_func):
        learn = make_learner(opt_func=opt_func, wd=0.1)
        learn.create_opt(0.5)
        before = learn.model[0].weight.detach().clone()
        learn.model[0].weight.grad = torch.zeros_like(before)
        learn.opt.step()
        return learn.model[0].weight / before

    assert torch.allclose(one_step(torch.optim.AdamW), torch.tensor(1 - 0.5 * 0.1))
    assert not torch.allclose(one_step(torch.optim.Adam), torch.tensor(1 - 0.5 * 0.1), atol=1e-3)


@row('`bn_wd=False`', 'not here')
def no_bn_wd(_):
    refused(lambda: make_learner(bn_wd=False), 'bn_wd', 'weight decay applies to all')


@row('`add_time=False`', 'not here')
def no_add_time(_):
    refused(lambda: make_learner(add_time=False), 'learn.recorder.add_time')
    learn = make_learner()
    learn.recorder.add_time = False
    learn.fit(1)
    assert learn.recorder.names[-1] == 'valid_loss'


@row('`opt_func=partial(SGD, lr=0.5)`', 'differs')
def a_rate_that_opt_func_binds(_):
    learn = make_learner(opt_func=sgd(lr=0.5))
    learn.fit(1)
    assert set(learn.recorder.lrs) == {0.5}
    learn.fit_one_cycle(1)
    assert max(learn.recorder.lrs) == pytest.approx(0.5, rel=0.1)
    learn.fit(1, 1e-3)
    assert learn.opt.lr == 1e-3


@row('`learn.layer_groups`', 'differs')
def layer_groups(_):
    learn = make_learner()
    assert learn.layer_groups == [learn.model]
    learn.split(learn.model[4])
    assert [len(group) for group in learn.layer_groups] == [4, 2] and torch.is_tensor(
        learn.layer_groups[0][0]
    )
    tied = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    tied[1].weight = tied[0].weight
    groups = Learner(loaders(), tied, loss_func=nn.CrossEntropyLoss()).split(tied[1]).layer_groups
    assert [len(group) for group in groups] == [2, 1]


@row('`DataBunch(train_dl, valid_dl)`', 'differs')
def data_bunch(_):
    params = list(inspect.signature(DataBunch).parameters)
    assert params[:2] == ['train_dl', 'valid_dl']
    assert {'test_dl', 'device', 'loss_func', 'path'} < set(params)
    dl = loaders()[0]
    refused(
        lambda: DataBunch(dl, dl, None, dl), 'DataBunch: what follows valid_dl is passed by name', 'test_dl'
    )


@row('`DataBunch.create(train_ds, valid_ds)`', 'differs')
def create(_):
    params = list(inspect.signature(DataBunch.create).parameters)
    assert params[:2] == ['train_ds', 'valid_ds']
    assert {'test_ds', 'bs', 'num_workers', 'device', 'loss_func', 'path'} < set(params)
    ds = problem()
    refused(
        lambda: DataBunch.create(ds, ds, ds), 'create: what follows valid_ds is passed by name', 'test_ds'
    )


@row('`data.train_dl`, `valid_dl`, `test_dl`, `fix_dl`, `single_dl`', 'same')
def all_loaders(_):
    ds, rest = problem(), TensorDataset(torch.randn(9, 6))
    data = DataBunch.create(ds, ds, bs=32, test_ds=rest)
    learn = make_learner(dls=data)
    for kind in DatasetType:
        assert isinstance(data.dl(kind), DataLoader)
    assert learn.dl(DatasetType.Valid) is data.valid_dl and data.dl(DatasetType.Train) is data.train_dl
    assert torch.equal(torch.cat([x for x, _ in data.fix_dl]), ds[:][0])
    assert len(next(iter(data.single_dl))[0]) == 1 and data.test_dl.dataset is rest
    refused(lambda: DataBunch.create(ds).dl(DatasetType.Valid), 'valid_dl')


@row('`data.train_ds`, `valid_ds`, `c`, `one_batch()`', 'same')
def datasets_and_batches(_):
    ds, valid = problem(), problem(48, 1)
    data = DataBunch.create(ds, valid, bs=32)
    assert data.train_ds is ds and data.valid_ds is valid and data.c == 3
    x, y = data.one_batch()
    assert x.shape == (32, 6) and y.shape == (32,)
    x, y = data.one_batch(DatasetType.Valid, detach=True, denorm=False, cpu=False)
    assert torch.equal(x, valid[:32][0])
    half = torch.utils.data.Subset(ds, range(8))
    assert DataBunch.create(half).c == 3
    floats = TensorDataset(torch.randn(9, 6), torch.randn(9, 2))
    assert DataBunch.create(floats).c == 2
    folder = list(ds)
    refused(lambda: DataBunch.create(folder).c, 'data.c')
    data = DataBunch.create(folder)
    data.c = 5
    assert data.c == 5
    # Several labels for each row, and a row of words for each; what is alone is the input.
    x = torch.randn(9, 6)
    assert DataBunch.create(TensorDataset(x, torch.eye(5, dtype=torch.long)[torch.arange(9) % 4])).c == 5
    assert DataBunch.create(TensorDataset(x, torch.arange(27).view(9, 3))).c == 27
    refused(lambda: DataBunch.create(TensorDataset(x.long())).c, 'data.c')


@row('`data.fix_ds`, `single_ds`, `test_ds`, `classes`, `empty_val`', 'same')
def more_of_the_data(_):
    ds, rest = problem(), TensorDataset(torch.randn(9, 6))
    ds.classes = ['a', 'b', 'c']
    data = DataBunch.create(torch.utils.data.Subset(ds, range(50)), ds, test_ds=rest)
    assert data.fix_ds is data.train_ds and data.test_ds is rest and data.classes == ['a', 'b', 'c']
    assert len(data.single_ds) == 1 and torch.equal(data.single_ds[0][0], ds[0][0]) and not data.empty_val
    alone = DataBunch(loaders()[0])
    assert alone.test_ds is None and alone.empty_val
    refused(lambda: alone.classes, 'no names', 'TensorDataset')


@row('`data.path`', 'same')
def path_of_the_data(at):
    ds = problem()
    for data in DataBunch(loaders()[0], path=str(at.path)), DataBunch.create(ds, path=str(at.path)):
        assert data.path / 'models' == at.path / 'models'
    assert DataBunch(loaders()[0]).path / 'models' == Learner(loaders(), net()).path / 'models'


@row('`data.batch_size = 8`', 'differs')
def batch_size(_):
    data = DataBunch.create(problem(), bs=32)
    refused(lambda: setattr(data, 'batch_size', 8), 'DataBunch.create', 'bs=8')
    assert data.batch_size == data.train_dl.batch_size == 32


@row('`ImageDataBunch`, `cnn_learner`, and the rest of the applications', 'not here')
def no_applications(_):
    not_importable('ImageDataBunch cnn_learner tabular_learner unet_learner', 'torchvision', 'Learner')


@row('`data.show_batch()`, `normalize()`, transforms, `ItemList`', 'not here')
def no_transforms(_):
    data = make_learner().data
    assert not any(hasattr(data, name) for name in ('show_batch', 'normalize', 'add_tfm'))
    refused(lambda: data.show_batch(rows=3), "'DataBunch' object has no attribute", 'one_batch()')
    refused(lambda: data.normalize(), 'into your dataset')
    refused(lambda: data.add_tfm, "'DataBunch' object has no attribute 'add_tfm'", 'into your dataset')
    # What only learners have is not answered as if it were one.
    refused(lambda: data.dls, 'they are data.train_dl')
    for name in 'lr', 'fine_tune':
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
            getattr(data, name)
    not_importable('ItemList ImageList DataBlock get_transforms', 'put the transforms into your dataset')


# Training.


@row('`learn.fit(epochs, lr, wd, callbacks)`', 'same')
def arguments_of_fit(_):
    assert list(inspect.signature(Learner.fit).parameters)[1:] == ['epochs', 'lr', 'wd', 'callbacks']
    seen = []

    class Sees(Callback):
        def on_epoch_end(self, epoch, **kwargs):
            seen.append(epoch)

    learn = make_learner()
    learn.fit(2, 1e-3, 0.1, Sees())
    assert seen == [0, 1] and (learn.opt.lr, learn.opt.wd) == (1e-3, 0.1)
    # Numbers of numpy are numbers.
    learn.fit(np.int64(1), np.float32(1e-2), np.float32(0.2))
    learn.fit_one_cycle(np.int64(1), np.float32(1e-2), wd=np.float32(0.2), tot_epochs=np.int64(2))
    assert seen == [0, 1] and learn.opt.wd == np.float32(0.2) and len(learn.recorder.lrs) == 6
    refused(lambda: learn.fit(True), 'whole number')
    refused(lambda: learn.fit(1.0), 'whole number')


@row('`slice(suggestion)`', 'same')
def slices_of_suggestions(_):
    learn = make_learner()
    s = learn.lr_find().suggest()
    assert s.one_cycle > 1.5 * s
    for rate in s, slice(s), slice(s / 10, s):
        learn.fit_one_cycle(1, rate)
        assert max(learn.recorder.lrs) == pytest.approx(s.one_cycle, rel=0.05)
        learn.fit(1, rate)
        assert learn.opt.lr == s.lr


@row('`lr=slice(3e-3)`', 'same')
def the_default_rate(_):
    learn = make_learner()
    learn.fit(1)
    assert learn.opt.lr == 3e-3
    learn.split(learn.model[4])
    learn.fit(1)
    assert learn.opt.get_stats('lr') == pytest.approx([3e-4, 3e-3])
    learn.fit_one_cycle(1)
    assert np.divide(*learn.opt.get_stats('lr')) == pytest.approx(0.1)
    learn.tune(num_it=60)
    learn.fit(1)
    assert learn.opt.lr == learn.tuned.lr


@row('`learn.fit_one_cycle(cyc_len, max_lr)`', 'same')
def arguments_of_fit_one_cycle(_):
    params = inspect.signature(Learner.fit_one_cycle).parameters
    names = 'cyc_len max_lr moms div_factor pct_start final_div wd callbacks tot_epochs start_epoch'
    assert list(params)[1:] == names.split()
    assert params['moms'].default == (0.95, 0.85) and params['div_factor'].default == 25.0


@row('the steps of the one-cycle schedule', 'differs')
def steps_of_one_cycle(_):
    learn = make_learner()
    learn.fit_one_cycle(5, 1e-2)
    # Of 30 steps, three tenths are 9. v1 reaches the peak in the tenth step, and the end after the last.
    assert np.argmax(learn.recorder.lrs) == 8 and learn.recorder.lrs[-1] == pytest.approx(1e-2 / 25e4)
    assert learn.recorder.lrs[0] == pytest.approx(1e-2 / 25)


@row('the momentum after `fit_one_cycle`', 'differs')
def momentum_after_one_cycle(_):
    learn = make_learner()
    learn.fit_one_cycle(1, 1e-2)
    assert learn.recorder.moms[-1] == 0.95 and learn.opt.mom == 0.9


@row('`learn.lr_range(slice(1e-5, 1e-3))`', 'differs')
def lr_range(_):
    learn = make_learner()
    learn.split([learn.model[1], learn.model[4]])
    rates = learn.lr_range(slice(1e-5, 1e-3))
    assert isinstance(rates, list) and np.allclose(rates, [1e-5, 1e-4, 1e-3])
    assert np.allclose(learn.lr_range(slice(1e-3, 1e-5)), [1e-3, 1e-4, 1e-5])
    assert learn.lr_range(slice(0.1, 0.1)) == [0.1] * 3
    refused(lambda: learn.lr_range(slice(0.0, 0.1)), 'above zero')
    assert np.allclose(learn.lr_range(slice(1e-3)), [1e-4, 1e-4, 1e-3]) and learn.lr_range(0.1) == 0.1


@row('`learn.create_opt(lr)`', 'differs')
def create_opt(_):
    learn = make_learner(wd=0.3)
    learn.create_opt(1e-3)
    assert learn.opt.wd == 0.3 and learn.opt.lr == 1e-3


@row('`learn.split(modules)`', 'same')
def split(_):
    learn = make_learner()

    def sizes(split_on):
        assert learn.split(split_on) is learn
        return [len(group_params(group)) for group in learn.layer_groups]

    model = learn.model
    assert sizes(model[4]) == sizes([model[4]]) == sizes(lambda m: (m[4],)) == [4, 2]
    # A ReLU: the group begins with the next parameter.
    assert sizes(model[2]) == sizes(model[3]) == [4, 2] and sizes([model[1], model[2]]) == [2, 2, 2]
    # Lists of modules are the groups.
    assert sizes([[model[0]], [model[1], model[4]]]) == sizes([model[1:]]) == [2, 4]
    refused(lambda: learn.split(nn.Linear(2, 2)), 'not part of the model')
    refused(lambda: learn.split([[model[0]], ['head']]), 'must be modules of the model', "got 'head'")
    refused(lambda: learn.split([]), 'split_on is empty', 'pass the model itself')
    assert sizes(model) == [6]
    last = Learner(loaders(), nn.Sequential(nn.Linear(6, 3), nn.ReLU()))
    refused(lambda: last.split(last.model[1]), 'no parameter follows')


@row('`split` at a module without parameters', 'differs')
def split_where_nothing_is_trained(_):
    learn = make_learner()
    assert [len(group) for group in learn.split([learn.model[2], learn.model[4]]).layer_groups] == [4, 2]


@row('`split` into lists that leave a part out', 'differs')
def split_that_leaves_a_part_out(_):
    learn = make_learner()
    model, before = learn.model, learn.layer_groups
    for lists in [[model[0]], [model[1]]], [[model[0]], [model[0]]]:
        with pytest.raises(ValueError, match='^split: the lists must hold .* exactly once.*complete') as e:
            learn.split(lists)
        assert 'learn.split' not in str(e.value)
    assert learn.layer_groups is before


@row('`learn.freeze()`, `freeze_to(n)`, `unfreeze()`', 'same')
def freezing(_):
    learn = make_learner()
    resets = []
    learn.model.reset = lambda: resets.append(1)
    learn.split([learn.model[1], learn.model[4]])
    learn.freeze()
    assert trained(learn) == ['1.weight', '1.bias', '4.weight', '4.bias']
    learn.freeze_to(1)
    assert len(trained(learn)) == 4
    learn.unfreeze()
    assert len(trained(learn)) == 6
    learn.train_bn = False
    learn.freeze()
    assert trained(learn) == ['4.weight', '4.bias']
    assert len(resets) == 4
    refused(lambda: make_learner().freeze(), 'one layer group')
    refused(lambda: learn.freeze_to('head'), 'freeze_to', "'head'")
    assert len(resets) == 4


@row('`learn.opt` after `freeze`', 'differs')
def no_optimizer_after_freeze(_):
    learn = make_learner()
    learn.split(learn.model[4])
    learn.fit(1)
    learn.freeze()
    assert learn.opt is None


@row('`learn.to_fp16()`', 'differs')
def to_fp16(_):
    learn = make_learner()
    assert learn.to_fp16(loss_scale=8.0, clip=0.1) is learn

    class Sees(Callback):
        shapes_training = True
        seen = []

        def __init__(self, order):
            self._order = order

        def on_loss_begin(self, last_output, **kwargs):
            self.seen.append(last_output.dtype)

    learn.callbacks = [Sees(-2000), Sees(2000)]
    learn.fit(1)
    # The loss and the metrics get outputs in 32 bits, as in v1.
    assert Sees.seen[:2] == [torch.float16, torch.float32] and learn.model[0].weight.dtype == torch.float32
    for option in ('max_noskip', 'dynamic', 'flat_master', 'max_scale', 'loss_fp32'):
        refused(lambda: learn.to_fp16(**{option: 1}), option)
    learn.to_fp16()
    # The second argument of v1 is another one.
    refused(lambda: learn.to_fp16(512.0, 1000), 'to_fp16: what follows loss_scale is passed by name: clip')
    assert len(learn.callback_fns) == 1


@row("v1's own `MixedPrecision`", 'not here')
def callbacks_that_replace_the_optimizer(_):
    class ReplacesIt(LearnerCallback):
        def on_train_begin(self, **kwargs):
            self.copies = [p.detach().clone().requires_grad_() for p in self.learn.model.parameters()]
            self.learn.opt.opt = torch.optim.SGD(self.copies, lr=0.1)

    learn = make_learner(callback_fns=ReplacesIt)
    learn.fit(1)
    refused(lambda: learn.fit(1), "the optimizer doesn't hold", 'learn.opt = None')
    assert learn.to_fp16().callback_fns[-1].func is fastlr.MixedPrecision


@row('`learn.to_fp32()`, `clip_grad()`', 'same')
def to_fp32_and_clip_grad(_):
    learn = make_learner().to_fp16()
    assert learn.to_fp32() is learn and not learn.callback_fns
    plain = make_learner(opt_func=sgd(), wd=0.0)
    plain.fit(1, 1.0)
    assert learn.clip_grad() is learn and learn.callback_fns[0].keywords == {'clip': 0.1}
    clipped = make_learner(opt_func=sgd(), wd=0.0).clip_grad(1e-4)
    before = [p.detach().clone() for p in clipped.model.parameters()]
    clipped.fit(1, 1.0)
    moved = sum((p - q).pow(2).sum() for p, q in zip(clipped.model.parameters(), before)).sqrt()
    assert moved <= 6 * 1.001e-4


@row('`learn.mixup()`', 'same')
def mixup(_):
    learn = make_learner()
    loss_func = learn.loss_func
    assert learn.mixup(alpha=0.4, stack_x=False, stack_y=True) is learn
    learn.fit(1)
    assert learn.loss_func is loss_func and isinstance(learn.mix_up_callback, MixUpCallback)
    before = state_of(learn)
    learn.lr_find(num_it=10)
    assert same(before, state_of(learn)) and learn.loss_func is loss_func
    assert learn.validate()[0] == pytest.approx(float(learn.recorder.val_losses[-1]))


@row('the target of a mixed batch', 'differs')
def mixed_targets(_):
    x, y = torch.eye(4), torch.arange(4)
    learn = make_learner()
    mixed = MixUpCallback(learn).on_batch_begin(x, y, True)
    target, other, share = mixed['last_target']
    assert torch.equal(target, y) and ((share >= 0.5) & (share <= 1)).all()
    expected = share[:, None] * torch.eye(4) + (1 - share[:, None]) * torch.eye(4)[other]
    assert torch.allclose(mixed['last_input'], expected)


@row('`GradientClipping(learn, clip=0.)`', 'differs')
def clipping_at_zero(_):
    refused(lambda: GradientClipping(make_learner(), 0.0), 'leave the callback out')


@row('`AccumulateScheduler`', 'not here')
def no_accumulate_scheduler(_):
    not_importable('AccumulateScheduler', 'use GradientAccumulation')
    learn = make_learner(callback_fns=partial(GradientAccumulation, n_step=2))
    learn.fit(1)


# Recorder.


@row('the table of epochs', 'same')
def table(at):
    learn = make_learner(metrics=accuracy, silent=False)
    learn.fit(1)
    head, line = at.capsys.readouterr().out.splitlines()
    assert head.split() == ['epoch', 'train_loss', 'valid_loss', 'accuracy', 'time']
    assert line.split()[0] == '0' and len(line.split()) == 5


@row('`recorder.losses`, `lrs`, `moms`, `nb_batches`', 'same')
def lists_of_the_recorder(_):
    learn = make_learner()
    learn.fit(2, 1e-3)
    rec = learn.recorder
    assert len(rec.losses) == len(rec.lrs) == len(rec.moms) == sum(rec.nb_batches) == 12
    assert torch.is_tensor(rec.losses) and rec.losses[-1].cpu().item() > 0 and isinstance(rec.lrs, list)


@row('`recorder.val_losses`, `metrics`, `names`, `metrics_names`', 'same')
def what_is_recorded_per_epoch(_):
    learn = make_learner(metrics=[accuracy, error_rate])
    learn.fit(2)
    rec = learn.recorder
    assert len(rec.val_losses) == len(rec.metrics) == 2 and len(rec.metrics[-1]) == 2
    assert rec.names[3:-1] == rec.metrics_names == ['accuracy', 'error_rate']


@row('`recorder.add_metric_names(names)`', 'same')
def added_columns(at):
    class Adds(LearnerCallback):
        _order = -20

        def on_train_begin(self, **kwargs):
            self.learn.recorder.add_metric_names(['used', 'peak', 'peak'])

        def on_epoch_end(self, last_metrics, **kwargs):
            return add_metrics(last_metrics, [1, 2, 3])

    learn = make_learner(metrics=accuracy, callback_fns=Adds, silent=False)
    for _ in range(2):
        learn.fit(1)
        head, line = at.capsys.readouterr().out.splitlines()
        assert head.split() == [
            'epoch',
            'train_loss',
            'valid_loss',
            'accuracy',
            'used',
            'peak',
            'peak_2',
            'time',
        ]
        assert line.split()[4:7] == ['1', '2', '3'] and learn.recorder.metrics[-1][1:] == [1, 2, 3]
    Adds.shapes_training = True
    learn.lr_find(num_it=5)
    learn.validate()
    learn.fit(1)
    assert learn.recorder.metrics_names == ['accuracy', 'used', 'peak', 'peak_2']


@row('`recorder.no_val = True`', 'same')
def no_validation_column(_):
    learn = make_learner(dls=(loaders()[0], None))
    learn.recorder.no_val = True
    learn.fit(1)
    assert learn.recorder.names == ['epoch', 'train_loss', 'time']


@row('a new recorder for each fit', 'differs')
def one_recorder(_):
    learn = make_learner()
    rec = learn.recorder
    learn.fit(1)
    lrs = rec.lrs
    learn.fit(1)
    assert learn.recorder is rec and rec.lrs is not lrs

    class Nested(LearnerCallback):
        def on_epoch_end(self, n_epochs, epoch, **kwargs):
            if n_epochs == 2 and epoch == 0:
                self.learn.fit(1)

    learn.fit(2, callbacks=Nested(learn))
    assert len(rec.lrs) == 12 and len(rec.val_losses) == 2


@row('`recorder.plot(skip_start, skip_end, suggestion)`', 'same')
def plot(at):
    learn = make_learner()
    learn.lr_find(stop_div=False)
    params = inspect.signature(fastlr.Recorder.plot).parameters
    names = ['skip_start', 'skip_end', 'suggestion', 'return_fig', 'show_grid']
    assert list(params)[1:6] == names and [params[n].default for n in names[:3]] == [10, 5, False]
    ax = learn.recorder.plot(suggestion=True)
    assert len(ax.get_lines()[0].get_xdata()) in (84, 85)
    assert 'Min numerical gradient' in at.capsys.readouterr().out
    assert learn.recorder.plot(return_fig=True, show_grid=True).axes
    learn.lr_find(num_it=12, stop_div=False)
    assert len(learn.recorder.plot().get_lines()[0].get_xdata()) >= 11


@row('`recorder.plot()` after `fit` alone', 'differs')
def plot_of_a_training(_):
    learn = make_learner()
    learn.fit(1)
    refused(learn.recorder.plot, 'no range test', 'learn.lr_find()')
    assert learn.recorder.plot_losses().lines


@row('`recorder.plot(k=3)`', 'differs')
def smoothing_of_the_plot(_):
    learn = make_learner()
    learn.lr_find()
    plain, smooth = (learn.recorder.plot(k=k).get_lines() for k in (0.3, 3))
    ys = [
        np.concatenate([line.get_ydata() for line in lines if len(line.get_ydata()) > 20])
        for lines in (plain, smooth)
    ]
    assert ys[0].shape != ys[1].shape or not np.allclose(*ys)


@row('`recorder.plot_lr()`, `plot_losses()`, `plot_metrics()`', 'same')
def plots(_):
    learn = make_learner(metrics=[accuracy, error_rate])
    learn.fit(3)
    rec = learn.recorder

    def xs(ax, line=0):
        return ax.get_lines()[line].get_xdata().tolist()

    assert xs(rec.plot_lr(skip_start=2, skip_end=1)) == list(range(2, 17))
    assert len(rec.plot_lr(True)) == 2 and len(rec.plot_lr(True, return_fig=True).axes) == 2
    ax = rec.plot_losses(7, 2, show_grid=True)
    assert xs(ax) == list(range(7, 16)) and xs(ax, 1) == [12]
    assert any(line.get_visible() for line in ax.get_xgridlines())
    assert rec.plot_losses(return_fig=True).axes
    axs = rec.plot_metrics(skip_start=7, skip_end=1, show_grid=True)
    assert [xs(ax) for ax in axs] == [[12], [12]] and [ax.get_ylabel() for ax in axs] == rec.metrics_names
    assert len(rec.plot_metrics(return_fig=True).axes) == 2
    refused(lambda: rec.plot_lr(skip_start=99), 'skip_start')


# Callbacks.


@row('the events and their order', 'same')
def events(_):
    assert [e for e in vars(Callback) if e.startswith('on_')] == list(EVENTS)
    names = 'train_begin epoch_begin batch_begin loss_begin backward_begin backward_end step_end batch_end'
    assert EVENTS == tuple(f'on_{e}' for e in [*names.split(), 'epoch_end', 'train_end'])


@row('the state that a callback gets and returns', 'same')
def state(_):
    names = """
    n_epochs epoch iteration num_batch train last_input last_target last_output last_loss smooth_loss
    last_metrics metrics metrics_names pbar stop_epoch stop_training skip_validate skip_bwd skip_step
    skip_zero exception"""
    assert set(names.split()) == set(STATE)

    class Stops(Callback):
        def on_batch_end(self, iteration, **kwargs):
            return {'stop_epoch': True, 'stop_training': True, 'skip_validate': True}

    learn = make_learner(callbacks=Stops())
    learn.fit(3)
    assert len(learn.recorder.lrs) == 1 and learn.recorder.val_losses == [None]


@row('`last_loss` in `on_batch_end`', 'differs')
def last_loss_in_on_batch_end(_):
    seen = []

    class Scales(Callback):
        def on_backward_begin(self, last_loss, **kwargs):
            seen.append([last_loss.item()])
            return {'last_loss': last_loss * 1000}

        def on_batch_end(self, last_loss, train, **kwargs):
            if train:
                seen[-1].append(last_loss.item())

    make_learner(callbacks=Scales()).fit(1)
    assert len(seen) == 6 and all(measured == at_end for measured, at_end in seen)


@row('`stop_training` returned by `on_train_begin`', 'differs')
def stop_training_at_the_beginning(_):
    class Stops(Callback):
        def on_train_begin(self, **kwargs):
            return {'stop_training': True}

    learn = make_learner(callbacks=Stops())
    learn.fit(3)
    assert len(learn.recorder.val_losses) == 1


@row('a method named like an event of v2, such as `after_batch`', 'differs')
def methods_named_like_events_of_v2(_):
    class Counts(Callback):
        def on_batch_end(self, **kwargs):
            self.after_batch()

        def after_batch(self):
            pass

    refused(lambda: make_learner(callbacks=Counts()), 'Counts.after_batch', 'on_batch_end')


@row('`_order`', 'same')
def order(_):
    assert fastlr.Recorder._order == -10 and Callback._order == LearnerCallback._order == 0
    seen = []

    class Early(Callback):
        _order = -20

        def on_epoch_end(self, **kwargs):
            seen.append(len(learn.recorder.val_losses))

    class Late(Early):
        _order = 0

    learn = make_learner(callbacks=[Late(), Early()])
    learn.fit(1)
    assert seen == [0, 1]


@row("a returned entry that the state doesn't have", 'same')
def unknown_entry(_):
    class Wrong(Callback):
        def on_batch_end(self, **kwargs):
            return {'stop_trainig': True}

    refused(lambda: make_learner(callbacks=Wrong()).fit(1), 'stop_trainig')


@row('`LearnerCallback`', 'same')
def learner_callback(_):
    class Notes(LearnerCallback):
        def __init__(self, learn, every=3):
            super().__init__(learn)
            self.exclude += ['file']
            self.not_min += ['seen']
            self.every, self.file, self.seen = every, io.StringIO(), []

    learn = make_learner()
    cb = Notes(learn)
    assert cb.learn is learn and learn.notes is cb and cb.cb_name == 'notes' and cb.model is learn.model
    assert cb.get_state() == {'every': 3} and cb.get_state(minimal=False) == {'every': 3, 'seen': []}


@row('a misspelled event', 'differs')
def misspelled_event(_):
    class Typo(Callback):
        def on_epoch_ends(self, **kwargs):
            pass

    refused(lambda: make_learner(callbacks=Typo()), 'on_epoch_ends', 'on_epoch_end')


@row('`AverageMetric`, `add_metrics`, `SmoothenValue`', 'same')
def small_parts(_):
    smooth = SmoothenValue(0.9)
    for value in (1.0, 2.0, 3.0):
        smooth.add_value(value)
    by_hand = (1 * 0.81 + 2 * 0.9 + 3) * 0.1 / (1 - 0.9**3)
    assert smooth.n == 3 and smooth.smooth == pytest.approx(by_hand)
    assert add_metrics([0.5], [1, 2]) == add_metrics(add_metrics([0.5], 1)['last_metrics'], 2)
    metric = AverageMetric(accuracy)
    metric.on_epoch_begin()
    metric.on_batch_end(last_output=torch.eye(2), last_target=torch.tensor([0, 0]))
    assert metric.name == 'accuracy' and metric.on_epoch_end([0.1])['last_metrics'] == [
        0.1,
        torch.tensor(0.5),
    ]


@row('`SmoothenValue.mov_avg`', 'not here')
def moving_average(_):
    smooth, mov_avg = SmoothenValue(0.9), 0
    for value in (1.0, 2.0, 3.0):
        smooth.add_value(value)
        mov_avg = 0.9 * mov_avg + 0.1 * value
    assert not hasattr(smooth, 'mov_avg') and smooth.smooth * (1 - 0.9**smooth.n) == pytest.approx(mov_avg)


@row('`exception` in `on_train_end`', 'differs')
def what_went_wrong(_):
    seen = []

    class Sees(Callback):
        raises = None

        def on_batch_end(self, **kwargs):
            if self.raises:
                raise self.raises

        def on_train_end(self, exception, **kwargs):
            seen.append(type(exception))

    sees = Sees()
    make_learner(callbacks=sees).fit(1)
    sees.raises = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        make_learner(callbacks=sees).fit(1)
    assert seen == [type(None), KeyboardInterrupt]


@row('`CallbackHandler.state_dict`', 'differs')
def state_of_the_handler(_):
    assert CallbackHandler().state.keys() == STATE.keys()


@row('`OptimWrapper`', 'differs')
def optim_wrapper(_):
    layers = nn.Linear(2, 2), nn.Linear(2, 1)
    opt = OptimWrapper.create(partial(torch.optim.Adam, betas=(0.9, 0.99)), [1e-4, 1e-2], layers, wd=0.1)
    assert (opt.lr, opt.mom, opt.wd, opt.beta) == (1e-2, 0.9, 0.1, 0.99) and opt.get_stat('lr') == 1e-2
    opt.set_stat('mom', 0.8)
    opt.set_stat('eps', 1e-6)
    other = opt.new([layers[1]])
    assert (other.lr, other.mom, other.wd, other.beta) == (1e-2, 0.8, 0.1, 0.99) and opt.get_stat(
        'eps'
    ) == 1e-6
    assert other.n_params == 2 and opt.n_params == 4 and type(other.opt) is torch.optim.Adam
    assert opt.new_with_params([[layers[0].weight]]).n_params == 1
    layers[1](layers[0](torch.ones(1, 2))).sum().backward()
    opt.step()
    again = OptimWrapper.load_with_state_and_layer_group(opt.get_state(), layers)
    assert same(again.state_dict(), opt.state_dict())
    assert len(opt.state) == 4 and opt.defaults
    opt.clear()
    assert not opt.state and opt.get_stats('lr') == [1e-4, 1e-2]
    refused(lambda: opt.no_such_thing, 'no_such_thing')


@row('`OptimWrapper(opt)`', 'differs')
def wrapping_leaves_the_weight_decay(_):
    opt = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1, weight_decay=0.3)
    assert (
        OptimWrapper(opt).wd == 0.3
        and OptimWrapper(opt, 0.2).wd == opt.param_groups[0]['weight_decay'] == 0.2
    )


@row('`true_wd`, `bn_wd`, `split_no_wd` of `OptimWrapper`', 'not here')
def weight_decay_of_the_wrapper(_):
    layer = nn.Linear(2, 2)
    opt = OptimWrapper.create(sgd(), 0.1, [layer], wd=0.1)
    for option in 'true_wd', 'bn_wd':
        refused(lambda: OptimWrapper.create(sgd(), 0.1, [layer], **{option: True}), option, 'weight decay')
        refused(lambda: OptimWrapper(opt.opt, **{option: True}), f"OptimWrapper has no option '{option}'")
    refused(lambda: OptimWrapper(opt.opt, 0.1, True, True), 'passed by name')
    refused(lambda: opt.new([layer], split_no_wd=True), "new has no option 'split_no_wd'", 'weight decay')


@row('`opt.beta = None`', 'same')
def no_beta(_):
    layer = nn.Linear(2, 2)
    for opt_func, beta in (sgd(), None), (torch.optim.Adam, 0.999):
        opt = OptimWrapper.create(opt_func, 0.1, [layer])
        opt.beta = None
        opt.set_stat('beta', None)
        assert opt.beta == beta


@row('`opt.mom = 0.9` for an optimizer without momentum', 'differs')
def no_momentum(_):
    learn = make_learner(opt_func=torch.optim.Adagrad)
    learn.create_opt(1e-2)
    refused(lambda: setattr(learn.opt, 'mom', 0.9), "no hyperparameter 'mom'")
    assert learn.opt.mom is None
    learn.fit_one_cycle(1, 1e-2)


@row('`opt.zero_grad()`', 'same')
def zeros(_):
    class Reads(Callback):
        seen = []

        def on_epoch_end(self, **kwargs):
            self.seen += [p.grad.div_(2).abs().max().item() for p in learn.model.parameters()]

    learn = make_learner(callbacks=Reads())
    learn.fit(1)
    assert Reads.seen == [0.0] * 6
    # Between trainings they take no memory.
    assert all(p.grad is None for p in learn.model.parameters())


@row('`annealing_cos`, `Scheduler`', 'same')
def annealings(_):
    assert annealing_no(1, 9, 0.5) == 1 and annealing_linear(1, 9, 0.5) == 5
    assert annealing_exp(1, 9, 0.5) == pytest.approx(3) and annealing_cos(1, 9, 0.5) == pytest.approx(5)
    assert annealing_poly(2)(1, 9, 0.5) == 7
    schedule = Scheduler((1, 9), 4)
    assert [schedule.step() for _ in range(4)] == [3, 5, 7, 9] and schedule.is_done
    schedule.restart()
    assert schedule.step() == 3


@row('a dataset that is a callback', 'not here')
def dataset_that_is_a_callback(_):
    class Data(Callback, TensorDataset):
        epochs = 0

        def on_epoch_begin(self, **kwargs):
            self.epochs += 1

    ds = Data(*problem()[:])
    learn = make_learner(dls=DataBunch.create(ds))
    learn.fit(1)
    assert ds.epochs == 0
    learn.fit(1, callbacks=[ds])
    assert ds.epochs == 1


@row('`SaveModelCallback`, `EarlyStoppingCallback`, `CSVLogger`, ...', 'not here')
def trackers(at):
    not_importable('SaveModelCallback EarlyStoppingCallback CSVLogger', "copy fastai v1's")
    not_importable('ShowGraph', 'plot_losses')

    class KeepsBest(LearnerCallback):
        def on_train_begin(self, **kwargs):
            self.best = float('inf')

        def on_epoch_end(self, epoch, **kwargs):
            values = {'valid_loss': self.learn.recorder.val_losses[-1]}
            values |= dict(zip(self.learn.recorder.names[3:-1], self.learn.recorder.metrics[-1]))
            assert set(values) == {'valid_loss', 'accuracy'}
            if values['valid_loss'] < self.best:
                self.best = values['valid_loss']
                self.learn.save('best')

        def on_train_end(self, **kwargs):
            if (self.path / self.model_dir / 'best.pth').is_file():
                self.learn.load('best', purge=False)

    learn = make_learner(metrics=accuracy, path=at.path, callback_fns=KeepsBest)
    learn.fit(3, 0.1)
    assert learn.validate()[0] == min(learn.recorder.val_losses)


@row('`one_cycle_scheduler(lr_max)`', 'not here')
def no_one_cycle_scheduler(_):
    not_importable('one_cycle_scheduler', 'OneCycleScheduler')
    learn = make_learner(callback_fns=partial(OneCycleScheduler, lr_max=1e-2))
    learn.fit(3)
    assert max(learn.recorder.lrs) == pytest.approx(1e-2, rel=0.05) and len(set(learn.recorder.lrs)) > 10


# Metrics and predictions.


@row('`accuracy`, `error_rate`', 'same')
def accuracy_flattens(_):
    out, y = torch.eye(3)[[0, 1, 2, 2]], torch.tensor([0, 1, 2, 0])
    for targets in (y, y[:, None]):
        assert accuracy(out, targets) == 0.75 and error_rate(out, targets) == 0.25
    # Words: (batch, time, classes).
    assert accuracy(out.view(2, 2, 3), y.view(2, 2)) == 0.75
    column = TensorDataset(problem()[:][0], problem()[:][1][:, None])
    dl = DataLoader(column, 16)

    def loss_func(o, y):
        return F.cross_entropy(o, y.squeeze(1))

    learn = Learner((dl, dl), net(), loss_func=loss_func, metrics=accuracy, silent=True)
    learn.fit_one_cycle(8, 3e-2)
    assert learn.recorder.metrics[-1][0] > 0.9


@row('`fbeta`, `AUROC`, `R2Score`, ...', 'not here')
def metrics_of_v1(_):
    not_importable('fbeta AUROC R2Score', "copy fastai v1's", 'torchmetrics')

    class Share(Callback):
        "A metric as v1 writes them: it gathers predictions, and computes at the end of the epoch."

        def on_epoch_begin(self, **kwargs):
            self.targs, self.preds = torch.LongTensor([]), torch.Tensor([])

        def on_batch_end(self, last_output, last_target, **kwargs):
            self.preds = torch.cat((self.preds, last_output.cpu()))
            self.targs = torch.cat((self.targs, last_target.cpu().long()))

        def on_epoch_end(self, last_metrics, **kwargs):
            return add_metrics(last_metrics, accuracy(self.preds, self.targs))

    learn = make_learner(metrics=[accuracy, Share()])
    learn.fit(1)
    assert learn.recorder.metrics_names == ['accuracy', 'share']
    assert learn.recorder.metrics[-1][0] == pytest.approx(float(learn.recorder.metrics[-1][1]))


def above(out, y, thresh):
    return (out > thresh).float().mean()


@row('the name of a metric', 'same')
def names_of_metrics(_):
    named = partial(above, thresh=0.9)
    named.__name__ = 'high'
    learn = make_learner(metrics=[partial(above, thresh=0.1), named])
    learn.fit(1)
    assert learn.recorder.metrics_names == ['above', 'high']


@row('two metrics of one name', 'differs')
def two_metrics_of_one_name(_):
    learn = make_learner(metrics=[partial(above, thresh=t) for t in (0.1, 0.5, 0.9)])
    learn.fit(1)
    assert learn.recorder.metrics_names == ['above', 'above_2', 'above_3']


@row('`learn.validate(dl, callbacks, metrics)`', 'same')
def validate(_):
    learn = make_learner(metrics=accuracy)
    assert list(inspect.signature(Learner.validate).parameters)[1:] == ['dl', 'callbacks', 'metrics']
    assert len(learn.validate()) == 2 and len(learn.validate(learn.data.train_dl, metrics=[])) == 1


@row('`learn.get_preds(ds_type, activ, with_loss, n_batch)`', 'same')
def get_preds(_):
    params = list(inspect.signature(Learner.get_preds).parameters)
    assert params[1:6] == ['ds_type', 'activ', 'with_loss', 'n_batch', 'pbar']
    learn = make_learner()
    logits, y = learn.get_preds(activ=lambda x: x)
    preds, y = learn.get_preds()
    assert torch.allclose(preds, logits.softmax(1)) and torch.equal(y, problem(48, 1)[:][1])
    assert len(learn.get_preds(DatasetType.Valid, n_batch=2)[0]) == 32
    assert len(learn.get_preds(ds_type=DatasetType.Fix)[0]) == 96
    preds, y, losses = learn.get_preds(with_loss=True)
    assert torch.allclose(losses, F.cross_entropy(logits, y, reduction='none'), atol=1e-6)
    learn.loss_func = F.cross_entropy
    assert torch.equal(learn.get_preds()[0], preds)
    learn.loss_func = nn.MSELoss()
    assert torch.equal(learn.get_preds()[0], logits)
    learn.loss_func = nn.BCEWithLogitsLoss()
    assert torch.allclose(learn.get_preds()[0], logits.sigmoid())
    learn.loss_func = nn.NLLLoss()
    assert torch.allclose(learn.get_preds()[0], logits.exp())


@row('callbacks in `validate` and `get_preds`, outside a fit', 'differs')
def callbacks_outside_a_fit(_):
    seen = []

    class Sees(Callback):
        def on_train_begin(self, **kwargs):
            seen.append('train begins')

        def on_epoch_begin(self, **kwargs):
            seen.append('epoch begins')

        def on_batch_begin(self, **kwargs):
            seen.append('batch')

        def on_epoch_end(self, **kwargs):
            seen.append('epoch ends')

        def on_train_end(self, **kwargs):
            seen.append('train ends')

    class Shapes(Sees):
        shapes_training = True

    class Watches(Sees):
        shapes_training = False

    def events(learn, **kw):
        passes = []
        for call in learn.validate, learn.get_preds:
            seen.clear()
            call(**kw)
            passes.append(list(dict.fromkeys(seen)))
        return passes

    some, all_of_them = (
        ['epoch begins', 'batch'],
        ['train begins', 'epoch begins', 'batch', 'epoch ends', 'train ends'],
    )
    assert events(make_learner(callbacks=Sees())) == [some, some]
    assert events(make_learner(callback_fns=lambda learn: Sees())) == [some, some]
    assert events(make_learner(callbacks=Watches())) == [[], []]
    without_epoch = [e for e in all_of_them if e != 'epoch ends']
    assert events(make_learner(callbacks=Shapes())) == [all_of_them, without_epoch]
    seen.clear()
    make_learner().validate(callbacks=Watches())
    assert list(dict.fromkeys(seen)) == all_of_them


@row('what `get_preds` returns', 'differs')
def get_preds_returns_a_tuple(_):
    assert type(make_learner().get_preds()) is tuple and len(make_learner().get_preds(with_loss=True)) == 3


@row('`get_preds(with_loss=True)`', 'differs')
def one_loss_a_row(_):
    x, y = torch.randn(10, 3, 4, 4), torch.randint(3, (10, 4, 4))
    dl = DataLoader(TensorDataset(x, y), 4)
    learn = Learner((dl, dl), nn.Identity(), loss_func=nn.CrossEntropyLoss(), silent=True)
    losses = learn.get_preds(with_loss=True)[2]
    assert torch.allclose(losses, F.cross_entropy(x, y, reduction='none').flatten(1).mean(1))
    # A function without `reduction` is called row by row; one that has it is left as it was.
    learn.loss_func = lambda out, y: F.cross_entropy(out, y)
    assert torch.allclose(learn.get_preds(with_loss=True)[2], losses)


@row('`get_preds` of a loader without targets', 'differs')
def loaders_without_targets(_):
    x = problem(48, 1)[:][0]
    learn = make_learner()
    for dl in (DataLoader(TensorDataset(x), 16), DataLoader(x, 16), [x, x]):
        preds, y = learn.get_preds(dl)
        assert y is None and torch.allclose(preds[:48], learn.get_preds()[0], atol=1e-6)
    learn = make_learner(dls=DataBunch.create(problem(), test_ds=TensorDataset(x)))
    assert len(learn.get_preds(DatasetType.Test)[0]) == 48
    refused(lambda: learn.get_preds(DatasetType.Test, with_loss=True), 'needs targets')


@row('softmax for outputs of more than two dimensions', 'differs')
def softmax_over_the_classes(_):
    x, y = torch.randn(4, 3, 5, 5), torch.randint(3, (4, 5, 5))
    dl = DataLoader(TensorDataset(x, y), 4)
    learn = Learner((dl, dl), nn.Identity(), loss_func=nn.CrossEntropyLoss(), silent=True)
    assert torch.allclose(learn.get_preds()[0].sum(1), torch.ones(4, 5, 5))
    learn.loss_func.axis = -1
    assert torch.allclose(learn.get_preds()[0].sum(-1), torch.ones(4, 3, 5))


@row('`ClassificationInterpretation`', 'not here')
def no_interpretation(_):
    not_importable('ClassificationInterpretation', 'learn.get_preds(with_loss=True)')
    preds, y, losses = make_learner().get_preds(with_loss=True)
    assert losses.topk(3).values.shape == (3,) and preds.argmax(1).shape == y.shape


# Saving, and the rest.


@row('`learn.save(file, return_path, with_opt)`', 'same')
def save(at):
    learn = make_learner(path=at.path)
    learn.fit(1)
    assert learn.save('a', return_path=True) == at.path / 'models' / 'a.pth'
    assert torch.load(at.path / 'models' / 'a.pth', weights_only=True).keys() == {'model', 'opt'}
    stream = io.BytesIO()
    learn.save(stream, with_opt=False)
    stream.seek(0)
    assert same(dict(torch.load(stream, weights_only=True)), dict(learn.model.state_dict()))
    learn.model_dir = at.path / 'models' / 'a.pth'
    with pytest.raises(OSError, match='learn.model_dir'):
        learn.save('b')


@row('`learn.load(file, device, strict, with_opt, purge, remove_module)`', 'same')
def load(at):
    learn = make_learner(path=at.path)
    learn.fit(1)
    weights = {k: v.clone() for k, v in learn.model.state_dict().items()}
    torch.save(weights, at.path / 'bare.pth')
    torch.save({f'module.{k}': v for k, v in weights.items()}, at.path / 'parallel.pth')
    stream = io.BytesIO()
    learn.save(stream)
    learn.model_dir = '.'
    for file, kw in ((stream, {}), ('bare', {}), ('parallel', dict(remove_module=True))):
        stream.seek(0)
        other = make_learner(7, path=at.path, model_dir='.')
        assert other.load(file, device='cpu', strict=True, purge=False, **kw) is other
        assert same(dict(other.model.state_dict()), weights) and (other.opt is None) == (file != stream)


@row("`load` of an optimizer that doesn't fit", 'differs')
def load_of_another_optimizer(at):
    learn = make_learner(path=at.path)
    learn.split(learn.model[4]).freeze()
    learn.fit(1)
    learn.save('a')
    # As in every lesson: frozen, saved, unfrozen, trained, and back again.
    learn.unfreeze()
    learn.fit(1)
    opt = learn.opt
    with pytest.warns(UserWarning, match='with_opt=False'):
        learn.load('a')
    saved = torch.load(at.path / 'models' / 'a.pth', weights_only=True)
    assert same(dict(learn.model.state_dict()), dict(saved['model'])) and learn.opt is opt
    refused(lambda: learn.load('a', with_opt=True), 'with_opt=False')
    fresh = make_learner(path=at.path, opt_func=torch.optim.SGD)
    with pytest.warns(UserWarning, match='of another kind'):
        fresh.load('a')
    assert fresh.opt is None
    learn.freeze()
    learn.load('a')
    assert learn.opt.state


@row('`load(with_opt=True)` of a file without an optimizer', 'differs')
def a_file_without_an_optimizer(at):
    learn = make_learner(path=at.path)
    learn.save('bare')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        learn.load('bare')
        learn.load('bare', with_opt=False)
    with pytest.warns(UserWarning, match='holds no optimizer') as seen:
        learn.load('bare', with_opt=True)
    assert seen[0].filename == __file__


@row('`learn.model = ...`, `learn.model.head = ...`', 'differs')
def another_model(_):
    learn = make_learner()
    learn.fit(1)
    learn.model = net()
    before = state_of(learn)
    for train in learn.fit, learn.fit_one_cycle, lambda n: learn.lr_find(num_it=10):
        refused(lambda train=train: train(1), 'no layer group holds 0.weight', 'new Learner', 'learn.split')
    assert same(before, state_of(learn))
    first = learn.split(learn.model[0]).model[0].weight.clone()
    learn.fit(1)
    assert not torch.equal(first, learn.model[0].weight)
    # A new head, which the optimizer doesn't hold, and then one in a layer group of its own.
    learn = make_learner()
    learn.fit(1)
    learn.model[4] = nn.Linear(16, 3)
    refused(lambda: learn.fit(1), "the optimizer doesn't hold 4.weight", 'learn.opt = None')
    refused(lambda: learn.lr_find(num_it=10), 'learn.opt = None')
    learn.opt = None
    first = learn.model[4].weight.clone()
    learn.fit(1)
    assert not torch.equal(first, learn.model[4].weight)
    learn.split(learn.model[4])
    learn.model[4] = nn.Linear(16, 3)
    refused(lambda: learn.fit(1), 'no layer group holds 4.weight', 'a part of it', 'learn.split')
    # A part that is added, or unfrozen by hand; one that is taken away needs no training.
    learn = make_learner()
    learn.model[0].requires_grad_(False)
    learn.fit(1)
    learn.model.append(nn.Linear(3, 3))
    refused(lambda: learn.fit(1), "doesn't hold 5.weight", 'learn.opt = None')
    del learn.model[5]
    learn.fit(1)
    learn.model[0].requires_grad_(True)
    refused(lambda: learn.fit(1), "doesn't hold 0.weight", 'unfrozen')
    learn.model[0] = nn.Identity()
    learn.lr_range(0.1)


@row('`learn.summary()`', 'same')
def summary(_):
    learn = make_learner()
    before = state_of(learn)
    text = learn.summary()
    assert same(before, state_of(learn)) and repr(text) == text
    total = sum(p.numel() for p in learn.model.parameters())
    assert f'Total params: {total:,}' in text and 'Optimized with AdamW' in text
    assert [line.split()[0] for line in text.splitlines()[4:9]] == [type(m).__name__ for m in learn.model]


@row('`load_learner`', 'not here')
def no_load_learner(_):
    not_importable('load_learner', 'learn.load')


def test_names_that_are_not_here_are_answered_and_not_there():
    learn = make_learner()
    for name, what in NOT_HERE.items():
        assert not hasattr(learn, name)
        refused(lambda: getattr(learn, name), name, what)
    refused(lambda: learn.no_such_thing, 'no_such_thing')
    for name, what in DATA_NOT_HERE.items():
        assert not hasattr(learn.data, name)
        refused(lambda: getattr(learn.data, name), "'DataBunch' object", name, what)
    # Callbacks look up in the learner what they lack.
    refused(
        lambda: learn.recorder.plot_loss(), "'Recorder' object has no attribute 'plot_loss'", 'plot_losses'
    )

    class Notes(LearnerCallback):
        pass

    refused(lambda: Notes(learn).fine_tune, "'Notes' object has no attribute 'fine_tune'", 'call split')


def test_other_names_are_refused_as_ever():
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec('from fastlr import nonsense')


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        learn = make_learner(metrics=accuracy)
        learn.fit_one_cycle(1, 1e-2)
        learn.get_preds(with_loss=True)
        learn.fit(1, callbacks=[OneCycleScheduler(learn, 1e-2)])
