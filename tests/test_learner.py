"The Learner: equal to a loop by hand, real loaders, all kinds of batches, silence, files, bad input."

import os, pty, select
from types import SimpleNamespace

import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from children import Child
from conftest import loaders, make_learner, net, problem, same
from fastlr import Callback, DataBunch, GradientAccumulation, Learner, accuracy
from fastlr.loop import PlainBar


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('opt_func', [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
def test_bit_for_bit_a_loop_by_hand(workers, opt_func):
    "With dropout, batch norm, metrics, validation, and loaders with processes."

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
    "Has no length."

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
    "A real terminal: bars come and go, and the table is whole."
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


def test_modes_are_kept_by_validate(learn):
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
