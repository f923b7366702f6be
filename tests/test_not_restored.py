"""What is not restored: each line of the lists on the page about it, shown, and how it is told.

A warning or an error tells it before anything changes, or `verify=True` names it afterwards. Where not even
`verify` can see it, the test says so: on the day when it can, the page is to be changed."""

import copy, ctypes, functools, itertools, json, os, queue, re, resource, sys, threading, types
from pathlib import Path

import numpy as np
import pytest, torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from children import run_python
from fastlr import Callback, Learner, LRSweep, NotRestored, Snapshot, find_lr

PAGE = Path(__file__).parents[1] / 'nbs/tutorials/restored.ipynb'
ROWS = TensorDataset(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3)


def lists():
    "Return the titles of the lines of the page, in three lists by their headings."
    cells = json.loads(PAGE.read_text())['cells']
    text = next(t for t in (''.join(c['source']) for c in cells) if t.startswith('## Five'))
    parts = re.split(r'^### (.*)$', text, flags=re.M)[1:]
    return {h: re.findall(r'^- \*\*(.+?)\*\*', part, re.M) for h, part in zip(parts[::2], parts[1::2])}


TOLD, NAMED, UNSEEN = 'Told before anything changes', 'Named by `verify=True`', 'What not even `verify` sees'
TESTED = {TOLD: {}, NAMED: {}, UNSEEN: {}}


def shows(heading, title):
    "Enter a test as one of a line of the page."

    def enter(test):
        TESTED[heading].setdefault(title, []).append(test)
        return test

    return enter


# It takes several processes to show it: `where_it_works` tells of it.
ELSEWHERE = {UNSEEN: ['DDP']}


def test_each_line_of_the_page_has_a_test_and_each_test_a_line():
    tested = {heading: [*tests, *ELSEWHERE.get(heading, [])] for heading, tests in TESTED.items()}
    assert lists() == tested


def names_after(run):
    "Return the names of what a range test that checks itself couldn't restore."
    try:
        run()
    except NotRestored as e:
        assert all(name in str(e) for name in e.names[:3])
        return e.names
    return []


def find(model=None, loader=None, criterion=cross_entropy, **kwargs):
    "Run a short range test that checks itself, and return the names of what it couldn't restore."
    model = nn.Linear(4, 3) if model is None else model
    loader = DataLoader(ROWS, 16) if loader is None else loader
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    options = dict(num_it=6, stop_div=False, probe=False, progress=False, verify=True, **kwargs)
    return names_after(lambda: find_lr(model, opt, criterion, loader, **options))


def find_with_error(model=None, loader=None):
    "The same, without `names_after`."
    model = nn.Linear(4, 3) if model is None else model
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    options = dict(num_it=6, stop_div=False, probe=False, progress=False, verify=True)
    find_lr(model, opt, cross_entropy, DataLoader(ROWS, 16) if loader is None else loader, **options)


class Does(nn.Linear):
    "A model that calls a function in each forward pass."

    def __init__(self, do):
        super().__init__(4, 3)
        self.do = do

    def forward(self, x):
        self.do()
        return super().forward(x)


# Told before anything changes.


class Remembers:
    "A loader that goes on with an iterator of its own, of a kind that can't be copied."

    def __init__(self, make):
        self.source = make([ROWS[4 * i : 4 * i + 4] for i in range(16)])

    def __iter__(self):
        return itertools.islice(self.source, 4)


@shows(TOLD, 'Iterators in a loader')
@pytest.mark.parametrize(
    'make',
    [
        lambda rows: (x for x in rows),
        lambda rows: map(tuple, rows),
        lambda rows: zip(*zip(*rows)),
        lambda rows: iter(DataLoader(ROWS, 4)),
    ],
    ids=['generator', 'map', 'zip', 'of a data loader'],
)
def test_iterators_in_a_loader(make):
    loader = Remembers(make)
    with pytest.warns(UserWarning, match=r"can't be rewound: Remembers\.source"):
        find(loader=loader)
    assert len(list(loader.source)) < 16


