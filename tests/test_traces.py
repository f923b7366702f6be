"""Reading changes nothing.

What a snapshot and `verify` look at is afterwards as before, in more than its values: the same memory, which
may still grow, the same count of writes, the same objects in the same places. The traces that are compared
here are collected by other means than `Fingerprint`."""

import gc, types, warnings, weakref
from array import array
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest, torch
from hypothesis import given, strategies as st
from torch import nn

from conftest import examples, net
from fastlr import NotRestored, Snapshot, find_lr, kinds
from fastlr.fingerprint import Fingerprint, attributes_to_compare
from trainings import LOADERS, MODELS, OPTS, Training

NO_STATE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
NO_STATE += (types.MethodType, types.FrameType, weakref.ref, torch.dtype, torch.device)
VALUES = (type(None), bool, int, float, complex, str, bytes, torch.Size)
RANDOM = {
    torch.Generator: lambda g: g.get_state().tolist(),
    np.random.Generator: lambda g: repr(g.__getstate__()),
}


def mark(x):
    "Return what identifies an entry of a container: its value, or which object it is."
    return repr(x) if isinstance(x, VALUES) else id(x)


def marks(t):
    "Return the marks of a tensor that a copy of its values doesn't have, and those values."
    if t.layout != torch.strided or t.is_nested:
        return type(t), t._version, t.requires_grad, id(t.grad) if t.is_leaf else None
    memory = t.untyped_storage()
    where = memory.data_ptr(), memory.nbytes(), memory.resizable(), t.data_ptr(), t.stride()
    leaf = (t.requires_grad, id(t.grad), t._backward_hooks) if t.is_leaf else ()
    return type(t), t._version, where, leaf, repr(t.detach())


def look(x):
    "Return the marks of an object, and the objects in it."
    if isinstance(x, torch.Tensor):
        return marks(x), [t for t in (x.grad if x.is_leaf else None, *vars(x).values()) if t is not None]
    if isinstance(x, np.ndarray):
        return (x.ctypes.data, x.flags.writeable, x.tobytes()), []
    if type(x) in RANDOM:
        return RANDOM[type(x)](x), []
    if isinstance(x, dict):
        return [(mark(k), mark(v)) for k, v in x.items()], list(x.values())
    if isinstance(x, (list, tuple)):
        return [mark(v) for v in x], list(x)
    if isinstance(x, set):
        return sorted(map(str, map(mark, x))), list(x)
    attrs = getattr(x, '__dict__', None)
    if attrs is None:
        return id(type(x)), gc.get_referents(x)
    return (id(type(x)), look(attrs)[0]), list(attrs.values())


def traces(*roots):
    "Return the marks of all objects that can be reached from `roots`, by id, and the objects."
    found, held, todo = {}, {}, list(roots)
    while todo:
        x = todo.pop()
        if id(x) in found or isinstance(x, (*VALUES, *NO_STATE)):
            continue
        found[id(x)], inside = look(x)
        held[id(x)] = x
        todo += inside
    return found, held


def snapshot_alone(where, **parts):
    Snapshot(parts['model'], parts['opt'], where=where).close()


def snapshot_and_restore(where, **parts):
    with Snapshot(parts['model'], parts['opt'], loaders=parts['loader'], where=where) as snap:
        snap.restore()


def verify_alone(where, **parts):
    assert Fingerprint(**parts).changed() == []


def all_together(where, **parts):
    before = Fingerprint(**parts)
    snapshot_and_restore(where, **parts)
    assert before.changed() == []


READERS = [snapshot_alone, snapshot_and_restore, verify_alone, all_together]


@examples(40)
@given(
    # From a compiled model, half of torch can be reached.
    model=st.sampled_from([name for name in MODELS if name != 'compiled']),
    opt=st.sampled_from(list(OPTS)),
    # This one's own `load_state_dict` makes a new iterator.
    loader=st.sampled_from([name for name in LOADERS if name != 'stateful']),
    where=st.sampled_from(['device', 'cpu', '.']),
    read=st.sampled_from(READERS),
)
def test_reading_leaves_no_trace(model, opt, loader, where, read):
    t = Training(model, opt, loader).train(2)
    parts = dict(model=t.model, opt=t.opt, loader=t.loader)
    before, held = traces(*parts.values())
    read(where, **parts)
    after, _ = traces(*parts.values())
    assert before.keys() == after.keys()
    changed = [(held[k], before[k], after[k]) for k in before if before[k] != after[k]]
    assert not changed, changed[:3]


