"""What stood in the way of people who used the command `fastlr` for the first time."""

import json
import re
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from test_cli import SHORT, SMALL, TYPED, TYPED_MODEL, check_error, code, files, here, strict, undrawn

from fastlr import LRCurve, find_lr, results
from fastlr.compat.allennlp import find_learning_rate_model
from fastlr.class_path import ConfigError, load_object
from fastlr.config import Configuration, read_config
from fastlr.advice import did_you_mean
from fastlr.findings import _are_rising_shares
from fastlr.parser import parser

# Fixtures are used by their names.
assert here and undrawn

CUT = """
import os
import signal
from torch import nn

class Cut(nn.CrossEntropyLoss):
    "Sends Ctrl-C when the loss is computed for the `at`th time. Range tests don't restore what is in a file."
    def __init__(self, at: int):
        super().__init__()
        self.at = at

    def forward(self, *args):
        with open('calls', 'a') as f:
            f.write('.')
        if os.path.getsize('calls') == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return super().forward(*args)
"""

# Options, the call that is interrupted, where that is, what the answer rests on, and the number of points.
INTERRUPTED = {
    'sweep': (
        [],
        18,
        'the range test, after 17 of 25 updates',
        'everything rests on the 17 points before',
        17,
    ),
    'few points': (
        [],
        4,
        'the range test, after 3 of 25 updates',
        'everything rests on the 3 points before',
        3,
    ),
    'first': ([], 1, 'the range test, before its first update', 'nothing was measured before', 0),
    'second run': (
        ['--runs', '3'],
        25 + 10,
        'range test 2 of 3, after 9 of 25 updates',
        'the answer is that of the one run before',
        25,
    ),
    'third run': (
        ['--runs', '3'],
        50 + 1,
        'range test 3 of 3, before its first update',
        'the answer is that of the 2 runs before',
        25,
    ),
    'probe': (
        ['--probe', 'always'],
        25 + 60 + 12,
        'probe 2 of 5, after 11 of 60 updates',
        'the answer is that of the sweep alone, of 25 updates',
        25,
    ),
}


def cut(at, *args):
    "Run a range test of 25 updates that is interrupted when it computes its loss for the `at`th time."
    Path('cut.py').write_text(CUT)
    Path('calls').unlink(missing_ok=True)
    loss = json.dumps({'loss': {'class_path': 'cut.Cut', 'init_args': {'at': at}}})
    return code('find-lr', 'small.json', '--num-batches', '25', '-o', loss, *args)


@pytest.mark.parametrize('case', INTERRUPTED)
def test_the_report_says_where_it_was_interrupted(case, undrawn, capfd):
    options, at, *expected = INTERRUPTED[case]
    place, basis, points = expected
    assert cut(at, '-s', 'd', *options) == 130
    out, err = capfd.readouterr()
    assert err.endswith('fastlr: interrupted\n')
    sentence = re.search('^Unfinished. (.*)', out)[1]
    assert sentence.startswith(f'Interrupted in {place}: ')
    assert basis in sentence
    report = Path('d/report.md').read_text()
    assert report.splitlines()[2] == f'**Unfinished.** {sentence}'
    assert 'Nothing is unusual' not in report and report.count('nterrupted in') == 1
    curve = LRCurve.load('d/curve.csv')
    assert curve.findings[0] == sentence and curve.findings[0].code == 'interrupted'
    assert len(curve) == points


@pytest.mark.parametrize('case', INTERRUPTED)
def test_what_was_measured_is_printed_where_nothing_is_written(case, capfd):
    options, at, place = INTERRUPTED[case][:3]
    points = INTERRUPTED[case][-1]
    assert cut(at, *options, '--probe', 'always') == 130
    out, err = capfd.readouterr()
    assert re.search('^Unfinished. (.*)', out, re.M)[1].startswith(f'Interrupted in {place}: ')
    assert ('Suggested lr' in out) == ('no suggestion' not in err)
    assert points > 9 or 'no suggestion' in err
    # It is CSV, which can be loaded again.
    table = out.partition('What was measured:\n')[2].partition('Unfinished')[0]
    Path('table.csv').write_text(table)
    assert not points or len(LRCurve.load('table.csv')) == points
    assert cut(at, *options, '--probe', 'always', '--json') == 130
    found = strict(capfd.readouterr().out)
    assert found['interrupted'].startswith(f'Interrupted in {place}: ')
    assert len(found['measured']) == found['points'] == points
    assert (found['lr'] is None) == (found['error'] is not None)
    assert not [
        f
        for f in files('.')
        if f not in ('__pycache__', 'calls', 'cut.py', 'mine.py', 'small.json', 'table.csv')
    ]


