"The Learner: equal to a loop by hand; loaders, batches of all kinds, silence, files, bad input."

import copy, os, pickle, pty, select
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from children import Child
from conftest import loaders, make_learner, net, problem, same, state_of
from fastlr import Callback, DataBunch, GradientAccumulation, Learner, LRCurve, LRSweep, accuracy
from fastlr.loop import PlainBar
from fastlr.tune import LRFound


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('opt_func', [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_bit_for_bit_a_loop_by_hand(workers, opt_func):
    "The model has dropout and batch norm; there are metrics, validation, and loaders with processes."

    def by_hand():
        torch.manual_seed(5)
        train, valid = loaders(num_workers=workers)
        model = net()
        opt = opt_func(model.parameters(), lr=1e-2, weight_decay=1e-2)
        for _ in range(2):
            model.train()
            for xb, yb in train:
                nn.functional.cross_entropy(model(xb), yb).backward()
                opt.step()
                opt.zero_grad()
            model.eval()
            with torch.no_grad():
                for xb, yb in valid:
                    model(xb)
        return model.state_dict(), torch.rand(1)

    def by_learner():
        torch.manual_seed(5)
        dls = loaders(num_workers=workers)
        learn = Learner(dls, net(), opt_func, nn.CrossEntropyLoss(), metrics=accuracy, silent=True)
        learn.fit(2, 1e-2)
        return learn.model.state_dict(), torch.rand(1)

    (a, r), (b, s) = by_hand(), by_learner()
    assert same(dict(a), dict(b)) and torch.equal(r, s)


class Stream(IterableDataset):
    "A dataset without a length."

    def __iter__(self):
        return iter([problem()[i] for i in range(40)])


@pytest.mark.parametrize('train_dl', [DataLoader(Stream(), 8), [(problem()[:16]), (problem()[16:32])]])
def test_loaders_without_length_and_lists(train_dl):
    learn = Learner((train_dl, None), net(), loss_func=nn.CrossEntropyLoss(), silent=True)
    learn.fit(2)
    assert (
        learn.recorder.val_losses == [None, None]
        and len(learn.recorder.losses) == sum(learn.recorder.nb_batches) > 0
    )


def test_several_inputs_and_mappings():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(6, 3)

        def forward(self, a, b):
            return self.l(a + b)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(6, 3)

        def forward(self, x, labels):
            return SimpleNamespace(loss=nn.functional.cross_entropy(self.l(x), labels))

    x, y = problem()[:]
    for batch, model, loss in [
        ((x, x, y), Two(), nn.CrossEntropyLoss()),
        (((x, x), y), Two(), nn.CrossEntropyLoss()),
        (dict(x=x, labels=y), Own(), None),
    ]:
        learn = Learner(([batch] * 3, [batch]), model, loss_func=loss, silent=True)
        learn.fit(3, 1e-1)
        assert learn.recorder.val_losses[-1] < learn.recorder.val_losses[0]
        assert len(learn.lr_find(num_it=20, stop_div=False)) == 20


def test_objects_with_loaders():
    train, valid = loaders()
    for data in (
        SimpleNamespace(train_dl=train, valid_dl=valid),
        SimpleNamespace(train=train, valid=valid),
        [train, valid],
        DataBunch(train, valid),
    ):
        learn = Learner(data, net(), loss_func=nn.CrossEntropyLoss(), silent=True)
        assert learn.data.train_dl is train and learn.data.valid_dl is valid


def test_silent_prints_nothing_at_all(capfd, tmp_path):
    learn = make_learner(metrics=accuracy, path=tmp_path)
    learn.fit(1)
    learn.fit_one_cycle(1)
    learn.lr_find()
    learn.lr_find(runs=2, val_batches=1)
    learn.validate()
    learn.get_preds()
    learn.save('a')
    learn.load('a')
    out, err = capfd.readouterr()
    assert out == err == ''
    learn.silent = False
    learn.lr_find(silent=True)
    assert capfd.readouterr().out == ''
    learn.lr_find()
    assert capfd.readouterr().out == 'LR Finder is complete, type learn.recorder.plot() to see the graph.\n'


def test_table_in_a_pipe_has_no_bars(capfd):
    learn = make_learner(metrics=accuracy, silent=False)
    learn.fit(2)
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ['epoch', 'train_loss', 'valid_loss', 'accuracy', 'time'] and len(lines) == 3
    assert [l.index(l.split()[2]) for l in lines] == [lines[0].index('valid_loss')] * 3


def test_bars_in_a_terminal():
    "In a real terminal bars come and go, and the table is whole."
    code = """
        import sys
        from conftest import make_learner
        from fastlr import accuracy
        # The interpreter had no terminal when it made this.
        sys.stdout = open(1, 'w', buffering=1, closefd=False)
        l = make_learner(silent=False, metrics=accuracy)
        l.fit(2)
        l.lr_find(num_it=20)
        """
    master, slave = pty.openpty()
    with Child(code, out=os.ttyname(slave)) as child:
        text = b''
        while select.select([master], [], [], 60)[0]:
            text += os.read(master, 4096)
            if b'LR Finder is complete' in text:
                break
        assert child.wait(60) == 0, child.stderr
    os.close(slave)
    os.close(master)
    text = text.decode()
    assert '█' in text and 'train_loss' in text and 'LR Finder is complete' in text


def test_save_is_whole_or_not_at_all(tmp_path, monkeypatch):
    learn = make_learner(path=tmp_path)
    learn.fit(1)
    path = learn.save('m', return_path=True)
    old = path.read_bytes()
    learn.fit(1)

    def disk_full(state, f):
        f.write(b'half')
        raise OSError('No space left on device')

    monkeypatch.setattr(torch, 'save', disk_full)
    with pytest.raises(OSError):
        learn.save('m')
    assert path.read_bytes() == old and [p.name for p in path.parent.iterdir()] == ['m.pth']


def test_load_runs_no_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ('executed',))

    learn = make_learner(path=tmp_path)
    (tmp_path / 'models').mkdir()
    torch.save({'model': Evil()}, tmp_path / 'models' / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError):
        learn.load('evil')


def test_save_and_load_go_on_bit_for_bit(tmp_path):
    def run(reload):
        learn = make_learner(path=tmp_path)
        learn.fit(2, 1e-2)
        learn.save('m')
        if reload:
            rng = torch.get_rng_state()
            learn = make_learner(7, path=tmp_path)
            torch.set_rng_state(rng)
            learn.load('m')
        learn.fit(1, 1e-2)
        return {k: v.clone() for k, v in learn.model.state_dict().items()}

    assert same(run(False), run(True))


def bad_metric(preds, targets):
    raise RuntimeError('no')


def unreduced(o, y):
    return nn.functional.cross_entropy(o, y, reduction='none')


class FrozenNet(nn.Sequential):
    pass


BAD = [
    ('train_dl', lambda: Learner(([], None), net()), ValueError),
    ('valid_dl', lambda: Learner((loaders()[0], []), net()), ValueError),
    ('train_ds', lambda: DataBunch.create([]), ValueError),
    ('data must be', lambda: Learner(loaders()[0], net()), TypeError),
    ('model must be', lambda: Learner(loaders(), lambda x: x), TypeError),
    ('trainable', lambda: make_learner_with(net().requires_grad_(False)).fit(1), ValueError),
    ('loss_func is None', lambda: Learner(loaders(), net(), silent=True).fit(1), ValueError),
    (
        'loss_func must return',
        lambda: Learner(loaders(), net(), loss_func=unreduced, silent=True).fit(1),
        ValueError,
    ),
    ('metrics: .bad_metric. raised', lambda: make_learner(metrics=bad_metric).fit(1), ValueError),
    ('metrics must be', lambda: make_learner(metrics=['accuracy']), TypeError),
    ('A batch must be', lambda: make_learner(dls=([torch.zeros(4, 6)], None)).fit(1), TypeError),
    ('epochs', lambda: make_learner().fit(1.5), ValueError),
    ('lr must be', lambda: make_learner().fit(1, 'fast'), TypeError),
    ('lr must be', lambda: make_learner().fit(1, float('nan')), ValueError),
    ('needs a closure', lambda: make_learner(opt_func=torch.optim.LBFGS).fit(1), TypeError),
    ('layer groups', lambda: make_learner().fit(1, [1e-3, 1e-2]), ValueError),
    ('train_dl gave no batch', lambda: make_learner(dls=(iter([]), None)).fit(1), ValueError),
    ('n_step', lambda: GradientAccumulation(make_learner(), 0), ValueError),
]


def make_learner_with(model):
    return Learner(loaders(), model, loss_func=nn.CrossEntropyLoss(), silent=True)


@pytest.mark.parametrize('words, do, error', BAD, ids=[f'{i}-{b[0]}' for i, b in enumerate(BAD)])
def test_bad_input_is_named(words, do, error):
    with pytest.raises(error, match=words):
        do()


def test_metrics_are_called_on_validation_batches_and_never_before():
    seen = []

    class Ends(Callback):
        def on_batch_end(self, train, **kwargs):
            seen.append('train' if train else 'valid')

    def metric(preds, targets):
        seen.append('metric')
        return 0.0

    learn = make_learner(metrics=metric)
    learn.fit(0)
    assert not seen
    learn.fit(1, callbacks=Ends())
    n, m = len(learn.data.train_dl), len(learn.data.valid_dl)
    assert seen == ['train'] * n + ['metric', 'valid'] * m


def test_bad_metric_is_reported_with_its_shapes_and_ends_the_fit():
    learn = make_learner(metrics=bad_metric)
    with pytest.raises(ValueError, match=r"'bad_metric' raised RuntimeError.*\(16, 3\).*\(16,\)"):
        learn.fit(1)
    assert learn.handler is None and learn.opt is not None
    learn.metrics = []
    learn.fit(1)


def test_a_line_of_text_before_a_table_leaves_its_columns(capsys):
    bar = PlainBar(range(1))
    bar.write('hello')
    bar.write(['epoch', 'valid_loss'], table=True)
    bar.write(['0', '0.5'], table=True)
    assert capsys.readouterr().out.splitlines() == ['hello', 'epoch     valid_loss', '0         0.5']


def test_error_in_a_worker_process_goes_through():
    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, i):
            if i == 40:
                raise RuntimeError('row 40 is broken')
            return problem()[i % 90]

    learn = make_learner(dls=(DataLoader(Broken(), 8, num_workers=2), None))
    with pytest.raises(RuntimeError, match='row 40 is broken'):
        learn.fit(1)
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with pytest.raises(RuntimeError, match='row 40 is broken'):
        learn.lr_find()
    assert same(before, dict(learn.model.state_dict()))