@shows(TOLD, 'An iterator as the loader')
@pytest.mark.parametrize('batches, drawn', [(8, 6), (3, 3), (None, 6)])
@pytest.mark.parametrize(
    'make',
    [
        iter,
        lambda rows: (x for x in rows),
        lambda rows: zip(*zip(*rows)),
        lambda rows: itertools.islice(rows, 16),
        lambda rows: iter(DataLoader(ROWS, 4)),
    ],
    ids=['iterator', 'generator', 'zip', 'islice', 'of a data loader'],
)
def test_an_iterator_as_the_loader(make, batches, drawn):
    stream = make([ROWS[4 * i : 4 * i + 4] for i in range(16)])
    with pytest.warns(
        UserWarning, match="the loader is an? [a-zA-Z_]+, which can't be rewound: .*Pass what it"
    ):
        assert find(loader=stream, batches=batches) in (['loader'], [])
    assert len(list(stream)) == 16 - drawn


class Position:
    "An iterator whose position is an attribute: it is rewound, so there is nothing to tell."

    def __init__(self):
        self.position = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.position += 1
        if self.position > 16:
            raise StopIteration
        return ROWS[4 * self.position - 4 : 4 * self.position]


def test_an_iterator_that_is_rewound(recwarn):
    stream = Position()
    assert find(loader=stream) == [] and stream.position == 0 and not recwarn


def test_the_remedies_are_those_for_what_is_named():
    with pytest.warns(UserWarning, match='rewound'), pytest.raises(NotRestored) as iterator:
        find_with_error(loader=iter([ROWS[:4]] * 16))
    threads = torch.get_num_threads()
    with pytest.raises(NotRestored) as setting:
        find_with_error(model=Does(lambda: torch.set_num_threads(3)))
    torch.set_num_threads(threads)
    with pytest.raises(NotRestored) as state:
        calls = []
        find_with_error(model=Does(lambda: calls.append(1)))
    words = ('pass what it iterates over', 'settings of torch', '`others`', 'leave it out')
    found = [[w in str(e.value) for w in words] for e in (iterator, setting, state)]
    assert found == [[True, False, False, False], [False, True, False, False], [False, False, True, True]]


class Ahead:
    "A loader with a thread that reads ahead."

    def __init__(self):
        self.stop = threading.Event()
        self.batches = queue.Queue(maxsize=1)
        self.n = 0
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while not self.stop.is_set():
            self.n += 1
            try:
                self.batches.put(ROWS[: 4 * self.n], timeout=0.01)
            except queue.Full:
                self.n -= 1

    def __iter__(self):
        return iter([self.batches.get() for _ in range(3)])


@shows(TOLD, 'Threads and processes that read ahead')
def test_threads_that_read_ahead():
    loader = Ahead()
    try:
        with pytest.warns(UserWarning, match=r"can't be rewound: .*Ahead"):
            find(loader=loader)
        assert len(next(iter(loader))[0]) > 4
    finally:
        loader.stop.set()
        loader.thread.join()


@shows(TOLD, 'Nodes of torchdata in the middle of an epoch')
def test_nodes_in_the_middle_of_an_epoch():
    nodes = pytest.importorskip('torchdata.nodes')
    batches = nodes.IterableWrapper([ROWS[4 * i : 4 * i + 4] for i in range(16)])
    loader = nodes.Loader(nodes.Prefetcher(batches, 2))
    it = iter(loader)
    next(it)
    with pytest.warns(UserWarning, match=r"can't be rewound: .*in the middle of an epoch: finish it first"):
        snap = Snapshot(loaders=loader)
    # The epoch itself goes on, but what is read of it is gone.
    assert len(list(it)) == 15
    snap.restore()
    assert list(it) == []


@shows(TOLD, 'Models without values')
@pytest.mark.parametrize(
    'make, words',
    [(lambda: nn.Linear(4, 3, device='meta'), 'meta'), (lambda: nn.LazyLinear(3), 'lazy')],
    ids=['meta', 'lazy'],
)
def test_models_without_values(make, words):
    with pytest.raises(ValueError, match=words):
        find(make())


