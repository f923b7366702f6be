"""The range test for plain PyTorch: find_lr against loops by hand and the other entry points; and what it
shares with RangeTest."""

import copy, random, re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest, torch
from hypothesis import given, strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

import fastlr.utils
from conftest import examples, loaders, make_learner, net, noting, problem, same, state_of
from fastlr import Learner, LRSweep, cli, find_lr
from fastlr.compat.torch_lr_finder import RangeTest
from fastlr.advice import EntryPoint
from fastlr.fingerprint import Fingerprint
from fastlr.range_test import PlainTraining
from fastlr.settle import settle_statistics
from fastlr.settings import SweepSettings
from faults import fails_for, learner_of
from trainings import LOADERS, MODELS, OPTS, WORKERS, Rows, Training, trip

QUIET = dict(progress=False)


def parts(seed=0, opt=torch.optim.Adam, lr=1e-3, make=net):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    model = make()
    return model, opt(model.parameters(), lr=lr), nn.CrossEntropyLoss()


def plain():
    "Return a net that neither draws random numbers nor keeps statistics."
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


# One curve from four entry points.


def by_learner(k, val):
    "Sweep with a learner, which makes its own optimizer."
    model, _, loss = parts()
    learn = Learner(loaders(), model, partial(torch.optim.Adam, weight_decay=0.0), loss, silent=True)
    val_batches = 3 if val else 0
    return learn.lr_find(num_it=40, stop_div=False, accumulate=k, batches=None, val_batches=val_batches)


def by_range_test(k, val):
    train, valid = loaders()
    test = RangeTest(*parts())
    test.range_test(
        train,
        valid if val else None,
        start_lr=1e-7,
        num_iter=40,
        diverge_th=float('inf'),
        accumulation_steps=k,
        progress=False,
    )
    return test.curve


def by_find_lr(k, val):
    train, valid = loaders()
    return find_lr(
        *parts(),
        train,
        num_it=40,
        stop_div=False,
        accumulate=k,
        batches=None,
        val_loader=valid if val else None,
        progress=False,
    )


def by_sweep(k, val):
    (model, opt, criterion), (train, valid) = parts(), loaders()

    def valid_loss():
        model.eval()
        with torch.no_grad():
            loss = sum(criterion(model(x), y) * len(x) for x, y in valid) / 48
        model.train()
        return loss

    kw = dict(num_it=40, stop_div=False, accumulate=k, batches=None, shift=0 if val else 1)
    with LRSweep(opt, model, **kw) as sweep:
        if val:
            sweep.use_loader(valid, training=False)
            settle_statistics(sweep, [model], lambda batch: model(batch[0]), train)
        for i, (x, y) in enumerate(sweep(train), 1):
            loss = criterion(model(x), y)
            (loss / k).backward()
            if i % k == 0:
                opt.step()
                opt.zero_grad()
            if not val:
                sweep.record(loss)
            else:
                sweep.record(valid_loss() if i % k == 0 else None, update=i % k == 0)
    return sweep.curve


@pytest.mark.parametrize('val', [False, True], ids=['training loss', 'validation loss'])
@pytest.mark.parametrize('k', [1, 3])
def test_one_curve_through_four_entry_points(k, val):
    "Bit for bit, and the same suggestion."
    curves = [find(k, val) for find in (by_learner, by_range_test, by_find_lr, by_sweep)]
    for c in curves[1:]:
        assert (
            len(c) == 40
            and np.array_equal(c.lrs, curves[0].lrs)
            and np.array_equal(c.losses, curves[0].losses)
            and c.shift == curves[0].shift == (0 if val else 1)
        )
        # Only a loop of one's own doesn't probe by itself.
        plain, other = (replace(each, probes=()).suggest().lr for each in (c, curves[0]))
        assert plain == other and c.stop_reason == 'end'


def refused_by_learner(probe):
    learn = make_learner()
    learn.fit(1, 1e-3)
    before = state_of(learn)
    try:
        learn.lr_find(probe=probe)
    finally:
        assert same(before, state_of(learn)) and learn.recorder.curve is None


def refused_by_tune(probe):
    make_learner().tune(probe=probe)


def refused_by_find_lr(probe):
    t = Training()
    find_lr(t.model, t.opt, cross_entropy, t.loader, probe=probe, **QUIET)


def refused_by_settings(probe):
    SweepSettings(probe=probe)


