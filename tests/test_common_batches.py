"""A range test goes round a few common batches: what it asks the loader for, what the loop gets, and what the
curve records."""

import gc
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest, torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from conftest import loaders, make_learner, net, problem, same, state_of
from fastlr import Callback, GradientAccumulation, LRCurve, LRFinder, LRSweep, find_lr
from fastlr.compat.torch_lr_finder import RangeTest
from fastlr.lockstep import CommonBatches, copied, redraw
from fastlr.settings import SweepSettings
from faults import fails_for
from trainings import LOADERS, WORKERS, Noisy, Rows, Training

SHORT = dict(num_it=20, stop_div=False)
QUIET = dict(progress=False, **SHORT)


def parts(make=net, seed=0):
    torch.manual_seed(seed)
    model = make()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()


def plain():
    "Return a net that draws no random numbers."
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def cycle(n, points=20, first=0):
    return [i % n for i in range(first, points + first)]


# What loaders and data sets were asked for. An attribute of theirs would be restored.
NOTED = []


@pytest.fixture(autouse=True)
def nothing_noted():
    NOTED.clear()


class Counted:
    "A loader that notes each time that it is asked for a batch, and when a pass begins."

    def __init__(self, batches):
        self.rows = batches

    def __iter__(self):
        NOTED.append('pass')
        for batch in self.rows:
            NOTED.append('batch')
            yield batch
        NOTED.append('batch')


class NotedRows(Rows):
    "A data set that notes the rows that it is asked for."

    def __getitem__(self, i):
        NOTED.append(i)
        return super().__getitem__(i)


def batches(n=12, size=8):
    x, y = problem()[:]
    return [(x[i : i + size], y[i : i + size]) for i in range(0, n * size, size)]


# How many batches the loader is asked for.


def by_learner(loader, **kw):
    return make_learner(dls=(loader, None)).lr_find(**SHORT, **kw)


def by_find_lr(loader, **kw):
    return find_lr(*parts(), loader, **QUIET, **kw)


@pytest.mark.parametrize('find', [by_learner, by_find_lr])
@pytest.mark.parametrize(
    'options, asked', [({}, 8), (dict(batches=3), 3), (dict(batches=2, accumulate=3), 6)]
)
def test_the_loader_is_asked_for_that_number_of_batches_once(find, options, asked):
    def check(found_by):
        NOTED.clear()
        curve = found_by(Counted(batches()), probe=not options, **options)
        assert NOTED == ['pass', *['batch'] * asked]
        n = options.get('batches', 8)
        assert curve.batches.tolist() == cycle(n) and curve.settings['batches'] == n

    check(find)
    fails_for(check, lambda loader, **kw: find(loader, **{**kw, 'batches': None}))


def test_a_sweep_asks_a_data_set_for_the_rows_of_its_batches():
    by_find_lr(DataLoader(NotedRows(), 8, shuffle=True))
    assert len(NOTED) == len(set(NOTED)) == 64


def test_every_run_draws_its_own_batches_and_the_probes_those_of_the_first():
    loader = DataLoader(NotedRows(), 8, shuffle=True, generator=torch.Generator().manual_seed(5))
    curve = by_find_lr(loader, runs=2, probe=True)
    first, second = NOTED[:64], NOTED[64:]
    assert len(second) == 64 and first != second
    # Each run had levels of its own, which are off.
    assert curve.batches is None and len(curve.runs) == 2


@pytest.mark.parametrize('find', [by_learner, by_find_lr])
def test_a_generator_serves_runs_and_probes(find):
    stream = (b for b in batches())
    curve = find(stream, runs=3, probe=True)
    assert len(curve.runs) == 3 and len(list(stream)) == 4 and curve.stop_reason == 'end'
    with pytest.raises(ValueError, match='batches=8'):
        find((b for b in batches()), runs=3, batches=None)