@shows(TOLD, 'Models that the first FSDP has sharded')
def test_models_that_the_first_fsdp_has_sharded():
    from torch.distributed.fsdp import FullyShardedDataParallel

    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = FullyShardedDataParallel(nn.Linear(4, 3), device_id=torch.device('cpu'))
        with pytest.raises(ValueError, match='fully_shard'):
            find(model)
    finally:
        dist.destroy_process_group()


class Extra(nn.Linear):
    "A module with a state of its own, which contains memory that was freed."

    def get_extra_state(self):
        freed = torch.ones(9)
        freed.untyped_storage().resize_(0)
        return freed

    def set_extra_state(self, state):
        pass


class Nested(nn.Linear):
    "A module that holds an object whose state is nested deeply."

    class Part:
        def state_dict(self):
            chain = []
            for _ in range(5000):
                chain = [chain]
            return chain

        def load_state_dict(self, state):
            pass

    def __init__(self, *args):
        super().__init__(*args)
        self.part = Nested.Part()


@shows(TOLD, "A state that can't be copied")
@pytest.mark.parametrize(
    'kind, error, words',
    [(Extra, ValueError, 'memory was freed'), (Nested, RecursionError, 'nested more deeply')],
)
def test_a_state_that_cannot_be_copied(kind, error, words):
    model = kind(4, 3)
    weight = model.weight.detach().clone()
    with pytest.raises(error, match=words):
        find(model)
    assert torch.equal(model.weight, weight)


@shows(TOLD, 'Two range tests at once')
def test_two_range_tests_at_once():
    model = nn.Linear(4, 3)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    with LRSweep(opt, model):
        with pytest.raises(RuntimeError, match='another sweep of this optimizer'):
            LRSweep(opt, model).start()
        caught = []

        def in_another_thread():
            with pytest.raises(RuntimeError, match='running in the thread') as e:
                find()
            caught.append(e)

        thread = threading.Thread(target=in_another_thread)
        thread.start()
        thread.join()
    assert caught


def sweep(model, opt, after_step=lambda: None, **kwargs):
    "Run a short sweep around a loop by hand."
    with LRSweep(opt, model, num_it=6, stop_div=False, **kwargs) as s:
        for x, y in s(DataLoader(ROWS, 16)):
            loss = cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            after_step()
            s.record(loss)


@shows(TOLD, "A scheduler that isn't passed")
def test_a_scheduler_that_is_not_passed():
    model = nn.Linear(4, 3)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = LambdaLR(opt, lambda epoch: 0.9**epoch)
    weight = model.weight.detach().clone()
    with pytest.raises(ValueError, match='pass the scheduler as schedulers='):
        sweep(model, opt, scheduler.step)
    assert torch.equal(model.weight, weight) and opt.param_groups[0]['lr'] == 0.1
    # It isn't restored itself.
    assert scheduler.last_epoch == 1


# Named by `verify=True`.


class Log:
    def __init__(self):
        self.calls, self.seconds = 0, 0


class Logs(nn.Linear):
    "A model with an object of a class of its own, in which it counts."

    def __init__(self, log, counted='calls'):
        super().__init__(4, 3)
        self.log, self.counted = log, counted

    def forward(self, x):
        setattr(self.log, self.counted, getattr(self.log, self.counted) + 1)
        return super().forward(x)


OBJECTS = 'Objects of your own classes in a model or a callback'


@shows(NAMED, OBJECTS)
def test_objects_in_a_model():
    model = Logs(Log())
    assert find(model) == ['model.log.calls'] and model.log.calls == 6
    model = Logs(Log())
    assert find(model, others=[model.log]) == [] and model.log.calls == 0


class Counts(Callback):
    shapes_training = True

    def __init__(self):
        self.log = Log()

    def on_batch_end(self, **_):
        self.log.calls += 1


