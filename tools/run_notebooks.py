"""Run every notebook top to bottom in a kernel of its own, and compare its outputs with those stored in it.

Texts and tables must have the same words, with numbers that agree to 1 in 1000 or to 1 in the last of several
printed digits; figures must look the same. Every difference is printed, and the exit code is 1. With
`--write` the outputs that differ are stored instead, and only errors count. Of a cell that begins with
`#| volatile` only the kinds of the outputs are compared; a cell with `#| eval: false` is not run. A notebook
about a package that is not installed is left out, and so is a cell with `#| needs: PACKAGE`; these packages
are named. On Linux the kernels are forked from a process that has imported PyTorch: see kernel_server.py.
With `--fresh` each kernel is a new process, and everything takes longer."""

import argparse
import asyncio
import base64
import difflib
import html
import io
import json
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from PIL import Image, ImageFilter

from kernel_server import ForkedKernels, PlainKernels, can_fork

ROOT = Path(__file__).resolve().parent.parent
# The notebooks that take longest start first. The list needn't be exact: it only saves seconds.
SLOW = (
    '35_lr_finder',
    '65_transformers',
    'recipes',
    'your_own_loop',
    'coming_from',
    '62_lightning',
    '05_plot',
    'choosing_a_rate',
    '24_range_test',
)
# Notebooks that need a package which is installed without its dependencies, see the Makefile.
NEEDS = {'66_fastai': 'fastai'}
# A notebook should take at most this number of seconds.
LIMIT = 20
# The relative difference of two numbers that another processor's rounding may cause.
REL_TOL = 1e-3
# The difference of two blurred pixels, of 255, that rounding may cause: see `figures_differ`.
FIGURE_TOL = 60
# These texts differ between any two runs, or between any two machines. Examples of a clock, a duration and a
# version: `00:03`, `0.12 s`, `Python 3.11.7`. An address goes with the ` at` before it, as in nbdev_clean.
MASKS = {
    'clock': r'\b\d+:\d\d(:\d\d)?\b',
    'duration': r'\b(a second|\d+(\.\d+)? ?(ns|µs|us|ms|s|sec|seconds|minutes))\b',
    'address': r'( at)? ?\b0x[0-9a-f]{6,}\b',
    'temporary path': r'/(tmp|var/folders)/[^\s\'",;:)]*',
    'version': r'\b(Python|torch) \d[\w.+]*',
}
NUMBER = r'(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)'


def words_and_numbers(s):
    "Return the words of `s`, with marks in place of the masked texts and the numbers, and the numbers."
    for name, pattern in MASKS.items():
        s = re.sub(pattern, f' <{name}> ', s)
    return re.sub(NUMBER, ' # ', s).split(), re.findall(NUMBER, s)


def agree(a, b):
    """Return whether two printed numbers are equal except for rounding.

    Whole numbers count something, and must be equal; so must numbers of a single digit.
    """

    def last_place(s):
        mantissa, _, exponent = s.lower().partition('e')
        return 10.0 ** (int(exponent or 0) - len(mantissa.partition('.')[2]))

    whole = not any(c in s.lower() for s in (a, b) for c in '.e')
    digits = min(len(re.sub(r'^0+|\D', '', s.lower().partition('e')[0].lstrip('-+0.'))) for s in (a, b))
    x, y = float(a), float(b)
    if whole:
        return x == y
    return abs(x - y) <= max(REL_TOL * abs(x), 1.01 * max(last_place(a), last_place(b)) if digits > 1 else 0)


def texts_differ(a, b):
    "Return the lines that differ between two texts, or None."
    (words, numbers), (words_b, numbers_b) = words_and_numbers(a), words_and_numbers(b)
    if words == words_b and all(map(agree, numbers, numbers_b)):
        return
    lines = [[l.strip() for l in s.splitlines() if l.strip()] for s in (a, b)]
    changed = [l for l in difflib.ndiff(*lines) if l[0] in '-+']
    return '\n'.join(l[:200] for l in changed[:12]) + ('\n...' if len(changed) > 12 else '')


