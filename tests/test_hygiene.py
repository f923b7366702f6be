"The house rules that a machine can check."
import ast, dataclasses, importlib, inspect, json, re, subprocess, sys
from pathlib import Path

import pytest
from fastcore.docments import docments

import fastlr

ROOT = Path(__file__).parent.parent
NBS = sorted((ROOT/'nbs').rglob('*.ipynb'))
MODULES = [nb for nb in NBS if re.match(r'\d\d_', nb.name)]
cells = lambda nb: json.loads(nb.read_text())['cells']
source = lambda c: ''.join(c['source'])
exported = lambda nb: [source(c) for c in cells(nb) if c['cell_type'] == 'code' and source(c).startswith('#| export')]
name = lambda nb: re.search(r'^#\| default_exp (\S+)', '\n'.join(map(source, cells(nb))), re.M).group(1)


def run(code): return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize('nb', NBS, ids=lambda nb: nb.stem)
def test_notebook_opens_with_a_title_and_a_quote_and_ran_without_errors(nb):
    first = source(cells(nb)[0]).splitlines()
    assert first[0].startswith('# ') and first[2].startswith('> ')
    outputs = [o for c in cells(nb) if c['cell_type'] == 'code' for o in c['outputs']]
    assert not [o for o in outputs if o['output_type'] == 'error' or o.get('name') == 'stderr']


@pytest.mark.parametrize('nb', MODULES, ids=name)
def test_exported_cells_are_a_screen_and_name_their_imports(nb):
    for src in exported(nb):
        limit = 31 if 'def fit(\n    epochs' in src else 26                # with the directive; the loop may have 30
        assert len(src.splitlines()) <= limit, src.splitlines()[1]
        assert not re.search(r'^\s*from .* import \*', src, re.M)


@pytest.mark.parametrize('nb', MODULES, ids=name)
def test_a_lower_number_never_imports_a_higher_one(nb):
    order = [name(n) for n in MODULES]
    for src in exported(nb):
        for m in re.findall(r'^\s*from fastlr\.([\w.]+) import', src, re.M): assert order.index(m) < order.index(name(nb)), (nb.name, m)


def test_every_public_name_is_reachable_and_every_module_listed():
    assert list(fastlr._modules) == [name(nb) for nb in MODULES]
    for module, names in fastlr._modules.items():
        listed = set(importlib.import_module(f'fastlr.{module}').__all__)
        assert set(names) <= listed, module
        for n in names: assert getattr(fastlr, n) is not None
    assert not hasattr(fastlr, 'no_such_name') and 'Learner' in dir(fastlr)


# A public symbol is a class or a function that `__all__` lists, or a method or property without an underscore that the module defines in a public
# class, be it by `@patch` in the class of another module. The handlers `on_...` of a callback are its protocol: they are covered with their class.

def symbols(module):
    "Of each public symbol that `module` defines: how it is called ('LRCurve.trim') -> the class or function."
    mod, found = importlib.import_module(f'fastlr.{module}'), {}
    here = lambda f: getattr(f, '__module__', None) == mod.__name__
    for n in mod.__all__:
        if callable(x := getattr(mod, n)) and here(x): found[n] = x
    for cls in PUBLIC:
        for n, x in vars(cls).items():
            f = x.fget if isinstance(x, property) else getattr(x, '__func__', x)                       # of a class method, the function in it
            if inspect.isfunction(f) and here(f) and not n.startswith(('_', 'on_')): found[f'{cls.__name__}.{n}'] = f
    return found


PUBLIC = list({c: 1 for m in fastlr._modules for c in vars(importlib.import_module(f'fastlr.{m}')).values()
               if inspect.isclass(c) and c.__module__.startswith('fastlr.') and not c.__name__.startswith('_')})


