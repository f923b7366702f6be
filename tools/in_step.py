"""Check that the notebooks are clean, and that library and README are what they say. Changes nothing: all is made anew in a copy.

A file that differs, is missing, or is there without a notebook that makes it, is named, and the exit code is 1."""

import filecmp, os, shutil, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What the tools write.
MADE = ('nbs', 'fastlr', 'images', 'README.md')
BIN = Path(sys.executable).parent


def files(root):
    "The made files below `root`, but for caches and folders that trainings in notebooks write."
    found = [p for top in MADE for p in ([root / top] if (root / top).is_file() else (root / top).rglob('*'))]
    skip = {'__pycache__', '.ipynb_checkpoints', 'models'}
    return {
        p.relative_to(root)
        for p in found
        if p.is_file() and not skip & set(p.parts) and p.name != '.last_checked'
    }


def main():
    with tempfile.TemporaryDirectory() as tmp:
        copy = Path(tmp) / 'fastlr'
        copy.mkdir()
        for name in (*MADE, 'settings.ini', 'tools'):
            src = ROOT / name
            if src.is_dir():
                shutil.copytree(src, copy / name, ignore=shutil.ignore_patterns('__pycache__', 'models'))
            elif src.exists():
                shutil.copy(src, copy / name)
        # Only what a notebook makes comes back.
        for top in ('fastlr', 'images'):
            for p in (copy / top).rglob('*'):
                if p.is_file() and p != copy / 'fastlr' / '__init__.py':
                    p.unlink()
        env = {**os.environ, 'PYTHONPATH': ''}
        for cmd in ([BIN / 'nbdev_clean'], [BIN / 'nbdev_export'], [sys.executable, 'tools/readme.py']):
            subprocess.run(cmd, cwd=copy, check=True, env=env)
        here, there = files(ROOT), files(copy)
        bad = [f'not made by any notebook: {p}' for p in sorted(here - there)] + [
            f'missing: {p}' for p in sorted(there - here)
        ]
        bad += [
            f'out of step: {p}'
            for p in sorted(here & there)
            if not filecmp.cmp(ROOT / p, copy / p, shallow=False)
        ]
    if bad:
        sys.exit('\n'.join([*bad, 'Run `make prepare`, and commit what it changes.']))
    print(f'in step: {len(here)} files')


if __name__ == '__main__':
    main()
