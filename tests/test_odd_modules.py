"Modules as they are: TorchScript, memory that was freed, hooks of DDP, chains, models without values."

import tempfile
from pathlib import Path

import numpy as np
import pytest, torch
import torch.distributed as dist
import torch.masked
from torch import nn
from torch._subclasses import FakeTensorMode

from children import run_python
from conftest import deep, net
from fastlr import LRSweep, NotRestored, Snapshot, find_lr
from fastlr.fingerprint import Fingerprint

BATCHES = [(torch.randn(8, 6), torch.randint(0, 3, (8,))) for _ in range(4)]


def find(model, opt=None, **kw):
    opt = opt or torch.optim.SGD(model.parameters(), 0.1)
    kw = dict(dict(num_it=12, stop_div=False, progress=False, probe=False), **kw)
    criterion = None if 'step' in kw else nn.CrossEntropyLoss()
    return find_lr(model, opt, criterion, BATCHES, **kw)


@pytest.fixture
def group():
    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


# Memory that was freed.


def sparse(make):
    "Return a sparse tensor whose values were freed."
    t = make(torch.eye(3))
    values = t._values() if t.layout == torch.sparse_coo else t.values()
    values.untyped_storage().resize_(0)
    return t


def freed(t):
    t.untyped_storage().resize_(0)
    return t


FREED = dict(
    tensor=lambda: freed(torch.randn(10**6)),
    parameter=lambda: freed(nn.Parameter(torch.randn(10**6))),
    view=lambda: freed(torch.randn(1000, 1000)[::2].t()),
    coo=lambda: sparse(torch.Tensor.to_sparse),
    csr=lambda: sparse(torch.Tensor.to_sparse_csr),
    csc=lambda: sparse(torch.Tensor.to_sparse_csc),
    part=lambda: torch.randn(10**6).requires_grad_(),
    bytes=lambda: freed(torch.zeros(10**6, dtype=torch.bool)),
)


def mapped():
    "Return a tensor whose memory is a file that was opened for reading."
    path = Path(tempfile.mkdtemp()) / 'table'
    np.ones(10_000, dtype=np.float32).tofile(path)
    return torch.from_numpy(np.memmap(path, dtype=np.float32, mode='r'))


def kept_from(transform):
    "Return a tensor that a function has kept while it was transformed."
    kept = []

    def keep(x):
        kept.append(x)
        return x.sum()

    transform(keep)(torch.ones(3, 2))
    return kept[0]


def faked():
    with FakeTensorMode():
        return torch.ones(3)


# Tensors that can't be read, or not be written to, without a crash or an error.
NO_MEMORY = dict(
    mapped=mapped,
    bytes=lambda: torch.frombuffer(b'abcdefgh', dtype=torch.float32),
    zero=lambda: torch._efficientzerotensor(3),
    functional=lambda: torch._to_functional_tensor(torch.ones(3)),
    masked=lambda: torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False])),
    gradient=lambda: kept_from(torch.func.grad),
    batched=lambda: kept_from(torch.func.vmap),
    faked=faked,
    meta=lambda: torch.ones(3, device='meta'),
    by_channel=lambda: torch.quantize_per_channel(
        torch.ones(3, 9), torch.ones(9), torch.zeros(9), 1, torch.quint8
    ),
    four_bits=lambda: torch.empty(4, dtype=torch.uint4),
    opaque=lambda: torch.ones(4, 4).to_mkldnn(),
    storage=lambda: torch.ones(3).untyped_storage(),
)


def walk_over_odd(name):
    "Verify and restore a model that holds such a tensor."
    model = net()
    model.cache = NO_MEMORY[name]()
    for where in ('device', 'cpu', '.'):
        before = Fingerprint(model=model)
        with Snapshot(model, where=where) as snap:
            snap.restore()
            model[0].weight.data.zero_()
        assert before.changed() == []