@pytest.mark.parametrize('probe', ['always', '', 1, 0, None, [True], np.ones(2)], ids=repr)
@pytest.mark.parametrize(
    'call', [refused_by_learner, refused_by_tune, refused_by_find_lr, refused_by_settings]
)
def test_other_values_of_probe_are_refused(call, probe):
    "1 was taken for True, and did nothing where the curve could tell; an array was an error of NumPy's."
    with pytest.raises(
        ValueError, match=f"probe must be True, False or 'auto', got {re.escape(repr(probe))}"
    ):
        call(probe)


def test_the_command_refuses_other_values_of_probe_in_its_own_words(capsys):
    with pytest.raises(ValueError, match="--probe must be True, False or 'auto', got 'sometimes'"):
        cli.sweep_settings(cli.CLI, probe='sometimes')
    with pytest.raises(SystemExit):
        cli.parser().parse_args(['find-lr', 'digits', '--probe', 'sometimes'])
    assert "argument --probe: must be auto, always or never, got 'sometimes'" in capsys.readouterr().err


# Everything is restored.

VALID = [problem(48, 1)[:24], problem(48, 1)[24:]]
CALLS = dict(
    find=lambda t, **kw: find_lr(
        t.model,
        t.opt,
        None if t.closure else cross_entropy,
        t.loader,
        step=(lambda batch: cross_entropy(t.model(batch[0]), batch[1])) if t.closure else None,
        num_it=8,
        stop_div=False,
        **QUIET,
        **kw,
    ),
    probes=lambda t: find_lr(t.model, t.opt, cross_entropy, t.loader, num_it=40, probe=True, **QUIET),
    runs=lambda t: find_lr(
        t.model, t.opt, cross_entropy, t.loader, num_it=8, runs=3, accumulate=2, val_loader=VALID, **QUIET
    ),
    file=lambda t: find_lr(
        t.model, t.opt, cross_entropy, t.loader, num_it=8, where='/tmp', verify=True, **QUIET
    ),
)


def continues(call, fault=None, **kinds):
    "Return whether training goes on bit for bit after `call` as without it."

    def run(detour):
        t = Training(**kinds).train(3)
        if detour and fault:
            trip.arm(*fault)
        try:
            if detour:
                call(t)
        except (ZeroDivisionError, KeyboardInterrupt):
            assert fault and trip.place is None
        trip.disarm()
        return t.train(8).state()

    return same(run(False), run(True))


@pytest.mark.parametrize('name', CALLS)
def test_training_goes_on_as_if_it_had_never_run(name):
    loader = 'augmented'
    assert continues(CALLS[name], loader=loader)


@examples(25)
@given(
    model=st.sampled_from(list(MODELS)),
    opt=st.sampled_from(list(OPTS)),
    loader=st.sampled_from(list(LOADERS)),
    fault=st.sampled_from([None, ('dataset', 20, ZeroDivisionError()), ('loader', 3, KeyboardInterrupt())]),
)
def test_models_optimizers_and_loaders_of_many_kinds(model, opt, loader, fault):
    def find(t):
        def step(batch):
            trip('loader')
            return cross_entropy(t.model(batch[0]), batch[1])

        return find_lr(t.model, t.opt, None, t.loader, step=step, num_it=8, stop_div=False, **QUIET)

    if fault and fault[0] == 'dataset' and loader in ('stateful', 'file', 'batches'):
        # These loaders don't ask the dataset.
        fault = None
    assert continues(
        find, fault and (fault[0], fault[1], type(fault[2])()), model=model, opt=opt, loader=loader
    )


@pytest.mark.parametrize('loader', WORKERS)
def test_with_workers(loader):
    assert continues(CALLS['find'], loader=loader)


# Devices.


class Spread(nn.Module):
    """A model with layers on several devices.

    `meta` has no numbers, so the part there can't contribute to the loss, but moving it would be noticed."""

    def __init__(self):
        super().__init__()
        self.here, self.there = net(), nn.Linear(6, 3, device='meta')

    def forward(self, x):
        self.there(x.to('meta'))
        return self.here(x)


def test_a_model_on_several_devices_stays_where_it_is():
    model, _, criterion = parts(make=Spread)
    opt = torch.optim.SGD(model.here.parameters(), lr=0.1)
    places = [(p, p.device) for p in model.parameters()]
    curve = find_lr(model, opt, criterion, loaders()[0], num_it=10, **QUIET)
    RangeTest(model, opt, criterion).range_test(loaders()[0], start_lr=1e-5, num_iter=10, **QUIET)
    assert len(curve) == 10 and all(
        a is b and a.device == device for (a, device), b in zip(places, model.parameters())
    )


