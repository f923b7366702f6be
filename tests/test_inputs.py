"""Batches and optimizers of less usual kinds: packed sequences, named tuples, single tensors; optimizers that
want a closure, and those with a training mode of their own."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pytest, torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence
from torch.utils.data import DataLoader, TensorDataset

from conftest import make_learner, same, state_of
from fastlr import Learner, LRSweep, find_lr
from fastlr.batch import find_bs
from fastlr.compat.torch_lr_finder import RangeTest

po = pytest.importorskip('pytorch_optimizer')
QUICK = dict(num_it=12, stop_div=False, probe=False)


class Recurrent(nn.Module):
    "Counts the inputs that are packed."

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.linear, self.packed = nn.GRU(3, 8), nn.Linear(8, 2), 0

    def forward(self, x):
        self.packed += isinstance(x, nn.utils.rnn.PackedSequence)
        return self.linear(self.rnn(x)[1][0])


def packed_batches():
    g = torch.Generator().manual_seed(1)
    rows = [torch.randn(2 + i % 5, 3, generator=g) + i % 2 for i in range(48)]
    order = [sorted(range(k, k + 8), key=lambda i: -len(rows[i])) for k in range(0, 48, 8)]
    return [(pack_sequence([rows[i] for i in part]), torch.tensor([i % 2 for i in part])) for part in order]


def test_a_packed_sequence_is_one_input():
    model, batches = Recurrent(), packed_batches()
    opt = torch.optim.Adam(model.parameters())
    loss = nn.CrossEntropyLoss()
    curve = find_lr(model, opt, loss, batches, progress=False, **QUICK)
    losses = []
    with LRSweep(opt, model, num_it=12, stop_div=False) as sweep:
        for x, y in sweep(batches):
            losses.append(loss(model(x), y))
            losses[-1].backward()
            opt.step()
            opt.zero_grad()
            sweep.record(losses[-1])
    assert np.array_equal(curve.losses, [l.item() for l in losses])
    learn = Learner(
        (batches, batches), Recurrent(), loss_func=loss, opt_func=torch.optim.Adam, silent=True, wd=None
    )
    learn.lr_find(**QUICK)
    learn.fit(1, 1e-2)
    assert learn.get_preds()[0].shape == (48, 2)
    finder = RangeTest(model, opt, loss)
    finder.range_test(DataLoader(batches, batch_size=None), num_iter=12)
    assert len(finder.curve) > 5


def test_the_rows_of_a_packed_sequence_are_counted():
    packed = pack_sequence([torch.ones(n) for n in (5, 2, 1)])
    assert find_bs(packed) == find_bs((packed, torch.ones(3))) == 3


class Tags(nn.Module):
    "Gives an output for each word, packed as the input is."

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return x._replace(data=self.linear(x.data))


def tag_loss(out, y, reduction='mean'):
    "A loss for each word, which `reduction` alone doesn't make one for each row."
    return nn.functional.cross_entropy(out.data, y.data, reduction=reduction)


def tagged_batches():
    "Return batches of rows of different lengths, and a tag for each word."
    g = torch.Generator().manual_seed(1)
    rows = [torch.randn(n, 3, generator=g) for n in (2, 4, 3, 3, 1, 5)]
    pairs = [(row, (row[:, 0] > 0).long()) for row in rows]
    parts = [zip(*pairs[:4]), zip(*pairs[4:])]
    return rows, [tuple(pack_sequence(part, enforce_sorted=False) for part in both) for both in parts]


@pytest.mark.parametrize('wrap', [tag_loss, lambda out, y: tag_loss(out, y)])
def test_predictions_of_packed_sequences_are_packed_again(wrap):
    rows, batches = tagged_batches()
    model = Tags()
    learn = Learner((batches, batches), model, loss_func=wrap, metrics=tag_loss, silent=True)
    preds, targets, losses = learn.get_preds(with_loss=True)
    preds, targets = unpack_sequence(preds), unpack_sequence(targets)
    assert [len(p) for p in preds] == [len(y) for y in targets] == [2, 4, 3, 3, 1, 5]
    with torch.no_grad():
        assert all(torch.allclose(p, model.linear(row)) for p, row in zip(preds, rows))
    by_hand = [nn.functional.cross_entropy(p, y) for p, y in zip(preds, targets)]
    assert torch.allclose(losses, torch.stack(by_hand))
    # For the metric, too, a packed sequence is one target.
    assert torch.allclose(*learn.validate())


class Parts(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


class TakesParts(nn.Linear):
    def forward(self, parts):
        return super().forward(parts.a + parts.b)


def both(out, parts):
    return nn.functional.mse_loss(out, parts.a - parts.b)


def test_named_tuples_are_passed_on_whole():
    x = torch.randn(32, 2, 4, generator=torch.Generator().manual_seed(0))
    batches = [(Parts(*part.unbind(1)), Parts(*part.unbind(1))) for part in x.split(8)]
    model = TakesParts(4, 4)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    assert len(find_lr(model, opt, both, batches, progress=False, **QUICK)) == 12
    learn = Learner((batches, batches), model, loss_func=both, silent=True)
    learn.fit(1, 1e-3)
    assert len(learn.lr_find(**QUICK)) == 12


def test_predictions_and_summary_of_named_tuples():
    x = torch.randn(16, 2, 4, generator=torch.Generator().manual_seed(0))
    batches = [(Parts(*part.unbind(1)), Parts(*part.unbind(1))) for part in x.split(8)]
    learn = Learner((batches, batches), TakesParts(4, 4), loss_func=both, metrics=both, silent=True)
    preds, targets, losses = learn.get_preds(with_loss=True)
    assert preds.shape == (16, 4) and isinstance(targets, Parts) and losses.shape == (16,)
    assert torch.allclose(losses.mean(), learn.validate()[0])
    assert 'TakesParts           [4]' in learn.summary()


def test_a_batch_that_is_a_named_tuple_is_a_pair():
    x = torch.randn(32, 4)
    batches = [Parts(part, part.argmax(1)) for part in x.split(8)]
    model = nn.Linear(4, 4)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    assert len(find_lr(model, opt, nn.CrossEntropyLoss(), batches, progress=False, **QUICK)) == 12


class Autoencoder(nn.Linear):
    "Returns its loss, as a number or under a name."

    named = False

    def forward(self, x):
        loss = nn.functional.mse_loss(super().forward(x), x)
        return dict(loss=loss) if self.named else loss


def test_a_single_tensor_is_for_a_model_that_computes_its_loss():
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))

    def losses(loader, kind=Autoencoder):
        torch.manual_seed(0)
        model = kind(4, 4)
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        return find_lr(model, opt, None, loader, progress=False, **QUICK).losses

    expected = losses([dict(x=part) for part in x.split(8)])
    named = type('Named', (Autoencoder,), dict(named=True))
    loaders = [x.split(8), DataLoader(x, 8), DataLoader(TensorDataset(x), 8)]
    assert all(np.array_equal(expected, losses(dl)) for dl in loaders)
    assert np.array_equal(expected, losses(DataLoader(x, 8), named))
    learn = Learner((DataLoader(x, 8), DataLoader(x, 8)), Autoencoder(4, 4), silent=True)
    learn.fit(1, 1e-2)
    assert len(learn.lr_find(**QUICK)) == 12


def test_a_loss_function_needs_a_target():
    model = nn.Linear(4, 4)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match='A batch must be a pair.*an input alone .*without a loss function'):
        find_lr(model, opt, nn.CrossEntropyLoss(), [torch.ones(2, 4)])
    with pytest.raises(TypeError, match='no `loss`.*no target'):
        find_lr(model, opt, None, [torch.ones(2, 4)])


def problem():
    x = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x[:, :3].argmax(1))


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def batches():
    return list(DataLoader(problem(), 16))


def sam(params, lr=0.1):
    return po.SAM(params, torch.optim.SGD, lr=lr)


def test_an_optimizer_that_steps_twice_gets_its_closure():
    model, data, loss_func = net(), batches(), nn.CrossEntropyLoss()
    opt = sam(model.parameters())
    curve = find_lr(model, opt, loss_func, data, start_lr=1e-3, progress=False, **QUICK)
    losses = []
    with LRSweep(opt, model, start_lr=1e-3, num_it=12, stop_div=False) as sweep:
        for x, y in sweep(data):

            def closure():
                opt.zero_grad()
                loss = loss_func(model(x), y)
                loss.backward()
                return loss

            losses.append(closure())
            opt.step(closure)
            sweep.record(losses[-1])
    assert np.array_equal(curve.losses, [l.item() for l in losses])
    # The second gradient counts: it is another training than that of the optimizer inside.
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    other = find_lr(model, plain, loss_func, data, start_lr=1e-3, progress=False, **QUICK)
    assert not np.allclose(curve.losses[6:], other.losses[6:], rtol=1e-4)


@pytest.mark.parametrize('opt_func', [sam, torch.optim.LBFGS])
def test_a_learner_refuses_an_optimizer_that_wants_a_closure(opt_func):
    learn = Learner(
        (batches(), None), net(), loss_func=nn.CrossEntropyLoss(), opt_func=opt_func, wd=None, silent=True
    )
    for call in (learn.lr_find, lambda: learn.fit(1)):
        with pytest.raises(TypeError, match='needs a closure.*use LRSweep'):
            call()


def test_what_an_optimizer_says_about_closures_is_said_in_our_words():
    class Asks(torch.optim.SGD):
        def step(self, closure=None):
            raise po.base.exception.NoClosureError('Asks')

    model = net()
    with pytest.raises(TypeError, match='Asks needs a closure.*use LRSweep'):
        find_lr(model, Asks(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), batches(), progress=False)


FREE = [
    po.ScheduleFreeAdamW,
    po.ScheduleFreeSGD,
    lambda params, lr: po.ScheduleFreeWrapper(torch.optim.SGD(params, lr=lr), momentum=0.9),
]


def modes(opt):
    return [g.get('train_mode', getattr(opt, 'train_mode', None)) for g in opt.param_groups]


@pytest.mark.parametrize('opt_func', FREE)
@pytest.mark.parametrize('val', [False, True])
def test_an_optimizer_with_modes_trains_in_find_lr(opt_func, val):
    model, data = net(), batches()
    opt = opt_func(model.parameters(), lr=1e-2)
    start, seen = modes(opt), []
    model.register_forward_hook(lambda m, *args: seen.append((m.training, modes(opt)[0])))
    before = [p.detach().clone() for p in model.parameters()]
    val_loader = data[:2] if val else None
    curve = find_lr(model, opt, nn.CrossEntropyLoss(), data, val_loader=val_loader, progress=False, **QUICK)
    assert len(curve) == 12 and set(seen) == ({(True, True), (False, False)} if val else {(True, True)})
    assert modes(opt) == start and all(map(torch.equal, before, model.parameters()))


@pytest.mark.parametrize('opt_func', FREE)
def test_an_optimizer_with_modes_trains_in_a_learner(opt_func):
    seen = []

    def make():
        learn = Learner(
            (batches(), batches()[:2]),
            net(),
            loss_func=nn.CrossEntropyLoss(),
            silent=True,
            opt_func=opt_func,
            wd=None,
        )
        note = lambda m, *args: seen.append((m.training, modes(learn.opt.opt)[0]))
        learn.model.register_forward_hook(note)
        return learn

    def train(find=False):
        learn = make()
        learn.fit(1, 1e-2)
        if find:
            learn.lr_find(**QUICK)
            learn.lr_find(val_batches=2, **QUICK)
        learn.fit(1, 1e-2)
        return [p.detach().clone() for p in learn.model.parameters()]

    assert all(map(torch.equal, train(), train(find=True)))
    assert set(seen) == {(True, True), (False, False)}


class KeepsDefaultDict(torch.optim.Adam):
    "Returns its state in the kind of dict that optimizers hold it in."

    def state_dict(self):
        found = super().state_dict()
        return {**found, 'state': defaultdict(dict, found['state'])}


def test_an_optimizer_whose_state_is_another_kind_of_dict_is_saved(tmp_path):
    learn = make_learner(path=tmp_path, opt_func=KeepsDefaultDict)
    learn.fit(1, 1e-3)
    learn.save('whole')
    other = make_learner(1, path=tmp_path, opt_func=KeepsDefaultDict).load('whole', with_opt=True)
    assert same(state_of(learn)['moments'], state_of(other)['moments'])
