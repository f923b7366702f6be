"""The command `fastlr`.

Importing torch takes seconds. So nearly all tests run the command in this process, by `code`, which lets each
run start as a new process would. Where the process itself is tested, `fastlr` runs the real command.
"""

import importlib
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import yaml

from fastlr import LRCurve, cli, config, lr_finder, results
from fastlr.compat.allennlp import (
    find_learning_rate_from_args,
    find_learning_rate_model,
    search_learning_rate,
)
from fastlr.advice import EntryPoint
from fastlr.rules import RULES
from fastlr.settings import SweepSettings

SMALL = {
    'model': {'class_path': 'mine.Net', 'init_args': {'hidden': 16}},
    'data': {'class_path': 'mine.data'},
    'optimizer': {'class_path': 'torch.optim.SGD', 'init_args': {'momentum': 0.9}},
    'loss': {'class_path': 'torch.nn.CrossEntropyLoss'},
}

MINE = '''
import json
import random
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Net(nn.Sequential):
    def __init__(self, hidden: int = 8):
        super().__init__(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 3))

class Slow(TensorDataset):
    "Takes `slow` seconds for each row, and leaves a file when 80 have been read, which is five batches."
    def __init__(self, slow, *tensors):
        super().__init__(*tensors)
        self.slow = slow
        self.read = 0
    def __getitem__(self, i):
        self.read += 1
        time.sleep(self.slow)
        if self.slow and self.read == 80:
            open('started', 'w').close()
        return super().__getitem__(i)

def data(bs: int = 16, n: int = 320, slow: float = 0., columns: int = 6):
    x = torch.randn(n, columns, generator=torch.Generator().manual_seed(0))
    y = x[:, :3].argmax(1)
    return DataLoader(Slow(slow, x, y), bs, shuffle=True), None

def loader():
    return data()[0]

def untyped(n, bs=16):
    return data(bs)

def drawn():
    "Gives the same data, and notes what the three generators of random numbers draw."
    with open('drawn', 'a') as f:
        print(json.dumps([random.random(), np.random.rand(), torch.rand(1).item()]), file=f)
    return data()

def nothing():
    raise OSError('no such data')

def quits(hidden=3):
    raise SystemExit(7)

class Odd(torch.optim.SGD):
    def __init__(self, parameters, lr=0.1, act=torch.relu, **kwargs):
        super().__init__(parameters, lr, **kwargs)
'''

NAN = '''
import torch

class Nan(torch.nn.Module):
    def forward(self, out, y):
        return out.sum()*float('nan')
'''

WITHOUT_PICTURE = set(results.FILES) - {'lr-losses.png'}

# These options give a suggestion quickly, where the length of a sweep is not what is tested.
SHORT = '--quiet', '--num-batches', '25'

COMMAND = str(Path(sys.executable).parent / 'fastlr')


def env():
    return {**os.environ, 'COLUMNS': '80', 'OMP_NUM_THREADS': '1'}


def fastlr(*args):
    "Run the real command in a process of its own."
    return subprocess.run([COMMAND, *args], capture_output=True, text=True, env=env(), timeout=120)


def code(*args):
    "Run the command in this process as if it were a new one, and return the exit code."
    with restored(Path.cwd()), own_process():
        try:
            returned = cli.main([str(a) for a in args])
        except SystemExit as e:
            returned = e.code
    assert type(returned) is int
    return returned


@contextmanager
def own_process():
    "Give random generators, warnings and logging the state that they have in a new process, without pytest."
    # Unless the command seeds, what is drawn can't be predicted: equal runs are due to the command itself.
    random.seed()
    np.random.seed()
    torch.seed()
    columns = mock.patch.dict(os.environ, COLUMNS='80')
    # Without the handlers of pytest, logging prints warnings and errors to stderr.
    no_handlers = mock.patch.object(logging.root, 'handlers', [])
    with columns, no_handlers, warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter('ignore', category)
        # These warnings are errors in all tests, see setup.cfg.
        warnings.filterwarnings('error', category=DeprecationWarning, module='fastlr')
        warnings.showwarning = warn_on_stderr
        yield


def warn_on_stderr(message, category, filename, lineno, file=None, line=None):
    "Print a warning as Python does, where pytest would only collect it."
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


@contextmanager
def restored(directory):
    "Restore modules, import paths and generators, and check that everything else is unchanged."
    assert not {'mine', 'broken', 'nan', 'absent'} & set(sys.modules)
    before = process_state()
    modules = set(sys.modules)
    path = sys.path[:]
    generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
    # The script `fastlr` is in another directory, so that modules are imported from the working directory
    # only if the command allows it.
    sys.path[:] = [p for p in path if p and Path(p).resolve() != directory]
    importlib.invalidate_caches()
    try:
        yield
        assert process_state() == before
    finally:
        forget(directory, set(sys.modules) - modules)
        sys.path[:] = path
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])


def process_state():
    "Return what the command must not change in the process in which it runs."
    return {
        'directory': os.getcwd(),
        'signals': {s: signal.getsignal(s) for s in signal.valid_signals()},
        'figures': plt.get_fignums(),
        'default dtype': torch.get_default_dtype(),
        'threads': torch.get_num_threads(),
        'gradients': torch.is_grad_enabled(),
        'deterministic': torch.are_deterministic_algorithms_enabled(),
        'numpy errors': np.geterr(),
    }


def forget(directory, modules):
    "Remove those of `modules` that come from `directory`, and what the import system remembers about it."
    inside = f'{directory}{os.sep}'
    for name in modules:
        if str(getattr(sys.modules[name], '__file__', None)).startswith(inside):
            del sys.modules[name]
    for place in list(sys.path_importer_cache):
        if f'{place}{os.sep}'.startswith(inside):
            del sys.path_importer_cache[place]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    "Make a working directory with a user's module and configuration."
    (tmp_path / 'mine.py').write_text(MINE)
    (tmp_path / 'small.json').write_text(json.dumps(SMALL))
    monkeypatch.chdir(tmp_path)
    directory = Path.cwd()
    with restored(directory):
        yield directory


@pytest.fixture
def undrawn(monkeypatch):
    "Make the picture empty where only the losses count: to draw one takes longer than a short sweep."
    monkeypatch.setattr('matplotlib.figure.Figure.savefig', lambda self, file, **kwargs: Path(file).touch())


def files(directory):
    return sorted(p.name for p in Path(directory).iterdir())


def contents(directory):
    return {name: (Path(directory) / name).read_bytes() for name in files(directory)}


def losses_of(directory, *args):
    "Run the command, and return the losses that it has measured."
    assert code('find-lr', 'small.json', '-s', directory, *SHORT, *args) in (0, 1)
    return LRCurve.load(f'{directory}/curve.json').losses