def test_a_device_that_makes_new_parameters_is_refused_and_everything_is_restored():
    t = Training(opt='adamw').train(2)
    first = t.state()
    ids = [id(p) for p in t.model.parameters()]
    with pytest.raises(ValueError, match="device='meta'"):
        find_lr(t.model, t.opt, cross_entropy, t.loader, device='meta', **QUIET)
    assert same(first, t.state()) and ids == [id(p) for p in t.model.parameters()]


def test_batches_go_to_the_device_in_every_container():
    seen = []

    def step(batch):
        seen.append([batch['a'][0].device.type, batch['b'].x.device.type, batch['c']])
        return model(torch.ones(2, 6)).sum()

    class Own:
        def __init__(self, x):
            self.x = x

        def to(self, device):
            return Own(self.x.to(device))

    model, opt, _ = parts()
    find_lr(
        model,
        opt,
        None,
        [{'a': (torch.ones(1), 'text'), 'b': Own(torch.ones(1)), 'c': 'text'}],
        step=step,
        num_it=3,
        **QUIET,
    )
    from fastlr.batch import to_device

    assert (
        seen == [['cpu', 'cpu', 'text']] * 3 and to_device(Own(torch.ones(1)), 'meta').x.device.type == 'meta'
    )


def test_losses_are_fetched_ten_at_a_time_off_the_cpu(monkeypatch):
    "Reading them one by one changes only how often the device is waited for."
    fetched, tolist = [], torch.Tensor.tolist

    def run(every):
        fetched.clear()
        monkeypatch.setattr(fastlr.utils, 'read_every', lambda loss: every)
        monkeypatch.setattr(torch.Tensor, 'tolist', noting(tolist, fetched.append))
        return find_lr(*parts(), [b for b in loaders()[0]], num_it=100, **QUIET), len(fetched)

    (one, a), (ten, b) = run(1), run(10)
    assert (
        np.array_equal(one.losses, ten.losses)
        and one.stop_reason == ten.stop_reason
        and a - b == len(one) - -(-len(one) // 10) == 90
    )


# Loops of many kinds.


def test_a_compiled_model():
    model, opt, criterion = parts()
    plain = find_lr(model, opt, criterion, loaders()[0], num_it=10, **QUIET)
    model, opt, criterion = parts()
    compiled = torch.compile(model, backend='eager')
    assert np.allclose(
        plain.losses, find_lr(compiled, opt, criterion, loaders()[0], num_it=10, **QUIET).losses
    )


def test_parts_in_evaluation_mode_stay_so_unless_the_whole_model_is():
    modes = []

    def run(model):
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        flags = [m.training for m in model.modules()]
        modes.clear()

        def step(batch):
            modes.append([m.training for m in model.modules()])
            return cross_entropy(model(batch[0]), batch[1])

        find_lr(model, opt, None, loaders()[0], step=step, num_it=3, **QUIET)
        assert flags == [m.training for m in model.modules()]
        return modes[0]

    model = net()
    model[1].eval()
    assert run(model) == [True, True, False, True, True, True] and run(net().eval()) == [True] * 6


def test_a_loss_with_statistics_of_its_own_is_restored():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer('seen', torch.zeros(1))

        def forward(self, out, y):
            self.seen += 1
            return cross_entropy(out, y)

    class Counts:
        n = 0

        def __call__(self, out, y):
            self.n += 1
            return cross_entropy(out, y)

    for loss in (Centred(), Counts()):
        model, opt, _ = parts()
        before = Fingerprint(model=model, opt=opt, loss=loss)
        find_lr(model, opt, loss, loaders()[0], num_it=5, **QUIET)
        before.check()
        RangeTest(model, opt, loss).range_test(loaders()[0], start_lr=1e-5, num_iter=5, **QUIET)
        before.check()
        enclosed = lambda batch: loss(model(batch[0]), batch[1])
        find_lr(model, opt, None, loaders()[0], step=enclosed, num_it=5, **QUIET)
        before.check()


def test_a_step_that_updates_by_itself_is_noticed():
    model, opt, criterion = parts()
    first = copy.deepcopy(model.state_dict())

    def whole_step(batch):
        loss = criterion(model(batch[0]), batch[1])
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    with pytest.raises(ValueError, match='step .*optimizer.*LRSweep'):
        find_lr(model, opt, None, loaders()[0], step=whole_step, **QUIET)
    assert same(first, dict(model.state_dict())) and not opt.state


def test_the_rest_of_a_window_weighs_as_a_full_one():
    rows = problem()
    batches = [rows[i : i + 8] for i in range(0, 96, 8)]

    def last(loader, **kw):
        model, opt, criterion = parts(make=lambda: nn.Linear(6, 3), opt=torch.optim.SGD)
        seen = []
        opt.register_step_pre_hook(lambda *a: seen.append(model.weight.grad.clone()))
        find_lr(model, opt, criterion, loader, start_lr=1e-9, end_lr=1e-8, stop_div=False, **kw, **QUIET)
        return seen

    rest, whole = (
        last(iter(batches[:5]), accumulate=4, batches=None),
        last([tuple(torch.cat(p) for p in zip(*batches[:4])), batches[4]], num_it=2),
    )
    assert len(rest) == 2 and all(torch.allclose(a, b, atol=1e-5) for a, b in zip(rest, whole))
    kw = dict(accumulate=4, batches=None, val_loader=batches[:2], **QUIET)
    curve = find_lr(*parts(), iter(batches[:5]), **kw)
    assert len(curve) == 2 and curve.stop_reason == 'data'


def test_validation_losses_of_a_window_are_not_mixed_with_training_losses():
    train, valid = [b for b in loaders()[0]], [b for b in loaders()[1]]
    model, opt, criterion = parts(make=plain)
    start = sum(criterion(model(x), y).item() * len(x) for x, y in valid) / 48
    learn = Learner((train, valid), model, loss_func=criterion, silent=True)
    for curve in (
        find_lr(
            model,
            opt,
            criterion,
            train,
            start_lr=1e-12,
            end_lr=1e-11,
            num_it=3,
            accumulate=4,
            val_loader=valid,
            **QUIET,
        ),
        learn.lr_find(1e-12, 1e-11, num_it=3, accumulate=4, val_batches=3),
    ):
        assert np.allclose(curve.losses, start, atol=1e-5)


@pytest.mark.parametrize(
    'bad, words',
    [
        (dict(runs=0), 'runs'),
        (dict(mode='hold'), 'hold'),
        (dict(step=3), 'step'),
        (dict(criterion=nn.MSELoss), 'the class MSELoss; call it'),
        (dict(loader=problem()), 'wrap it'),
        (dict(val_loader=[]), 'val_loader'),
        (dict(loader=iter([]), probe=True, batches=None), 'restarted'),
        (dict(batches=0), 'batches'),
        (dict(optimizer=[]), 'optimizer'),
        (dict(model=[]), 'model'),
        (dict(model=nn.Linear(6, 3)), 'none of the parameters'),
        (dict(device='nowhere'), 'nowhere'),
        (dict(scaler=3), 'scaler'),
        (dict(start_lr=20.0), 'start_lr'),
        (dict(num_it=1), 'num_it'),
        (dict(where='/no/such/place'), 'where'),
        (dict(optimizer='sgd'), 'optimizer'),
        (dict(seeds=3), 'seeds'),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(bad, words):
    model, opt, criterion = parts()
    before = Fingerprint(model=model, opt=opt)
    seen = []
    model.register_forward_hook(lambda *a: seen.append(1))
    before = Fingerprint(model=model, opt=opt)
    with pytest.raises((ValueError, TypeError, RuntimeError), match=words):
        find_lr(
            **{
                **dict(model=model, optimizer=opt, criterion=criterion, loader=loaders()[0], progress=False),
                **bad,
            }
        )
    before.check()
    assert not seen


# What a step may do.

# They are globals, as in a script.
TARGET, STATISTICS = net(), nn.BatchNorm1d(6)


def follow(model):
    with torch.no_grad():
        for p, q in zip(TARGET.parameters(), model.parameters()):
            p.lerp_(q, 0.5)


def test_global_modules_that_a_step_names_are_restored():
    model, opt, _ = parts()
    before = Fingerprint(target=TARGET, statistics=STATISTICS)

    def step(batch):
        follow(model)
        x = STATISTICS(batch[0])
        return (model(x) - TARGET(x).detach()).square().mean() + model(x).square().mean()

    find_lr(model, opt, None, loaders()[0], step=step, num_it=5, **QUIET)
    before.check()
    find_lr(
        model,
        opt,
        None,
        loaders()[0],
        step=partial(lambda scale, batch: scale * step(batch), 2.0),
        num_it=5,
        **QUIET,
    )
    before.check()
    step({0: problem()[:16][0]})
    with pytest.raises(RuntimeError):
        # A change would be noticed.
        before.check()


def test_a_step_that_calls_backward_is_noticed():
    model, opt, criterion = parts()
    seen = []

    def step(batch):
        seen.append(1)
        loss = criterion(model(batch[0]), batch[1])
        loss.backward(retain_graph=True)
        return loss

    with pytest.raises(ValueError, match='step has called backward'):
        find_lr(model, opt, None, loaders()[0], step=step, **QUIET)
    assert len(seen) == 1 and all(p.grad is None for p in model.parameters())


def test_iterations_without_a_step_are_noticed():
    model, opt, criterion = parts(opt=torch.optim.SGD)

    def run(**kw):
        with LRSweep(opt, model, num_it=20, stop_div=False, **kw) as sweep:
            for i, (x, y) in enumerate(sweep(loaders()[0]), 1):
                loss = criterion(model(x), y) / 4
                loss.backward()
                if i % 4 == 0:
                    opt.step()
                    opt.zero_grad()
                sweep.record(loss)
        return sweep.curve

    assert len(run(accumulate=4)) == 20
    with pytest.raises(RuntimeError, match='accumulate='):
        run()


def test_names_of_other_finders_are_refused_with_ours():
    from fastlr import LRFinder

    with pytest.raises(TypeError, match='pytorch-lr-finder'):
        LRFinder(*parts())
    for theirs, ours in dict(num_iter='num_it', max_lr='end_lr', grad_scaler='scaler').items():
        with pytest.raises(TypeError, match=f"find_lr has no option '{theirs}': here it is called {ours}"):
            find_lr(*parts(), loaders()[0], **{theirs: 3})


def test_a_criterion_with_parameters_of_its_own():
    class Proxies(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.randn(3, 3))

        def forward(self, out, y):
            return (out - self.at[y]).square().mean()

    model, _, _ = parts()
    model.requires_grad_(False)
    loss = Proxies()
    before = loss.at.detach().clone()
    assert len(
        find_lr(model, torch.optim.SGD(loss.parameters(), lr=0.1), loss, loaders()[0], num_it=5, **QUIET)
    ) == 5 and torch.equal(before, loss.at)


def test_an_error_of_the_model_says_how_it_was_called():
    model, opt, criterion = parts()
    with pytest.raises(TypeError) as e:
        find_lr(model, opt, criterion, [dict(image=torch.ones(2, 6), labels=torch.zeros(2).long())], **QUIET)
    assert 'criterion(model(image=...), target)' in ''.join(getattr(e.value, '__notes__', ())) + str(e.value)


# Modes, groups and devices.


def test_what_is_not_trained_stays_in_its_mode():
    teacher, modes = net().eval(), []
    teacher[1].register_forward_hook(lambda m, *a: modes.append(m.training))

    class Perceptual(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = teacher
            self.eval()

        def forward(self, out, y):
            self.net(torch.zeros(2, 6))
            return cross_entropy(out, y)

    model, opt, _ = parts()

    def step(batch):
        return (model(batch[0]) - teacher(batch[0]).detach()).square().mean()

    find_lr(model, opt, None, loaders()[0], step=step, num_it=3, **QUIET)
    find_lr([model, teacher], opt, None, loaders()[0], step=lambda batch: step(batch), num_it=3, **QUIET)
    find_lr(model, opt, Perceptual(), loaders()[0], num_it=3, **QUIET)
    RangeTest(model, opt, Perceptual()).range_test(loaders()[0], start_lr=1e-5, num_iter=3, **QUIET)
    assert modes == [False] * 12


def test_images_of_a_validation_batch_count_not_their_boxes():
    from fastlr.batch import find_bs

    detect = [
        (torch.ones(2, 6), [dict(boxes=torch.ones(7, 4)), dict(boxes=torch.ones(1, 4))]),
        (torch.zeros(1, 6), [dict(boxes=torch.ones(3, 4))]),
    ]
    assert [find_bs(y) for _, y in detect] == [2, 1]
    model, opt, _ = parts(make=lambda: nn.Linear(6, 1))
    loss = lambda out, *y: out.mean()
    curve = find_lr(
        model, opt, loss, loaders()[0], val_loader=detect, start_lr=1e-12, end_lr=1e-11, num_it=2, **QUIET
    )
    assert curve.losses[0] == pytest.approx(
        (2 * model(torch.ones(1, 6)) + model(torch.zeros(1, 6))).item() / 3, rel=1e-5
    )


def test_one_loader_with_persistent_workers_cant_be_both():
    dl = DataLoader(Rows(), 16, num_workers=1, persistent_workers=True)
    with pytest.raises(ValueError, match='val_loader is the same loader'):
        find_lr(*parts(), dl, val_loader=dl, **QUIET)
    with pytest.raises(ValueError, match='val_loader is the same loader'):
        RangeTest(*parts()).range_test(dl, val_loader=dl, start_lr=1e-5, **QUIET)


def test_rates_rise_in_each_group():
    model = plain()
    opt = torch.optim.SGD(
        [dict(params=model[0].parameters(), lr=1e-6), dict(params=model[2].parameters(), lr=1.0)]
    )
    with pytest.raises(ValueError, match='not all of which rise'):
        find_lr(model, opt, nn.CrossEntropyLoss(), loaders()[0], start_lr=[1e-3, 1e-3], end_lr=10, **QUIET)


def test_a_frozen_group_is_not_the_fastest():
    model = plain()
    model[0].requires_grad_(False)
    opt = torch.optim.SGD(
        [dict(params=model[0].parameters(), lr=1.0), dict(params=model[2].parameters(), lr=1e-3)]
    )
    curve = find_lr(model, opt, nn.CrossEntropyLoss(), loaders()[0], num_it=5, stop_div=False, **QUIET)
    assert curve.lrs[-1] == 10 == curve.group_lrs[-1, 1] and np.array_equal(curve.lrs, curve.group_lrs[:, 1])


def test_a_step_may_name_what_comes_later():
    model, opt, criterion = parts()

    def step(batch):
        if not batch:
            print(curve)
        return criterion(model(batch[0]), batch[1])

    curve = find_lr(model, opt, None, loaders()[0], step=step, num_it=3, **QUIET)
    assert len(curve) == 3


def test_mappings_keep_their_class():
    from collections import OrderedDict, UserDict
    from fastlr.batch import to_device

    class Encoding(UserDict):
        to = lambda self, device: Encoding({k: v.to(device) for k, v in self.items()})
        x = property(lambda self: self['x'])

    moved = to_device(
        {'e': Encoding(x=torch.ones(1)), 'o': OrderedDict(y=torch.ones(1)), 'u': UserDict(z=torch.ones(1))},
        'meta',
    )
    assert moved['e'].x.device.type == moved['o']['y'].device.type == moved['u'][
        'z'
    ].device.type == 'meta' and [type(v) for v in moved.values()] == [Encoding, OrderedDict, UserDict]


def test_optimizers_without_hooks_and_without_gradients():
    class Wrapper:
        def __init__(self, opt):
            self.opt, self.param_groups, self.state = opt, opt.param_groups, opt.state

        def step(self):
            self.opt.step()

        def zero_grad(self):
            self.opt.zero_grad()

    model, opt, criterion = parts()
    step = lambda batch: criterion(model(batch[0]), batch[1])
    assert len(find_lr(model, Wrapper(opt), None, loaders()[0], step=step, num_it=3, **QUIET)) == 3
    idle = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    assert (
        len(
            find_lr(
                model,
                [opt, idle],
                None,
                loaders()[0],
                step=step,
                num_it=3,
                scaler=torch.amp.GradScaler('cpu', init_scale=2.0),
                **QUIET,
            )
        )
        == 3
    )


def test_numbers_of_other_libraries():
    assert (
        len(find_lr(*parts(), loaders()[0], num_it=np.int64(4), runs=np.int64(1), stop_div=False, **QUIET))
        == 4
    )
    test = RangeTest(*parts())
    test.range_test(loaders()[0], num_iter=np.int64(4), start_lr=0, **QUIET)
    # 0 stands for the optimizer's rate, as in pytorch-lr-finder.
    assert test.history['lr'][0] == 1e-3


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda m, o, c, dl: RangeTest(m, [o], c), 'optimizer'),
        (lambda m, o, c, dl: RangeTest(m, o, c).range_test(dl, end_lr='x'), 'end_lr'),
        (lambda m, o, c, dl: RangeTest(m, o, c).range_test(dl, diverge_th=None), 'diverge_th'),
        (lambda m, o, c, dl: find_lr(m, o, c, dl, seed=3), 'seed'),
        (lambda m, o, c, dl: find_lr(m, [o, o], c, dl), 'twice'),
        (lambda m, o, c, dl: find_lr(m, o, c, dl, val_loader=iter([1])), 'val_loader'),
        (lambda m, o, c, dl: RangeTest(m, o, c).range_test(dl, val_loader=DataLoader([], 1)), 'val_loader'),
        (lambda m, o, c, dl: torch.no_grad()(find_lr)(m, o, c, dl), 'no_grad'),
    ],
)
def test_other_mistakes_are_refused_before_the_first_step(call, words):
    model, opt, criterion = parts()
    before = Fingerprint(model=model, opt=opt)
    with pytest.raises((ValueError, TypeError), match=words):
        call(model, opt, criterion, loaders()[0])
    before.check()


def test_gradients_from_before_take_no_part_and_come_back():
    model, opt, criterion = parts(opt=torch.optim.SGD)
    for p in model.parameters():
        p.grad = torch.full_like(p, 1e6)
    before = Fingerprint(model=model, opt=opt)
    plain_losses = find_lr(
        *parts(opt=torch.optim.SGD), loaders()[0], num_it=10, start_lr=1e-3, **QUIET
    ).losses
    parts()
    assert np.array_equal(
        find_lr(model, opt, criterion, loaders()[0], num_it=10, start_lr=1e-3, **QUIET).losses, plain_losses
    )
    before.check()


def test_the_validation_loader_is_restored():
    valid = DataLoader(Rows(), 16, shuffle=True, generator=torch.Generator().manual_seed(3))
    state = valid.generator.get_state()
    find_lr(*parts(), loaders()[0], val_loader=valid, num_it=3, **QUIET)
    assert torch.equal(state, valid.generator.get_state())
    RangeTest(*parts()).range_test(loaders()[0], valid, start_lr=1e-5, num_iter=3, **QUIET)
    assert torch.equal(state, valid.generator.get_state())


def test_batches_are_sent_to_the_device():
    sent = []

    class Own:
        def __init__(self, x):
            self.x = x

        def to(self, device):
            sent.append(str(device))
            return self.x

    model, opt, criterion = parts()
    rows = [(Own(x), y) for x, y in DataLoader(Rows(), 16)]
    find_lr(model, opt, criterion, rows, num_it=3, **QUIET)
    find_lr(
        model,
        opt,
        None,
        rows,
        step=lambda batch: criterion(model(batch[0]), batch[1]),
        num_it=3,
        device='cpu',
        **QUIET,
    )
    RangeTest(model, opt, criterion).range_test(
        DataLoader(rows, batch_size=None, collate_fn=lambda row: row), start_lr=1e-5, num_iter=3, **QUIET
    )
    assert sent == ['cpu'] * 9


def test_moments_go_where_the_model_goes():
    from fastlr.batch import move_training

    # Parameters stay the same objects on `meta`, as they do on accelerators.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        t = Training(opt='adamw').train(2)
        t.opt.zero_grad()
        move_training([t.model], [t.opt], torch.device('meta'))
        assert {(k, v.device.type) for s in t.opt.state.values() for k, v in s.items()} == {
            ('step', 'cpu'),
            ('exp_avg', 'meta'),
            ('exp_avg_sq', 'meta'),
        }
        t = Training(opt='lbfgs').train(2)
        t.opt.zero_grad()
        move_training([t.model], [t.opt], torch.device('meta'))
        assert {v.device.type for s in t.opt.state.values() for v in (s['d'], *s['old_dirs'])} == {'meta'}
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def test_verify_looks_into_functions_too():
    from fastlr import NotRestored

    class Log:
        pass

    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.log = Log()
            self.log.n = 0

        def forward(self, out, y):
            self.log.n += 1
            return cross_entropy(out, y)

    model, opt, _ = parts()
    with pytest.raises(NotRestored, match='log.n'):
        find_lr(model, opt, Loss(), loaders()[0], num_it=3, verify=True, **QUIET)
    counts = []

    def step(batch):
        counts.append(1)
        return cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(NotRestored, match='step'):
        find_lr(model, opt, None, loaders()[0], step=step, num_it=3, verify=True, **QUIET)


def test_one_error_names_what_is_not_restored_in_model_and_step(monkeypatch):
    from fastlr import NotRestored

    class Log:
        n = 0

    made = []
    create = Fingerprint.__init__

    def counted(self, **kwargs):
        made.append(list(kwargs))
        create(self, **kwargs)

    model, opt, _ = parts()
    model.log = Log()
    counts = []

    def step(batch):
        model.log.n += 1
        counts.append(1)
        return cross_entropy(model(batch[0]), batch[1])

    monkeypatch.setattr(Fingerprint, '__init__', counted)
    with pytest.raises(NotRestored) as e:
        find_lr(model, opt, None, loaders()[0], step=step, num_it=3, verify=True, **QUIET)
    assert {name.partition('.')[0] for name in e.value.names} == {'model', 'step'}
    # One before the sweep, and one to compare it with.
    assert len(made) == 2


@pytest.mark.parametrize('options', [{}, dict(accumulate='every'), dict(scaler='grad_scaler')])
def test_closures_are_refused_in_the_words_of_an_entry_that_lacks_options(options):
    model = net()
    opts = [torch.optim.LBFGS(model.parameters()), torch.optim.SGD(model.parameters(), lr=0.1)]
    training = PlainTraining([model], opts, dict(criterion=cross_entropy), entry=EntryPoint('find', options))
    with pytest.raises(ValueError, match="closure can't be combined") as e:
        training.check()
    assert all(name in str(e.value) for name in options.values())
    with pytest.raises(ValueError, match='opt is an empty list'):
        PlainTraining([model], [], {}, entry=EntryPoint('find', options)).check()


def test_the_rate_is_returned_without_a_plot(monkeypatch):
    "pytorch-lr-finder #70 and #77: the rate was drawn into a plot, and was nowhere else."
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, 'subplots', lambda *a, **k: pytest.fail('a picture was made'))

    def check(find):
        from sklearn.datasets import load_digits

        d = load_digits()
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        opt = torch.optim.Adam(model.parameters(), lr=1e-7)
        lr = find(
            model,
            opt,
            nn.CrossEntropyLoss(),
            DataLoader(
                torch.utils.data.TensorDataset(
                    torch.tensor(d.data / 16, dtype=torch.float32), torch.tensor(d.target)
                ),
                64,
                shuffle=True,
            ),
        )
        assert type(lr) is float and 1e-3 < lr < 0.3
        # It is a number to train with.
        opt.param_groups[0]['lr'] = lr

    def test(*args):
        test = RangeTest(*args[:3])
        test.range_test(args[3], progress=False)
        return test

    check(lambda *args: find_lr(*args, progress=False).suggest().lr)
    check(lambda *args: test(*args).suggest().lr)
    fails_for(check, lambda *args: test(*args).plot()[1])
    fails_for(check, lambda *args: None)