def figures_differ(a, b):
    """Return how two figures differ, or None if they look the same.

    Both are blurred a little; then the place where they differ most decides. Rounding on another processor
    gives a difference of 1, seldom of 45; a curve that is higher by a hundredth of the axis gives 81, another
    letter in a label 101.
    """

    def look(png):
        image = Image.open(io.BytesIO(base64.b64decode(png))).convert('RGBA')
        return Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image).convert('RGB')

    pair = look(a), look(b)
    if any(abs(m - n) > 2 for m, n in zip(pair[0].size, pair[1].size)):
        return f'- a figure of {pair[0].size} pixels\n+ a figure of {pair[1].size} pixels'
    size = [min(m, n) for m, n in zip(pair[0].size, pair[1].size)]
    one, other = (
        np.asarray(im.crop((0, 0, *size)).filter(ImageFilter.GaussianBlur(1)), dtype=float) for im in pair
    )
    off = np.abs(one - other).max(2)
    if off.max() <= FIGURE_TOL:
        return
    folder = Path(tempfile.mkdtemp(prefix='figures-'))
    for name, im in zip(('stored', 'came'), pair):
        im.save(folder / f'{name}.png')
    y, x = np.unravel_index(off.argmax(), off.shape)
    place = f'most at x={x}, y={y} ({off.max():.0f} of 255)'
    return f'the figure looks different, {place}: see {folder}/stored.png and came.png'


def shown(cell):
    "Return [(kind, content)] of the outputs of `cell`, with streams joined, without finished progress bars."
    found = []
    for o in cell.outputs:
        if o.output_type == 'stream':
            if found and found[-1][0] == o.name:
                found[-1] = o.name, found[-1][1] + o.text
            else:
                found.append((o.name, o.text))
        elif o.output_type != 'error' and not gone(o):
            kind = next(
                k for k in ('image/png', 'text/html', 'text/markdown', 'text/plain', *o.data) if k in o.data
            )
            content = o.data[kind]
            if kind == 'text/html':
                content = re.sub(r'<style.*?</style>|<[^>]*>', ' ', html.unescape(content), flags=re.S)
            found.append((kind, content if isinstance(content, str) else json.dumps(content)))
    return found


def gone(output):
    "Return whether `output` is all that a progress bar has left behind: an empty display."
    return re.fullmatch(
        r'\s*(<style>.*</style>)?\s*(<div>\s*</div>)?\s*', output.get('data', {}).get('text/html', 'x'), re.S
    )


def differences(stored, cell):
    "Return the differences between the outputs of two versions of a cell, one text for each."
    a, b = shown(stored), shown(cell)
    if [k for k, _ in a] != [k for k, _ in b]:
        return [
            '\n'.join(
                f'{sign} {", ".join(k for k, _ in x) or "no output"}'
                + ''.join(f'\n    {v[:200].strip()}' for k, v in x if k == 'stderr')
                for sign, x in zip('-+', (a, b))
            )
        ]
    if says(cell, 'volatile'):
        return []
    return [
        d
        for (kind, x), (_, y) in zip(a, b)
        if (d := (figures_differ if kind == 'image/png' else texts_differ)(x, y))
    ]


def says(cell, directive):
    "Return whether `cell` has a directive that matches the pattern `directive`."
    return re.search(rf'^#\| *{directive}\b', cell.source, re.M)


def lacks(cell):
    """Return the name of the package that `cell` says it needs, if that can't be imported, or None."""
    needed = re.search(r'^#\| *needs: *(\w+)', cell.source, re.M)
    return needed[1] if needed and find_spec(needed[1]) is None else None


async def run(path, kernels, write=False):
    """Run the notebook at `path` in one of `kernels`; return (seconds, [(cell, error or difference)])."""
    notebook = nbformat.read(path, as_version=4)
    began = time.perf_counter()
    wrong = []
    client = NotebookClient(
        notebook, km=kernels.manager(), timeout=300, extra_arguments=['--log-level=ERROR']
    )
    async with client.async_setup_kernel(cwd=str(path.parent), env=environment(), cleanup_kc=True):
        for i, cell in enumerate(notebook.cells):
            if cell.cell_type != 'code' or says(cell, '(eval: *false|notest)') or lacks(cell):
                continue
            stored = deepcopy(cell)
            try:
                await client.async_execute_cell(cell, i)
            except (CellControlSignal, DeadKernelError) as e:
                wrong.append((cell, re.sub(r'\x1b\[[\d;]*m', '', str(e)).strip()[-1500:]))
                break
            different = differences(stored, cell)
            if not write:
                wrong += [(cell, d) for d in different]
            elif not different:
                cell.outputs = stored.outputs
            cell.outputs = [o for o in cell.outputs if not gone(o)]
    if write and not wrong:
        nbformat.write(notebook, path)
    return time.perf_counter() - began, wrong


