"The events: order, state by name, what is returned, and what happens when something raises."

import csv, gc, weakref
from functools import partial

import numpy as np
import pytest, torch
from torch import nn

from conftest import loaders, make_learner, same
from fastlr import (
    Callback,
    CallbackHandler,
    GradientClipping,
    Learner,
    LearnerCallback,
    OneCycleScheduler,
    Scheduler,
    accuracy,
    add_metrics,
    annealing_cos,
)
from fastlr.callback import EVENTS, STATE, entries_for


def tracer(log, order=0, name=''):
    "A callback that records every event, with its name."
    cls = type(
        f'Tracer{name}',
        (Callback,),
        {'_order': order, **{ev: (lambda self, ev=ev, **kw: log.append(name + ev)) for ev in EVENTS}},
    )
    return cls()


BATCH = [
    'on_batch_begin',
    'on_loss_begin',
    'on_backward_begin',
    'on_backward_end',
    'on_step_end',
    'on_batch_end',
]
VALID = ['on_batch_begin', 'on_loss_begin', 'on_batch_end']


def test_order_of_events():
    log = []
    make_learner(dls=loaders(48)).fit(2, callbacks=[tracer(log)])
    epoch = ['on_epoch_begin', *BATCH, *BATCH, *VALID, 'on_epoch_end']
    assert log == ['on_train_begin', *epoch, *epoch, 'on_train_end']


def test_order_of_callbacks_ties_keep_theirs():
    log = []
    cbs = [tracer(log, 1, 'a-'), tracer(log, 0, 'b-'), tracer(log, 0, 'c-'), tracer(log, -5, 'd-')]
    make_learner(dls=loaders(96)).fit(1, callbacks=cbs)
    assert log[:4] == ['d-on_train_begin', 'b-on_train_begin', 'c-on_train_begin', 'a-on_train_begin']


