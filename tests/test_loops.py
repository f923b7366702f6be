"What a training loop may hold: schedulers, scalers, windows of batches, groups, optimizers, a closure."

import copy
from functools import partial
from itertools import islice

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader

from conftest import loaders, make_learner, net, problem, same, state_of
from curves import a_curve
from fastlr import LRCurve, LRSweep, RangeTest, find_lr
from faults import fails_for, plain_finder
from trainings import LOADERS, Rows, Training


@pytest.mark.parametrize('where', ['before record', 'after record'])
def test_a_scheduler_stands_still_and_is_restored(where):
    """pytorch-lr-finder #81: an optimizer with a scheduler was refused.

    Elsewhere the scheduler moved the rates of the sweep."""
    rates = np.geomspace(1e-7, 10, 12)

    def check(find):
        t = Training(opt='sgd')
        sched = torch.optim.lr_scheduler.OneCycleLR(t.opt, 1.0, total_steps=40)
        t.train(2)
        first, before, used = t.state(), copy.deepcopy(sched.state_dict()), []
        t.opt.register_step_pre_hook(lambda opt, *a: used.append(opt.param_groups[0]['lr']))
        find(t, sched)
        assert (
            same(first, t.state()) and sched.state_dict() == before and np.allclose(used, rates, rtol=1e-12)
        )
        lr = t.opt.param_groups[0]['lr']
        sched.step()
        # The schedule goes on.
        assert t.opt.param_groups[0]['lr'] != lr

    def loop(t, sched, **kw):
        with LRSweep(t.opt, t.model, num_it=12, stop_div=False, **kw) as sweep:
            for xb, yb in sweep(t.loader):
                loss = t.step(xb, yb)
                if where == 'before record':
                    sched.step()
                sweep.record(loss)
                if where == 'after record':
                    sched.step()

    check(lambda t, sched: loop(t, sched, schedulers=sched))
    # Whether so few points ask for probes depends on the version of torch.
    options = dict(num_it=12, stop_div=False, progress=False, probe=False)
    check(lambda t, sched: find_lr(t.model, t.opt, nn.CrossEntropyLoss(), t.loader, **options))
    t = Training(opt='sgd')
    sched = torch.optim.lr_scheduler.OneCycleLR(t.opt, 1.0, total_steps=40)
    first = t.state()
    with pytest.raises(ValueError, match='schedulers=') as e:
        # It doesn't know this scheduler, and says so with the remedy.
        loop(t, sched)
    assert same(first, t.state())
    fails_for(check, lambda t, sched: plain_finder(t, set_lr=lambda g, lr: (g.update(lr=lr), sched.step())))


def with_scheduler(make, optimizer=torch.optim.Adam):
    "Return the curve of a sweep with an optimizer of two groups, after `make` has made a scheduler."
    torch.manual_seed(0)
    model = net()
    first, *rest = model.parameters()
    opt = optimizer([dict(params=[first], lr=1e-4), dict(params=rest, lr=1e-3)])
    make(opt)
    return find_lr(
        model, opt, torch.nn.CrossEntropyLoss(), loaders()[0], num_it=30, probe=False, progress=False
    )


SCHEDULERS = torch.optim.lr_scheduler
HARMLESS = {
    'linear': SCHEDULERS.LinearLR,
    'from zero': lambda opt: SCHEDULERS.LambdaLR(opt, lambda step: step / 10),
    'cosine': lambda opt: SCHEDULERS.CosineAnnealingLR(opt, 10),
    'in turn': lambda opt: SCHEDULERS.SequentialLR(
        opt, [SCHEDULERS.ConstantLR(opt, 0.1), SCHEDULERS.StepLR(opt, 5)], milestones=[4]
    ),
    'one cycle of the rate': lambda opt: SCHEDULERS.OneCycleLR(
        opt, [0.01, 0.1], total_steps=9, cycle_momentum=False
    ),
    'cycles of the rate': lambda opt: SCHEDULERS.CyclicLR(
        opt, [1e-4, 1e-3], [0.01, 0.1], cycle_momentum=False
    ),
}