def environment():
    """Return the environment of the kernels: one thread, inline figures, the fastlr of this repository.

    Figures of plotly are stored as their description, without the four megabytes of script that show them.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    backend = 'module://matplotlib_inline.backend_inline'
    shown = {'MPLBACKEND': backend, 'PLOTLY_RENDERER': 'plotly_mimetype'}
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path, **shown}


def start_kernels(fresh=False):
    """Return (kernels, a description of how they start). The kernels end where their `with` block does."""
    plain = 'each in a new process'
    if fresh or not can_fork():
        return PlainKernels(), plain
    try:
        return ForkedKernels(environment()), 'forked from one process (--fresh: each in a new one)'
    except OSError as e:
        return PlainKernels(), f'{plain}, since {e}'


def run_all(paths, kernels, jobs, write=False):
    """Run the notebooks at `paths`, `jobs` at a time. Print what is wrong; return the number that failed."""
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        # nbclient would take over Ctrl-C, notebook by notebook, if its event loop ran in the main thread.
        futures = {
            pool.submit(lambda p: asyncio.run(run(p, kernels, write)), path): path
            for path in longest_first(paths)
        }
        try:
            for future in as_completed(futures):
                seconds, wrong = future.result()
                report(futures[future], seconds, wrong)
                failed += bool(wrong)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            kernels.close()
            raise
    return failed


def longest_first(paths):
    """Return `paths` with those first that take longest, so that none of them runs alone at the end."""
    return sorted(paths, key=lambda path: SLOW.index(path.stem) if path.stem in SLOW else len(SLOW))


def report(path, seconds, wrong):
    """Print one line about the notebook at `path`, and more about each cell that is wrong."""
    name = os.path.relpath(path, ROOT)
    print(f'{seconds:5.1f} s  {name}' + f'   warning: over {LIMIT} s' * (seconds > LIMIT), flush=True)
    for cell, what in wrong:
        lines = (f'    {line}' for line in what.splitlines())
        print('', f'{name}, cell {cell.id}: {first_line(cell)}', *lines, '', sep='\n', flush=True)


def main(args=None):
    args, paths = parse(args)
    paths = without_missing(paths)
    name_missing(paths)
    starting, how = start_kernels(args.fresh)
    with starting as kernels:
        jobs = max(1, min(args.jobs, len(paths)))
        print(f'{len(paths)} notebook{"s" * (len(paths) > 1)}, {jobs} at a time, {how}', flush=True)
        failed = run_all(paths, kernels, jobs, args.write)
    if failed and args.write:
        print(f'{failed} of {len(paths)} notebooks failed, and are as they were')
    elif failed:
        python = Path(sys.executable).name
        print(
            f'{failed} of {len(paths)} notebooks differ from their stored outputs (- is stored, + is new). '
            f'If the new outputs are right: {python} tools/run_notebooks.py --write NOTEBOOK'
        )
    return int(failed > 0)


def parse(args=None):
    """Return the options of the command, and the paths of the notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'paths', nargs='*', type=Path, default=[ROOT / 'nbs'], help='notebooks, or folders of them'
    )
    parser.add_argument('--write', action='store_true', help='store the outputs that differ')
    parser.add_argument('--fresh', action='store_true', help='start each kernel as a new process, unforked')
    parser.add_argument(
        '--jobs',
        type=int,
        default=min(os.cpu_count() or 1, 8),
        metavar='N',
        help='number of notebooks that run at a time (default: %(default)s)',
    )
    args = parser.parse_args(args)
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    paths = find(args.paths)
    if not paths:
        parser.error(f"no notebook in {', '.join(map(str, args.paths))}")
    return args, paths


def find(paths):
    """Return the notebooks at `paths`, and in the folders among them."""
    found = (q for p in paths for q in (p.rglob('[!._]*.ipynb') if p.is_dir() else [p]))
    return sorted(q.resolve() for q in found if '.ipynb_checkpoints' not in q.resolve().parts)


def without_missing(paths):
    """Return `paths` without the notebooks that need a package which is not installed, and name these."""
    missing = [p for p in paths if p.stem in NEEDS and find_spec(NEEDS[p.stem]) is None]
    for p in missing:
        print(
            f'not run: {os.path.relpath(p, ROOT)}, since {NEEDS[p.stem]} is not installed (make .venv/.dev)'
        )
    return [p for p in paths if p not in missing]


def name_missing(paths):
    """Print which packages are missing for cells of the notebooks at `paths` that say what they need."""
    for p in paths:
        missing = {lacks(cell): True for cell in nbformat.read(p, as_version=4).cells}
        missing.pop(None, None)
        if missing:
            print(
                f'not run: cells of {os.path.relpath(p, ROOT)} that need {", ".join(missing)} (not installed)'
            )


def first_line(cell):
    """Return the first line of the code of `cell`."""
    return next((l for l in cell.source.splitlines() if l.strip() and not l.startswith('#|')), '')[:100]


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit('interrupted')