def test_validate_restores_the_modes(learn):
    learn.model[1].eval()
    learn.validate()
    learn.get_preds()
    assert learn.model.training and not learn.model[1].training


def test_optimizer_stays_from_fit_to_fit(learn):
    learn.fit(1, 1e-2)
    opt = learn.opt
    learn.fit(1, 1e-3, wd=0.3)
    assert (
        learn.opt is opt
        and opt.lr == 1e-3
        and opt.wd == 0.3
        and all(s['step'] == 12 for s in opt.opt.state.values())
    )
    learn.fit(1)
    assert opt.wd == 1e-2


BAD_ARGUMENTS = [
    (lambda: Learner(loaders(), net(), loss_func=nn.CrossEntropyLoss), 'loss_func'),
    (lambda: Learner(loaders(), net(), opt_func='adam'), 'opt_func'),
    (lambda: make_learner(wd=-1.0), 'wd'),
    (lambda: make_learner().fit(1, wd='x'), 'wd'),
    (lambda: make_learner(layer_groups=[nn.Linear(2, 2)]), 'layer_groups'),
    (lambda: Learner((problem(), None), net()), 'DataLoader'),
    (lambda: make_learner().fit(1, None), 'lr must'),
    (lambda: make_learner().fit(1, []), 'lr must'),
    (lambda: make_learner().fit(1, slice(1e-3, None)), 'lr must'),
    (lambda: make_learner().split('body'), 'split_on'),
    (lambda: make_learner().freeze_to(9), 'freeze_to'),
    (lambda: make_learner().get_preds([]), 'no batch'),
    (lambda: make_learner().fit_one_cycle(1, final_div=-5), 'final_div'),
    (lambda: make_learner().fit_one_cycle(1, start_epoch=5), 'start_epoch'),
    (lambda: make_learner().save(None), 'file'),
    (lambda: LRSweep(net(), torch.optim.SGD(net().parameters(), lr=1)), 'opt must be'),
    (lambda: LRSweep(torch.optim.SGD(net().parameters(), lr=1), net()).record(1.0), 'not running'),
    (lambda: LRCurve.median([]), 'at least one'),
]


