"What many tests need: a small problem, a comparison of trainings bit for bit, and two depths of testing."

import matplotlib

matplotlib.use('Agg')

import gc, random, signal
from collections import deque

import hypothesis
import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import budget
from fastlr import Learner

torch.set_num_threads(1)
# A DataLoader that is collected as part of a reference cycle (of a learner, an exception) can no longer tell
# its workers to stop: torch then waits five seconds for each, in whichever test is running, and kills it.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.5


# Every test runs at both depths. `make test` is quick: its examples are few and the same in each run, so that
# a failure means that something has changed. `make test-thorough` draws ten times as many, new ones each
# time.
hypothesis.settings.register_profile('quick', deadline=None, derandomize=True)
hypothesis.settings.register_profile('thorough', deadline=None, print_blob=True)
THOROUGH = False


def pytest_addoption(parser):
    thorough = 'more examples, interrupts, optimizers and processes'
    parser.addoption('--thorough', action='store_true', help=thorough)
    record = 'record in seconds.txt how long the tests of each file take'
    parser.addoption('--write-budget', action='store_true', help=record)


def pytest_configure(config):
    global THOROUGH
    THOROUGH = config.getoption('thorough')
    hypothesis.settings.load_profile('thorough' if THOROUGH else 'quick')
    # A shell lets processes that it starts in the background ignore Ctrl-C, which some tests send.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests import names from where they are now, not from where they were in 0.1.0.
    config.addinivalue_line('filterwarnings', 'error:fastlr.* (has moved|is .* now):DeprecationWarning')
    config.pluginmanager.register(budget.Budget(config), 'budget')


def pytest_collection_finish():
    "Leave what has been imported out of all later garbage collections, which took up to half a second each."
    gc.collect()
    gc.freeze()


def deep(quick, thorough):
    "Return `quick`, or `thorough` in a thorough run: a number of tries, or a list of cases."
    return thorough if THOROUGH else quick


def examples(n):
    """Return settings of hypothesis for a test that draws `n` examples, or ten times as many in a thorough
    run."""
    return hypothesis.settings(max_examples=deep(n, 10 * n))


def problem(n=96, seed=0):
    "Return a dataset of `n` rows of 6 numbers in 3 classes that can be learned."
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(x, (x @ torch.randn(6, 3, generator=torch.Generator().manual_seed(99))).argmax(1))


def net():
    "Return a net that keeps statistics and draws random numbers."
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


def loaders(bs=16, **kw):
    return DataLoader(problem(), bs, shuffle=True, **kw), DataLoader(problem(48, 1), bs)


def noting(f, note):
    "Return a function that calls `note` with its arguments, and then `f`."

    def noted(*args, **kwargs):
        note(*args, **kwargs)
        return f(*args, **kwargs)

    return noted


def make_learner(seed=0, dls=None, **kw):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    return Learner(dls or loaders(), net(), loss_func=nn.CrossEntropyLoss(), **{'silent': True, **kw})


def state_of(learn):
    "Return copies of all that a training may depend on: weights, moments, settings, modes, random state."
    sd = learn.opt.state_dict() if learn.opt is not None else {'state': {}, 'param_groups': []}
    parameters = list(learn.model.parameters())
    return dict(
        model={k: v.clone() for k, v in learn.model.state_dict().items()},
        grads=[None if p.grad is None else p.grad.clone() for p in parameters],
        flags=[m.training for m in learn.model.modules()] + [p.requires_grad for p in parameters],
        moments=[
            {k: v.clone() if torch.is_tensor(v) else v for k, v in s.items()} for s in sd['state'].values()
        ],
        groups=[dict(g) for g in sd['param_groups']],
        rng=(torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()),
    )


def same(a, b):
    "Return whether two nested states are equal to the last bit."
    if torch.is_tensor(a):
        return torch.is_tensor(b) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple, deque)):
        return isinstance(b, (list, tuple, deque)) and len(a) == len(b) and all(map(same, a, b))
    if type(a).__module__ not in ('builtins', 'numpy') and hasattr(a, '__dict__') and not callable(a):
        return type(a) is type(b) and same(vars(a), vars(b))
    return a == b


@pytest.fixture
def learn():
    return make_learner()


@pytest.fixture
def early():
    "A rule of one's own, as long as a test runs."
    from fastlr.rules import RULES, check_fall, rule

    @rule('early', label='a fifth of the fall', color='slategray')
    def early(view):
        check_fall(view)
        lr = view.lrs[np.argmax(view.z <= view.z[0] - view.fall / 5)]
        return view.answer(lr, 'early', 'a fifth of the fall')

    yield early
    del RULES['early']


@pytest.fixture
def measured(monkeypatch):
    "Make the default rule one that knows a range and different rates for all schedules."
    from fastlr.rules import RULES, check_fall
    from fastlr.suggestion import Rule

    def measured(view):
        check_fall(view)
        rates = dict(one_cycle=6e-3, cosine=4e-3, linear=5e-3, low=1e-3, high=9e-3)
        return view.answer(3e-3, 'auto', 'as measured', **rates)

    monkeypatch.setitem(RULES, 'auto', Rule('auto', measured, 'suggested', 'tab:green'))
    return measured