def test_state_by_name():
    seen = []

    class Reads(Callback):
        def on_batch_end(
            self,
            iteration,
            epoch,
            num_batch,
            last_input,
            last_target,
            last_output,
            last_loss,
            smooth_loss,
            train,
            n_epochs,
            **kwargs,
        ):
            if train:
                seen.append(
                    (
                        iteration,
                        epoch,
                        num_batch,
                        tuple(last_input.shape),
                        tuple(last_output.shape),
                        float(last_loss),
                        float(smooth_loss),
                        n_epochs,
                    )
                )

    learn = make_learner(dls=loaders(48))
    learn.fit(2, callbacks=Reads())
    assert [s[:3] for s in seen] == [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
    assert seen[0][3:5] == ((48, 6), (48, 3)) and seen[0][7] == 2
    losses = torch.tensor([s[5] for s in seen], dtype=torch.float64)
    weights = 0.98 ** torch.arange(3, -1, -1, dtype=torch.float64)
    assert seen[-1][6] == pytest.approx(float((losses * weights).sum() / weights.sum()), rel=1e-5)
    assert learn.recorder.losses[-1] == pytest.approx(seen[-1][6], rel=1e-5)


def test_kwargs_hold_the_whole_state():
    got = {}

    class Passes(Callback):
        def on_batch_end(self, **kwargs):
            got.update(kwargs)

    class Inherits(Passes):
        def on_batch_end(self, train, **kwargs):
            super().on_batch_end(train=train, **kwargs)

    make_learner().fit(1, callbacks=Inherits())
    assert got.keys() == STATE.keys() and float(got['smooth_loss']) > 0


def test_a_method_without_kwargs_gets_what_it_names():
    calls = []

    class Few(Callback):
        def on_batch_begin(self):
            calls.append('begin')

        def on_batch_end(self, iteration, last_loss=None, *, train, unknown=7):
            calls.append((iteration, last_loss, train, unknown))

        def on_epoch_begin(self, epoch, **unused):
            pass

    cb = Few()
    assert [entries_for(getattr(cb, event)) for event in ('on_batch_begin', 'on_batch_end')] == [
        (),
        ('iteration', 'last_loss', 'train'),
    ]
    # None stands for the whole state, whether the method uses it or not.
    assert entries_for(cb.on_epoch_begin) is None
    handler = CallbackHandler([cb])
    handler.on_epoch_begin()
    handler.on_batch_begin(1, 2)
    handler.on_batch_end(0.5)
    assert calls == ['begin', (0, 0.5, True, 7)]


def test_losses_are_smoothed_only_for_methods_that_read_them():
    def smooth_loss(*callbacks):
        learn = make_learner()
        found = []
        original = learn.to_batch

        def watch(*args):
            found.append(learn.handler.state['smooth_loss'])
            return original(*args)

        learn.to_batch = watch
        learn.fit(1, callbacks=[*callbacks, GradientClipping(learn, 1.0), OneCycleScheduler(learn, 1e-2)])
        return found[-1]

    class Ignores(Callback):
        def on_batch_end(self, iteration, **_):
            assert not _

    class Names(Callback):
        def on_epoch_end(self, smooth_loss, **_):
            pass

    assert smooth_loss() is None and smooth_loss(Ignores()) is None
    assert smooth_loss(Names()) > 0 and smooth_loss(tracer([])) > 0


def test_the_whole_state_can_be_passed_on_to_callbacks_of_the_library():
    "A subclass written for fastai v1 calls the method that it overrides with everything that it got."

    class Passes(GradientClipping):
        seen = 0

        def on_backward_end(self, **kwargs):
            self.seen = len(kwargs)
            super().on_backward_end(**kwargs)

    learn = make_learner(callback_fns=[partial(Passes, clip=0.05)])
    learn.fit(1)
    assert learn.passes.seen == len(STATE)


@pytest.mark.parametrize('event', EVENTS)
def test_raising_names_callback_and_event_and_train_end_comes_to_all_for_which_it_has_begun(event):
    log, seen = [], []

    class Faulty(Callback):
        pass

    def boom(self, **kwargs):
        raise ZeroDivisionError('oh dear')

    setattr(Faulty, event, boom)

    class Told(Callback):
        def on_train_end(self, exception, **kwargs):
            seen.append(exception)

    learn = make_learner()
    with pytest.raises(ZeroDivisionError, match='oh dear') as e:
        learn.fit(1, callbacks=[tracer(log, -1), Faulty(), Told()])
    text = ' '.join([str(e.value), *getattr(e.value, '__notes__', [])])
    assert 'Faulty' in text and event in text
    assert log.count('on_train_end') == 1
    assert seen == [] if event == 'on_train_begin' else [None if event == 'on_train_end' else e.value]
    # The learner still works.
    learn.fit(1)


def test_keyboard_interrupt_reaches_train_end():
    class Stop(Callback):
        def on_backward_end(self, **kwargs):
            raise KeyboardInterrupt

    seen = []

    class Told(Callback):
        def on_train_end(self, exception, **kwargs):
            seen.append(type(exception))

    with pytest.raises(KeyboardInterrupt):
        make_learner().fit(1, callbacks=[Stop(), Told()])
    assert seen == [KeyboardInterrupt]


def test_unknown_event_and_unknown_state_are_refused_before_training(learn):
    class Typo(Callback):
        def on_batch_ends(self, **kwargs):
            pass

    class Wants(Callback):
        def on_batch_end(self, last_los, **kwargs):
            pass

    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with pytest.raises(TypeError, match=r"Typo\.on_batch_ends.*'on_batch_end'"):
        learn.fit(1, callbacks=Typo())
    with pytest.raises(TypeError, match=r"Wants\.on_batch_end asks for 'last_los'.*'last_loss'"):
        learn.fit(1, callbacks=Wants())
    with pytest.raises(TypeError, match='Typo'):
        Learner(loaders(), nn.Linear(6, 3), callbacks=Typo())
    assert same(before, dict(learn.model.state_dict()))


def test_unknown_returned_key_is_refused(learn):
    class Bad(Callback):
        def on_epoch_begin(self, **kwargs):
            return {'stop_trainig': True}

    with pytest.raises(ValueError, match="Bad.on_epoch_begin.*'stop_trainig'.*'stop_training'"):
        learn.fit(1, callbacks=Bad())


@pytest.mark.parametrize('flag, event', [('skip_step', 'on_backward_end'), ('skip_bwd', 'on_backward_begin')])
def test_skips(flag, event):
    cls = type('Skips', (Callback,), {event: lambda self, **kw: {flag: True}})
    learn = make_learner(opt_func=torch.optim.SGD)
    before = [p.clone() for p in learn.model.parameters()]
    learn.fit(1, 0.1, callbacks=cls())
    assert all(torch.equal(a, b) for a, b in zip(before, learn.model.parameters()))


def test_skip_validate_and_skip_zero():
    class Skips(Callback):
        def on_epoch_begin(self, **kwargs):
            return {'skip_validate': True}

        def on_step_end(self, **kwargs):
            return {'skip_zero': True}

    learn = make_learner()
    learn.fit(1, callbacks=Skips())
    assert learn.recorder.val_losses == [None] and all(p.grad is not None for p in learn.model.parameters())


def test_gradients_are_kept_beyond_the_validation_and_are_there_when_the_training_ends():
    at_end = []

    class Keeps(Callback):
        keep = True

        def on_step_end(self, **kwargs):
            return {'skip_zero': self.keep}

        def on_train_end(self, **kwargs):
            at_end.append(any(p.grad.any() for p in learn.model.parameters()))

    learn = make_learner()
    learn.fit(1, callbacks=Keeps())
    assert len(learn.recorder.val_losses) == 1 and any(p.grad.any() for p in learn.model.parameters())
    Keeps.keep = False
    learn.fit(1, callbacks=Keeps())
    # Zeros until the training has ended, and then no memory for them.
    assert at_end == [True, False] and all(p.grad is None for p in learn.model.parameters())


# Callbacks as they were written for fastai v1. They use only the event contract, and are unchanged.


class ClipV1(LearnerCallback):
    def __init__(self, learn, clip=0.0):
        super().__init__(learn)
        self.clip = clip

    def on_backward_end(self, **kwargs):
        if self.clip:
            nn.utils.clip_grad_norm_(self.learn.model.parameters(), self.clip)


class TrackerV1(LearnerCallback):
    def __init__(self, learn, monitor='valid_loss'):
        super().__init__(learn)
        self.monitor = monitor

    def on_train_begin(self, **kwargs):
        self.best, self.seen = float('inf'), []

    def get_monitor_value(self):
        values = {
            'train_loss': self.learn.recorder.losses[-1].cpu().numpy(),
            'valid_loss': self.learn.recorder.val_losses[-1],
        }
        for m, n in zip(self.learn.recorder.metrics[-1], self.learn.recorder.names[3:-1]):
            values[n] = m
        return values.get(self.monitor)


class EarlyStoppingV1(TrackerV1):
    def __init__(self, learn, monitor='valid_loss', patience=0):
        super().__init__(learn, monitor)
        self.patience = patience

    def on_train_begin(self, **kwargs):
        super().on_train_begin(**kwargs)
        self.wait = 0

    def on_epoch_end(self, epoch, **kwargs):
        if self.get_monitor_value() < self.best and epoch < 2:
            self.best, self.wait = self.get_monitor_value(), 0
        else:
            self.wait += 1
        if self.wait > self.patience:
            return {'stop_training': True}


class SaveBestV1(TrackerV1):
    def on_epoch_end(self, epoch, **kwargs):
        if self.get_monitor_value() < self.best:
            self.best = self.get_monitor_value()
            self.learn.save('best')

    def on_train_end(self, **kwargs):
        if (self.learn.path / f'{self.learn.model_dir}/best.pth').is_file():
            self.learn.load('best', purge=False)


class MetricsV1(Callback):
    def on_train_begin(self, **kwargs):
        self.rows = []

    def on_epoch_end(self, epoch, smooth_loss, last_metrics, **kwargs):
        self.rows.append([epoch, smooth_loss, *last_metrics])


class CSVLoggerV1(LearnerCallback):
    def on_train_begin(self, **kwargs):
        self.path.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path / 'history.csv', 'w')
        self.file.write(','.join(self.learn.recorder.names[:-1]) + '\n')

    def on_epoch_end(self, epoch, smooth_loss, last_metrics, **kwargs):
        stats = [
            str(s) if isinstance(s, int) else '#na#' if s is None else f'{s:.6f}'
            for s in [epoch, smooth_loss] + last_metrics
        ]
        self.file.write(','.join(stats) + '\n')

    def on_train_end(self, exception, **kwargs):
        self.file.close()


