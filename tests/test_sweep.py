"LRSweep in loops of your own, and the stop rule."

import contextlib, gc, weakref

import numpy as np
import pytest, torch
from hypothesis import given, strategies as st
from torch import nn

from conftest import examples, loaders, net, problem, same
from fastlr import Learner, LRSweep, Snapshot, find_lr
from fastlr.advice import EntryPoint
from fastlr.detour import Detour
from fastlr.settings import SweepSettings
from fastlr.stop import Divergence


def stops_at(losses, factor=True):
    d = Divergence(factor)
    return next((i for i, l in enumerate(losses) if d(float(l))), None)


def losses(seed, n=100):
    x = np.linspace(0, 1, n)
    return (
        2.3
        - 1.5 / (1 + np.exp(-(x - 0.5) * 20))
        + np.exp(np.maximum(x - 0.8, 0) * 60)
        + np.random.default_rng(seed).normal(0, 0.05, n)
    )


@examples(50)
@given(seed=st.integers(0, 1000), a=st.floats(1e-3, 1e3), b=st.floats(-1e3, 1e3))
def test_stop_rule_is_free_of_sign_and_offset(seed, a, b):
    at = stops_at(losses(seed))
    assert at is not None and at > 75 and stops_at(a * losses(seed) + b) == at


def test_factor_is_on_the_best_loss():
    assert stops_at([1, 1, 1, 30, 30, 30], 4.0) == 3 and stops_at([1, 1, 1, 30, 30, 30], False) is None


def sweep_with(opt, model, step, loader=None, **kw):
    with LRSweep(opt, model, **{'num_it': 10, 'stop_div': False, **kw}) as sweep:
        for xb, yb in sweep(loader or loaders()[0]):
            sweep.record(step(xb, yb))
    return sweep.curve


def test_two_optimizers():
    g, d = nn.Linear(6, 6), nn.Linear(6, 1)
    og, od = torch.optim.Adam(g.parameters(), lr=1e-4), torch.optim.SGD(d.parameters(), lr=1e-3, momentum=0.9)
    before = [p.clone() for m in (g, d) for p in m.parameters()]

    def step(xb, yb):
        for o in (og, od):
            o.zero_grad()
        loss = d(g(xb)).square().mean()
        loss.backward()
        og.step()
        od.step()
        return loss

    c = sweep_with([og, od], [g, d], step)
    assert np.allclose(c.group_lrs[:, 0] * 10, c.group_lrs[:, 1]) and c.lrs[-1] == 10.0
    assert (
        all(torch.equal(a, b) for a, b in zip(before, [p for m in (g, d) for p in m.parameters()]))
        and not og.state
        and not od.state
    )


def test_lbfgs_with_its_closure():
    model = nn.Linear(6, 3)
    opt = torch.optim.LBFGS(model.parameters(), lr=0.5)

    def run(xb, yb):
        def closure():
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            return loss

        return opt.step(closure)

    xb, yb = next(iter(loaders()[0]))
    run(xb, yb)
    before = (
        model.weight.clone(),
        opt.state_dict()['state'][0]['n_iter'],
        [t.clone() for t in opt.state_dict()['state'][0]['old_dirs']],
    )
    sweep_with(opt, model, run, end_lr=1.0)
    st_ = opt.state_dict()['state'][0]
    assert (
        same(before, (model.weight, st_['n_iter'], list(st_['old_dirs'])))
        and opt.param_groups[0]['lr'] == 0.5
    )


def test_a_rate_that_is_a_tensor_is_filled_in_place():
    model, lr = net(), torch.tensor(1e-3)
    opt = torch.optim.AdamW(model.parameters(), lr=lr)
    seen = []

    def step(xb, yb):
        seen.append(float(opt.param_groups[0]['lr']))
        assert opt.param_groups[0]['lr'] is lr
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    sweep_with(opt, model, step)
    assert len(set(seen)) == 10 and lr.item() == torch.tensor(1e-3).item()


def test_restored_when_the_loop_raises_or_breaks():
    for how in ('raise', 'break'):
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        try:
            with LRSweep(opt, model, start_lr=1.0, end_lr=10.0) as sweep:
                for i, (xb, yb) in enumerate(sweep(loaders()[0])):
                    loss = nn.functional.cross_entropy(model(xb), yb)
                    loss.backward()
                    opt.step()
                    opt.zero_grad()
                    sweep.record(loss)
                    if i == 5:
                        if how == 'raise':
                            raise ZeroDivisionError
                        break
        except ZeroDivisionError:
            assert how == 'raise'
        assert (
            same(before, dict(model.state_dict()))
            and opt.param_groups[0]['lr'] == 0.1
            and all(p.grad is None for p in model.parameters())
        )
        assert sweep.curve.stop_reason == 'interrupted' and len(sweep.curve) == 6


