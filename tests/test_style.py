"""Rules of style in CONTRIBUTING.md that a linter doesn't check.

The library is set by hand, in fastai's style; everything else by `ruff format`. In both there are at most 110
columns, one statement per line, short bodies, and comments above the code. In the library attributes are also
born in `__init__`, and what is private stays in its module."""

import ast, io, re, subprocess, sys, tokenize
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = [p for p in sorted((ROOT / 'fastlr').rglob('*.py')) if p.name not in ('_modidx.py', '__init__.py')]
OTHERS = [
    p
    for top in ('tests', 'tools', 'benchmarks', 'docs', 'examples')
    for p in sorted((ROOT / top).rglob('*.py'))
]
WIDTH = 110
# The longest body of the library, in lines without signature, docstring, comments and blank lines.
BODY = 25
COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef)


def where(path, node_or_line):
    line = getattr(node_or_line, 'lineno', node_or_line)
    return f'{path.name}:{line}'


def bodies(node):
    "Give the lists of statements that `node` consists of."
    for field in ('body', 'orelse', 'finalbody'):
        statements = getattr(node, field, None)
        if isinstance(statements, list) and statements and isinstance(statements[0], ast.stmt):
            yield statements
    for handler in getattr(node, 'handlers', ()):
        yield handler.body


def wide_lines(path, text):
    "Give the lines that are too wide; an address can't be broken."
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > WIDTH and 'http' not in line:
            yield f'{where(path, number)} has {len(line)} columns'


def shared_lines(path, tree):
    "Give the statements that share a line. One simple statement behind a header is allowed."
    for node in ast.walk(tree):
        for statements in bodies(node):
            for one, next_one in zip(statements, statements[1:]):
                if next_one.lineno == one.end_lineno:
                    yield f'{where(path, next_one)} has two statements'
            header = getattr(node, 'lineno', 0)
            if (
                isinstance(node, COMPOUND)
                and statements[0].lineno == header
                and isinstance(statements[0], COMPOUND)
            ):
                yield f'{where(path, node)} has a compound statement behind another'


def many_targets(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = [t for target in node.targets for t in getattr(target, 'elts', [target])]
            if len(targets) > 3:
                yield f'{where(path, node)} assigns to {len(targets)} targets'


def comments(text):
    "Give the number of each line with a comment, whether there is code before it, and the comment."
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], bool(token.line[: token.start[1]].strip()), token.string


def signature_lines(tree):
    "Return the lines where a comment to the right describes a parameter, a result or a field."
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and isinstance(node, ast.FunctionDef):
            found.update(range(node.lineno, node.body[0].lineno + 1))
        if isinstance(node, ast.ClassDef):
            found.update(s.lineno for s in node.body if isinstance(s, (ast.AnnAssign, ast.Assign)))
    return found


def comments_to_the_right(path, text, tree):
    allowed = signature_lines(tree)
    for line, beside, comment in comments(text):
        if beside and line not in allowed and not re.match(r'# (noqa|type:|pragma)', comment):
            yield f'{where(path, line)}: {comment}'


def long_bodies(path, text, tree, limit):
    "Give functions whose body has more than `limit` lines of code. Inner functions are counted on their own."
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
        skip = {i for n in inner for i in range(n.lineno, n.end_lineno + 1)}
        first = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not first:
            continue
        code = [
            i
            for i in range(first[0].lineno, node.end_lineno + 1)
            if i not in skip and lines[i - 1].strip() and not lines[i - 1].strip().startswith('#')
        ]
        if len(code) > limit:
            yield f'{where(path, node)} {node.name} has {len(code)} lines'


def check(paths, find):
    found = []
    for path in paths:
        text = path.read_text()
        found += find(path, text, ast.parse(text))
    assert not found, f'{len(found)}:\n' + '\n'.join(found)


@pytest.mark.parametrize('paths', [LIBRARY, OTHERS], ids=['library', 'others'])
class TestEverywhere:
    def test_lines_have_at_most_110_columns(self, paths):
        check(paths, lambda path, text, tree: wide_lines(path, text))

    def test_one_statement_per_line(self, paths):
        check(paths, lambda path, text, tree: shared_lines(path, tree))

    def test_at_most_three_targets_in_an_assignment(self, paths):
        check(paths, lambda path, text, tree: many_targets(path, tree))

    def test_comments_stand_above_the_code(self, paths):
        check(paths, comments_to_the_right)

    def test_bodies_are_short(self, paths):
        limit = BODY if paths is LIBRARY else 2 * BODY
        check(paths, lambda path, text, tree: long_bodies(path, text, tree, limit))


