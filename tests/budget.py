"""Keep the tests short: `seconds.txt`, beside this file, says how long the tests of each file may take.

These are seconds of CPU time, of the tests and of the processes that they start and wait for. Other programs
hardly change them, whereas they may double the time on the clock. The table holds the seconds of the machine
on which it was written. Before each test, a fixed piece of work is timed. The time that it takes, divided by
the time that it took there, is the slowness of this machine. A file that takes more than 1.5 times its
budget, after that correction, fails the run.

The time that a test sleeps is not counted, nor are the children of `children.py`, which their server waits
for. The ten slowest tests that a run lists at its end are the slowest by the clock.

    make budget     # run all tests, and record how long each file takes
"""

import os, time
from pathlib import Path
from statistics import fmean

import pytest

TABLE = Path(__file__).parent / 'seconds.txt'
HEADER = """\
# Seconds of CPU time that the tests of each file take, where the piece of work in budget.py takes `work`.
# A run fails where a file takes more than 1.5 times as long. Written by: make budget
"""
WORK, USED = 'work', 'CPU time'
# The budget of a file that is not in the table, and the least that is recorded. Which file pays for late
# imports, such as torch._dynamo, depends on which comes first in its process.
LEAST = 10.0


def work():
    "Return the CPU seconds that a fixed piece of work takes now: some milliseconds of plain Python."
    began = time.process_time()
    table = {}
    for i in range(12_000):
        table[i % 97] = str(i * i)
    sorted(table.values())
    return time.process_time() - began


def used():
    "Return the CPU seconds of this process and of the processes that it has started and waited for."
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def read(path):
    "Return the table at `path`: {name of the file: seconds}, `work` among them; empty where there is none."
    if not path.exists():
        return {}
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith('#'))
    return {name: float(seconds) for name, seconds in lines}


def mean(samples):
    "Return the mean of the samples of all files."
    return fmean(s for of_file in samples.values() for s in of_file)


def slowness(name, samples, table):
    """Return how many times slower than the machine of `table` this one was while the tests of a file ran.

    That is the larger of what the samples of this file say and what those of all files say, because a file
    may have few. It is at least 1: not all that tests do is as much faster on a faster processor."""
    if WORK not in table or not samples:
        return 1.0
    return max(1.0, fmean(samples.get(name) or [0.0]) / table[WORK], mean(samples) / table[WORK])


def exceeded(
    taken,  # {name of the file: seconds that its tests took}
    samples,  # {name of the file: [seconds of the piece of work, before each of its tests]}
    table,  # as `read` returns it
):  # [a sentence about each file that took more than 1.5 times its budget]
    "Find the files that took too long."
    found = []
    for name, seconds in sorted(taken.items()):
        budget, slow = table.get(name, LEAST), slowness(name, samples, table)
        if seconds > 1.5 * budget * slow:
            found.append(
                f'tests/{name} took {seconds:.3g} s of CPU time, and its budget is {budget:.3g} s '
                f'({budget * slow:.3g} s on this machine, which is {slow:.2f} times as slow now)'
            )
    return found


def write(path, taken, samples, partly=()):
    """Record at `path` what a run took; `taken` and `samples` as in `exceeded`.

    Files that did not run keep what is there; so do those with tests that were skipped (`partly`), if it is
    more."""
    old = read(path)
    new = {name: max(LEAST, seconds / slowness(name, samples, old)) for name, seconds in taken.items()}
    for name in set(partly) & set(old):
        new[name] = max(new[name], old[name])
    rows = {**old, **new}
    reference = rows.pop(WORK, mean(samples))
    lines = [f'{name} {rows[name]:.3g}' for name in sorted(rows, key=rows.get, reverse=True)]
    path.write_text(HEADER + '\n'.join([f'{WORK} {reference:.5f}', *lines]) + '\n')


class Budget:
    "Time the piece of work in the processes that run tests, and judge in the one that reports."

    def __init__(self, config, path=TABLE):
        self.config = config
        self.path = path
        self.began = 0.0
        self.taken = {}
        self.samples = {}
        self.partly = set()
        self.over = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        "Start with the longest files, so that none of them runs last. A random order is made after this."
        table = read(self.path)
        items.sort(key=lambda item: -table.get(item.path.name, LEAST))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item):
        item.user_properties.append((WORK, work()))
        self.began = used()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        try:
            return (yield)
        finally:
            item.user_properties.append((USED, used() - self.began))

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.partition('::')[0].rpartition('/')[2]
        if report.skipped:
            self.partly.add(name)
        # The last report of a test knows what it took.
        if report.when != 'teardown':
            return
        found = dict(report.user_properties)
        self.samples.setdefault(name, []).append(found[WORK])
        self.taken[name] = self.taken.get(name, 0.0) + found[USED]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if hasattr(self.config, 'workerinput') or not self.samples:
            return
        if self.config.getoption('thorough') or session.exitstatus != pytest.ExitCode.OK:
            return
        if self.config.getoption('write_budget'):
            write(self.path, self.taken, self.samples, self.partly)
        elif over := exceeded(self.taken, self.samples, read(self.path)):
            self.over = over
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if not self.over:
            return
        terminalreporter.section('over budget')
        for line in self.over:
            terminalreporter.line(line)
        terminalreporter.line('Make them faster; or, if they are worth it, update the table: make budget')
