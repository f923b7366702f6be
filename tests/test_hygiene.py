"The house rules that a machine can check."

import ast, dataclasses, importlib, inspect, json, re, shutil, subprocess, sys, warnings
from pathlib import Path

import pytest
from fastcore.docments import docments

import fastlr

ROOT = Path(__file__).parent.parent
NBS = sorted((ROOT / 'nbs').rglob('*.ipynb'))
MODULES = [nb for nb in NBS if re.match(r'\d\d_', nb.name)]
cells = lambda nb: json.loads(nb.read_text())['cells']
source = lambda c: ''.join(c['source'])
exported = lambda nb: [
    source(c) for c in cells(nb) if c['cell_type'] == 'code' and source(c).startswith('#| export')
]
name = lambda nb: re.search(r'^#\| default_exp (\S+)', '\n'.join(map(source, cells(nb))), re.M).group(1)


ANNEAL = next(nb for nb in MODULES if name(nb) == 'anneal')


def run(code):
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize('nb', NBS, ids=lambda nb: nb.stem)
def test_notebook_opens_with_a_title_and_a_quote_and_ran_without_errors(nb):
    first = source(cells(nb)[0]).splitlines()
    assert first[0].startswith('# ') and first[2].startswith('> ')
    outputs = [o for c in cells(nb) if c['cell_type'] == 'code' for o in c['outputs']]
    assert not [o for o in outputs if o['output_type'] == 'error' or o.get('name') == 'stderr']
    html = [''.join(o['data']['text/html']).strip() for o in outputs if 'text/html' in o.get('data', {})]
    assert all(h and not h.startswith('<style>') for h in html), (
        "what a progress bar has left behind: delete these outputs"
    )


# Modules that show nothing early, and why.
NOTHING_EARLY = {
    'loop': 'its code comes first because it is short, and is what readers look for',
    'suggest': 'an old address, which holds no more than warnings',
}


def shows_something(notebook, within=6):
    "Return whether one of the first cells is an example with its output."
    return any(
        c['cell_type'] == 'code' and c['outputs'] and not source(c).startswith('#| export')
        for c in notebook[:within]
    )


@pytest.mark.parametrize('nb', MODULES, ids=name)
def test_a_notebook_shows_early_what_its_module_is_for(nb):
    assert shows_something(cells(nb)) or name(nb) in NOTHING_EARLY


def test_a_notebook_that_begins_with_its_code_is_noticed():
    assert not shows_something([c for c in cells(ANNEAL) if not c.get('outputs')])


@pytest.mark.parametrize('nb', MODULES, ids=name)
def test_exported_cells_name_their_imports(nb):
    for src in exported(nb):
        assert not re.search(r'^\s*from .* import \*', src, re.M)


@pytest.mark.parametrize('nb', MODULES, ids=name)
def test_a_lower_number_never_imports_a_higher_one(nb):
    order = [name(n) for n in MODULES]
    for src in exported(nb):
        for m in re.findall(r'^\s*from fastlr\.([\w.]+) import', src, re.M):
            assert order.index(m) < order.index(name(nb)), (nb.name, m)


def test_every_public_name_is_reachable_and_every_module_listed():
    assert list(fastlr._modules) == [name(nb) for nb in MODULES]
    for module, names in fastlr._modules.items():
        listed = set(importlib.import_module(f'fastlr.{module}').__all__)
        assert set(names) <= listed, module
        for n in names:
            assert getattr(fastlr, n) is not None
    assert not hasattr(fastlr, 'no_such_name') and 'Learner' in dir(fastlr)


def test_few_names_are_at_the_top():
    "At most thirty, and each is imported without a warning."
    assert len(fastlr.__all__) == len(set(fastlr.__all__)) <= 30
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for n in fastlr.__all__:
            assert getattr(fastlr, n) is not None
    with pytest.warns(DeprecationWarning, match='fastlr.OptimWrapper has moved'):
        fastlr.OptimWrapper


# A public symbol is a class or a function that `__all__` lists; or a method or a property without an
# underscore that a module defines in a public class. If `@patch` adds it to the class of another module, it
# belongs to the notebook of the former. The handlers `on_...` of a callback are its protocol, and belong to
# their class. Names are compared, not objects: an example of one `plot` is taken for an example of another in
# the same notebook.

CLASSES = {
    c: None
    for m in fastlr._modules
    for c in vars(importlib.import_module(f'fastlr.{m}')).values()
    if inspect.isclass(c) and c.__module__.startswith('fastlr.') and not c.__name__.startswith('_')
}


def symbols(module):
    "Give the name ('LRCurve.trim') and the class or function of each public symbol that `module` defines."
    mod = importlib.import_module(f'fastlr.{module}')
    here = lambda f: getattr(f, '__module__', None) == mod.__name__
    for n in mod.__all__:
        if callable(x := getattr(mod, n)) and here(x):
            yield n, x
    for cls in CLASSES:
        for n in vars(cls):
            x = inspect.getattr_static(cls, n)
            # Of a property or a class method, this is the function in it.
            f = x.fget if isinstance(x, property) else getattr(getattr(cls, n), '__func__', x)
            if inspect.isfunction(f) and here(f) and not n.startswith(('_', 'on_')):
                yield f'{cls.__name__}.{n}', f