@pytest.mark.parametrize('kind', HARMLESS)
def test_a_scheduler_that_was_made_before_does_no_harm(kind):
    "It has lowered the rates, even to zero; the sweep has its own ones, in their ratio."
    plain, curve = with_scheduler(lambda opt: None), with_scheduler(HARMLESS[kind])
    assert np.allclose(curve.losses, plain.losses, rtol=1e-6) and curve.findings == plain.findings
    assert np.allclose(curve.group_lrs, plain.group_lrs)


@pytest.mark.parametrize(
    'optimizer', [torch.optim.Adam, lambda groups: torch.optim.SGD(groups, momentum=0.9)]
)
@pytest.mark.parametrize(
    'make',
    [
        lambda opt: SCHEDULERS.OneCycleLR(opt, 0.1, total_steps=9),
        lambda opt: SCHEDULERS.CyclicLR(opt, 1e-3, 0.1, max_momentum=0.95),
    ],
)
def test_a_scheduler_that_has_raised_the_momentum_is_named(make, optimizer):
    finding = next(f for f in with_scheduler(make, optimizer).findings if f.code == 'raised-momentum')
    assert 'momentum to 0.95, from 0.9' in finding and 'make the scheduler afterwards' in finding


def test_accumulated_batches_make_one_point_with_their_mean_loss():
    """Lightning #1726, pytorch-lr-finder #8: the rate changed at every batch, or the last loss of a window
    was taken for all of them, or the rest of a window was lost."""
    # These are two windows of three batches, and the rest of one.
    losses = [1.0, 2.0, 6.0, 2.0, 4.0, 9.0, 7.0, 5.0]

    def check(find):
        updates = []
        t = Training(opt='sgd', loader=lambda: (b for b in list(DataLoader(Rows(), 12))[:8]))
        t.opt.register_step_post_hook(lambda opt, *a: updates.append(opt.param_groups[0]['lr']))
        found = iter(losses)
        curve = find(
            t, lambda batch: nn.functional.cross_entropy(t.model(batch[0]), batch[1]) * 0 + next(found)
        )
        assert (
            curve == [3.0, 5.0, 6.0]
            and len(updates) == 3
            and np.allclose(updates, np.geomspace(1e-7, 10, 100)[:3], rtol=1e-9)
        )

    check(
        lambda t, step: find_lr(
            t.model, t.opt, None, t.loader, step=step, accumulate=3, batches=None, progress=False
        ).losses.tolist()
    )

    def with_faults(every, mean, flush):
        def find(t, step):
            rates, window, out = iter(np.geomspace(1e-7, 10, 100)), [], []
            for batch in t.loader:
                window.append(step(batch))
                (window[-1] / 3).backward()
                if len(window) == 3 or every:
                    t.opt.param_groups[0]['lr'] = next(rates)
                    t.opt.step()
                    t.opt.zero_grad()
                    out.append(mean([l.item() for l in window]))
                    window = []
            if window and flush:
                t.opt.param_groups[0]['lr'] = next(rates)
                t.opt.step()
                out.append(mean([l.item() for l in window]))
            return out

        return find

    check(with_faults(False, np.mean, True))
    for wrong in ((True, np.mean, True), (False, lambda window: window[-1], True), (False, np.mean, False)):
        fails_for(check, with_faults(*wrong))


