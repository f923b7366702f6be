"What trainings of other packages are made of: loaders that resume, hooks of optimizers, metrics, containers."

import itertools, multiprocessing, random
from functools import partial

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    WeightedRandomSampler,
)

from fastlr import Snapshot, find_lr
from fastlr.fingerprint import Fingerprint

BATCHES = [(torch.randn(8, 4, generator=torch.Generator().manual_seed(i)),) for i in range(4)]


def find(model, step, loader=BATCHES, opt=None, **kw):
    opt = opt or torch.optim.SGD(model.parameters(), 0.1)
    kw = dict(dict(num_it=6, stop_div=False, probe=False, progress=False), **kw)
    return find_lr(model, opt, None, loader, step=step, **kw)


# Loaders with a state dict, as those of torchdata, datasets and litdata: to load it means that the next epoch
# goes on where the last one was left, and asking for it may begin an epoch.


class Rows(IterableDataset):
    "Like a dataset of `datasets`: each epoch begins anew, unless a state was loaded."

    def __init__(self):
        self.position = 0
        self.begin = 0

    def __iter__(self):
        begin, self.begin = self.begin, 0
        for i in range(begin, 12):
            self.position = i + 1
            yield torch.full((4,), i / 12)

    def state_dict(self):
        return dict(position=self.position)

    def load_state_dict(self, state):
        self.begin = state['position']


class Resumable(DataLoader):
    "Like torchdata's `StatefulDataLoader`."

    resume = None
    n = 0

    def __iter__(self):
        skip, self.resume = self.resume or 0, None
        for i, batch in enumerate(super().__iter__()):
            self.n = i + 1
            if i >= skip:
                yield batch

    def state_dict(self):
        # An epoch is begun, and a seed is drawn for it.
        super().__iter__()
        return dict(n=self.n)

    def load_state_dict(self, state):
        self.resume = state['n']


class OfNoBase:
    "A loader of a class of one's own."

    def __init__(self):
        self.rows = Rows()

    def __iter__(self):
        return (row[None] for row in self.rows)

    def state_dict(self):
        return self.rows.state_dict()

    def load_state_dict(self, state):
        self.rows.load_state_dict(state)


LOADERS = {
    'loader': lambda: Resumable(torch.rand(12, 4), 4, shuffle=True),
    'dataset': lambda: DataLoader(Rows(), 4),
    'own class': OfNoBase,
}


class Trainer:
    def __init__(self, loader):
        self.loader = loader
        self.dataset = getattr(loader, 'dataset', None)
        self.model = nn.Linear(4, 1)

    def step(self, batch):
        return self.model(batch).square().mean()


def epoch_after(name, change, where):
    "The next epoch of a loader that was left in the middle of one, and the random state after it."
    torch.manual_seed(0)
    trainer = Trainer(LOADERS[name]())
    if where == 'model':
        trainer.model.loaders = [trainer.loader, trainer.dataset]
    for i, _ in enumerate(trainer.loader):
        if i == 1:
            break
    change(trainer)
    return [batch.tolist() for batch in trainer.loader], torch.get_rng_state().tolist()


@pytest.mark.parametrize('where', ['step', 'model'])
@pytest.mark.parametrize('name', LOADERS)
def test_a_training_that_refers_to_a_loader_with_a_state_dict(name, where):
    step = lambda t: t.step if where == 'step' else lambda batch: nn.Linear.forward(t.model, batch).mean()
    found = epoch_after(name, lambda t: find(t.model, step(t), t.loader, verify=True), where)
    assert found == epoch_after(name, lambda t: None, where)


# Functions that an optimizer calls. Opacus counts the privacy that was spent in one, and ends the training.


class Account:
    def __init__(self):
        self.history = []
        self.n = 0

    def spend(self, *args):
        self.history.append(1)
        self.n += 1

    def of_closure(self):
        def hook(opt):
            self.spend()

        return hook


class Accounted(torch.optim.SGD):
    step_hook = None

    def step(self, closure=None):
        super().step(closure)
        if self.step_hook is not None:
            self.step_hook(self)


def in_attribute(opt, account):
    opt.step_hook = account.of_closure()


def in_list(opt, account):
    opt.listeners = [partial(Account.spend, account)]
    opt.step_hook = lambda opt: [f() for f in opt.listeners]