def undescribed(f):
    """Return what is not described:

    'docstring', parameters without a comment, and 'return' if it is annotated as a plain container or number
    without a comment."""
    missing = [] if vars(f).get('__doc__') or not inspect.isclass(f) and f.__doc__ else ['docstring']
    init = f
    if inspect.isclass(f) and not dataclasses.is_dataclass(f):
        if '__init__' not in vars(f):
            # It is described where it is defined.
            return missing
        init = f.__init__
    params = [
        p.name
        for p in inspect.signature(init).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in ('self', 'cls')
    ]
    notes = docments(init, returns=True) if params or not inspect.isclass(f) else {}
    vague = not inspect.isclass(f) and f.__annotations__.get('return') in (dict, tuple, list, float)
    return (
        missing + [p for p in params if not notes.get(p)] + ['return'] * (vague and not notes.get('return'))
    )


def words(node):
    """Return the names and attributes in a piece of code, and the functions that it defines: to override a
    method is to use it."""
    return {
        w
        for n in ast.walk(node)
        for w in (getattr(n, 'id', None), getattr(n, 'attr', None), isinstance(n, ast.FunctionDef) and n.name)
        if w
    }


def made(statement):
    "Return the variables that a statement assigns to; without an assignment, all names in it."
    names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    if not isinstance(statement, ast.Assign):
        return {n.id for n in names}
    return {n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def parsed(code):
    return ast.parse(re.sub(r'^[%!].*$', '', code, flags=re.M)).body


def can_fail(node):
    """Return whether `node` is an assert that could fail: not one of a constant, or of a constant `or`
    something."""
    return isinstance(node, ast.Assert) and not any(
        isinstance(n, ast.Constant) and n.value
        for n in [
            node.test,
            *(
                node.test.values
                if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or)
                else []
            ),
        ]
    )


def defined(node):
    "Return the names that `node` defines: of a function, a class, or an assignment such as an alias."
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {getattr(node, 'name', None), *(getattr(t, 'id', None) for t in targets)}


def has_prose(symbol, notebook, within=9):
    "Return whether there is prose among the cells just before the one that defines `symbol`."
    n = symbol.split('.')[-1]
    for i, c in enumerate(notebook):
        if (
            c['cell_type'] == 'code'
            and source(c).startswith('#| export')
            and any(n in defined(d) for s in parsed(source(c)) for d in ast.walk(s))
        ):
            return any(b['cell_type'] == 'markdown' for b in notebook[max(i - within, 0) : i])
    # A property may be made without a `def`.
    return '.' in symbol and has_prose(symbol.split('.')[0], notebook)


def asserted(code):
    """Return the names that the asserts in `code` are about.

    These are the names in the statements that hold an assert, and then those in statements that assigned to,
    or acted on, a variable among them: `lr = find(c)` and `c.trim(3)`, in a cell that goes on with `assert lr
    > 0 and len(c) == 5`."""
    body = parsed(code)
    known, size = {w for s in body if any(map(can_fail, ast.walk(s))) for w in words(s)}, -1
    while len(known) > size:
        size, known = len(known), known.union(*(words(s) for s in body if made(s) & known))
    return known


def examples(notebook):
    """Give, for each visible code cell together with the next one, the names in it, the names that an assert
    is about, and whether there is output."""
    shown = [
        c
        for c in notebook
        if c['cell_type'] == 'code'
        and source(c).strip()
        and not source(c).startswith(('#| export', '#| default_exp', '#| hide'))
    ]
    for c, after in zip(shown, [*shown[1:], dict(source='', outputs=[])]):
        yield (
            {w for s in parsed(source(c)) for w in words(s)},
            asserted(source(c) + '\n' + source(after)),
            bool(c['outputs'] or after['outputs']),
        )


def lacking(module, notebook):
    """Return 'module.symbol: what it lacks' for every public symbol of `module` that lacks something;
    `notebook` is the list of its cells."""
    shown, out = list(examples(notebook)), []
    for symbol, f in symbols(module):
        n = symbol.split('.')[-1]
        uses = [(n in known, seen) for used, known, seen in shown if n in used]
        lacks = (
            ['example']
            if not uses
            else ['output'] * (not any(seen for _, seen in uses))
            + ['assert'] * (not any(known for known, _ in uses))
        )
        if lacks := undescribed(f) + ['prose'] * (not has_prose(symbol, notebook)) + lacks:
            out.append(f"{module}.{symbol}: {', '.join(lacks)}")
    return out


def test_every_public_symbol_is_described_shown_and_asserted():
    """Each has a docstring, a comment for each parameter, and an example in the notebook of its module.

    One of its examples has output, in its cell or the next, and one has an assert that is about it."""
    missing = [line for nb in MODULES for line in lacking(name(nb), cells(nb))]
    assert not missing, f"{len(missing)} public symbols lack something:\n" + '\n'.join(missing)