def test_modules_have_about_300_lines():
    long = {p.name: n for p in LIBRARY if (n := len(p.read_text().splitlines())) > 330}
    assert not long, long


def class_of(function):
    "Return the class that `@patch` adds `function` to, or None."
    if not any('patch' in ast.unparse(d) for d in function.decorator_list) or not function.args.args:
        return None
    annotation = function.args.args[0].annotation
    return ast.unparse(annotation) if annotation is not None else None


def methods(trees):
    "Return, for each class, its methods, wherever they are defined, the names in its body, and its bases."
    found, declared, bases = defaultdict(list), defaultdict(set), {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [ast.unparse(b) for b in node.bases]
                for statement in node.body:
                    if isinstance(statement, ast.FunctionDef):
                        found[node.name].append(statement)
                    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
                        targets = getattr(statement, 'targets', None) or [statement.target]
                        names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
                        declared[node.name].update(names)
            elif isinstance(node, ast.FunctionDef) and class_of(node):
                found[class_of(node)].append(node)
    return found, declared, bases


def assigned(function):
    "Give the attributes of the first argument that `function` assigns to."
    me = function.args.args[0].arg if function.args.args else None
    for node in ast.walk(function):
        stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if stored and isinstance(node.value, ast.Name) and node.value.id == me:
            yield node.attr


def test_attributes_are_born_in_init():
    found, declared, bases = methods([ast.parse(p.read_text()) for p in LIBRARY])

    def born(cls):
        names = {a for f in found[cls] if f.name == '__init__' for a in assigned(f)} | declared[cls]
        # A property that can be set is born with the class.
        names |= {f.name for f in found[cls] if f.decorator_list}
        return names.union(*(born(base) for base in bases.get(cls, ()) if base in bases))

    late = [
        f'{cls}.{name}, in {f.name}'
        for cls, functions in found.items()
        for f in functions
        if f.name != '__init__'
        for name in assigned(f)
        if name not in born(cls)
    ]
    assert not late, '\n'.join(late)


def test_what_is_private_stays_in_its_module():
    trees = {p: ast.parse(p.read_text()) for p in LIBRARY}
    private = re.compile(r'_(?!_)\w+')
    owns = defaultdict(set)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and private.fullmatch(node.name):
                owns[path].add(node.name)
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and private.fullmatch(node.attr)
            ):
                owns[path].add(node.attr)
    crossing = []
    for path, tree in trees.items():
        others = set().union(*(names for p, names in owns.items() if p != path)) - owns[path]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                crossing += [
                    f'{where(path, node)} imports {a.name}' for a in node.names if private.fullmatch(a.name)
                ]
            if isinstance(node, ast.Attribute) and node.attr in others:
                crossing.append(f'{where(path, node)} uses {ast.unparse(node)}')
    assert not crossing, '\n'.join(crossing)


def test_everything_outside_of_the_library_is_formatted():
    command = [sys.executable, '-m', 'ruff', 'format', '--check', '--quiet', '.']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, f'{done.stdout}{done.stderr}\nRun `ruff format`.'


FOLDED = '''
def folded(x): y = 1; return y
class Late:
    def __init__(self): self.early = 1
    def run(self): self.late = 2
a, b, c, d = range(4)
z = 1  # to the right
for i in range(3):
    if i: print(i)
for j in range(3): print(j)
'''


def test_the_checks_find_what_they_look_for():
    path, tree = Path('folded.py'), ast.parse(FOLDED)
    assert list(shared_lines(path, tree)) == ['folded.py:2 has two statements']
    assert list(many_targets(path, tree)) == ['folded.py:6 assigns to 4 targets']
    assert list(comments_to_the_right(path, FOLDED, tree)) == ['folded.py:7: # to the right']
    assert list(wide_lines(path, 'x' * 111)) == ['folded.py:1 has 111 columns']
    nested = 'def f():\n    for i in x: \n        y = i\n    if x: \n        z = 1\n'
    assert list(long_bodies(path, nested, ast.parse(nested), 3)) == ['folded.py:1 f has 4 lines']
    folded_twice = ast.parse('if x:\n    pass\n')
    assert not list(shared_lines(path, folded_twice))