@pytest.mark.parametrize('make, passes', [(Counted, 2), (lambda b: iter(Counted(b)), 1)])
def test_a_sweep_that_ends_before_all_batches_have_come(make, passes):
    "The next one begins a new pass, as it is restored; a generator, which can't, goes on."
    ring = CommonBatches(make(batches()), 6)
    model, opt, loss_func = parts()
    for expected in (cycle(6, 4), cycle(6, 9)):
        with LRSweep(opt, model, num_it=len(expected), stop_div=False) as sweep:
            for x, y in sweep(ring):
                loss_func(model(x), y).backward()
                opt.step()
                sweep.record(0.1)
        assert sweep.windows == expected
    assert NOTED.count('pass') == passes and NOTED.count('batch') == (10 if passes == 2 else 6)
    assert [same(a, b) for a, b in zip(ring, batches())] == [True] * 6


@pytest.mark.parametrize('find', [by_learner, by_find_lr])
def test_fewer_batches_than_asked_for(find):
    curve = find(Counted(batches(3)))
    assert curve.batches.tolist() == cycle(3) and NOTED == ['pass', *['batch'] * 4]
    assert curve.stop_reason == 'end'


def test_windows_that_do_not_fit_a_round_are_told_apart():
    "Five batches in windows of two: 01, 23, 40, 12, 34."
    curve = by_find_lr(batches(5), accumulate=2)
    assert curve.batches.tolist() == cycle(5)


def test_without_common_batches_everything_is_as_it_was():
    "A loop by hand over fresh batches, to the last bit."

    def check(**options):
        losses, model, opt = [], *parts()[:2]
        torch.manual_seed(1)
        loader, rates = loaders()[0], np.geomspace(1e-7, 10, 20)
        while len(losses) < 20:
            for x, y in loader:
                if len(losses) == 20:
                    break
                opt.param_groups[0]['lr'] = rates[len(losses)]
                opt.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                opt.step()
                losses.append(loss.item())
        model, opt, criterion = parts()
        torch.manual_seed(1)
        curve = find_lr(model, opt, criterion, loaders()[0], **QUIET, **options)
        assert curve.losses.tolist() == losses and curve.batches is None
        assert curve.settings['batches'] is None

    check(batches=None)
    with pytest.raises(AssertionError):
        check()


def test_a_loader_of_as_many_batches_gives_the_same_numbers_as_fresh_ones():
    data = batches(8)
    common, fresh = (find_lr(*parts(), data, **QUIET, batches=n) for n in (8, None))
    assert common.losses.tolist() == fresh.losses.tolist()
    assert common.batches is not None and fresh.batches is None


def test_pytorch_lr_finder_goes_on_through_the_data():
    test = RangeTest(*parts())
    test.range_test(DataLoader(NotedRows(), 8), start_lr=1e-5, num_iter=12, progress=False)
    assert len(set(NOTED)) == 96 and test.curve.batches is None


# What the loop may do with a batch.


def in_place(batch):
    x, y = batch
    x.sub_(x.mean()).mul_(2.0)
    return x, y


def with_pop(batch):
    return batch.pop('x'), batch.pop('y')


@pytest.mark.parametrize('make, use', [(list, in_place), (lambda b: dict(x=b[0], y=b[1]), with_pop)])
def test_a_loop_that_changes_its_batches_sees_the_same_ones_again(make, use):
    data = [make(b) for b in batches(3)]
    before = copied(data)
    seen = [[], []]

    def check(source):
        model, opt, _ = parts(plain)
        with LRSweep(opt, model, num_it=9, stop_div=False, verify=True) as sweep:
            for i, batch in enumerate(sweep(source)):
                x, y = use(batch)
                seen[0].append(x.clone())
                loss = cross_entropy(model(x), y)
                loss.backward()
                opt.step()
                opt.zero_grad()
                sweep.record(loss)
        assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[0][3:]))
        assert same(data, before)

    check(data)


def test_a_loader_that_fills_the_same_memory_again():
    class Reuses:
        memory = torch.zeros(2)

        def __iter__(self):
            for i in range(5):
                yield self.memory.fill_(i)

    ring = CommonBatches(Reuses(), 3)
    assert [[b[0].item() for b in ring] for _ in range(2)] == [[0, 1, 2]] * 2


