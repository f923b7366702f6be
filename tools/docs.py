"""Build the site from the executed notebooks: `make docs`. A warning fails the build.

    python tools/docs.py [FOLDER]

The script gathers the pages in `_docs/source`: the notebooks without their hidden cells and directives, a
page of reference for each module, the pages of `docs/`. From them Sphinx makes `_docs/html`; if FOLDER is
given, it takes the place of `_docs`. No notebook is executed, and nothing is fetched. (nbdev's own command
for this needs Quarto, which can't be installed everywhere.)"""

import importlib, re, shutil, subprocess, sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

ROOT = Path(__file__).resolve().parent.parent
DIRECTIVE = re.compile(r'^#\| *(\S.*)\n?', re.M)
# What a figure shows, for readers who don't see it.
ALT = re.compile(r'^#\| *fig-alt: *(.+)', re.M)
PLOTLY = 'application/vnd.plotly.v1+json'
BESIDE = '''::::{{grid}} 1 1 2 2
:gutter: 2
:::{{grid-item}}
{there}
:::
:::{{grid-item}}
Here:
```python
{here}
```
:::
::::'''
TOC = '''```{{toctree}}
:caption: {caption}
:hidden:
{pages}
```'''
REFERENCE = '''# Reference

What each module offers, with parameters, defaults and units. The notebooks of the same names explain it, \
with examples. What later modules add to `Learner`, such as `Learner.lr_find`, `Learner.tune` and \
`Learner.fit_one_cycle`, is listed with the `Learner`.
'''
# `automodule` finds the docstrings of a module; `docments` adds the tables of parameters to them.
MODULE = '''# fastlr.{module}

{quote}

The notebook [{nb}](../{nb}.ipynb) explains it, with examples.

```{{eval-rst}}
.. automodule:: fastlr.{module}
   :members:
   :special-members: __call__
```
'''


def pages():
    "Return the contents of the site: caption -> documents, in reading order."
    nbs = sorted(p.stem for p in (ROOT / 'nbs').glob('[0-9]*.ipynb'))
    tutorials = lambda *names: [f'tutorials/{n}' for n in names]
    return {
        'Use it': tutorials(
            'start', 'choosing_a_rate', 'your_own_loop', 'recipes', 'where_it_works', 'coming_from'
        ),
        'What it is worth': tutorials('which_rule', 'measured', 'restored', 'speed'),
        'The library, explained': nbs,
        'Reference': ['reference/index'],
        'Work on it': ['architecture', 'contributing', 'changelog'],
    }


def linked(text):
    "Return `text` with links between the folders of the project as they are in the site, which has one root."
    return re.sub(
        r'\]\((?:\.\./)*(?:docs/|nbs/|(?=[A-Z]+\.md))([\w/]+\.(?:md|ipynb))',
        lambda m: f']({m[1].lower()}',
        text,
    )


def directives(cell):
    "Return the names of the directives of `cell`."
    if cell.cell_type != 'code':
        return []
    return [m.split()[0].rstrip(':') for m in DIRECTIVE.findall(cell.source)]


def tidy(nb):
    """Reduce `nb` to what a reader of the site sees.

    Hidden cells, directives and empty outputs are removed, and library code is marked. A cell with the
    directive `beside` moves into a column next to the code of another library in the cell before it.
    """
    cells = []
    for c in nb.cells:
        d = directives(c)
        if {'hide', 'default_exp'} & set(d):
            continue
        if c.cell_type == 'code':
            if alt := ALT.search(c.source):
                c.metadata['mystnb'] = {'image': {'alt': alt[1]}}
            c.source = DIRECTIVE.sub('', c.source).strip('\n')
            c.outputs = [o for o in c.outputs if not is_empty(o)]
            for o in c.outputs:
                if figure := o.get('data', {}).pop(PLOTLY, None):
                    o['data']['text/html'] = live(figure, c.id)
            tags = ['library'] if 'export' in d else ['hide-input'] if 'fold' in d else []
            if 'beside' in d and cells[-1].cell_type == 'markdown':
                cells[-1].source = beside(cells[-1].source, c.source)
                tags.append('remove-input')
            c.metadata['tags'] = tags
            if not c.source:
                continue
        cells.append(c)
    nb.cells = cells
    return nb