def test_find_lr_as_a_user_calls_it(capfd):
    p = fastlr('find-lr', 'small.json', '-s', 'out/a', '--stopping-factor', '4')
    assert p.returncode == 0
    assert p.stderr == ''
    assert files('out/a') == sorted(results.FILES)
    curve = LRCurve.load('out/a/curve.json')
    assert curve.lrs[0] == 1e-5
    assert curve.settings['num_it'] == 100
    assert curve.settings['stop_div'] == 4
    assert np.array_equal(LRCurve.load('out/a/curve.csv').losses, curve.losses)
    s = curve.suggest()
    assert f'Suggested lr: {s.lr:.2E}' in p.stdout
    assert f'{s.one_cycle:.2E}' in p.stdout
    assert 'out/a' in p.stdout
    check_report('out/a/report.md', s)
    check_picture('out/a/lr-losses.png')
    # The configuration that is written gives the same results in another process: this one.
    assert code('find-lr', 'out/a/config.yaml', '-s', 'out/b', '--stopping-factor', '4', '--json') == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert err == ''
    assert np.array_equal(LRCurve.load('out/b/curve.json').losses, curve.losses)
    assert (found['lr'], found['error'], found['directory']) == (s.lr, None, 'out/b')
    assert Path('out/a/config.yaml').read_text() == Path('out/b/config.yaml').read_text()


def check_report(file, suggestion):
    report = Path(file).read_text()
    assert f'| constant rate | {suggestion.lr:.2e} |' in report
    assert 'Findings' in report
    assert f'torch {torch.__version__}' in report
    assert 'seed: 0' in report


def check_picture(file):
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        assert image.width > 600
        assert len(image.convert('RGB').getcolors(10**6)) > 20


def test_the_built_in_example_and_quiet(capfd):
    assert code('find-lr', 'digits', '-s', 'runs/digits', *SHORT) == 0
    assert capfd.readouterr() == ('', '')
    assert files('runs/digits') == sorted(results.FILES)


def test_no_suggestion_for_the_built_in_example_in_its_own_process():
    options = '--num-batches', '20', '--start-lr', '1e-9', '--end-lr', '1e-8', '--probe', 'never'
    p = fastlr('find-lr', 'digits', '-s', 'd', *options)
    assert p.returncode == 1
    check_no_suggestion(p.stdout, p.stderr)


def test_no_honest_suggestion(capfd):
    args = 'find-lr', 'small.json', '--start-lr', '1e-9', '--end-lr', '1e-8', '--probe', 'never'
    assert code(*args, '-s', 'd') == 1
    check_no_suggestion(*capfd.readouterr())
    assert code(*args, '-s', 'e', '--json') == 1
    assert json.loads(capfd.readouterr().out)['lr'] is None


def test_a_loss_that_barely_moves_is_probed_and_no_rate_is_suggested_for_it(capfd):
    "The probes fall, smoothly and by next to nothing."
    assert code('find-lr', 'digits', '--start-lr', '1e-9', '--end-lr', '1e-8', '-s', 'd') == 1
    check_no_suggestion(*capfd.readouterr())
    assert len(LRCurve.load('d/curve.json').probes) == 5


def check_no_suggestion(out, err):
    assert 'no suggestion' in err
    assert '--start-lr' in err
    assert 'start_lr' not in err + out
    assert files('d') == sorted(results.FILES)
    report = Path('d/report.md').read_text()
    assert 'No suggestion' in report
    assert '| constant rate | none |' in report


def test_an_error_in_a_process_of_its_own_and_in_this_one(capfd):
    "Even a model that ends the process doesn't determine the exit code."
    args = 'find-lr', 'small.json', '-s', 'd', '-o', '{"model.class_path": "mine.quits"}'
    p = fastlr(*args)
    assert p.returncode == 2
    check_error(p.stdout, p.stderr, 'SystemExit')
    assert code(*args) == 2
    assert capfd.readouterr() == (p.stdout, p.stderr)
    assert [f for f in files('.') if f != '__pycache__'] == ['mine.py', 'small.json']


def check_error(out, err, words):
    assert out == ''
    assert err.startswith('fastlr: error: ')
    assert words.format(here=Path.cwd()) in err
    assert len(err.splitlines()) == 1


def test_ctrl_c_writes_the_curve_so_far():
    with interruptible('find-lr', 'small.json', '-s', 'd', '-o', '{"data.init_args.slow": 0.01}') as p:
        # Wait until five batches have been read. A sweep takes 100 x 16 x 0.01 = 16 seconds.
        for _ in range(5000):
            if Path('started').exists():
                break
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
    assert p.returncode == 130
    assert 'interrupted' in err
    curve = LRCurve.load('d/curve.json')
    assert curve.stop_reason == 'interrupted'
    assert 0 < len(curve) < 100
    assert files('d') == sorted(results.FILES if results.can_be_drawn(curve) else WITHOUT_PICTURE)


@contextmanager
def interruptible(*args):
    "Start the real command, in which Ctrl-C raises even where pytest's own process ignores it."

    def listen():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    with subprocess.Popen([COMMAND, *args], env=env(), preexec_fn=listen, **pipes) as p:
        try:
            yield p
        finally:
            # A process that has ended is not affected.
            p.kill()


HELPS = ['--help'], ['find-lr', '--help'], ['examples', '--help']
OPTIONS = (
    '-s',
    '-o',
    '--start-lr',
    '--end-lr',
    '--num-batches',
    '--stopping-factor',
    '--linear',
    '-f',
    '--include-package',
    '--runs',
    '--probe',
    '--rule',
    '--device',
    '--seed',
    '--quiet',
    '--json',
)


@pytest.mark.parametrize('args', HELPS)
def test_help_reads_well_at_80_columns(args):
    p = fastlr(*args)
    assert p.returncode == 0
    assert p.stderr == ''
    assert max(map(len, p.stdout.splitlines())) <= 80
    if 'find-lr' in args:
        assert 'Exit codes' in p.stdout
        assert [o for o in OPTIONS if o not in p.stdout] == []


WITHOUT_TORCH = """
import sys
from fastlr.cli import main

HEAVY = 'torch', 'matplotlib', 'jsonargparse'

for args in {helps}:
    try:
        main(args)
    except SystemExit:
        print('LOADED', [m for m in HEAVY if m in sys.modules])
print([main(args.split()) for args in {errors}], 'torch' in sys.modules)
"""