def test_progress_can_be_silenced(capfd, monkeypatch):
    "darts #2334: bars and messages filled a log, and could not be switched off."
    import fastlr.utils

    # The bars are drawn as in a terminal.
    monkeypatch.setattr(fastlr.utils, 'is_watched', lambda: True)

    def check(find):
        t = Training()
        capfd.readouterr()
        find(t)
        out, err = capfd.readouterr()
        assert out == err == ''

    check(lambda t: find_lr(t.model, t.opt, nn.CrossEntropyLoss(), t.loader, num_it=5, progress=False))

    def test(t, **kw):
        test = RangeTest(t.model, t.opt, nn.CrossEntropyLoss())
        test.range_test(t.loader, start_lr=1e-6, num_iter=30, **kw)
        test.plot(0, 0)

    check(partial(test, progress=False))
    check(Training.find)
    check(lambda t: learner_of(t).lr_find(num_it=5))
    fails_for(check, test)
    fails_for(check, lambda t: find_lr(t.model, t.opt, nn.CrossEntropyLoss(), t.loader, num_it=5))


def test_the_error_of_verify_says_what_helps_in_this_function():
    from fastlr import NotRestored

    class Log:
        n = 0

    def counted(module, x):
        module.log.n += 1

    model, opt, _ = parts()
    model.log = Log()
    model.register_forward_pre_hook(counted)
    options = dict(num_it=3, verify=True, **QUIET)
    with pytest.raises(NotRestored, match='pass the object as `others`, give the class'):
        find_lr(model, opt, cross_entropy, loaders()[0], **options)
    find_lr(model, opt, cross_entropy, loaders()[0], others=model.log, **options)
    # `Learner.lr_find` has no such option.
    learn = Learner(loaders(), model, loss_func=cross_entropy, silent=True)
    with pytest.raises(NotRestored) as e:
        learn.lr_find(num_it=3, verify=True)
    assert 'others' not in str(e.value)
