"The command `fastlr`, as a user calls it, in processes of its own; in this one only where something has to be made to fail."
import json, os, re, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest, torch

import fastlr.cli as cli
from fastlr import LRCurve, find_learning_rate_from_args, find_learning_rate_model, search_learning_rate

SMALL = dict(model=dict(class_path='mine.Net', init_args=dict(hidden=16)), data=dict(class_path='mine.data'),
             optimizer=dict(class_path='torch.optim.SGD', init_args=dict(momentum=0.9)), loss=dict(class_path='torch.nn.CrossEntropyLoss'))
MINE = '''
import time, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
class Net(nn.Sequential):
    def __init__(self, hidden: int = 8): super().__init__(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 3))
def data(bs: int = 16, n: int = 320, slow: float = 0., columns: int = 6):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, columns, generator=g); y = (x[:, :3]).argmax(1)
    class Slow(TensorDataset):
        n = 0
        def __getitem__(self, i):
            Slow.n += 1; time.sleep(slow)
            if slow and Slow.n == 160: open('started', 'w').close()
            return super().__getitem__(i)
    return DataLoader(Slow(x, y), bs, shuffle=True), None
def nothing(): raise OSError('no such data')
def quits(hidden=3): raise SystemExit(7)
def loader(): return data()[0]
def untyped(n, bs=16): return data(bs)
class Odd(torch.optim.SGD):
    def __init__(self, parameters, lr=0.1, act=torch.relu, **kwargs): super().__init__(parameters, lr, **kwargs)
'''

@pytest.fixture
def here(tmp_path, monkeypatch):
    "A working directory with a package and a configuration of one's own."
    (tmp_path/'mine.py').write_text(MINE); (tmp_path/'small.json').write_text(json.dumps(SMALL)); monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path)); sys.modules.pop('mine', None)
    yield tmp_path
    sys.modules.pop('mine', None)

def fastlr(*args, **kw):
    command = [str(Path(sys.executable).parent/'fastlr'), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, 'COLUMNS': '80', 'OMP_NUM_THREADS': '1'}, timeout=120, **kw)

def code(*args):
    "Exit code of the real command; what it printed goes to where `capsys` reads."
    p = fastlr(*args); sys.stdout.write(p.stdout); sys.stderr.write(p.stderr)
    return p.returncode

def inside(*args):
    "The same in this process, where things can be made to fail: exit code."
    try: return cli.main(list(map(str, args)))
    except SystemExit as e: return e.code

def files(d): return sorted(p.name for p in Path(d).iterdir())


def test_find_lr_as_a_user_calls_it(here):
    p = fastlr('find-lr', 'small.json', '-s', 'out/a', '--stopping-factor', '4')
    assert p.returncode == 0 and p.stderr == '' and files('out/a') == sorted(cli.FILES)
    curve = LRCurve.load('out/a/curve.json'); s = curve.suggest()
    assert f'Suggested lr: {s.lr:.2E}' in p.stdout and f'{s.one_cycle:.2E}' in p.stdout and 'out/a' in p.stdout and np.array_equal(LRCurve.load('out/a/curve.csv').losses, curve.losses)
    assert curve.lrs[0] == 1e-5 and curve.settings['num_it'] == 100 and curve.settings['stop_div'] == 4
    report = Path('out/a/report.md').read_text()
    assert f'| constant rate | {s.lr:.2e} |' in report and 'Findings' in report and f'torch {torch.__version__}' in report and 'seed: 0' in report
    again = fastlr('find-lr', 'out/a/config.yaml', '-s', 'out/b', '--stopping-factor', '4', '--json')           # what was understood is a configuration itself
    found = json.loads(again.stdout)
    assert again.returncode == 0 and np.array_equal(LRCurve.load('out/b/curve.json').losses, curve.losses) and found['lr'] == s.lr and found['error'] is None and found['directory'] == 'out/b'
    assert Path('out/a/config.yaml').read_text() == Path('out/b/config.yaml').read_text()
    from PIL import Image
    with Image.open('out/a/lr-losses.png') as im: im.load(); assert im.width > 600 and len(im.convert('RGB').getcolors(10**6)) > 20