HOOKED = {
    'closure': in_attribute,
    'method': lambda opt, account: opt.register_step_post_hook(account.spend),
    'partial in a list': in_list,
}


@pytest.mark.parametrize('name', HOOKED)
def test_functions_that_an_optimizer_calls(name):
    model, account = nn.Linear(4, 1), Account()
    opt = Accounted(model.parameters(), 0.1)
    HOOKED[name](opt, account)
    account.spend()
    find(model, lambda b: model(b[0]).square().mean(), opt=opt, verify=True)
    assert account.history == [1] and account.n == 1


def test_a_model_that_only_an_optimizer_changes():
    model = nn.Linear(4, 1)
    average = torch.optim.swa_utils.AveragedModel(model)
    opt = torch.optim.SGD(model.parameters(), 0.1)
    opt.register_step_post_hook(lambda *args: average.update_parameters(model))
    find(model, lambda b: model(b[0]).square().mean(), opt=opt, verify=True)
    assert average.n_averaged == 0


# Metrics and norms that a step uses without holding them.

NORM = nn.BatchNorm1d(1)
METRIC = nn.BatchNorm1d(1)


class UsesGlobals:
    def __init__(self):
        self.model = nn.Linear(4, 1)

    def measure(self, out):
        return METRIC(out)

    def step(self, batch):
        return self.measure(NORM(self.model(batch[0]))).square().mean()


class IsCalled(UsesGlobals):
    def __call__(self, batch):
        return self.step(batch)


STEPS = {
    'method': lambda: (t := UsesGlobals()) and (t.model, t.step),
    'method of what is enclosed': lambda: (t := UsesGlobals()) and (t.model, lambda batch: t.step(batch)),
    'object that is called': lambda: (t := IsCalled()) and (t.model, t),
}


@pytest.mark.parametrize('name', STEPS)
def test_modules_that_methods_use(name):
    before = [m.num_batches_tracked.item() for m in (NORM, METRIC)]
    find(*STEPS[name]())
    assert before == [m.num_batches_tracked.item() for m in (NORM, METRIC)]


# Containers of classes that do something when they are read, like the representations of e3nn.


class WithoutLength(tuple):
    def __len__(self):
        raise NotImplementedError


class Shuffles(list):
    def __iter__(self):
        return iter([self[i] for i in torch.randperm(len(self)).tolist()])


class LoadsOnAccess(dict):
    n = 0

    def values(self):
        self.n += 1
        return [None] * len(self)

    items = __iter__ = values


CONTAINERS = [
    lambda: WithoutLength([1, torch.ones(1)]),
    lambda: Shuffles(range(50)),
    lambda: LoadsOnAccess(a=1),
]


@pytest.mark.parametrize('make', CONTAINERS)
def test_containers_are_read_past_their_class(make):
    model = nn.Linear(4, 1)
    model.of_others = made = make()
    before = torch.get_rng_state()
    with Snapshot(model):
        Fingerprint(model=model).check()
        if isinstance(made, list):
            made.reverse()
        if isinstance(made, dict):
            made['b'] = 2
        if isinstance(made, tuple):
            made[1].add_(1)
    assert torch.equal(torch.get_rng_state(), before) and getattr(made, 'n', 0) == 0
    assert not isinstance(made, list) or list.__getitem__(made, 0) == 0
    assert not isinstance(made, dict) or dict.__len__(made) == 1
    assert not isinstance(made, tuple) or made[1] == 1
    Fingerprint(model=model).check()


# Objects that write into parameters when their state is loaded, as a `TensorDict` does.


class Writes:
    def __init__(self, *params):
        self.params = params

    def state_dict(self):
        return dict(enumerate(self.params))

    def load_state_dict(self, state):
        for i, p in enumerate(self.params):
            p.copy_(state[i])


class WritesToViews(Writes):
    def load_state_dict(self, state):
        for i, p in enumerate(self.params):
            p[:] = state[i]


class WritesAll(Writes):
    def load_state_dict(self, state):
        torch._foreach_copy_(list(self.params), list(state.values()))


