"""Add to Sphinx what the site needs.

The parameters of a function become a table, read from its docments; a name in backticks becomes a link to its
place in the reference (a doclink); and formulas need no script."""

import importlib, inspect, re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from fastcore.docments import docments
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import fastlr

for module in fastlr._modules:
    # All modules are imported first, since later ones add methods to the classes of earlier ones.
    importlib.import_module(f'fastlr.{module}')

# The classes of the instances that examples name so: `learn.lr_find` in prose is `Learner.lr_find`.
USUAL = dict(learn='Learner', recorder='Recorder', curve='LRCurve', sweep='LRSweep')


# ---------------------------------------------------------------- tables


def slug(title):
    "Return the anchor of a heading, as Jupyter writes it: with dashes for blanks, and otherwise unchanged."
    return title.strip().replace(' ', '-')


def literal(text):
    """Return Markdown as reStructuredText, on one line, as the cell of a table must be.

    Of Markdown's markup, docstrings use `code` only.
    """
    parts = re.split(r'`([^`]+)`', re.sub(r'\s+', ' ', str(text)))
    return ''.join(
        rf'\ ``{p}``\ ' if i % 2 else re.sub(r'([\\*|_])', r'\\\1', p) for i, p in enumerate(parts)
    ).strip()


def typename(t):
    "Return the text of an annotation, '' if there is none or if Sphinx has put a default in its place."
    if t is None or t is inspect.Parameter.empty:
        return ''
    if 'DefaultValue' in (getattr(t, '__name__', ''), type(t).__name__):
        return ''
    return t.__name__ if isinstance(t, type) else str(t)


def rows(obj, what):
    "Yield `(parameter, type, default, meaning)` of each parameter with a docment, and of the returned value."
    own = None
    if what == 'method' and inspect.isfunction(obj):
        # The first parameter is `self`, or has the name that a function with `@patch` gives it.
        own = next(iter(inspect.signature(obj).parameters), None)
    for name, d in docments(obj, full=True, returns=True).items():
        if not d.docment or name == own:
            continue
        has_default = name != 'return' and d.default is not inspect.Parameter.empty
        default = f'``{getattr(d.default, "__name__", None) or repr(d.default)}``' if has_default else ''
        shown = '*returns*' if name == 'return' else f'``{name}``'
        yield shown, literal(typename(d.anno)), default, literal(d.docment)


def add_table(app, what, name, obj, options, lines):
    "Append the table of parameters to the docstring `lines`."
    if what == 'module':
        # The page of a module begins with words of its own.
        lines.clear()
    # `fastlr.document` has added the texts that the table shows.
    added = [i for i, x in enumerate(lines) if x.strip() in ('Args:', 'Returns:')]
    del lines[min(added, default=len(lines)) :]
    lines[:] = [literal(x) if x.strip() else '' for x in lines]
    if what not in ('function', 'method', 'class', 'exception'):
        return
    try:
        found = list(rows(obj, what))
    except (TypeError, ValueError, OSError):
        # An alias of a type and a function that is written in C have no docments.
        return
    columns = [i for i in range(4) if any(r[i] for r in found)]
    if not columns:
        return
    lines += ['', '.. list-table::', '   :header-rows: 1', '   :class: docments', '']
    for row in [('parameter', 'type', 'default', 'meaning'), *found]:
        lines += [f'   {"* -" if i == columns[0] else "  -"} {row[i]}' for i in columns]
    lines.append('')


# ---------------------------------------------------------------- doclinks


def short_names(objects):
    """Return {short name: full name}.

    `Class.method` and names with a capital are included if there is only one such name. A plain word must
    also be offered by `fastlr` itself, since `fit` in prose is mostly a method.
    """
    found, plain = {}, set(fastlr.__all__)
    for full, entry in objects.items():
        if entry.objtype == 'module':
            continue
        parts = full.split('.')
        for i in range(1, len(parts)):
            found.setdefault('.'.join(parts[i:]), []).append(full)
    return {
        short: full[0]
        for short, full in found.items()
        if len(full) == 1 and ('.' in short or not short.islower() or short in plain)
    }


def meant(text):
    "Return the name in `text`, which may be a call, and may use the name that examples give to an instance."
    m = re.fullmatch(r'(?:fastlr\.)?(?:learn\.(?=recorder\.))?([A-Za-z_][\w.]*)(?:\([^()]*\))?', text.strip())
    if not m:
        return None
    first, dot, rest = m[1].partition('.')
    return USUAL.get(first, first) + dot + rest if dot else first


class Doclinks(SphinxPostTransform):
    "Link `Name`, `Class.method`, `learn.method` and `name(...)` in backticks to entries of the reference."

    default_priority = 5

    def run(self):
        if self.env.docname == 'tutorials/coming_from':
            # Half of the names on this page belong to other libraries.
            return
        objects = self.env.domaindata['py']['objects']
        short = short_names(objects)
        for node in list(self.document.findall(nodes.literal)):
            full = short.get(meant(node.astext()))
            if not full or not self.is_prose(node):
                continue
            entry = objects[full]
            page = ''
            if entry.docname != self.env.docname:
                page = self.app.builder.get_relative_uri(self.env.docname, entry.docname)
            uri = f'{page}#{entry.node_id}'
            ref = nodes.reference('', '', internal=True, refuri=uri, reftitle=full, classes=['doclink'])
            node.replace_self(ref)
            ref += node

    def is_prose(self, node):
        "Return whether `node` is outside of headings, links and signatures."
        others = (nodes.title, nodes.reference, addnodes.pending_xref, addnodes.desc_signature)
        while node := node.parent:
            if isinstance(node, others):
                return False
        return True


# ---------------------------------------------------------------- formulas


def math(self, node):
    "Write a formula as MathML, which browsers draw themselves: no script is needed, and nothing is fetched."
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer('mathml', (math, None), (math, None))
    app.connect('autodoc-process-docstring', add_table)
    app.add_post_transform(Doclinks)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
