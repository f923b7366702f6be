"""What is not restored: each line of the list on the page on restoring, shown, and how it is told.

`verify=True` names it, or a warning or an error does before anything changes. Where not even `verify` can see
it, the test says so: on the day when it can, the page is to be changed."""

import itertools, json, os, re, threading
from pathlib import Path

import numpy as np
import pytest, torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fastlr import find_lr
from fastlr.fingerprint import NotRestored

PAGE = Path(__file__).parents[1] / 'nbs/tutorials/restored.ipynb'
ROWS = TensorDataset(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3)


def lines():
    "Return the lines of the page's list, by their bold titles."
    cells = json.loads(PAGE.read_text())['cells']
    text = next(t for t in (''.join(c['source']) for c in cells) if t.startswith('## Five'))
    return dict(re.findall(r'^- \*\*(.+?)\*\*(.*)$', text, re.M))


TESTED = {}


def shows(title):
    "Enter a test as the one of a line."

    def enter(test):
        TESTED.setdefault(title, []).append(test)
        return test

    return enter


def find(model=None, loader=None, **kwargs):
    "Run a short range test that checks itself, and return the names of what it couldn't restore."
    model = nn.Linear(4, 3) if model is None else model
    loader = DataLoader(ROWS, 16) if loader is None else loader
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    try:
        find_lr(
            model,
            opt,
            cross_entropy,
            loader,
            num_it=6,
            stop_div=False,
            probe=False,
            verify=True,
            progress=False,
            **kwargs,
        )
    except NotRestored as e:
        return e.names
    return []


class Log:
    def __init__(self):
        self.calls, self.seconds = 0, 0


class PicklesItsCalls(Log):
    "The seconds are left out of what is pickled."

    def __getstate__(self):
        return dict(calls=self.calls)


class Logs(nn.Linear):
    "A model with an object of a class of its own, in which it counts."

    def __init__(self, log, counted='calls'):
        super().__init__(4, 3)
        self.log, self.counted = log, counted

    def forward(self, x):
        setattr(self.log, self.counted, getattr(self.log, self.counted) + 1)
        return super().forward(x)


@shows('Objects of your own classes inside a model')
def test_objects_in_a_model():
    model = Logs(Log())
    assert find(model) == ['model.log.calls'] and model.log.calls == 6
    model = Logs(Log())
    assert find(model, others=[model.log]) == [] and model.log.calls == 0


@shows('Objects of your own classes inside a model')
def test_what_a_class_leaves_out_of_its_pickle_is_not_seen():
    model = Logs(PicklesItsCalls())
    assert find(model) == ['model.log.calls']
    model = Logs(PicklesItsCalls(), 'seconds')
    assert find(model) == [] and model.log.seconds == 6


@shows('A generator')
@pytest.mark.parametrize('batches, drawn', [(8, 6), (3, 3), (None, 6)])
def test_batches_of_a_generator_are_gone(batches, drawn):
    stream = iter([ROWS[4 * i : 4 * i + 4] for i in range(16)])
    find(loader=stream, batches=batches)
    assert len(list(stream)) == 16 - drawn


class Remembers:
    "A loader that goes on with an iterator of its own, of a kind that can't be copied."

    def __init__(self, make):
        self.source = make([ROWS[4 * i : 4 * i + 4] for i in range(16)])

    def __iter__(self):
        return itertools.islice(self.source, 4)


@shows('Iterators inside a loader')
@pytest.mark.parametrize(
    'make',
    [lambda b: (x for x in b), lambda b: map(tuple, b), lambda b: zip(*zip(*b))],
    ids='gen map zip'.split(),
)
def test_iterators_in_a_loader_are_named_in_a_warning(make):
    loader = Remembers(make)
    with pytest.warns(UserWarning, match=r'Remembers\.source'):
        find(loader=loader)
    assert len(list(loader.source)) < 16


class Ahead:
    "A loader with a thread that reads ahead."

    def __init__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.stop.wait)
        self.thread.start()

    def __iter__(self):
        return iter(DataLoader(ROWS, 16))


@shows('Iterators inside a loader')
def test_threads_that_read_ahead_are_named_in_a_warning():
    loader = Ahead()
    try:
        with pytest.warns(UserWarning, match=r'Ahead \(a thread'):
            find(loader=loader)
    finally:
        loader.stop.set()
        loader.thread.join()


class Writes(Dataset):
    "Data that count, in an array that is too large or of another kind than indices, how often they are read."

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return 64

    def __getitem__(self, i):
        self.data[i] += 1
        return ROWS[i]


@shows('Data in a loader')
@pytest.mark.parametrize(
    'data',
    [np.zeros(64), torch.zeros(64), np.zeros((64, 2), dtype=np.uint8)],
    ids='floats tensor bytes'.split(),
)
def test_data_that_a_loader_writes(data):
    names = find(loader=DataLoader(Writes(data), 16))
    assert data.sum() > 0
    assert names == ['loader.dataset.data']


read = []


def collate(rows):
    read.append(len(rows))
    return torch.utils.data.default_collate(rows)


@shows('Lists and counters among the global names')
def test_global_lists_of_a_loader():
    read.clear()
    names = find(loader=DataLoader(ROWS, 16, collate_fn=collate))
    assert read and names == ["loader.collate_fn.__globals__['read']"]


@shows('Lists and counters among the global names')
def test_lists_in_the_closure_of_a_hook():
    outputs, model = [], nn.Linear(4, 3)
    model.register_forward_hook(lambda m, args, out: outputs.append(len(out)))
    (name,) = find(model)
    assert outputs and name.startswith('model._forward_hooks') and name.endswith('.outputs')


class Writing(nn.Linear):
    "A model that writes a line to a file in each step; `keep` says whether the file stays open."

    def __init__(self, path, keep):
        super().__init__(4, 3)
        self.path = path
        self.file = open(path, 'w') if keep else None

    def forward(self, x):
        if self.file is None:
            self.path.write_text(self.path.read_text() + 'step\n' if self.path.exists() else 'step\n')
        else:
            self.file.write('step\n')
        return super().forward(x)


@shows('The outside world')
@pytest.mark.parametrize('keep, names', [(True, ['model.file']), (False, [])], ids=['open', 'closed'])
def test_files_that_a_model_writes(tmp_path, keep, names):
    model = Writing(tmp_path / 'log.txt', keep)
    assert find(model) == names
    if keep:
        model.file.close()
    assert model.path.read_text() == 'step\n' * 6


class Physical(nn.Module):
    "Noise that no generator of this program makes, as that of sums in another order on an accelerator."

    def forward(self, x):
        return x * (1 + 1e-3 * os.urandom(1)[0])


@shows('Bits need determinism')
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


@shows('Refused, before anything changes')
def test_models_without_values_are_refused():
    model = nn.Linear(4, 3, device='meta')
    with pytest.raises(ValueError, match='meta'):
        find(model)


def test_each_line_of_the_page_has_a_test_and_each_test_a_line():
    """Two lines have theirs elsewhere: what DDP does not restore is a scenario of several processes, and that
    nothing has run on a GPU can only be tried on one."""
    assert set(lines()) == {*TESTED, 'DDP', 'GPUs'}


def test_a_value_of_the_class_is_not_taken_for_a_change():
    "The first count makes an attribute of the object, and leaves that of its class alone."

    class Counter:
        calls = 0

    assert find(Logs(Counter())) == ['model.log.calls']