def walk_over_freed(name):
    "Take a snapshot of a model that holds freed memory in every place, verify and restore it."
    t = FREED[name]()
    if name == 'part':
        t.untyped_storage().resize_(5)
    model = net()
    model.cache, model.nested = t, [dict(t=t)]
    model.meter = Meter(t)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    opt.state[model[0].weight]['old'] = t
    find(model, opt, verify=True, num_it=2)
    with Snapshot(model, opt, where='.'):
        model[0].weight.data.zero_()
    assert model[0].weight.any()
    before = Fingerprint(t=t)
    with Snapshot() as snap:
        snap.keep(t)
        if t.layout == torch.strided and name != 'part':
            t.untyped_storage().resize_(10**8)
    assert before.changed() == []
    assert name == 'part' or t.layout != torch.strided or t.untyped_storage().nbytes() == 0


class Meter:
    "Its state dict has the tensor itself."

    def __init__(self, t):
        self.t = t

    def state_dict(self):
        return dict(t=self.t)

    def load_state_dict(self, state):
        self.t = state['t']


def test_odd_memory_never_ends_the_program():
    # In another process, since it was a segmentation fault.
    code = '\n'.join(
        [
            'import sys, warnings',
            "warnings.simplefilter('ignore')",
            f'sys.path.insert(0, {str(Path(__file__).parent)!r})',
            'import test_odd_modules as t',
            'for name in t.FREED: t.walk_over_freed(name); print(name)',
            'for name in t.NO_MEMORY: t.walk_over_odd(name); print(name)',
        ]
    )
    found = run_python(code)
    assert found.split() == [*FREED, *NO_MEMORY]


def test_freed_memory_in_an_extra_state_is_refused():
    class Remembers(nn.Linear):
        def get_extra_state(self):
            return dict(cache=[self.cache])

        def set_extra_state(self, state):
            pass

    model = Remembers(6, 3)
    model.cache = freed(nn.Parameter(torch.ones(100)))
    with pytest.raises(ValueError, match='state of a Remembers has a tensor whose memory was freed'):
        find(model)


def test_the_first_fsdp_is_refused_before_anything_changes(group):
    from torch.distributed.fsdp import FullyShardedDataParallel

    inner = FullyShardedDataParallel(net(), device_id=torch.device('cpu'))
    model = nn.Sequential(inner)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    for start in (lambda: find(model, opt), lambda: LRSweep(opt, model), lambda: Snapshot(model)):
        with pytest.raises(ValueError, match='FullyShardedDataParallel, the first version.*fully_shard'):
            start()
    assert opt.param_groups[0]['lr'] == 0.1


# Models without values.


def fake():
    with FakeTensorMode():
        return net()


@pytest.mark.parametrize(
    'make, words',
    [
        (lambda: net().to('meta'), 'model has a parameter without values: 0.weight is on the meta device'),
        (lambda: nn.Sequential(net(), nn.Linear(3, 3, device='meta')), '1.weight is on the meta device'),
        (fake, '0.weight is a fake tensor'),
    ],
)
def test_a_model_without_values_is_refused(make, words):
    model = make()
    opt = torch.optim.SGD(model.parameters(), 0.1)
    for start in (lambda: find(model), lambda: Snapshot(model, opt), lambda: LRSweep(opt, model)):
        with pytest.raises(ValueError, match=words):
            start()


def test_frozen_layers_may_be_elsewhere():
    "Large models keep theirs in another memory, and load the values when they are called."
    model = nn.Sequential(net(), nn.Linear(3, 3, device='meta').requires_grad_(False))
    opt = torch.optim.SGD(model[0].parameters(), 0.1)
    snapshot = Snapshot(model, opt)
    before = [p.clone() for p in model[0].parameters()]
    with torch.no_grad():
        model[0][0].weight.zero_()
    snapshot.restore()
    assert all(torch.equal(a, b) for a, b in zip(before, model[0].parameters()))


# TorchScript.


