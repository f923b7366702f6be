"""What editors and type checkers see of the package: signatures, types, completion, texts of parameters.

The stubs are made by tools/stubs.py, and tools/in_step.py checks that they are in step with the notebooks.
Here two type checkers read them, jedi completes with them, and `help` shows what they say."""

import ast, importlib, inspect, json, os, pydoc, re, subprocess, sys
from importlib.util import find_spec
from pathlib import Path

import jedi
import pytest

import fastlr
from children import run_python
from fastlr import Learner, LRCurve, LRSweep, find_lr
from recipes import RECIPES, SHARED, needed_by

ROOT = Path(__file__).parent.parent
STUBS = sorted((ROOT / 'fastlr').rglob('*.pyi'))
SURFACE = 'public_surface'

# What type checkers say of code on our pages that runs, by a piece of the message. It is about others' code.
OF_OTHERS = {
    'Dataset[_T_co': "torch's DataLoader is annotated as if it took no lists and tensors",
    'in function "__setattr__"': "torch's modules are annotated as if they held tensors and modules alone",
    'Method "forward" overrides': "torch's layers call their parameter `input`",
    'for class "tuple[': "scikit-learn has no types, and `load_digits` returns a tuple or a bunch",
    '"str | bool" cannot be assigned': "options of Lightning's Trainer that are held in a dict",
    '"key" of type "(_T@min)': "`dict.get` as a key",
    'No overloads for "min"': "the same",
    'No overloads for "join"': "a table of pandas, which is read from a file",
    'iterable" of type "Iterable[str]"': "the same",
    'is possibly unbound': "a loop that always runs",
    'Need type annotation for': "an empty list",
    'Argument "key" to "min"': "`dict.get` as a key",
    'is not exported from module "monai': "monai's packages import names without exporting them",
    'Module is not callable': "a function of torch_geometric, which has the name of its module",
    '"verbose" of type "str"': "Keras also takes 0 and 1",
    'Operator "<" not supported for': "skorch's history and ignite's output, which hold many things",
    'Method "fit" overrides class "Trainer"': "darts calls `fit` with few of its arguments",
}
OPTIONS = dict(
    pythonVersion='3.11',
    typeCheckingMode='standard',
    include=['.'],
    extraPaths=[str(ROOT), str(ROOT / 'benchmarks')],
    reportMissingModuleSource=False,
    reportUnusedExpression=False,
)
# Of all imports, mypy follows those of fastlr alone: it would need a minute for torch.
MYPY = f"""[mypy]
python_version = 3.11
follow_imports = skip
cache_dir = cache
mypy_path = {ROOT}:{ROOT / 'benchmarks'}
[mypy-fastlr,fastlr.*]
follow_imports = normal
[mypy-sklearn.*,fastcore.*,fastprogress.*,pandas.*,{','.join(f'{needed_by(title)}.*' for title in RECIPES)}]
ignore_missing_imports = True
"""
# Where the stubs differ from the library on purpose: names as `stubtest` gives them.
ON_PURPOSE = r"""
# A callback names the entries of the state that it needs: any choice may override any other.
fastlr\..*\.on_\w+
# `@patch` has a class method of its own kind; the `self` of `Learner.lr_find` is called `learn`.
fastlr\.curve\.LRCurve\.(from_dict|load|median)
fastlr\.data\.DataBunch\.create
fastlr\.optim\.OptimWrapper\.(create|load_with_state_and_layer_group)
fastlr\.learner\.Learner\.lr_find
# A suggestion is a float: `lr` has a default for copies and pickles alone. What is None is filled in.
fastlr\.suggestion\.Suggestion\.(__new__|cosine|linear|one_cycle|__signature__)
fastlr\..*\.__post_init__
# It raises: in fastai v2 the result of a range test is unpacked.
fastlr\.curve\.LRCurve\.__iter__
"""
# Where `**kwargs` stays, and why no editor needs to know more.
OPEN = {
    'fingerprint.Fingerprint.__init__': "takes any objects, by names that the caller invents",
    'fingerprint.Fingerprint.add': "the same",
    'learner.Learner.to_accelerate': "the arguments of Accelerate's `Accelerator`, which it lists itself",
    'loop.PlainBar.update_graph': "stands in for a progress bar of fastprogress, and does nothing",
    'loop.PlainBar.show_imgs': "the same",
    'suggestion.Rule.__call__': "passes on what the rule takes, which anybody can write",
}


