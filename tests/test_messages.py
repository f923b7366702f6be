"""Messages call an option by the name that it has in the function that was called.

An `EntryPoint` knows these names. The messages of the library hold them in braces."""

import ast, importlib, inspect, re
from dataclasses import replace
from functools import partial

import pytest, torch
from torch import nn

import fastlr
from conftest import loaders, make_learner, net, same
from curves import ODD
from fastlr import DataBunch, Learner, LRFinder, LRSweep, RangeTest, Snapshot, find_lr
from fastlr.cli import CLI, main, parser
from fastlr.compat.allennlp import ALLENNLP, SEARCH, find_learning_rate_model, search_learning_rate
from fastlr.compat.torch_lr_finder import RANGE_TEST
from fastlr.config import PARTS, ConfigError, training_settings
from fastlr.advice import EntryPoint
from fastlr.integrations import fastai, lightning, transformers
from fastlr.integrations.fastai import FASTAI
from fastlr.integrations.lightning import LIGHTNING
from fastlr.integrations.transformers import TRANSFORMERS
from fastlr.lr_finder import LR_FIND, LR_FINDER
from fastlr.range_test import FIND_LR
from fastlr.results import check_directory
from fastlr.suggestion import RULES
from fastlr.sweep import SWEEP
from faults import fails_for, learner_of
from trainings import Training, trip

# These can only be names of options. Names that are English words too count where a value is given to them.
NAMED = re.compile(
    r'(?<![\w-])(--[a-z][\w-]*|[a-z]+(?:_[a-z]+)+|(?:runs|probe|extend|accumulate)(?==))(?![\w-])'
)
OPTIONS = re.compile(
    r'\b(start_lr|end_lr|num_it|stop_div|accumulate|extend|min_lr|max_lr|num_training|early_stop_threshold'
    r'|num_iter|step_mode|diverge_th|accumulation_steps|num_batches|linear_steps|stopping_factor)\b'
    r'|\b(runs|probe)(?==)|--[a-z][\w-]*'
)


def parameters(*functions):
    return {name for f in functions for name in inspect.signature(f).parameters}


def command_options():
    "Return the options of `fastlr find-lr`, as they are typed."
    return set(parser().commands['find-lr']._option_string_actions)


# The keys of a configuration.
KEYS = {*PARTS, *(f'training.{name}' for name in parameters(training_settings))}
# For the constant of each entry point, the parameters of its function, and what is passed elsewhere.
ENTRIES = {
    'lr_finder.LR_FIND': parameters(Learner.lr_find) | parameters(DataBunch),
    'lr_finder.LR_FINDER': parameters(LRFinder),
    'range_test.FIND_LR': parameters(find_lr, LRSweep),
    'sweep.SWEEP': parameters(LRSweep),
    'compat.torch_lr_finder.RANGE_TEST': parameters(RangeTest.range_test, RangeTest),
    'compat.allennlp.ALLENNLP': parameters(find_learning_rate_model) | KEYS,
    'compat.allennlp.SEARCH': parameters(search_learning_rate) | parameters(DataBunch),
    'cli.CLI': command_options() | KEYS,
    'integrations.lightning.LIGHTNING': parameters(lightning.lr_find),
    # The data come from the `Trainer`.
    'integrations.transformers.TRANSFORMERS': parameters(transformers.lr_find) | {'train_dataset'},
    # The data come from the `Learner`.
    'integrations.fastai.FASTAI': parameters(fastai.lr_find) | {'dls.train'},
    # These functions make no curve.
    'config.CONFIGURATION': parameters(fastlr.config.Configuration, fastlr.config.read_config)
    | parameters(fastlr.config.Configuration.learner),
    'results.CHECK_DIRECTORY': parameters(check_directory),
    'snapshot._SNAPSHOT': parameters(Snapshot),
}


def entry_points():
    "Give the constants of the library that are entry points, as 'module.NAME' and entry point."
    for module in fastlr._modules:
        if module == 'suggest':
            continue
        loaded = importlib.import_module(f'fastlr.{module}')
        assigned = [s for s in ast.parse(inspect.getsource(loaded)).body if isinstance(s, ast.Assign)]
        for name in (t.id for s in assigned for t in s.targets if isinstance(t, ast.Name)):
            if isinstance(found := getattr(loaded, name), EntryPoint):
                yield f'{module}.{name}', found


FOUND = dict(entry_points())
SWEEPING = {place: entry for place, entry in FOUND.items() if 'start_lr' in entry}


def test_every_entry_point_is_known_here():
    assert set(FOUND) == set(ENTRIES) and len(SWEEPING) == 11


