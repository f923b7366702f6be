"""What users of learning-rate finders have reported, one test each. `check` holds for fastlr; and because a test that can't fail
proves nothing, it is put to a finder that behaves as in the report too, and there it must not hold.

The reports are public issues of fastai, ignite, Lightning, pytorch-lr-finder and others; each test names some."""
import copy, os
from functools import partial
from itertools import islice

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader

from conftest import make_learner, net, problem, same, state_of
from fastlr import Callback, Divergence, LRFinder, LRSweep, accuracy
from trainings import LOADERS, Rows, Training, trip


def fails_for(check, finder):
    "`check` must not hold for a finder that behaves as in the report."
    trip.disarm()
    with pytest.raises((Exception, pytest.fail.Exception)): check(finder)
    trip.disarm()


def reported(t, num_it=12, start_lr=1e-7, end_lr=10., keep=('model', 'opt', 'random'), set_lr=lambda g, lr: g.update(lr=lr), stop=lambda losses: False, finally_=True, **kw):
    "A range test as people write it, with one or another thing missing."
    model, opt, rng = copy.deepcopy(t.model.state_dict()), copy.deepcopy(t.opt.state_dict()), torch.get_rng_state()
    grads = [p.grad for p in t.model.parameters()]
    def restore():
        if 'model' in keep: t.model.load_state_dict(model)
        if 'opt' in keep: t.opt.load_state_dict(opt)
        if 'random' in keep: torch.set_rng_state(rng)
        for p, g in zip(t.model.parameters(), grads): p.grad = g
    losses, loader = [], iter(t.loader)
    try:
        for lr in np.geomspace(start_lr, end_lr, num_it):
            for g in t.opt.param_groups: set_lr(g, lr)
            try: xb, yb = next(loader)
            except StopIteration: loader = iter(t.loader); xb, yb = next(loader)
            losses.append(float(t.step(xb, yb)))
            if stop(losses): break
    except BaseException:
        if finally_: restore()
        raise
    restore()
    return losses


@pytest.mark.parametrize('left_out', ['model', 'opt'])
def test_weights_and_optimizer_are_restored(left_out):
    "Not so in pytorch-lr-finder #11, Lightning #6675, fastai #2892 and #3185: some part, or none at all after an exception."
    def check(find):
        for error in (None, ValueError('stop'), KeyboardInterrupt()):
            t = Training('lazy').train(3); first = t.state()
            if error is not None: trip.arm('model', 6, error)
            try: find(t)
            except (ValueError, KeyboardInterrupt): assert error
            assert same(first, t.state())
    check(Training.find)
    fails_for(check, partial(reported, keep={'model', 'opt', 'random'} - {left_out}))
    fails_for(check, partial(reported, finally_=False))


def test_later_training_is_the_same():
    "fastai #3013 and #3295: the random state and the loader had moved on, and runs could not be reproduced."
    def check(find):
        for loader in ('shuffled', 'own_generator', 'augmented', 'stream'):
            def run(detour):
                t = Training(loader=loader).train(3)
                if detour: find(t)
                return t.train(8).state()
            assert same(run(False), run(True)), loader
    check(Training.find)
    fails_for(check, reported)
    fails_for(check, partial(reported, keep=('model', 'opt')))


@pytest.mark.parametrize('offset', [-100., -2.3, 0., 100.])
def test_a_negative_loss_does_not_stop_it(offset):
    "fastai #962: `loss > 4*best` holds at once where the best loss is negative, and never where it has a large offset."
    falls_then_explodes = np.r_[[2.3]*20, np.linspace(2.3, 0.5, 20), 0.5 + 2.**np.arange(12)]
    def check(make):
        stops_at = lambda losses, rule: next((i for i, l in enumerate(losses) if rule(l)), None)
        assert 40 < stops_at(falls_then_explodes, make()) == stops_at(falls_then_explodes + offset, make())
    check(Divergence)
    class Factor:
        best = float('inf')
        def __call__(self, loss): self.best = min(self.best, loss); return loss > 4*self.best
    if offset: fails_for(check, Factor)


