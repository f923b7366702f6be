"Trainings in which more than the rate decides the loss: bad batches, sorted rows, odd optimizers."

from functools import partial

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
    Subset,
    TensorDataset,
    random_split,
)

from fastlr import Learner, LRCurve, LRSweep, NoSuggestion, find_lr
from fastlr.compat.torch_lr_finder import RangeTest
from fastlr.findings import suggestion_text
from fastlr.rules import RULES
from fastlr.settle import settle_statistics

CE = nn.CrossEntropyLoss()


def problem(rows=4096):
    "Return inputs of 16 numbers, and the classes 0 to 3 that follow from them."
    g = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 16, generator=g)
    return x, (x @ torch.randn(16, 4, generator=g)).argmax(1)


def net(norm=None, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(16, 32), *([] if norm is None else [norm]), nn.ReLU(), nn.Linear(32, 4)]
    return nn.Sequential(*layers)


def adam(model):
    return torch.optim.Adam(model.parameters())


def codes(curve):
    return [f.code for f in curve.findings]


class Batches:
    "A loader of a class that isn't known, which always gives the same batches in the same order."

    def __init__(self, x, y, bs=32):
        self.pairs = list(zip(x.split(bs), y.split(bs)))

    def __iter__(self):
        return iter(self.pairs)


# The functions that start a range test: of a model, its optimizer and a loader of pairs.


def by_learner(model, opt, loader, **kw):
    learn = Learner((loader, None), model, opt_func=lambda groups, lr: opt, loss_func=CE, silent=True)
    return learn.lr_find(**kw)


def by_find_lr(model, opt, loader, **kw):
    return find_lr(model, opt, CE, loader, progress=False, **kw)


def by_range_test(model, opt, loader, **kw):
    if not isinstance(loader, DataLoader):
        loader = DataLoader(loader.pairs, batch_size=None)
    test = RangeTest(model, opt, CE)
    test.range_test(loader, start_lr=1e-7, num_iter=kw.get('num_it', 100), progress=False)
    return test.curve


def by_sweep(model, opt, loader, **kw):
    with LRSweep(opt, model, **kw) as sweep:
        for xb, yb in sweep(loader):
            opt.zero_grad()
            loss = CE(model(xb), yb)
            loss.backward()
            opt.step()
            sweep.record(loss)
    return sweep.curve