def run(*command, folder):
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.run(
        [sys.executable, '-m', *map(str, command)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=env,
        timeout=300,
    )


def blocks_of(notebook):
    cells = json.loads(notebook.read_text())['cells']
    code = [''.join(c['source']) for c in cells if c['cell_type'] == 'code']
    return [re.sub(r'^[%!].*$', '', c, flags=re.M) for c in code]


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    "A folder with a file for each page of documentation, of all its code; and with the strict file."
    folder = tmp_path_factory.mktemp('pages')
    readme = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.S)
    surface = (ROOT / 'tests' / f'{SURFACE}.py').read_text()
    code = {'README': readme, SURFACE: ['# pyright: strict', surface]}
    for notebook in (ROOT / 'nbs' / 'tutorials').glob('*.ipynb'):
        code[notebook.stem] = blocks_of(notebook)
    # Each recipe is a page, since all of them use the same names.
    del code['recipes']
    for title, blocks in RECIPES.items():
        if find_spec(needed_by(title)):
            code[f'recipe_{needed_by(title)}'] = [SHARED, *blocks]
    assert len(code) > 9 and code['README'] and code['start']
    for name, blocks in code.items():
        (folder / f'{name}.py').write_text('\n\n'.join(blocks) + '\n')
    (folder / 'pyrightconfig.json').write_text(json.dumps(OPTIONS))
    (folder / 'mypy.ini').write_text(MYPY)
    (folder / 'on_purpose.txt').write_text(ON_PURPOSE)
    return folder


def pyright(folder):
    "Return [(name of the file, line, message)]."
    p = run('basedpyright', '--outputjson', '-p', folder, '--pythonpath', sys.executable, folder=folder)
    assert p.stdout, p.stderr
    found = json.loads(p.stdout)['generalDiagnostics']
    return [(Path(d['file']).stem, d['range']['start']['line'] + 1, d['message']) for d in found]


def renamed(text):
    """Return code where each name is imported once: from the second import of a name on, it has another one.

    Pages show the `lr_find` of several packages, and mypy takes a name for one thing only."""
    lines, homes, now = text.splitlines(), {}, {}
    for i, line in enumerate(lines):
        if line == 'from fastlr import *':
            homes.update(dict.fromkeys(fastlr.__all__, 'fastlr'))
        m = re.match(r'from (\S+) import ([\w, ]*\w)', line)
        for part in m[2].split(', ') if m else ():
            name = part.split(' as ')[-1]
            if homes.setdefault(name, m[1]) == m[1] and name not in now:
                continue
            old, now[name] = now.get(name, name), f'{name}_{i}'
            new = f'{part.split(" as ")[0]} as {now[name]}'
            lines[i] = re.sub(rf'(?<= ){part}$|(?<= ){part}(?=[ ,])', new, lines[i])
            for j in range(i + 1, len(lines)):
                if not lines[j].startswith('from '):
                    lines[j] = re.sub(rf'(?<![\w.]){old}\b', now[name], lines[j])
    return '\n'.join(lines) + '\n'


def test_names_are_renamed_where_they_are_imported_again():
    text = "from a import f\nf(1)\nfrom b import f\nf(x.f)\nfrom c import g as f\nf()\n"
    new = "from a import f\nf(1)\nfrom b import f as f_2\nf_2(x.f)\nfrom c import g as f_4\nf_4()\n"
    assert renamed(text) == new


def mypy(folder, *what):
    "Return the lines that report an error, with the names of the files alone."
    p = run('mypy', '--config-file', 'mypy.ini', *what, folder=folder)
    assert p.returncode in (0, 1), p.stdout + p.stderr
    return [line for line in p.stdout.splitlines() if ': error: ' in line]