def test_the_built_in_example_in_its_own_process(here):
    p = fastlr('find-lr', 'digits', '-s', 'runs/digits', '--quiet', '--num-batches', '60')
    assert p.returncode == 0 and p.stdout == p.stderr == '' and files('runs/digits') == sorted(cli.FILES)

def test_seeds_make_runs_the_same_or_not(here):
    losses = []
    for seed in (0, 0, 1): assert code('find-lr', 'small.json', '-s', f'd{len(losses)}', '--seed', seed, '--quiet') == 0; losses.append(LRCurve.load(f'd{len(losses)}/curve.json').losses)
    assert np.array_equal(losses[0], losses[1]) and not np.array_equal(losses[0], losses[2])

@pytest.mark.parametrize('args', [['--help'], ['find-lr', '--help'], ['examples', '--help']])
def test_help_reads_well_at_80_columns_and_needs_no_torch(args, here):
    p = fastlr(*args); assert p.returncode == 0 and p.stderr == '' and max(map(len, p.stdout.splitlines())) <= 80
    if 'find-lr' in args:
        for option in ('-s', '-o', '--start-lr', '--end-lr', '--num-batches', '--stopping-factor', '--linear', '-f', '--include-package', '--runs', '--probe', '--rule', '--device', '--seed', '--quiet', '--json'): assert option in p.stdout
    source = f"import sys; from fastlr.cli import main\ntry: main({args!r})\nexcept SystemExit: print('LOADED', [m for m in ('torch', 'numpy', 'matplotlib', 'jsonargparse') if m in sys.modules])"
    assert "LOADED []" in subprocess.run([sys.executable, '-c', source], capture_output=True, text=True).stdout

def test_argument_errors_need_no_torch_either(here):
    source = "import sys; from fastlr.cli import main\ncodes = [main(a.split()) for a in ('find-lr digits', 'find-lr digits -s d --num-batches 10', 'find-lr digits -s d --start-lr 20', 'find-lr no.yaml -s d', 'find-lr small.json -s d -o {', 'find-lr small.json -s mine.py')]; print(codes, 'torch' in sys.modules)"
    p = subprocess.run([sys.executable, '-c', source], capture_output=True, text=True)
    assert '[2, 2, 2, 2, 2, 2] False' in p.stdout and len(p.stderr.splitlines()) == 6 and files('.') == ['mine.py', 'small.json']