@pytest.mark.parametrize('do, words', BAD_ARGUMENTS, ids=range(len(BAD_ARGUMENTS)))
def test_bad_arguments_are_named(do, words):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=words):
        do()


@pytest.mark.parametrize('lr', [np.float32(1e-3), torch.tensor(1e-3), np.array([1e-3]), [np.float64(1e-3)]])
def test_rates_may_be_numbers_of_any_kind(lr):
    learn = make_learner()
    learn.fit(1, lr)
    assert learn.opt.lr == pytest.approx(1e-3) and type(learn.opt.param_groups[0]['lr']) is float
    learn.fit(1, make_learner().lr_find(num_it=60).suggest())


def per_row(o, y):
    return (o.argmax(1) == y).float()


def two(o, y):
    return (1.0, 2.0)


@pytest.mark.parametrize('metric', [per_row, two])
def test_metric_that_returns_no_number_is_named(metric):
    with pytest.raises(ValueError, match=metric.__name__):
        make_learner(metrics=metric).fit(1)


def test_a_load_that_does_not_fit_changes_nothing(tmp_path):
    learn = make_learner(path=tmp_path)
    learn.fit(1)
    learn.save('whole.pth')
    assert (tmp_path / 'models' / 'whole.pth').is_file()
    other = make_learner(5, path=tmp_path).split(lambda m: m[4])
    other.fit(1)
    before = state_of(other)
    with pytest.raises(ValueError, match='with_opt=False'):
        other.load('whole', with_opt=True)
    assert same(before, state_of(other))
    other.load('whole', with_opt=False)
    assert same(dict(other.model.state_dict()), dict(learn.model.state_dict()))
    sgd = make_learner(path=tmp_path, opt_func=torch.optim.SGD)
    with pytest.raises(ValueError, match='another kind'):
        sgd.load('whole', with_opt=True)
    torch.save([torch.zeros(1)], tmp_path / 'models' / 'list.pth')
    with pytest.raises(ValueError, match='holds list'):
        learn.load('list')