def test_copies():
    class Box:
        def __init__(self, rows):
            self.rows = rows

    big = torch.zeros(1000, 6)
    w = torch.ones(6, requires_grad=True)
    pair = big[:2]
    batch = (
        pair,
        pair,
        Box(big[:3]),
        big[:2] * w,
        iter('ab'),
        {'lock': gc, 'a': np.arange(3)},
        big.to_sparse(),
    )
    new = copied(batch)
    assert type(new) is tuple and same(new[0], pair) and new[2].rows.untyped_storage().nbytes() == 72
    assert new[2] is not batch[2] and new[4] is not None and new[5]['lock'] is gc
    assert new[5]['a'] is not batch[5]['a'] and new[6].is_sparse
    assert new[3].is_leaf and new[3].requires_grad and not new[0].requires_grad
    # What belongs together stays together.
    one = copied((pair, pair))
    assert one[0] is one[1] and one[0] is not pair


def test_batches_with_a_graph_can_be_gone_round():
    "A loader that computes features in its own graph, which the first `backward` frees."
    encoder = nn.Linear(6, 6)

    class Encoded:
        def __iter__(self):
            for x, y in batches(3):
                yield torch.tanh(encoder(x)), y

    assert len(by_find_lr(Encoded())) == 20


# Which batch made which loss.


def test_a_skipped_step_is_no_point():
    "The scale falls in the fourth iteration."
    scaler = SimpleNamespace(scale=4.0, get_scale=lambda: scaler.scale, state_dict=dict)
    model, opt, loss_func = parts()
    with LRSweep(opt, model, num_it=10, stop_div=False, scaler=scaler, batches=4) as sweep:
        for i, (x, y) in enumerate(sweep(batches())):
            loss = loss_func(model(x), y)
            loss.backward()
            scaler.scale = 4.0 if i < 3 else 2.0
            if i != 3:
                opt.step()
            opt.zero_grad()
            sweep.record(loss)
    expected = cycle(4, 11)
    del expected[3]
    assert sweep.curve.batches.tolist() == expected == [0, 1, 2, 0, 1, 2, 3, 0, 1, 2]


class FreshInDisguise(CommonBatches):
    "Hands out fresh batches, and says that they are common ones."

    def __init__(self, loader):
        super().__init__(loader, 8)

    def __iter__(self):
        for i, batch in zip(range(8), self.loader):
            self.current = i
            yield batch


def test_losses_belong_to_the_batches_that_are_recorded():
    "With a rate that changes nothing, equal batches have equal losses."

    def check(loader):
        curve = find_lr(*parts(plain), loader, start_lr=1e-12, end_lr=1e-11, **QUIET)
        levels = [{round(loss, 4) for loss in curve.losses[curve.batches == i]} for i in range(8)]
        assert all(len(level) == 1 for level in levels) and len(set.union(*levels)) == 8

    check(batches())
    check(DataLoader(problem(), 8, shuffle=True))

    class Moves:
        "Each time that it gives a batch, it gives the others one place later."

        given = 0

        def __iter__(self):
            for i in range(12):
                Moves.given += 1
                yield batches()[(i + Moves.given) % 12]

    fails_for(lambda find: find(), lambda: check(FreshInDisguise(Moves())))


def test_a_loop_over_a_loader_of_its_own_has_unknown_batches():
    model, opt, loss_func = parts()
    with LRSweep(opt, model, num_it=5, stop_div=False) as sweep:
        for x, y in batches(5):
            loss_func(model(x), y).backward()
            opt.step()
            sweep.record(1.0)
    assert sweep.curve.batches is None and sweep.windows is None