def by_lightning(model, opt, loader, **kw):
    import lightning.pytorch as pl
    from fastlr.integrations.lightning import lr_find

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = model

        def training_step(self, batch, i):
            return CE(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return opt

    off = dict(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer = pl.Trainer(max_epochs=1, accelerator='cpu', devices=1, **off)
    return lr_find(trainer, Module(), loader, min_lr=1e-7, max_lr=10.0, silent=True).curve


def by_transformers(model, opt, loader, **kw):
    from fastlr.integrations.transformers import lr_find
    from transformers import Trainer, TrainingArguments

    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model

        def forward(self, x, labels):
            return dict(loss=CE(self.net(x), labels))

    class WithLoader(Trainer):
        def get_train_dataloader(self):
            return loader

    args = TrainingArguments('unused', report_to=[], use_cpu=True, disable_tqdm=True, save_strategy='no')
    # The Trainer wants to know that there is a dataset.
    trainer = WithLoader(Loss(), args, train_dataset=[0], optimizers=(opt, None))
    return lr_find(trainer, start_lr=1e-7, end_lr=10.0, silent=True).curve


ENTRIES = [by_learner, by_find_lr, by_range_test, by_sweep, by_lightning]


# A bad batch.


def with_bad_row(kind, batch):
    "Return batches of 32 rows, of which number `batch`, counted from 1, has a row that is wrong."
    x, y = problem()
    x, row = x.clone(), 32 * (batch - 1) + 5
    x[row, 3] = dict(nan=float('nan'), infinite=float('inf'))[kind]
    return Batches(x, y)


@pytest.mark.parametrize('find', ENTRIES[:4])
@pytest.mark.parametrize('batch', [6, 32, 61, 67])
def test_a_nan_in_the_data_is_said_to_be_in_the_data(find, batch):
    model = net()
    c = find(model, adam(model), with_bad_row('nan', batch), batches=None)
    assert c.stop_reason == 'non-finite' and len(c) == batch - 1
    # Pytorch-lr-finder wants a DataLoader, and this one doesn't shuffle.
    assert [code for code in codes(c) if code != 'data-in-order'] == ['bad-data', 'no-suggestion']
    assert f'batch {batch} ' in c.findings[0]
    for rule in RULES:
        with pytest.raises(NoSuggestion, match=f'the data of batch {batch},'):
            c.suggest(rule)
    assert c.suggestions() == {} and f'batch {batch} ' in suggestion_text(c)


def test_infinite_values():
    model = net()
    c = find_lr(model, adam(model), CE, with_bad_row('infinite', 50), batches=None, progress=False)
    assert codes(c)[0] == 'bad-data' and 'batch 50 ' in c.findings[0]


def test_a_target_that_makes_the_loss_infinite():
    "A rate of a Poisson process is the target here, and one of them is negative."
    x, _ = problem()
    y = x.abs().sum(1, keepdim=True)
    y[32 * 40] = float('-inf')
    model = nn.Linear(16, 1)
    c = find_lr(model, adam(model), nn.PoissonNLLLoss(), Batches(x, y), batches=None, progress=False)
    assert codes(c)[0] == 'bad-data' and 'batch 41 ' in c.findings[0]


def test_one_of_the_batches_of_an_update():
    model = net()
    c = find_lr(model, adam(model), CE, with_bad_row('nan', 82), accumulate=4, batches=None, progress=False)
    assert len(c) == 20 and 'one of the batches 81 to 84 ' in c.findings[0]


def test_the_batches_of_a_transformers_trainer_are_counted(tmp_path):
    from fastlr.integrations.transformers import lr_find
    from small_trainers import make
    from transformers import Trainer

    class Breaks(Trainer):
        calls = 0

        def compute_loss(self, *args, **kw):
            type(self).calls += 1
            return super().compute_loss(*args, **kw) * (float('nan') if self.calls == 6 else 1)

    c = lr_find(make(tmp_path, Breaks, gradient_accumulation_steps=2), num_it=30, silent=True).curve
    assert len(c) == 2 and 'one of the batches 5 to 6 ' in c.findings[0]


def test_a_step_that_the_scaler_skips_for_it():
    model = net()
    scaler = torch.amp.GradScaler('cpu')
    c = find_lr(model, adam(model), CE, with_bad_row('nan', 40), scaler=scaler, batches=None, progress=False)
    assert c.stop_reason == 'non-finite' and 'batch 40 ' in c.findings[0]


def test_losses_that_are_read_late(monkeypatch):
    import fastlr.utils

    monkeypatch.setattr(fastlr.utils, 'read_every', lambda loss: 10)
    model = net()
    c = find_lr(model, adam(model), CE, with_bad_row('nan', 64), batches=None, progress=False)
    assert len(c) == 63 and 'batch 64 ' in c.findings[0]


def with_gradients(model):
    "Return `model`, with gradients of 1. A sweep whose steps find none is an error."
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    return model


def recorded(losses, loader=None, **kw):
    "Return the curve of a sweep with these losses, whatever its steps do."
    model = with_gradients(net())
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with LRSweep(opt, model, batches=None, **kw) as sweep:
        for loss, _ in zip(losses, sweep(loader or Batches(*problem(8192)))):
            opt.step()
            sweep.record(loss)
    return sweep.curve


def fall(n, noise=0.02):
    "Return losses that fall from 1.4 to 0.4 in the middle of 100 rates from 1e-7 to 10."
    lrs = 10 ** np.linspace(-7, 1, 100)
    losses = 0.4 + 1 / (1 + (lrs / 1e-3) ** 1.5)
    return [*(losses + np.random.default_rng(0).normal(0, noise, 100))[:n]]


@pytest.mark.parametrize('rise', [[2.0, 9.0, 1e5], [30.0], [0.8, 1.0, 1.1], [1e30]])
@pytest.mark.parametrize('n', [12, 40, 70])
def test_a_nan_after_a_rise_is_divergence(rise, n):
    losses = fall(n)
    if rise[0] < 1.4:
        losses += [losses[-1] + r for r in rise]
    else:
        losses += rise
    c = recorded([*losses, float('nan')])
    assert c.stop_reason == 'non-finite' and 'bad-data' not in codes(c)


def test_a_few_losses_that_explode():
    c = recorded([1.4, 9.0, 1e4, float('inf')], start_lr=1.0)
    assert codes(c) == ['diverged-at-once', 'no-suggestion']


def test_a_complete_fall_has_a_rate_in_spite_of_it():
    whole = recorded(fall(100), stop_div=False)
    c = recorded([*fall(85), float('nan')])
    assert codes(c) == ['bad-data']
    assert c.suggest().lr == pytest.approx(whole.suggest().lr, rel=0.2)
    assert codes(recorded([*fall(60), float('nan')])) == ['bad-data', 'no-suggestion']


def test_data_that_was_fine_in_an_earlier_epoch():
    "Then the rate has broken the training without a rise of the loss before, as a logarithm of zero does."
    x, y = problem(32 * 20)
    loader = DataLoader(TensorDataset(x, y), 32, shuffle=True)
    losses = [*fall(60), float('nan')]
    assert codes(recorded(losses)) == ['bad-data', 'no-suggestion']
    assert (
        'bad-data' not in codes(recorded(losses, loader))
        and 'not_finite' not in recorded(losses, loader).settings
    )


def test_common_batches_that_were_fine_in_an_earlier_round():
    settings = dict(not_finite=[61, 61])

    def curve(n):
        c = LRCurve(10 ** np.linspace(-7, 1, 100)[:n], fall(n), stop_reason='non-finite', settings=settings)
        object.__setattr__(c, 'batches', np.arange(n) % 8)
        return c

    assert 'bad-data' not in codes(curve(60)) and 'bad-data' in codes(curve(5))


@pytest.mark.parametrize('batch', [5, 8])
def test_one_of_the_common_batches_is_bad(batch):
    model = net()
    c = find_lr(model, adam(model), CE, with_bad_row('nan', batch), progress=False)
    assert (
        len(c) == batch - 1
        and codes(c) == ['bad-data', 'no-suggestion']
        and f'batch {batch} ' in c.findings[0]
    )


@pytest.mark.parametrize('shift', [0, 1])
def test_common_batches_are_not_blamed_in_a_later_round(shift):
    model = with_gradients(net())
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with LRSweep(opt, model, shift=shift) as sweep:
        for loss, _ in zip([*fall(60), float('nan')], sweep(Batches(*problem()))):
            opt.step()
            sweep.record(loss)
    assert len(sweep.curve) == 60 and 'bad-data' not in codes(sweep.curve)


def test_the_median_of_runs_names_the_batch_that_ended_it(tmp_path):
    x, y = problem()
    x[2000, 3] = float('nan')
    model = net()
    c = find_lr(
        model,
        adam(model),
        CE,
        DataLoader(TensorDataset(x, y), 32, shuffle=True),
        runs=3,
        batches=None,
        progress=False,
    )
    assert c.stop_reason == 'non-finite' and codes(c)[0] == 'bad-data'
    assert f'batch {len(c) + 1} ' in c.findings[0]
    c.save(tmp_path / 'c.csv')
    assert LRCurve.load(tmp_path / 'c.csv').findings == c.findings


def test_old_curves_and_first_losses_are_as_they_were():
    c = LRCurve(10 ** np.linspace(-7, 1, 100)[:60], fall(60), stop_reason='non-finite')
    assert 'bad-data' not in codes(c) and c.suggest()
    assert codes(recorded([float('nan')])) == ['non-finite', 'no-suggestion']


# Rows in order.


class Rows(IterableDataset):
    def __iter__(self):
        return iter(zip(*problem(640)))

    def __len__(self):
        return 640


DATA = TensorDataset(*problem(640))
IN_ORDER = dict(
    default=DataLoader(DATA, 32),
    batch_sampler=DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 32, False)),
    share=DataLoader(DATA, 32, sampler=DistributedSampler(DATA, 2, 0, shuffle=False)),
    joined=DataLoader(ConcatDataset([DATA, DATA]), 32),
    first_half=DataLoader(Subset(DATA, range(320)), 32),
)
NOT_KNOWN = dict(
    shuffled=DataLoader(DATA, 32, shuffle=True),
    one_batch=DataLoader(DATA, 640),
    random_half=DataLoader(random_split(DATA, [320, 320])[0], 32),
    stream=DataLoader(Rows(), 32),
    own_sampler=DataLoader(DATA, 32, sampler=torch.randperm(640).tolist()),
    own_class=Batches(*problem(640)),
)