@shows(NAMED, OBJECTS)
def test_objects_in_a_callback():
    learn = Learner(
        (DataLoader(ROWS, 16), None),
        nn.Linear(4, 3),
        loss_func=cross_entropy,
        silent=True,
        callbacks=[count := Counts()],
    )
    names = names_after(lambda: learn.lr_find(num_it=6, probe=False, verify=True))
    assert names == ['callbacks[0].log.calls'] and count.log.calls > 0


def test_a_value_of_the_class_is_not_taken_for_a_change():
    "The first count makes an attribute of the object, and leaves that of its class alone."

    class Counter:
        calls = 0

    assert find(Logs(Counter())) == ['model.log.calls']


FUNCTIONS = 'Variables of functions'


@shows(NAMED, FUNCTIONS)
def test_the_closure_of_a_hook():
    outputs, model = [], nn.Linear(4, 3)
    model.register_forward_hook(lambda m, args, out: outputs.append(len(out)))
    (name,) = find(model)
    assert outputs and name.startswith('model._forward_hooks') and name.endswith('.outputs')


class Default(nn.Linear):
    def forward(self, x, seen=[]):
        seen.append(len(x))
        return super().forward(x)


@shows(NAMED, FUNCTIONS)
def test_the_default_values_of_a_method():
    assert find(Default(4, 3)) == ['model.__class__.forward.__defaults__[0]']
    assert len(Default.forward.__defaults__[0]) == 6


def counted(out, y):
    counted.calls += 1
    return cross_entropy(out, y)


counted.calls = 0


@shows(NAMED, FUNCTIONS)
def test_the_attributes_of_a_loss_function():
    assert find(criterion=counted) == ["criterion.__dict__['calls']"] and counted.calls == 6


@shows(NAMED, FUNCTIONS)
def test_a_generator_in_a_loss_function():
    def make(rng):
        return lambda out, y: cross_entropy(out, y) + rng.random()

    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert find(criterion=make(rng)) == ['criterion.rng'] and rng.bit_generator.state != before
    before = rng.bit_generator.state
    assert find(criterion=make(rng), others=rng) == [] and rng.bit_generator.state == before


class Draws(nn.Linear):
    "A model that asks an iterator for a number."

    def __init__(self, it):
        super().__init__(4, 3)
        self.it = it

    def forward(self, x):
        next(self.it)
        return super().forward(x)


@shows(NAMED, 'Iterators in a model')
@pytest.mark.parametrize(
    'make',
    [
        lambda: (i for i in range(99)),
        lambda: iter(range(99)),
        lambda: zip(range(99)),
        lambda: map(abs, range(99)),
        lambda: enumerate(range(99)),
        lambda: itertools.count(),
        lambda: iter(DataLoader(range(99))),
    ],
    ids=['generator', 'range', 'zip', 'map', 'enumerate', 'count', 'of a data loader'],
)
def test_iterators_in_a_model(make):
    model, other = Draws(make()), make()
    assert find(model) == ['model.it'] and repr(next(model.it)) != repr(next(other))


class Reads(nn.Linear):
    "A model that uses an open file."

    def __init__(self, file, mode):
        super().__init__(4, 3)
        self.file, self.mode = file, mode

    def forward(self, x):
        if self.mode == 'w':
            self.file.write('step\n')
        else:
            self.file.readline()
        return super().forward(x)


@shows(NAMED, 'Open files')
@pytest.mark.parametrize('mode', 'wr')
def test_open_files_of_a_model(mode, tmp_path):
    path = tmp_path / 'lines.txt'
    path.write_text('line\n' * 9 if mode == 'r' else '')
    with open(path, mode) as file:
        assert find(Reads(file, mode)) == ['model.file'] and file.tell() == 6 * 5


class Calls(nn.Linear):
    calls, sizes = 0, []

    def forward(self, x):
        type(self).calls += 1
        self.sizes.append(len(x))
        return super().forward(x)