def test_two_loaders_in_one_loop():
    "Two batches of one and three of the other: six pairs."
    model, opt, loss_func = parts()
    a, b = batches(5)[:2], batches(5)[2:]
    with LRSweep(opt, model, num_it=12, stop_div=False) as sweep:
        for (x, y), _ in zip(sweep(a), sweep(b)):
            loss_func(model(x), y).backward()
            opt.step()
            sweep.record(1.0)
    assert sweep.curve.batches.tolist() == cycle(6, 12)


@pytest.mark.parametrize('find', [by_learner, by_find_lr])
def test_a_validation_loss_has_no_batch(find):
    valid = batches(2)
    if find is by_find_lr:
        curve = find(batches(), val_loader=valid)
    else:
        curve = make_learner(dls=(batches(), valid)).lr_find(val_batches=1, **SHORT)
    assert curve.shift == 0 and curve.batches is None and curve.aligned_batches() is None


def test_callbacks_of_a_learner_see_the_common_batches():
    class Sees(Callback):
        shapes_training = True

        def __init__(self):
            self.sums, self.lengths = [], set()

        def on_batch_begin(self, last_input, train, **_):
            if train:
                self.sums.append(round(last_input.sum().item(), 4))
                self.lengths.add(len(learn.data.train_dl))

    loader, sees = DataLoader(Rows(), 8, shuffle=True), Sees()
    learn = make_learner(dls=(loader, None), callbacks=[sees])
    learn.lr_find(probe=False, **SHORT)
    # The callback is restored as well.
    assert sees.sums == [] and learn.data.train_dl is loader
    kept, sees.sums = [], SimpleNamespace(append=lambda x: kept.append(x))
    learn.lr_find(probe=False, **SHORT)
    assert len(set(kept)) == 8 and kept == [kept[i % 8] for i in range(20)]


def test_the_callback_in_a_fit_of_ones_own():
    loader = Counted(batches())
    learn = make_learner(dls=(loader, None))
    learn.fit(5, callbacks=[LRFinder(learn, **SHORT, batches=4)])
    assert NOTED.count('batch') == 4 and learn.recorder.curve.batches.tolist() == cycle(4)
    assert learn.data.train_dl is loader


@pytest.mark.parametrize('gather', ['callback', 'accelerate'])
def test_a_learner_that_accumulates_has_as_many_windows(gather):
    if gather == 'callback':
        learn = make_learner(dls=(batches(), None), callback_fns=[partial(GradientAccumulation, n_step=3)])
    else:
        pytest.importorskip('accelerate')
        learn = make_learner(dls=(batches(), None)).to_accelerate(cpu=True, gradient_accumulation_steps=3)
    curve = learn.lr_find(**SHORT, batches=3)
    assert curve.batches.tolist() == cycle(3)


# Data in order.


class Series(Dataset):
    "A time series that notes which rows are asked for."

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        NOTED.append(i)
        return torch.full((6,), i / self.n), i % 3


def first_rows(loader, n):
    return [int(batch[0][0, 0].item() * len(loader.dataset) + 0.5) for batch in CommonBatches(loader, n)]


def test_data_in_order_are_taken_from_across_the_epoch():
    loader = DataLoader(Series(1001), 10)
    assert first_rows(loader, 5) == [0, 240, 490, 740, 990]
    assert len(NOTED) == 50
    assert first_rows(loader, 1) == [0] and first_rows(loader, 100) == list(range(0, 1000, 10))
    # The last batch, of one row, is drawn only if all are.
    assert first_rows(loader, 101)[-1] == 1000


@pytest.mark.parametrize('kind', ['shuffled', 'own sampler', 'subclass', 'batch by batch', 'list'])
def test_other_loaders_give_their_first_batches(kind):
    series = Series(100)

    class Own(DataLoader):
        def __iter__(self):
            return iter(list(super().__iter__()))

    loader = {
        'shuffled': lambda: DataLoader(series, 10, shuffle=True, generator=torch.Generator().manual_seed(0)),
        'own sampler': lambda: DataLoader(series, 10, sampler=list(range(99, -1, -1))),
        'subclass': lambda: Own(series, 10),
        'batch by batch': lambda: DataLoader(series, batch_size=None),
        'list': lambda: list(DataLoader(series, 10)),
    }[kind]()
    ring = list(CommonBatches(loader, 3))
    if kind == 'shuffled':
        loader.generator.manual_seed(0)
    assert same(ring, [batch for batch, _ in zip(loader, range(3))])