def test_losses_are_read_ten_at_a_time_off_the_cpu(monkeypatch):
    "With the policy for accelerators the curve is the same, also when the sweep diverges between two reads."
    import fastlr.utils

    def run(every):
        monkeypatch.setattr(fastlr.utils, 'read_every', lambda loss: every)
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        with LRSweep(opt, model) as sweep:
            it = iter(losses(3))
            for p in model.parameters():
                p.grad = torch.ones_like(p)
            for _ in sweep(loaders()[0]):
                opt.step()
                sweep.record(torch.tensor(next(it)))
        return sweep.curve

    one, ten = run(1), run(10)
    assert (
        np.array_equal(one.losses, ten.losses)
        and one.stop_reason == ten.stop_reason == 'diverged'
        and len(one) % 10
    )


def test_a_loop_that_never_steps_is_reported():
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match='no parameter has changed: does the loop call `step'):
        with LRSweep(opt, model) as sweep:
            for x, y in sweep([problem()[:16]]):
                loss = torch.nn.functional.cross_entropy(model(x), y)
                loss.backward()
                opt.zero_grad()
                sweep.record(loss)


def test_an_optimizer_without_parameters_to_train():
    model = net().requires_grad_(False)
    with pytest.raises(ValueError, match='nothing to train'):
        with LRSweep(torch.optim.SGD(model.parameters(), lr=0.1), model):
            pass


def losses_of(sweep, n=None):
    "Return the losses of a sweep over a small net that is trained."
    model, opt = sweep.model, sweep.opts[0]
    with sweep:
        for x, y in sweep([problem()[:16]]):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)
            if len(sweep) == n:
                break
    return sweep.losses


def test_all_attributes_are_born_in_init_and_a_sweep_can_be_run_again():
    model = net()
    sweep = LRSweep(torch.optim.SGD(model.parameters(), lr=0.1), model, num_it=20, stop_div=False)
    born = set(vars(sweep))
    first = losses_of(sweep, n=12)
    assert sweep.stop_reason == 'interrupted' and sweep.iterations == 12
    again = losses_of(sweep)
    assert sweep.stop_reason == 'end' and len(again) == 20 and again[:12] == first
    assert set(vars(sweep)) == born


RENAMED = EntryPoint(
    'find', dict(num_it='steps', end_lr='top', stop_div='limit', extend='further', accumulate='every')
)


def test_errors_use_the_names_of_the_entry_point():
    with pytest.raises(ValueError, match='^steps must be at least 2'):
        SweepSettings(num_it=1, entry=RENAMED)
    with pytest.raises(TypeError, match='limit must be a `Divergence` where further=True'):
        SweepSettings(stop_div=lambda loss: False, extend=True, entry=RENAMED)
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    sweep = LRSweep(opt, model, settings=SweepSettings(num_it=20, entry=RENAMED))
    with pytest.raises(RuntimeError, match='pass every=<their number>.*record') as e, sweep:
        for i, (x, y) in enumerate(sweep([problem()[:16]]), 1):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            if i % 4 == 0:
                opt.step()
            sweep.record(loss)
    assert 'scaler=' not in str(e.value)
    assert sweep.curve.settings['names'] == RENAMED.options


@pytest.mark.parametrize(
    'option', [dict(num_it=7), dict(start_lr=[1e-5]), dict(stop_div=lambda loss: False), dict(extend=True)]
)
def test_settings_and_single_options_are_not_mixed(option):
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f'LRSweep: {next(iter(option))}=.* would be ignored'):
        LRSweep(opt, model, settings=SweepSettings(), **option)
    assert LRSweep(opt, model, num_it=100, settings=SweepSettings(num_it=9)).num_it == 9


def test_settings_of_a_probe():
    settings = SweepSettings(stop_div=4, num_it=50, extend=True, runs=3, probe=True, entry=RENAMED)
    assert settings.holding([1e-3], 10) == SweepSettings([1e-3], [1e-3], 10, 'hold', entry=RENAMED)


def test_a_detour_that_is_interrupted_while_it_begins():
    "It ends at once: everything is restored and closed, and all registered functions are called."
    model, called = net(), []
    detour = Detour(Snapshot(model))
    detour.after_restore(lambda: called.append('after'))
    detour.guard.deliver = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        detour.start()
    assert called == ['after'] and detour.failed
    with pytest.raises(RuntimeError, match='closed'):
        detour.snapshot.restore()


