"Code that was written for pytorch-lr-finder, compared with pytorch-lr-finder itself."

import re, tempfile

import matplotlib.pyplot as plt
import numpy as np
import pytest, torch
import torch_lr_finder
from hypothesis import given, strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from conftest import examples, loaders, net, noting, problem, same
from fastlr.compat.torch_lr_finder import LRFinder, RangeTest, TrainDataLoaderIter, ValDataLoaderIter
from fastlr.fingerprint import Fingerprint
from test_range_test import QUIET, continues, parts, plain
from trainings import WORKERS, Training, trip


# The same names, and the same numbers.


def test_its_names_are_here():
    import fastlr
    import fastlr.compat.torch_lr_finder as ours

    for name in ('LRFinder', 'TrainDataLoaderIter', 'ValDataLoaderIter', 'DataLoaderIter'):
        theirs = getattr(torch_lr_finder, name, None) or getattr(torch_lr_finder.lr_finder, name)
        assert getattr(ours, name).__module__.startswith('fastlr.compat.')
        assert {m for m in vars(theirs) if not m.startswith('_')} <= set(dir(getattr(ours, name)))
    assert LRFinder is RangeTest is fastlr.RangeTest and fastlr.LRFinder is not LRFinder


SETTINGS = dict(
    usual={},
    linear=dict(step_mode='linear', end_lr=1.0),
    rough=dict(smooth_f=0),
    smooth=dict(smooth_f=0.3),
    soon=dict(diverge_th=1.5),
    never=dict(diverge_th=1e9, end_lr=1.0),
    shouted=dict(step_mode='EXP'),
    gathered=dict(accumulation_steps=3),
    validated=dict(val_loader=True, num_iter=20),
    start=dict(start_lr=1e-4),
    list=dict(start_lr=[1e-3]),
)


@pytest.mark.parametrize('name', SETTINGS)
def test_history_is_that_of_pytorch_lr_finder(name, monkeypatch, capsys):
    monkeypatch.setattr(plt, 'show', lambda: None)

    def run(cls):
        kw = {'num_iter': 60, **SETTINGS[name]}
        train, make = loaders()[0], net
        if 'val_loader' in kw:
            kw['val_loader'] = loaders()[1]
            # There the validation loader draws a random number earlier.
            train, make = (
                DataLoader(problem(), 16),
                plain,
            )
        finder = cls(*parts(lr=1e-5, make=make), device='cpu')
        finder.range_test(train, **kw)
        return finder

    theirs, ours = run(torch_lr_finder.LRFinder), run(RangeTest)
    assert len(theirs.history['lr']) == len(ours.history['lr']) >= 10
    assert np.allclose(theirs.history['lr'], ours.history['lr'], rtol=1e-9) and np.allclose(
        theirs.history['loss'], ours.history['loss'], rtol=1e-5
    )
    assert theirs.best_loss == pytest.approx(ours.best_loss, rel=1e-5)
    for skips in ((10, 5), (0, 0), (3, 0)):
        if len(ours.history['lr']) > sum(skips) + 2:
            (ax, lr), (their_ax, their_lr) = ours.plot(*skips), theirs.plot(*skips)
            assert (
                lr == pytest.approx(their_lr, rel=1e-9)
                and ax.get_xscale() == their_ax.get_xscale() == 'log'
                and len(ax.lines) == len(their_ax.lines) == len(ax.collections) == 1
            )
            assert np.allclose(ax.lines[0].get_xydata(), their_ax.lines[0].get_xydata())
    plt.close('all')


def test_mixed_precision_is_that_of_pytorch_lr_finder():
    def run(cls):
        finder = cls(
            *parts(lr=1e-5),
            amp_backend='torch',
            amp_config=dict(device_type='cpu', dtype=torch.float16),
            grad_scaler=torch.amp.GradScaler('cpu', init_scale=2.0**10),
        )
        finder.range_test(loaders()[0], num_iter=40, end_lr=1e-1, accumulation_steps=2)
        return finder.history

    theirs, ours = run(torch_lr_finder.LRFinder), run(RangeTest)
    assert (
        np.allclose(theirs['lr'], ours['lr'])
        and np.allclose(theirs['loss'], ours['loss'], rtol=1e-3)
        and len(ours['lr']) == 40
    )