@pytest.mark.parametrize('find', [by_learner, by_find_lr])
def test_a_range_test_on_a_time_series(find):
    curve = find(DataLoader(Series(400), 4))
    assert NOTED[::4] == [0, 56, 112, 168, 224, 280, 336, 396]
    assert curve.batches.tolist() == cycle(8)


def test_what_the_loader_does_with_rows_is_done_with_those_of_the_epoch():
    loader = DataLoader(Series(200), 10, collate_fn=lambda rows: len(rows), num_workers=1)
    assert list(CommonBatches(loader, 3)) == [10, 10, 10]


# Everything is restored.


@pytest.mark.parametrize('name', [*LOADERS, *WORKERS])
def test_training_goes_on_with_the_batches_that_would_have_come(name):
    "Also where the range test comes in the middle of an epoch, or ends before its batches have come."

    def run(**options):
        t = Training(loader=name).train(3)
        if options:
            find_lr(t.model, t.opt, cross_entropy, t.loader, progress=False, stop_div=False, **options)
        return t.train(8).state()

    expected = run()
    for options in (dict(num_it=20, batches=2), dict(num_it=3), dict(num_it=20, batches=40)):
        if name in WORKERS and options.get('batches') == 40:
            continue
        assert same(run(**options), expected), options


@pytest.mark.parametrize('workers', [0, 2])
def test_an_iterator_that_is_half_used_goes_on(workers):
    def after(detour):
        torch.manual_seed(0)
        loader = DataLoader(Noisy(), 8, shuffle=True, num_workers=workers)
        it = iter(loader)
        first = [next(it) for _ in range(3)]
        if detour:
            by_find_lr(loader, runs=2, probe=True)
        return [*first, *it, *loader]

    # Making the model of the range test draws, so it is made in both cases.
    def run(detour):
        parts()
        return after(detour)

    plain_end, end = run(False), run(True)
    assert same([b[1] for b in plain_end[:12]], [b[1] for b in end[:12]])


@pytest.mark.parametrize('persistent', [False, True])
def test_workers_end_when_the_batches_have_come(persistent):
    loader = DataLoader(Noisy(), 8, shuffle=True, num_workers=2, persistent_workers=persistent)
    ring = CommonBatches(loader, 4)
    first = [x for x, _ in ring]
    if not persistent:
        assert ring._source is None
    assert all(torch.equal(a, b) for a, (b, _) in zip(first, ring))
    own = loader._iterator
    curve = by_find_lr(loader)
    assert loader._iterator is own and curve.batches.tolist() == cycle(8)


def test_a_stateful_loader_of_torchdata():
    stateful = pytest.importorskip('torchdata.stateful_dataloader').StatefulDataLoader

    def run(detour, workers):
        model, opt, loss_func = parts()
        torch.manual_seed(0)
        loader = stateful(Rows(), 8, shuffle=True, num_workers=workers)
        it = iter(loader)
        next(it)
        loader.load_state_dict(loader.state_dict())
        if detour:
            find_lr(model, opt, loss_func, loader, **QUIET)
        return list(loader), list(loader)

    for workers in (0, 1):
        assert same(run(True, workers), run(False, workers))


def test_verify_and_a_learner_that_trains_on():
    def run(detour):
        learn = make_learner(dls=loaders(generator=torch.Generator().manual_seed(4)))
        learn.fit(1, 1e-3)
        if detour:
            learn.lr_find(**SHORT, runs=2, probe=True, verify=True)
        learn.fit(2, 1e-3)
        return state_of(learn)

    assert same(run(True), run(False))


