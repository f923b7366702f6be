"The site's settings. `tools/docs.py` gathers the pages, and calls Sphinx with this file."

import configparser, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The library that the reference describes; `docments`.
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
html_static_path = [str(ROOT / 'docs' / '_static')]
html_css_files = ['site.css']
html_math_renderer = 'mathml'
html_show_sourcelink = False
html_copy_source = False
html_domain_indices = False
templates_path = []

# The notebooks come executed.
nb_execution_mode = 'off'
nb_merge_streams = True
myst_enable_extensions = ['colon_fence', 'dollarmath']
myst_heading_anchors = 4
# As Jupyter and code hosts write anchors.
myst_heading_slug_func = 'docments.slug'
# IPython's magics are not Python.
suppress_warnings = ['misc.highlighting_failure']

# A value in quotes can be copied.
smartquotes = False
autodoc_member_order = 'bysource'
autodoc_preserve_defaults = True
# They stand in the table.
autodoc_typehints = 'none'
copybutton_exclude = '.linenos, .gp, .go'