class Eager(nn.Module):
    words: dict[str, torch.Tensor]
    last: torch.Tensor | None
    seen: list[list[int]]

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(6, 3)
        self.calls = 0
        self.words, self.last, self.seen = {}, None, [[1]]
        self.register_buffer('mean', torch.zeros(6))

    def forward(self, x):
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        self.last = x
        self.words['new'] = x
        self.seen.append([2])
        self.seen[0].append(3)
        return self.net(x - self.mean)


def scripted():
    return torch.jit.script(Eager())


def loaded():
    import io

    file = io.BytesIO()
    torch.jit.save(scripted(), file)
    file.seek(0)
    return torch.jit.load(file)


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = scripted()

    def forward(self, x):
        return self.inner(x) * 2


class Calls(nn.Module):
    def __init__(self):
        super().__init__()
        self.eager = scripted()

    def forward(self, x):
        return self.eager(x)


def traced():
    return torch.jit.trace(Calls(), torch.randn(2, 6), check_trace=False)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('make', [scripted, loaded, Around, traced])
def test_attributes_of_scripted_modules_are_restored(make):
    model = make()
    inner = next(m for m in model.modules() if hasattr(m, 'mean'))
    mean, address = inner.mean, inner.mean.data_ptr()
    model.train()
    before = Fingerprint(model=model)
    state = lambda: (inner.calls, inner.last, sorted(inner.words), inner.seen)
    first = state()
    find(model, verify=True)
    assert before.changed() == []
    assert inner.mean is mean and mean.data_ptr() == address and str(state()) == str(first)
    model(torch.ones(2, 6))
    assert len(before.changed()) >= 4, before.changed()


@torch.jit.script
class Counter:
    def __init__(self, n: int):
        self.n = n

    def advance(self):
        self.n += 1


