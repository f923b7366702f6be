"What a range test changes is restored: weights, optimizer, random state, modules, schedulers, the disk."

import copy
from functools import partial

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, Sampler

from conftest import loaders, make_learner, net, same, state_of
from fastlr import Callback, Learner, LRSweep, Snapshot, accuracy
from faults import fails_for, plain_finder
from trainings import Remembers, Training, trip


@pytest.mark.parametrize('left_out', ['model', 'opt'])
def test_weights_and_optimizer_are_restored(left_out):
    """pytorch-lr-finder #11, Lightning #6675, fastai #2892 and #3185: some part was not restored, or nothing
    after an exception."""

    def check(find):
        for error in (None, ValueError('stop'), KeyboardInterrupt()):
            t = Training('lazy').train(3)
            first = t.state()
            if error is not None:
                trip.arm('model', 6, error)
            try:
                find(t)
            except (ValueError, KeyboardInterrupt):
                assert error
            assert same(first, t.state())

    check(Training.find)
    fails_for(check, partial(plain_finder, keep={'model', 'opt', 'random'} - {left_out}))
    fails_for(check, partial(plain_finder, finally_=False))


def test_later_training_is_the_same():
    "fastai #3013 and #3295: the random state and the loader had moved on, and runs could not be reproduced."

    def check(find):
        for loader in ('shuffled', 'own_generator', 'augmented', 'stream'):

            def run(detour):
                t = Training(loader=loader).train(3)
                if detour:
                    find(t)
                return t.train(8).state()

            assert same(run(False), run(True)), loader

    check(Training.find)
    fails_for(check, plain_finder)
    fails_for(check, partial(plain_finder, keep=('model', 'opt')))


def test_a_failed_run_does_not_affect_the_next():
    "pytorch-forecasting #1863: what the first run had set up was still there after it failed."

    def check(find):
        t = Training().train(2)
        first = t.state()
        plain = find(t)
        assert same(first, t.state())
        for place in ('model', 'after step', 'loader'):
            trip.arm(place, 4, ValueError('the first run'))
            with pytest.raises(ValueError, match='the first run'):
                find(t)
        again = find(t)
        assert np.array_equal(plain, again) and same(first, t.state())

    check(lambda t: t.find().losses)
    fails_for(check, partial(plain_finder, finally_=False))


def test_no_file_is_written(tmp_path, monkeypatch):
    """fastai #1751, #3240, #2943, pytorch-forecasting #180: a checkpoint `tmp.pth` was written to a directory
    that was read-only, shared, or the user's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'models').mkdir()
    (tmp_path / 'models' / 'tmp.pth').write_text('mine')
    listing = lambda: sorted(
        (str(p), p.stat().st_mtime_ns, p.read_text() if p.is_file() else '') for p in tmp_path.rglob('*')
    )
    before, temp = listing(), tmp_path.parent / f'{tmp_path.name}-temp'
    temp.mkdir()
    monkeypatch.setenv('TMPDIR', str(temp))
    import tempfile

    monkeypatch.setattr(tempfile, 'tempdir', None)

    def check(find):
        learn = make_learner(path=tmp_path)
        learn.fit(1)
        find(learn)
        assert listing() == before and list(temp.iterdir()) == []

    check(lambda learn: learn.lr_find(num_it=10))
    check(lambda learn: learn.lr_find(num_it=10, where=temp))
    fails_for(check, lambda learn: learn.save('tmp'))


def test_callbacks_and_loggers_are_left_alone(tmp_path):
    """Lightning #15603, #17412, #19575, fastai #3486: validation was limited, loggers had entries, and
    checkpoints had been written."""

    class Logs(Callback):
        def __init__(self):
            self.events = []

        def on_train_begin(self, **kwargs):
            self.events.append('begin')

        def on_batch_end(self, **kwargs):
            self.events.append('batch')

        def on_epoch_end(self, epoch, **kwargs):
            (tmp_path / f'{epoch}.ckpt').touch()
            self.events.append('epoch')

    def check(find):
        logs = Logs()
        learn = make_learner(callbacks=[logs], metrics=[accuracy], path=tmp_path)
        learn.fit(2)
        attributes, events, table = (
            dict(vars(learn)),
            list(logs.events),
            (list(learn.recorder.val_losses), list(learn.recorder.metrics)),
        )
        for f in tmp_path.iterdir():
            f.unlink()
        find(learn)
        assert vars(learn) == attributes and logs.events == events and list(tmp_path.iterdir()) == []
        assert same(table, (learn.recorder.val_losses, learn.recorder.metrics))
        learn.fit(1)
        assert (
            np.isfinite(np.array(learn.recorder.val_losses, dtype=float)).tolist() == [True]
            and logs.events[len(events) :].count('epoch') == 1
        )

    check(lambda learn: learn.lr_find(num_it=10))
    # A fit runs the trainer with everything that belongs to it.
    fails_for(check, lambda learn: learn.fit(1))
    fails_for(check, lambda learn: setattr(learn.data, 'valid_dl', None))
    fails_for(check, lambda learn: setattr(learn, 'callbacks', []))


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
def test_models_of_many_kinds_are_restored(make):
    torch.manual_seed(0)
    learn = Learner(loaders(), make(), loss_func=nn.CrossEntropyLoss(), silent=True)
    learn.fit(1, 1e-2)
    attrs = lambda: {
        k: copy.copy(v) for k, v in vars(learn.model).items() if k in ('calls', 'seen', 'kinds', 'last')
    }
    before, plain = state_of(learn), attrs()
    learn.lr_find(num_it=12)
    assert same(before, state_of(learn)) and same(plain, attrs())


def test_state_inside_of_nested_objects_is_restored():
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


def test_sparse_and_expanded_tensors_are_restored_and_lazy_modules_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(10, 4, sparse=True)
            self.register_buffer('adj', torch.eye(4).to_sparse())
            self.register_buffer('wide', torch.ones(1).expand(4, 4))
            self.register_buffer('empty', torch.from_numpy(np.zeros((4, 0))))

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


def test_schedulers_that_the_loop_steps_are_restored():
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
    # The data are not part of the state.
    assert data[0][0] == 1
