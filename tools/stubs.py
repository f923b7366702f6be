"""Write what editors and type checkers read: fastlr/**/*.pyi, and the texts of all parameters.

`@patch` adds methods where no editor sees them, names at the top are loaded when they are used, and
parameters are described in comments. mypy's `stubgen --inspect-mode` imports the library too, but it leaves
out the defaults, the comments, the fields of dataclasses, the attributes of instances, the types of
properties, and the signatures of decorated functions: hence this script. It reads the loaded library by
`inspect`, the comments by fastcore's `docments`, and the attributes that `__init__` sets by `ast`. Whether
the stubs agree with the library is checked by mypy's `stubtest`, in tests/test_types.py.

A parameter without an annotation takes values of several types, and is `Any`; one whose default is None, or
whose comment speaks of None, may be None. `fastlr/_parameters.py` holds {module: {name: text}}, which
`fastlr.document` appends to the docstrings."""

import ast, collections, collections.abc, contextlib, dataclasses, enum, functools, importlib, inspect, re
import sys, textwrap, types, typing
from pathlib import Path

from fastcore.basics import camel2snake
from fastcore.docments import docments

# Methods with these names are written too.
DUNDERS = (
    '__init__ __new__ __call__ __enter__ __exit__ __len__ __iter__ __next__ __bool__ '
    '__getitem__ __setitem__ __contains__ __truediv__'
)
RESULTS = dict(
    __init__='None',
    __new__='Self',
    __enter__='Self',
    __exit__='bool | None',
    __len__='int',
    __bool__='bool',
    __contains__='bool',
    __iter__='Iterator[Any]',
)
# What comments call objects of packages that are imported only when they are used.
PHRASES = {
    'matplotlib axes': 'matplotlib.axes.Axes',
    'the axes': 'matplotlib.axes.Axes',
    'the figure': 'matplotlib.figure.Figure',
}
# What stands in brackets where an annotation has none.
PARTS = {
    list: 'Any',
    set: 'Any',
    frozenset: 'Any',
    dict: 'Any, Any',
    tuple: 'Any, ...',
    functools.partial: 'Any',
    type: 'Any',
    collections.UserDict: 'Any, Any',
    collections.abc.Iterator: 'Any',
    collections.abc.Iterable: 'Any',
    collections.abc.Callable: '..., Any',
}
TYPING = 'Any Callable Iterable Iterator Mapping NamedTuple Sequence'.split()
WIDTH = 110
# A comment that says so: `None: the default`, `a number or None`.
MAY_BE_NONE = re.compile(r'(?:^|[;,.(] |\bor )None\b')
EMPTY = inspect.Parameter.empty
ANY_ARGS = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def function_in(member):
    "Return the function in a method, a property, or a class or static method; None if there is none."
    if isinstance(member, property):
        return member.fget
    if isinstance(member, functools.cached_property):
        return member.func
    # `@patch(cls_method=True)` has a kind of class method of its own.
    member = member.f if type(member).__name__ == '_clsmethod' else getattr(member, '__func__', member)
    return member if inspect.isfunction(member) else None


@functools.cache
def comments(function):
    "Return {parameter or 'return': text} from the comments of a function or a dataclass."
    inner = inspect.unwrap(function) if inspect.isfunction(function) else function
    try:
        found = dict(docments(inner, returns=True))
        # `docments` leaves these out.
        source = inspect.getsource(inner)
        found |= dict(re.findall(r'^ *\*{1,2}(\w+),? # (.*)$', source, re.M))
        result = re.search(r'^ *\)(?: -> [^#\n]*)?: # (.*)$', source, re.M)
        if result and inspect.isfunction(inner) and not found.get('return'):
            found['return'] = result[1]
    except (TypeError, ValueError, OSError):
        return {}
    return {name: re.sub(r'\s+', ' ', text).strip() for name, text in found.items() if text}