def test_a_step_that_the_scaler_skipped_is_not_a_point():
    "pytorch-lr-finder #67 and #90: the rate moved on although no step was taken."

    def check(find):
        t = Training(opt='sgd')
        scaler = torch.amp.GradScaler('cpu', init_scale=2.0**40)
        # The scale is far too high, so that the first steps overflow.
        before = copy.deepcopy(scaler.state_dict())
        taken = []
        t.opt.register_step_post_hook(lambda opt, *a: taken.append(opt.param_groups[0]['lr']))
        lrs = find(t, scaler)
        assert len(lrs) == 20 and np.allclose(lrs, taken, rtol=1e-9) and scaler.state_dict() == before

    def autocast(t):
        return lambda batch: in_half(t, batch)

    def in_half(t, batch):
        with torch.autocast('cpu', torch.float16):
            return nn.functional.cross_entropy(t.model(batch[0]), batch[1])

    def test(t, scaler):
        test = RangeTest(
            t.model,
            t.opt,
            nn.CrossEntropyLoss(),
            amp_backend='torch',
            amp_config=dict(device_type='cpu', dtype=torch.float16),
            grad_scaler=scaler,
        )
        test.range_test(t.loader, start_lr=1e-6, num_iter=20, end_lr=1e-2, progress=False)
        return test.history['lr']

    check(test)
    check(
        lambda t, scaler: (
            find_lr(
                t.model,
                t.opt,
                None,
                t.loader,
                step=autocast(t),
                scaler=scaler,
                num_it=20,
                end_lr=1e-2,
                probe=False,
                progress=False,
            ).lrs
        )
    )

    def moves_on(t, scaler):
        before, lrs = copy.deepcopy(scaler.state_dict()), np.geomspace(1e-7, 1e-2, 20)
        for lr, batch in zip(lrs, LOADERS['stream']()):
            t.opt.param_groups[0]['lr'] = lr
            scaler.scale(in_half(t, batch)).backward()
            scaler.step(t.opt)
            scaler.update()
            t.opt.zero_grad()
        scaler.load_state_dict(before)
        return lrs

    fails_for(check, moves_on)


def test_parameter_groups_keep_their_ratio():
    """ignite #2703 and pytorch-lr-finder's pull request 14: every group got the same rate, or the same last
    rate."""

    def check(find):
        t = Training(opt='two_groups')
        rates = []
        t.opt.register_step_pre_hook(lambda opt, *a: rates.append([g['lr'] for g in opt.param_groups]))
        s = find(t)
        assert (
            np.allclose(np.array(rates)[:, 0] * 10, np.array(rates)[:, 1], rtol=1e-9)
            and rates[-1][1] == 10.0
            and len(s.lrs) == 2
            and np.isclose(s.lrs[0] * 10, s.lrs[1])
            and s.lrs[1] == s.lr
        )
        assert [g['lr'] for g in t.opt.param_groups] == [1e-4, 1e-3]

    # A training as small as this one supports no suggestion, so the losses are replaced.
    suggestion = lambda curve: LRCurve(
        curve.lrs, a_curve(lrs=curve.lrs).losses, curve.group_lrs, shift=0
    ).suggest()

    def test(t):
        test = RangeTest(t.model, t.opt, nn.CrossEntropyLoss())
        test.range_test(t.loader, start_lr=1e-7, diverge_th=float('inf'), progress=False)
        return suggestion(test.curve)

    check(test)
    check(
        lambda t: suggestion(
            find_lr(t.model, t.opt, nn.CrossEntropyLoss(), t.loader, stop_div=False, progress=False)
        )
    )

    def same_end(t):
        for lr in np.geomspace(1e-7, 10, 100):
            for g in t.opt.param_groups:
                g['lr'] = lr
            t.step(*next(iter(t.loader)))
        return a_curve().suggest()

    fails_for(check, same_end)


