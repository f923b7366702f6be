"""What the site adds to Sphinx: the parameters of a function as a table, read from its docments; doclinks, a name in backticks
that leads to its place in the reference; and formulas without a script."""

import importlib, inspect, re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from fastcore.docments import docments
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import fastlr

for module in fastlr._modules:
    # Later ones give methods to the classes of earlier ones.
    importlib.import_module(f'fastlr.{module}')

# the names that examples give to things: `learn.lr_find` in prose is `Learner.lr_find`
USUAL = dict(learn='Learner', recorder='Recorder', curve='LRCurve', sweep='LRSweep')


# ---------------------------------------------------------------- tables


def slug(title):
    "The anchor of a heading, as Jupyter writes it: dashes for blanks, all else as it is."
    return title.strip().replace(' ', '-')


def literal(text):
    "Markdown, of which docstrings use `code` only, as reStructuredText; on one line, as a cell of a table must be."
    parts = re.split(r'`([^`]+)`', re.sub(r'\s+', ' ', str(text)))
    return ''.join(
        rf'\ ``{p}``\ ' if i % 2 else re.sub(r'([\\*|_])', r'\\\1', p) for i, p in enumerate(parts)
    ).strip()


def typename(t):
    "As it was written; nothing if it was not, or if Sphinx has put the text of a default in its place."
    if (
        t is None
        or t is inspect.Parameter.empty
        or 'DefaultValue' in (getattr(t, '__name__', ''), type(t).__name__)
    ):
        return ''
    return t.__name__ if isinstance(t, type) else str(t)


def rows(obj, what):
    "`(parameter, type, default, meaning)` of each parameter that has a docment, and of what is returned."
    own = (
        next(iter(inspect.signature(obj).parameters), None)
        if what == 'method' and inspect.isfunction(obj)
        else None
        # `self`, or what `@patch` calls it.
    )
    for name, d in docments(obj, full=True, returns=True).items():
        if not d.docment or name == own:
            continue
        has_default = name != 'return' and d.default is not inspect.Parameter.empty
        default = f'``{getattr(d.default, "__name__", None) or repr(d.default)}``' if has_default else ''
        yield (
            ('*returns*' if name == 'return' else f'``{name}``'),
            literal(typename(d.anno)),
            default,
            literal(d.docment),
        )


def add_table(app, what, name, obj, options, lines):
    "Append the table to a docstring; the page of a module has its own first words."
    if what == 'module':
        lines.clear()
    lines[:] = [literal(x) if x.strip() else '' for x in lines]
    if what not in ('function', 'method', 'class'):
        return
    try:
        found = list(rows(obj, what))
    except (TypeError, ValueError, OSError):
        # An alias, or made in C.
        return
    kept = [i for i in range(4) if any(r[i] for r in found)]
    if not kept:
        return
    lines += ['', '.. list-table::', '   :header-rows: 1', '   :class: docments', '']
    for row in [('parameter', 'type', 'default', 'meaning'), *found]:
        lines += [f'   {"* -" if i == kept[0] else "  -"} {row[i]}' for i in kept]
    lines.append('')


# ---------------------------------------------------------------- doclinks


def short_names(objects):
    """Short name -> full name. `Class.method` and names with a capital lead to the only one of that name; a plain word does if
    `fastlr` itself offers it and no class has a method of that name, since `fit` in prose is mostly a method."""
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
    "The name in `text`, which may be a call, and may use the name that examples give to an instance."
    m = re.fullmatch(r'(?:fastlr\.)?(?:learn\.(?=recorder\.))?([A-Za-z_][\w.]*)(?:\([^()]*\))?', text.strip())
    if not m:
        return None
    first, dot, rest = m[1].partition('.')
    return USUAL.get(first, first) + dot + rest if dot else first


class Doclinks(SphinxPostTransform):
    "`Name`, `Class.method`, `learn.method` and `name(...)` in backticks lead to the reference, where there is such a thing."

    default_priority = 5

    def run(self):
        if self.env.docname == 'tutorials/coming_from':
            # Half of the names on it are other libraries'.
            return
        objects = self.env.domaindata['py']['objects']
        short = short_names(objects)
        for node in list(self.document.findall(nodes.literal)):
            full = short.get(meant(node.astext()))
            if not full or not self.is_prose(node):
                continue
            entry = objects[full]
            page = (
                ''
                if entry.docname == self.env.docname
                else self.app.builder.get_relative_uri(self.env.docname, entry.docname)
            )
            ref = nodes.reference(
                '', '', internal=True, refuri=f'{page}#{entry.node_id}', reftitle=full, classes=['doclink']
            )
            node.replace_self(ref)
            ref += node

    def is_prose(self, node):
        while node := node.parent:
            if isinstance(
                node, (nodes.title, nodes.reference, addnodes.pending_xref, addnodes.desc_signature)
            ):
                return False
        return True


# ---------------------------------------------------------------- formulas


def math(self, node):
    "A formula as MathML, which browsers draw themselves: no script, nothing to fetch."
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer('mathml', (math, None), (math, None))
    app.connect('autodoc-process-docstring', add_table)
    app.add_post_transform(Doclinks)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