def ours(messages):
    return [m for m in messages if not any(text in str(m) for text in OF_OTHERS)]


def test_pyright_accepts_the_public_names_strictly_and_all_pages(pages):
    found = pyright(pages)
    assert not ours(found), '\n'.join(map(str, ours(found)))
    assert not [f for f in found if f[0] == SURFACE]
    # It has seen the packages, and it has seen errors.
    assert any('Dataset[_T_co' in message for _, _, message in found)


WRONG = """# pyright: strict
from fastlr import Learner, LRCurve, Suggestion, find_lr

def f(learn: Learner, curve: LRCurve, s: Suggestion):
    learn.lr_find(num_iter=3)
    learn.lr_find(num_it='3')
    curve.suggests()
    s.peak(3)
    find_lr(1, 2, 3, 4, scalar=None)
    rates, losses = curve
"""


def test_checkers_notice_what_is_wrong(tmp_path):
    (tmp_path / 'wrong.py').write_text(WRONG)
    (tmp_path / 'pyrightconfig.json').write_text(json.dumps(OPTIONS))
    (tmp_path / 'mypy.ini').write_text(MYPY)
    assert {line for _, line, _ in pyright(tmp_path)} >= {5, 6, 7, 8, 9, 10}
    found = mypy(tmp_path, '--check-untyped-defs', 'wrong.py')
    assert {int(line.split(':')[1]) for line in found} >= {5, 6, 7, 8, 9, 10}


def test_mypy_accepts_the_public_names_and_all_pages(pages):
    names = sorted(p.name for p in pages.glob('*.py'))
    (pages / 'renamed').mkdir()
    for name in names:
        (pages / 'renamed' / name).write_text(renamed((pages / name).read_text()))
    found = mypy(pages, '--check-untyped-defs', *(f'renamed/{name}' for name in names))
    assert not ours(found), '\n'.join(found)
    assert not [line for line in found if SURFACE in line]


def test_stubs_agree_with_the_library(pages):
    """mypy's `stubtest` imports the library, and compares names, parameters, their kinds and defaults."""
    options = '--mypy-config-file', 'mypy.ini', '--allowlist', 'on_purpose.txt', '--concise'
    # An entry that isn't needed any more is an error too.
    p = run('mypy.stubtest', *options, 'fastlr', folder=pages)
    assert p.returncode == 0, p.stdout + p.stderr