def is_context(function):
    "Return whether `contextlib.contextmanager` has made `function`."
    # Where a context is used as a decorator, the code is that of `ContextDecorator`.
    return function.__code__.co_filename == contextlib.__file__ and function.__code__.co_name == 'helper'


# ---------------------------------------------------------------- signatures


class Param(typing.NamedTuple):
    "A parameter: what `inspect` says, its text, and the module where its annotation has a meaning."

    name: str
    kind: object
    annotation: object
    default: object
    text: str
    module: types.ModuleType


def parameters(function, owner=None):
    """Return the list of `Param` of a function; `owner` is the class, for names of its methods.

    `**kwargs` whose comment names options, or says whose options they are, become these options."""
    module = sys.modules[inspect.unwrap(function).__module__]
    texts, found = comments(function), []
    for p in inspect.signature(function).parameters.values():
        text = texts.get(p.name, '')
        if p.kind is p.VAR_KEYWORD and (others := passed_on(text, module, owner)):
            # They come last, and none of them twice.
            known = {q.name for q in found}
            found += [q._replace(kind=p.KEYWORD_ONLY) for q in others if q.name not in known]
        else:
            found.append(Param(p.name, p.kind, p.annotation, p.default, text, module))
    return found


def passed_on(text, module, owner):
    "Return the parameters that a comment of `**kwargs` names: `a`, `b`: see `function`, or: for `function`."
    m = re.match(r'(?P<names>(`\w+`(, )?)*)(: see|for) `(?P<whose>\w+)`', text)
    whose = m and (getattr(module, m['whose'], None) or getattr(owner, m['whose'], None))
    if not whose:
        return []
    names = re.findall(r'\w+', m['names'])
    function = whose.__init__ if inspect.isclass(whose) else whose
    first = (
        1 if inspect.isclass(whose) or next(iter(inspect.signature(function).parameters)) == 'learn' else 0
    )
    return [
        p for p in parameters(function)[first:] if p.kind not in ANY_ARGS and (not names or p.name in names)
    ]


def literal(value):
    "Return a default as it is written in a stub; `...` where it isn't a literal."
    if value is None or isinstance(value, (bool, int, str)) and type(value) in (bool, int, str):
        return repr(value)
    if type(value) is float and abs(value) < float('inf'):
        return repr(value)
    if type(value) is tuple and all(literal(v) != '...' for v in value):
        return repr(value)
    return '...'