@pytest.mark.parametrize('kind', [Writes, WritesToViews, WritesAll])
def test_a_state_dict_that_is_written_into_parameters(kind):
    model = nn.Linear(4, 1)
    model.params = kind(model.weight, model.bias)
    before = model.weight.tolist()
    find(model, lambda b: model(b[0]).square().mean(), verify=True)
    assert model.weight.tolist() == before and model.weight.requires_grad and model.weight.is_leaf


# Positions in shared memory, as those of torchrl's replay buffers, or the epoch that workers are told.


class Buffer:
    "Filled while it is read, like a replay buffer."

    def __init__(self):
        self.data = torch.zeros(100, 4)
        self.cursor = multiprocessing.Value('i', 0)
        self.sizes = multiprocessing.Array('d', 2)
        self.label = multiprocessing.Array('c', b'begin')

    def __iter__(self):
        while True:
            self.data[self.cursor.value] = torch.rand(4)
            self.cursor.value += 1
            self.sizes[1] = self.cursor.value
            self.label.value = b'going'
            yield self.data[: self.cursor.value]

    def state(self):
        return self.cursor.value, list(self.sizes), self.label.value


@pytest.mark.parametrize('how', ['loader', 'others', 'scheduler'])
def test_values_in_shared_memory(how):
    buffer = Buffer()
    next(iter(buffer))
    model, before = nn.Linear(4, 1), buffer.state()
    buffer.step = lambda: None
    given = dict(loader={}, others=dict(others=buffer), scheduler=dict(schedulers=buffer))[how]
    find(model, lambda b: model(b).square().mean(), buffer, verify=how != 'loader', **given)
    assert buffer.state() == before


def test_values_in_shared_memory_are_compared():
    buffer = Buffer()
    found = Fingerprint(buffer=buffer)
    next(iter(buffer))
    assert {'buffer.cursor', 'buffer.sizes', 'buffer.label'} <= set(found.changed())


# Pipelines with a data loader in them, like webdataset's `WebLoader`, and without one.


class Pipeline(IterableDataset):
    def __init__(self, *stages):
        self.stages = list(stages)
        self.epoch = -1

    def __iter__(self):
        self.epoch += 1
        batches = list(self.stages[0])
        for stage in self.stages[1:]:
            stage(self.epoch, batches)
        return iter(batches)


class Around(IterableDataset):
    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)


def by_epoch(epoch, batches):
    random.Random(epoch).shuffle(batches)


def by_draw(rng):
    return lambda epoch, batches: rng.shuffle(batches)


def loader_of_rows():
    return DataLoader(torch.rand(32, 4), 4, shuffle=True)


PIPELINES = {
    'epochs': lambda: Pipeline(loader_of_rows(), by_epoch),
    'draws': lambda: Pipeline(loader_of_rows(), by_draw(random.Random(0))),
    'around a loader': lambda: Around(loader_of_rows()),
}


@pytest.mark.parametrize('name', PIPELINES)
def test_pipelines_with_a_loader_are_loaders(name):
    def epochs(change):
        torch.manual_seed(0)
        loader = PIPELINES[name]()
        list(loader)
        change(loader)
        return [batch.tolist() for _ in range(2) for batch in loader]

    def swept(loader):
        model = nn.Linear(4, 1)
        find(model, lambda b: model(b).square().mean(), loader, verify=True)

    def only_initialized(loader):
        nn.Linear(4, 1)

    assert epochs(swept) == epochs(only_initialized)


def test_a_pipeline_without_a_loader_is_refused_with_the_remedy():
    pipeline = Pipeline([torch.rand(8, 4)])
    model = nn.Linear(4, 1)
    step = lambda b: model(b).square().mean()
    with pytest.raises(TypeError, match='wrap it in a DataLoader, with batch_size=None if it gives batches'):
        find(model, step, pipeline)
    find(model, step, DataLoader(pipeline, batch_size=None))
    assert pipeline.epoch == -1


# Generators that are attributes of a class, as in the transforms of monai.


class Jitter:
    rng = np.random.default_rng(0)

    def __call__(self, x):
        return x + self.rng.random()


class InheritedJitter(Jitter):
    pass


class Jitters(Dataset):
    source = random.Random(0)

    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.transform(i) if self.transform is not None else self.source.random()