def in_order(find, loader):
    "Return whether there is a finding that the rows come in order, and check that it is printed and saved."
    model = net()
    c = find(model, adam(model), loader, num_it=100)
    found = 'data-in-order' in codes(c)
    assert (
        found
        == ('shuffle=True' in suggestion_text(c))
        == LRCurve.from_dict(c.to_dict()).settings.get('in_order', False)
    )
    return found


@pytest.mark.parametrize('kind', [*IN_ORDER, *NOT_KNOWN])
def test_rows_in_order_are_found(kind):
    assert in_order(by_find_lr, {**IN_ORDER, **NOT_KNOWN}[kind]) == (kind in IN_ORDER)


@pytest.mark.parametrize('find', ENTRIES)
def test_rows_in_order_are_found_everywhere(find):
    assert in_order(find, IN_ORDER['default']) and not in_order(find, NOT_KNOWN['shuffled'])


def test_validation_data_in_order_is_no_finding():
    model = net()
    valid = IN_ORDER['default']
    c = find_lr(model, adam(model), CE, NOT_KNOWN['shuffled'], val_loader=valid, num_it=10, progress=False)
    learn = Learner((NOT_KNOWN['shuffled'], valid), net(), loss_func=CE, silent=True)
    assert not {'data-in-order'} & {*codes(c), *codes(learn.lr_find(num_it=10, val_batches=1))}


