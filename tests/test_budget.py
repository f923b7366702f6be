"The budget of the tests: a file that takes too long fails the run and is named, a slow machine doesn't."

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
SLOW = """
    import subprocess, sys, time
    busy = 'import time\\nwhile time.process_time() < 0.3: pass'

    def test_a():
        end = time.process_time() + 0.3
        while time.process_time() < end: pass

    def test_b(): subprocess.run([sys.executable, '-c', busy])
    """
FILES = dict(test_slow=SLOW, test_quick='def test_c(): pass')


@pytest.fixture
def project(pytester, monkeypatch):
    """Make a project with a file of slow tests and a file of quick ones.

    A budget may be less than ten seconds."""
    pytester.makeconftest(CONFTEST.format(folder=str(budget.TABLE.parent)))
    pytester.makepyfile(**FILES)
    monkeypatch.setattr(budget, 'LEAST', 0.01)
    monkeypatch.setattr(budget, 'work', lambda: 0.002)
    return pytester


def test_a_file_over_its_budget_fails_the_run_and_is_named(project):
    (project.path / 'seconds.txt').write_text('# a comment\nwork 0.002\ntest_slow.py 0.1\ntest_quick.py 60\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider')
    assert found.ret == pytest.ExitCode.TESTS_FAILED and found.parseoutcomes() == {'passed': 3}
    words = (
        'took * s of CPU time, and its budget is 0.1 s (0.1 s on this machine, which is 1.00 times as slow*'
    )
    found.stdout.fnmatch_lines(['*over budget*', f'tests/test_slow.py {words}', '*make budget*'])
    assert 'tests/test_quick.py' not in found.stdout.str()


# The piece of work takes 0.002 s here: with 0.00002 in the table, this machine is a hundred times as slow.
@pytest.mark.parametrize('seconds, work', [(60, 0.002), (0.6, 0.00002)], ids=['enough', 'a slow machine'])
def test_a_file_within_its_budget_passes(project, seconds, work):
    (project.path / 'seconds.txt').write_text(f'work {work}\ntest_slow.py {seconds}\ntest_quick.py 60\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider')
    assert found.ret == 0 and 'over budget' not in found.stdout.str()


def test_a_thorough_run_is_not_judged(project):
    (project.path / 'seconds.txt').write_text('work 0.002\ntest_slow.py 0.1\n')
    assert project.runpytest_inprocess('-p', 'no:cacheprovider', '--thorough').ret == 0


def test_what_a_run_took_is_recorded_if_it_passed(project):
    table = project.path / 'seconds.txt'
    project.makepyfile(test_fails='def test_d(): assert False')
    project.runpytest_inprocess('-p', 'no:cacheprovider', '--write-budget')
    assert not table.exists()
    passing = ['test_slow.py', 'test_quick.py']
    assert project.runpytest_inprocess('-p', 'no:cacheprovider', '--write-budget', *passing).ret == 0
    found = budget.read(table)
    assert list(found) == ['work', 'test_slow.py', 'test_quick.py']
    assert found['work'] == 0.002 and found['test_slow.py'] >= 0.5


def test_what_did_not_run_keeps_its_budget(tmp_path):
    path = tmp_path / 'seconds.txt'
    path.write_text('work 0.002\nlong.py 30\nskipped.py 20\nother.py 10\n')
    samples = {'long.py': [0.004] * 9, 'skipped.py': [0.004]}
    budget.write(path, {'long.py': 80.0, 'skipped.py': 6.0}, samples, partly=['skipped.py'])
    assert budget.read(path) == {'work': 0.002, 'long.py': 40.0, 'skipped.py': 20.0, 'other.py': 10.0}


def test_the_longest_files_come_first(project):
    (project.path / 'seconds.txt').write_text('work 0.002\ntest_slow.py 9\ntest_quick.py 1\n')
    found = project.runpytest_inprocess('-p', 'no:cacheprovider', '-v')
    found.stdout.fnmatch_lines(['test_slow.py::test_a*', 'test_slow.py::test_b*', 'test_quick.py::test_c*'])


def test_of_several_processes_the_one_that_reports_judges(project, monkeypatch):
    pytest.importorskip('xdist')
    monkeypatch.setenv('PYTEST_DISABLE_PLUGIN_AUTOLOAD', '1')
    (project.path / 'seconds.txt').write_text('work 0.01\ntest_slow.py 0.001\n')
    two = ['-p', 'xdist', '-n', '2', '--dist', 'loadfile']
    found = project.runpytest_inprocess('-p', 'no:cacheprovider', *two)
    assert found.ret == pytest.ExitCode.TESTS_FAILED and found.parseoutcomes() == {'passed': 3}
    assert found.stdout.str().count('tests/test_slow.py took') == 1


def test_slowness_is_the_larger_of_a_files_own_and_that_of_all_and_at_least_1():
    table, samples = dict(work=0.002), {'quiet.py': [0.002] * 10, 'busy.py': [0.006] * 10}
    assert budget.slowness('quiet.py', samples, table) == pytest.approx(2)
    assert budget.slowness('busy.py', samples, table) == pytest.approx(3)
    assert budget.slowness('busy.py', samples, {}) == 1
    assert budget.slowness('fast.py', {'fast.py': [0.001] * 10}, table) == 1


def test_the_piece_of_work_takes_some_milliseconds():
    began = budget.used()
    taken = [budget.work() for _ in range(5)]
    assert 1e-4 < min(taken) and sum(taken) <= budget.used() - began


def test_the_table_names_files_that_exist():
    names = set(budget.read(budget.TABLE)) - {budget.WORK}
    assert not [name for name in names if not (budget.TABLE.parent / name).exists()]
