"""What is published: the source distribution and the wheel.

They are built once, from a copy of the project in which work has left its traces."""

import configparser, importlib.util, re, shutil, subprocess, sys, tarfile, zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

import fastlr
from fastlr import cli

ROOT = Path(__file__).parent.parent
# What git doesn't hold, and people have lying about.
TRACES = """
nbs/.ipynb_checkpoints/00_curve-checkpoint.ipynb nbs/tutorials/.ipynb_checkpoints/start-checkpoint.ipynb
nbs/models/tmp.pth nbs/tutorials/models/tmp.pth nbs/runs/lr.png tests/__pycache__/conftest.cpython-311.pyc
fastlr/__pycache__/sweep.cpython-311.pyc fastlr/.ipynb_checkpoints/sweep-checkpoint.py
tests/.hypothesis/examples/x benchmarks/curves/digits.json
build/lib/fastlr/gone.py runs/digits/report.md .venv-oldest/pyvenv.cfg
""".split()


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    "Return the folder of the two distributions: the wheel is made from the other."
    copy = tmp_path_factory.mktemp('package') / 'fastlr'
    left_out = '.git', '.venv*', '_docs', 'build', 'dist', 'runs', '.*_cache', '.hypothesis', '*.egg-info'
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*left_out))
    for name in TRACES:
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('left behind')
    p = subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', copy], capture_output=True, text=True, timeout=600
    )
    assert p.returncode == 0, p.stdout + p.stderr
    return copy / 'dist'


@pytest.fixture(scope='module')
def wheel(built):
    "Return {name: content} of the files in the wheel."
    (path,) = built.glob('*.whl')
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope='module')
def metadata(wheel):
    "Return what an index reads; `packaging` checks it."
    (name,) = (name for name in wheel if name.endswith('.dist-info/METADATA'))
    return Metadata.from_email(wheel[name], validate=True)


def test_the_source_distribution_is_what_git_holds(built):
    if not (ROOT / '.git').exists():
        pytest.skip('there is no git in a source distribution')
    listed = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate']
    p = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    (path,) = built.glob('*.tar.gz')
    with tarfile.open(path) as file:
        inside = {m.name.partition('/')[2] for m in file.getmembers() if m.isfile()}
    written = {name for name in inside if name == 'PKG-INFO' or name.startswith('fastlr_finder.egg-info/')}
    assert inside - written == {name for name in p.stdout.splitlines() if (ROOT / name).exists()}
    assert path.stat().st_size < 5e6


def test_the_wheel_holds_the_library_with_its_stubs_alone(wheel):
    library = {
        str(p.relative_to(ROOT))
        for p in (ROOT / 'fastlr').rglob('*')
        if p.suffix in ('.py', '.pyi', '.typed') and '.ipynb_checkpoints' not in p.parts
    }
    assert {name for name in wheel if '.dist-info/' not in name} == library
    assert {'fastlr/py.typed', 'fastlr/sweep.py', 'fastlr/integrations/fastai.pyi'} <= library
    assert any(name.endswith('licenses/LICENSE') for name in wheel)


def test_the_metadata_is_that_of_setup_cfg(metadata):
    config = configparser.ConfigParser()
    config.read([ROOT / 'setup.cfg', ROOT / 'settings.ini'])
    assert metadata.name == 'fastlr-finder'
    assert str(metadata.version) == fastlr.__version__ == config['DEFAULT']['version']
    assert metadata.summary == config['DEFAULT']['description']
    assert metadata.license_expression == 'Apache-2.0'
    oldest = config['DEFAULT']['min_python']
    assert str(metadata.requires_python) == f'>={oldest}'
    versions = [c.rpartition(' ')[2] for c in metadata.classifiers if 'Python :: 3.' in c]
    assert versions[0] == oldest
    for extra in ('data', 'cli', 'accelerate', 'lightning', 'transformers', 'fastai'):
        assert extra in metadata.provides_extra
    assert len(metadata.summary) <= 512


def test_the_wheel_has_the_command(wheel):
    (points,) = (text.decode() for name, text in wheel.items() if name.endswith('entry_points.txt'))
    assert re.search(r'^fastlr = fastlr.cli:main$', points, re.M) and callable(cli.main)


def relative(text):
    "Return the targets of the links in a text in Markdown that lead to files beside it."
    return re.findall(r'\]\((?!\w+:|#)([^)\s]+)\)', text)


def test_links_of_the_readme_lead_to_files(metadata):
    "On an index they would lead nowhere: there, each is replaced by the name of the file, or by an address."
    readme = (ROOT / 'README.md').read_text()
    assert len(relative(readme)) > 20
    for path in relative(readme):
        assert (ROOT / path).is_file(), path
    assert not relative(metadata.description)
    # The code is as it was.
    code = re.compile(r'```.*?```', re.S)
    assert code.findall(metadata.description) == code.findall(readme) != []
    if not metadata.project_urls:
        for path in relative(readme):
            assert f'`{path}`' in metadata.description
        assert not re.search(r'github\.(com|io)', metadata.description)
    for url in (metadata.project_urls or {}).values():
        assert url.startswith('https://')


def test_links_become_addresses_once_there_is_one(monkeypatch):
    import setuptools

    monkeypatch.setattr(setuptools, 'setup', lambda **kw: None)
    spec = importlib.util.spec_from_file_location('setup', ROOT / 'setup.py')
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    text = "[a](nbs/a.ipynb), [home](https://x.org), [here](#up), [LICENSE](LICENSE), ![curve](images/1.png)"
    at = 'https://host/fastlr/blob/v0.2.0'
    assert setup.with_links(text, at) == (
        f"[a]({at}/nbs/a.ipynb), [home](https://x.org), [here](#up), [LICENSE]({at}/LICENSE), "
        f"![curve]({at}/images/1.png?raw=true)"
    )
    assert setup.with_links(text) == (
        "`nbs/a.ipynb`, [home](https://x.org), [here](#up), `LICENSE`, "
        "*curve: `images/1.png` in the source distribution*"
    )