# Statistics that have not settled.


class SyncLike(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, x):
        pass


class OwnNorm(nn.Module):
    "Running statistics of another class, without a count."

    def __init__(self):
        super().__init__()
        self.register_buffer('running_mean', torch.zeros(32))
        self.register_buffer('running_var', torch.ones(32))

    def forward(self, x):
        if not self.training:
            return (x - self.running_mean) / (self.running_var + 1e-5).sqrt()
        self.running_mean.lerp_(x.mean(0).detach(), 0.1)
        self.running_var.lerp_(x.var(0).detach(), 0.1)
        return (x - x.mean(0)) / (x.var(0) + 1e-5).sqrt()


class Volume(nn.BatchNorm3d):
    def forward(self, x):
        return super().forward(x[:, :, None, None, None])[:, :, 0, 0, 0]


NORMS = dict(
    plain=lambda: nn.BatchNorm1d(32),
    volume=lambda: Volume(32),
    sync=lambda: SyncLike(32),
    mean=lambda: nn.BatchNorm1d(32, momentum=None),
    own=OwnNorm,
)


def valid_part():
    return [(x[:128], y[:128]) for x, y in [problem(512)]]


def shuffled(rows=512):
    return DataLoader(TensorDataset(*problem(rows)), 32, shuffle=True)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('norm', NORMS)
def test_fresh_batch_norm_does_not_end_a_validation_sweep(norm, seed):
    model = net(NORMS[norm](), seed)
    c = find_lr(model, adam(model), CE, shuffled(), val_loader=valid_part(), progress=False)
    assert c.lrs[-1] > 0.1
    # At rates that do nothing the loss is almost constant.
    assert np.ptp(c.losses[:30]) < 0.05 * c.losses[0]