class MixUpLossV1(nn.Module):
    "The loss of mixed targets: columns first class, second class, share of the first."

    def __init__(self, crit):
        super().__init__()
        self.crit = crit

    def forward(self, output, target):
        if target.ndim == 1:
            return self.crit(output, target)
        loss = lambda t: nn.functional.cross_entropy(output, t.long(), reduction='none')
        return (loss(target[:, 0]) * target[:, 2] + loss(target[:, 1]) * (1 - target[:, 2])).mean()


class MixUpV1(LearnerCallback):
    def on_train_begin(self, **kwargs):
        self.learn.loss_func = MixUpLossV1(self.learn.loss_func)

    def on_batch_begin(self, last_input, last_target, train, **kwargs):
        if not train:
            return
        lam = np.random.beta(0.4, 0.4, last_target.size(0))
        lam = last_input.new(np.concatenate([lam[:, None], 1 - lam[:, None]], 1).max(1))
        shuffle = torch.randperm(last_target.size(0))
        x = last_input * lam[:, None] + last_input[shuffle] * (1 - lam[:, None])
        return {
            'last_input': x,
            'last_target': torch.stack([last_target.float(), last_target[shuffle].float(), lam], 1),
        }

    def on_train_end(self, **kwargs):
        self.learn.loss_func = self.learn.loss_func.crit