def test_an_interruption_before_the_first_sweep_prints_one_line(capfd):
    Path('early.py').write_text('def data():\n    raise KeyboardInterrupt\n')
    args = 'find-lr', 'small.json', '-o', '{"data.class_path": "early.data"}'
    for options in ([], ['--json'], ['-s', 'd']):
        assert code(*args, *options) == 130
        assert capfd.readouterr() == ('', 'fastlr: interrupted before anything was measured\n')
    assert not Path('d').exists()


def test_in_python_ctrl_c_in_a_sweep_goes_on_to_the_caller(here, undrawn, monkeypatch):
    monkeypatch.syspath_prepend(here)
    Path('cut.py').write_text(CUT)
    loss = {'class_path': 'cut.Cut', 'init_args': {'at': 9}}
    with pytest.raises(KeyboardInterrupt):
        find_learning_rate_model({**SMALL, 'loss': loss}, 'd', num_batches=25)
    assert 'after 8 of 25 updates' in Path('d/report.md').read_text()


def test_a_range_test_that_goes_on_after_ctrl_c_has_no_note(here, monkeypatch):
    "An answer of the same learner that is complete isn't called unfinished."
    monkeypatch.syspath_prepend(here)
    learn = Configuration(SMALL).learner()
    stop = torch.optim.Optimizer.register_step_post_hook

    def raise_at_once(*args):
        raise KeyboardInterrupt

    learn.create_opt(0.1)
    hook = stop(learn.opt.opt, raise_at_once)
    with pytest.raises(KeyboardInterrupt):
        learn.lr_find(num_it=25, silent=True)
    assert learn.recorder.curve.findings[0].startswith('Interrupted in the range test, ')
    hook.remove()
    assert 'interrupted' not in [f.code for f in learn.lr_find(num_it=25, silent=True).findings]


RATES = np.geomspace(1e-5, 10, 100)
NOISE = np.random.default_rng(0).normal(0, 0.02, 100)
# Curves without a suggestion, by the rule that gives none.
WITHOUT = {
    'flat': (LRCurve(RATES, 2.3 + NOISE), 'auto'),
    'constant': (LRCurve(RATES, [2.0] * 100), 'auto'),
    'few points': (LRCurve(RATES[:5], 2.3 + NOISE[:5]), 'auto'),
    'no points': (LRCurve([], [], stop_reason='non-finite'), 'auto'),
    'without data': (LRCurve(RATES[:12], 2.3 + NOISE[:12], stop_reason='data'), 'auto'),
    'interrupted': (LRCurve(RATES[:12], 2.3 + NOISE[:12], stop_reason='interrupted'), 'auto'),
    'another rule': (LRCurve(RATES, 2.3 + NOISE), 'valley'),
}


@pytest.mark.parametrize('case', WITHOUT)
def test_no_suggestion_has_a_reason_and_the_curve_is_not_called_usual(case):
    curve, rule = WITHOUT[case]
    found = results.answer(curve, rule)
    text = results.report(case, curve, found, {})
    assert f"No suggestion: {found['error']}" in text
    assert len(found['error']) > 30
    assert 'Nothing is unusual' not in text and 'as usual' not in text
    # The reason isn't said again as a finding.
    findings = text.partition('## Findings')[2].partition('##')[0]
    assert found['error'] not in findings
    assert not any(f in found['error'] for f in found['findings'])


