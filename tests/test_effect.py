"A sweep that does nothing is an error, found by value, and no sweep that works is one."

import contextlib, gc, subprocess, sys, threading, weakref
from itertools import count

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, TensorDataset

from conftest import make_learner, net
from fastlr import Learner, LRSweep, Snapshot, find_lr
from fastlr.optim import OptimWrapper
from trainings import Training


def problem(seed=0):
    "Return a small net, and batches of a problem that it can learn."
    torch.manual_seed(seed)
    x = torch.randn(128, 8)
    y = (x @ torch.randn(8, 3)).argmax(1)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    return model, list(zip(x.split(32), y.split(32)))


def sgd(model, lr=0.1, **kwargs):
    return torch.optim.SGD(model.parameters(), lr=lr, **kwargs)


def sweep_with(opt, model, data, iteration, **options):
    "Sweep; `iteration` trains with a loss, which is recorded. Returns the curve."
    with LRSweep(opt, model, **options) as sweep:
        for xb, yb in sweep(data):
            loss = cross_entropy(model(xb).float(), yb)
            iteration(loss)
            sweep.record(loss)
    return sweep.curve


def step_of(opt):
    def step(loss):
        loss.backward()
        opt.step()
        opt.zero_grad()

    return step


# Loops that change nothing.


def no_backward(opt, loss):
    opt.step()


def clears_first(opt, loss):
    loss.backward()
    opt.zero_grad()
    opt.step()


def clears_to_zero(opt, loss):
    loss.backward()
    opt.zero_grad(set_to_none=False)
    opt.step()


def never_steps(opt, loss):
    loss.backward()
    opt.zero_grad()


def another_model(opt, loss):
    opt.zero_grad()
    loss.backward()
    opt.step()