@pytest.mark.parametrize('seed', range(3))
def test_it_does_not_end_those_of_a_learner_or_a_range_test_either(seed):
    learn = Learner((shuffled(), valid_part()), net(nn.BatchNorm1d(32), seed), loss_func=CE, silent=True)
    c = learn.lr_find(val_batches=1)
    model = net(nn.BatchNorm1d(32), seed)
    test = RangeTest(model, adam(model), CE)
    train = shuffled()
    valid = DataLoader(TensorDataset(*valid_part()[0]), 64)
    test.range_test(train, valid, start_lr=1e-7, diverge_th=1.5, progress=False)
    for curve in (c, test.curve):
        assert curve.lrs[-1] > 0.1 and np.ptp(curve.losses[:30]) < 0.05 * curve.losses[0]


def forwards(model, **kw):
    "Return how many batches go through the model in training mode in a sweep of ten updates."
    calls = []
    hook = model.register_forward_pre_hook(lambda m, _: calls.append(m.training))
    c = find_lr(
        model, torch.optim.SGD(model.parameters(), lr=0.1), CE, num_it=10, progress=False, probe=False, **kw
    )
    hook.remove()
    return sum(calls), c


FRESH = dict(loader=shuffled(), val_loader=valid_part())


@pytest.mark.parametrize(
    'norm',
    [
        None,
        nn.BatchNorm1d(32, track_running_stats=False),
        nn.BatchNorm1d(32, momentum=0.0),
        nn.LayerNorm(32),
    ],
)
def test_nothing_settles_where_nothing_is_fresh(norm):
    assert forwards(net(norm), **FRESH)[0] == 10


def test_a_model_that_has_trained_is_left_alone():
    model = net(nn.BatchNorm1d(32))
    assert forwards(model, **FRESH)[0] > 10
    for xb, yb in shuffled(32 * 40):
        model(xb)
    assert forwards(model, **FRESH)[0] == 10
    # Weights from a file, with statistics but without the number of batches.
    model[1].num_batches_tracked.zero_()
    assert forwards(model, **FRESH)[0] == 10


def test_nothing_settles_without_a_validation_loss_or_from_a_generator():
    assert forwards(net(nn.BatchNorm1d(32)), loader=shuffled())[0] == 10
    once = (batch for batch in list(shuffled()) * 2)
    n, c = forwards(net(nn.BatchNorm1d(32)), loader=once, val_loader=valid_part(), batches=None)
    assert n == 10 and len(c) == 10
    # Common batches are drawn once, for both.
    once = (batch for batch in list(shuffled())[:8])
    n, c = forwards(net(nn.BatchNorm1d(32)), loader=once, val_loader=valid_part())
    assert n == 18 and len(c) == 10