def test_a_load_that_does_not_fit_the_model_leaves_the_optimizer(tmp_path):
    def mlp(n):
        return nn.Sequential(nn.Linear(6, n), nn.ReLU(), nn.Linear(n, 3))

    a, b = (
        Learner(loaders(), mlp(n), loss_func=nn.CrossEntropyLoss(), path=tmp_path, silent=True)
        for n in (8, 16)
    )
    a.fit(1)
    a.save('a')
    b.fit(1)
    before = state_of(b)
    with pytest.raises(RuntimeError, match='size mismatch'):
        b.load('a')
    assert same(before, state_of(b))
    b.fit(1)
    lazy = Learner(
        loaders(),
        nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)),
        loss_func=nn.CrossEntropyLoss(),
        path=tmp_path,
        silent=True,
    )
    assert same(dict(lazy.load('a', with_opt=False).model.state_dict()), dict(a.model.state_dict()))


def test_learners_can_be_copied_and_pickled():
    learn = make_learner()
    learn.fit(1)
    twin = copy.deepcopy(learn)
    assert twin.recorder.learn is twin
    twin.fit(1, 1e-2)
    assert len(twin.recorder.losses) == 6 and not same(
        dict(twin.model.state_dict()), dict(learn.model.state_dict())
    )
    learn.data = None
    assert pickle.loads(pickle.dumps(learn)).recorder.names == learn.recorder.names


