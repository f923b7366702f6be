"""Write README.md and its figures from the executed nbs/index.ipynb.

(nbdev's own command for this needs Quarto, which can't be installed everywhere.)"""

import io, re, sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from PIL import Image
from traitlets.config import Config

DIRECTIVE = re.compile(r'^#\|.*\n?', re.M)
ALT = re.compile(r'^#\| *fig-alt: *(.+)', re.M)
# A figure for light pages, and one for dark pages.
PICTURE = """<picture>
  <source media="(prefers-color-scheme: dark)" srcset="{dark}">
  <img alt="{alt}" src="{light}">
</picture>"""
# What `invert(.93) hue-rotate(180deg)` does to red, green and blue in the style sheet of the site.
LUMA = 0.213, 0.715, 0.072
DARK = [v for i in range(3) for v in (*(0.86 * ((i == j) - 2 * w) for j, w in enumerate(LUMA)), 0.93 * 255)]


def dark(png):
    "Return the figure `png` for a dark page: its lightness is turned round, and its colours stay."
    image, out = Image.open(io.BytesIO(png)).convert('RGB'), io.BytesIO()
    image.convert('RGB', DARK).save(out, 'png')
    return out.getvalue()


def main(root):
    nb = nbformat.read(root / 'nbs' / 'index.ipynb', as_version=4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| hide')]
    alts = iter(ALT.findall('\n'.join(c.source for c in nb.cells)))
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

    def picture(m):
        name = f'{m[1]}_dark.png'
        resources['outputs'][name] = dark(resources['outputs'][f'{m[1]}.png'])
        return PICTURE.format(dark=name, light=f'{m[1]}.png', alt=next(alts))

    text = re.sub(r'!\[png\]\((.+?)\.png\)', picture, text)
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
