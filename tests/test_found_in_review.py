"What readers with fresh eyes broke: one test each."

import copy, pickle, random
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler

from conftest import loaders, make_learner, net, problem, same, state_of
from fastlr import (
    Callback,
    GradientAccumulation,
    GradientClipping,
    Learner,
    LearnerCallback,
    LRCurve,
    LRSweep,
    MixedPrecision,
    Scheduler,
    Snapshot,
    accuracy,
    annealing_cos,
)


class Interrupts(Callback):
    shapes_training = True

    def on_backward_end(self, **kwargs):
        raise KeyboardInterrupt


# sweeps without a point


def test_first_loss_is_nan():
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


# what is recorded, and what nested calls leave


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


@pytest.mark.parametrize(
    'do',
    [
        lambda learn: learn.validate(),
        lambda learn: learn.get_preds(),
        lambda learn: learn.lr_find(num_it=5, stop_div=False, silent=True),
    ],
)
@pytest.mark.parametrize('fns', [(), (MixedPrecision,), (partial(MixedPrecision, precision='fp16'),)])
def test_called_inside_a_fit_they_leave_it_alone(do, fns):
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


# errors


def test_the_first_error_is_told_not_the_one_from_cleaning_up():
    class Full(Callback):
        _order = -1

        def on_train_begin(self, **kwargs):
            raise RuntimeError('the real cause')

    class Logger(Callback):
        def on_train_begin(self, **kwargs):
            self.file = open('/dev/null')

        def on_train_end(self, **kwargs):
            self.file.close()

    with pytest.raises(RuntimeError, match='the real cause') as e:
        make_learner().fit(1, callbacks=[Full(), Logger()])
    assert "no attribute 'file'" in ' '.join(getattr(e.value, '__notes__', [str(e.value)]))


def per_row(o, y):
    return (o.argmax(1) == y).float()


def two(o, y):
    return (1.0, 2.0)


@pytest.mark.parametrize('metric', [per_row, two])
def test_metric_that_returns_no_number_is_named(metric):
    with pytest.raises(ValueError, match=metric.__name__):
        make_learner(metrics=metric).fit(1)


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


def test_v1_callbacks_that_shape_the_step_take_part_in_lr_find_and_say_so_by_their_events():
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


def test_accumulating_twice_is_refused():
    learn = make_learner(callback_fns=partial(GradientAccumulation, n_step=4))
    with pytest.raises(ValueError, match='accumulate=2 and another callback'):
        learn.lr_find(accumulate=2)


def test_a_generator_cannot_be_trained_on_twice():
    x, y = problem()[:]
    with pytest.raises(ValueError, match='no batch in epoch 1'):
        make_learner(dls=(iter([(x, y)] * 3), None)).fit(3)
    with pytest.raises(ValueError, match='val_batches=1'):
        make_learner(dls=(loaders()[0], iter([(x, y)]))).lr_find(val_batches=1)


def test_a_callback_may_not_replace_what_the_learner_needs():
    class Metrics(LearnerCallback):
        pass

    with pytest.raises(ValueError, match='learn.metrics'):
        Metrics(make_learner())


BAD = [
    (lambda: Learner(loaders(), net(), loss_func=nn.CrossEntropyLoss), 'loss_func'),
    (lambda: Learner(loaders(), net(), opt_func='adam'), 'opt_func'),
    (lambda: make_learner(wd=-1.0), 'wd'),
    (lambda: make_learner().fit(1, wd='x'), 'wd'),
    (lambda: make_learner(layer_groups=[nn.Linear(2, 2)]), 'layer_groups'),
    (lambda: Learner((problem(), None), net()), 'DataLoader'),
    (lambda: make_learner().fit(1, None), 'lr must'),
    (lambda: make_learner().fit(1, []), 'lr must'),
    (lambda: make_learner().fit(1, slice(1e-3, None)), 'lr must'),
    (lambda: make_learner().split('body'), 'split_on'),
    (lambda: make_learner().freeze_to(9), 'freeze_to'),
    (lambda: make_learner().get_preds([]), 'no batch'),
    (lambda: make_learner().fit_one_cycle(1, final_div=-5), 'final_div'),
    (lambda: make_learner().fit_one_cycle(1, start_epoch=5), 'start_epoch'),
    (lambda: make_learner().save(None), 'file'),
    (lambda: LRSweep(net(), torch.optim.SGD(net().parameters(), lr=1)), 'opt must be'),
    (lambda: LRSweep(torch.optim.SGD(net().parameters(), lr=1), net()).record(1.0), 'not running'),
    (lambda: LRCurve.median([]), 'at least one'),
]


@pytest.mark.parametrize('do, words', BAD, ids=range(len(BAD)))
def test_more_bad_input_is_named(do, words):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=words):
        do()