def test_neither_help_nor_argument_errors_need_torch():
    errors = [
        'find-lr digits --quiet',
        'find-lr digits -s d --num-batches 10',
        'find-lr digits -s d --start-lr 20',
        'find-lr no.yaml -s d',
        'find-lr small.json -s d -o {',
        'find-lr small.json -s mine.py',
    ]
    source = WITHOUT_TORCH.format(helps=HELPS, errors=errors)
    p = subprocess.run([sys.executable, '-c', source], capture_output=True, text=True)
    assert re.findall('LOADED.*', p.stdout) == ['LOADED []'] * 3
    assert '[2, 2, 2, 2, 2, 2] False' in p.stdout
    assert len(p.stderr.splitlines()) == 6
    assert files('.') == ['mine.py', 'small.json']


# Overrides that can't be used, and words of the error.
BAD_OVERRIDES = {
    'override': ('{a}', '--overrides'),
    'empty list': ('[]', 'JSON object'),
    'object': ('[1]', 'JSON object'),
    'class': (
        '{"model.class_path": "mine.Nett"}',
        "no 'Nett' in 'mine' ({here}/mine.py); did you mean 'Net'?",
    ),
    'module': ('{"model.class_path": "mien.Net"}', "no module 'mien' in '{here}'"),
    'module in a package': ('{"optimizer.class_path": "torch.optm.SGD"}', "did you mean 'optim'?"),
    'acronym': ('{"optimizer.class_path": "torch.optim.SDG"}', "did you mean 'SGD'?"),
    'type': ('{"model.init_args.hidden": "many"}', 'hidden'),
    'argument': (
        '{"model.init_args.hiden": 3}',
        "for mine.Net: Option 'model.init_args.hiden' is not accepted; did you mean 'hidden'?",
    ),
    'key': (
        '{"trainer": 1}',
        "configuration has the unknown key 'trainer'; it holds model, data, optimizer, loss and training\n",
    ),
    'fit': ('{"data.init_args.columns": 5}', "can't be run"),
    'raises': ('{"data.class_path": "mine.nothing"}', 'no such data'),
    'untyped': ('{"data": {"class_path": "mine.untyped"}}', "'n' is missing"),
    'no dot': ('{"model.class_path": "mine"}', 'with dots'),
    'typo': (
        '{"loss.clas_path": "x"}',
        "loss has the unknown key 'clas_path'; it holds class_path and init_args; did you mean 'class_path'?",
    ),
    'list of arguments': ('{"model.init_args": [4]}', 'must be a mapping'),
    'broken module': ('{"model.class_path": "broken.X"}', 'NameError'),
    'quits': ('{"model.class_path": "mine.quits"}', 'SystemExit'),
    'both wd': ('{"training.wd": 0.1, "optimizer.init_args.weight_decay": 0.1}', 'leave one of them out'),
    'training': ('{"training.precision": "BF16"}', "got 'BF16'; did you mean 'bf16'?"),
    'unknown training': (
        '{"training.clipp": 1}',
        "has the unknown key 'clipp'; it holds accumulate, precision, clip and wd; did you mean 'clip'?",
    ),
    'type of training': ('{"training.clip": "x"}', 'error: training: '),
}