BAD = {'no directory': (['small.json'], '--serialization-dir'), 'ten batches': (['small.json', '-s', 'd', '--num-batches', '10'], '--num-batches'), 'start': (['small.json', '-s', 'd', '--start-lr', '20'], '--end-lr'),
       'negative': (['small.json', '-s', 'd', '--start-lr', '-1'], '--start-lr'), 'factor': (['small.json', '-s', 'd', '--stopping-factor', '0.5'], '--stopping-factor'), 'runs': (['small.json', '-s', 'd', '--runs', '0'], '--runs'),
       'missing': (['no.yaml', '-s', 'd'], 'No such file'), 'ending': (['small.txt', '-s', 'd'], 'must end in'), 'override': (['small.json', '-s', 'd', '-o', '{a}'], '--overrides'), 'list': (['small.json', '-s', 'd', '-o', '[]'], None),
       'object': (['small.json', '-s', 'd', '-o', '[1]'], 'JSON object'), 'class': (['small.json', '-s', 'd', '-o', '{"model.class_path": "mine.Nett"}'], 'mine.Nett'), 'package': (['small.json', '-s', 'd', '--include-package', 'absent'], 'absent'),
       'type': (['small.json', '-s', 'd', '-o', '{"model.init_args.hidden": "many"}'], 'hidden'), 'argument': (['small.json', '-s', 'd', '-o', '{"model.init_args.hiden": 3}'], 'hiden'), 'key': (['small.json', '-s', 'd', '-o', '{"trainer": 1}'], 'trainer'),
       'fit': (['small.json', '-s', 'd', '-o', '{"data.init_args.columns": 5}'], "can't be run"), 'raises': (['small.json', '-s', 'd', '-o', '{"data.class_path": "mine.nothing"}'], 'no such data'), 'device': (['small.json', '-s', 'd', '--device', 'nowhere'], '--device'),
       'untyped': (['small.json', '-s', 'd', '-o', '{"data": {"class_path": "mine.untyped"}}'], "'n' is missing"), 'no dot': (['small.json', '-s', 'd', '-o', '{"model.class_path": "mine"}'], 'with dots'),
       'typo': (['small.json', '-s', 'd', '-o', '{"loss.clas_path": "x"}'], "unknown key 'clas_path'"),
       'list of arguments': (['small.json', '-s', 'd', '-o', '{"model.init_args": [4]}'], 'must be a mapping'), 'broken package': (['small.json', '-s', 'd', '--include-package', 'broken'], 'NameError'),
       'broken module': (['small.json', '-s', 'd', '-o', '{"model.class_path": "broken.X"}'], 'NameError'), 'quits': (['small.json', '-s', 'd', '-o', '{"model.class_path": "mine.quits"}'], 'SystemExit'),
       'seed': (['small.json', '-s', 'd', '--seed', '99999999999999999999'], '--seed'), 'both wd': (['small.json', '-s', 'd', '-o', '{"training.wd": 0.1, "optimizer.init_args.weight_decay": 0.1}'], 'leave one of them out'),
       'link': (['small.json', '-s', 'dangling'], 'link to nowhere'),
       'training': (['small.json', '-s', 'd', '-o', '{"training.precision": "fp8"}'], 'precision'), 'unknown training': (['small.json', '-s', 'd', '-o', '{"training.clipp": 1}'], 'clipp'), 'a file': (['small.json', '-s', 'mine.py'], 'is a file'),
       'below a file': (['small.json', '-s', 'mine.py/d'], "can't be written"), 'sources': (['small.json', '-s', '.', '-f'], 'no result of ours')}

@pytest.mark.parametrize('case', [k for k in BAD if BAD[k][1]])
def test_bad_input_is_one_clear_line_and_nothing_is_written(case, here):
    args, words = BAD[case]
    Path('broken.py').write_text('undefined_name'); Path('dangling').symlink_to('/no/such/place')
    p = fastlr('find-lr', *args)
    assert p.returncode == 2 and p.stdout == '' and p.stderr.startswith('fastlr: error: ') and words in p.stderr and len(p.stderr.splitlines()) == 1
    assert [f for f in files('.') if f != '__pycache__'] == ['broken.py', 'dangling', 'mine.py', 'small.json']

def test_debug_shows_where_an_error_comes_from(here, capsys): assert code('find-lr', 'no.yaml', '-s', 'd', '--debug') == 2 and 'Traceback' in capsys.readouterr().err

@pytest.mark.parametrize('args', [['find-lr'], ['find-lr', 'digits', '--rule', 'best'], ['find-lr', 'digits', '--start-lr', 'low'], ['fnd-lr'], ['examples', 'cats']])
def test_what_the_parser_refuses(args, here, capsys): assert code(*args) == 2 and capsys.readouterr().err.startswith('usage:')

def test_no_honest_suggestion(here, capsys):
    p = fastlr('find-lr', 'small.json', '-s', 'd', '--start-lr', '1e-9', '--end-lr', '1e-8')
    assert p.returncode == 1 and 'no suggestion' in p.stderr and '--start-lr' in p.stderr and 'start_lr' not in p.stderr + p.stdout and files('d') == sorted(cli.FILES) and 'No suggestion' in Path('d/report.md').read_text() and '| constant rate | none |' in Path('d/report.md').read_text()
    assert code('find-lr', 'small.json', '-s', 'e', '--start-lr', '1e-9', '--end-lr', '1e-8', '--json') == 1
    assert json.loads(capsys.readouterr().out)['lr'] is None