@pytest.mark.parametrize('lr', [np.float32(1e-3), torch.tensor(1e-3), np.array([1e-3]), [np.float64(1e-3)]])
def test_rates_may_be_numbers_of_any_kind(lr):
    learn = make_learner()
    learn.fit(1, lr)
    assert learn.opt.lr == pytest.approx(1e-3) and type(learn.opt.param_groups[0]['lr']) is float
    learn.fit(1, make_learner().lr_find(num_it=60).suggest())


# the snapshot in odd places


class OwnDraws(Sampler):
    "A sampler that draws from NumPy's and Python's own generators, and counts."

    def __init__(self, n):
        self.n, self.rng, self.py, self.epoch = n, np.random.default_rng(0), random.Random(0), 0

    def __iter__(self):
        self.epoch += 1
        self.py.random()
        return iter(self.rng.permutation(self.n).tolist())

    def __len__(self):
        return self.n


class OwnLoader:
    "No DataLoader at all."

    def __init__(self):
        self.g = torch.Generator().manual_seed(1)

    def __iter__(self):
        x, y = problem()[:]
        for i in torch.randperm(96, generator=self.g).split(16):
            yield x[i], y[i]


@pytest.mark.parametrize(
    'make',
    [
        lambda: DataLoader(problem(), 16, sampler=OwnDraws(96)),
        OwnLoader,
        lambda: DataLoader(
            problem(),
            batch_sampler=BatchSampler(
                RandomSampler(problem(), generator=torch.Generator().manual_seed(2)), 16, True
            ),
        ),
        lambda: DataLoader(problem(), 16, shuffle=True, num_workers=1, persistent_workers=True),
    ],
    ids=['own-draws', 'own-loader', 'batch-sampler', 'persistent-workers'],
)
@pytest.mark.parametrize('trained', [False, True])
def test_every_loader_goes_on_as_if_nothing_had_been(make, trained):
    def run(find):
        learn = make_learner(dls=(make(), None))
        if trained:
            learn.fit(1, 1e-2)
        if find:
            learn.lr_find(num_it=15, stop_div=False)
        learn.fit(2, 1e-2)
        return state_of(learn)

    assert same(run(False), run(True))


def test_the_data_itself_is_not_copied():
    data = [torch.zeros(10) for _ in range(50)]
    readonly = np.arange(10.0)
    readonly.setflags(write=False)

    class Holds(Sampler):
        def __init__(self):
            self.rows, self.readonly = data, readonly

        def __iter__(self):
            return iter(range(50))

        def __len__(self):
            return 50

    snap = Snapshot(loaders=DataLoader(data, 5, sampler=Holds()))
    data[0] += 1
    snap.restore()
    assert data[0][0] == 1  # not part of the state


def test_sparse_expanded_and_lazy():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(10, 4, sparse=True)
            self.register_buffer('adj', torch.eye(4).to_sparse())
            self.register_buffer('wide', torch.ones(1).expand(4, 4))

        def forward(self, i):
            return self.emb(i) @ self.adj + self.wide[0]

    model = Odd()
    model(torch.tensor([1, 2])).sum().backward()
    grad, before = model.emb.weight.grad.to_dense().clone(), model.emb.weight.clone()
    snap = Snapshot(model, torch.optim.SGD(model.parameters(), lr=1.0))
    model(torch.tensor([3])).sum().backward()
    with torch.no_grad():
        model.emb.weight.add_(1)
        model.adj.mul_(2)
    snap.restore()
    assert (
        torch.equal(model.emb.weight, before)
        and torch.equal(model.adj.to_dense(), torch.eye(4))
        and torch.equal(model.emb.weight.grad.to_dense(), grad)
    )
    with pytest.raises(ValueError, match='lazy module'):
        Snapshot(nn.LazyLinear(3))


def test_a_group_at_rate_zero_stays_there_and_a_failed_start_restores():
    learn = make_learner().split(lambda m: m[4])
    learn.fit(1, [0.0, 1e-2])
    c = learn.lr_find(num_it=10, stop_div=False)
    assert (c.group_lrs[:, 0] == 0).all() and c.lrs[-1] == 10.0
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    rng = torch.get_rng_state()
    with pytest.raises(ValueError):
        with LRSweep(opt, model, start_lr=[1e-7, 1e-7], end_lr=[1.0, 1.0], seed=3):
            pass
    assert torch.equal(rng, torch.get_rng_state())


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
    c = learn.lr_find(1e-6, 1e-3, num_it=12, stop_div=False)
    assert len(c) == 12 == steps[-1] and steps[0] == 0 and c.lrs[0] == 1e-6


def test_schedulers_that_the_loop_steps_are_put_back():
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    sched = torch.optim.lr_scheduler.StepLR(opt, 3)
    before = sched.state_dict()
    with LRSweep(opt, model, num_it=10, schedulers=sched, stop_div=False) as sweep:
        for xb, yb in sweep(loaders()[0]):
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            sweep.record(loss)
            sched.step()
    assert sched.state_dict() == before and opt.param_groups[0]['lr'] == 0.1