# Arguments that can't be used, and words of the error.
BAD = {
    'empty directory': (['small.json', '-s', ''], "--serialization-dir must name a directory, got ''"),
    'nothing to replace': (['small.json', '-f'], '--force replaces results in a directory'),
    'no result': (['small.json', '--quiet'], '--quiet would leave nothing of the result'),
    'ten batches': (['small.json', '-s', 'd', '--num-batches', '10'], '--num-batches'),
    'start': (['small.json', '-s', 'd', '--start-lr', '20'], '--end-lr'),
    'negative': (['small.json', '-s', 'd', '--start-lr', '-1'], '--start-lr'),
    'factor': (['small.json', '-s', 'd', '--stopping-factor', '0.5'], '--stopping-factor'),
    'runs': (['small.json', '-s', 'd', '--runs', '0'], '--runs'),
    'missing': (['no.yaml', '-s', 'd'], 'No such file'),
    'file': (['smal.json'], "No such file or directory; did you mean 'small.json'?"),
    'no ending': (['small', '-s', 'd'], "got 'small'; did you mean 'small.json'?"),
    'example': (['digit'], "got 'digit'; did you mean 'digits'?"),
    'ending': (['small.txt', '-s', 'd'], 'must end in'),
    'package': (['small.json', '-s', 'd', '--include-package', 'absent'], 'absent'),
    'broken package': (['small.json', '-s', 'd', '--include-package', 'broken'], 'NameError'),
    'device': (['small.json', '-s', 'd', '--device', 'nowhere'], '--device'),
    'seed': (['small.json', '-s', 'd', '--seed', '99999999999999999999'], '--seed'),
    'link': (['small.json', '-s', 'dangling'], 'link to nowhere'),
    'a file': (['small.json', '-s', 'mine.py'], 'is a file'),
    'below a file': (['small.json', '-s', 'mine.py/d'], "can't be written"),
    'sources': (['small.json', '-s', '.', '-f'], 'fastlr has not written'),
    **{name: (['small.json', '-s', 'd', '-o', text], words) for name, (text, words) in BAD_OVERRIDES.items()},
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_clear_line_and_nothing_is_written(case, capfd):
    args, words = BAD[case]
    Path('broken.py').write_text('undefined_name')
    Path('dangling').symlink_to('/no/such/place')
    assert code('find-lr', *args) == 2
    check_error(*capfd.readouterr(), words)
    assert [f for f in files('.') if f != '__pycache__'] == ['broken.py', 'dangling', 'mine.py', 'small.json']


def test_debug_shows_where_an_error_comes_from(capfd):
    assert code('find-lr', 'no.yaml', '-s', 'd', '--debug') == 2
    assert 'Traceback' in capfd.readouterr().err


# Arguments that argparse refuses, and the last line of what it says.
REFUSED = {
    '': 'fastlr: error: the following arguments are required: COMMAND',
    'find-lr': 'fastlr find-lr: error: the following arguments are required: CONFIG',
    'find-lr digits --start-lr low': "find-lr: error: argument --start-lr: invalid float value: 'low'",
    'find-lr digits --rule best': "--rule: must be auto, steep, minimum, valley or slide, got 'best'",
    'find-lr digits --rule Stepe': "got 'Stepe'; did you mean 'steep'?",
    'find-lr digits --probe allways': "auto, always or never, got 'allways'; did you mean 'always'?",
    'fnd-lr digits': "COMMAND: must be find-lr or examples, got 'fnd-lr'; did you mean 'find-lr'?",
    'examples cats': "NAME: must be digits or sevens, got 'cats'",
    'examples seven': "NAME: must be digits or sevens, got 'seven'; did you mean 'sevens'?",
    'find-lr digits --num_batches 9': "unknown option '--num_batches'; did you mean '--num-batches'?",
    # The number and the missing CONFIG are not what is wrong.
    'find-lr --sede 9': "find-lr: error: unknown option '--sede'; did you mean '--seed'?",
    'find-lr --sede=9 digits': "unknown option '--sede'; did you mean '--seed'?",
    # A number below zero is not an option.
    'find-lr digits --start-lr -1e-5': 'argument --start-lr: expected one argument',
    'find-lr digits --optimize': "unknown option '--optimize'; `fastlr find-lr --help` lists all options",
    'find-lr digits more': 'error: unrecognized arguments: more',
    '--verison': "fastlr: error: unknown option '--verison'; did you mean '--version'?",
    '--seed 9 find-lr digits': "unknown option '--seed'; it belongs to find-lr, and comes after it",
    '--print-completion bas': "must be bash or zsh, got 'bas'; did you mean 'bash'?",
}


@pytest.mark.parametrize('line', REFUSED)
def test_what_the_parser_refuses(line, capfd):
    assert code(*line.split()) == 2
    out, err = capfd.readouterr()
    assert out == ''
    assert err.startswith('usage:')
    assert err.endswith(f'{REFUSED[line]}\n')


def test_what_looks_like_a_misspelt_option_and_is_none():
    "An option may be abbreviated, and what stands after `--` is CONFIG."
    read = cli.parser().parse_args
    assert read(['find-lr', 'digits', '--num', '60', '--seed=3']).num_batches == 60
    assert read(['find-lr', '--', '--sede']).param_path == '--sede'
    for text, choice in ('true', 'always'), ('False', 'never'), ('auto', 'auto'):
        assert read(['find-lr', 'digits', '--probe', text]).probe == choice


def test_as_a_module_it_is_the_same_command():
    args = 'examples', 'sevens'
    ours, theirs = fastlr(*args), module(*args)
    assert (theirs.returncode, theirs.stdout, theirs.stderr) == (0, ours.stdout, ours.stderr)
    refused = module('find-lr', '--start-lr', '1')
    assert refused.returncode == 2
    assert refused.stderr.startswith('usage: python -m fastlr find-lr [-h]')
    assert refused.stderr.endswith(
        'python -m fastlr find-lr: error: the following arguments are required: CONFIG\n'
    )
    failed = module('find-lr', 'small.json', '-s', 'd', '--runs', '0')
    assert (failed.returncode, failed.stderr) == (2, 'fastlr: error: --runs must be at least 1, got 0\n')


def module(*args):
    python = [sys.executable, '-m', 'fastlr']
    return subprocess.run([*python, *args], capture_output=True, text=True, env=env(), timeout=120)


def test_a_rate_without_a_directory(here, capfd):
    before = contents('.')
    assert code('find-lr', 'small.json', '--num-batches', '25', '--probe', 'never') == 0
    out, err = capfd.readouterr()
    assert err == ''
    assert re.match(r'Suggested lr: \d.\d\dE-\d\d ', out)
    assert out.endswith('\nNothing was written: -s DIR writes a picture, the curve and a report\n')
    shutil.rmtree('__pycache__', ignore_errors=True)
    assert contents('.') == before


NOISY = """
import os
import sys
import mine

print('imported')
stdout = sys.stdout

class Net(mine.Net):
    def forward(self, x):
        print('forward')
        return super().forward(x)

def data():
    os.system('echo from a shell')
    sys.__stdout__.write('to the old object')
    os.write(1, b'to the descriptor')
    return mine.data()
"""


def no_constant(text):
    raise ValueError(f'{text} is not JSON')


def strict(text):
    return json.loads(text, parse_constant=no_constant)


def test_json_is_all_that_is_printed_to_stdout(here, capfd):
    Path('noisy.py').write_text(NOISY)
    changes = '{"model.class_path": "noisy.Net", "data.class_path": "noisy.data"}'
    args = 'find-lr', 'small.json', '-o', changes
    p = fastlr(*args, '--num-batches', '25', '--json', '--probe')
    assert p.returncode == 0
    found = strict(p.stdout)
    assert found['lr'] > 0
    assert found['directory'] is None
    for noise in ('imported', 'forward', 'from a shell', 'to the old object', 'to the descriptor', 'probes'):
        assert noise in p.stderr
    assert [f for f in files('.') if f != '__pycache__'] == ['mine.py', 'noisy.py', 'small.json']
    # This is also true of a configuration, and of the command in this process.
    assert code(*args, '--print-config') == 0
    out, err = capfd.readouterr()
    assert 'imported' in err
    assert yaml.safe_load(out)['model']['class_path'] == 'noisy.Net'
    # What is printed afterwards goes to stdout again.
    print('after')
    os.system('echo after')
    assert capfd.readouterr().out.split() == ['after', 'after']


def test_the_cost_of_probes_is_told_before_they_start(capfd):
    Path('noisy.py').write_text(NOISY)
    args = 'find-lr', 'small.json', '--num-batches', '25', '-o', '{"model.class_path": "noisy.Net"}'
    assert code(*args, '--probe', 'true', '--runs', '2') == 0
    out, err = capfd.readouterr()
    assert 'probes' not in out.replace('the best of 5 probes', '')
    lines = [line for line in err.splitlines() if line != 'imported']
    first, second = (i for i, line in enumerate(lines) if line != 'forward')
    assert lines[first] == (
        'After the sweep (up to 50 updates) come the probes that were asked for: 5 trainings of 60 updates '
        'each (up to 300 further updates).'
    )
    seconds = r'up to 300 further updates, about (a second|\d+ seconds)\)\. Ctrl-C stops this'
    assert re.search(seconds, lines[second])
    # The sweep has two runs of 25 steps, and each of the probes at most 60.
    assert (first, second) == (0, 51)
    assert 5 * 10 < len(lines) - 52 <= 5 * 60
    # Nothing is told where nothing but errors is to be printed.
    assert code('find-lr', 'small.json', '-s', 'd', *SHORT, '--probe', 'true') == 0
    assert capfd.readouterr() == ('', '')


def test_the_usual_tools_read_what_is_written(undrawn):
    pandas = pytest.importorskip('pandas')
    losses_of('d', '--runs', '2', '--probe')
    curve = LRCurve.load('d/curve.json')
    table = pandas.read_csv('d/curve.csv')
    assert list(table) == ['lr', 'loss', 'lr_0', 'run_0', 'run_1']
    assert max(map(len, str(table.head()).splitlines())) < 80
    assert np.allclose(table['lr'], curve.lrs, rtol=1e-12)
    assert np.allclose(table['loss'], curve.losses, rtol=1e-12)
    assert len(strict(Path('d/curve.json').read_text())['probes']) == 5
    assert LRCurve.load('d/curve.csv').to_dict() == curve.to_dict()
    assert strict(Path('d/curve.json').read_text())['lrs'] == curve.lrs.tolist()
    assert yaml.safe_load(Path('d/config.yaml').read_text()) == config.read_config('d/config.yaml')


def completed(script, *words):
    "Return what bash offers for the last of the words of a command line."
    line = ' '.join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_fastlr; echo "${{COMPREPLY[@]}}"'
    p = subprocess.run(['bash', '-c', f'source {script}; {ask}'], capture_output=True, text=True)
    assert p.stderr == ''
    return set(p.stdout.split())


def test_bash_completes_the_command():
    pytest.importorskip('shtab')
    p = fastlr('--print-completion', 'bash')
    assert (p.returncode, p.stderr) == (0, '')
    Path('complete.sh').write_text(p.stdout)
    assert subprocess.run(['bash', '-n', 'complete.sh'], capture_output=True).stderr == b''
    assert completed('complete.sh', 'fastlr', 'find-') == {'find-lr'}
    assert completed('complete.sh', 'fastlr', 'examples', 's') == {'sevens'}
    assert completed('complete.sh', 'fastlr', 'find-lr', '--ru') == {'--rule', '--runs'}
    assert completed('complete.sh', 'fastlr', 'find-lr', '--rule', '') == set(RULES)
    assert completed('complete.sh', 'fastlr', 'find-lr', 's') == {'sevens', 'small.json'}
    Path('smith').mkdir()
    assert completed('complete.sh', 'fastlr', 'find-lr', '-s', 'sm') == {'smith'}
    assert module('--print-completion', 'bash').stdout == p.stdout


def test_zsh_accepts_its_script(capfd):
    pytest.importorskip('shtab')
    assert code('--print-completion', 'zsh') == 0
    out, err = capfd.readouterr()
    assert err == ''
    assert out.startswith('#compdef fastlr\n')
    assert '_fastlr_configurations' in out and 'find-lr' in out
    if shutil.which('zsh'):
        assert subprocess.run(['zsh', '-n'], input=out, text=True, capture_output=True).stderr == ''


def test_without_shtab_completion_names_it(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, 'shtab', None)
    assert code('--print-completion', 'bash') == 2
    assert capfd.readouterr().err.endswith('--print-completion needs a package: pip install shtab\n')


def test_seeds_make_runs_the_same_or_not(undrawn):
    override = '{"data.class_path": "mine.drawn"}'
    losses = []
    for i, seed in enumerate((0, 0, 1)):
        assert code('find-lr', 'small.json', '-s', f'd{i}', '--seed', seed, *SHORT, '-o', override) == 0
        losses.append(LRCurve.load(f'd{i}/curve.json').losses)
    assert np.array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])
    # Each of the three generators is seeded.
    first, second, third = map(json.loads, Path('drawn').read_text().splitlines())
    assert first == second
    assert all(a != b for a, b in zip(first, third))