def test_traces_are_seen():
    t = Training()
    spoils = [
        lambda: t.model[0].weight.detach().numpy(),
        lambda: setattr(t.model[0].weight, 'data', t.model[0].weight.detach().clone()),
        lambda: t.model[0].bias.detach().add_(0),
        lambda: setattr(t.loader, 'seen', True),
        lambda: setattr(t.model[0].bias, 'grad', torch.zeros(16)),
        lambda: t.opt.param_groups.append(t.opt.param_groups.pop().copy()),
    ]
    for spoil in spoils:
        before, _ = traces(t.model, t.opt, t.loader)
        spoil()
        assert traces(t.model, t.opt, t.loader)[0] != before


class Grows(nn.Module):
    "A module whose buffer grows with the batches, as those of torch's observers do."

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.net = net()
        self.register_buffer('seen', torch.zeros(1, dtype=dtype))

    def forward(self, x):
        self.seen.resize_(len(self.seen) + 1)
        return self.net(x)


@pytest.mark.parametrize('dtype', [torch.float32, torch.int64, torch.complex64, torch.bfloat16])
@pytest.mark.parametrize('how', ['verify', 'where'])
def test_memory_may_still_grow(how, dtype, tmp_path):
    model = Grows(dtype)
    batches = [(torch.randn(8, 6), torch.randint(0, 3, (8,)))]
    kw = dict(verify=True) if how == 'verify' else dict(where=tmp_path)
    opt = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        find_lr(model, opt, nn.CrossEntropyLoss(), batches, num_it=8, progress=False, **kw)
    assert model.seen.shape == (1,) and model.seen.untyped_storage().resizable()
    model(batches[0][0])
    rest = [*model.parameters(), *model.buffers(), *batches[0]]
    assert all(t.untyped_storage().resizable() for t in rest)


def views():
    whole = torch.arange(24, dtype=torch.float32)
    grid = whole.view(4, 6)
    tiny = torch.randn(3, dtype=torch.complex64)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        quantized = torch.quantize_per_tensor(whole, 0.1, 0, torch.qint8)
    return dict(
        transposed=grid.t(),
        strided=grid[::2, 1::2],
        offset=whole[5:],
        expanded=torch.ones(1).expand(5),
        conjugate=tiny.conj(),
        negative=tiny.conj().imag,
        empty=torch.zeros(0, 3),
        scalar=torch.tensor(3.0),
        boolean=whole > 3,
        half=whole.half(),
        eighth=whole.to(torch.float8_e4m3fn),
        quantized=quantized,
        large=torch.arange(3 * 2**20, dtype=torch.int64),
    )


@pytest.mark.parametrize('name', list(views()))
def test_bytes_of_every_kind_of_tensor_are_restored_from_a_file(name, tmp_path):
    t = views()[name]
    plain = lambda: (t.int_repr() if t.is_quantized else t.resolve_conj().resolve_neg().clone()).flatten()
    as_bytes = lambda: plain().contiguous().view(torch.uint8)
    first = as_bytes().clone()
    before = Fingerprint(t=t)
    with Snapshot(where=tmp_path) as snap:
        snap.keep(t)
        t.untyped_storage().fill_(1)
        changed = before.changed()
    assert torch.equal(as_bytes(), first) and before.changed() == []
    assert changed == ([] if t.numel() == 0 else ['t']) and t.untyped_storage().resizable()


# Caches that reading fills.


class Table:
    "A frame as those of pandas are: parts with caches, and a class that says what `pickle` stores of them."

    class Index:
        def __init__(self, values):
            self.values, self.cache = values, {}

        def __getitem__(self, i):
            return self.cache.setdefault(i, self.values[i])

        def __reduce__(self):
            return Table.Index, (self.values,)

    class Blocks:
        __slots__ = ('index', '_hits', '__weakref__')

        def __init__(self, values):
            self.index, self._hits = Table.Index(values), 0

        def __getstate__(self):
            return dict(index=self.index)

    def __init__(self):
        self.blocks, self.item_cache = Table.Blocks(np.arange(96)), {}

    def read(self, i):
        self.blocks._hits += 1
        return self.item_cache.setdefault(i, self.blocks.index[i])

    def __getstate__(self):
        return dict(blocks=self.blocks)


class Reads(nn.Module):
    "A module that reads a table."

    def __init__(self, table):
        super().__init__()
        self.net, self.table, self.calls = net(), table, 0

    def forward(self, x):
        self.calls += 1
        read(self.table, self.calls % 90)
        return self.net(x)


class Picks(torch.utils.data.Dataset):
    "A data set that reads a table."

    def __init__(self, table):
        self.table = table
        self.x = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return 96

    def __getitem__(self, i):
        read(self.table, i)
        return self.x[i], i % 3


def read(table, i):
    if hasattr(table, 'iloc'):
        return table.iloc[i].a, table.a[i], table[['a', 'y']].to_numpy()[i], table.loc[i]
    return table.read(i)


def frame():
    pd = pytest.importorskip('pandas')
    return pd.DataFrame(dict(a=np.random.randn(96), y=np.arange(96), s=['x'] * 96))