class Stub:
    "The text of the stub of one module, and what it imports."

    def __init__(self, module):
        self.module = module
        self.imports = set()
        self.from_imports = set()
        self.lines = []

    # ------------------------------------------------------------ types

    def type_of(self, annotation, module=None):
        "Return the text of an annotation; 'Any' where there is none, or none that means something here."
        if isinstance(annotation, str):
            annotation = self.evaluate(annotation, module)
        if annotation in (EMPTY, object, typing.Any):
            return 'Any'
        if annotation in (None, type(None)):
            return 'None'
        if annotation is Ellipsis:
            return '...'
        if isinstance(annotation, list):
            return f'[{", ".join(self.type_of(a) for a in annotation)}]'
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            return ' | '.join(self.type_of(a) for a in args)
        if origin is not None:
            return f'{self.class_name(origin)}[{", ".join(self.type_of(a) for a in args)}]'
        private = getattr(annotation, '__name__', '').startswith('_')
        return self.plain(annotation) if isinstance(annotation, type) and not private else 'Any'

    def evaluate(self, text, module):
        "Return what an annotation in quotes means."
        try:
            return eval(text, vars(module or self.module))
        except Exception:
            return typing.Any

    def plain(self, cls):
        "Return the text of a class, with `Any` for each of its open parameters."
        name = self.class_name(cls)
        if name == 'numpy.ndarray':
            self.imports.discard('numpy')
            self.imports.add('numpy.typing')
            return 'numpy.typing.NDArray[Any]'
        if cls in PARTS:
            return f'{name}[{PARTS[cls]}]'
        open_parts = getattr(cls, '__parameters__', ())
        return f'{name}[{", ".join(["Any"] * len(open_parts))}]' if open_parts else name

    def class_name(self, cls):
        "Return the name of a class, imported from the shortest place that has it."
        if cls.__module__ == 'builtins':
            return cls.__name__
        if cls.__module__ in ('collections.abc', 'typing') and cls.__name__ in TYPING:
            return cls.__name__
        if cls.__module__ == self.module.__name__ and '<' not in cls.__qualname__:
            return cls.__qualname__
        if cls.__module__.startswith('fastlr.') and '<' not in cls.__qualname__:
            self.from_imports.add((cls.__module__, cls.__name__))
            return cls.__name__
        parts = cls.__module__.split('.')
        for i in range(1, len(parts) + 1):
            place = '.'.join(parts[:i])
            if getattr(importlib.import_module(place), cls.__name__, None) is cls:
                self.imports.add(place)
                return f'{place}.{cls.__name__}'
        return 'Any'

    def dotted(self, name):
        "Return a dotted name, and import its module."
        self.imports.add(name.rpartition('.')[0])
        return name

    # ------------------------------------------------------------ functions

    def parameter(self, p):
        "Return the text of a parameter."
        stars = {p.kind.VAR_POSITIONAL: '*', p.kind.VAR_KEYWORD: '**'}.get(p.kind, '')
        kind = self.type_of(p.annotation, p.module)
        if p.annotation is EMPTY and isinstance(p.default, enum.Enum):
            kind = self.type_of(type(p.default))
        may_be_none = p.default is None or MAY_BE_NONE.search(p.text)
        if kind not in ('Any', 'None') and may_be_none and 'None' not in kind:
            kind += ' | None'
        named = re.fullmatch(r'(?:the |an? |running )?`(\w+)`', p.text) if kind == 'Any' else None
        if named and isinstance(cls := vars(p.module).get(named[1]) or known_class(named[1]), type):
            kind = self.type_of(cls)
        if kind == 'Any' and re.match(r'matplotlib axes( to draw on)?;', p.text):
            kind = f'{self.dotted("matplotlib.axes.Axes")} | None'
        default = '' if p.default is EMPTY else f' = {literal(p.default)}'
        return f'{stars}{p.name}: {kind}{default}'

    def result(self, name, function):
        "Return the text of the type of what a function returns."
        if name in RESULTS:
            return RESULTS[name]
        inner = inspect.unwrap(function)
        annotation, text = inner.__annotations__.get('return', EMPTY), comments(function).get('return', '')
        if name.startswith('on_') or isinstance(annotation, str) and annotation == 'Any':
            return 'Any'
        kind = self.type_of(annotation, sys.modules[inner.__module__])
        if is_context(function):
            return f'{self.dotted("contextlib.AbstractContextManager")}[{kind}]'
        if kind == 'Any' and inspect.isgeneratorfunction(inner):
            return 'Iterator[Any]'
        if kind == 'Any':
            kind = self.result_in_words(text, inner)
        elif kind != 'None' and MAY_BE_NONE.search(text):
            kind += ' | None'
        return kind

    def result_in_words(self, text, function):
        "Return the type that the comment names, a class or a phrase; 'None' if nothing is returned."
        for phrase, name in PHRASES.items():
            if text == phrase or text.startswith((f'{phrase},', f'{phrase};')) and ' or ' not in text:
                return self.dotted(name)
        m = re.match(r'(?:the |an? )?`(\w+)`(?=[,;:]|$| of| with| that)', text)
        named = m and (function.__globals__.get(m[1]) or known_class(m[1]))
        if isinstance(named, type):
            return self.type_of(named)
        return 'Any' if text or returns_something(function) else 'None'

    def function(self, name, function, owner=None, kind=None, indent=''):
        "Write a function or a method: decorators, signature, docstring."
        params = parameters(function, owner)
        texts = [self.parameter(p) for p in params]
        if owner is not None and kind != 'staticmethod':
            params[0] = params[0]._replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
            texts[0] = 'cls' if kind == 'classmethod' or name == '__new__' else 'self'
        if name.startswith('on_') and any(p.kind is p.kind.VAR_KEYWORD for p in params):
            # A callback takes the entries of the state that it needs; with these two, any choice is allowed.
            texts = ['self', '*args: Any', '**kwargs: Any']
        elif not any(p.kind is p.kind.VAR_POSITIONAL for p in params):
            named = [i for i, p in enumerate(params) if p.kind is p.kind.KEYWORD_ONLY]
            if named:
                texts.insert(named[0], '*')
        if hasattr(function, 'registry'):
            kind = self.dotted('functools.singledispatch')
        if kind:
            self.lines.append(f'{indent}@{kind}')
        end = f') -> {self.result(name, function)}:'
        one = f'{indent}def {name}({", ".join(texts)}{end}'
        if len(one) <= WIDTH:
            self.lines.append(one)
        else:
            self.lines += [f'{indent}def {name}(', *(f'{indent}    {t},' for t in texts), f'{indent}{end}']
        # An editor shows the docstring of the class where an object is made.
        more = '' if name in ('__init__', '__new__') else described(function, owner)
        self.body(docstring(function, more), indent + '    ')

    def body(self, doc, indent):
        "Write a docstring, or `...` where there is none, on the line of the header."
        if not doc:
            self.lines[-1] += ' ...'
            return
        doc = doc.replace('\\', '\\\\').replace('"""', "'''")
        lines = f'"""{doc}"""'.splitlines() if '\n' not in doc else f'"""{doc}\n"""'.splitlines()
        self.lines += [f'{indent}{line}'.rstrip() for line in lines]

    # ------------------------------------------------------------ classes

    def cls(self, cls):
        "Write a class with all that has been added to it."
        is_tuple = issubclass(cls, tuple) and hasattr(cls, '_fields')
        bases = ['NamedTuple'] if is_tuple else [self.base(b) for b in cls.__bases__ if b is not object]
        data = '__dataclass_params__' in vars(cls)
        if data:
            args = [
                f'{k}={v}'
                for k in ('frozen', 'eq')
                if (v := getattr(cls.__dataclass_params__, k)) != (k == 'eq')
            ]
            self.lines.append(
                f'@{self.dotted("dataclasses.dataclass")}' + (f'({", ".join(args)})' if args else '')
            )
        self.lines.append(f'class {cls.__name__}({", ".join(bases)}):' if bases else f'class {cls.__name__}:')
        if issubclass(cls, enum.Enum):
            self.body(docstring(cls, ''), '    ')
            self.lines += [f'    {m.name} = {m.value!r}' for m in cls]
            return
        start = len(self.lines)
        self.body(docstring(cls, described(cls)), '    ')
        if self.lines[-1].endswith(' ...'):
            self.lines[-1] = self.lines[-1].removesuffix(' ...')
        self.attributes(cls, is_tuple, data)
        self.methods(cls)
        if len(self.lines) == start:
            self.lines[-1] += ' ...'
        self.lines.append('')

    def base(self, base):
        "Return the text of a base class."
        return self.plain(base)

    def attributes(self, cls, is_tuple, data):
        "Write fields, class attributes, and the attributes that `__init__` sets."
        module, done = sys.modules[cls.__module__], set()
        fields = {f.name: f for f in dataclasses.fields(cls)} if data else {}
        for name, annotation in inspect.get_annotations(cls).items():
            default = vars(cls).get(name, EMPTY) if not is_tuple else cls._field_defaults.get(name, EMPTY)
            kind = self.type_of(annotation, module)
            if may_stay_none(comments(cls).get(name, ''), default) and kind not in ('Any', 'None'):
                kind += ' | None'
            has_default = (
                default is not EMPTY
                or name in fields
                and fields[name].default_factory is not dataclasses.MISSING
            )
            self.lines.append(f'    {name}: {kind}' + (' = ...' if has_default else ''))
            done.add(name)
        for name, value in vars(cls).items():
            if self.is_attribute(name, value) and name not in done:
                self.lines.append(f'    {name}: {self.value_type(value)}')
                done.add(name)
        for fn in vars(cls).get('default_callback_fns', ()):
            # Every learner has these callbacks, by their names.
            self.lines.append(f'    {camel2snake(fn.__name__)}: {self.type_of(fn)}')
        inherited = {n for c in cls.__mro__[1:] for n in (*vars(c), *set_by_init(c))}
        for name, kind in set_by_init(cls).items():
            if name not in done and name not in vars(cls) and name not in inherited:
                self.lines.append(f'    {name}: {self.attribute_type(kind, cls)}')

    def is_attribute(self, name, value):
        "Return whether an entry of a class is a public attribute, and not a method."
        if name.startswith('_') or function_in(value) is not None or isinstance(value, (type, classmethod)):
            return False
        return not inspect.isdatadescriptor(value) and not callable(value) or isinstance(value, enum.Enum)

    def value_type(self, value):
        "Return the text of the type of a constant, or of the value of a class attribute."
        if value is None:
            return 'Any'
        if isinstance(value, tuple) and type(value) is tuple:
            kinds = {self.value_type(v) for v in value}
            return f'tuple[{kinds.pop()}, ...]' if len(kinds) == 1 else 'tuple[Any, ...]'
        if type(value) is dict and value:
            keys, values = ({self.value_type(v) for v in vs} for vs in (value, value.values()))
            return f'dict[{", ".join(k.pop() if len(k) == 1 else "Any" for k in (keys, values))}]'
        if (
            inspect.isroutine(value)
            or isinstance(value, types.ModuleType)
            or isinstance(value, functools.partial)
        ):
            return 'Any'
        cls = next(c for c in type(value).__mro__ if not c.__name__.startswith('_'))
        return self.plain(cls)

    def attribute_type(self, kind, cls):
        "Return the text of the type of an attribute that `__init__` sets: see `set_by_init`."
        module = sys.modules[cls.__module__]
        if isinstance(kind, Param):
            return re.sub(r'^\*{0,2}\w+: | = .*$', '', self.parameter(kind))
        named = vars(module).get(kind) if isinstance(kind, str) else kind
        if inspect.isfunction(named):
            return self.result(named.__name__, named)
        return self.type_of(named) if isinstance(named, type) else 'Any'

    def methods(self, cls):
        "Write the public methods and properties."
        if '__dataclass_params__' in vars(cls):
            self.made_by_fields(cls)
        for name, member in vars(cls).items():
            f = function_in(member)
            if f is None or name.startswith('_') and name not in DUNDERS.split():
                continue
            refuses = name == '__iter__' and (f.__doc__ or '').startswith('Raise')
            generated = f.__code__.co_filename == '<string>' or f.__module__ == 'dataclasses'
            # Those of enumerations, named tuples and dataclasses are written with their fields.
            fields = name == '__new__' and (hasattr(cls, '_fields') or '__dataclass_params__' in vars(cls))
            if not (refuses or generated or fields):
                self.method(cls, name, member, f)

    def made_by_fields(self, cls):
        "Write `__init__` of a dataclass, and `__new__` if it has one. Here, arrays may be lists."
        makers = [('__init__', 'self', 'None')]
        if '__new__' in vars(cls):
            makers.append(('__new__', 'cls', 'Self'))
        for name, first, result in makers:
            self.lines += [f'    def {name}(', f'        {first},']
            for f in dataclasses.fields(cls):
                kind = self.type_of(f.type, sys.modules[cls.__module__])
                kind = kind.replace('NDArray[Any]', 'ArrayLike')
                may_be_none = f.default is None or MAY_BE_NONE.search(comments(cls).get(f.name, ''))
                if may_be_none and kind != 'Any':
                    kind += ' | None'
                has_default = f.default is not dataclasses.MISSING
                default = f' = {literal(f.default)}' if has_default else ''
                if f.default_factory is not dataclasses.MISSING:
                    default = ' = ...'
                self.lines.append(f'        {f.name}: {kind}{default},')
            self.lines.append(f'    ) -> {result}: ...')

    def method(self, cls, name, member, f):
        "Write a method or a property."
        if isinstance(member, (property, functools.cached_property)):
            self.function(name, f, cls, 'property', '    ')
            if getattr(member, 'fset', None) is not None:
                self.lines += [f'    @{name}.setter', f'    def {name}(self, value: Any) -> None: ...']
            return
        kind = {'_clsmethod': 'classmethod'}.get(type(member).__name__, type(member).__name__)
        kind = kind if kind in ('classmethod', 'staticmethod') and name != '__new__' else None
        self.function(name, f, cls, kind, '    ')

    # ------------------------------------------------------------ the module

    def write(self):
        "Return the text of the whole stub."
        module = self.module
        public = list(getattr(module, '__all__', ()))
        bases = {b for n in public if isinstance(c := getattr(module, n), type) for b in c.__mro__}
        for name, value in vars(module).items():
            own = getattr(value, '__module__', None) == module.__name__
            if (
                isinstance(value, type)
                and own
                and (name in public or value in bases)
                and value.__name__ == name
            ):
                self.cls(value)
            elif inspect.isfunction(value) and own and name in public:
                self.function(name, value)
                self.lines.append('')
            elif name in public:
                self.constant(name, value)
        return '\n'.join([*self.head(public), *self.lines]).rstrip() + '\n'

    def constant(self, name, value):
        "Write a constant, an alias, or a name that is passed on from another module."
        place = getattr(value, '__module__', None)
        if (
            callable(value)
            and isinstance(place, str)
            and place.startswith('fastlr.')
            and place != self.module.__name__
        ):
            if getattr(sys.modules[place], name, None) is value:
                self.from_imports.add((place, f'{name} as {name}'))
                return
        if inspect.isroutine(value) or isinstance(value, type):
            self.lines.append(
                f'{name} = {self.class_name(value)}' if isinstance(value, type) else f'{name}: Any'
            )
        else:
            self.lines.append(f'{name}: {self.value_type(value)}')

    def head(self, public):
        "Return the head of the stub: its docstring, imports, `__all__`."
        text = '\n'.join(self.lines)
        used = [n for n in TYPING if re.search(rf'\b{n}\b', text)]
        first_line = (self.module.__doc__ or '').splitlines()[0]
        out = [f'"""{first_line}"""', '', '# Made by tools/stubs.py: run `make prepare`.', '']
        out += [f'import {name}' for name in sorted(self.imports)]
        out += [f'from typing import {", ".join(used)}'] * bool(used)
        out += ['from typing_extensions import Self'] * bool(re.search(r'\bSelf\b', text))
        out += [f'from {place} import {name}' for place, name in sorted(self.from_imports)]
        out += [
            '',
            *textwrap.wrap(f'__all__ = {public!r}', WIDTH, subsequent_indent='    ', break_on_hyphens=False),
            '',
        ]
        return out