def test_results_are_replaced_only_if_they_are_ours(capfd):
    args = 'find-lr', 'small.json', '-s', 'd', *SHORT
    assert code(*args) == 0
    first = contents('d')
    assert code(*args, '--seed', '1') == 2
    assert '--force' in capfd.readouterr().err
    assert contents('d') == first
    # The directory isn't touched before the configuration has been checked.
    assert code(*args, '--seed', '1', '-f', '-o', '{"model.init_args.hidden": "x"}') == 2
    assert contents('d') == first
    assert code(*args, '--seed', '1', '-f') == 0
    assert contents('d')['curve.json'] != first['curve.json']
    Path('d/notes.txt').write_text('mine')
    capfd.readouterr()
    assert code(*args, '-f') == 2
    assert 'notes.txt' in capfd.readouterr().err
    Path('empty').mkdir()
    assert code('find-lr', 'small.json', '-s', 'empty', *SHORT) == 0


def test_no_half_file_when_writing_fails(monkeypatch, capfd):
    replace = os.replace

    def full(*args, **kwargs):
        raise OSError(28, 'No space left on device')

    def full_in_d(source, target):
        if Path(target).parent.name == 'd':
            full()
        replace(source, target)

    # Writing fails when the picture is drawn, when the first file is made, and when the first one is moved to
    # its place.
    failures = ('matplotlib.figure.Figure.savefig', full), ('os.replace', full), ('os.replace', full_in_d)
    args = 'find-lr', 'small.json', '-s', 'd', *SHORT
    assert code(*args) == 0
    before = contents('d')
    for function, failing in failures:
        with monkeypatch.context() as m:
            m.setattr(function, failing)
            assert code(*args, '-f', '--seed', '1') == 2
        assert 'No space left' in capfd.readouterr().err
        # All of the old files are there.
        assert contents('d') == before


WRITTEN = {
    'yaml': """
model: {class_path: mine.Net, init_args: {hidden: 16}}
data: {class_path: mine.data}
optimizer: {class_path: torch.optim.SGD, init_args: {momentum: 0.9}}
loss: {class_path: torch.nn.CrossEntropyLoss}
""",
    'jsonnet': """
local part(path, args={}) = {class_path: path, init_args: args};
{
  model: part("mine.Net", {hidden: 8*2}),
  data: part("mine.data"),
  optimizer: part("torch.optim.SGD", {momentum: 0.9}),
  loss: part("torch.nn.CrossEntropyLoss"),
}
""",
    'toml': """
[model]
class_path = "mine.Net"
init_args.hidden = 16
[data]
class_path = "mine.data"
[optimizer]
class_path = "torch.optim.SGD"
init_args.momentum = 0.9
[loss]
class_path = "torch.nn.CrossEntropyLoss"
""",
    'json': json.dumps(SMALL),
}


@pytest.mark.parametrize('kind', WRITTEN)
def test_four_kinds_of_files_mean_the_same(kind, capfd):
    Path(f'c.{kind}').write_text(WRITTEN[kind])
    assert code('find-lr', f'c.{kind}', '--print_config', '--include-package', 'mine') == 0
    printed = capfd.readouterr().out
    assert code('find-lr', 'small.json', '--print-config') == 0
    assert capfd.readouterr().out == printed
    assert 'hidden: 16' in printed
    assert 'momentum: 0.9' in printed
    # The defaults are stored too.
    assert 'slow: 0.0' in printed
    # The rate is not stored: it is what the command looks for.
    assert 'lr:' not in printed
    # What is printed is a valid configuration.
    Path('p.yaml').write_text(printed)
    assert code('find-lr', 'p.yaml', '--print-config') == 0
    assert capfd.readouterr().out == printed
    Path(f'broken.{kind}').write_text('[{"a": ')
    assert code('find-lr', f'broken.{kind}', '-s', 'd') == 2
    assert 'is not valid' in capfd.readouterr().err