def spoil(table):
    if hasattr(table, 'iloc'):
        table.loc[3, 'a'] = 5.0
    else:
        table.blocks.index.values[3] = 0


@pytest.mark.parametrize('make', [Table, frame])
@pytest.mark.parametrize('holder', ['model', 'loader', 'others', 'criterion'])
def test_caches_that_reading_fills_are_no_change(make, holder):
    table = make()
    model = Reads(table) if holder == 'model' else net()
    data = Picks(table if holder == 'loader' else Table())
    loader = torch.utils.data.DataLoader(data, 16, shuffle=True)

    def criterion(out, y):
        if holder == 'criterion':
            read(table, int(y[0]))
        return nn.functional.cross_entropy(out, y)

    kw = dict(others=[SimpleNamespace(table=table)]) if holder == 'others' else {}
    opt = torch.optim.SGD(model.parameters(), 0.1)
    find_lr(model, opt, criterion, loader, num_it=8, verify=True, progress=False, probe=False, **kw)
    # A change of the rows is still one.
    before = Fingerprint(table=table)
    read(table, 5)
    assert before.changed() == []
    spoil(table)
    assert len(before.changed()) == 1


class Vocabulary(nn.Linear):
    "A module that remembers what it was asked, without effect."

    def __init__(self):
        super().__init__(6, 3)
        self.memory = Remembered()

    def forward(self, x):
        self.memory.asked[len(self.memory.asked)] = x
        self.memory.steps += 1
        return super().forward(x)


class Remembered:
    def __init__(self):
        self.asked, self.steps = {}, 0


def test_a_part_can_be_left_out_by_its_class():
    model = Vocabulary()
    before = Fingerprint(model=model)
    model(torch.ones(1, 6))
    assert sorted(before.changed()) == ['model.memory.asked[0]', 'model.memory.steps']
    before = Fingerprint(model=model)
    with pytest.raises(NotRestored, match='if it is a cache that may change, leave it out'):
        model(torch.ones(1, 6))
        before.check()
    attributes_to_compare.register(Remembered, lambda x: dict(steps=x.steps))
    before = Fingerprint(model=model)
    model(torch.ones(1, 6))
    assert before.changed() == ['model.memory.steps']
    # For a module, too.
    attributes_to_compare.register(Vocabulary, lambda x: dict(weight=x.weight))
    before = Fingerprint(model=model)
    model(torch.ones(1, 6))
    assert before.changed() == []
    model.weight.data.add_(1)
    assert before.changed() == ['model.weight']


def test_a_class_that_takes_its_attributes_apart_to_be_pickled():
    class Careless:
        def __init__(self):
            self.rows, self.file, self.n = [1], object(), 0

        def __getstate__(self):
            state = self.__dict__
            state['file'] = None
            del state['n']
            return state

    x = Careless()
    attributes = dict(vars(x))
    before = Fingerprint(x=x)
    assert vars(x) == attributes and before.changed() == []
    x.rows.append(2)
    assert before.changed() == ['x.rows'] and vars(x) == attributes


def contents():
    return dict(
        coo=torch.eye(3).to_sparse().requires_grad_(),
        uncoalesced=torch.sparse_coo_tensor(torch.zeros(1, 4, dtype=torch.long), torch.ones(4), (3,)),
        csr=torch.eye(3).to_sparse_csr(),
        jagged=torch.nested.nested_tensor([torch.ones(2), torch.zeros(3)], layout=torch.jagged),
        bytes=bytearray(b'abc'),
        array=array('d', [1.5, 2.5]),
        names={'a' * i for i in range(40)} - {'a' * i for i in range(0, 40, 3)},
        queue=deque([[1], [2]], maxlen=2),
    )


@pytest.mark.filterwarnings('ignore:Sparse CSR')
@pytest.mark.parametrize('name', list(contents()))
def test_sparse_tensors_and_containers_stay_as_they_are(name):
    x = contents()[name]
    parts = lambda: kinds.components(x) if isinstance(x, torch.Tensor) else x
    marks_of = lambda: [
        (p.data_ptr(), p.tolist(), p.untyped_storage().resizable())
        if isinstance(p, torch.Tensor)
        else (repr(p), id(p) if name == 'queue' else 0)
        for p in parts()
    ]
    writes = lambda: x._version if isinstance(x, torch.Tensor) else 0
    view = memoryview(x) if name in ('bytes', 'array') else None
    before = marks_of()
    with Snapshot() as snap:
        first = writes()
        snap.keep(x)
        snap.restore()
        assert marks_of() == before and writes() == first
        if isinstance(x, torch.Tensor):
            kinds.components(x)[-1].zero_()
            x.data = contents()[name]
        elif name == 'names':
            x.add('new')
        elif view is None:
            x.clear()
        else:
            view[0] = view[1]
    assert marks_of() == before
