"""Write README.md and its figures from the executed nbs/index.ipynb.

(nbdev's own command for this needs Quarto, which can't be installed everywhere.)"""

import re, sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

DIRECTIVE = re.compile(r'^#\|.*\n?', re.M)


def main(root):
    nb = nbformat.read(root / 'nbs' / 'index.ipynb', as_version=4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    for c in nb.cells:
        c.source = DIRECTIVE.sub('', c.source)
    # The exporter writes this name behind the fences of code.
    nb.metadata['language_info'] = {'name': 'python'}
    config = Config(
        {'ExtractOutputPreprocessor': {'output_filename_template': 'images/index_{cell_index}{extension}'}}
    )
    text, resources = MarkdownExporter(config=config).from_notebook_node(nb)
    # The links of the notebook are relative to its folder, those of the README to the root.
    text = re.sub(r'\]\(((?:tutorials/)?\w+\.ipynb)\)', r'](nbs/\1)', text).replace('](../', '](')
    text = re.sub(r'!\[png\]', '![Loss against learning rate, with the suggested rates marked]', text)
    text = re.sub(r'\n{3,}', '\n\n', re.sub(r'[ \t]+$', '', text, flags=re.M))
    (root / 'images').mkdir(exist_ok=True)
    for old in (root / 'images').glob('index_*'):
        old.unlink()
    for name, data in resources['outputs'].items():
        (root / name).write_bytes(data)
    note = '<!-- Made from nbs/index.ipynb by tools/readme.py: edit that, and run `make readme`. -->\n\n'
    (root / 'README.md').write_text(note + text.strip() + '\n')


if __name__ == '__main__':
    main(Path(sys.argv[1] if len(sys.argv) > 1 else '.'))
