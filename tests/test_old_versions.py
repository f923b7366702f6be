"Names of version 0.1.0 can be imported from where they were, and its files and pickles load."

import importlib, json, pickle, re, subprocess, sys, warnings
from pathlib import Path

import pytest

import fastlr
from fastlr import LRCurve

DATA = Path(__file__).parent / 'data'
# Each module of 0.1.0, and the names in its `__all__`.
NAMES = json.loads((DATA / 'names-0.1.0.json').read_text())
GONE = {
    'fastlr.cli': {
        'merge check_keys as_yaml': 'the work of `config.Configuration`, whose methods do this',
        'resolve make learner_from resolved': 'the work of `config.Configuration`, which builds the parts',
        'check_numbers check_args tell': 'steps of the command, of no use elsewhere',
    },
    'fastlr.plot': {'MARKS': 'labels and colors stand beside each rule now, in `suggestion.RULES`'},
    'fastlr.range_test': {'ELSEWHERE': 'part of a table for all functions, `other_names.RENAMED`'},
    'fastlr.snapshot': {
        'SIGNALS': 'which signals wait is up to `SignalGuard`',
        'CLOSED STATEFUL MACHINERY': 'lists of classes, replaced by one keeper per kind of object',
    },
    'fastlr.suggest': {
        'CONSTANT ONE_CYCLE BLIND_MARGIN': 'constants of the default rule as it was; it has others now',
    },
    'fastlr.sweep': {
        'MODES': 'the modes are checked by `SweepSettings`, and named by an entry point',
        'MEETINGS tell_others': 'how processes synchronize is internal to `processes`',
    },
}
GONE = {module: {name for names in reasons for name in names.split()} for module, reasons in GONE.items()}


def imported(module, name):
    "Import `name` from `module`. Return it with the texts of the deprecation warnings."
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        found = getattr(importlib.import_module(module), name)
    return found, [str(w.message) for w in seen if issubclass(w.category, DeprecationWarning)]


@pytest.mark.parametrize('module', NAMES)
def test_names_can_be_imported_from_where_they_were(module):
    """A name that has moved warns, and names the place where it is now.

    A module that uses what moved away has it still, among its imports, and doesn't warn."""
    here = vars(importlib.import_module(module))
    for name in set(NAMES[module]) - GONE.get(module, set()):
        there = name in here
        found, warned = imported(module, name)
        if there or not warned:
            assert not warned, f'{module}.{name} is there, and warns'
            continue
        (text,) = warned
        pattern = r'(\S+) (?:has moved|is \w+ now): `(.*)`. The old name will be removed in fastlr 0.3'
        old, statement = re.fullmatch(pattern, text).groups()
        assert old == f'{module}.{name}'
        scope = {}
        exec(statement, scope)
        assert scope[statement.split()[-1]] is found and statement.split()[1] != module


def test_some_names_have_moved():
    "The test above would also pass if nothing warned."
    warned = [f'{m}.{n}' for m in NAMES for n in set(NAMES[m]) - GONE.get(m, set()) if imported(m, n)[1]]
    assert {'fastlr.sweep.in_step', 'fastlr.suggest.RULES', 'fastlr.plot.LivePlot'} <= set(warned)
    assert len(warned) > 50


def test_only_what_was_at_the_top_moved_from_there():
    "Programs that look a name up in packages, as jsonargparse does, don't get a warning."
    for name in ('PATIENCE', 'training_settings', 'SweepSettings'):
        with pytest.raises(AttributeError, match=name):
            getattr(fastlr, name)


def test_what_is_gone_is_gone():
    for module, names in GONE.items():
        assert names <= set(NAMES[module])
        for name in names:
            with pytest.raises(AttributeError, match=f'{module}.* has no attribute .*{name}'):
                getattr(importlib.import_module(module), name)


@pytest.mark.parametrize('suffix', ['json', 'csv'])
def test_a_file_of_version_0_1_0_loads(suffix):
    "0.1.0 wrote it before curves had probes and a momentum."
    c = LRCurve.load(DATA / f'curve-0.1.0.{suffix}')
    assert (
        len(c) == 40
        and len(c.runs) == 3
        and c.group_lrs.shape == (40, 2)
        and c.stop_reason == 'diverged'
        and c.probes == ()
    )
    assert c.settings == dict(num_it=40, mode='exp') and 1e-3 < c.suggest().lr < 1e-2 and c.findings == []


@pytest.mark.parametrize('suffix', ['json', 'csv', 'pickle'])
def test_what_version_0_1_0_saved_with_probes_is_the_same_curve(suffix):
    """Its suggestion is the same from all files to the last bit, and its messages use the names of `lr_find`.
    The probes are counted as probes are now."""
    path = DATA / f'curve-0.1.0-probed.{suffix}'
    c = LRCurve.load(path) if suffix != 'pickle' else pickle.loads((DATA / 'curve-0.1.0.pickle').read_bytes())
    assert (
        len(c) == 30 and len(c.probes) == 5 and c.group_lrs.shape == (30, 2) and c.settings['momentum'] == 0.9
    )
    s = c.suggest()
    assert (s.lr, s.one_cycle, s.index) == (0.0019184169762623009, 0.0038368339525246026, 15)
    first = 'half way from 0.0015 (0.6 times 0.0025, the centre of the fall)'
    assert s.reason == f'{first} to half of 0.0049, the best of 5 probes'
    assert c.findings == ['Only 29 points: raise num_it for a steadier answer.']
    assert c.findings[0].code == 'few-points'


def test_a_suggestion_that_version_0_1_0_pickled_is_refused():
    "It was no float then, and a float can't be changed. The curve can be asked again."
    with pytest.warns(DeprecationWarning, match='fastlr.suggest.Suggestion has moved'):
        with pytest.raises(TypeError, match='that fastlr 0.1.0 pickled .* load its curve'):
            pickle.loads((DATA / 'suggestion-0.1.0.pickle').read_bytes())
    assert pickle.loads((DATA / 'curve-0.1.0.pickle').read_bytes()).suggest().lr > 0


def test_an_old_name_at_the_top_loads_the_methods_of_all_classes():
    "In a process of its own, where nothing has been loaded yet."
    code = 'from fastlr import OptimWrapper; from fastlr.learner import Learner; print(Learner.lr_find)'
    command = [sys.executable, '-W', 'ignore', '-c', code]
    assert 'function lr_find' in subprocess.check_output(command, text=True)