@pytest.mark.parametrize('make', [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
@pytest.mark.parametrize(
    'loop, words',
    [
        (no_backward, 'ten points, .* no step has found a gradient: is `backward` called'),
        (clears_first, 'ten points, .* no step has found a gradient: .*`zero_grad` only after `step`'),
        (clears_to_zero, 'gradients were zero in all steps: .*`zero_grad` only after `step`'),
        (never_steps, 'ten points, and no parameter has changed: does the loop call `step'),
    ],
)
def test_a_loop_that_trains_nothing(make, loop, words):
    model, batches = problem()
    opt = make(model.parameters(), lr=0.1, weight_decay=0.1)
    with pytest.raises(RuntimeError, match=words):
        sweep_with(opt, model, batches, lambda loss: loop(opt, loss))
    assert opt.param_groups[0]['lr'] == 0.1


def test_an_optimizer_of_another_model():
    model, batches = problem()
    opt = sgd(problem(1)[0])
    with pytest.raises(RuntimeError, match='of the parameters that the optimizer holds'):
        sweep_with(opt, model, batches, lambda loss: another_model(opt, loss))


def test_a_function_step_that_uses_another_model():
    (model, batches), (other, _) = problem(), problem(1)
    with pytest.raises(RuntimeError, match='the loss doesn.t depend on the parameters'):
        find_lr(model, sgd(model), None, batches, step=lambda b: cross_entropy(other(b[0]), b[1]))


def test_a_loss_that_is_detached_from_the_parameters():
    model, batches = problem()
    head = nn.Linear(3, 3)
    with pytest.raises(RuntimeError, match='detached from them, or that of another model'):
        step = lambda b: cross_entropy(head(model(b[0]).detach()), b[1])
        find_lr(model, sgd(model), None, batches, step=step, progress=False)


def test_a_learner_whose_loss_is_detached_hears_nothing_of_loops():
    "Its loop calls `backward` by itself, so the remedy is not to call it."
    learn = make_learner()
    frozen = net()
    learn.loss_func = lambda out, y: cross_entropy(out.detach() * frozen[0].weight.sum(), y)
    with pytest.raises(RuntimeError, match='detached from them, or that of another model'):
        learn.lr_find(num_it=20)


class WithoutHooks:
    "An optimizer that is no torch optimizer, and writes through `.data`, as many do."

    def __init__(self, params, lr):
        self.param_groups = [dict(params=list(params), lr=lr)]

    def rate(self, group):
        return group['lr']

    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                if p.grad is not None:
                    p.data.sub_(p.grad, alpha=self.rate(group))

    def zero_grad(self):
        for group in self.param_groups:
            for p in group['params']:
                p.grad = None


class OwnRate(WithoutHooks):
    "Steps at a rate of its own."

    def rate(self, group):
        return 0.01


def test_parameters_that_are_written_through_data_have_changed():
    model, batches = problem()
    opt = WithoutHooks(model.parameters(), lr=0.1)
    assert len(sweep_with(opt, model, batches, step_of(opt))) > 50


def test_an_optimizer_without_hooks_that_changes_nothing():
    model, batches = problem()
    opt = WithoutHooks(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match='100 points, and no parameter has changed'):
        sweep_with(opt, model, batches, lambda loss: clears_first(opt, loss), stop_div=False)


@pytest.mark.parametrize('other', [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize('options', [{}, dict(num_it=25), dict(start_lr=1e-8, end_lr=1.0, num_it=40)])
def test_steps_of_an_optimizer_that_the_sweep_does_not_know(other, options):
    model, batches = problem()
    unknown = other(model.parameters(), lr=0.01)
    with pytest.raises(RuntimeError, match='not by the rates that are set: .*another optimizer'):
        sweep_with(sgd(model), model, batches, step_of(unknown), stop_div=False, **options)


def test_an_optimizer_with_a_rate_of_its_own():
    model, batches = problem()
    opt = OwnRate(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match='not by the rates that are set'):
        sweep_with(opt, model, batches, step_of(opt), stop_div=False)


# Optimizers that ignore their rate.


class OwnLength(torch.optim.Optimizer):
    "Steps at a rate of its own, which may be the one that it was made with."

    def __init__(self, params, lr=0.01):
        super().__init__(params, dict(lr=lr))

    def step(self, closure=None):
        for p in self.param_groups[0]['params']:
            p.data -= self.defaults['lr'] * p.grad


class Noam(torch.optim.SGD):
    "Sets its rate in each step, as the paper on transformers does."

    def step(self, closure=None):
        self.param_groups[0]['lr'] = 0.01
        return super().step()


class FixedAdam(torch.optim.Adam):
    "Sets a rate, and sets the other one again."

    def step(self, closure=None):
        before = self.param_groups[0]['lr']
        self.param_groups[0]['lr'] = 0.01
        super().step()
        self.param_groups[0]['lr'] = before


class ThenSets(torch.optim.SGD):
    "Sets the rate of the next step, which does no harm: the range test sets another one."

    def step(self, closure=None):
        super().step()
        self.param_groups[0]['lr'] = 0.01


class Decays(torch.optim.SGD):
    "Shrinks all weights, whatever the rate is."

    def step(self, closure=None):
        for p in self.param_groups[0]['params']:
            p.data *= 0.99
        return super().step()


@pytest.mark.parametrize('make', [OwnLength, Noam, FixedAdam])
@pytest.mark.parametrize('options', [{}, dict(start_lr=1e-6, end_lr=1.0, num_it=60), dict(accumulate=2)])
def test_an_optimizer_that_ignores_its_rate(make, options):
    model, batches = problem()
    opt = make(model.parameters(), lr=0.01)
    words = 'equally far at each rate from .* to .*: the step of the optimizer doesn'
    with pytest.raises(RuntimeError, match=words) as raised:
        find_lr(model, opt, cross_entropy, batches, progress=False, **options)
    # FixedAdam is seen to do so too, if torch has hooks in the class that it is made from.
    by_itself = '(it sets lr to 0.01 itself)' in str(raised.value)
    assert by_itself == (make is Noam) or make is FixedAdam
    assert opt.param_groups[0]['lr'] == 0.01


def test_a_rate_that_seems_to_be_ignored_is_a_finding():
    "Up to low rates something else may change the weights; and in a short sweep no way can be measured."
    low, short = dict(end_lr=1e-3, num_it=40), dict(num_it=12)
    for make, options, words in [
        (OwnLength, low, 'went equally far'),
        (Decays, low, 'went equally far'),
        (Noam, short, 'sets lr to 0.01 itself'),
        (ThenSets, short, 'sets lr to 0.01 itself'),
    ]:
        model, batches = problem()
        opt = make(model.parameters(), lr=0.01)
        curve = sweep_with(opt, model, batches, step_of(opt), stop_div=False, **options)
        (found,) = [f for f in curve.findings if f.code == 'ignored']
        assert words in found


TORCH = [
    v
    for v in vars(torch.optim).values()
    if isinstance(v, type) and issubclass(v, torch.optim.Optimizer) and v is not torch.optim.Optimizer
]
OTHERS = ('Rprop', 'SparseAdam', 'LBFGS', 'Muon')


@pytest.mark.parametrize('make', [k for k in TORCH if k.__name__ not in OTHERS] + [Decays])
@pytest.mark.parametrize('scale', [1e-4, 1, 1e4])
def test_optimizers_that_use_their_rate(make, scale):
    for decay in 0, 0.1:
        model, batches = problem()
        opt = make(model.parameters(), lr=0.1)
        for group in opt.param_groups:
            group['weight_decay'] = decay
        curve = sweep_with(opt, model, batches, lambda loss: step_of(opt)(loss * scale))
        # Next to the gradients of a loss this small, the weights only shrink.
        assert ('ignored' in [f.code for f in curve.findings]) == (make is Decays and scale < 1)


# Loops that train, whatever it looks like.


@pytest.mark.parametrize('make', [torch.optim.SGD, torch.optim.Adam, WithoutHooks])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize('end_lr', [1e-5, 10.0])
def test_changes_that_are_lost_in_rounding(make, dtype, end_lr):
    model, batches = problem()
    model.to(dtype)
    batches = [(x.to(dtype), y) for x, y in batches]
    opt = make(model.parameters(), lr=0.1)
    options = dict(stop_div=False, end_lr=end_lr, num_it=60, batches=None)
    assert len(sweep_with(opt, model, batches * 15, step_of(opt), **options)) == 60


def test_data_that_runs_out_before_anything_can_be_seen():
    model, batches = problem()
    opt = WithoutHooks(model.to(torch.bfloat16).parameters(), lr=0.1)
    batches = [(x.bfloat16(), y) for x, y in batches]
    assert len(sweep_with(opt, model, iter(batches * 3), step_of(opt), batches=None)) == 12


@pytest.mark.parametrize('make', [torch.optim.SGD, torch.optim.AdamW, WithoutHooks])
def test_gradients_that_are_zero_at_first(make):
    model, batches = problem()
    opt = make(model.parameters(), lr=0.1)
    seen = []

    def step(loss):
        seen.append(loss)
        step_of(opt)(loss * (len(seen) > 25))

    assert len(sweep_with(opt, model, batches, step, stop_div=False)) == 100


def test_an_optimizer_with_a_closure_may_stand_still():
    "The curvature that L-BFGS estimates from noise makes it stand still, at any rate."
    assert len(Training('recurrent', 'lbfgs', 'own_generator').find()) == 12


def test_parts_that_are_frozen_or_not_reached():
    model, batches = problem()
    model[0].requires_grad_(False)
    model[0].unused = nn.Linear(1000, 1000)
    opt = sgd(model)
    assert len(sweep_with(opt, model, batches, step_of(opt), num_it=30, stop_div=False)) == 30


def test_an_embedding_of_which_few_rows_are_reached():
    model = nn.Embedding(10_000, 4)
    opt = WithoutHooks(model.parameters(), lr=0.1)
    with LRSweep(opt, model, start_lr=1e-3, stop_div=False) as sweep:
        for (rows,) in sweep([[torch.tensor([77, 4321])]]):
            loss = model(rows).pow(2).sum()
            step_of(opt)(loss)
            sweep.record(loss)
    assert len(sweep.curve) == 100


def test_accumulated_gradients():
    model, batches = problem()
    opt = sgd(model)
    with LRSweep(opt, model, accumulate=2, num_it=30, stop_div=False) as sweep:
        for i, (xb, yb) in enumerate(sweep(batches), 1):
            loss = cross_entropy(model(xb), yb)
            (loss / 2).backward()
            if i % 2 == 0:
                opt.step()
                opt.zero_grad()
            sweep.record(loss)
    assert len(sweep.curve) == 30


def test_a_scaler_that_skips_steps():
    model, batches = problem()
    steps = []
    opt, scaler = sgd(model), torch.amp.GradScaler('cpu', init_scale=2.0**127, growth_interval=10**6)

    def step(loss):
        steps.append(1)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()

    batches = [(x * 1e4, y) for x, y in batches]
    options = dict(scaler=scaler, end_lr=1e-4, num_it=30, stop_div=False)
    assert len(sweep_with(opt, model, batches, step, **options)) == 30
    # More than ten updates in a row did nothing, but those were no points.
    assert len(steps) > 40 and scaler.get_scale() == 2.0**127


@pytest.mark.parametrize('to_none', [True, False])
def test_gradients_that_only_exist_inside_of_a_closure(to_none):
    model, batches = problem()
    opt = torch.optim.Adam(model.parameters())

    def step(loss):
        def closure():
            loss.backward()
            return loss

        opt.step(closure)
        opt.zero_grad(set_to_none=to_none)

    assert len(sweep_with(opt, model, batches, step, stop_div=False)) == 100


def test_steps_that_are_made_by_hand_at_the_rate_that_is_set():
    model, batches = problem()
    opt = sgd(model)

    def step(loss):
        for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters()))):
            p.data -= opt.param_groups[0]['lr'] * g

    for options in ({}, dict(start_lr=1e-2), dict(mode='linear'), dict(mode='hold', start_lr=0.1)):
        with LRSweep(opt, model, stop_div=False, **options) as sweep:
            for xb, yb in sweep(batches):
                loss = cross_entropy(model(xb), yb)
                step(loss)
                sweep.record(loss)
        assert len(sweep) == 100


@pytest.mark.parametrize('start_lr', [1e-3, 1.5e-3, 2e-3, 2.5e-3, 3e-3])
def test_a_problem_that_is_solved_while_the_rate_rises(start_lr):
    "Its gradient falls as fast as the rate rises, so the steps hardly grow."
    weight = nn.Parameter(torch.ones(3))
    opt = WithoutHooks([weight], lr=0.1)
    with LRSweep(opt, nn.ParameterList([weight]), start_lr=start_lr, end_lr=10.0, stop_div=False) as sweep:
        for _ in sweep([0]):
            loss = weight.pow(2).sum() / 2
            step_of(opt)(loss)
            sweep.record(loss)
    assert len(sweep) == 100


# The rate is read back.


class Copied(WithoutHooks):
    "Shows copies of its groups, as fastai's optimizers do, and has the rate in `hypers`."

    def __init__(self, params, lr, mom=0.9):
        self.lists = [list(params)]
        self.hypers = [dict(lr=lr, mom=mom)]

    @property
    def param_groups(self):
        return [dict(h, params=ps) for ps, h in zip(self.lists, self.hypers)]


class Assigned(Copied):
    @Copied.param_groups.setter
    def param_groups(self, groups):
        for h, group in zip(self.hypers, groups):
            h.update({k: v for k, v in group.items() if k != 'params'})


class Ignored(Copied):
    @Copied.param_groups.setter
    def param_groups(self, groups):
        pass


class Wrapped:
    "Shows copies of the groups of a torch optimizer, which it holds as `opt`, like fastai's wrapper."

    def __init__(self, opt):
        self.opt = opt

    @property
    def param_groups(self):
        return [dict(g) for g in self.opt.param_groups]

    def step(self):
        self.opt.step()

    def zero_grad(self):
        self.opt.zero_grad()


def used_rates(model, opt, read):
    "Return the rates that were in use in a sweep over `opt`, and the curve."
    _, batches = problem()
    rates = []

    def criterion(output, target):
        rates.append(read())
        return cross_entropy(output, target)

    curve = find_lr(model, opt, criterion, batches, probe=False, progress=False)
    return rates[: len(curve)], curve


def test_groups_that_are_copies_get_the_rate():
    model, _ = problem()
    opt = Assigned(model.parameters(), lr=0.3)
    before = [p.detach().clone() for p in model.parameters()]
    rates, curve = used_rates(model, opt, lambda: opt.hypers[0]['lr'])
    assert rates == pytest.approx(curve.lrs.tolist()) and opt.hypers == [dict(lr=0.3, mom=0.9)]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_the_optimizer_inside_of_a_wrapper_gets_the_rate():
    model, _ = problem()
    opt = Wrapped(sgd(model))
    rates, curve = used_rates(model, opt, lambda: opt.opt.param_groups[0]['lr'])
    assert rates == pytest.approx(curve.lrs.tolist()) and opt.opt.param_groups[0]['lr'] == 0.1


def test_groups_that_a_loop_replaces_get_the_rate():
    model, batches = problem()
    opt = sgd(model)
    rates = []

    def step(loss):
        opt.load_state_dict(opt.state_dict())
        rates.append(opt.param_groups[0]['lr'])
        step_of(opt)(loss)

    curve = sweep_with(opt, model, batches, step, num_it=20, stop_div=False)
    assert rates == pytest.approx(curve.lrs.tolist())


@pytest.mark.parametrize(
    'kind, words', [(Copied, 'shows copies of its parameter groups'), (Ignored, "doesn't take the rate")]
)
def test_an_optimizer_that_does_not_get_the_rate(kind, words):
    model, batches = problem()
    opt = kind(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=words):
        find_lr(model, opt, nn.CrossEntropyLoss(), batches)
    with pytest.raises(ValueError, match=words):
        LRSweep(opt, model).start()
    assert opt.hypers[0]['lr'] == 0.1


def test_a_learner_sets_values_of_groups_that_are_copies():
    model, batches = problem()
    opt = OptimWrapper(Assigned(model.parameters(), lr=0.1))
    opt.lr = 0.5
    assert opt.lr == 0.5 and opt.opt.hypers[0]['lr'] == 0.5
    for kind in Copied, Ignored:
        with pytest.raises(ValueError, match="doesn't take lr from them"):
            OptimWrapper(kind(model.parameters(), lr=0.1)).lr = 0.5
    learn = Learner((batches, None), model, loss_func=cross_entropy, opt_func=groups_of, silent=True)
    assert len(learn.lr_find(probe=False)) > 50


def groups_of(groups, lr):
    return Assigned(groups[0]['params'], lr)


# Several sweeps at once.


def in_thread(f):
    "Call `f` in another thread, and return what it raised."
    raised = []

    def call():
        try:
            f()
        except Exception as e:
            raised.append(e)

    thread = threading.Thread(target=call, name='second')
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_sweeps_in_two_threads():
    (model, batches), (other, _) = problem(), problem(1)
    opt = sgd(other)
    learn = Learner((batches, None), other, loss_func=cross_entropy, silent=True)
    sweeps = [
        lambda: find_lr(other, opt, cross_entropy, batches),
        lambda: LRSweep(opt, other).start(),
        lambda: learn.lr_find(),
    ]
    for sweep in sweeps:
        before = torch.get_rng_state()
        with LRSweep(sgd(model), model):
            error = in_thread(sweep)
            assert torch.equal(torch.get_rng_state(), before)
        assert isinstance(error, RuntimeError) and 'running in the thread' in str(error)
        assert 'run one after the other' in str(error) and opt.param_groups[0]['lr'] == 0.1
    # Once the first is over, another thread may begin.
    assert in_thread(lambda: find_lr(other, opt, cross_entropy, batches, num_it=5, probe=False)) is None


def test_a_thread_that_ended_in_a_sweep_blocks_nothing():
    model, _ = problem()
    left = LRSweep(sgd(model), model)
    assert in_thread(left.start) is None
    with LRSweep(sgd(model), model):
        pass
    left.finish()


def test_a_sweep_inside_a_sweep():
    (model, batches), (other, _) = problem(), problem(1)
    opt, opt_other = sgd(model), sgd(other)
    with LRSweep(opt, model, num_it=20) as sweep:
        for xb, yb in sweep(batches):
            for make in (lambda: LRSweep(opt, model).start(), lambda: find_lr(model, opt, mse_loss, batches)):
                with pytest.raises(RuntimeError, match='another sweep of this optimizer is running'):
                    make()
            # Another model is another matter.
            assert len(find_lr(other, opt_other, cross_entropy, batches, num_it=3, probe=False)) == 3
            loss = cross_entropy(model(xb), yb)
            step_of(opt)(loss)
            sweep.record(loss)
            if len(sweep) == 3:
                break
    assert len(sweep) == 3 and opt.param_groups[0]['lr'] == 0.1


# Memory.


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watched(torch.optim.Adam):
    "Notes all that were made, by weak references."

    made = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made.append(weakref.ref(self))


def tensors(size):
    return sum(torch.is_tensor(x) and x.numel() == size for x in gc.get_objects())


@pytest.mark.filterwarnings('ignore::FutureWarning')
@pytest.mark.parametrize('method', ['lr_find', 'tune'])
def test_the_optimizer_of_a_mock_training_is_freed(no_collection, method):
    _, batches = problem()
    model = nn.Sequential(nn.Linear(8, 501), nn.Linear(501, 3))
    Watched.made.clear()
    learn = Learner((batches, None), model, loss_func=cross_entropy, opt_func=Watched, silent=True)
    before = tensors(8 * 501)
    for _ in range(2):
        try:
            getattr(learn, method)(num_it=10, probe=False)
        except ValueError:
            pass
    assert Watched.made and not any(ref() for ref in Watched.made)
    assert tensors(8 * 501) == before and learn.opt is None


@pytest.mark.filterwarnings('ignore::FutureWarning')
def test_what_a_sweep_has_copied_is_freed(no_collection):
    _, batches = problem()
    model = nn.Sequential(nn.Linear(8, 501), nn.Linear(501, 3))
    opt = torch.optim.Adam(model.parameters())
    before = tensors(8 * 501)
    find_lr(model, opt, nn.CrossEntropyLoss(), batches, num_it=10, probe=False)
    assert tensors(8 * 501) == before
    with LRSweep(opt, model, num_it=10) as sweep:
        for xb, yb in sweep(batches):
            loss = cross_entropy(model(xb), yb)
            step_of(opt)(loss)
            sweep.record(loss)
    del loss
    assert tensors(8 * 501) == before and not opt.state


@pytest.mark.parametrize('method', ['lr_find', 'tune'])
@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_a_range_test_that_fails_frees_everything_too(no_collection, method, error):
    "No frame holds the exception that holds it."
    calls = count(1)

    def loss_func(out, y):
        if next(calls) == 5:
            raise error
        return cross_entropy(out, y)

    _, batches = problem()
    model = nn.Sequential(nn.Linear(8, 501), nn.Linear(501, 3))
    Watched.made.clear()
    learn = Learner((batches, None), model, loss_func=loss_func, opt_func=Watched, silent=True)
    before = tensors(8 * 501)
    with contextlib.suppress(error):
        getattr(learn, method)(num_it=10, probe=False)
    assert Watched.made and not any(ref() for ref in Watched.made) and tensors(8 * 501) == before


def test_a_model_is_freed_with_its_sweep(no_collection):
    model, batches = problem()
    opt = sgd(model)
    sweep = LRSweep(opt, model, num_it=10, snapshot=Snapshot(model))
    with sweep:
        pass
    refs = [weakref.ref(p) for p in model.parameters()]
    del model, opt, sweep
    assert not any(ref() is not None for ref in refs)


FIRST = """
import gc, torch
from fastlr import Learner
gc.disable()
model = torch.nn.Linear(8, 501)
batches = [(torch.randn(4, 8), torch.randint(501, (4,)))]
learn = Learner((batches, None), model, loss_func=torch.nn.functional.cross_entropy, silent=True)
learn.lr_find(num_it=10, probe=False)
print(sum(isinstance(x, torch.Tensor) and x.numel() == 8 * 501 for x in gc.get_objects()))
"""


def test_the_first_optimizer_of_a_program_is_freed_too():
    "With the first one torch imports a part of itself, which keeps the frames of its callers."
    done = subprocess.run([sys.executable, '-c', FIRST], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['1']


def hinge(out, y):
    return nn.functional.relu(1 - out[:, 0] * (2 * y.float() - 1)).mean()


def separable():
    "Return a net, and rows that it can learn to separate with a margin."
    torch.manual_seed(0)
    x = torch.randn(128, 6)
    y = (x[:, 0] > 0).long()
    x[:, 0] += 2.0 * (2 * y - 1)
    loader = DataLoader(TensorDataset(x, y), 16, shuffle=True)
    return nn.Linear(6, 1), loader


@pytest.mark.parametrize('kw', [dict(probe=False), dict(probe=True)])
@pytest.mark.parametrize('step', [1, 5])
def test_one_gradient_in_ten_is_enough(kw, step):
    "With a hinge, most batches of a trained model have none."
    model, loader = separable()
    calls = count()

    def now_and_then(out, y):
        return hinge(out, y) if next(calls) % 10 == step else 0 * out.mean()

    learn = Learner((loader, None), model, loss_func=now_and_then, silent=True)
    assert len(learn.lr_find(**kw)) > 10


def test_a_loss_of_zero_on_all_batches_is_named():
    model, loader = separable()
    nn.init.constant_(model.weight, 0)
    nn.init.constant_(model.bias, 0)
    with torch.no_grad():
        model.weight[0, 0] = 1e4
    learn = Learner((loader, None), model, torch.optim.SGD, hinge, wd=0.0, silent=True)
    with pytest.raises(RuntimeError, match='^lr_find: the gradients were zero.*exactly zero') as e:
        learn.lr_find()
    assert 'LRSweep' not in str(e.value)