def live(figure, name):
    """Return the HTML of a `figure` of plotly, which its script draws. Only pages with such a figure load the
    script, 4 MB, which is in the site once."""
    from plotly.io import to_html

    html = to_html(figure, config={'responsive': True}, include_plotlyjs=False, full_html=False, div_id=name)
    return f'<script src="_static/plotly.min.js"></script>\n{html}'


def is_empty(output):
    "Return whether `output` is the HTML display without content that a finished progress bar leaves behind."
    html = ''.join(output.get('data', {}).get('text/html', ''))
    return (
        bool(html)
        and not re.sub(r'<style>.*?</style>|<[^>]+>|\s', '', html, flags=re.S)
        and '<svg' not in html
    )


def beside(prose, here):
    "Return `prose` with its last fenced block and the sentence before that in one column, `here` in another."
    start = prose.rindex('\n```', 0, prose.rstrip().rindex('```')) + 1
    before, sentence = re.fullmatch(r'(.*?)([^.\n]*:)?\s*', prose[:start], re.S).groups()
    there = f"{(sentence or 'There:').strip()}\n{prose[start:].strip()}"
    return before.rstrip() + '\n\n' + BESIDE.format(there=there, here=here)


def reference(src, modules):
    "Write a page for each of `modules`, and a page of all names, to the folder `reference` of `src`."
    (src / 'reference').mkdir()
    index = [REFERENCE]
    for nb, module in modules.items():
        first_cell = nbformat.read(ROOT / 'nbs' / f'{nb}.ipynb', 4).cells[0].source
        quote = re.search(r'^> (.*)$', first_cell, re.M).group(1)
        page = MODULE.format(module=module, quote=quote, nb=nb)
        (src / 'reference' / f'{module}.md').write_text(page)
        links = [f'[`{n}`](#fastlr.{module}.{n})' for n in documented_names(module)]
        index += [f'## [{module}]({module}.md)', '', quote, '', ', '.join(links), '']
    index.append(TOC.format(caption='Modules', pages='\n'.join(modules.values())))
    (src / 'reference' / 'index.md').write_text('\n'.join(index) + '\n')


def documented_names(module):
    "Return the names of the callables that `fastlr.<module>` defines and exports, if they have a docstring."
    m = importlib.import_module(f'fastlr.{module}')
    objects = {n: getattr(m, n) for n in m.__all__}
    return [n for n, x in objects.items() if callable(x) and x.__doc__ and x.__module__ == m.__name__]


def gather(src):
    "Write all pages to the folder `src`."
    src.mkdir(parents=True)
    modules = {}
    for p in sorted((ROOT / 'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' in p.parts:
            continue
        nb = nbformat.read(p, 4)
        exp = re.search(r'^#\| default_exp (\S+)', '\n'.join(c.source for c in nb.cells), re.M)
        if exp:
            modules[p.stem] = exp.group(1)
        nb = tidy(nb)
        for c in nb.cells:
            if c.cell_type == 'markdown':
                c.source = linked(c.source)
        if p.stem == 'index':
            contents = [TOC.format(caption=k, pages='\n'.join(v)) for k, v in pages().items()]
            nb.cells.append(new_markdown_cell('\n\n'.join(contents)))
        to = src / p.relative_to(ROOT / 'nbs')
        to.parent.mkdir(exist_ok=True)
        nbformat.write(nb, to)
    reference(src, modules)
    for p in (*(ROOT / 'docs').glob('*.md'), ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md'):
        (src / p.name.lower()).write_text(linked(p.read_text()))
    shutil.copytree(ROOT / 'docs' / 'images', src / 'images')


def main(out):
    shutil.rmtree(out, ignore_errors=True)
    gather(out / 'source')
    options = ['-q', '-W', '--keep-going', '-c', ROOT / 'docs', '-d', out / 'doctrees']
    cmd = [sys.executable, '-m', 'sphinx', *options, out / 'source', out / 'html']
    if code := subprocess.run(cmd).returncode:
        sys.exit(code)
    print(f"The site is in {out / 'html' / 'index.html'}.")


if __name__ == '__main__':
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / '_docs').resolve())
