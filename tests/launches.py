"""Launch several processes for many scenarios, once, and look at what each process made of each.

The processes run `together.py`, beside this file, and the scenarios are in `scenarios/`.
"""

import json, os, signal, socket, subprocess, sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from fastlr import LRCurve
from scenarios import name_of

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--local-addr', '127.0.0.1']
# A whole launch may take this number of seconds; a scenario that hangs ends it long before, see
# `together.py`.
LIMIT = 600


def environment():
    "Return the environment of this process without what it says of processes, and on the loopback interface."
    ours = {'LOCAL_RANK', 'WORLD_SIZE', 'RANK', 'MASTER_ADDR', 'MASTER_PORT'}
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith('lo'))
    return {
        **{k: v for k, v in os.environ.items() if k not in ours},
        'PYTHONPATH': f'{HERE.parent}:{HERE}',
        'OMP_NUM_THREADS': '1',
        'MPLBACKEND': 'agg',
        'GLOO_SOCKET_IFNAME': loopback,
    }


def signal_group(pid, which):
    "Send a signal to the processes of the group that `pid` leads, if there are any."
    try:
        os.killpg(pid, which)
    except ProcessLookupError:
        pass


def end(p, folder):
    "End what `run` has started. Torchrun ends its processes, which lead groups of their own, if it has time."
    signal_group(p.pid, signal.SIGTERM)
    try:
        p.wait(10)
    except subprocess.TimeoutExpired:
        pass
    signal_group(p.pid, signal.SIGKILL)
    p.wait()
    for path in folder.glob('*.pid'):
        signal_group(int(path.read_text()), signal.SIGKILL)