# What is overridden, the arguments that the new class gets, and those that are left out.
SWAPS = {
    'kept and left out': (
        {'optimizer.class_path': 'torch.optim.AdamW'},
        'optimizer',
        {'weight_decay': 0.1},
        'momentum=0.9, which it has no argument for, is left out',
    ),
    'nested': (
        {'optimizer': {'class_path': 'torch.optim.Adam', 'init_args': {'eps': 0.5}}},
        'optimizer',
        {'weight_decay': 0.1, 'eps': 0.5},
        'momentum=0.9',
    ),
    'arguments first': (
        {'optimizer.init_args.momentum': 0.5, 'optimizer.class_path': 'torch.optim.RMSprop'},
        'optimizer',
        {'momentum': 0.5, 'weight_decay': 0.1},
        None,
    ),
    'several': (
        {'optimizer.class_path': 'torch.optim.Rprop'},
        'optimizer',
        {},
        'momentum=0.9, weight_decay=0.1, which it has no arguments for, are left out',
    ),
    'the same class': (
        {'optimizer.class_path': 'torch.optim.SGD'},
        'optimizer',
        {'momentum': 0.9, 'weight_decay': 0.1},
        None,
    ),
    'a function': ({'data.class_path': 'mine.loader'}, 'data', {}, 'bs=8'),
    'a loss': (
        {'loss.class_path': 'torch.nn.functional.cross_entropy'},
        'loss',
        {'label_smoothing': 0.1},
        None,
    ),
}

SWAPPED = {
    **SMALL,
    'data': {'class_path': 'mine.data', 'init_args': {'bs': 8}},
    'optimizer': {
        'class_path': 'torch.optim.SGD',
        'init_args': {'momentum': 0.9, 'weight_decay': 0.1, 'lr': 1},
    },
    'loss': {'class_path': 'torch.nn.CrossEntropyLoss', 'init_args': {'label_smoothing': 0.1}},
}


@pytest.mark.parametrize('case', SWAPS)
def test_a_class_in_the_place_of_another_gets_the_arguments_that_fit(case, capfd):
    overrides, part, *expected = SWAPS[case]
    arguments, left_out = expected
    Path('c.yaml').write_text(yaml.safe_dump(SWAPPED))
    args = 'find-lr', 'c.yaml', '-o', json.dumps(overrides), '--print-config'
    assert code(*args) == 0
    out, err = capfd.readouterr()
    printed = yaml.safe_load(out)[part].get('init_args', {})
    assert {k: printed[k] for k in arguments} == arguments
    assert (err == '') == (left_out is None)
    if left_out:
        assert err.startswith(f'Note: {part}: {yaml.safe_load(out)[part]["class_path"]} is in the place of ')
        assert left_out in err and 'lr=1' not in err and len(err.splitlines()) == 1
    assert code(*args, '--quiet') == 0
    assert capfd.readouterr() == (out, '')