def test_ctrl_c_writes_the_curve_so_far(here):
    command = [str(Path(sys.executable).parent/'fastlr'), 'find-lr', 'small.json', '-s', 'd', '-o', '{"data.init_args.slow": 0.01}']
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    for _ in range(1000):                               # until ten batches are through; a sweep takes 100 x 16 x 0.01 = 16 seconds
        if Path('started').exists(): break
        time.sleep(0.1)
    p.send_signal(signal.SIGINT); out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and 'interrupted' in err
    curve = LRCurve.load('d/curve.json'); assert curve.stop_reason == 'interrupted' and 0 < len(curve) < 100 and files('d') == sorted(cli.FILES if len(curve) > 1 else set(cli.FILES) - {'lr-losses.png'})

def test_results_are_replaced_only_if_they_are_ours(here, capsys):
    assert code('find-lr', 'small.json', '-s', 'd', '--quiet') == 0
    first = Path('d/curve.json').read_text()
    assert code('find-lr', 'small.json', '-s', 'd', '--seed', '1') == 2 and '--force' in capsys.readouterr().err and Path('d/curve.json').read_text() == first
    assert code('find-lr', 'small.json', '-s', 'd', '--seed', '1', '-f', '-o', '{"model.init_args.hidden": "x"}') == 2 and Path('d/curve.json').read_text() == first         # not before the configuration was checked
    assert code('find-lr', 'small.json', '-s', 'd', '--seed', '1', '-f', '--quiet') == 0 and Path('d/curve.json').read_text() != first
    Path('d/notes.txt').write_text('mine'); capsys.readouterr()
    assert code('find-lr', 'small.json', '-s', 'd', '-f') == 2 and 'notes.txt' in capsys.readouterr().err
    Path('empty').mkdir(); assert code('find-lr', 'small.json', '-s', 'empty', '--quiet') == 0

def test_no_half_file_when_writing_fails(here, monkeypatch, capsys):
    assert inside('find-lr', 'small.json', '-s', 'd', '--quiet') == 0
    before = {f: (Path('d')/f).read_bytes() for f in files('d')}
    def full(*args, **kw): raise OSError(28, 'No space left on device')
    with monkeypatch.context() as m:
        m.setattr('matplotlib.figure.Figure.savefig', full)
        assert inside('find-lr', 'small.json', '-s', 'd', '-f', '--seed', '1') == 2 and 'No space left' in capsys.readouterr().err
    assert before == {f: (Path('d')/f).read_bytes() for f in files('d')}                  # all of the old ones
    import fastlr.curve as curve
    with monkeypatch.context() as m:
        m.setattr(curve.os, 'replace', full)
        assert inside('find-lr', 'small.json', '-s', 'd', '-f', '--seed', '1') == 2 and 'No space left' in capsys.readouterr().err
    assert before == {f: (Path('d')/f).read_bytes() for f in files('d')}

WRITTEN = {'yaml': "model: {class_path: mine.Net, init_args: {hidden: 16}}\ndata: {class_path: mine.data}\noptimizer: {class_path: torch.optim.SGD, init_args: {momentum: 0.9}}\nloss: {class_path: torch.nn.CrossEntropyLoss}\n",
           'jsonnet': 'local part(path, args={}) = {class_path: path, init_args: args};\n{model: part("mine.Net", {hidden: 8*2}), data: part("mine.data"), optimizer: part("torch.optim.SGD", {momentum: 0.9}), loss: part("torch.nn.CrossEntropyLoss")}',
           'toml': '[model]\nclass_path = "mine.Net"\ninit_args.hidden = 16\n[data]\nclass_path = "mine.data"\n[optimizer]\nclass_path = "torch.optim.SGD"\ninit_args.momentum = 0.9\n[loss]\nclass_path = "torch.nn.CrossEntropyLoss"\n', 'json': json.dumps(SMALL)}

