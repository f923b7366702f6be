"Loaders as they are in the wild: the next epoch is the one that would have come, or a warning names why not."

import itertools, queue, random, threading, warnings
from functools import partial

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, Sampler

from fastlr import LRSweep
from fastlr.snapshot import Snapshot

N = 24
gen = lambda seed=1: torch.Generator().manual_seed(seed)


def seeded(make):
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    return make()


def as_list(batch):
    if isinstance(batch, (torch.Tensor, np.ndarray)):
        return batch.tolist()
    return [as_list(b) for b in batch] if isinstance(batch, (list, tuple)) else batch


def epochs(loader, n):
    return [[as_list(b) for b in loader] for _ in range(n)]


def goes_on(make, detour=None, before=1):
    "Whether the loader that `make` returns goes on after a detour as it would have without one."

    def run(find):
        loader = seeded(make)
        first = epochs(loader, before)
        if find:
            (detour or read_in_a_snapshot)(loader)
        return first + epochs(loader, 2)

    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.filterwarnings('ignore', '.*set_vital')
        return run(False) == run(True)


def read_in_a_snapshot(loader):
    with Snapshot(loaders=loader):
        epochs(loader, 1)
        for _ in zip(range(2), loader):
            pass


def sweep_over(loader):
    "Take the steps of a sweep with batches that have nothing to do with the model."
    with torch.random.fork_rng():
        net = nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    with LRSweep(opt, net, num_it=10, stop_div=False) as sweep:
        for _ in sweep(loader):
            loss = net(torch.ones(1, 1)).sum()
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)


class Order(Sampler):
    "Shuffles what it has in place, in each epoch."

    def __init__(self, order, shuffle=random.shuffle):
        self.order, self.shuffle = order, shuffle

    def __iter__(self):
        self.shuffle(self.order)
        return iter(self.order.tolist() if isinstance(self.order, np.ndarray) else list(self.order))

    def __len__(self):
        return len(self.order)


class Inner(Order):
    "Shuffles the rows of each batch as well."

    def __iter__(self):
        for batch in self.order:
            random.shuffle(batch)
        return super().__iter__()


class Words(Dataset):
    def __init__(self, words):
        self.words = words

    def __getitem__(self, i):
        if i == 0:
            np.random.shuffle(self.words)
        return str(self.words[i])

    def __len__(self):
        return N


class Keyed(Dataset):
    "Moves the entries of a large dict."

    def __init__(self):
        self.rows = {i: i for i in range(2000)}

    def __getitem__(self, i):
        key = next(iter(self.rows))
        self.rows[key] = self.rows.pop(key)
        return key

    def __len__(self):
        return N


batches = lambda n: [[2 * i, 2 * i + 1] for i in range(n)]
ORDERS = {
    'short': lambda: DataLoader(range(40), batch_sampler=Order(batches(20))),
    'long': lambda: DataLoader(range(3000), batch_sampler=Order(batches(1500))),
    'inner': lambda: DataLoader(range(3000), batch_sampler=Inner(batches(1500))),
    'tuples': lambda: DataLoader(range(3000), batch_sampler=Order([tuple(b) for b in batches(1500)])),
    'tensors': lambda: DataLoader(range(3000), batch_sampler=Order(list(torch.arange(3000).view(-1, 2)))),
    '2-d': lambda: DataLoader(
        range(3000), batch_sampler=Order(np.arange(3000).reshape(-1, 2), np.random.shuffle)
    ),
    'strings': lambda: DataLoader(Words(np.array([f'word {i}' for i in range(N)])), 4),
    'objects': lambda: DataLoader(Words(np.array([f'word {i}' for i in range(N)], dtype=object)), 4),
    'many words': lambda: DataLoader(Words([f'word {i}' for i in range(2000)]), 4),
    'dict': lambda: DataLoader(Keyed(), 4),
}


@pytest.mark.parametrize('name', ORDERS)
def test_what_is_shuffled_in_place(name):
    assert goes_on(ORDERS[name])