def test_a_class_inside_of_another_can_be_swapped(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    Path('typed.py').write_text(TYPED)
    Path('typed.json').write_text(json.dumps({**SMALL, 'model': TYPED_MODEL}))
    changes = {'model.init_args.act.class_path': 'torch.nn.ReLU', 'model.init_args.size.width': 7}
    configuration = Configuration(read_config('typed.json', json.dumps(changes)))
    assert isinstance(configuration.make('model')[1], torch.nn.ReLU)
    assert configuration.make('model')[0].out_features == 7
    (note,) = configuration.notes
    assert note.startswith('model.init_args.act: torch.nn.ReLU is in the place of torch.nn.LeakyReLU; ')


def test_a_swapped_class_trains(undrawn):
    changes = {'optimizer.class_path': 'torch.optim.Adam'}
    assert code('find-lr', 'small.json', '-s', 'd', *SHORT, '-o', json.dumps(changes)) in (0, 1)
    assert 'torch.optim.Adam\n' in Path('d/config.yaml').read_text()


@pytest.mark.parametrize('place', ['-o', '--include-package'])
def test_what_cannot_be_imported_is_named_with_the_places_and_a_remedy(place, here, capfd):
    Path('sub').mkdir()
    Path('small.json').rename('sub/small.json')
    Path('broken.py').write_text('import math\n\n1/0\n')
    Path('needs.py').write_text('import nowhere\n')

    def err(module):
        value = json.dumps({'model.class_path': f'{module}.Net'}) if place == '-o' else module
        assert code('find-lr', 'sub/small.json', place, value) == 2
        out, err = capfd.readouterr()
        check_error(out, err, "can't be imported: ")
        assert '--include-package imports further' not in err
        return err

    absent = err('absent')
    assert f"there is no module 'absent' in '{here}' or '{here}/sub', and none is installed; " in absent
    remedy = "start in the directory that holds 'absent', add that directory to PYTHONPATH, or install"
    assert absent.endswith(f'; {remedy} the package\n')
    assert err('mine.nets').endswith("there is no module 'nets' in 'mine' (" + f'{here}/mine.py)\n')
    assert f"the module 'broken' ({here}/broken.py) raises: ZeroDivisionError: " in err('broken')
    assert '(broken.py, line 3); --debug shows the whole traceback\n' in err('broken')
    assert "raises: ModuleNotFoundError: No module named 'nowhere' (needs.py, line 1); start in the" in err(
        'needs'
    )


# Paths of classes that are wrong, and the end of the message.
PATHS = {
    'mine.py:Net': "did you mean 'mine.Net'?",
    'mine.py.Net': "did you mean 'mine.Net'?",
    './mine.Net': "did you mean 'mine.Net'?",
    'mine.Net.build': "did you mean 'mine.Net'?",
    'mine.net': "did you mean 'Net'?",
    'mine.Model': 'it defines Net, Slow, data, loader, untyped, drawn, nothing, quits, Odd',
    'Adam': "did you mean 'torch.optim.Adam'?",
    'crossentropyloss': "did you mean 'torch.nn.CrossEntropyLoss'?",
    'Net': "must be a path with dots, such as package.Class, got 'Net'",
    'torch.optim.Adan': "did you mean 'Adam'?",
    'torch.nn.CrossEntropy': "did you mean 'CrossEntropyLoss'?",
    'torch.nn.functional.crossentropy': "did you mean 'cross_entropy'?",
    'torch.optm.Adam': "there is no module 'optm' in 'torch'; did you mean 'optim'?",
    'troch.optim.Adam': "did you mean 'torch'?",
}


@pytest.mark.parametrize('path', PATHS)
def test_paths_of_classes_that_are_nearly_right(path, here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    with pytest.raises(ValueError, match=f'{re.escape(PATHS[path])}$'):
        Configuration({**SMALL, 'model': {'class_path': path}})


# Keys that other tools have, and ours.
KEYS = {
    '{"model": {"_target_": "mine.Net"}}': 'class_path',
    '{"model.args": {}}': 'init_args',
    '{"model.init-args": {}}': 'init_args',
    '{"model.classpath": "mine.Net"}': 'class_path',
    '{"criterion": 3}': 'loss',
    '{"optim": 3}': 'optimizer',
    '{"datamodule": 3}': 'data',
    '{"net": 3}': 'model',
    '{"Model": 3}': 'model',
    '{"training.gradient_clip_val": 3}': 'clip',
    '{"training.weight_decay": 3}': 'wd',
    '{"training.accumulat": 3}': 'accumulate',
    '{"trainer": 3}': None,
    '{"scheduler": 3}': None,
    '{"training.epochs": 3}': None,
}


@pytest.mark.parametrize('overrides', KEYS)
def test_keys_of_other_tools(overrides):
    with pytest.raises(ValueError, match='has the unknown key') as e:
        Configuration(read_config('small.json', overrides))
    near = re.findall(r"did you mean '(\w+)'\?$", str(e.value))
    assert near == ([KEYS[overrides]] if KEYS[overrides] else [])


# Overrides in another form, and the end of the message.
FORMS = {
    'model.init_args.hidden=64': """did you mean '{"model.init_args.hidden": 64}'?""",
    'loss.class_path=mine.loss': """did you mean '{"loss.class_path": "mine.loss"}'?""",
    'data.init_args.bs = 3': """data.init_args.bs = 3'""",
    '{"data": "mine.data"}': 'did you mean {class_path: mine.data}?',
    '{"loss": "mse"}': "got 'mse'",
    '{"model.hidden": 64}': "if 'hidden' is an argument, it belongs into init_args",
}


@pytest.mark.parametrize('overrides', FORMS)
def test_overrides_in_another_form(overrides, capfd):
    assert code('find-lr', 'small.json', '-o', overrides) == 2
    assert capfd.readouterr().err.endswith(f'{FORMS[overrides]}\n')


ALL = '`fastlr find-lr --help` lists all options'
# Options that don't exist, and the end of the message: the right one, or none.
OPTIONS = {
    '--start_lr --startlr --lr-start --Start-LR': "did you mean '--start-lr'?",
    '--min-lr --min_lr --lr-min --trainer.min_lr': 'here it is called --start-lr',
    '--max-lr --lr-max': 'here it is called --end-lr',
    '--num_batches --numbatches --batches-num --num-batchs -num-batches': "did you mean '--num-batches'?",
    '--num-it --num-iter --num-training --n-batches --epochs --trainer.max_epochs': '--num-batches',
    '--batchs --bathces': "did you mean '--batches'?",
    '--batch-size --bs': '-o \'{"data.init_args.bs": 64}\'',
    '--stopping_factor --stoping-factor': "did you mean '--stopping-factor'?",
    '--stop-div --early-stop-threshold --diverge_th': 'here it is called --stopping-factor',
    '--liner --linear-steps': "did you mean '--linear'?",
    '--mode --step-mode --exp': 'or with --linear by equal steps',
    '--serialisation-dir --serialization_dir': "did you mean '--serialization-dir'?",
    '--out --output-dir --save --logdir --trainer.default_root_dir': 'called -s, or --serialization-dir',
    '--overide --overrride': "did you mean '--overrides'?",
    '--forced --force-overwrite -force': "did you mean '--force'?",
    '--package --include_package': "did you mean '--include-package'?",
    '--sede --random-seed --seed-everything -seed': "did you mean '--seed'?",
    '--probes --prob-e': "did you mean '--probe'?",
    '--no-probe --no-probes': 'here it is --probe never',
    '--rules --ruel': "did you mean '--rule'?",
    '--gpu --gpus --cpu --accelerator --trainer.devices': '--device cuda, or --device cpu',
    '--cuda-device': "did you mean '--device'?",
    '--quite --quiett': "did you mean '--quiet'?",
    '--silent --file-friendly-logging': 'here it is called --quiet',
    '--jsn --json-output': "did you mean '--json'?",
    '--printconfig': "did you mean '--print-config'?",
    '--dry-run': '--print-config checks CONFIG, and trains nothing',
    '--dubug --debgu': "did you mean '--debug'?",
    '--verbose -v --traceback': '--debug shows the whole traceback of an error',
    '--recover --resume --ckpt_path': 'nothing is resumed, and no checkpoint is read',
    '--config -c': 'CONFIG has no option: fastlr find-lr CONFIG',
    '--lr --learning-rate --optimizer.lr': 'what is looked for, from --start-lr to --end-lr',
    '--model --model.class_path': '-o \'{"model.class_path": VALUE}\'',
    '--model.hidden --model.init_args.hidden': '-o \'{"model.init_args.hidden": VALUE}\'',
    '--training.clip --gradient-clip-val --trainer.gradient_clip_val': '-o \'{"training.clip": VALUE}\'',
    '--weight-decay --wd': '-o \'{"training.wd": VALUE}\'',
    '--accumulate-grad-batches --trainer.accumulate_grad_batches': '-o \'{"training.accumulate": VALUE}\'',
    '--version': 'leave out find-lr: `fastlr --version`',
    '--warmup --trainer.max_time --optimize --trainer.strategy --probe-lr -x --x': ALL,
    '--num --batch --run --override --devic --seed': 'ACCEPTED',
}


@pytest.mark.parametrize('options', OPTIONS)
def test_the_option_that_is_named_is_the_right_one_or_none(options, capfd):
    expected = OPTIONS[options]
    for option in options.split():
        with pytest.raises(SystemExit):
            parser().parse_args(['find-lr', 'digits', option, '3', '--end-lr', 'x'])
        said = capfd.readouterr().err.splitlines()[-1]
        accepted = "argument --end-lr: invalid float value: 'x'" in said
        assert accepted if expected == 'ACCEPTED' else said.endswith(expected), (option, said)


COMMANDS = {
    'findlr find_lr lr-find lr_find find fnd-lr find-lrs': "did you mean 'find-lr'?",
    'example exmaples': "did you mean 'examples'?",
    'digits small.yaml runs/c.jsonnet': "did you mean 'find-lr {}'?",
    'help version': "did you mean '--{}'?",
    'fit train evaluate tune config find-learning-rate test-install': "must be find-lr or examples, got '{}'",
}


@pytest.mark.parametrize('words', COMMANDS)
def test_the_command_that_is_named_is_the_right_one_or_none(words, capfd):
    for word in words.split():
        with pytest.raises(SystemExit):
            parser().parse_args([word, 'digits'])
        assert capfd.readouterr().err.endswith(f'{COMMANDS[words].format(word)}\n')


def test_a_guess_is_near():
    assert did_you_mean('', ['a', 'b'], or_all=False) == ''
    assert did_you_mean('sdg', ['SGD', 'Adam'], or_all=False) == "did you mean 'SGD'?"
    assert did_you_mean('bf15', ['fp16', 'bf16'], or_all=False) == "did you mean 'bf16'?"
    # Two that begin so are no answer.
    assert did_you_mean('batch', ['batch_size', 'batch_norm'], or_all=False) == ''
    assert did_you_mean('xyz', ['auto', 'steep']) == 'choose from auto, steep'


RAISES = """
import torch

def helper(x):
    raise RuntimeError('what a\\nmistake')

class AtOnce(torch.nn.Linear):
    def __init__(self):
        helper(3)

class Later(torch.nn.Linear):
    def __init__(self):
        super().__init__(6, 3)
    def forward(self, x):
        return helper(x)

class Exits(torch.nn.Linear):
    def __init__(self):
        raise SystemExit('what a mistake')
"""


@pytest.mark.parametrize('name', ['AtOnce', 'Later', 'Exits'])
def test_an_error_of_ones_own_code_says_how_to_see_the_traceback(name, capfd):
    Path('raises.py').write_text(RAISES)
    Path('raises.json').write_text(json.dumps({**SMALL, 'model': {'class_path': f'raises.{name}'}}))
    args = 'find-lr', 'raises.json'
    assert code(*args) == 2
    line = 19 if name == 'Exits' else 5
    words = f'what a mistake (raises.py, line {line}); --debug shows the whole traceback\n'
    check_error(*capfd.readouterr(), words)
    assert code(*args, '--debug') == 2
    err = capfd.readouterr().err
    assert 'Traceback' in err and f'raises.py", line {line}' in err
    assert err.endswith(f'what a mistake (raises.py, line {line})\n')


def test_an_error_of_the_configuration_has_no_traceback_to_see(capfd):
    for args in (
        ['no.yaml'],
        ['small.json', '-o', '{"model.init_args.hiden": 3}'],
        ['small.json', '--runs', '0'],
    ):
        assert code('find-lr', *args) == 2
        assert '--debug' not in capfd.readouterr().err


# A file of the time in which the other fields were in a column.
WITH_METADATA = '''\
lr,loss,lr_0,lr_1,run_0,batch,metadata
0.01,2.0,0.001,0.01,2.0,0,"{""shift"": 0, ""settings"": {}, ""probes"": [[0.1, [2.0]]]}"
0.1,1.0,0.01,0.1,1.0,1,
'''
EMPTY_WITH_METADATA = '''\
lr,loss,lr_0,metadata
,,,"{""stop_reason"": ""non-finite"", ""shift"": 1, ""settings"": {}, ""probes"": []}"
'''


def test_csv_of_all_times_loads(tmp_path):
    path = tmp_path / 'old.csv'
    path.write_text(WITH_METADATA)
    curve = LRCurve.load(path)
    assert (curve.stop_reason, curve.shift) == ('end', 0)
    assert curve.group_lrs.tolist() == [[0.001, 0.01], [0.01, 0.1]] and len(curve.probes) == 1
    assert LRCurve.load(curve.save(path)).to_dict() == curve.to_dict()
    path.write_text(EMPTY_WITH_METADATA)
    assert len(LRCurve.load(path)) == 0 and LRCurve.load(path).stop_reason == 'non-finite'


def test_points_without_the_file_beside_them_load_with_a_warning(tmp_path):
    curve = LRCurve(RATES, 2.3 + NOISE, shift=0, settings={'momentum': 0.9}, stop_reason='diverged')
    path = curve.save(tmp_path / 'a.csv')
    assert sorted(tmp_path.glob('a.*')) == [path, tmp_path / 'a.json']
    assert LRCurve.load(tmp_path / 'a.json').to_dict() == LRCurve.load(path).to_dict() == curve.to_dict()
    (tmp_path / 'a.json').unlink()
    with pytest.warns(
        UserWarning, match='only the points; settings and probes are in a.json, which is missing'
    ) as seen:
        assert LRCurve.load(path).stop_reason == 'end'
    assert seen[0].filename == __file__
    # The file beside it may be that of another curve.
    curve.trim(3, 0).save(tmp_path / 'a.json')
    with pytest.warns(UserWarning, match='a.json beside .* holds other rates') as seen:
        assert LRCurve.load(path).stop_reason == 'end'
    assert seen[0].filename == __file__
    # A table of another program is not ours, nor is a file beside it.
    path.write_text('lr,loss\n0.1,2\n0.2,1\n')
    (tmp_path / 'a.json').write_text('{"stop_reason": "mine"}')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert LRCurve.load(path).stop_reason == 'end'
    with pytest.raises(FileExistsError, match=r"'a.csv' needs '.*a.json' .* another name"):
        curve.save(path)
    assert (tmp_path / 'a.json').read_text() == '{"stop_reason": "mine"}'
    assert path.read_text().count('\n') == 3
    # A curve that was saved alone isn't replaced by what goes beside another one.
    before = curve.save(tmp_path / 'b.json').read_text()
    with pytest.raises(FileExistsError, match=r"'b.csv' needs '.*b.json' .* another name"):
        curve.trim(3, 0).save(tmp_path / 'b.csv')
    assert (tmp_path / 'b.json').read_text() == before and not (tmp_path / 'b.csv').exists()
    curve.save(tmp_path / 'b.csv')
    assert (
        LRCurve.load(curve.trim(3, 0).save(tmp_path / 'b.csv')).losses.tolist() == curve.losses.tolist()[3:]
    )


def test_find_lr_says_that_its_probes_were_interrupted(capsys):
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 3)
    calls = []

    def loss(out, y):
        calls.append(1)
        if len(calls) == 50 + 60 + 20:
            raise KeyboardInterrupt
        return torch.nn.functional.cross_entropy(out, y)

    batches = [(torch.randn(8, 6), torch.randint(3, (8,))) for _ in range(8)]
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    curve = find_lr(model, sgd, loss, batches, num_it=50, stop_div=False, probe=True)
    assert curve.findings[0].startswith(
        'Interrupted in probe 2 of 5, after 19 of 60 updates: the answer is that'
    )
    # The next one is complete.
    again = find_lr(model, sgd, loss, batches, num_it=50, stop_div=False, probe=True)
    assert 'interrupted' not in [f.code for f in again.findings]


def test_a_package_that_imports_a_missing_part_of_itself(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'halved').mkdir()
    (tmp_path / 'halved' / '__init__.py').write_text('import halved.rest')
    for path in 'halved.rest.Net', 'halved.Net':
        with pytest.raises(ConfigError, match=r"No module named 'halved.rest' \(__init__.py, line 1\)$"):
            load_object(path, 'model.class_path')


def test_the_shares_of_a_long_curve_take_little_memory():
    losses = np.linspace(0.1, 0.9, 40_000)
    tracemalloc.start()
    try:
        assert not _are_rising_shares(losses) and _are_rising_shares(np.round(losses * 64) / 64)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