def test_nan_ends_it_and_is_not_in_the_curve():
    "fastai #3476, ignite #1482: `nan > 4*best` is false, so it ran on, and the minimum of the losses was NaN."
    def check(find):
        class Blows(nn.Module):
            def __init__(self): super().__init__(); self.net, self.calls = net(), 0
            def forward(self, x): self.calls += 1; return self.net(x) * (float('nan') if self.calls > 7 else 1.)
        t = Training(Blows)
        losses = find(t)
        assert len(losses) == 7 and np.isfinite(losses).all()
    check(lambda t: t.find().losses)
    fails_for(check, partial(reported, stop=lambda losses: losses[-1] > 4*min(losses)))
    for bad in (float('inf'), float('-inf')):
        t = Training()
        with LRSweep(t.opt, t.model, num_it=9) as sweep: assert not sweep.record(1.) and sweep.record(bad)
        assert sweep.curve.stop_reason == 'non-finite' and sweep.curve.losses.tolist() == [1.]


def test_earlier_training_does_not_shorten_it():
    "Lightning #4846: the step counter was the trainer's, so after some training the sweep stopped at its first step."
    def check(find):
        learn = make_learner(); learn.fit(10)
        assert find(learn) == 20
    check(lambda learn: len(learn.lr_find(num_it=20, stop_div=False)))
    check(lambda learn: (learn.fit(50, callbacks=[LRFinder(learn, num_it=20, stop_div=False)]), len(learn.recorder.curve))[1])
    def trainers_counter(learn):
        steps, done = int(learn.opt.opt.state[next(iter(learn.opt.opt.state))]['step']), 0
        while steps < 20: steps, done = steps+1, done+1
        return done
    fails_for(check, trainers_counter)


@pytest.mark.parametrize('loss', [0.3, 2.302585, -7., 1e6])
def test_constant_losses_smooth_to_that_constant(loss):
    "Lightning #14167: with a bias correction that is one step late the loss seems to rise, or to fall, at the start."
    def check(smooth): assert all(s == loss for s in smooth([loss]*60))
    def ours(losses):
        d, out = Divergence(), []
        for l in losses: d(l); out.append(d.smooth)
        return out
    def late(losses, beta=0.98):
        avg, out = 0., []
        for i, l in enumerate(losses): avg = beta*avg + (1-beta)*l; out.append(avg/(1-beta**(i+2)))
        return out
    check(ours)
    fails_for(check, late)


def test_trainer_callbacks_and_loggers_are_left_alone(tmp_path):
    "Lightning #15603, #17412, #19575, fastai #3486: afterwards validation was capped, loggers had entries, checkpoints had been written."
    class Logs(Callback):
        def __init__(self): self.events = []
        def on_train_begin(self, **kwargs): self.events.append('begin')
        def on_batch_end(self, **kwargs): self.events.append('batch')
        def on_epoch_end(self, epoch, **kwargs): (tmp_path/f'{epoch}.ckpt').touch(); self.events.append('epoch')
    def check(find):
        logs = Logs(); learn = make_learner(callbacks=[logs], metrics=[accuracy], path=tmp_path); learn.fit(2)
        attributes, events, table = dict(vars(learn)), list(logs.events), (list(learn.recorder.val_losses), learn.recorder.losses.clone())
        for f in tmp_path.iterdir(): f.unlink()
        find(learn)
        assert vars(learn) == attributes and logs.events == events and list(tmp_path.iterdir()) == []
        assert same(table, (list(learn.recorder.val_losses), learn.recorder.losses))
        learn.fit(1)
        assert np.isfinite(np.array(learn.recorder.val_losses, dtype=float)).tolist() == [True] and logs.events[len(events):].count('epoch') == 1
    check(lambda learn: learn.lr_find(num_it=10))
    fails_for(check, lambda learn: learn.fit(1))                                     # through the trainer, with all that hangs on it
    fails_for(check, lambda learn: setattr(learn.data, 'valid_dl', None))
    fails_for(check, lambda learn: setattr(learn, 'callbacks', []))