class PhasesV1(LearnerCallback):
    "The GeneralScheduler of fastai v1, with a start after epoch 0."

    def __init__(self, learn, start_epoch=None):
        super().__init__(learn)
        self.start_epoch = start_epoch

    def on_train_begin(self, epoch, **kwargs):
        self.sched, self.jumped, self.rates = (
            Scheduler((1e-3, 1e-2), 4 * len(self.learn.data.train_dl), annealing_cos),
            None,
            [],
        )
        self.opt = self.learn.opt
        self.opt.set_stat('lr', self.sched.start)
        return {'epoch': self.start_epoch} if self.start_epoch is not None else None

    def jump_to_epoch(self, epoch):
        self.jumped = epoch
        for _ in range(len(self.learn.data.train_dl) * epoch):
            self.on_batch_end(True)

    def on_batch_end(self, train, **kwargs):
        if train:
            self.opt.set_stat('lr', self.sched.step())
            self.rates.append(self.opt.lr)


def test_v1_clipper():
    learn = make_learner(callback_fns=partial(ClipV1, clip=0.05), opt_func=torch.optim.SGD, wd=0.0)
    before = [p.clone() for p in learn.model.parameters()]
    learn.fit(1, 1.0)
    steps, moved = (
        len(learn.data.train_dl),
        sum(((a - b) ** 2).sum() for a, b in zip(before, learn.model.parameters())).sqrt(),
    )
    assert 0 < moved <= steps * 0.05 * 1.001


def test_v1_early_stopping_and_metrics():
    rows = MetricsV1()
    learn = make_learner(callback_fns=[partial(EarlyStoppingV1, monitor='accuracy')], metrics=accuracy)
    learn.fit(10, 1e-2, callbacks=rows)
    assert len(rows.rows) in (2, 3) and learn.early_stopping_v1.wait > 0
    assert [len(r) for r in rows.rows] == [4] * len(rows.rows) and 0 <= rows.rows[0][3] <= 1
    assert rows.rows[-1][2] == learn.recorder.val_losses[-1]