def undescribed(f):
    "Parameters of `f` without a comment of their own; 'docstring' if it has none; 'return' if it says that it returns something, but not what."
    init = f.__init__ if inspect.isclass(f) and '__init__' in vars(f) and not dataclasses.is_dataclass(f) else f
    fields = [x.name for x in dataclasses.fields(f) if x.name in vars(f).get('__annotations__', {})] if dataclasses.is_dataclass(f) else None
    own = fields if fields is not None else [] if inspect.isclass(f) and init is f else [
        p.name for p in inspect.signature(init).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    notes = docments(f if fields is not None else init, returns=True) if own or not inspect.isclass(f) else {}
    missing = [p for p in own if p not in ('self', 'cls') and not p.startswith('_') and not notes.get(p)]
    vague = not inspect.isclass(f) and f.__annotations__.get('return') in (dict, tuple, list, float, 'dict', 'tuple', 'list', 'float') and not notes.get('return')
    return ([] if vars(f).get('__doc__') or f.__doc__ and not inspect.isclass(f) else ['docstring']) + missing + ['return']*vague


def words(node):
    "Names and attributes in a piece of code, and the functions that it defines: to override a method is to use it."
    return {w for n in ast.walk(node) for w in (getattr(n, 'id', None), getattr(n, 'attr', None), isinstance(n, ast.FunctionDef) and n.name) if w}


def asserted(code):
    """What the asserts in `code` speak of: the names in the statements that hold one, and then those in the statements that made, or acted on,
    a variable among them: `lr = find(c)` and `c.trim(3)`, in a cell that goes on with `assert lr > 0 and len(c) == 5`."""
    body = ast.parse(re.sub(r'^[%!].*$', '', code, flags=re.M)).body
    holds = lambda s: any(isinstance(n, ast.Assert) for n in ast.walk(s))
    made = lambda s: {n.id for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} | (
        {s.name} if isinstance(s, (ast.FunctionDef, ast.ClassDef)) else {n.id for n in ast.walk(s) if isinstance(n, ast.Name)} if not isinstance(s, ast.Assign) else
        {n.value.id for t in s.targets for n in ast.walk(t) if isinstance(n, ast.Attribute | ast.Subscript) and isinstance(n.value, ast.Name)})
    known, size = set().union(*(words(s) for s in body if holds(s))), -1
    while len(known) > size: size, known = len(known), known.union(*(words(s) for s in body if made(s) & known))
    return known


def examples(nb):
    "Of each example of a notebook, a code cell that readers see and the one after it: the code, the words in the first, and whether something is to be seen."
    shown = [c for c in cells(nb) if c['cell_type'] == 'code' and source(c).strip() and not source(c).startswith(('#| export', '#| default_exp', '#| hide'))]
    for c, after in zip(shown, [*shown[1:], dict(source='', outputs=[])]):
        yield source(c) + '\n' + source(after), words(ast.parse(re.sub(r'^[%!].*$', '', source(c), flags=re.M))), bool(c['outputs'] or after['outputs'])


def lacking(nb):
    "'module.symbol: what it lacks', for every public symbol of `nb` that lacks something."
    shown, out = [(asserted(code), used, seen) for code, used, seen in examples(nb)], []
    for s, f in symbols(name(nb)).items():
        n = s.split('.')[-1]
        uses = [(n in known, seen) for known, used, seen in shown if n in used]
        lacks = undescribed(f) + ['example']*(not uses) + (['output']*(not any(o for _, o in uses)) + ['assert']*(not any(a for a, _ in uses)) if uses else [])
        if lacks: out.append(f"{name(nb)}.{s}: {', '.join(lacks)}")
    return out


def test_every_public_symbol_is_described_shown_and_asserted():
    """Each has a docstring, and a comment for each parameter; an example in the notebook of its module; output in this cell or the next, and an
    assert in one of them that speaks of it."""
    missing = [line for nb in MODULES for line in lacking(nb)]
    assert not missing, f"{len(missing)} public symbols lack something:\n" + '\n'.join(missing)


def test_import_is_lazy():
    "`import fastlr` loads nothing; the analysis loads no torch; the core loads no matplotlib and no progress bar."
    loaded = "print([m for m in ('torch', 'numpy', 'matplotlib', 'fastprogress', 'IPython', 'sklearn') if m in sys.modules])"
    assert run(f"import sys, fastlr; {loaded}") == '[]'
    assert 'torch' not in run(f"import sys, fastlr.anneal, fastlr.plot; {loaded}")
    out = run(f"import sys; from fastlr import Learner; Learner.lr_find, Learner.fit_one_cycle; {loaded}")
    assert 'torch' in out and not re.search('matplotlib|fastprogress|sklearn', out)


def test_version_has_one_source():
    ini = re.search(r'^version = (.*)$', (ROOT/'settings.ini').read_text(), re.M).group(1)
    assert fastlr.__version__ == ini and 'version = attr: fastlr.__version__' in (ROOT/'setup.cfg').read_text()


@pytest.mark.parametrize('damage, words', [('module', 'out of step: fastlr/anneal.py'), ('leftover', 'not made by any notebook: fastlr/old.py'),
                                           ('notebook', 'out of step: nbs/00_anneal.ipynb'), ('readme', 'out of step: README.md')])
def test_in_step_notices(damage, words, tmp_path):
    "The check of `make test` fails when it should: on a copy of the project, damaged in one place."
    import shutil
    copy = tmp_path/'copy'
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns('.git', '.venv*', '__pycache__', '*.egg-info', 'runs', '.hypothesis', '.pytest_cache'))
    if damage == 'module': (copy/'fastlr'/'anneal.py').open('a').write('# by hand\n')
    if damage == 'leftover': (copy/'fastlr'/'old.py').write_text('x = 1\n')
    if damage == 'readme': (copy/'README.md').open('a').write('more\n')
    if damage == 'notebook':
        nb = json.loads((copy/'nbs'/'00_anneal.ipynb').read_text()); nb['cells'][1]['execution_count'] = 3
        (copy/'nbs'/'00_anneal.ipynb').write_text(json.dumps(nb, indent=1) + '\n')
    p = subprocess.run([sys.executable, 'tools/in_step.py'], cwd=copy, capture_output=True, text=True)
    assert p.returncode == 1 and words in p.stderr