class Counts(nn.Module):
    "A buffer that counts training batches, and dropout."

    def __init__(self):
        super().__init__()
        self.register_buffer('batches', torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.batches += 1
        return nn.functional.dropout(x, 0.1, self.training)


def test_settling_changes_nothing_else():
    model = nn.Sequential(Counts(), net(nn.BatchNorm1d(32)))
    norm = model[1][1]
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    train = shuffled()
    torch.manual_seed(7)
    expected = [x.sum() for x, _ in train]
    torch.manual_seed(7)
    weights = [p.clone() for p in model.parameters()]
    with LRSweep(opt, model, batches=None, shift=0, verify=True) as sweep:
        settle_statistics(sweep, [model], lambda batch: model(batch[0]), train)
        assert norm.num_batches_tracked == 16 and norm.momentum == 0.1 and model[0].batches == 0
        assert all(map(torch.equal, weights, model.parameters())) and opt.state == {} and not sweep.iterations
        assert [x.sum() for x, _ in train] == expected
    assert norm.num_batches_tracked == 0 and (norm.running_var == 1).all()


def test_an_error_while_settling_leaves_no_trace():
    model = net(nn.BatchNorm1d(32))

    def step(batch):
        if not torch.is_grad_enabled() and model[1].num_batches_tracked == 3:
            raise ZeroDivisionError
        return CE(model(batch[0]), batch[1])

    with pytest.raises(ZeroDivisionError):
        find_lr(model, adam(model), None, shuffled(), step=step, val_loader=valid_part(), progress=False)
    assert model[1].momentum == 0.1 and model[1].num_batches_tracked == 0 and torch.is_grad_enabled()


def test_a_drift_of_a_validation_loss_is_no_divergence():
    "In a loop of your own nothing settles by itself."
    losses = [*[1.4] * 10, *np.linspace(1.4, 1.44, 30), *[1.44] * 30, *np.linspace(1.5, 9, 30)]
    c = recorded(losses, shift=0)
    assert c.stop_reason == 'diverged' and len(c) > 70
    assert len(recorded(losses)) < 40


# Optimizers that warm up by themselves.


class GroupWarmup(torch.optim.SGD):
    "The number of steps is in the groups, the way schedule-free optimizers store it."

    def __init__(self, params, warmup, key='warmup_steps'):
        super().__init__(params, lr=0.1, momentum=0.9)
        self.count, self.key = 0, key
        for g in self.param_groups:
            g[key] = warmup

    def step(self, closure=None):
        self.count += 1
        rates = [g['lr'] for g in self.param_groups]
        for g, lr in zip(self.param_groups, rates):
            g['lr'] = lr * (min(1.0, self.count / g[self.key]) if g[self.key] else 1.0)
        loss = super().step(closure)
        for g, lr in zip(self.param_groups, rates):
            g['lr'] = lr
        return loss


class OwnWarmup(GroupWarmup):
    "The number is an attribute."

    def __init__(self, params, warmup):
        super().__init__(params, 0)
        self.num_warmup_steps = warmup

    def step(self, closure=None):
        for g in self.param_groups:
            g['warmup_steps'] = self.num_warmup_steps
        return super().step(closure)


def foreign(name, option, **kw):
    "Return a function that makes an optimizer of pytorch-optimizer with a warmup."
    import pytorch_optimizer as other

    return lambda params, warmup: getattr(other, name)(params, lr=1e-3, **{option: warmup}, **kw)


WARMUPS = dict(
    group=GroupWarmup,
    other_key=partial(GroupWarmup, key='warmup'),
    attribute=OwnWarmup,
    schedule_free=foreign('ScheduleFreeAdamW', 'warmup_steps'),
    schedule_free_sgd=foreign('ScheduleFreeSGD', 'warmup_steps'),
    apollo=foreign('ApolloDQN', 'warmup_steps', init_lr=1e-9),
    ranger=foreign('Ranger21', 'num_warm_up_iterations', num_iterations=10**5, num_warm_down_iterations=10),
)


@pytest.mark.parametrize('kind', WARMUPS)
def test_a_warmup_inside_of_the_optimizer_does_not_change_the_answer(kind):
    def curve(warmup):
        model = net()
        opt = WARMUPS[kind](model.parameters(), warmup)
        if hasattr(opt, 'train'):
            opt.train()
        settings = [{k: v for k, v in g.items() if k != 'params'} for g in opt.param_groups]
        own = {k: v for k, v in vars(opt).items() if isinstance(v, int)}
        c = find_lr(model, opt, CE, Batches(*problem()), verify=True, progress=False)
        assert settings == [{k: v for k, v in g.items() if k != 'params'} for g in opt.param_groups]
        assert own == {k: v for k, v in vars(opt).items() if isinstance(v, int)}
        return c

    without, short, long = curve(1), curve(100), curve(10000)
    assert np.array_equal(without.losses, short.losses) and np.array_equal(without.losses, long.losses)


def test_a_warmup_that_is_not_of_the_rate_stays():
    import pytorch_optimizer as other

    model = net()
    seen = []
    opt = other.AdaGC(model.parameters(), lr=1e-3, warmup_steps=50)
    opt.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]['warmup_steps']))
    find_lr(model, opt, CE, Batches(*problem()), num_it=5, progress=False)
    assert set(seen) == {50}