@pytest.mark.parametrize('how', ['LRSweep', 'find_lr', 'find_lr with verify'])
def test_nothing_holds_a_model_after_the_sweep(how):
    "Not even a cycle, which would hold its memory until garbage is collected."

    def once():
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        if how == 'LRSweep':
            with LRSweep(opt, model, num_it=3) as sweep:
                sweep.record(1.0, update=True)
        else:
            batches = [(torch.randn(4, 6), torch.randint(3, (4,)))] * 3
            verify = 'verify' in how
            find_lr(model, opt, nn.CrossEntropyLoss(), batches, num_it=5, progress=False, verify=verify)
        return weakref.ref(model)

    # torch holds on to the first model that it sees.
    once()
    gc.collect()
    gc.disable()
    try:
        assert once()() is None
    finally:
        gc.enable()


def test_an_error_at_the_start_of_a_sweep_is_the_one_that_is_seen():
    class NoCopy:
        def __call__(self, loss):
            return False

        def __copy__(self):
            raise RuntimeError('no copy')

    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match='no copy'):
        LRSweep(opt, model, stop_div=NoCopy()).start()
    assert opt.param_groups[0]['lr'] == 0.1


def test_attributes_of_version_0_1_0():
    model = net()
    sweep = LRSweep(torch.optim.SGD(model.parameters(), lr=0.1), model, 1e-5, 2.0, extend=True)
    assert (sweep.start_lr, sweep.end_lr, sweep.stop_div, sweep.extend) == (1e-5, 2.0, True, True)
    with pytest.warns(DeprecationWarning, match='meet is synchronize now'):
        assert sweep.meet == sweep.synchronize
    assert not hasattr(sweep, 'no_such_name')


def test_a_loop_over_the_loader_itself_is_named():
    "Without `sweep(loader)`, the loop ends with the first epoch."
    model = nn.Linear(4, 3)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = [(torch.randn(8, 4), torch.randint(3, (8,))) for _ in range(20)]

    def findings(batches, error=None):
        sweep = LRSweep(opt, model)
        with contextlib.suppress(KeyboardInterrupt), sweep:
            for i, (xb, yb) in enumerate(sweep(loader) if batches is None else batches):
                if i == 15 and error:
                    raise error
                loss = torch.nn.functional.cross_entropy(model(xb), yb)
                loss.backward()
                opt.step()
                opt.zero_grad()
                sweep.record(loss)
                if i == 18:
                    break
        return sweep.curve.findings

    assert findings(loader)[0].code == 'plain-loop' and 'iterate over `sweep(loader)`' in findings(loader)[0]
    # Here the loop has another reason to end.
    assert findings(None)[0].code == findings(loader, KeyboardInterrupt())[0].code == 'interrupted'


def test_words_about_what_was_passed():
    model = nn.Linear(4, 3)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion, batches = nn.CrossEntropyLoss(), [(torch.randn(8, 4), torch.randint(3, (8,)))]
    the_class = 'got the class DataLoader; call it to make one'
    with pytest.raises(TypeError, match=the_class):
        find_lr(model, opt, criterion, torch.utils.data.DataLoader)
    with pytest.raises(TypeError, match=the_class), LRSweep(opt, model) as sweep:
        next(sweep(torch.utils.data.DataLoader))
    with pytest.raises(TypeError, match='the loader gave an int'):
        find_lr(model, opt, criterion, [1, 2, 3], progress=False)
    for call in (
        lambda: LRSweep(opt, model, verify='no'),
        lambda: find_lr(model, opt, criterion, batches, verify=0),
    ):
        with pytest.raises(TypeError, match='verify must be True or False'):
            call()
    with pytest.raises(RuntimeError, match='in every iteration if several of them make one update'):
        with LRSweep(opt, model, accumulate=4) as sweep:
            list(sweep(batches))


@pytest.mark.parametrize(
    'model, training, words',
    [
        (nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)), True, 'opt trains no parameter of model'),
        (None, False, 'model is in evaluation mode'),
        (None, True, None),
        (nn.Linear(6, 3).requires_grad_(False), True, None),
    ],
)
def test_another_model_and_evaluation_mode_are_noticed(model, training, words, recwarn):
    "Unless the other model is frozen, and something else is trained through it."
    trained = net().train(training)
    opt = torch.optim.SGD(trained.parameters(), lr=0.1)
    with LRSweep(opt, trained if model is None else model, num_it=3) as sweep:
        for _ in range(3):
            loss = trained(torch.randn(4, 6)).square().mean()
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)
    seen = [str(w.message) for w in recwarn if w.category is UserWarning]
    assert bool(seen) == bool(words) and (not words or len(seen) == 1 and words in seen[0])


def zero_none(opt, model):
    opt.zero_grad()


def zero_in_place(opt, model):
    opt.zero_grad(set_to_none=False)


def zero_the_model(opt, model):
    model.zero_grad(set_to_none=False)


def zero_nothing(opt, model):
    pass