def test_identity_of_entries_is_restored():
    rows = [object() for _ in range(2000)]
    before = list(rows)
    with Snapshot(loaders=DataLoader(rows, 2)):
        random.shuffle(rows)
        rows.pop()
    assert len(rows) == len(before) and all(a is b for a, b in zip(rows, before))


def test_data_are_not_copied():
    class Counts:
        def __init__(self, snapshot):
            self.n, self.save = 0, snapshot.copies.save
            snapshot.copies.save = self.count

        def count(self, t):
            self.n += t.nbytes
            return self.save(t)

    rows = [torch.zeros(1000, 1000, dtype=torch.int64) for _ in range(20)]
    snapshot = Snapshot()
    counts = Counts(snapshot)
    snapshot.add_loader(DataLoader(rows + [torch.zeros(8, 8, dtype=torch.uint8), torch.rand(100)], 2))
    assert counts.n == 0


# Draws in functions and modules.

rng = random.Random(3)


def jitter(rows, rng, scale=1):
    return [r + scale * rng.random() for r in rows]


def uses_globals(rows):
    return helper(rows)


def helper(rows):
    return [r + rng.random() + speaker.noise for r in rows]


apart = random.Random(4)


def with_default(rows, rng=apart):
    return jitter(rows, rng)


def enclosed():
    rng, n = np.random.default_rng(0), 0

    def collate(rows):
        nonlocal n
        n += 1
        return [r + rng.random() + n for r in rows]

    return collate


class Speaker:
    "Has the `collate` of a trainer, and what a trainer has."

    def __init__(self):
        self.rng, self.calls, self.log = random.Random(0), 0, []

    @property
    def noise(self):
        return self.rng.random()

    def pad(self, rows):
        self.calls += 1
        return [r + self.calls for r in rows]

    def collate(self, rows):
        return [r + self.noise for r in self.pad(rows)]

    def add(self, x):
        return x + self.noise

    def __call__(self, rows):
        return self.collate(rows)


speaker = Speaker()


class Noise(nn.Module):
    "A transform, as torchvision's are."

    def __init__(self):
        super().__init__()
        self.rng, self.calls = gen(), 0
        self.register_buffer('seen', torch.zeros(1))

    def forward(self, rows):
        self.calls += 1
        self.seen += 1.5
        return torch.tensor(rows) + torch.rand(1, generator=self.rng) + self.calls + self.seen