@shows(NAMED, 'Attributes of your classes')
def test_attributes_of_a_class():
    assert set(find(Calls(4, 3))) == {'model.__class__.calls', 'model.__class__.sizes'}
    assert Calls.calls == len(Calls.sizes) == 6


n_calls, sizes = 0, {}
noise, rng = torch.zeros(3), np.random.default_rng(0)


class Globals(nn.Linear):
    def forward(self, x):
        count()
        noise[0] += rng.random()
        return super().forward(x)


def count():
    global n_calls
    n_calls += 1
    sizes[n_calls] = n_calls


@shows(NAMED, 'Global names')
def test_global_names_that_a_model_uses():
    global n_calls
    n_calls = 0
    sizes.clear()
    noise.zero_()
    before = rng.bit_generator.state
    found = re.findall(r"__globals__\['(\w+)'\](?!\.)", ' '.join(find(Globals(4, 3))))
    assert {'n_calls', 'sizes', 'noise', 'rng'} <= set(found)
    assert n_calls == len(sizes) == 6 and noise[0] > 0 and rng.bit_generator.state != before


@shows(NAMED, 'Global names')
def test_a_global_generator_is_restored_in_others():
    before = rng.bit_generator.state
    names = find(Globals(4, 3), others=[rng])
    assert rng.bit_generator.state == before and not any('rng' in name for name in names)


read = []


def collate(rows):
    read.append(len(rows))
    return default_collate(rows)


@shows(NAMED, 'Global names')
def test_global_lists_of_a_loader():
    read.clear()
    names = find(loader=DataLoader(ROWS, 16, collate_fn=collate))
    assert read and names == ["loader.collate_fn.__globals__['read']"]


class Writes(Dataset):
    "Data that count how often they are read."

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return 64

    def __getitem__(self, i):
        self.data[i] += [1] if isinstance(self.data, list) else 1
        return ROWS[i]


def large():
    "Numbers that are too many for an order of rows; most of them are never written, and take no memory."
    return np.zeros(10**8 + 1, np.uint8)


@shows(NAMED, 'Data in a loader')
@pytest.mark.parametrize(
    'make',
    [
        lambda: np.zeros(64),
        lambda: torch.zeros(64),
        lambda: np.zeros((64, 2), dtype=np.uint8),
        lambda: [['a'] for _ in range(1001)],
    ],
    ids=['floats', 'tensor', 'bytes', 'rows'],
)
def test_data_that_a_loader_writes(make):
    data = make()
    names = find(loader=DataLoader(Writes(data), 16))
    assert str(data) != str(make())
    assert names and all(re.fullmatch(r'loader\.dataset\.data(\[\d+\])?', name) for name in names)


def test_large_orders_are_data():
    from fastlr.loaders import is_data

    assert is_data(large()) and not is_data(np.zeros(64, np.uint8))


class Transforms(Dataset):
    "Rows that go through a module, which learns on the way."

    def __init__(self):
        self.transform = nn.Linear(4, 4)

    def __len__(self):
        return 64

    def __getitem__(self, i):
        with torch.no_grad():
            self.transform.bias += 1
        return ROWS[i]


@shows(NAMED, 'Data in a loader')
def test_parameters_of_a_transform():
    rows = Transforms()
    bias = rows.transform.bias.detach().clone()
    assert find(loader=DataLoader(rows, 16)) == ['loader.dataset.transform.bias']
    assert not torch.equal(rows.transform.bias, bias)


class Trainer:
    "Its method changes an attribute that its code doesn't name."

    def __init__(self):
        self.batches, self.named = 0, 0

    def collate(self, rows):
        self.named += 1
        vars(self).update({''.join(('bat', 'ches')): self.batches_so_far() + 1})
        return default_collate(rows)

    def batches_so_far(self):
        return dict(vars(self)).get(''.join(('bat', 'ches')))


@shows(NAMED, 'The object of a method')
def test_the_object_of_a_method():
    trainer = Trainer()
    names = find(loader=DataLoader(ROWS, 16, collate_fn=trainer.collate))
    assert names == ['loader.collate_fn.__self__.batches']
    assert trainer.batches > 0 and trainer.named == 0


