"The settings of the site. `tools/docs.py` gathers the pages, and calls Sphinx with this file."

import configparser, sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Here Sphinx finds the library, which the reference describes, and its extension `docments`.
sys.path[:0] = [str(ROOT), str(ROOT / 'docs')]
ini = configparser.ConfigParser()
ini.read(ROOT / 'settings.ini')
ini = ini['DEFAULT']

project, author, release = ini['title'], ini['author'], ini['version']
copyright = ini['copyright']
extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.viewcode',
    'sphinx_design',
    'sphinx_copybutton',
    'docments',
]
html_theme = 'furo'
html_title = project
html_favicon = str(ROOT / 'docs' / '_static' / 'favicon.svg')
# The script that draws the figures of plotly comes with that package.
plotly = Path(find_spec('plotly').origin).parent
html_static_path = [str(ROOT / 'docs' / '_static'), str(plotly / 'package_data' / 'plotly.min.js')]
html_css_files = ['site.css']
html_math_renderer = 'mathml'
html_show_sourcelink = False
html_copy_source = False
html_domain_indices = False
templates_path = []

# The notebooks are executed already.
nb_execution_mode = 'off'
# With this, tables that a notebook shows as Markdown are tables here, too.
nb_render_markdown_format = 'gfm'
nb_merge_streams = True
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 4
# Anchors are written as Jupyter and code hosts write them, so that links work everywhere.
myst_heading_slug_func = 'docments.slug'
# IPython's magics are not Python, so they can't be highlighted as Python.
suppress_warnings = ['misc.highlighting_failure']

# With plain quotes, a value in quotes can be copied into code.
smartquotes = False
autodoc_member_order = 'bysource'
autodoc_preserve_defaults = True
# The types are in the table of parameters.
autodoc_typehints = 'none'
copybutton_exclude = '.linenos, .gp, .go'