def test_training_settings_take_part(undrawn):
    def run(name, settings):
        override = json.dumps({'training': settings})
        assert code('find-lr', 'small.json', '-s', name, *SHORT, '--end-lr', '0.1', '-o', override) in (0, 1)
        return LRCurve.load(f'{name}/curve.json')

    plain = run('a', {})
    gathered = run('b', {'accumulate': 2})
    clipped = run('c', {'clip': 0.01})
    half = run('d', {'precision': 'bf16'})
    assert gathered.settings['accumulate'] == 2
    assert not np.array_equal(plain.losses, clipped.losses)
    assert not np.array_equal(plain.losses, half.losses)
    assert np.allclose(plain.losses[:20], half.losses[:20], rtol=0.05)


def test_weight_decay_takes_part(undrawn):
    plain = losses_of('a')
    decayed = losses_of('b', '-o', '{"training.wd": 5.0}')
    by_optimizer = losses_of('c', '-o', '{"optimizer.init_args.weight_decay": 5.0}')
    assert np.array_equal(decayed, by_optimizer)
    assert not np.array_equal(plain, decayed)


def test_further_options():
    options = '--runs', '3', '--probe', '--linear', '--start-lr', '0.001', '--end-lr', '1', '--rule', 'steep'
    losses_of('d', *options)
    curve = LRCurve.load('d/curve.json')
    assert len(curve.runs) == 3
    assert np.allclose(np.diff(curve.lrs), curve.lrs[1] - curve.lrs[0])
    assert 'rule: steep' in Path('d/report.md').read_text()


def test_probes_move_the_answer(capfd):
    assert code('find-lr', 'small.json', '-s', 'd', *SHORT, '--probe', '--json') == 0
    assert 'the best of 5 probes' in json.loads(capfd.readouterr().out)['reason']
    assert len(LRCurve.load('d/curve.json').probes) == 5


def test_examples(capfd):
    p = fastlr('examples')
    assert p.returncode == 0
    assert p.stderr == ''
    assert [line.split(':')[0] for line in p.stdout.splitlines()] == list(config.EXAMPLES)
    for name in config.EXAMPLES:
        assert code('examples', name) == 0
        assert capfd.readouterr().out == config.EXAMPLES[name]
        learn = config.Configuration(config.read_config(name)).learner()
        assert learn.lr_find(num_it=12, silent=True).lrs[0] == 1e-7


def test_in_python(here):
    sys.path.insert(0, str(here))
    find_learning_rate_model('small.json', 'a', start_lr=1e-4, end_lr=1.0, num_batches=20, linear_steps=True)
    curve = LRCurve.load('a/curve.json')
    assert len(curve) == 20
    assert curve.settings['mode'] == 'linear'
    assert curve.lrs[-1] == 1
    with pytest.raises(config.ConfigError, match="serialization_dir 'a' .* force=True"):
        find_learning_rate_model(SMALL, 'a')
    find_learning_rate_model(SMALL, 'a', force=True)
    assert len(LRCurve.load('a/curve.json')) == 100
    args = cli.parser().parse_args(['find-lr', 'small.json', '-s', 'b', '--quiet'])
    assert find_learning_rate_from_args(args) == 0


def test_search_in_python(here):
    sys.path.insert(0, str(here))
    learn = config.Configuration(SMALL).learner()
    before = [p.detach().clone() for p in learn.model.parameters()]
    rates, losses = search_learning_rate(learn, num_batches=15)
    assert len(rates) == len(losses) == 15
    assert type(rates) is type(losses) is list
    assert all(torch.equal(a, b) for a, b in zip(before, learn.model.parameters()))
    with pytest.raises(config.ConfigError, match='above 10'):
        search_learning_rate(learn, num_batches=10)


def test_numbers_are_checked_in_python_too():
    with pytest.raises(config.ConfigError, match='start_lr must be below end_lr'):
        find_learning_rate_model(SMALL, 'a', start_lr=1.0, end_lr=0.1)
    with pytest.raises(config.ConfigError, match='^num_batches'):
        find_learning_rate_model(SMALL, 'a', num_batches=10)
    with pytest.raises(config.ConfigError, match='^stopping_factor .* None to go on'):
        find_learning_rate_model(SMALL, 'a', stopping_factor=0.5)


def test_rules_of_the_command_are_those_of_the_library():
    for name in RULES:
        assert cli.parser().parse_args(['find-lr', 'digits', '--rule', name]).rule == name


def test_what_appears_meanwhile_is_not_overwritten(monkeypatch):
    run_range_test = lr_finder.run_range_test

    def run_and_write(*args, **kwargs):
        run_range_test(*args, **kwargs)
        Path('d').mkdir()
        Path('d/report.md').write_text('mine')

    monkeypatch.setattr(lr_finder, 'run_range_test', run_and_write)
    assert code('find-lr', 'small.json', '-s', 'd', *SHORT) == 2
    assert Path('d/report.md').read_text() == 'mine'
    assert files('d') == ['report.md']


def test_odd_optimizers_and_lone_loaders(undrawn):
    losses = losses_of('a', '-o', '{"optimizer.class_path": "mine.Odd", "data.class_path": "mine.loader"}')
    assert len(losses) == 25
    assert 'relu' not in Path('a/config.yaml').read_text()
    assert code('find-lr', 'a/config.yaml', '-s', 'b', *SHORT) in (0, 1)
    assert np.array_equal(LRCurve.load('b/curve.json').losses, losses)


def test_jsonnet_imports_from_its_own_place(capfd):
    Path('sub').mkdir()
    Path('sub/part.libsonnet').write_text(json.dumps(SMALL))
    Path('sub/c.jsonnet').write_text("(import 'part.libsonnet') + {training: {clip: 1.0}}")
    assert code('find-lr', 'sub/c.jsonnet', '--print-config') == 0
    assert 'clip: 1.0' in capfd.readouterr().out


def test_what_a_killed_process_left_does_not_block(undrawn):
    losses_of('d')
    Path('d/.curve.json.99.part').write_text('half')
    losses_of('d', '-f')
    assert files('d') == sorted(results.FILES)
    Path('e/curve.json').mkdir(parents=True)
    assert code('find-lr', 'small.json', '-s', 'e', '-f') == 2


def test_no_picture_no_link():
    args = 'find-lr', 'small.json', '-s', 'd', '--quiet', '-o'
    # The class doesn't exist.
    assert code(*args, '{"loss": {"class_path": "mine.Nan"}}') == 2
    Path('nan.py').write_text(NAN)
    assert code(*args, '{"loss": {"class_path": "nan.Nan"}}') == 1
    assert 'lr-losses.png' not in Path('d/report.md').read_text() + str(files('d'))