class Closes:
    "A loader that closes its file at the end of an epoch."

    def __init__(self, path):
        self.file, self.epochs = open(path), 0

    def __iter__(self):
        self.epochs += 1
        yield from DataLoader(ROWS, 16)
        self.file.close()


@shows(NAMED, 'Files that a loader closes')
def test_files_that_a_loader_closes(tmp_path):
    (tmp_path / 'rows.txt').write_text('row\n')
    loader = Closes(tmp_path / 'rows.txt')
    assert set(find(loader=loader)) == {'loader.file', 'loader.epochs'}
    assert loader.file.closed and loader.epochs > 0


SETTINGS = {
    'torch.get_default_dtype()': (torch.set_default_dtype, torch.float64, torch.float32),
    'torch.get_num_threads()': (torch.set_num_threads, 2, 1),
    'torch.are_deterministic_algorithms_enabled()': (torch.use_deterministic_algorithms, True, False),
    'torch.get_float32_matmul_precision()': (torch.set_float32_matmul_precision, 'high', 'highest'),
    'torch.backends.cudnn': (functools.partial(setattr, torch.backends.cudnn, 'benchmark'), True, False),
}


@shows(NAMED, 'Settings of torch')
@pytest.mark.parametrize('name', list(SETTINGS))
def test_settings_of_torch(name):
    change, new, old = SETTINGS[name]
    change(old)
    try:
        assert find(Does(lambda: change(new))) == [name]
    finally:
        change(old)


@pytest.mark.skipif(not hasattr(torch.backends, 'fp32_precision'), reason='before PyTorch 2.9')
def test_a_precision_that_was_set_for_one_backend():
    "torch refuses to read the old setting then."
    code = """
        import torch
        torch.backends.cuda.matmul.fp32_precision = 'tf32'
        from fastlr.fingerprint import Fingerprint
        before = Fingerprint()
        torch.backends.cuda.matmul.fp32_precision = 'ieee'
        print(before.changed())
        """
    assert run_python(code) == "['torch.get_float32_matmul_precision()']\n"


# What not even `verify` sees.


@shows(UNSEEN, "What you don't pass")
def test_what_is_not_passed():
    model = nn.Linear(4, 3)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    average = AveragedModel(model)
    average.update_parameters(model)
    before = copy.deepcopy(average.state_dict())
    update = functools.partial(average.update_parameters, model)
    names = names_after(lambda: sweep(model, opt, update, verify=True))
    assert names == [] and not torch.equal(before['module.weight'], average.module.weight)
    average.load_state_dict(before)
    names = names_after(lambda: sweep(model, opt, update, verify=True, others=average))
    assert names == [] and torch.equal(before['module.weight'], average.module.weight)


class PicklesItsCalls(Log):
    "The seconds are left out of what is pickled."

    def __getstate__(self):
        return dict(calls=self.calls)


@shows(UNSEEN, 'What a class leaves out of its pickle')
def test_what_a_class_leaves_out_of_its_pickle():
    model = Logs(PicklesItsCalls())
    assert find(model) == ['model.log.calls']
    model = Logs(PicklesItsCalls(), 'seconds')
    assert find(model) == [] and model.log.seconds == 6