def test_v1_save_best_and_csv_logger(tmp_path):
    learn = make_learner(path=tmp_path, callback_fns=[SaveBestV1, CSVLoggerV1], metrics=accuracy)
    learn.fit(3, 1e-2)
    rows = list(csv.DictReader(open(tmp_path / 'history.csv')))
    assert [r['epoch'] for r in rows] == ['0', '1', '2'] and float(rows[2]['valid_loss']) == pytest.approx(
        float(learn.recorder.val_losses[2]), abs=1e-6
    )
    assert (tmp_path / 'models' / 'best.pth').is_file()
    assert float(learn.validate()[0]) == pytest.approx(min(float(r['valid_loss']) for r in rows), abs=1e-5)


def test_v1_mixup():
    learn = make_learner(callback_fns=MixUpV1)
    before = learn.loss_func
    learn.fit(4, 1e-2)
    assert learn.loss_func is before and learn.recorder.val_losses[-1] < learn.recorder.val_losses[0]


def test_v1_scheduler_with_a_later_start():
    learn = make_learner(callback_fns=partial(PhasesV1, start_epoch=2))
    learn.fit(4)
    n = len(learn.data.train_dl)
    cb = learn.phases_v1
    assert cb.jumped == 2 and len(learn.recorder.lrs) == 2 * n
    assert np.allclose(
        learn.recorder.lrs, [annealing_cos(1e-3, 1e-2, i / (4 * n)) for i in range(2 * n, 4 * n)]
    )


def test_v1_metric_callback():
    class Count(Callback):
        def on_epoch_begin(self, **kwargs):
            self.n = 0

        def on_batch_end(self, last_target, train, **kwargs):
            assert not train
            self.n += len(last_target)

        def on_epoch_end(self, last_metrics, **kwargs):
            return add_metrics(last_metrics, self.n)

    learn = make_learner(metrics=[accuracy, Count()])
    learn.fit(1)
    assert learn.recorder.names[3:5] == ['accuracy', 'count'] and learn.recorder.metrics[0][1] == 48


def test_learner_callback_finds_what_it_lacks(learn):
    cb = ClipV1(learn)
    assert (
        learn.clip_v1 is cb
        and cb.model is learn.model
        and cb.data is learn.data
        and cb.path == learn.path
        and cb.model_dir == learn.model_dir
    )
    with pytest.raises(AttributeError):
        cb.no_such_thing


def test_events_that_an_instance_was_given():
    cb = Callback()
    # This is not a method: there is no `self` to leave out.
    cb.on_batch_end = lambda last_loss: heard.append(last_loss)
    heard, handler = [], CallbackHandler([cb])
    handler.on_batch_end(0.5)
    assert heard == [0.5]
    cb.on_batch_end = lambda los: None
    with pytest.raises(TypeError, match="asks for 'los'"):
        CallbackHandler([cb])


def test_code_that_autoreload_replaced_is_looked_at_anew():
    class Mine(Callback):
        def on_batch_end(self, last_loss):
            heard.append(last_loss)

    heard = []
    CallbackHandler([Mine()]).on_batch_end(1.0)

    def newer(self, last_loss, iteration):
        heard.append((last_loss, iteration))

    Mine.on_batch_end.__code__ = newer.__code__
    CallbackHandler([Mine()]).on_batch_end(2.0)
    assert heard == [1.0, (2.0, 0)]

    def wrong(self, los):
        return heard

    Mine.on_batch_end.__code__ = wrong.__code__
    with pytest.raises(TypeError, match="asks for 'los'"):
        CallbackHandler([Mine()])


def test_what_a_callback_encloses_is_released():
    class Big:
        pass

    def train():
        big = Big()

        class Local(Callback):
            def on_batch_end(self, last_loss):
                big.seen = last_loss

        CallbackHandler([Local()]).on_batch_end(1.0)
        return weakref.ref(big)

    seen = train()
    gc.collect()
    assert seen() is None