def test_a_loss_function_by_its_own_name(undrawn):
    by_name = losses_of('a', '-o', '{"loss": {"class_path": "torch.nn.functional.cross_entropy"}}')
    assert np.array_equal(by_name, losses_of('b'))


def test_modules_beside_the_file(capfd):
    Path('sub').mkdir()
    Path('mine.py').rename('sub/mine.py')
    Path('small.json').rename('sub/small.json')
    assert code('find-lr', 'sub/small.json', '-s', 'd', *SHORT) == 0
    assert capfd.readouterr().err == ''


def test_findings_name_the_remedy_of_the_command_line():
    "For `lr_find` the remedy is `runs=5`, for an `LRSweep` the median of several; here it is an option."
    losses = np.random.default_rng(0).normal(0.1, 0.02, 100)
    curve = LRCurve(10 ** np.linspace(-6, 0.5, 100), losses, settings={'names': cli.CLI.options})
    error = results.answer(curve)['error']
    assert '--runs' in error
    assert '--end-lr' in error
    assert 'LRCurve' not in error


def test_the_curve_of_the_command_uses_its_names():
    code('find-lr', 'small.json', '-s', 'd', *SHORT)
    assert LRCurve.load('d/curve.json').settings['names'] == cli.CLI.options


def test_errors_of_the_sweep_speak_the_words_of_the_command(capfd):
    Path('once.py').write_text('import mine\ndef batches(): return iter(mine.loader())\n')
    args = 'find-lr', 'small.json', '-s', 'd', '-o', '{"data": {"class_path": "once.batches"}}'
    assert code(*args, '--runs', '2', '--batches', 'none') == 2
    err = capfd.readouterr().err
    assert '--runs' in err
    assert ' the data must be one that can be restarted' in err
    assert files('.') == ['mine.py', 'once.py', 'small.json']


def test_the_table_of_the_notebook_has_the_fields_of_json():
    notebook = Path(__file__).parent.parent / 'nbs' / '41_results.ipynb'
    table = re.findall(r'^    "\| `(\w+)` \|', notebook.read_text(), re.M)
    found = results.answer(LRCurve([1e-3, 1e-2], [2.0, 1.0]))
    assert set(table) == {*found, 'directory'}


def test_a_curve_of_two_points_is_written_without_a_picture(monkeypatch, capfd):
    "With momentum the loss belongs to the previous rate, so that there is one point to draw, and no line."
    losses_of('d')
    run_range_test = lr_finder.run_range_test

    def cut(learn, *args, **kwargs):
        curve = run_range_test(learn, *args, **kwargs)
        learn.recorder.curve = LRCurve(curve.lrs[:2], curve.losses[:2], settings=curve.settings)

    monkeypatch.setattr(lr_finder, 'run_range_test', cut)
    assert code('find-lr', 'small.json', '-s', 'd', '-f') == 1
    assert "\nCurve and report are in 'd'" in '\n' + capfd.readouterr().out
    assert len(LRCurve.load('d/curve.json')) == 2
    assert LRCurve.load('d/curve.json').settings['momentum'] == 0.9
    # The picture of the previous curve is gone, too.
    assert set(files('d')) == WITHOUT_PICTURE
    assert 'lr-losses.png' not in Path('d/report.md').read_text()


def test_a_curve_of_three_points_has_a_picture(monkeypatch):
    curve = LRCurve([1e-3, 1e-2, 1e-1], [2.0, 1.0, 3.0])
    found = results.answer(curve)
    results.write_results(Path('d'), curve, found, '', results.report('three', curve, found, {}))
    assert files('d') == sorted(results.FILES)
    assert 'lr-losses.png' in Path('d/report.md').read_text()


def test_a_disk_that_is_full_half_way_leaves_the_old_results(monkeypatch, undrawn, capfd):
    losses_of('d')
    before = contents('d')
    copy = results.shutil.copyfile

    def full(source, target):
        if 'report' in str(target):
            raise OSError(28, 'No space left on device')
        return copy(source, target)

    monkeypatch.setattr(results.shutil, 'copyfile', full)
    assert code('find-lr', 'small.json', '-s', 'd', *SHORT, '-f', '--seed', '1') == 2
    assert 'No space left' in capfd.readouterr().err
    assert contents('d') == before


def generators():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize('changes', [{}, {'model': {'class_path': 'mine.quits'}}], ids=['works', 'fails'])
def test_in_python_the_random_generators_go_on_as_before(here, undrawn, changes):
    sys.path.insert(0, str(here))
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    before = generators()
    try:
        find_learning_rate_model({**SMALL, **changes}, 'a', num_batches=15)
    except SystemExit:
        assert changes
    assert generators() == before


@pytest.mark.parametrize('fails', [False, True])
def test_in_python_the_import_path_is_restored(here, undrawn, fails):
    Path('sub').mkdir()
    Path('small.json').rename('sub/small.json')
    args = cli.parser().parse_args(['find-lr', 'sub/small.json', '-s', 'b', '--quiet', '--num-batches', '25'])
    args.include_package = ['mine', *(['absent'] if fails else [])]
    before = sys.path[:]
    if fails:
        with pytest.raises(config.ConfigError, match='absent'):
            find_learning_rate_from_args(args)
    else:
        assert find_learning_rate_from_args(args) == 0
    assert sys.path == before


def test_a_module_may_change_the_import_path(here):
    "What the module adds stays: only what the command has added is removed."
    Path('mine.py').write_text(MINE + "\nimport sys\nsys.path.insert(0, 'elsewhere')\n")
    before = sys.path[:]
    args = cli.parser().parse_args(['find-lr', 'small.json', '--print-config'])
    assert find_learning_rate_from_args(args) == 0
    assert sys.path == ['elsewhere', *before]


def test_the_curve_of_a_search_uses_the_names_of_allennlp(here):
    sys.path.insert(0, str(here))
    learn = config.Configuration(SMALL).learner()
    search_learning_rate(learn, num_batches=15)
    assert learn.recorder.curve.settings['names']['num_it'] == 'num_batches'


def test_settings_are_checked_once_with_the_names_of_the_command():
    settings = cli.sweep_settings(cli.CLI, runs=3)
    assert type(settings) is SweepSettings
    assert settings.entry is cli.CLI
    assert settings.stop_div is False
    with pytest.raises(config.ConfigError, match='^--runs must be at least 1'):
        cli.sweep_settings(cli.CLI, runs=0)


