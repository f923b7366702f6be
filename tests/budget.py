"""Keep the tests short: `seconds.txt`, beside this file, says how many seconds the tests of each file may take.

Those are seconds of the machine on which the table was written. Before each test, a fixed piece of work is timed; how long it
takes here, beside how long the table says it took there, is how slow this machine is while the tests run, with all that runs
beside them. A file that takes more than its budget by half, after that correction, fails the run, and is named.

    pytest -n 2 --write-budget     # enter the seconds of this run
"""
import time
from pathlib import Path
from statistics import fmean

import pytest

TABLE = Path(__file__).parent/'seconds.txt'
HEADER = """\
# Seconds that the tests of each file take, on the machine where the piece of work in budget.py takes `work` seconds.
# A run fails where a file takes half as much again. Written by: make budget
"""
WORK = 'work'
# What a file that is not in the table may take, and the least that is entered: noise weighs more in short times.
LEAST = 5.
# One sample of the piece of work says little; a file with fewer is judged by the samples of all files.
ENOUGH = 20


def work():
    "Seconds that a fixed piece of work takes now: some 3 ms of plain Python."
    began = time.perf_counter()
    table = {}
    for i in range(12_000):
        table[i % 97] = str(i*i)
    sorted(table.values())
    return time.perf_counter() - began


def read(path):
    "The table at `path`: {name of the file: seconds}, `work` among them; empty where there is none."
    if not path.exists(): return {}
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith('#'))
    return {name: float(seconds) for name, seconds in lines}


def write(path, taken, samples):
    "Store at `path` what a run took; `taken` and `samples` as in `exceeded`."
    everything = [s for of_file in samples.values() for s in of_file]
    rows = {name: max(seconds, LEAST) for name, seconds in sorted(taken.items(), key=lambda row: -row[1])}
    lines = [f'{WORK} {fmean(everything):.5f}', *(f'{name} {seconds:.3g}' for name, seconds in rows.items())]
    path.write_text(HEADER + '\n'.join(lines) + '\n')


def slowness(name, samples, table):
    "How many times slower than the machine of `table` this one was while the tests of the file `name` ran."
    own = samples.get(name, [])
    if len(own) < ENOUGH: own = [s for of_file in samples.values() for s in of_file]
    return fmean(own)/table[WORK] if own and WORK in table else 1.


def exceeded(
    taken,   # {name of the file: seconds that its tests took}
    samples, # {name of the file: [seconds of the piece of work, before each of its tests]}
    table    # as `read` returns it
):           # [a sentence about each file that took more than its budget by half]
    "Find the files that took too long."
    found = []
    for name, seconds in sorted(taken.items()):
        budget, slow = table.get(name, LEAST), slowness(name, samples, table)
        if seconds > 1.5*budget*slow:
            found.append(f'tests/{name} took {seconds:.3g} s, and its budget is {budget:.3g} s '
                         f'(on this machine, {slow:.2f} times as slow as that of the table: {budget*slow:.3g} s)')
    return found


class Budget:
    "The plugin: it times the piece of work in the processes that run tests, and judges in the one that reports."

    def __init__(self, config, path=TABLE):
        self.config = config
        self.path = path
        self.taken = {}
        self.samples = {}
        self.over = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        item.user_properties.append((WORK, work()))

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.partition('::')[0].rpartition('/')[2]
        self.taken[name] = self.taken.get(name, 0.) + report.duration
        if report.when == 'setup':
            self.samples.setdefault(name, []).extend(seconds for key, seconds in report.user_properties if key == WORK)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        "The longest files first, so that no process is left with one at the end. (A random order comes after this.)"
        table = read(self.path)
        items.sort(key=lambda item: -table.get(item.path.name, LEAST))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(self.config, 'workerinput') or not self.taken: return
        if self.config.getoption('write_budget'):
            write(self.path, self.taken, self.samples)
        elif not self.config.getoption('thorough'):
            self.over = exceeded(self.taken, self.samples, read(self.path))
        if self.over and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if not self.over: return
        terminalreporter.section('over budget')
        for line in self.over: terminalreporter.line(line)
        terminalreporter.line('Make them faster; or, if they are worth it, enter what they take: make budget')