class Remembers(nn.Module):
    "Keeps plain Python state, as people's modules do."

    def __init__(self):
        super().__init__()
        self.net, self.calls, self.seen, self.last, self.kinds = net(), 0, [], None, set()

    def forward(self, x):
        self.calls += 1
        self.last = x
        self.seen.append(float(x.mean()))
        self.kinds.add(len(x) + self.calls)
        return self.net(x)


def parametrized():
    model = net()
    nn.utils.parametrizations.weight_norm(model[0])
    nn.utils.parametrizations.spectral_norm(model[4])
    return model


@pytest.mark.parametrize(
    'make',
    [Remembers, parametrized, lambda: torch.compile(net(), backend='eager'), lambda: torch.jit.script(net())],
    ids=['plain-attributes', 'parametrized', 'compiled', 'scripted'],
)
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_models_of_many_kinds_are_put_back(make):
    torch.manual_seed(0)
    learn = Learner(loaders(), make(), loss_func=nn.CrossEntropyLoss(), silent=True)
    learn.fit(1, 1e-2)
    attrs = lambda: {
        k: copy.copy(v) for k, v in vars(learn.model).items() if k in ('calls', 'seen', 'kinds', 'last')
    }
    before, plain = state_of(learn), attrs()
    learn.lr_find(num_it=12)
    assert same(before, state_of(learn)) and same(plain, attrs())


# files, copies, small things


def test_a_load_that_does_not_fit_changes_nothing(tmp_path):
    learn = make_learner(path=tmp_path)
    learn.fit(1)
    learn.save('whole.pth')
    assert (tmp_path / 'models' / 'whole.pth').is_file()
    other = make_learner(5, path=tmp_path).split(lambda m: m[4])
    other.fit(1)
    before = state_of(other)
    with pytest.raises(ValueError, match='with_opt=False'):
        other.load('whole')
    assert same(before, state_of(other))
    other.load('whole', with_opt=False)
    assert same(dict(other.model.state_dict()), dict(learn.model.state_dict()))
    sgd = make_learner(path=tmp_path, opt_func=torch.optim.SGD)
    with pytest.raises(ValueError, match='another kind'):
        sgd.load('whole')
    torch.save({'x': torch.zeros(1)}, tmp_path / 'models' / 'bare.pth')
    with pytest.raises(ValueError, match='bare state dict'):
        learn.load('bare')


def test_files_are_readable_by_others(tmp_path):
    import os

    old = os.umask(0o022)
    try:
        assert (
            LRCurve([1e-3, 1e-2], [1, 2], settings=dict(n=np.int64(3), lr=np.float32(0.5)))
            .save(tmp_path / 'c.json')
            .stat()
            .st_mode
            & 0o777
        ) == 0o644
    finally:
        os.umask(old)


def test_learners_can_be_copied_and_pickled():
    learn = make_learner()
    learn.fit(1)
    twin = copy.deepcopy(learn)
    assert twin.recorder.learn is twin
    twin.fit(1, 1e-2)
    assert len(twin.recorder.losses) == 6 and not same(
        dict(twin.model.state_dict()), dict(learn.model.state_dict())
    )
    learn.data = None
    assert pickle.loads(pickle.dumps(learn)).recorder.names == learn.recorder.names


def test_weight_decay_that_opt_func_sets_is_left_alone_on_request():
    own = lambda params, lr: torch.optim.AdamW(params, lr=lr, weight_decay=0.3)
    learn = make_learner(opt_func=own, wd=None)
    learn.fit(1)
    assert learn.opt.wd == 0.3
    learn = make_learner(opt_func=partial(torch.optim.AdamW, weight_decay=0.2))
    learn.fit(1)
    assert learn.opt.wd == 0.2


def test_median_ends_where_most_runs_have():
    grid = 10 ** np.linspace(-4, 1, 6)
    m = LRCurve.median(
        [
            LRCurve(grid[:4], [2, 1.5, 1.2, 9], stop_reason='diverged'),
            LRCurve(grid, [2, 1.5, 1.2, 1.1, 1.05, 1]),
        ]
    )
    assert m.losses.tolist() == pytest.approx([2, 1.5, 1.2, 5.05]) and m.stop_reason == 'diverged'


def test_plots_take_arrays_of_axes_and_keep_epochs_apart():
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


def test_scheduler_of_one_value_with_a_curve_anneals_to_zero_as_in_v1():
    s = Scheduler(1e-2, 4, annealing_cos)
    assert [round(s.step(), 6) for _ in range(4)] == [0.008536, 0.005, 0.001464, 0.0]


# the second look


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