@pytest.mark.parametrize('clip', [False, True])
@pytest.mark.parametrize('accumulate', [1, 3])
@pytest.mark.parametrize('zero', [zero_none, zero_in_place, zero_the_model, zero_nothing])
def test_gradients_that_are_never_zeroed_are_noticed(zero, accumulate, clip, recwarn):
    "Several batches may share an update, and zeroing may come at the start of an iteration or at its end."
    for first in (True, False):
        # Python shows a warning once for each place.
        globals().pop('__warningregistry__', None)
        model = net()
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        with LRSweep(opt, model, num_it=5, accumulate=accumulate) as sweep:
            for i, (xb, yb) in enumerate(sweep(loaders()[0]), 1):
                if first and (i - 1) % accumulate == 0:
                    zero(opt, model)
                loss = nn.functional.cross_entropy(model(xb), yb)
                loss.backward()
                if i % accumulate == 0:
                    if clip:
                        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                    opt.step()
                    if not first:
                        zero(opt, model)
                sweep.record(loss)
        assert not any(p._backward_hooks for p in model.parameters())
    seen = [w for w in recwarn if 'gradients of earlier updates are never zeroed' in str(w.message)]
    assert len(seen) == (2 if zero is zero_nothing else 0)
    assert all(w.filename == __file__ for w in seen)


def test_gradients_that_are_written_over_the_old_ones_are_not_warned_of(recwarn):
    model = net()
    params = list(model.parameters())
    opt = torch.optim.SGD(params, lr=0.1)
    for p in params:
        p.grad = torch.zeros_like(p)
    with LRSweep(opt, model, num_it=5) as sweep:
        for xb, yb in sweep(loaders()[0]):
            loss = nn.functional.cross_entropy(model(xb), yb)
            for p, grad in zip(params, torch.autograd.grad(loss, params)):
                p.grad.copy_(grad)
            opt.step()
            sweep.record(loss)
    assert not [w for w in recwarn if 'never zeroed' in str(w.message)]


@pytest.mark.parametrize('set_to_none', [True, False])
def test_two_players_that_get_gradients_from_each_other_are_not_warned(set_to_none, recwarn):
    "Each zeroes its gradients before its own turn, and not after it."
    maker, judge = nn.Linear(2, 2), nn.Linear(2, 1)
    opts = [torch.optim.Adam(m.parameters()) for m in (judge, maker)]
    with LRSweep(opts, [judge, maker], num_it=6, stop_div=False) as sweep:
        while not sweep.done:
            for opt, sign in zip(opts, (1, -1)):
                opt.zero_grad(set_to_none=set_to_none)
                fake = maker(torch.randn(8, 2))
                loss = sign * (judge(fake).mean() - judge(torch.randn(8, 2)).mean())
                loss.backward()
                opt.step()
            sweep.record(loss.abs())
    assert [str(w.message) for w in recwarn] == []


def recorded(measure):
    "Sweep with Adam, and record what `measure` makes of output, target and loss."
    torch.manual_seed(0)
    model = net()
    opt = torch.optim.Adam(model.parameters())
    with LRSweep(opt, model, 1e-5, 10, num_it=60, stop_div=False) as sweep:
        for xb, yb in sweep(loaders()[0]):
            out = model(xb)
            loss = nn.functional.cross_entropy(out, yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sweep.record(measure(out, yb, loss))
    return sweep.curve


def accuracy(out, yb, loss=None):
    return (out.argmax(1) == yb).float().mean()


@pytest.mark.parametrize(
    'measure, found',
    [
        (accuracy, True),
        (lambda *args: 100 * accuracy(*args), True),
        (lambda *args: 1 - accuracy(*args), False),
        (lambda *args: args[2], False),
        (lambda *args: -args[2], False),
        (lambda *args: torch.sigmoid(3 - args[2]), False),
    ],
)
def test_an_accuracy_in_the_place_of_a_loss_is_noticed(measure, found):
    codes = [f.code for f in recorded(measure).findings]
    assert ('shares' in codes) == found


def test_options_of_others_and_objects_of_others_are_answered():
    model = net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="LRSweep has no option 'scheduler': here it is called schedulers"):
        LRSweep(opt, model, scheduler=None)
    trainer = type('Trainer', (), dict(__module__='transformers.trainer'))()
    with pytest.raises(
        TypeError, match='got Trainer; for it, use lr_find from fastlr.integrations.transform'
    ):
        find_lr(trainer, opt, nn.MSELoss(), [])
    learner = type('TabularLearner', (), dict(__module__='fastai.tabular.learner'))()
    with pytest.raises(
        TypeError, match='got TabularLearner; for it, use lr_find from fastlr.integrations.fast'
    ):
        Learner.lr_find(learner)