def functions_in(stub):
    "Give the qualified name and the node of each function."
    module = '.'.join(stub.relative_to(ROOT / 'fastlr').with_suffix('').parts)
    for node in ast.parse(stub.read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for f in inner:
            if isinstance(f, ast.FunctionDef):
                owner = f'{node.name}.' if f is not node else ''
                yield f'{module}.{owner}{f.name}', f


def test_no_options_are_hidden_in_kwargs():
    found = {name for stub in STUBS for name, f in functions_in(stub) if f.args.kwarg}
    assert {name for name in found if not re.search(r'\.on_\w+$', name)} == set(OPEN)
    named = dict(pair for stub in STUBS for pair in functions_in(stub))
    tune = {a.arg for a in named['learner.Learner.tune'].args.kwonlyargs}
    assert tune == set(inspect.signature(Learner.lr_find).parameters) - {'learn'}
    assert {'scaler', 'extend', 'verify'} <= {a.arg for a in named['range_test.find_lr'].args.kwonlyargs}


@pytest.mark.parametrize(
    'code, name',
    [
        ('learn.lr_', 'lr_find'),
        ('learn.fit_', 'fit_one_cycle'),
        ('learn.recorder.pl', 'plot_losses'),
        ('learn.lr_find().sug', 'suggest'),
        ('learn.tune().', 'suggestion'),
        ('fastlr.find_', 'find_lr'),
        ('from fastlr import LRS', 'LRSweep'),
    ],
)
def test_jedi_completes(code, name):
    made = "import fastlr\nfrom fastlr import Learner\nlearn = Learner(data, model)\n"
    script = jedi.Script(made + code, project=jedi.Project(ROOT))
    assert name in {c.name for c in script.complete()}


CALLS = {
    'fastlr.find_lr(': ('verify', 'check by checksum'),
    'fastlr.LRSweep(': ('accumulate', 'iterations of the loop'),
    'Learner.fit_one_cycle(': ('pct_start', ''),
    'Learner(data, model).lr_find(': ('stop_div', ''),
}


@pytest.mark.parametrize('code', CALLS)
def test_jedi_shows_signatures(code):
    script = jedi.Script(f"import fastlr\nfrom fastlr import Learner\n{code}", project=jedi.Project(ROOT))
    (signature,) = script.get_signatures()
    assert CALLS[code][0] in {p.name for p in signature.params}


@pytest.mark.parametrize('code', [code for code, (_, text) in CALLS.items() if text])
def test_jedi_shows_texts_in_a_notebook(code):
    "There, it looks at the objects themselves."
    (signature,) = jedi.Interpreter(code, [dict(fastlr=fastlr, Learner=Learner)]).get_signatures()
    option, text = CALLS[code]
    assert re.search(rf'^ *{option}: .*{text}', signature.docstring(), re.M)


def test_stubs_hold_the_texts():
    "They are what Pylance and others show: of a function its docstring, and of a class where it is called."
    docs = {}
    for stub in STUBS:
        for node in ast.walk(ast.parse(stub.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                docs.setdefault(node.name, []).append(ast.get_docstring(node) or '')
    for obj, texts in HELP.items():
        name = getattr(obj, '__name__', 'findings')
        assert any(all(text in doc for text in texts) for doc in docs[name]), name


HELP = {
    find_lr: ['model: `nn.Module`', 'verify: check by checksum', 'LRCurve: of the sweep'],
    Learner.lr_find: ['start_lr: first rate', 'silent: no bar'],
    Learner.fit_one_cycle: ['pct_start: share of the steps'],
    Learner.tune: ['num_it: optimizer updates'],
    Learner: ['train_bn: train batch norm'],
    LRSweep: ['opt: torch optimizer', 'seed: reseed'],
    LRCurve: ['lrs: (n,) learning rate'],
    LRCurve.load: ['path: file written by'],
    LRCurve.findings: ['list[Finding]: one sentence each'],
}


@pytest.mark.parametrize('obj', HELP, ids=lambda obj: getattr(obj, '__qualname__', 'property'))
def test_help_shows_parameters(obj):
    shown = pydoc.plain(pydoc.render_doc(obj))
    for text in HELP[obj]:
        assert len(re.findall(rf'^[ |]*{re.escape(text)}', shown, re.M)) == 1, shown


def test_help_is_there_without_the_core():
    "Modules that are imported directly document themselves."
    direct = [m for m in fastlr._modules if re.fullmatch(r'compat\.\w+|integrations\.[a-z]+', m)]
    code = f"""
        import importlib
        for name in {direct}:
            module = importlib.import_module(f'fastlr.{{name}}')
            from fastlr._parameters import TEXTS
            for qualname, text in TEXTS[name].items():
                obj = module
                for part in qualname.split('.'):
                    obj = getattr(obj, part)
                assert obj.__doc__.endswith(text), qualname
            print(module.__name__)
        """
    out = run_python(code)
    assert len(direct) == 7 and 'fastlr.integrations.lightning' in out


def test_texts_are_added_once_and_for_what_is_there():
    from fastlr._parameters import TEXTS

    before = find_lr.__doc__
    fastlr.document('fastlr.range_test')
    assert find_lr.__doc__ == before and before.count('Args:') == 1
    for module, texts in TEXTS.items():
        for name in texts:
            obj = importlib.import_module(f'fastlr.{module}')
            for part in name.split('.'):
                obj = getattr(obj, part)


def test_a_text_for_what_has_gone_is_left_alone(monkeypatch):
    import fastlr._parameters

    monkeypatch.setitem(fastlr._parameters.TEXTS, 'anneal', {'gone': 'Args:', 'Scheduler.gone': 'Args:'})
    fastlr.document('fastlr.anneal')