TYPED = """
import enum
from dataclasses import dataclass, field
from pathlib import Path
import torch

class Kind(enum.Enum):
    small = 1
    large = 2

@dataclass
class Size:
    width: int = 4
    depth: int = 1

class Net(torch.nn.Sequential):
    def __init__(
        self, act: torch.nn.Module, size: Size = Size(), kind: Kind = Kind.small, at: Path = Path('x'), f=len
    ):
        assert isinstance(size, Size) and isinstance(kind, Kind) and isinstance(at, Path) and f is len
        super().__init__(torch.nn.Linear(6, size.width), act, torch.nn.Linear(size.width, 3))

class Wrapped(torch.optim.SGD):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
"""

TYPED_MODEL = {
    'class_path': 'typed.Net',
    'init_args': {
        'act': {'class_path': 'torch.nn.LeakyReLU', 'init_args': {'negative_slope': 0.2}},
        'size': {'width': 5},
        'kind': 'large',
        'at': 'here',
    },
}


def test_nested_classes_and_types_that_yaml_lacks(here, undrawn, capfd):
    Path('typed.py').write_text(TYPED)
    optimizer = {'class_path': 'typed.Wrapped', 'init_args': {'momentum': 0.9}}
    text = json.dumps({**SMALL, 'model': TYPED_MODEL, 'optimizer': optimizer})
    Path('typed.json').write_text(text)
    assert code('find-lr', 'typed.json', '-s', 'a', *SHORT) in (0, 1)
    written = Path('a/config.yaml').read_text()
    for line in ('width: 5', 'depth: 1', 'kind: large', 'at: here', 'negative_slope: 0.2', 'inplace: false'):
        assert f' {line}\n' in written
    # A file can't hold this default.
    assert 'f:' not in written
    assert code('find-lr', 'a/config.yaml', '-s', 'b', *SHORT) in (0, 1)
    assert np.array_equal(LRCurve.load('a/curve.json').losses, LRCurve.load('b/curve.json').losses)
    assert Path('b/config.yaml').read_text() == written
    capfd.readouterr()
    assert code('find-lr', 'typed.json', '-s', 'c', '-o', '{"model.init_args.size.width": "wide"}') == 2
    check_error(*capfd.readouterr(), 'model.init_args.size')


DEFAULTS = """
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
import torch

class Act(enum.Enum):
    relu = 1
    gelu = 2

@dataclass
class Place:
    act: Act = Act.gelu
    at: Path = Path('inside')
    any: Any = Path('left')

class ENet(torch.nn.Sequential):
    def __init__(
        self,
        hidden: int = 8,
        act: Act = Act.relu,
        where: Path = Path('x'),
        place: Place = Place(),
        acts: list[Act] = [Act.gelu, Act.relu],
        paths: dict[str, Path] = {'key': Path('value')},
        out=[Path('left')],
        f=len,
        last: int = 1,
    ):
        assert isinstance(act, Act) and isinstance(where, Path) and isinstance(place, Place)
        assert act is Act.relu and acts == [Act.gelu, Act.relu] and paths == {'key': Path('value')}
        assert place.at == Path('inside') and out == [Path('left')] and place.any == Path('left')
        super().__init__(torch.nn.Linear(6, 3))
"""

# The defaults `any`, `out` and `f` are missing: without a type, a file can't hold them.
WRITTEN_DEFAULTS = """\
model:
  class_path: defaults.ENet
  init_args:
    hidden: 8
    act: relu
    where: x
    place:
      act: gelu
      at: inside
    acts:
    - gelu
    - relu
    paths:
      key: value
    last: 1
"""


@pytest.mark.parametrize('given', [{}, {'place': {'act': 'gelu'}}], ids=['no argument', 'a nested one'])
def test_defaults_that_are_enums_and_paths_are_written(here, given, undrawn, capfd):
    Path('defaults.py').write_text(DEFAULTS)
    model = {'class_path': 'defaults.ENet', 'init_args': given}
    Path('defaults.json').write_text(json.dumps({**SMALL, 'model': model}))
    assert code('find-lr', 'defaults.json', '--print-config') == 0
    printed = capfd.readouterr().out
    assert printed.partition('data:')[0] == WRITTEN_DEFAULTS
    assert code('find-lr', 'defaults.json', '-s', 'a', *SHORT) in (0, 1)
    assert Path('a/config.yaml').read_text() == printed
    assert code('find-lr', 'a/config.yaml', '-s', 'b', *SHORT) in (0, 1)
    assert Path('b/config.yaml').read_text() == printed


def test_a_search_takes_the_options_of_lr_find(here):
    sys.path.insert(0, str(here))
    torch.manual_seed(0)
    learn = config.Configuration(SMALL).learner()
    search_learning_rate(learn, end_lr=0.1, num_batches=30, runs=2, accumulate=2, extend=True, probe=True)
    curve = learn.recorder.curve
    assert len(curve.runs) == 2 and curve.settings['accumulate'] == 2
    # The loss still falls at `end_lr`, so that the sweep goes on.
    assert curve.settings['extended'] and curve.lrs[-1] > 0.1
    assert len(curve.probes) == 5
    with pytest.raises(TypeError, match=r"search_learning_rate\(\) got an unexpected .* 'run'"):
        search_learning_rate(learn, run=2)
    with pytest.raises(config.ConfigError, match='^runs must be at least 1'):
        search_learning_rate(learn, runs=0)
    with pytest.raises(config.ConfigError, match="^num_batches must be a whole number, got '30'"):
        search_learning_rate(learn, num_batches='30')


@pytest.mark.parametrize('seed', [-1, 2**63, 1.5, True])
def test_the_seed_is_checked_in_python_too(seed):
    before = generators()
    with pytest.raises(config.ConfigError, match=f'^seed must be .* got {seed}'):
        cli.run(SMALL, cli.sweep_settings(EntryPoint(options={})), seed=seed)
    assert generators() == before


def test_an_error_has_no_full_stop_at_its_end(capfd):
    Path('d').mkdir()
    Path('d/report.md').write_text('old')
    assert code('find-lr', 'small.json', '-s', 'd') == 2
    assert capfd.readouterr().err.endswith('pass --force to replace them, or name another directory\n')


def test_a_configuration_given_in_python_is_not_changed(here):
    sys.path.insert(0, str(here))
    given = json.loads(
        json.dumps({**SMALL, 'optimizer': {'class_path': 'torch.optim.SGD', 'init_args': {'lr': 3}}})
    )
    before = json.dumps(given)
    config.Configuration(given).to_yaml()
    assert json.dumps(given) == before


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(config, 'import_module', absent)
    with pytest.raises(config.ConfigError, match=r"pip install 'jsonargparse\[signatures\]'"):
        config.read_config('digits')
    Path('c.jsonnet').write_text('{}')
    with pytest.raises(config.ConfigError, match=r"pip install 'jsonargparse\[jsonnet\]'"):
        config.read_config('c.jsonnet')