def test_the_examples_of_its_documentation(capsys):
    "Only the import is changed, and the nets are small and on the CPU."
    from fastlr.compat.torch_lr_finder import LRFinder

    trainloader, val_loader = loaders()
    model = net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-7, weight_decay=1e-2)
    lr_finder = LRFinder(model, optimizer, criterion, device="cpu")
    lr_finder.range_test(trainloader, end_lr=100, num_iter=100)
    ax, lr = lr_finder.plot()
    lr_finder.reset()
    assert lr_finder.history['lr'][0] == 1e-7 and 1e-4 < lr < 10 and optimizer.param_groups[0]['lr'] == 1e-7

    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=1e-2)
    lr_finder = LRFinder(model, optimizer, criterion, device="cpu")
    lr_finder.range_test(trainloader, val_loader=val_loader, end_lr=1, num_iter=100, step_mode="linear")
    ax, lr = lr_finder.plot(log_lr=False)
    lr_finder.reset()
    assert (
        ax.get_xscale() == 'linear'
        and 0.1 < lr < 1
        and np.allclose(np.diff(lr_finder.history['lr']), 0.9 / 99)
    )

    desired_batch_size, real_batch_size = 32, 4
    accumulation_steps = desired_batch_size // real_batch_size
    trainloader = DataLoader(problem(), batch_size=real_batch_size, shuffle=True)
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)
    lr_finder = LRFinder(model, optimizer, criterion, device="cpu")
    lr_finder.range_test(
        trainloader, end_lr=10, num_iter=100, step_mode="exp", accumulation_steps=accumulation_steps
    )
    lr_finder.plot()
    lr_finder.reset()
    assert lr_finder.curve.settings['accumulate'] == 8

    scaler = torch.amp.GradScaler('cpu')
    lr_finder = LRFinder(
        model,
        optimizer,
        criterion,
        device='cpu',
        amp_backend='torch',
        amp_config={'device_type': 'cpu', 'dtype': torch.float16},
        grad_scaler=scaler,
    )
    lr_finder.range_test(trainloader, end_lr=10, num_iter=100, step_mode='exp')
    lr_finder.plot()
    lr_finder.reset()
    assert scaler.get_scale() == 2.0**16 and len(lr_finder.history['lr']) > 50
    plt.close('all')
    assert 'Suggested LR' in capsys.readouterr().out


def test_own_iterators_in_a_range_test():
    class Dicts(TrainDataLoaderIter):
        def inputs_labels_from_batch(self, batch_data):
            return batch_data['x'], batch_data['y']

    class ValDicts(ValDataLoaderIter):
        inputs_labels_from_batch = Dicts.inputs_labels_from_batch

    rows = problem()
    named = [dict(x=x, y=y) for x, y in rows]

    def run(train, val):
        test = RangeTest(*parts(lr=1e-5))
        test.range_test(train, val_loader=val, num_iter=12, **QUIET)
        return test.history

    own = Dicts(DataLoader(named, 16))
    # It has given one batch out; the test begins at the first one.
    next(own)
    a, b = run(own, ValDicts(DataLoader(named, 16))), run(DataLoader(rows, 16), DataLoader(rows, 16))
    # Afterwards the iterator goes on where it was.
    assert a == b and torch.equal(next(own)[1], rows[16:32][1])
    with pytest.raises(ValueError, match='inputs_labels_from_batch'):
        run(DataLoader(named, 16), None)
    once = TrainDataLoaderIter(DataLoader(rows, 16), auto_reset=False)
    test = RangeTest(*parts(lr=1e-5))
    test.range_test(once, num_iter=12, **QUIET)
    assert len(test.curve) == 6 and test.curve.stop_reason == 'data'


def test_an_iterator_that_resets_itself():
    class Resets(TrainDataLoaderIter):
        def __next__(self):
            try:
                return self.inputs_labels_from_batch(next(self._iterator))
            except StopIteration:
                self._iterator = iter(self.data_loader)
                return self.inputs_labels_from_batch(next(self._iterator))

    test = RangeTest(*parts(lr=1e-5))
    test.range_test(Resets(loaders()[0]), num_iter=12, **QUIET)
    assert len(test.curve) == 12


@examples(60)
@given(n=st.integers(1, 5), draws=st.lists(st.booleans(), max_size=25))
def test_iterators_behave_as_those_of_pytorch_lr_finder(n, draws):
    "They behave alike whatever is done with them: `next` (True) or a new `iter` (False)."
    dl = DataLoader(list(zip(range(n), range(n))), 1)
    for ours, theirs in (
        (TrainDataLoaderIter(dl), torch_lr_finder.TrainDataLoaderIter(dl)),
        (ValDataLoaderIter(dl), torch_lr_finder.ValDataLoaderIter(dl)),
    ):
        for draw in draws:
            if draw:
                a, b = next(ours, None), next(theirs, None)
                assert (a and int(a[0])) == (b and int(b[0]))
            else:
                iter(ours)
                iter(theirs)