def test_validate_tells_shaping_callbacks_that_it_begins_and_preds_have_a_loss():
    class Aug(Callback):
        def on_train_begin(self, **kwargs):
            self.g = torch.Generator().manual_seed(0)

        def on_batch_begin(self, last_input, **kwargs):
            torch.rand(1, generator=self.g)

        def on_batch_end(self, last_loss, **kwargs):
            float(last_loss)

    learn = make_learner(callback_fns=lambda learn: Aug())
    learn.validate()
    loss = learn.get_preds(with_loss=True)[2]
    assert loss == pytest.approx(float(learn.validate()[0]))


def test_load_that_does_not_fit_the_model_leaves_the_optimizer(tmp_path):
    def mlp(n):
        return nn.Sequential(nn.Linear(6, n), nn.ReLU(), nn.Linear(n, 3))

    a, b = (
        Learner(loaders(), mlp(n), loss_func=nn.CrossEntropyLoss(), path=tmp_path, silent=True)
        for n in (8, 16)
    )
    a.fit(1)
    a.save('a')
    b.fit(1)
    before = state_of(b)
    with pytest.raises(RuntimeError, match='size mismatch'):
        b.load('a')
    assert same(before, state_of(b))
    b.fit(1)
    lazy = Learner(
        loaders(),
        nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)),
        loss_func=nn.CrossEntropyLoss(),
        path=tmp_path,
        silent=True,
    )
    assert same(dict(lazy.load('a', with_opt=False).model.state_dict()), dict(a.model.state_dict()))


def test_state_inside_nested_objects_of_torch():
    from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR

    class Teacher(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.hidden = net(), [nn.BatchNorm1d(6)]

        def forward(self, x):
            return self.net(self.hidden[0](x))

    model = Teacher()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    inner = [LinearLR(opt), ExponentialLR(opt, 0.9)]
    sched = SequentialLR(opt, inner, [5])
    before = [s.last_epoch for s in inner]
    with LRSweep(opt, model, num_it=12, schedulers=sched, stop_div=False) as sweep:
        for xb, yb in sweep(loaders()[0]):
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            sweep.record(loss)
            sched.step()
    assert [s.last_epoch for s in inner] == before and model.hidden[0].num_batches_tracked == 0


class OwnRng(torch.utils.data.Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 96

    def __getitem__(self, i):
        x, y = problem()[i]
        return x + float(self.rng.normal()), y


class OwnOrder(Sampler):
    def __init__(self):
        self.order = list(range(96))

    def __iter__(self):
        random.shuffle(self.order)
        return iter(self.order)

    def __len__(self):
        return 96


@pytest.mark.parametrize(
    'make, kw',
    [
        (lambda: (DataLoader(OwnRng(), 16), None), {}),
        (lambda: (DataLoader(problem(), 16, sampler=OwnOrder()), None), {}),
        (
            lambda: (DataLoader(problem(), 16, shuffle=True, num_workers=1, persistent_workers=True),) * 2,
            dict(val_batches=1),
        ),
    ],
    ids=['dataset-rng', 'sampler-order', 'one-loader-twice'],
)
def test_more_loaders_go_on_as_if_nothing_had_been(make, kw):
    def run(find):
        learn = make_learner(dls=make())
        learn.fit(1, 1e-2)
        if find:
            learn.lr_find(num_it=12, stop_div=False, **kw)
        learn.fit(1, 1e-2)
        return state_of(learn)

    assert same(run(False), run(True))


def test_nested_validation_leaves_no_autocast_behind():
    class Peek(LearnerCallback):
        def on_loss_begin(self, train, **kwargs):
            if train:
                self.learn.validate()

    learn = make_learner()
    learn.callbacks = [MixedPrecision(learn), Peek(learn)]
    learn.fit(1)
    assert not torch.is_autocast_enabled('cpu')


def test_interrupt_while_the_training_ends_still_restores():
    class Late(Callback):
        _order, shapes_training = -150, True

        def on_train_end(self, **kwargs):
            raise KeyboardInterrupt

    learn = make_learner(callbacks=[Late()])
    before = state_of(learn)
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(num_it=10)
    assert same(before, state_of(learn))


def test_a_callback_that_sets_the_rate_in_a_range_test_is_told_so():
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


def test_preds_of_named_tuples_and_rates_of_unequal_length():
    from collections import namedtuple

    Out = namedtuple('Out', 'a b')

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(6, 3)

        def forward(self, x):
            return Out(self.l(x), x)

    preds, _ = Learner(loaders(), Two(), loss_func=nn.CrossEntropyLoss(), silent=True).get_preds()
    assert preds.a.shape == (48, 3) and preds.b.shape == (48, 6)
    with pytest.raises(ValueError, match='got 3 and 2'):
        make_learner().lr_find([1e-7] * 3, [1.0, 1.0])