def test_two_models_that_train_against_each_other():
    """pytorch-lr-finder #16: no finder could use a loop with two optimizers, Lightning's neither.

    Here both are swept together, or one of them alone."""

    class Game:
        def __init__(self):
            torch.manual_seed(0)
            self.g, self.d = nn.Linear(2, 6), nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
            self.og, self.od = (
                torch.optim.Adam(self.g.parameters(), lr=1e-4),
                torch.optim.Adam(self.d.parameters(), lr=4e-4),
            )
            self.rates = []

        def step(self, x):
            bce = nn.functional.binary_cross_entropy_with_logits
            fake = self.g(torch.randn(len(x), 2))
            loss_d = bce(self.d(x), torch.ones(len(x), 1)) + bce(
                self.d(fake.detach()), torch.zeros(len(x), 1)
            )
            self.od.zero_grad()
            loss_d.backward()
            self.od.step()
            loss_g = bce(self.d(fake), torch.ones(len(x), 1))
            self.og.zero_grad()
            loss_g.backward()
            self.og.step()
            self.rates.append((self.og.param_groups[0]['lr'], self.od.param_groups[0]['lr']))
            return loss_d.detach(), loss_g.detach()

        def state(self):
            return (
                [m.state_dict() for m in (self.g, self.d)],
                [[list(s.values()) for s in o.state.values()] for o in (self.og, self.od)],
                torch.get_rng_state(),
            )

    def check(find, held=False):
        game = Game()
        for x, _ in DataLoader(Rows(), 32):
            game.step(x)
        first = copy.deepcopy(game.state())
        game.rates.clear()
        curve, (rg, rd) = find(game), np.array(game.rates).T
        assert len(curve) == 20 == len(rg) and same(first, game.state())
        assert np.allclose(rg, np.geomspace(1e-7, 1, 20) / (1 if held else 4)) and (
            (rd == 4e-4).all() if held else np.allclose(rg * 4, rd)
        )

    def sweep(game, opt, **kw):
        with LRSweep(opt, [game.g, game.d], num_it=20, end_lr=1.0, stop_div=False, **kw) as sweep:
            for x, _ in sweep(DataLoader(Rows(), 32)):
                sweep.record(game.step(x)[0])
        return sweep.curve

    check(lambda game: sweep(game, [game.og, game.od]))
    check(lambda game: sweep(game, game.og, others=game.od), held=True)
    # The other optimizer was not named, and so was not restored.
    fails_for(partial(check, held=True), lambda game: sweep(game, game.og))

    def one_rate(game):
        for lr in np.geomspace(1e-7, 1, 20):
            for o in (game.og, game.od):
                o.param_groups[0]['lr'] = lr
            game.step(problem()[:32][0])
        return range(20)

    fails_for(check, one_rate)


def test_lbfgs_in_a_loop_and_in_a_learner():
    "A closure is supported in a loop of your own, and refused by the learner before anything has changed."
    t = Training(opt='lbfgs').train(3)
    first = t.state()
    curve = t.find(end_lr=1.0)
    assert len(curve) == 12 and same(first, t.state())
    learn = make_learner(opt_func=torch.optim.LBFGS)
    before = state_of(learn)
    seen = []
    learn.model.register_forward_hook(lambda *a: seen.append(1))
    with pytest.raises(TypeError, match='closure'):
        learn.lr_find()
    assert same(before, state_of(learn)) and learn.opt is None and not seen


def test_a_rate_that_is_a_tensor_is_filled_and_nothing_is_compiled_again():
    "pytorch #163093: a new tensor as rate makes a compiled step compile again, at every step."

    def check(find):
        torch._dynamo.reset()
        model = nn.Linear(6, 3)
        held = torch.tensor(0.01)
        opt = torch.optim.SGD(model.parameters(), lr=held)
        t = type('T', (), dict(model=model, opt=opt, loader=DataLoader(Rows(), 16)))()
        compiled = torch.compile(opt.step, backend='eager')

        def step(xb, yb):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            compiled()
            return loss.detach()

        t.step = step
        for xb, yb in islice(t.loader, 3):
            step(xb, yb)
        with torch._dynamo.config.patch(error_on_recompile=True):
            find(t)
            for xb, yb in islice(t.loader, 2):
                step(xb, yb)
        assert opt.param_groups[0]['lr'] is held and held.item() == torch.tensor(0.01).item()

    check(Training.find)
    fails_for(check, partial(plain_finder, set_lr=lambda g, lr: g.update(lr=float(lr))))
