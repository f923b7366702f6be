"""Build the site from the executed notebooks: `make docs`. Nothing is executed and nothing is fetched; a warning fails the build.

    python tools/docs.py [FOLDER]

The pages are gathered in `_docs/source` (the notebooks without their hidden cells and directives, a page of reference for each
module, the pages of `docs/`), and Sphinx makes `_docs/html` of them (or in another folder). (nbdev's own way needs Quarto, which cannot be had everywhere.)"""

import importlib, re, shutil, subprocess, sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

ROOT = Path(__file__).resolve().parent.parent
DIRECTIVE = re.compile(r'^#\| *(\S.*)\n?', re.M)
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


def pages():
    "The site's contents: caption -> documents, in reading order."
    nbs = sorted(p.stem for p in (ROOT / 'nbs').glob('[0-9]*.ipynb'))
    tutorials = lambda *names: [f'tutorials/{n}' for n in names]
    return {
        'Use it': tutorials('start', 'choosing_a_rate', 'your_own_loop', 'where_it_works', 'coming_from'),
        'What it is worth': tutorials('which_rule', 'measured', 'restored', 'speed'),
        'The library, told': nbs,
        'Reference': ['reference/index'],
        'Work on it': ['architecture', 'contributing', 'changelog'],
    }


def linked(text):
    "Links between the folders of the project as they are in the site, where all stands under one root."
    return re.sub(
        r'\]\((?:\.\./)*(?:docs/|nbs/|(?=[A-Z]+\.md))([\w/]+\.(?:md|ipynb))',
        lambda m: f']({m[1].lower()}',
        text,
    )


def directives(cell):
    return (
        [m.split()[0].rstrip(':') for m in DIRECTIVE.findall(cell.source)] if cell.cell_type == 'code' else []
    )


def tidy(nb):
    "What a reader sees: no hidden cells, no directives, no empty outputs; theirs and ours side by side; library code marked."
    kept = []
    for c in nb.cells:
        d = directives(c)
        if {'hide', 'default_exp'} & set(d):
            continue
        if c.cell_type == 'code':
            c.source = DIRECTIVE.sub('', c.source).strip('\n')
            c.outputs = [o for o in c.outputs if not is_empty(o)]
            tags = ['library'] if 'export' in d else ['hide-input'] if 'fold' in d else []
            if 'beside' in d and kept[-1].cell_type == 'markdown':
                kept[-1].source = beside(kept[-1].source, c.source)
                tags.append('remove-input')
            c.metadata['tags'] = tags
            if not c.source:
                continue
        kept.append(c)
    nb.cells = kept
    return nb


def is_empty(output):
    "A progress bar that has gone leaves an HTML display with nothing but a style."
    html = ''.join(output.get('data', {}).get('text/html', ''))
    return (
        bool(html)
        and not re.sub(r'<style>.*?</style>|<[^>]+>|\s', '', html, flags=re.S)
        and '<svg' not in html
    )


def beside(prose, here):
    "The last fenced block of `prose`, with the sentence before it, and the code `here`, in two columns."
    start = prose.rindex('\n```', 0, prose.rstrip().rindex('```')) + 1
    before, sentence = re.fullmatch(r'(.*?)([^.\n]*:)?\s*', prose[:start], re.S).groups()
    return (
        before.rstrip()
        + '\n\n'
        + BESIDE.format(there=f"{(sentence or 'There:').strip()}\n{prose[start:].strip()}", here=here)
    )


def reference(src, modules):
    "A page for each module: what `automodule` finds, with the tables that `docments` adds; and a page of all names."
    (src / 'reference').mkdir()
    index = [
        '# Reference',
        '',
        'What each module offers, with parameters, defaults and units. The stories behind them, with examples, are the notebooks of the same '
        'names. What is added to `Learner` by later ones, such as `Learner.lr_find`, `Learner.tune` and `Learner.fit_one_cycle`, stands with the `Learner`.',
        '',
    ]
    for nb, module in modules.items():
        m = importlib.import_module(f'fastlr.{module}')
        quote = re.search(
            r'^> (.*)$', nbformat.read(ROOT / 'nbs' / f'{nb}.ipynb', 4).cells[0].source, re.M
        ).group(1)
        lines = [
            f'# fastlr.{module}',
            '',
            quote,
            '',
            f'It is told, with examples, in [{nb}](../{nb}.ipynb).',
            '',
            '```{eval-rst}',
            f'.. automodule:: fastlr.{module}',
            '   :members:',
            '   :special-members: __call__',
            '```',
        ]
        (src / 'reference' / f'{module}.md').write_text('\n'.join(lines) + '\n')
        names = [
            n for n in m.__all__ if callable(x := getattr(m, n)) and x.__doc__ and x.__module__ == m.__name__
        ]
        links = [f'[`{n}`](#fastlr.{module}.{n})' for n in names]
        index += [f'## [{module}]({module}.md)', '', quote, '', ', '.join(links), '']
    (src / 'reference' / 'index.md').write_text(
        '\n'.join([*index, TOC.format(caption='Modules', pages='\n'.join(modules.values()))]) + '\n'
    )


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
            nb.cells.append(
                new_markdown_cell(
                    '\n\n'.join(TOC.format(caption=k, pages='\n'.join(v)) for k, v in pages().items())
                )
            )
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
    cmd = [
        sys.executable,
        '-m',
        'sphinx',
        '-q',
        '-W',
        '--keep-going',
        '-c',
        ROOT / 'docs',
        '-d',
        out / 'doctrees',
        out / 'source',
        out / 'html',
    ]
    if code := subprocess.run(cmd).returncode:
        sys.exit(code)
    print(f"The site is in {out / 'html' / 'index.html'}.")


if __name__ == '__main__':
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / '_docs').resolve())