def test_a_failed_run_does_not_poison_the_next():
    "pytorch-forecasting #1863: what the first run had set up was still there when it failed."
    def check(find):
        t = Training().train(2); first = t.state(); plain = find(t)
        assert same(first, t.state())
        for place in ('model', 'after step', 'loader'):
            trip.arm(place, 4, ValueError('the first run'))
            with pytest.raises(ValueError, match='the first run'): find(t)
        again = find(t)
        assert np.array_equal(plain, again) and same(first, t.state())
    check(lambda t: t.find().losses)
    fails_for(check, partial(reported, finally_=False))


def test_no_files(tmp_path, monkeypatch):
    "fastai #1751, #3240, #2943, pytorch-forecasting #180: a checkpoint `tmp.pth` in a directory that is read-only, shared, or the user's."
    monkeypatch.chdir(tmp_path); (tmp_path/'models').mkdir(); (tmp_path/'models'/'tmp.pth').write_text('mine')
    listing = lambda: sorted((str(p), p.stat().st_mtime_ns, p.read_text() if p.is_file() else '') for p in tmp_path.rglob('*'))
    before, temp = listing(), tmp_path.parent/f'{tmp_path.name}-temp'; temp.mkdir(); monkeypatch.setenv('TMPDIR', str(temp))
    import tempfile; monkeypatch.setattr(tempfile, 'tempdir', None)
    def check(find):
        learn = make_learner(path=tmp_path); learn.fit(1); find(learn)
        assert listing() == before and list(temp.iterdir()) == []
    check(lambda learn: learn.lr_find(num_it=10))
    check(lambda learn: learn.lr_find(num_it=10, where=temp))
    fails_for(check, lambda learn: learn.save('tmp'))


class Endless:
    def __iter__(self):
        x, y = problem()[:]
        while True: yield x[:16], y[:16]


@pytest.mark.parametrize('loader, points, reason', [
    (lambda: DataLoader(Rows(), 96), 30, 'end'), (LOADERS['stream'], 30, 'end'), (Endless, 30, 'end'),
    (lambda: (b for b in DataLoader(Rows(), 16)), 6, 'data'), (lambda: islice(Endless(), 9), 9, 'data')], ids=['one batch', 'iterable', 'endless', 'generator', 'iterator'])
def test_loaders_of_any_length(loader, points, reason):
    "keras_lr_finder #35, ignite #1357, Lightning #16561, pytorch-lr-finder #76: `len()` was asked for, or the end of a short loader was the end."
    def check(find):
        t = Training(loader=loader); curve = find(t)
        assert len(curve) == points and curve.stop_reason == reason
    check(partial(Training.find, num_it=30))
    check(lambda t: Learner_of(t).lr_find(num_it=30, stop_div=False))
    def with_len(t): len(t.loader); return with_one_epoch(t)
    def with_one_epoch(t):
        curve = type('Curve', (list,), {})(t.step(*b) for b in islice(t.loader, 30)); curve.stop_reason = 'end'
        return curve
    fails_for(check, with_len)
    with pytest.raises(ValueError, match='gave no batch'): Training(loader=list).find()


def Learner_of(t):
    from fastlr import Learner
    return Learner((t.loader, None), t.model, loss_func=nn.CrossEntropyLoss(), silent=True)


