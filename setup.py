"""Add to setup.cfg, which holds all else, the text for a package index: the README without relative links.

On an index there are no files beside the README. If `project_urls` in setup.cfg says where the `Source` is,
links and pictures lead to the tag of this version there. Otherwise a link becomes the name of the file, which
the source distribution has."""

import configparser, re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent


def with_links(
    readme,  # text in Markdown
    folder=None,  # address to which its links are relative; None: there is none
):
    "Return `readme` without relative links."

    def replaced(m):
        picture, text, path = m.groups()
        if folder:
            return f'{picture}[{text}]({folder}/{path}{"?raw=true" if picture else ""})'
        if picture:
            return f'*{text}: `{path}` in the source distribution*'
        return f'`{path}`' if text in (path, Path(path).stem) else f'{text} (`{path}`)'

    return re.sub(r'(!?)\[([^]]*)\]\((?!\w+:|#)([^)\s]+)\)', replaced, readme)


def folder():
    "Return the address of this version's files, or None."
    config = configparser.ConfigParser()
    config.read([ROOT / 'setup.cfg', ROOT / 'settings.ini'])
    urls = config['metadata'].get('project_urls', '')
    source = re.search(r'^Source *= *(\S+)$', urls, re.M)
    return source and f'{source[1]}/blob/v{config["DEFAULT"]["version"]}'


setup(
    long_description=with_links((ROOT / 'README.md').read_text(encoding='utf-8'), folder()),
    long_description_content_type='text/markdown',
)