@pytest.mark.parametrize('kind', WRITTEN)
def test_four_kinds_of_files_mean_the_same(kind, here, capsys):
    Path(f'c.{kind}').write_text(WRITTEN[kind])
    assert code('find-lr', f'c.{kind}', '--print_config', '--include-package', 'mine') == 0
    printed = capsys.readouterr().out; Path('p.yaml').write_text(printed)
    assert code('find-lr', 'small.json', '--print-config') == 0 and capsys.readouterr().out == printed
    assert 'hidden: 16' in printed and 'momentum: 0.9' in printed and 'slow: 0.0' in printed                  # the defaults too
    Path(f'broken.{kind}').write_text('[{"a": '); assert code('find-lr', f'broken.{kind}', '-s', 'd') == 2 and 'no valid' in capsys.readouterr().err

def test_training_settings_take_part(here):
    run = lambda name, settings: (code('find-lr', 'small.json', '-s', name, '--quiet', '--end-lr', '0.1', '-o', json.dumps({'training': settings})), LRCurve.load(f'{name}/curve.json'))[1]
    plain, gathered, clipped, half = run('a', {}), run('b', {'accumulate': 2}), run('c', {'clip': 0.01}), run('d', {'precision': 'bf16'})
    assert gathered.settings['accumulate'] == 2 and not np.array_equal(plain.losses, clipped.losses) and not np.array_equal(plain.losses, half.losses) and np.allclose(plain.losses[:20], half.losses[:20], rtol=0.05)

def test_further_options(here, capsys):
    assert code('find-lr', 'small.json', '-s', 'd', '--runs', '3', '--probe', '--linear', '--start-lr', '0.001', '--end-lr', '1', '--rule', 'steep') in (0, 1)
    curve = LRCurve.load('d/curve.json'); assert len(curve.runs) == 3 and np.allclose(np.diff(curve.lrs), curve.lrs[1]-curve.lrs[0]) and 'rule: steep' in Path('d/report.md').read_text()

def test_examples(capsys):
    assert code('examples') == 0; listed = capsys.readouterr().out
    assert [l.split(':')[0] for l in listed.splitlines()] == list(cli.EXAMPLES)
    for name in cli.EXAMPLES:
        assert code('examples', name) == 0; printed = capsys.readouterr().out
        learn, _ = cli.learner_from(cli.read_config(name)); assert printed == cli.EXAMPLES[name] and learn.lr_find(num_it=12, silent=True).lrs[0] == 1e-7

def test_in_python(here):
    find_learning_rate_model('small.json', 'a', start_lr=1e-4, end_lr=1., num_batches=20, linear_steps=True)
    curve = LRCurve.load('a/curve.json'); assert len(curve) == 20 and curve.settings['mode'] == 'linear' and curve.lrs[-1] == 1
    with pytest.raises(cli.ConfigError, match='--force'): find_learning_rate_model(SMALL, 'a')
    find_learning_rate_model(SMALL, 'a', force=True); assert len(LRCurve.load('a/curve.json')) == 100
    learn, _ = cli.learner_from(SMALL); before = [p.detach().clone() for p in learn.model.parameters()]
    rates, losses = search_learning_rate(learn, num_batches=15)
    assert len(rates) == len(losses) == 15 and type(rates) is type(losses) is list and all(torch.equal(a, b) for a, b in zip(before, learn.model.parameters()))
    with pytest.raises(cli.ConfigError, match='above 10'): search_learning_rate(learn, num_batches=10)
    assert find_learning_rate_from_args(cli.parser().parse_args(['find-lr', 'small.json', '-s', 'b', '--quiet'])) == 0

def test_rules_of_the_command_are_those_of_the_library():
    from fastlr.suggest import RULES
    assert tuple(RULES) == cli.RULES


# found by a sceptic

def losses_of(name, *args): assert code('find-lr', 'small.json', '-s', name, '--quiet', *args) in (0, 1); return LRCurve.load(f'{name}/curve.json').losses

def test_weight_decay_takes_part(here):
    plain, wd, own = losses_of('a'), losses_of('b', '-o', '{"training.wd": 5.0}'), losses_of('c', '-o', '{"optimizer.init_args.weight_decay": 5.0}')
    assert np.array_equal(wd, own) and not np.array_equal(plain, wd)