@pytest.mark.parametrize('place', ENTRIES)
def test_an_entry_point_names_parameters_of_its_function(place):
    "A name may have a value, such as 'force=True'."
    names = {name.partition('=')[0] for name in FOUND[place].options.values()}
    assert names <= ENTRIES[place], names - ENTRIES[place]


# Names that a module may use, because the parameters are its own.
OWN = {
    'cli': {'--serialization-dir', '--force', '--quiet', '--json', '--include-package', '--debug'},
    # All of them are the command's own.
    'parser': {
        *(
            '--help',
            '--json',
            '--print-completion',
            '--print-config',
            '--debug',
            '--quiet',
            '--force',
            '--linear',
        ),
        *('--start-lr', '--end-lr', '--num-batches', '--stopping-factor', '--runs', '--probe', '--device'),
        *('--linear', '--serialization-dir', 'accumulate'),
    },
    'compat.torch_lr_finder': {'start_lr', 'end_lr', 'num_iter', 'diverge_th'},
    # This is a key of the configuration.
    'config': {'accumulate'},
    'integrations.lightning': {'early_stop_threshold'},
    # Names of options are what this is about.
    'other_names': {'max_lr', 'end_lr', 'num_it', 'num_training'},
}


def texts(tree):
    "Give the strings in a program that may be shown, parts of f-strings too, without docstrings and braces."
    bodies = [n.body for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docs = {id(b[0].value) for b in bodies if b and isinstance(b[0], ast.Expr)}
    for n in ast.walk(tree):
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs:
            # A name on its own is a key, or the argument of a function.
            if ' ' in n.value or '=' in n.value:
                yield re.sub(r'\{\w+\}', '', n.value)


def named_options(code):
    return {m.group() for text in texts(ast.parse(code)) for m in OPTIONS.finditer(text)}


@pytest.mark.parametrize('module', [m for m in fastlr._modules if m != 'suggest'])
def test_no_message_names_an_option_that_the_caller_may_call_otherwise(module):
    "Options stand in braces, and are filled in by the entry point."
    code = inspect.getsource(importlib.import_module(f'fastlr.{module}'))
    assert named_options(code) == OWN.get(module, set())


def test_a_message_with_a_name_is_noticed():
    assert named_options('raise ValueError(f"raise {what} or num_it")') == {'num_it'}
    assert named_options("advise('noisy', 'take runs=5', 'take {runs}=5', 'the probes')") == {'runs'}
    assert named_options('f"end_lr={end}"') == {'end_lr'}
    assert not named_options('def f(x):\n    "Uses num_it."\n    return x["num_it"]')


# Findings, and errors of the analysis, on curves that are odd in one way or another.

# `trim` has parameters of these names.
SKIPS = {'skip_start', 'skip_end'}


def said_about(curve):
    "Return the findings, and the errors of everything that can be asked."
    asked = [partial(curve.suggest, rule) for rule in RULES]
    found = [str(finding) for finding in curve.findings]
    for ask in (*asked, curve.bounds, curve.probe_rates, partial(curve.trim, 99, 99)):
        try:
            ask()
        except ValueError as e:
            found.append(str(e))
    return ' '.join(found)


@pytest.mark.parametrize('place', SWEEPING)
@pytest.mark.parametrize('kind', ODD)
def test_messages_of_a_curve_use_the_names_of_its_entry_point(kind, place):
    entry, curve = FOUND[place], ODD[kind]
    said = said_about(replace(curve, settings={**curve.settings, 'names': entry.options}))
    named = set(NAMED.findall(said)) - SKIPS
    assert named and named <= set(entry.options.values()), said
    assert '{' not in said


@pytest.mark.parametrize('kind', ODD)
def test_a_curve_without_an_entry_point_uses_the_names_of_lr_find(kind):
    "Curves that version 0.1.0 has saved have no entry point."
    said = said_about(ODD[kind])
    assert set(NAMED.findall(said)) - SKIPS <= {*fastlr.advice.OPTIONS} and '{' not in said


# Bad settings in real calls.


def parts():
    model = net()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()


def sweep(**kw):
    model, opt, _ = parts()
    with LRSweep(opt, model, **kw):
        pytest.fail('it has begun')


def range_test(**kw):
    RangeTest(*parts()).range_test(loaders()[0], **{'start_lr': 1e-6, **kw})


def allennlp(folder, **kw):
    config = dict(fastlr.config.read_config('digits'))
    if 'training.accumulate' in kw:
        config['training'] = dict(accumulate=kw.pop('training.accumulate'))
    find_learning_rate_model(config, folder / 'out', **kw)


def command(capsys, folder, **kw):
    "Raise what the command prints when it ends with the exit code for bad input."
    if 'training.accumulate' in kw:
        accumulate = kw.pop('training.accumulate')
        kw['--overrides'] = f'{{"training.accumulate": {accumulate}}}'
    options = [f'{name}={value}' for name, value in kw.items()]
    assert main(['find-lr', 'digits', '-s', str(folder / 'out'), *options]) == 2
    raise ValueError(capsys.readouterr().err)


def in_lightning(**kw):
    pl = pytest.importorskip('lightning.pytorch')
    lightning.lr_find(pl.Trainer(logger=False, enable_progress_bar=False), pl.LightningModule(), **kw)


def in_transformers(folder, **kw):
    pytest.importorskip('transformers')
    from small_trainers import make

    transformers.lr_find(make(folder), **kw)


def in_fastai(**kw):
    pytest.importorskip('fastai')
    from fastai.learner import DataLoaders, Learner

    learn = Learner(DataLoaders(*loaders()), net(), loss_func=nn.CrossEntropyLoss())
    fastai.lr_find(learn, **kw)


# A value that no function accepts, for each of our options.
BAD = dict(
    start_lr=-1.0, end_lr=0.0, num_it=1, mode='cosine', stop_div=-1.0, accumulate=0, runs=0, batches=-3
)
# These are flags, so that no bad value can be passed.
FLAGS = {('cli.CLI', 'mode'), ('compat.allennlp.ALLENNLP', 'mode'), ('compat.allennlp.SEARCH', 'mode')}
CASES = [
    (place, option)
    for place, entry in SWEEPING.items()
    for option in BAD
    if option in entry and (place, option) not in FLAGS
]


@pytest.mark.parametrize('place, option', CASES, ids=[f'{place}-{option}' for place, option in CASES])
def test_a_bad_setting_is_named_as_it_was_passed(place, option, tmp_path, capsys):
    calls = {
        'lr_finder.LR_FIND': lambda **kw: make_learner().lr_find(**kw),
        'lr_finder.LR_FINDER': lambda **kw: LRFinder(make_learner(), **kw),
        'range_test.FIND_LR': lambda **kw: find_lr(*parts(), loaders()[0], **kw),
        'sweep.SWEEP': sweep,
        'compat.torch_lr_finder.RANGE_TEST': range_test,
        'compat.allennlp.ALLENNLP': partial(allennlp, tmp_path),
        'compat.allennlp.SEARCH': lambda **kw: search_learning_rate(make_learner(), **kw),
        'cli.CLI': partial(command, capsys, tmp_path),
        'integrations.lightning.LIGHTNING': in_lightning,
        'integrations.transformers.TRANSFORMERS': partial(in_transformers, tmp_path),
        'integrations.fastai.FASTAI': in_fastai,
    }
    entry = FOUND[place]
    with pytest.raises((ValueError, TypeError, ConfigError)) as e:
        calls[place](**{entry.options[option]: BAD[option]})
    message = str(e.value)
    assert entry.options[option] in message and str(BAD[option]) in message
    assert set(NAMED.findall(message)) <= set(entry.options.values()), message


def test_the_constants_are_those_of_the_functions_above():
    "A call and its entry point can't be confused."
    given = [
        LR_FIND,
        LR_FINDER,
        FIND_LR,
        SWEEP,
        RANGE_TEST,
        ALLENNLP,
        SEARCH,
        CLI,
        LIGHTNING,
        TRANSFORMERS,
        FASTAI,
    ]
    assert {entry.name for entry in given} == {entry.name for entry in SWEEPING.values()}
    assert all(any(entry is found for found in SWEEPING.values()) for entry in given)


@pytest.mark.parametrize(
    'bad, words',
    [
        (dict(num_it=1), 'num_it'),
        (dict(start_lr=-1.0), 'start_lr'),
        (dict(end_lr=1e-9), 'start_lr must be below'),
        (dict(mode='logarithmic'), 'mode'),
        (dict(stop_div='yes'), 'stop_div'),
        (dict(accumulate=0), 'accumulate'),
        (dict(where='/no/such/place'), 'where'),
        (dict(start_lr=[1e-7, 1e-7]), 'start_lr'),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(bad, words):
    "Lightning #5487: a setting that could not work was noticed minutes later."

    def check(find):
        t = Training()
        first = t.state()
        trip.arm('model', 0, AssertionError('a step was taken'))
        with pytest.raises((ValueError, TypeError), match=words):
            find(t, **bad)
        # The trap is still armed: no step was taken.
        assert trip.place == 'model' and same(first, t.state())
        learn = learner_of(t)
        with pytest.raises((ValueError, TypeError), match=words):
            learn.lr_find(**bad)
        assert learn.opt is None

    check(Training.find)

    def late(t, **kw):
        t.find()
        raise ValueError(words)

    fails_for(check, late)