def test_an_error_in_the_loader_leaves_it_usable():
    class Breaks:
        def __iter__(self):
            NOTED.append('pass')
            for i, batch in enumerate(batches()):
                if i == 5 and len(NOTED) == 1:
                    raise OSError('unreadable')
                yield batch

    with pytest.raises(OSError):
        by_find_lr(Breaks())
    assert by_find_lr(Breaks()).batches.tolist() == cycle(8)


def test_accelerate_notices_that_the_pass_is_over():
    "Else it would take a step after every batch, as it does after the last one of an epoch."
    accelerate = pytest.importorskip('accelerate')
    acc = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model, opt, loss_func = parts()
    model, opt, loader = acc.prepare(model, opt, DataLoader(problem(), 12, shuffle=True))
    assert len(loader) == 8
    with LRSweep(opt, model, num_it=10, stop_div=False, accumulate=2, batches=4) as sweep:
        for i, (x, y) in enumerate(sweep(loader)):
            with acc.accumulate(model):
                assert acc.sync_gradients == bool(i % 2)
                loss = loss_func(model(x), y)
                acc.backward(loss)
                opt.step()
                opt.zero_grad()
                sweep.record(loss)
    assert sweep.curve.batches.tolist() == cycle(4, 10)


# Settings.


@pytest.mark.parametrize('bad', [0, -1, 2.5, True, '8'])
def test_bad_numbers_are_refused(bad):
    with pytest.raises((TypeError, ValueError), match='batches must be .* None'):
        SweepSettings(batches=bad)


def test_a_ring_may_be_shared_and_looks_like_its_loader():
    loader = DataLoader(problem(), 8, shuffle=True)
    ring = CommonBatches(loader, 20)
    assert len(ring) == 12 and ring.batch_size == 8 and ring.dataset is loader.dataset
    assert not hasattr(ring, '__next__') and not hasattr(ring, 'nothing')
    assert CommonBatches.of(ring, SweepSettings()) is ring and redraw(ring) is not ring
    assert redraw(loader) is loader and len(CommonBatches(loader, 5)) == 5
    with pytest.raises(TypeError):
        len(CommonBatches((b for b in 'abc'), 2))


# Curves.


def test_a_curve_keeps_its_batches(tmp_path):
    curve = by_find_lr(batches(), batches=3)
    assert curve.batches.dtype.kind == 'i' and curve.aligned_batches().tolist() == cycle(3, 19, 1)
    assert curve.trim(2, 3).batches.tolist() == cycle(3)[2:-3]
    for suffix in ('json', 'csv'):
        again = LRCurve.load(curve.save(tmp_path / f'curve.{suffix}'))
        assert again.batches.tolist() == cycle(3) and again.to_dict() == curve.to_dict()
    none = by_find_lr(batches(), batches=None)
    for suffix in ('json', 'csv'):
        assert LRCurve.load(none.save(tmp_path / f'none.{suffix}')).batches is None
    with pytest.raises(ValueError):
        curve.batches[0] = 1


def test_the_median_is_that_of_losses_without_the_levels_of_their_batches():
    rates, batches = np.geomspace(1e-7, 1, 40), np.arange(40) % 4
    levels = np.array([[0.3, -0.1, 0.0, -0.2], [-0.4, 0.1, 0.1, 0.2]])
    runs = [LRCurve(rates, 2 + level[batches], batches=batches) for level in levels]
    median = LRCurve.median(runs)
    assert median.batches is None and np.ptp(median.losses) < 1e-9 and np.ptp(median.runs[0]) < 1e-9
    # Runs without batches are taken as they are.
    plain = [LRCurve(rates, c.losses) for c in runs]
    assert np.ptp(LRCurve.median(plain).losses) > 0.05


@pytest.mark.parametrize('bad', [[0, 1], [0, 1, -1], [0, 0.5, 1], 'abc'])
def test_bad_batches_of_a_curve_are_refused(bad):
    with pytest.raises((TypeError, ValueError), match='batches'):
        LRCurve([0.1, 0.2, 0.3], [1, 2, 3], batches=bad)
