"""Check that the notebooks are clean, and that library, stubs and README are what the notebooks say.

Nothing is changed: everything is made anew in a copy. A file that differs, is missing, or is there although
no notebook makes it is named, and the exit code is 1."""

import filecmp, os, shutil, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The files and folders that the tools write.
MADE = ('nbs', 'fastlr', 'images', 'README.md')
BIN = Path(sys.executable).parent


def files(root):
    "Return the made files below `root`, without caches and the folders that trainings in notebooks write."
    found = [p for top in MADE for p in ([root / top] if (root / top).is_file() else (root / top).rglob('*'))]
    skip = {'__pycache__', '.ipynb_checkpoints', 'models'}
    return {
        p.relative_to(root)
        for p in found
        if p.is_file() and not skip & set(p.parts) and p.name != '.last_checked'
    }


def copy_sources(copy):
    "Copy to `copy` what is needed to make everything anew, and delete there what the notebooks make."
    copy.mkdir()
    for name in (*MADE, 'settings.ini', 'tools'):
        src = ROOT / name
        if src.is_dir():
            shutil.copytree(src, copy / name, ignore=shutil.ignore_patterns('__pycache__', 'models'))
        elif src.exists():
            shutil.copy(src, copy / name)
    # A file that no notebook makes any more would otherwise survive in the copy and go unnoticed.
    for top in ('fastlr', 'images'):
        for p in (copy / top).rglob('*'):
            if p.is_file() and p != copy / 'fastlr' / '__init__.py':
                p.unlink()


def main():
    with tempfile.TemporaryDirectory() as tmp:
        copy = Path(tmp) / 'fastlr'
        copy_sources(copy)
        env = {**os.environ, 'PYTHONPATH': ''}
        tools = [[sys.executable, f'tools/{name}.py'] for name in ('stubs', 'readme')]
        for cmd in ([BIN / 'nbdev_clean'], [BIN / 'nbdev_export'], *tools):
            subprocess.run(cmd, cwd=copy, check=True, env=env)
        here, there = files(ROOT), files(copy)
        both = sorted(here & there)
        changed = [p for p in both if not filecmp.cmp(ROOT / p, copy / p, shallow=False)]
    bad = [
        *(f'not made by any notebook: {p}' for p in sorted(here - there)),
        *(f'missing: {p}' for p in sorted(there - here)),
        *(f'out of step: {p}' for p in changed),
    ]
    if bad:
        sys.exit('\n'.join([*bad, 'Run `make prepare`, and commit what it changes.']))
    print(f'in step: {len(here)} files')


if __name__ == '__main__':
    main()