@pytest.mark.parametrize(
    'damage, lacks',
    [
        (lambda c: None if 'annealing_poly' in source(c) else c, ['anneal.annealing_poly: example']),
        (lambda c: {**c, 'outputs': []}, ['anneal.annealing_no: output', 'anneal.Scheduler.restart: output']),
        (
            lambda c: {**c, 'source': source(c).replace('assert ', 'None, ')},
            ['anneal.annealing_cos: assert', 'anneal.Scheduler.is_done: assert'],
        ),
        (
            lambda c: {**c, 'source': source(c).replace('assert ', 'assert True or ')},
            ['anneal.annealing_cos: assert', 'anneal.Scheduler.is_done: assert'],
        ),
    ],
    ids=['example', 'output', 'assert', 'idle assert'],
)
def test_what_is_missing_is_noticed(damage, lacks):
    notebook = [
        c if source(c).startswith('#| export') or c['cell_type'] != 'code' else damage(c)
        for c in cells(ANNEAL)
    ]
    found = lacking('anneal', [c for c in notebook if c is not None])
    assert set(lacks) <= set(found) and not lacking('anneal', cells(ANNEAL)), found


def test_a_notebook_without_prose_is_noticed():
    found = lacking('anneal', [c for c in cells(ANNEAL) if c['cell_type'] == 'code'])
    assert {'anneal.annealing_cos: prose', 'anneal.Scheduler: prose'} <= set(found)


def test_what_is_not_described_is_noticed():
    def bare(self, a, b=1, *args, **kwargs) -> dict:
        return {}

    class Bare:
        def __init__(self, a):
            pass

    assert undescribed(bare) == ['docstring', 'a', 'b', 'return'] and undescribed(Bare) == ['docstring', 'a']
    assert (
        'find' in asserted('lr = find(c)\nassert lr > 0')
        and 'find' not in asserted('lr = find(c)\nassert c')
        and 'trim' in asserted('c.trim(3)\nassert len(c) == 5')
    )


def test_import_is_lazy():
    "`import fastlr` loads nothing; the analysis loads no torch; the core loads neither matplotlib nor bars."
    packages = ('torch', 'numpy', 'matplotlib', 'fastprogress', 'IPython', 'sklearn')
    loaded = f"print([m for m in {packages} if m in sys.modules])"
    assert run(f"import sys, fastlr; {loaded}") == '[]'
    assert 'torch' not in run(f"import sys, fastlr.anneal, fastlr.plot; {loaded}")
    out = run(f"import sys; from fastlr import Learner; Learner.lr_find, Learner.fit_one_cycle; {loaded}")
    assert 'torch' in out and not re.search('matplotlib|fastprogress|sklearn', out)


def test_version_has_one_source():
    ini = re.search(r'^version = (.*)$', (ROOT / 'settings.ini').read_text(), re.M).group(1)
    assert (
        fastlr.__version__ == ini and 'version = attr: fastlr.__version__' in (ROOT / 'setup.cfg').read_text()
    )


def test_in_step_notices(tmp_path):
    """On a copy of the project that is damaged in five places, the check of `make test` fails and names each
    of them."""
    copy = tmp_path / 'copy'
    left_out = (
        '.git',
        '.venv*',
        '__pycache__',
        '*.egg-info',
        'runs',
        '.hypothesis',
        '.pytest_cache',
        '_docs',
    )
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*left_out))
    (copy / 'fastlr' / 'anneal.py').open('a').write('# by hand\n')
    (copy / 'fastlr' / 'old.py').write_text('x = 1\n')
    (copy / 'fastlr' / 'anneal.pyi').open('a').write('x: int\n')
    (copy / 'README.md').open('a').write('more\n')
    path = copy / 'nbs' / '25_anneal.ipynb'
    nb = json.loads(path.read_text())
    nb['cells'][1]['execution_count'] = 3
    path.write_text(json.dumps(nb, indent=1) + '\n')
    p = subprocess.run([sys.executable, 'tools/in_step.py'], cwd=copy, capture_output=True, text=True)
    assert p.returncode == 1
    named = set(re.findall(r'(?:out of step|not made by any notebook): (\S+)', p.stderr))
    damaged = {'fastlr/anneal.py', 'fastlr/anneal.pyi', 'fastlr/old.py', 'README.md', 'nbs/25_anneal.ipynb'}
    assert named == damaged, p.stderr


def test_events_of_the_librarys_callbacks_ask_for_no_more_than_they_read():
    "A method with `**kwargs` gets the whole state; then the smoothed loss is computed for every batch."
    from fastlr import Callback
    from fastlr.callback import EVENTS

    fastlr.Learner
    found, todo = [], Callback.__subclasses__()
    while todo:
        cls = todo.pop()
        todo += cls.__subclasses__()
        for event in EVENTS if cls.__module__.startswith('fastlr') else ():
            method = vars(cls).get(event)
            if method is not None and 'kwargs' in inspect.signature(method).parameters:
                found.append(f'{cls.__name__}.{event}')
    assert not found