def test_weight_decay_that_opt_func_sets_is_left_alone_on_request():
    own = lambda params, lr: torch.optim.AdamW(params, lr=lr, weight_decay=0.3)
    learn = make_learner(opt_func=own, wd=None)
    learn.fit(1)
    assert learn.opt.wd == 0.3
    learn = make_learner(opt_func=partial(torch.optim.AdamW, weight_decay=0.2))
    learn.fit(1)
    assert learn.opt.wd == 0.2


def test_preds_of_named_tuples_and_rates_of_unequal_length():
    from collections import namedtuple

    Out = namedtuple('Out', 'a b')

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(6, 3)

        def forward(self, x):
            return Out(self.l(x), x)

    preds, _ = Learner(loaders(), Two(), loss_func=nn.CrossEntropyLoss(), silent=True).get_preds()
    assert preds.a.shape == (48, 3) and preds.b.shape == (48, 6)
    with pytest.raises(ValueError, match='start_lr has 3 values for 1 layer groups'):
        make_learner().lr_find([1e-7] * 3, [1.0, 1.0])


# What a fastai user stumbled over.


def test_loaders_of_fastai_are_data():
    "Their `test_dl` is a function."

    class DataLoaders:
        train, valid = loaders()

        def test_dl(self, items):
            raise AssertionError

    learn = Learner(DataLoaders(), net(), loss_func=nn.CrossEntropyLoss(), silent=True)
    learn.fit(1)
    assert learn.data.test_dl is None and len(learn.recorder.val_losses) == 1


def test_loaders_do_not_keep_their_workers():
    "They would be copied into the workers of the next learner, with errors when they are collected there."
    data = DataBunch.create(problem(), problem(48, 1), bs=16, num_workers=1)
    learn = Learner(data, net(), loss_func=nn.CrossEntropyLoss(), silent=True)
    learn.fit(1)
    assert data.train_dl._iterator is None and not data.train_dl.persistent_workers


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda learn, curve: learn.fit(1, curve), r'got LRCurve.*pass curve.suggest\(\)'),
        (lambda learn, curve: learn.fit_one_cycle(1, curve), r'max_lr must be.*pass curve.suggest\(\)'),
        (lambda learn, curve: learn.fit(1, LRFound(curve)), r'pass its suggestion\(\)'),
        (lambda learn, curve: LRFound(curve).suggestion('one_cycle'), "schedule='one_cycle'"),
        (lambda learn, curve: learn.fit_one_cycle(1, [1e-3, 1e-2]), 'max_lr has 2 values for 1 layer groups'),
    ],
)
def test_what_is_no_rate_is_named_with_a_remedy(call, words):
    learn = make_learner()
    with pytest.raises((TypeError, ValueError), match=words):
        call(learn, learn.lr_find())


def test_mixup_needs_a_loss_function():
    learn = Learner(loaders(), net(), silent=True).mixup()
    with pytest.raises(ValueError, match='mixup mixes the losses.*loss_func'):
        learn.fit(1)
    assert learn.loss_func is None