def test_what_appears_meanwhile_is_not_overwritten(here, monkeypatch, capsys):
    search = cli.search_learning_rate
    monkeypatch.setattr(cli, 'search_learning_rate', lambda *a, **k: (search(*a, **k), Path('d').mkdir(), Path('d/report.md').write_text('mine')))
    assert inside('find-lr', 'small.json', '-s', 'd') == 2 and Path('d/report.md').read_text() == 'mine' and files('d') == ['report.md']

def test_odd_optimizers_and_lone_loaders(here):
    assert len(losses_of('a', '-o', '{"optimizer.class_path": "mine.Odd", "data.class_path": "mine.loader"}')) == 100
    assert 'relu' not in Path('a/config.yaml').read_text()
    assert code('find-lr', 'a/config.yaml', '-s', 'b', '--quiet') in (0, 1) and np.array_equal(LRCurve.load('b/curve.json').losses, LRCurve.load('a/curve.json').losses)

def test_jsonnet_imports_from_its_own_place(here, capsys):
    Path('sub').mkdir(); Path('sub/part.libsonnet').write_text(json.dumps(SMALL)); Path('sub/c.jsonnet').write_text("(import 'part.libsonnet') + {training: {clip: 1.0}}")
    assert code('find-lr', 'sub/c.jsonnet', '--print-config') == 0 and 'clip: 1.0' in capsys.readouterr().out

def test_what_a_killed_process_left_does_not_block(here):
    losses_of('d'); Path('d/.curve.json.99.part').write_text('half'); losses_of('d', '-f'); assert files('d') == sorted(cli.FILES)
    Path('e').mkdir(); (Path('e')/'curve.json').mkdir(); assert code('find-lr', 'small.json', '-s', 'e', '-f') == 2

def test_no_picture_no_link(here):
    assert code('find-lr', 'small.json', '-s', 'd', '--quiet', '-o', '{"loss": {"class_path": "mine.Nan"}}') == 2                 # no such class
    Path('nan.py').write_text("import torch\nclass Nan(torch.nn.Module):\n    def forward(self, out, y): return out.sum()*float('nan')\n")
    assert code('find-lr', 'small.json', '-s', 'd', '--quiet', '-o', '{"loss": {"class_path": "nan.Nan"}}') == 1 and 'lr-losses.png' not in Path('d/report.md').read_text() + str(files('d'))

def test_numbers_are_checked_in_python_too(here):
    with pytest.raises(cli.ConfigError, match='--end-lr'): find_learning_rate_model(SMALL, 'a', start_lr=1., end_lr=0.1)

def test_a_loss_function_by_its_own_name(here): assert np.array_equal(losses_of('a', '-o', '{"loss": {"class_path": "torch.nn.functional.cross_entropy"}}'), losses_of('b'))

def test_modules_beside_the_file(here, monkeypatch):
    Path('sub').mkdir(); Path('mine.py').rename('sub/mine.py'); Path('small.json').rename('sub/small.json')
    p = fastlr('find-lr', 'sub/small.json', '-s', 'd', '--quiet'); assert p.returncode == 0 and p.stderr == ''

def test_exit_codes_are_in_the_help(capsys): assert code('find-lr', '--help') == 0 and 'Exit codes' in capsys.readouterr().out


def test_findings_name_the_remedy_of_the_command_line():
    "For `lr_find` it is `runs=5`, for an `LRSweep` the median of several; here it is an option."
    curve = LRCurve(10**np.linspace(-6, 0.5, 100), np.random.default_rng(0).normal(0.1, 0.02, 100))
    assert 'runs=5, or the `LRCurve.median`' in curve.findings[0]
    error = cli.answer(curve)['error']
    assert '(--runs 5)' in error and '--end-lr' in error and 'LRCurve' not in error


def test_the_table_of_the_notebook_has_the_fields_of_json():
    table = re.findall(r'^    "\| `(\w+)` \|', (Path(__file__).parent.parent/'nbs'/'20_cli.ipynb').read_text(), re.M)
    found = cli.answer(LRCurve([1e-3, 1e-2], [2., 1.]))
    assert set(table) == {*found, 'directory'}