class Holds(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.counter = nn.Linear(6, 3), Counter(0)

    def forward(self, x):
        self.counter.advance()
        return self.net(x)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_an_object_of_a_scripted_class_is_restored():
    model = torch.jit.script(Holds())
    find(model, verify=True)
    assert model.counter.n == 0
    before = Fingerprint(model=model)
    model(torch.ones(2, 6))
    assert before.changed() == ['model.counter.n']


# Chains.


class Link:
    def __init__(self, next):
        self.next = next


def chain(kind, end, length=None):
    for _ in range(length or deep(15_000, 150_000)):
        end = kind(end)
    return end


@pytest.mark.parametrize(
    'kind', [Link, lambda x: [x], lambda x: dict(a=x)], ids=['objects', 'lists', 'dicts']
)
def test_chains_are_walked_to_the_bottom(kind):
    end = dict(n=0, t=torch.zeros(2))
    others = Link(chain(kind, end))
    before = Fingerprint(others=others)
    with Snapshot(others=others):
        end['n'] = 1
        end['t'] += 1
        names = before.changed()
    assert len(names) == 2 and names[0].startswith('others.next') and names[0].endswith("['n']")
    assert end['n'] == 0 and not end['t'].any() and before.changed() == []


def test_the_name_of_what_is_far_down_is_shortened():
    end = dict(n=0)
    before = Fingerprint(others=chain(Link, end, 5000))
    end['n'] = 1
    with pytest.raises(NotRestored) as e:
        before.check()
    assert len(str(e.value)) < 1000 and "['n']" in str(e.value) and 'others.next.next' in str(e.value)


def test_a_state_dict_that_python_cannot_copy_is_an_error():
    class Nested:
        def state_dict(self):
            return dict(chain=chain(lambda x: [x], [], 5000))

        def load_state_dict(self, state):
            pass

    model = net()
    model.nested = Nested()
    with pytest.raises(
        RecursionError, match='state dict of a Nested is nested more deeply.*setrecursionlimit'
    ):
        Snapshot(model)


# DistributedDataParallel, in one process.


def power_sgd(m, opt):
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power

    state = power.PowerSGDState(None, 1, start_powerSGD_iter=3, min_compression_rate=0.5)
    m.register_comm_hook(state, power.powerSGD_hook)
    return lambda: (state.iter, state.rng.get_state()[1].tolist(), repr(state.error_dict))


def local_sgd(m, opt):
    from torch.distributed.algorithms.ddp_comm_hooks import post_localSGD_hook as local

    state = local.PostLocalSGDState(None, dist.new_group([0]), start_localSGD_iter=5)
    m.register_comm_hook(state, local.post_localSGD_hook)
    return lambda: state.iter


class Rounds:
    "A hook that loses digits and adds them in the next step, as a bound method without a state."

    def __init__(self):
        self.error, self.log = torch.zeros(1), [0]

    def send(self, state: object, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        whole = bucket.buffer() + self.error
        rough = whole.bfloat16().float()
        self.error = whole - rough
        self.log.append(bucket.index())
        return dist.all_reduce(rough, async_op=True).get_future().then(lambda f: f.value()[0])


def bound_method(m, opt):
    rounds = Rounds()
    m.register_comm_hook(None, rounds.send)
    return lambda: (repr(rounds.error), rounds.log[:])


def closure(m, opt):
    rounds = Rounds()

    def send(state: object, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        return rounds.send(state, bucket)

    m.register_comm_hook(dict(), send)
    return lambda: (repr(rounds.error), rounds.log[:])


def builtin(m, opt):
    m._register_builtin_comm_hook(dist.BuiltinCommHookType.FP16_COMPRESS)
    return lambda: m._get_ddp_logging_data()['comm_hook']


@pytest.mark.parametrize('steps', [0, 4])
@pytest.mark.parametrize('hook', [power_sgd, local_sgd, bound_method, closure, builtin])
def test_communication_hooks_are_restored(group, hook, steps):
    def run(detour):
        torch.manual_seed(0)
        m = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(6, 33), nn.ReLU(), nn.Linear(33, 3)))
        opt = torch.optim.SGD(m.parameters(), 0.1)
        state = hook(m, opt)
        losses = []

        def train(n):
            for i in range(n):
                loss = nn.functional.cross_entropy(m(BATCHES[i % 4][0]), BATCHES[i % 4][1])
                loss.backward()
                opt.step()
                opt.zero_grad()
                losses.append(loss.item())

        train(steps)
        before = state()
        if detour:
            find(m, opt, verify=True)
        assert state() == before
        train(5)
        return losses, state()

    assert run(False) == run(True)


# Optimizers that skip the `__init__` of `Optimizer`.


def post_local_sgd(inner):
    from torch.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
    from torch.distributed.optim import PostLocalSGDOptimizer

    return PostLocalSGDOptimizer(inner, PeriodicModelAverager(period=2, warmup_steps=1))


class Wraps(torch.optim.Optimizer):
    "Takes the steps of another optimizer, and counts them."

    def __init__(self, inner):
        self.inner, self.n = inner, 0
        self.param_groups, self.defaults, self.state = inner.param_groups, inner.defaults, inner.state

    def step(self, closure=None):
        self.n += 1
        return self.inner.step(closure)

    def zero_grad(self, set_to_none=True):
        self.inner.zero_grad(set_to_none)


class Bare(torch.optim.Optimizer):
    "Has parameter groups, two methods, and nothing else."

    def __init__(self, inner):
        self.param_groups = inner.param_groups

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                p -= group['lr'] * p.grad

    def zero_grad(self, set_to_none=True):
        for group in self.param_groups:
            for p in group['params']:
                p.grad = None


@pytest.mark.parametrize('make', [post_local_sgd, Wraps, Bare])
def test_optimizers_that_skip_their_init(group, make):
    def run(detour):
        torch.manual_seed(0)
        model = net()
        opt = make(torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))
        losses = []

        def train():
            for x, y in BATCHES:
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                opt.step()
                model.zero_grad()
                losses.append(loss.item())

        train()
        if detour:
            curve = find(model, opt, verify=True)
            assert len(curve.lrs) == 12
            find(model, opt, step=lambda b: nn.functional.cross_entropy(model(b[0]), b[1]))
        train()
        return losses, opt.param_groups[0]['lr']

    assert run(False) == run(True)