# Everything is restored.


CALLS = dict(
    range_test=lambda t: RangeTest(t.model, t.opt, cross_entropy).range_test(
        t.loader, num_iter=8, start_lr=1e-5, **QUIET
    ),
    on_disk=lambda t: RangeTest(t.model, t.opt, cross_entropy, memory_cache=False).range_test(
        TrainDataLoaderIter(t.loader), t.loader, start_lr=1e-5, num_iter=8, **QUIET
    ),
    scaled=lambda t: RangeTest(
        t.model, t.opt, cross_entropy, amp_backend='torch', grad_scaler=torch.amp.GradScaler('cpu')
    ).range_test(t.loader, start_lr=1e-5, num_iter=8, **QUIET),
)


@pytest.mark.parametrize('name', CALLS)
def test_training_goes_on_as_if_it_had_never_run(name):
    assert continues(CALLS[name], loader='augmented')


@pytest.mark.parametrize('loader', [name for name in WORKERS if name != 'stream_workers'])
def test_with_workers(loader):
    assert continues(CALLS['range_test'], loader=loader)


@pytest.mark.parametrize('error', [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize('place', ['dataset', 'step'])
def test_an_interrupted_range_test_keeps_what_it_measured(place, error):
    t = Training().train(2)
    first = t.state()
    test = RangeTest(t.model, t.opt, noting(cross_entropy, lambda out, y: trip('step')))
    trip.arm(place, 5 if place == 'step' else 16 * 5, error)
    with pytest.raises(error):
        test.range_test(t.loader, start_lr=1e-6, num_iter=20, **QUIET)
    assert (
        same(first, t.state())
        and len(test.history['loss']) == len(test.curve) == 5
        and test.curve.stop_reason == 'interrupted'
    )


@pytest.mark.parametrize(
    'kw, folder',
    [
        (dict(), None),
        (dict(memory_cache=False), 'system'),
        (dict(memory_cache=False, cache_dir='cache'), 'cache'),
        (dict(cache_dir='cache'), None),
    ],
    ids=str,
)
def test_where_the_copy_of_the_state_is(kw, folder, monkeypatch, tmp_path):
    "In a file only without `memory_cache`; it has no name, so that no file is seen."
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'cache').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', 'system')
    (tmp_path / 'system').mkdir()
    seen = []
    opened = noting(tempfile.TemporaryFile, lambda dir: seen.append(str(dir)))
    monkeypatch.setattr(tempfile, 'TemporaryFile', opened)
    RangeTest(*parts(), **kw).range_test(loaders()[0], start_lr=1e-5, num_iter=3, **QUIET)
    assert seen == ([] if folder is None else [folder])
    assert not any(path.is_file() for path in tmp_path.rglob('*'))


def test_range_test_with_lbfgs():
    model, _, criterion = parts(make=plain)
    opt = torch.optim.LBFGS(model.parameters(), lr=1e-4, max_iter=2)
    # The scaler is not used without `amp_backend`.
    test = RangeTest(model, opt, criterion, grad_scaler=torch.amp.GradScaler('cpu'))
    test.range_test(loaders()[0], end_lr=0.1, num_iter=5, **QUIET)
    assert len(test.curve) == 5
    with pytest.raises(ValueError, match='closure'):
        test.range_test(loaders()[0], accumulation_steps=2, **QUIET)


def test_a_model_that_is_moved_later_gets_its_batches():
    model, opt, criterion = parts()
    test = RangeTest(model, opt, criterion)
    assert test.device == torch.device('cpu')
    model.to('meta')
    assert test.device == torch.device('meta')


# The plot.


def test_plot_draws_what_is_in_history(capsys):
    test = RangeTest(*parts())
    test.history = {'lr': list(10.0 ** np.arange(-6, 0)), 'loss': [5, 5, 4, 1, 2, 9]}
    fig, ax = plt.subplots()
    assert (
        test.plot(0, 0, ax=ax, show_lr=0.5) == (ax, 10.0**-4)
        and capsys.readouterr().out == 'Suggested LR: 1.00E-04 (steepest gradient)\n'
    )
    assert (
        len(ax.lines) == 2
        and len(ax.collections) == 1
        and ax.collections[0].get_offsets().tolist() == [[10.0**-4, 4]]
    )
    assert test.plot(0, 0, suggest_lr=False, ax=plt.subplots()[1]).collections[:] == []
    with pytest.raises(RuntimeError, match='Need at least 8 .* has 6'):
        test.plot(3, 3)
    blank = test.plot(3, 3, suggest_lr=False)
    assert len(blank.lines[0].get_xdata()) == 0 and 'nothing to draw' in blank.texts[0].get_text()
    for bad in (dict(skip_start=-1), dict(skip_end=-1), dict(show_lr='0.1', skip_start=0, skip_end=0)):
        with pytest.raises(ValueError, match=next(iter(bad))):
            test.plot(**bad)
    plt.close('all')


def test_plot_prints_what_suggest_finds_and_the_findings(capsys):
    test = RangeTest(*parts(lr=1e-7))
    test.range_test(loaders()[0], end_lr=1e-6, num_iter=20)
    capsys.readouterr()
    test.plot(0, 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('Suggested LR: ') and 'suggest() finds' in '\n'.join(lines[:2])
    notes = [line.removeprefix('Note: ') for line in lines if line.startswith('Note: ')]
    assert notes == [str(finding) for finding in test.curve.findings] and notes

    # Findings are about what was measured, not about what was put into `history`.
    test.history = {'lr': [1e-3, 1e-2, 1e-1, 1], 'loss': [3, 2, 0, 1]}
    test.plot(0, 0)
    assert capsys.readouterr().out == 'Suggested LR: 1.00E-02 (steepest gradient)\n'
    test.range_test(loaders()[0], end_lr=1e-6, num_iter=20, progress=False)
    test.plot(0, 0)
    assert capsys.readouterr().out == ''
    plt.close('all')


# What is refused.


def test_lrfinder_methods_that_would_be_ignored_are_refused():
    with pytest.raises(TypeError, match='_train_batch'):

        class Mine(RangeTest):
            def _train_batch(self, *args, **kwargs):
                return 0.0

    class Fine(RangeTest):
        def plot(self, *args, **kwargs):
            return super().plot(*args, **kwargs)


@pytest.mark.parametrize(
    'bad, words',
    [
        (dict(num_iter=1), 'num_iter must be at least 2'),
        (dict(num_iter=2.5), 'num_iter must be a whole number'),
        (dict(accumulation_steps=0), 'accumulation_steps must be at least 1'),
        (dict(step_mode='cosine'), "step_mode must be 'exp' or 'linear'"),
        (dict(step_mode='hold'), "step_mode must be 'exp' or 'linear'"),
        (dict(diverge_th=0), "diverge_th must be .* float\\('inf'\\) never stops"),
        (dict(diverge_th=True), 'diverge_th must be'),
        (dict(smooth_f=-0.1), 'smooth_f must be'),
        (dict(start_lr=20.0), 'start_lr must be below end_lr'),
        (dict(start_lr=-1.0), 'start_lr must be finite and above zero'),
        (dict(start_lr=None, end_lr=1e-4), 'end_lr=0.0001 is not above the rate of the optimizer, 0.001'),
        (dict(start_lr=[1e-5, 1e-4]), 'start_lr has 2 values for 1 parameter group'),
    ],
    ids=str,
)
def test_messages_have_its_names_and_nothing_has_changed(bad, words):
    model, opt, criterion = parts()
    test, train = RangeTest(model, opt, criterion), loaders()[0]
    before = Fingerprint(model=model, opt=opt, loader=train)
    with pytest.raises((ValueError, TypeError), match=words) as e:
        test.range_test(train, **{**dict(start_lr=1e-6), **bad}, **QUIET)
    before.check()
    message = str(e.value)
    assert not re.search(r'\b(num_it|mode|stop_div|accumulate|scaler|loader)\b', message), message
    assert test.history == {'lr': [], 'loss': []}


def test_parts_that_do_not_fit_are_named_as_there():
    model, opt, criterion = parts()
    empty = DataLoader([], 1)
    with pytest.raises(TypeError, match='grad_scaler must be'):
        RangeTest(model, opt, criterion, amp_backend='torch', grad_scaler=3)
    with pytest.raises(ValueError, match='train_loader gives no batch'):
        RangeTest(model, opt, criterion).range_test(empty, start_lr=1e-6, **QUIET)
    lbfgs = torch.optim.LBFGS(model.parameters(), lr=1e-4)
    with pytest.raises(ValueError, match='with accumulation_steps or with grad_scaler'):
        RangeTest(model, lbfgs, criterion).range_test(loaders()[0], accumulation_steps=2, **QUIET)
