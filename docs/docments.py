"""What the site adds to Sphinx: the parameters of a function as a table, read from its docments; doclinks, a name in backticks
that leads to its place in the reference; and formulas without a script."""
import inspect, re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from fastcore.docments import docments
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import fastlr

# the names that examples give to things: `learn.lr_find` in prose is `Learner.lr_find`
USUAL = dict(learn='Learner', recorder='Recorder', curve='LRCurve', sweep='LRSweep')


def slug(title):
    "The anchor of a heading, as Jupyter writes it: dashes for blanks, all else as it is."
    return title.strip().replace(' ', '-')


def literal(text):
    "Markdown's `name` as reStructuredText has it; on one line, as a cell of a table must be."
    return re.sub(r'`([^`]+)`', r'\\ ``\1``\\ ', re.sub(r'\s+', ' ', str(text)).replace('\\', r'\\').replace('*', r'\*')).strip()


def rows(obj):
    "`(parameter, type, default, meaning)` of each parameter that has a docment, and of what is returned."
    for name, d in docments(obj, full=True, returns=True).items():
        if not d.docment: continue
        empty = lambda x: x is inspect.Parameter.empty or x is None or type(x).__name__ == 'DefaultValue'      # Sphinx's, for the text of a default
        anno = '' if empty(d.anno) or getattr(d.anno, '__name__', '') == 'DefaultValue' else getattr(d.anno, '__name__', str(d.anno)) if isinstance(d.anno, type) else str(d.anno)
        default = '' if name == 'return' or d.default is inspect.Parameter.empty else f'``{getattr(d.default, "__name__", None) or repr(d.default)}``'
        yield ('*returns*' if name == 'return' else f'``{name}``'), literal(anno), default, literal(d.docment)


def add_table(app, what, name, obj, options, lines):
    "Append the table to a docstring; the page of a module has its own first words."
    if what == 'module': lines.clear()
    lines[:] = [literal(x) if x.strip() else '' for x in lines]
    if what not in ('function', 'method', 'class'): return
    try: found = list(rows(obj))
    except (TypeError, ValueError, OSError): return                      # an alias, or made in C
    kept = [i for i in range(4) if any(r[i] for r in found)]
    if not kept: return
    lines += ['', '.. list-table::', '   :header-rows: 1', '   :class: docments', '']
    for row in [('parameter', 'type', 'default', 'meaning'), *found]:
        lines += [f'   {"* -" if i == kept[0] else "  -"} {row[i]}' for i in kept]
    lines.append('')


def short_names(objects):
    "Short name -> full name: `LRSweep`, `Learner.lr_find`. What `fastlr` itself offers comes first; else it must be the only one."
    found = {}
    for full, entry in objects.items():
        parts = full.split('.')
        for i in range(1, len(parts)) if entry.objtype != 'module' else (): found.setdefault('.'.join(parts[i:]), []).append(full)
    only = {k: v[0] for k, v in found.items() if len(v) == 1 and not k.islower() or len(v) == 1 and '.' in k}
    return {**only, **{n: f'fastlr.{m}.{n}' for m, names in fastlr._modules.items() for n in names if f'fastlr.{m}.{n}' in objects}}


def meant(text):
    "The name in `text`, which may be a call, and may use the name that examples give to an instance."
    m = re.fullmatch(r'(?:fastlr\.)?(?:learn\.(?=recorder\.))?([A-Za-z_][\w.]*)(?:\([^()]*\))?', text.strip())
    if not m: return None
    first, dot, rest = m[1].partition('.')
    return USUAL.get(first, first) + dot + rest if dot else first


class Doclinks(SphinxPostTransform):
    "`Name`, `Class.method`, `learn.method` and `name(...)` in backticks lead to the reference, where there is such a thing."
    default_priority = 5

    def run(self):
        objects = self.env.domaindata['py']['objects']
        short = short_names(objects)
        for node in list(self.document.findall(nodes.literal)):
            full = short.get(meant(node.astext()))
            if not full or not self.is_prose(node): continue
            entry = objects[full]
            page = '' if entry.docname == self.env.docname else self.app.builder.get_relative_uri(self.env.docname, entry.docname)
            ref = nodes.reference('', '', internal=True, refuri=f'{page}#{entry.node_id}', reftitle=full, classes=['doclink'])
            node.replace_self(ref)
            ref += node

    def is_prose(self, node):
        while node := node.parent:
            if isinstance(node, (nodes.title, nodes.reference, addnodes.pending_xref, addnodes.desc_signature)): return False
        return True


def math(self, node):
    "A formula as MathML, which browsers draw themselves: no script, nothing to fetch."
    block = isinstance(node, nodes.math_block)
    self.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer('mathml', (math, None), (math, None))
    app.connect('autodoc-process-docstring', add_table)
    app.add_post_transform(Doclinks)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
