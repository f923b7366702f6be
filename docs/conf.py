"The site's settings. `tools/docs.py` gathers the pages, and calls Sphinx with this file."

import configparser, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'docs')]  # the library that the reference describes; `docments`
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
html_static_path = [str(ROOT / 'docs' / '_static')]
html_css_files = ['site.css']
html_math_renderer = 'mathml'
html_show_sourcelink = False
html_copy_source = False
html_domain_indices = False
templates_path = []

nb_execution_mode = 'off'  # the notebooks come executed
nb_merge_streams = True
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 4
myst_heading_slug_func = 'docments.slug'  # as Jupyter and code hosts write anchors
suppress_warnings = ['misc.highlighting_failure']  # IPython's magics are not Python

smartquotes = False  # a value in quotes can be copied
autodoc_member_order = 'bysource'
autodoc_preserve_defaults = True
autodoc_typehints = 'none'  # they stand in the table
copybutton_exclude = '.linenos, .gp, .go'