def test_adafactor_ends_where_it_limits_the_rate():
    model = net()
    opt = torch.optim.Adafactor(model.parameters())
    c = find_lr(model, opt, CE, Batches(*problem()), progress=False)
    assert 50 < len(c) < 80 and c.stop_reason == 'end' and codes(c) == ['limited']
    assert (c.lrs <= 1 / np.sqrt(1 + np.arange(len(c)))).all() and c.suggest().lr < 0.05
    # Lower rates are not limited, and a longer sweep is not extended beyond the limit.
    assert len(find_lr(model, opt, CE, Batches(*problem()), end_lr=0.05, progress=False)) == 100
    c = find_lr(model, opt, CE, Batches(*problem()), end_lr=0.05, extend=True, progress=False)
    assert len(c) < 120 and (c.lrs <= 1 / np.sqrt(1 + np.arange(len(c)))).all()
    for state in opt.state.values():
        state['step'].fill_(10**6)
    with pytest.raises(ValueError, match='lower start_lr'):
        trained = torch.optim.Adafactor(model.parameters())
        trained.state.update({p: dict(step=torch.tensor(1e6)) for p in model.parameters()})
        find_lr(model, trained, CE, Batches(*problem()), start_lr=0.01, progress=False)


# Optimizers that have no rate to find.


def changed(opt, **entries):
    for g in opt.param_groups:
        g.update(entries)
    return opt


def without_rate(opt):
    for g in opt.param_groups:
        del g['lr']
    return opt


def refused():
    "Return functions from parameters to optimizers, each with a word of the reason."
    import pytorch_optimizer as other
    from transformers.optimization import Adafactor

    sgd = partial(torch.optim.SGD, lr=0.1)
    return dict(
        rprop=(torch.optim.Rprop, 'Rprop uses lr for its first step only'),
        adafactor=(Adafactor, r'Adafactor .* lr=None.*relative_step=False'),
        their_adafactor=(partial(other.AdaFactor, lr=None), 'AdaFactor .* lr=None'),
        relative=(other.AdaFactor, r'AdaFactor computes its rate itself'),
        no_rate=(other.AliG, "AliG has parameter groups without an 'lr'"),
        deleted=(lambda ps: without_rate(sgd(ps)), "SGD has parameter groups without an 'lr'"),
        none=(lambda ps: changed(sgd(ps), lr=None), 'SGD .* lr=None'),
        text=(lambda ps: changed(sgd(ps), lr='auto'), "SGD .* lr='auto'"),
        prodigy=(other.Prodigy, 'Prodigy estimates its rate itself'),
        dadapt=(other.DAdaptSGD, 'DAdaptSGD estimates its rate itself'),
        lion=(other.DAdaptLion, 'DAdaptLion estimates its rate itself'),
        gravity=(other.Gravity, 'Gravity draws its first velocities'),
        line_search=(
            partial(torch.optim.LBFGS, line_search_fn='strong_wolfe'),
            'LBFGS searches the length of each step',
        ),
    )


KINDS = (
    'rprop adafactor their_adafactor relative no_rate deleted none text '
    'prodigy dadapt lion gravity line_search'
).split()


@pytest.mark.parametrize('kind', KINDS)
def test_an_optimizer_without_a_rate_to_find_is_refused_by_name(kind):
    make, words = refused()[kind]
    model = net()
    opt = make(model.parameters())
    before = [p.clone() for p in model.parameters()]
    state = torch.get_rng_state()
    for find in (by_find_lr, by_sweep, by_range_test):
        with pytest.raises(ValueError, match=words):
            find(model, opt, shuffled())
    assert all(map(torch.equal, before, model.parameters())) and not opt.state
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize('find', [*ENTRIES, by_transformers])
@pytest.mark.parametrize('kind', ['rprop', 'prodigy', 'relative', 'adafactor'])
def test_it_is_refused_everywhere(find, kind):
    make, words = refused()[kind]
    if kind == 'adafactor' and find is by_learner:
        # A learner sets the rate of the optimizer that it makes.
        words = "no hyperparameter 'lr'"
    model = net()
    opt = make(model.parameters())
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=words):
        find(model, opt, shuffled())
    assert all(map(torch.equal, before, model.parameters())) and not opt.state


def test_those_with_a_rate_are_not_refused():
    import pytorch_optimizer as other

    adafactor = partial(other.AdaFactor, relative_step=False)
    for make in (torch.optim.Adadelta, torch.optim.LBFGS, adafactor, other.ScheduleFreeAdamW, other.Lamb):
        model = net()
        assert len(find_lr(model, make(model.parameters()), CE, shuffled(), num_it=5, progress=False)) == 5