class Queues(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
        self.queue = queue.Queue()

    def forward(self, x):
        self.queue.put(len(x))
        return super().forward(x)


@shows(UNSEEN, 'Queues, locks, loggers')
def test_queues():
    model = Queues()
    assert find(model) == [] and model.queue.qsize() == 6


INSTALLED = """
from torch import nn
warned = []
class Layer(nn.Linear):
    calls = 0
    def forward(self, x):
        Layer.calls += 1
        warned.append('once')
        return super().forward(x)
"""


@shows(UNSEEN, 'Installed packages')
@pytest.mark.parametrize('folder', ['site-packages', 'mine'])
def test_installed_packages(folder, tmp_path, monkeypatch):
    "The same file is looked at if it isn't installed."
    module = types.ModuleType('layers_of_a_package')
    module.__file__ = str(tmp_path / folder / 'layers_of_a_package.py')
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(INSTALLED, vars(module))
    names = find(module.Layer(4, 3))
    assert module.Layer.calls == len(module.warned) == 6
    mine = {'model.__class__.calls', "model.__class__.forward.__globals__['warned']"}
    assert set(names) == (mine if folder == 'mine' else set())


@functools.lru_cache
def square(n):
    return n * n


@shows(UNSEEN, 'Caches of functions')
def test_caches_of_functions():
    square.cache_clear()
    model = Does(lambda: square(square.cache_info().currsize))
    assert find(model) == [] and square.cache_info().currsize == 6


@shows(UNSEEN, 'Other random generators')
def test_the_generator_of_c():
    rand = ctypes.CDLL(None)
    rand.srand(3)
    expected = [rand.rand() for _ in range(7)]
    rand.srand(3)
    assert find(Does(rand.rand)) == [] and rand.rand() == expected[6]


@shows(UNSEEN, 'Environment variables')
def test_environment_variables(monkeypatch):
    monkeypatch.setenv('STEPS_OF_THIS_TEST', '')
    step = lambda: os.environ.update(STEPS_OF_THIS_TEST=os.environ['STEPS_OF_THIS_TEST'] + '.')
    assert find(Does(step)) == [] and os.environ['STEPS_OF_THIS_TEST'] == '......'


@shows(UNSEEN, 'The outside world')
def test_files_that_a_model_opens_and_closes(tmp_path):
    path = tmp_path / 'log.txt'
    path.write_text('')
    assert find(Does(lambda: path.write_text(path.read_text() + 'step\n'))) == []
    assert path.read_text() == 'step\n' * 6


class SavesItself:
    "Writes to a file when it is asked for its state."

    def __init__(self, path):
        self.path = path

    def __getstate__(self):
        self.path.write_text(self.path.read_text() + 'pickled\n')
        return dict(path=self.path)


class SavesItsDict(SavesItself):
    def state_dict(self):
        self.path.write_text(self.path.read_text() + 'asked\n')
        return {}

    def load_state_dict(self, state):
        pass


@shows(UNSEEN, 'What your code does when it is asked for its state')
@pytest.mark.parametrize('kind, word', [(SavesItself, 'pickled'), (SavesItsDict, 'asked')])
def test_what_code_does_when_it_is_asked_for_its_state(kind, word, tmp_path):
    path = tmp_path / 'asked.txt'
    path.write_text('')
    model = nn.Linear(4, 3)
    model.part = kind(path)
    assert find(model) == [] and word in path.read_text()


@shows(UNSEEN, 'Memory')
def test_the_largest_amount_of_memory_stays():
    used = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize()
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    before = peak()
    # Much more than other code may release meanwhile.
    assert find(Does(lambda: torch.ones(max(before - used(), 0) // 4 + 2**26))) == []
    assert peak() > before


@shows(UNSEEN, 'A range test that ends with an error')
def test_after_an_error_nothing_is_compared():
    model = Logs(Log())

    def loss(out, y):
        if model.log.calls == 3:
            raise OSError('no such row')
        return cross_entropy(out, y)

    weight = model.weight.detach().clone()
    with pytest.raises(OSError, match='no such row'):
        find(model, criterion=loss)
    assert torch.equal(model.weight, weight) and model.log.calls == 3


CTRL_C_IN_A_TERMINAL = """
    import json, os, signal, time
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    from fastlr import Learner, find_lr

    # Ctrl-C reaches all processes in the group of the one in the foreground.
    os.setsid()
    rows = TensorDataset(torch.randn(64, 4), torch.arange(64) % 3)

    def interrupt(out, y):
        os.killpg(0, signal.SIGINT)
        return nn.functional.cross_entropy(out, y)

    def end_later(i):
        "A worker needs a while to end, so that it is alive when everything has been restored."
        def end(*args):
            time.sleep(0.3)
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, end)

    def train(finder):
        "Return whether an epoch changes the workers, the order of its rows, a later number, and the weights."
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        opt = torch.optim.Adam(model.parameters())
        options = dict(num_workers=1, persistent_workers=True, worker_init_fn=end_later)
        options.update(multiprocessing_context='fork')
        loader = DataLoader(rows, 16, shuffle=True, **options)
        learn = Learner((loader, None), model, loss_func=interrupt, silent=True)
        list(loader)
        (worker,) = loader._iterator._workers
        try:
            if finder == 'find_lr': find_lr(model, opt, interrupt, loader, progress=False)
            if finder == 'lr_find': learn.lr_find()
        except KeyboardInterrupt: pass
        else: assert finder is None
        order = [y.tolist() for _, y in loader]
        new = loader._iterator._workers[0].pid != worker.pid
        return new, order, torch.rand(1).item(), model.weight.tolist()

    print(json.dumps([train(None), train('find_lr'), train('lr_find')]))
"""


@shows(UNSEEN, 'A range test that ends with an error')
def test_ctrl_c_in_a_terminal_ends_persistent_workers():
    (new, order, number, weights), *interrupted = json.loads(run_python(CTRL_C_IN_A_TERMINAL))
    assert not new
    for other_new, other_order, other_number, other_weights in interrupted:
        assert other_new
        assert order != other_order and number != other_number
        assert weights == other_weights


class Physical(nn.Module):
    "Noise that no generator of this program makes, as that of sums in another order on an accelerator."

    def forward(self, x):
        return x * (1 + 1e-3 * os.urandom(1)[0])


@shows(UNSEEN, 'Sums that differ from run to run')
def test_without_determinism_no_two_trainings_are_equal():
    def train(finds):
        torch.manual_seed(0)
        model = nn.Sequential(Physical(), nn.Linear(4, 3))
        names = find(model) if finds else []
        opt = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in DataLoader(ROWS, 16):
            cross_entropy(model(x), y).backward()
            opt.step()
            opt.zero_grad()
        return model[1].weight, names

    (first, _), (second, _), (third, names) = train(False), train(False), train(True)
    assert not torch.equal(first, second) and not torch.equal(first, third) and names == []


class Forever:
    "A loader that goes on with one iterator."

    def __init__(self):
        self.inner = DataLoader(range(99), 1)
        self.rows = iter(self.inner)

    def __iter__(self):
        return (next(self.rows).item() for _ in range(3))


SEVERAL = 'A snapshot of your own that is restored several times'


@shows(UNSEEN, SEVERAL)
@pytest.mark.parametrize('again, row', [(False, 3), (True, 0)])
def test_a_snapshot_that_is_restored_several_times(again, row):
    loader = Forever()
    with Snapshot(loaders=loader) as snap:
        for _ in range(2):
            if again:
                snap.add_loader(loader)
            assert len(list(loader)) == 3
            snap.restore()
    assert next(iter(loader)) == row


class ForeverRows(Forever):
    def __init__(self):
        self.inner = DataLoader(ROWS, 4)
        self.rows = iter(self.inner)

    def __iter__(self):
        return (next(self.rows) for _ in range(3))


@shows(UNSEEN, SEVERAL)
@pytest.mark.parametrize('workers', [0, 1])
def test_sweeps_with_a_snapshot_of_ones_own(workers):
    model, loader = nn.Linear(4, 3), ForeverRows()
    loader.inner = DataLoader(ROWS, 4, num_workers=workers, persistent_workers=workers > 0)
    loader.rows = iter(loader.inner)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    with Snapshot(model, opt) as snap:
        for _ in range(3):
            with LRSweep(opt, model, num_it=3, snapshot=snap, verify=True) as s:
                for x, y in s(loader):
                    loss = cross_entropy(model(x), y)
                    loss.backward()
                    opt.step()
                    opt.zero_grad()
                    s.record(loss)
    assert torch.equal(next(iter(loader))[0], ROWS[:4][0])