def run(command, folder, limit=LIMIT):
    """Run a command that launches processes, in a new folder in `folder`, and leave none of them running.

    Return its exit code and what it printed; what it wrote to stderr is in a file."""
    (folder / 'work').mkdir()
    out, err = folder / 'launcher.out', folder / 'launcher.stderr'
    with open(out, 'a') as stdout, open(err, 'a') as stderr:
        p = subprocess.Popen(
            command,
            cwd=folder / 'work',
            env=environment(),
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        p.wait(limit)
    except subprocess.TimeoutExpired:
        with open(err, 'a') as stderr:
            stderr.write(f'\nThe launch took more than {limit} s, and was ended.\n')
    finally:
        if p.returncode is None:
            end(p, folder)
    return p.returncode, out.read_text()


def installed(scenario):
    """Return whether the packages that a scenario needs are installed; most modules need only torch.

    FSDP2 has come with torch 2.6."""
    module = scenario.partition('.')[0]
    if 'sharded' in scenario and 'fully_shard' not in vars(import_module('torch.distributed.fsdp')):
        return False
    return module not in ('accelerate', 'transformers', 'lightning') or find_spec(module) is not None


def last(path, n=3000):
    "Return the end of a text that may be long."
    return path.read_text().strip()[-n:] or '(nothing)' if path.exists() else '(there is none)'


def stopped_in(rows):
    "Return the scenario that a process has begun and not ended, from what it wrote; None if there is none."
    begun = [row['begun'] for row in rows if 'begun' in row]
    ended = {row.get('scenario') for row in rows}
    return begun[-1] if begun and begun[-1] not in ended else None


class Launched:
    "The records that the processes of a launch have left in `folder`."

    def __init__(self, folder, world_size, exit_code):
        self.folder, self.world_size, self.exit_code = folder, world_size, exit_code
        self.rows = [self._rows(rank) for rank in range(world_size)]

    def _rows(self, rank):
        "Return what a process has written. One that was killed may have left an incomplete line."
        path = self.folder / f'{rank}.jsonl'
        text = path.read_text() if path.exists() else ''
        return [json.loads(line) for line in text.split('\n')[:-1]]

    def __call__(self, scenario):
        """Return what each process returned from `scenario`, a function or its name.

        The test fails if one of them did not return."""
        return [row['result'] for row in self._of(name_of(scenario))]

    def printed(self, scenario):
        "Return what each process printed in `scenario`."
        return [row['printed'] for row in self._of(name_of(scenario))]

    def curves(self, scenario):
        "Return the curve of each process."
        return [LRCurve.from_dict(result) for result in self(scenario)]

    def check_end(self):
        "Fail unless the launcher and all its processes have ended well."
        if self.exit_code == 0:
            return
        ends = map(self._end_of, range(self.world_size))
        self._fail('The launch did not end well.', *ends, self._end_of_launcher())

    def _of(self, name):
        "Return the result of each process, as a row."
        module = name.partition('.')[0]
        if not installed(name):
            pytest.skip(f'the package that {name} needs is not installed, or too old')
        for step in f'import of {module}', name:
            self._check(step, name)
        return [own[0] for own in self._rows_of(name)]

    def _rows_of(self, step):
        return [[row for row in own if row.get('scenario') == step] for own in self.rows]

    def _check(self, step, name):
        "Fail where a process has no result of a step towards the scenario `name`, and give the reason."
        rows = self._rows_of(step)
        skipped = [row['skipped'] for own in rows for row in own if 'skipped' in row]
        if skipped:
            self._fail(f'{name} was not tried: {skipped[0]}.')
        errors, silent = self._errors(rows), [rank for rank, own in enumerate(rows) if not own]
        if not errors and not silent:
            return
        ends = [self._end_of(rank) for rank in silent]
        self._fail(self._headline(step, name), *errors, *ends, *[self._end_of_launcher()] * bool(silent))

    def _headline(self, step, name):
        "Return in one line what happened to `step`, towards the scenario `name`."
        ranks = range(self.world_size)
        begun = any(row.get('begun') == step for own in self.rows for row in own)
        if not begun:
            stops = [
                f'process {rank} stopped in {stopped_in(self.rows[rank])}'
                for rank in ranks
                if stopped_in(self.rows[rank])
            ]
            return f'{name} was not reached: {" and ".join(stops) or "the launch ended before"}.'
        bad = [
            str(rank)
            for rank, own in enumerate(self._rows_of(step))
            if not own or any('error' in row for row in own)
        ]
        return f'{step} failed, in process {" and ".join(bad)} of {self.world_size}.'

    def _errors(self, rows):
        "Return what each process raised, the first one first: the others may have waited for it."
        found = [
            (row.get('seconds', 0.0), rank, row['error'])
            for rank, own in enumerate(rows)
            for row in own
            if 'error' in row
        ]
        return [
            f'Process {rank} of {self.world_size}, after {seconds:.1f} s:\n{error.strip()}'
            for seconds, rank, error in sorted(found)
        ]

    def _end_of(self, rank):
        rows = self.rows[rank]
        last_one = rows[-1].get('scenario') if rows else 'nothing'
        where = f'stopped in {stopped_in(rows)}' if stopped_in(rows) else f'came to the end of {last_one}'
        said = last(self.folder / f'{rank}.stderr')
        return f'Process {rank} of {self.world_size} {where}. The end of its stderr:\n{said}'

    def _end_of_launcher(self):
        "Return the error without the traceback of torchrun itself."
        said = last(self.folder / 'launcher.stderr').rpartition('ChildFailedError:')[2].strip()
        return f'The launcher ended with exit code {self.exit_code}. The end of its stderr:\n{said}'

    def _fail(self, headline, *parts):
        pytest.fail('\n\n'.join([headline, *parts]), pytrace=False)

    def seconds(self):
        """Return how long each import and scenario took in the first process, a line for each, the longest
        first."""
        rows = sorted((row for row in self.rows[0] if 'seconds' in row), key=lambda row: -row['seconds'])
        return '\n'.join(f'{row["seconds"]:6.2f} s  {row["scenario"]}' for row in rows)


def launch(folder, world_size, *scenarios, launcher=TORCHRUN):
    "Run these scenarios, or all of a module that is named, in this number of processes."
    if launcher is TORCHRUN:
        launcher = [*TORCHRUN, '--nproc-per-node', str(world_size)]
    command = [*launcher, str(HERE / 'together.py'), str(folder), *filter(installed, map(name_of, scenarios))]
    exit_code, _ = run(command, folder)
    return Launched(folder, world_size, exit_code)
