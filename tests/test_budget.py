"The budget of the tests: a file that takes too long fails the run and is named, and a slow machine does not."
import time

import pytest

import budget

pytest_plugins = ['pytester']

CONFTEST = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {folder!r})
    import budget

    def pytest_addoption(parser):
        parser.addoption('--thorough', action='store_true')
        parser.addoption('--write-budget', action='store_true')

    def pytest_configure(config):
        config.pluginmanager.register(budget.Budget(config, Path('seconds.txt')))
    """
FILES = dict(test_slow='import time\ndef test_a(): time.sleep(0.3)\ndef test_b(): time.sleep(0.3)',
             test_quick='def test_c(): pass')


@pytest.fixture
def project(pytester, monkeypatch):
    "A project with a file of slow tests and a file of quick ones, whose budgets start at nothing instead of five seconds."
    pytester.makeconftest(CONFTEST.format(folder=str(budget.TABLE.parent)))
    pytester.makepyfile(**FILES)
    monkeypatch.setattr(budget, 'LEAST', 0.01)
    monkeypatch.setattr(budget, 'work', lambda: 0.002)
    return pytester


def test_a_file_over_its_budget_fails_the_run_and_is_named(project):
    (project.path/'seconds.txt').write_text('# what it was once\nwork 0.002\ntest_slow.py 0.2\ntest_quick.py 0.2\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider')
    assert found.ret == pytest.ExitCode.TESTS_FAILED and found.parseoutcomes() == {'passed': 3}
    found.stdout.fnmatch_lines(['*over budget*', 'tests/test_slow.py took 0.6* s, and its budget is 0.2 s (on this machine, 1.00 times as slow*', '*make budget*'])
    assert 'tests/test_quick.py' not in found.stdout.str()


@pytest.mark.parametrize('seconds, work', [(0.5, 0.002), (0.2, 0.0008)], ids=['enough', 'a machine that is 2.5 times as slow'])
def test_a_file_within_its_budget_passes(project, seconds, work):
    (project.path/'seconds.txt').write_text(f'work {work}\ntest_slow.py {seconds}\ntest_quick.py 0.2\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider')
    assert found.ret == 0 and 'over budget' not in found.stdout.str()


def test_a_thorough_run_is_not_judged(project):
    (project.path/'seconds.txt').write_text('work 0.002\ntest_slow.py 0.2\ntest_quick.py 0.2\n')
    assert project.runpytest_inprocess('-p', 'no:cacheprovider', '--thorough').ret == 0


def test_what_is_written_is_what_was_taken_and_is_enough_for_the_next_run(project):
    assert project.runpytest_inprocess('-p', 'no:cacheprovider', '--write-budget').ret == 0
    table = budget.read(project.path/'seconds.txt')
    assert list(table) == ['work', 'test_slow.py', 'test_quick.py'] and table['work'] == 0.002
    assert 0.6 <= table['test_slow.py'] < 2 and table['test_quick.py'] == 0.01


def test_the_longest_files_come_first(project):
    (project.path/'seconds.txt').write_text('work 0.002\ntest_slow.py 9\ntest_quick.py 1\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider', '-v')
    found.stdout.fnmatch_lines(['test_slow.py::test_a*', 'test_slow.py::test_b*', 'test_quick.py::test_c*'])


def test_of_several_processes_the_one_that_reports_judges(project, monkeypatch):
    pytest.importorskip('xdist')
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')
    (project.path/'seconds.txt').write_text('work 0.01\ntest_slow.py 0.001\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider', '-p', 'xdist', '-n', '2', '--dist', 'loadfile')
    assert found.ret == pytest.ExitCode.TESTS_FAILED and found.parseoutcomes() == {'passed': 3}
    assert found.stdout.str().count('tests/test_slow.py took') == 1


def test_few_samples_are_judged_by_all():
    "One sample of the piece of work says little: the three of a short file are not believed, the forty of a long one are."
    table = dict(work=0.002)
    samples = {'short.py': [0.02]*3, 'long.py': [0.002]*40}
    assert budget.slowness('long.py', samples, table) == 1
    assert budget.slowness('short.py', samples, table) == pytest.approx((3*0.02 + 40*0.002)/43/0.002)
    assert budget.slowness('other.py', samples, {}) == 1


def test_the_piece_of_work_takes_some_milliseconds():
    began = time.perf_counter()
    taken = [budget.work() for _ in range(5)]
    assert 1e-4 < min(taken) and sum(taken) <= time.perf_counter() - began


def test_the_table_names_files_that_exist():
    table = budget.read(budget.TABLE)
    assert table.pop('work') > 0 and len(table) > 20
    assert not [name for name in table if not (budget.TABLE.parent/name).exists()]