@pytest.mark.parametrize('transform', [Jitter(), InheritedJitter(), None])
def test_generators_of_classes_in_a_loader(transform):
    loader = DataLoader(Jitters(transform), 4)
    with Snapshot(loaders=loader):
        drawn = [b.tolist() for b in loader]
    assert [b.tolist() for b in loader] == drawn


# Weights of samplers, which a training may change as it learns which rows are hard.


class Hardest(Sampler):
    def __init__(self, n):
        self.losses = np.ones(n)
        self.seen = torch.zeros(n)

    def __len__(self):
        return len(self.losses)

    def __iter__(self):
        self.losses[0] += 1
        self.seen += 1
        return iter(np.argsort(-self.losses, kind='stable').tolist())


def by_weights():
    sampler = WeightedRandomSampler(torch.ones(8), 8, generator=torch.Generator().manual_seed(0))
    return DataLoader(range(8), 4, sampler=sampler), lambda: sampler.weights[:7].zero_()


def by_losses():
    sampler = Hardest(8)
    return DataLoader(range(8), 4, sampler=sampler), lambda: sampler.losses.__setitem__(3, 9)


def in_batches():
    sampler = Hardest(8)
    return DataLoader(range(8), batch_sampler=BatchSampler(sampler, 4, False)), lambda: sampler.seen.zero_()


@pytest.mark.parametrize('make', [by_weights, by_losses, in_batches])
def test_weights_of_samplers(make):
    def epochs(change):
        loader, learn = make()
        list(loader)
        with Snapshot(loaders=loader):
            if change:
                list(loader)
                learn()
        inner = getattr(loader.batch_sampler, 'sampler', loader.sampler)
        state = [v.tolist() for v in vars(inner).values() if isinstance(v, (np.ndarray, torch.Tensor))]
        return state, [b.tolist() for b in loader]

    assert epochs(True) == epochs(False)


# Models that raise an error when they diverge, as Gaussian processes do.


def cholesky(model, batch):
    return torch.linalg.cholesky(torch.eye(1) - model.weight.square().sum()).sum() - model(batch[0]).mean()


def distribution(model, batch):
    scale = 1 - model.weight.square().sum()
    return (
        0 * torch.distributions.Normal(0.0, scale, validate_args=True).log_prob(torch.ones(()))
        - model(batch[0]).mean()
    )


def checked(model, batch):
    loss = -model(batch[0]).mean()
    if loss < -5:
        raise FloatingPointError('too large')
    return loss


@pytest.mark.parametrize('step', [cholesky, distribution, checked])
def test_an_error_at_a_high_rate_names_the_rate(step):
    model = nn.Linear(4, 1)
    nn.init.zeros_(model.weight)
    with pytest.raises((RuntimeError, ValueError, FloatingPointError)) as e:
        find(model, partial(step, model), num_it=40)
    notes = ''.join(getattr(e.value, '__notes__', [str(e.value)]))
    assert 'updates, at a rate of' in notes and 'end_lr' in notes


class Missing(Dataset):
    "Has lost one of its files."

    def __len__(self):
        return 256

    def __getitem__(self, i):
        if i == 200:
            raise FileNotFoundError('200.png')
        return torch.ones(4), torch.zeros(1)


def missing_file(workers):
    return DataLoader(Missing(), 4, num_workers=workers), lambda b: nn.functional.mse_loss(LINEAR(b[0]), b[1])


def a_loss_that_is_none():
    "The tenth step returns none, which fastlr itself refuses."
    calls = itertools.count(1)
    loss = lambda b: LINEAR(b[0]).mean()
    return [(torch.ones(4, 4),)], lambda b: None if next(calls) == 10 else loss(b)


LINEAR = nn.Linear(4, 1)


@pytest.mark.parametrize('make', [partial(missing_file, 0), partial(missing_file, 2), a_loss_that_is_none])
def test_an_error_of_the_data_or_of_fastlr_has_no_note_about_rates(make):
    loader, step = make()
    opt = torch.optim.SGD(LINEAR.parameters(), lr=0.1)
    options = dict(batches=None, probe=False, progress=False, step=step, stop_div=False)
    with pytest.raises((FileNotFoundError, TypeError, ValueError)) as e:
        find_lr(LINEAR, opt, None, loader, **options)
    assert 'at a rate of' not in ''.join(getattr(e.value, '__notes__', [str(e.value)]))