def known_class(name):
    "Return what `name` is at the top of the package, or in the module that is called like it."
    fastlr = sys.modules['fastlr']
    return getattr(fastlr, name) if name in fastlr._reachable else None


def returns_something(function):
    "Return whether a function has a `return` with a value, or a `yield`."
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return True
    stack, body = [], tree.body[0].body if hasattr(tree.body[0], 'body') else [tree]
    stack += body
    while stack:
        node = stack.pop()
        if (
            isinstance(node, (ast.Yield, ast.YieldFrom, ast.Lambda))
            or isinstance(node, ast.Return)
            and node.value
        ):
            if not isinstance(node, ast.Lambda):
                return True
        elif not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            stack += ast.iter_child_nodes(node)
    return False


@functools.cache
def set_by_init(cls):
    "Return {public attribute: a `Param`, the name of a function or class, or a type} that `__init__` sets."
    init = vars(cls).get('__init__')
    if not inspect.isfunction(init) or not cls.__module__.startswith('fastlr'):
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(init))))
    except (OSError, SyntaxError):
        return {}
    params, found = {p.name: p for p in parameters(init, cls)}, {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
            elif isinstance(target, ast.Tuple):
                pairs = [(t, ast.Constant(None)) for t in target.elts]
            for t, value in pairs:
                if isinstance(t, ast.Attribute) and getattr(t.value, 'id', '') == 'self' and t.attr[0] != '_':
                    found.setdefault(t.attr, kind_of(value, params))
    return found


def may_stay_none(text, default):
    "Return whether a field may be None: a default that the comment names has been filled in."
    return bool(MAY_BE_NONE.search(text)) or default is None and 'default:' not in text


def kind_of(value, params):
    "Return what is known of an expression in `__init__`."
    if isinstance(value, ast.Name):
        return params.get(value.id)
    if isinstance(value, ast.Attribute) and value.attr in params:
        # Of settings that were made of the parameters.
        return params[value.attr]
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id
    if isinstance(value, ast.Constant) and value.value is not None:
        return type(value.value)
    return {ast.List: list, ast.ListComp: list, ast.Dict: dict, ast.Set: set, ast.Compare: bool}.get(
        type(value)
    )


# ---------------------------------------------------------------- texts


def wrapped(name, text, indent='    '):
    "Return 'name: text' in lines of at most 100 columns."
    head = f'{indent}{name}: ' if name else indent
    return textwrap.wrap(
        head + text, 100, subsequent_indent=indent + '    ', break_on_hyphens=False, break_long_words=False
    )


def described(obj, owner=None):
    "Return the part of a docstring that describes parameters and result, '' if there is nothing to say."
    if inspect.isclass(obj):
        return class_described(obj)
    params = parameters(obj, owner)
    # Of a method, the first parameter is the object itself, whatever its name.
    member = inspect.getattr_static(owner, obj.__name__, None)
    is_static = isinstance(member, staticmethod) and obj.__name__ != '__new__'
    params = [p for p in params[owner is not None and not is_static :] if p.text]
    lines = ['Args:'] * bool(params)
    for p in params:
        stars = {p.kind.VAR_POSITIONAL: '*', p.kind.VAR_KEYWORD: '**'}.get(p.kind, '')
        lines += wrapped(stars + p.name, p.text)
    if text := comments(obj).get('return'):
        kind = Stub(sys.modules[inspect.unwrap(obj).__module__]).result(obj.__name__, obj)
        kind = '' if kind in ('Any', 'None') or 'Manager' in kind else kind.replace('numpy.typing.', '')
        lines += [''] * bool(lines) + ['Returns:', *wrapped(kind, text)]
    return '\n'.join(lines)


def class_described(cls):
    "Return the description of what a class is made from."
    if dataclasses.is_dataclass(cls) or issubclass(cls, tuple) and hasattr(cls, '_fields'):
        texts = comments(cls)
        names = inspect.get_annotations(cls)
        lines = [line for n in names if texts.get(n) for line in wrapped(n, texts[n])]
        return '\n'.join(['Args:', *lines]) if lines else ''
    init = function_in(vars(cls).get('__init__', vars(cls).get('__new__')))
    return described(init, cls) if init is not None else ''


def docstring(obj, more):
    "Return the docstring of `obj` with the description `more`."
    if inspect.isclass(obj):
        own = vars(obj).get('__doc__') or ''
        if dataclasses.is_dataclass(obj) and own.startswith(f'{obj.__name__}('):
            own = ''
    else:
        own = obj.__doc__ or ''
    return '\n\n'.join(filter(None, [inspect.cleandoc(own), more]))


def texts_of(module):
    "Return {qualified name: description} of the functions, classes and methods that `module` defines."
    found, done = {}, set()
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith('_'):
            found[name] = described(value)
            done.add(value)
    for name, value in vars(module).items():
        own = getattr(value, '__module__', None) == module.__name__
        # A method that is patched in belongs to the module that does it.
        if isinstance(value, type) and value.__module__.startswith('fastlr.') and not name.startswith('_'):
            if own:
                found[name] = class_described(value)
            for n, member in vars(value).items():
                f = function_in(member)
                here = f is not None and inspect.unwrap(f).__module__ == module.__name__
                if here and not n.startswith('_') and f not in done:
                    found[f'{name}.{n}'] = described(f, value)
    return {name: text for name, text in found.items() if text}


def parameters_module(modules):
    "Return the text of fastlr/_parameters.py."
    lines = [
        '"""What the comments beside parameters say, for docstrings."""',
        '',
        '# Made by tools/stubs.py.',
        '',
        'TEXTS = {',
    ]
    for name, module in modules.items():
        if texts := texts_of(module):
            lines.append(f'    {name!r}: {{')
            lines += [f'        {qualname!r}: {text!r},' for qualname, text in texts.items()]
            lines.append('    },')
    return '\n'.join([*lines, '}']) + '\n'


# ---------------------------------------------------------------- the package


def top(fastlr):
    "Return the stub of the package itself."
    lines = [f'"""{fastlr.__doc__.strip()}"""', '', '# Made by tools/stubs.py: run `make prepare`.', '']
    lines += ['from collections.abc import Callable', 'from typing import Any', '']
    names = {m: [*ns, *fastlr._for_v1.get(m, ())] for m, ns in fastlr._modules.items()}
    modules = sorted({m.partition('.')[0] for m in fastlr._modules})
    taken = {n for ns in names.values() for n in ns}
    lines += [f'from fastlr import {m} as {m}' for m in modules if m not in taken]
    lines += [f'from fastlr.{m} import {n} as {n}' for m, ns in names.items() for n in ns]
    lines += [
        '',
        *textwrap.wrap(f'__all__ = {fastlr.__all__!r}', WIDTH, subsequent_indent='    '),
        '',
        '__version__: str',
        '',
    ]
    lines += [
        'def old_names(module: str) -> Callable[[str], Any]: ...',
        'def document(module: str) -> None: ...',
    ]
    return '\n'.join(lines) + '\n'


def main(root):
    package = root / 'fastlr'
    sys.path.insert(0, str(root))
    # The docstrings that are read here are those of the notebooks.
    sys.modules['fastlr._parameters'] = types.SimpleNamespace(TEXTS={})
    import fastlr

    fastlr._load_core()
    modules = {name: importlib.import_module(f'fastlr.{name}') for name in fastlr._modules}
    for old in package.rglob('*.pyi'):
        old.unlink()
    for name, module in modules.items():
        (package / f'{name.replace(".", "/")}.pyi').write_text(Stub(module).write())
    for name in {name.partition('.')[0] for name in modules if '.' in name}:
        inside = [m.partition('.')[2] for m in modules if m.startswith(f'{name}.')]
        lines = ['# Made by tools/stubs.py.', *(f'from fastlr.{name} import {m} as {m}' for m in inside)]
        (package / name / '__init__.pyi').write_text('\n'.join(lines) + '\n')
    (package / '__init__.pyi').write_text(top(fastlr))
    (package / '_parameters.py').write_text(parameters_module(modules))
    (package / 'py.typed').write_text('')


if __name__ == '__main__':
    main(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve())