@pytest.mark.parametrize('where', ['before record', 'after record'])
def test_a_scheduler_stands_still_and_is_as_it_was(where):
    "pytorch-lr-finder #81: an optimizer with a scheduler was refused; elsewhere the scheduler moved the rates of the sweep."
    rates = np.geomspace(1e-7, 10, 12)
    def check(find):
        t = Training(opt='sgd'); sched = torch.optim.lr_scheduler.OneCycleLR(t.opt, 1., total_steps=40); t.train(2); first, before, used = t.state(), copy.deepcopy(sched.state_dict()), []
        t.opt.register_step_pre_hook(lambda opt, *a: used.append(opt.param_groups[0]['lr']))
        find(t, sched)
        assert same(first, t.state()) and sched.state_dict() == before and np.allclose(used, rates, rtol=1e-12)
        lr = t.opt.param_groups[0]['lr']; sched.step(); assert t.opt.param_groups[0]['lr'] != lr               # it goes on
    def loop(t, sched, **kw):
        with LRSweep(t.opt, t.model, num_it=12, stop_div=False, **kw) as sweep:
            for xb, yb in sweep(t.loader):
                loss = t.step(xb, yb)
                if where == 'before record': sched.step()
                sweep.record(loss)
                if where == 'after record': sched.step()
    check(lambda t, sched: loop(t, sched, schedulers=sched))
    t = Training(opt='sgd'); sched = torch.optim.lr_scheduler.OneCycleLR(t.opt, 1., total_steps=40); first = t.state()
    with pytest.raises(ValueError, match='schedulers=') as e: loop(t, sched)                                   # one that it doesn't know: told so, with the remedy
    assert same(first, t.state())
    fails_for(check, lambda t, sched: reported(t, set_lr=lambda g, lr: (g.update(lr=lr), sched.step())))


@pytest.mark.parametrize('bad, words', [
    (dict(num_it=1), 'num_it'), (dict(start_lr=-1.), 'start_lr'), (dict(end_lr=1e-9), 'start_lr must be below'), (dict(mode='logarithmic'), 'mode'), (dict(stop_div='yes'), 'stop_div'),
    (dict(accumulate=0), 'accumulate'), (dict(where='/no/such/place'), 'where'), (dict(start_lr=[1e-7, 1e-7]), 'start_lr')])
def test_what_is_wrong_is_said_before_the_first_step(bad, words):
    "Lightning #5487: a setting that could not work was noticed minutes later."
    def check(find):
        t = Training(); first = t.state(); trip.arm('model', 0, AssertionError('a step was taken'))
        with pytest.raises((ValueError, TypeError), match=words): find(t, **bad)
        assert trip.place == 'model' and same(first, t.state())                # still armed: nobody came by
        learn = Learner_of(t)
        with pytest.raises((ValueError, TypeError), match=words): learn.lr_find(**bad)
        assert learn.opt is None
    check(Training.find)
    def late(t, **kw): t.find(); raise ValueError(words)
    fails_for(check, late)


def test_a_rate_that_is_a_tensor_is_filled_and_nothing_is_compiled_again():
    "pytorch #163093: a new tensor as rate makes a compiled step compile again, at every step."
    def check(find):
        torch._dynamo.reset()
        model = nn.Linear(6, 3); held = torch.tensor(0.01); opt = torch.optim.SGD(model.parameters(), lr=held)
        t = type('T', (), dict(model=model, opt=opt, loader=DataLoader(Rows(), 16)))()
        compiled = torch.compile(opt.step, backend='eager')
        def step(xb, yb):
            opt.zero_grad(); loss = nn.functional.cross_entropy(model(xb), yb); loss.backward(); compiled()
            return loss.detach()
        t.step = step
        for xb, yb in islice(t.loader, 3): step(xb, yb)
        with torch._dynamo.config.patch(error_on_recompile=True): find(t); [step(xb, yb) for xb, yb in islice(t.loader, 2)]
        assert opt.param_groups[0]['lr'] is held and held.item() == torch.tensor(0.01).item()
    check(Training.find)
    fails_for(check, partial(reported, set_lr=lambda g, lr: g.update(lr=float(lr))))


def test_lbfgs():
    "Closures: supported in a loop of one's own, refused by the learner before anything has happened."
    t = Training(opt='lbfgs').train(3); first = t.state()
    curve = t.find(end_lr=1.)
    assert len(curve) == 12 and same(first, t.state())
    learn = make_learner(opt_func=torch.optim.LBFGS); before = state_of(learn); seen = []
    learn.model.register_forward_hook(lambda *a: seen.append(1))
    with pytest.raises(TypeError, match='closure'): learn.lr_find()
    assert same(before, state_of(learn)) and learn.opt is None and not seen