class Transformed(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __getitem__(self, i):
        return self.transform([float(i)])

    def __len__(self):
        return N


class UsesGlobals(Dataset):
    def __getitem__(self, i):
        return i + rng.random()

    def __len__(self):
        return N


def local_class():
    draws = np.random.default_rng(5)

    class Rows(UsesGlobals):
        def __getitem__(self, i):
            return i + draws.random()

    return DataLoader(Rows(), 4)


def reseeded(make):
    rng.seed(3)
    speaker.rng.seed(5)
    apart.seed(4)
    return make()


def collated(make):
    return lambda: DataLoader(range(N), 4, collate_fn=make())


FUNCTIONS = {
    'partial': collated(lambda: partial(jitter, rng=random.Random(0))),
    'partial of a partial': collated(lambda: partial(partial(jitter, rng=np.random.default_rng(0)), scale=2)),
    'bound method': collated(lambda: Speaker().collate),
    'callable object': collated(Speaker),
    'lambda around self': collated(lambda: (lambda s: lambda rows: s.collate(rows))(Speaker())),
    'closure': collated(enclosed),
    'globals': collated(lambda: uses_globals),
    'default value': collated(lambda: with_default),
    'method of a generator': lambda: DataLoader(
        range(N), 4, sampler=Order(np.arange(N), np.random.default_rng(0).shuffle)
    ),
    'module': collated(Noise),
    'modules in a sequence': lambda: DataLoader(Transformed(nn.Sequential(nn.Identity(), Noise())), 4),
    'method of a module': lambda: DataLoader(Transformed(Noise().forward), 4),
    'globals of a class': lambda: DataLoader(UsesGlobals(), 4),
    'closure of a class': local_class,
}


@pytest.mark.parametrize('name', FUNCTIONS)
def test_draws_in_functions_and_modules(name):
    assert goes_on(lambda: reseeded(FUNCTIONS[name]))


def test_only_what_a_method_names_is_restored():
    speaker = Speaker()
    with Snapshot(loaders=DataLoader(range(N), collate_fn=speaker.collate)):
        speaker.log.append('found')
        speaker.found = 3e-3
        speaker.calls += 1
    assert speaker.log == ['found'] and speaker.found == 3e-3 and speaker.calls == 0


def test_parameters_of_a_transform_are_data():
    embed = nn.Linear(2, 2)
    with Snapshot(loaders=DataLoader(Transformed(embed))):
        embed.weight.data.fill_(7)
        embed.eval()
    assert embed.weight.unique().tolist() == [7] and embed.training


# Iterators that a loader keeps.


class Repeats:
    def __init__(self, sampler):
        self.sampler = sampler

    def __iter__(self):
        while True:
            yield from self.sampler


class MultiEpochs(DataLoader):
    "Keeps its workers by means of one endless iterator, as timm's does."

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        object.__setattr__(self, 'batch_sampler', Repeats(self.batch_sampler))
        self.iterator = super().__iter__()

    def __len__(self):
        return len(self.batch_sampler.sampler)

    def __iter__(self):
        for _ in range(len(self)):
            yield next(self.iterator)


class Forever:
    "Goes on in the middle of an epoch."

    def __init__(self, dl):
        self.dl = dl
        self.it = iter(dl)

    def __iter__(self):
        for _ in range(4):
            try:
                yield next(self.it)
            except StopIteration:
                self.it = iter(self.dl)


class Draws(Dataset):
    def __getitem__(self, i):
        return i + torch.rand(1).item() + random.random()

    def __len__(self):
        return N


class Counting(IterableDataset):
    def __init__(self, it):
        self.it = it

    def __iter__(self):
        return itertools.islice(iter(lambda: next(self.it), None), 5)


def kept(kind, **kw):
    return lambda: kind(DataLoader(Draws(), 4, shuffle=True, generator=gen(), **kw))


ITERATORS = {
    'multi epochs': lambda: MultiEpochs(Draws(), 4, shuffle=True, generator=gen()),
    'multi epochs, workers': lambda: MultiEpochs(Draws(), 4, shuffle=True, num_workers=2),
    'forever': kept(Forever),
    'forever, worker': kept(Forever, num_workers=1),
    'persistent': lambda: DataLoader(Draws(), 4, num_workers=1, persistent_workers=True, shuffle=True),
    'count': lambda: DataLoader(Counting(itertools.count()), 2),
    'list': lambda: DataLoader(Counting(iter(list(range(100)))), 2),
}


@pytest.mark.parametrize('name', ITERATORS)
def test_iterators_that_a_loader_keeps(name):
    assert goes_on(ITERATORS[name])


def test_a_sweep_over_a_loader_with_its_own_iterator():
    assert goes_on(ITERATORS['multi epochs, workers'], detour=sweep_over)


class Reader:
    "Reads ahead in a thread that never ends."

    def __init__(self):
        self.queue = queue.Queue(2)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not self.stop.is_set():
            try:
                self.queue.put(0, timeout=0.01)
            except queue.Full:
                pass

    def __iter__(self):
        return iter([self.queue.get()])


class Holds:
    "Holds what is passed."

    def __init__(self, it):
        self.it = it

    def __iter__(self):
        return itertools.islice(self.it, 2)


class Resumes(Holds):
    "Its state dict says where it is."

    def __init__(self):
        self.n = 0
        self.it = self.make(0)

    def make(self, n):
        while True:
            n += 1
            self.n = n
            yield n

    def state_dict(self):
        return dict(n=self.n)

    def load_state_dict(self, state):
        self.n = state['n']
        self.it = self.make(self.n)


@pytest.mark.parametrize(
    'make, name',
    [
        (lambda: Holds(i for i in range(100)), r'Holds\.it \(generator\)'),
        (lambda: Holds(zip(range(100), range(100))), r'Holds\.it \(zip\)'),
        (lambda: Holds(itertools.cycle([1, 2, 3])), r'Holds\.it \(cycle\)'),
        (lambda: DataLoader(Counting(map(float, range(100)))), r'Counting\.it \(map\)'),
        (lambda: Holds(iter(DataLoader(range(9), 1))), r'Holds\.it \(_SingleProcess'),
        (lambda: Holds([iter(zip([1]))]), 'zip'),
        (lambda: DataLoader(range(9), collate_fn=partial(next, iter(zip([1])))), 'zip'),
    ],
    ids=['generator', 'zip', 'cycle', 'map', 'of another loader', 'in a list', 'in a partial'],
)
def test_what_cannot_be_rewound_is_named_before_anything_changes(make, name):
    with pytest.warns(UserWarning, match=f"can't be rewound: .*{name}.*state_dict"):
        Snapshot(loaders=make())


def test_threads_that_read_ahead_are_named():
    reader = Reader()
    try:
        with pytest.warns(UserWarning, match=r"Holds\.it \(Reader\)"):
            Snapshot(loaders=Holds(reader))
    finally:
        reader.stop.set()
        reader.thread.join()


def test_a_state_dict_has_the_last_word_about_iterators():
    assert goes_on(Resumes)
    assert goes_on(Resumes, before=0)


@pytest.mark.parametrize('make', [lambda: (i for i in range(9)), lambda: iter(DataLoader(range(9)))])
def test_an_iterator_as_the_loader_is_named(make):
    loader = make()
    with pytest.warns(UserWarning, match="which can't be rewound"), Snapshot(loaders=loader):
        next(loader)
    assert len(list(loader)) == 8


def test_an_iterator_that_is_used_up_is_not_named():
    it = (i for i in range(2))
    list(it)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.filterwarnings('ignore', '.*set_vital')
        Snapshot(loaders=Holds(it))


# Loaders with a state dict: torchdata's, and others.


def nodes():
    return pytest.importorskip('torchdata.nodes')


def of_nodes(make, **kw):
    tn = nodes()
    draws = tn.SamplerWrapper(RandomSampler(range(N), generator=gen(2)))
    return tn.Loader(tn.Batcher(make(tn, draws), 4), **kw)


def several_nodes():
    tn = nodes()
    kinds = dict(
        a=tn.SamplerWrapper(RandomSampler(range(N), generator=gen(2))), b=tn.IterableWrapper(range(50))
    )
    return tn.Loader(tn.MultiNodeWeightedSampler(kinds, dict(a=0.5, b=0.5), seed=3))


def stateful(dataset, *args, **kw):
    module = pytest.importorskip('torchdata.stateful_dataloader')
    return module.StatefulDataLoader(dataset, *args, **kw)


class Tape(IterableDataset):
    "A dataset with a state dict."

    def __init__(self):
        self.n, self.rng = 0, random.Random(0)

    def __iter__(self):
        while self.n < 10:
            self.n += 1
            yield self.n + self.rng.random()
        self.n = 0

    def state_dict(self):
        return dict(n=self.n, rng=self.rng.getstate())

    def load_state_dict(self, state):
        self.n = state['n']
        self.rng.setstate(state['rng'])


class StartsWhenAsked:
    "Begins an epoch when it is asked for its state, as some do."

    def __init__(self):
        self.rng, self.order = random.Random(0), None

    def __iter__(self):
        if self.order is None:
            self.order = self.rng.sample(range(9), 9)
        order, self.order = self.order, None
        return iter(order)

    def state_dict(self):
        if self.order is None:
            self.order = self.rng.sample(range(9), 9)
        return dict(order=list(self.order), rng=self.rng.getstate())

    def load_state_dict(self, state):
        self.order = state['order']
        self.rng.setstate(state['rng'])


elsewhere = {}


class Elsewhere:
    "Its position isn't in its attributes."

    def __init__(self):
        elsewhere[self.name()] = 0

    def name(self):
        return type(self).__name__

    def __iter__(self):
        elsewhere[self.name()] += 1
        return iter([elsewhere[self.name()]])

    def state_dict(self):
        return dict(n=elsewhere[self.name()])

    def load_state_dict(self, state):
        elsewhere[self.name()] = state['n']


STATEFUL = {
    'nodes': lambda: of_nodes(lambda tn, n: n),
    'mapped nodes': lambda: of_nodes(lambda tn, n: tn.Mapper(n, Speaker().add)),
    'no restart': lambda: of_nodes(lambda tn, n: n, restart_on_stop_iteration=False),
    'threads': lambda: of_nodes(lambda tn, n: tn.Prefetcher(tn.ParallelMapper(n, float, 1), 3)),
    'several nodes': several_nodes,
    'around a loader': lambda: nodes().Loader(nodes().IterableWrapper(DataLoader(Draws(), 4, shuffle=True))),
    'stateful loader': lambda: stateful(Draws(), 4, shuffle=True, generator=gen()),
    'stateful loader, worker': lambda: stateful(Draws(), 4, shuffle=True, num_workers=1),
    'stateful dataset': lambda: stateful(Tape(), 4),
    'starts when asked': StartsWhenAsked,
    'elsewhere': Elsewhere,
}


@pytest.mark.parametrize('before', [0, 1])
@pytest.mark.parametrize('name', STATEFUL)
def test_loaders_with_a_state_dict(name, before):
    assert goes_on(STATEFUL[name], before=before)


def test_a_sweep_over_nodes():
    assert goes_on(STATEFUL['nodes'], detour=sweep_over)


@pytest.mark.parametrize('kind', ['Prefetcher', 'ParallelMapper'])
def test_a_thread_that_is_about_to_end_after_an_epoch_is_not_named(kind):
    make = {
        'Prefetcher': lambda tn, n: tn.Prefetcher(n, 3),
        'ParallelMapper': lambda tn, n: tn.ParallelMapper(n, float, 1),
    }[kind]
    loader = of_nodes(make)
    list(loader)
    iterator, end = loader.root.source._it, threading.Event()
    # A mapper is a node in a node.
    iterator = getattr(iterator, '_it', iterator)
    late = threading.Thread(target=end.wait)
    late.start()
    name = '_thread' if hasattr(iterator, '_thread') else '_read_thread'
    setattr(iterator, name, late)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            Snapshot(loaders=loader)
    finally:
        end.set()
        late.join()


def test_threads_of_nodes_are_named_in_the_middle_of_an_epoch():
    loader = STATEFUL['threads']()
    next(iter(loader))
    with pytest.warns(UserWarning, match=r"can't be rewound: .*Prefetcher\._it.*finish it first"):
        Snapshot(loaders=loader)


# Pipelines like those of webdataset: a list of stages, each a function of an iterator.


class Pipeline(IterableDataset):
    def __init__(self, *stages):
        self.stages = list(stages)

    def __iter__(self):
        it = self.stages[0]()
        for stage in self.stages[1:]:
            it = stage(it)
        return it


def shuffled(it, size, rng):
    rows = []
    for x in it:
        rows.append(x)
        if len(rows) >= size:
            yield rows.pop(rng.randrange(len(rows)))
    yield from rows


def resampled(urls, rng):
    for _ in range(12):
        yield rng.choice(urls)


def stage(f):
    "Make a stage of `f`, as webdataset's `pipelinefilter` does."
    return lambda *args, **kw: lambda it: f(it, *args, **kw)


class DetShuffle:
    "Counts epochs."

    def __init__(self):
        self.epoch = -1

    def __call__(self, it):
        self.epoch += 1
        return shuffled(it, 4, random.Random(self.epoch))


PIPELINES = {
    'buffer': lambda: Pipeline(lambda: iter(range(12)), partial(shuffled, size=4, rng=random.Random(1))),
    'stages': lambda: Pipeline(
        partial(resampled, list(range(50)), random.Random(2)), stage(shuffled)(3, random.Random(3))
    ),
    'epochs': lambda: Pipeline(lambda: iter(range(12)), DetShuffle()),
    'loader': lambda: Pipeline(
        lambda: iter(DataLoader(range(12), shuffle=True)), partial(map, Speaker().add)
    ),
}


@pytest.mark.parametrize('name, workers', [*((name, 0) for name in PIPELINES), ('epochs', 1)])
def test_pipelines(name, workers):
    assert goes_on(lambda: DataLoader(PIPELINES[name](), 2, num_workers=workers))
