"""Run every notebook top to bottom in a fresh kernel, and compare what comes out with the outputs that are stored in it.

Texts and tables must have the same words, with numbers that agree to 1 in 1000 or to 1 in the last of several printed digits; figures
must look the same. All that differs is named, and the exit code is 1. With `--write` it is stored instead, and only errors count.
A cell that begins with `#| volatile` is held to the kind of its outputs alone; one with `#| eval: false` is not run."""
import argparse, asyncio, base64, difflib, html, io, os, re, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from PIL import Image, ImageFilter

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 20                                                           # seconds that a notebook should take at most
REL_TOL = 1e-3                                                       # what another processor's rounding may make of a number
FIGURE_TOL = 60                                                      # of 255, and of pixels that are blurred: see `figures_differ`
MASKS = {                                                            # what no two runs, or no two machines, have in common
    'clock': r'\b\d+:\d\d(:\d\d)?\b',                                # 00:03
    'duration': r'\b\d+(\.\d+)? ?(ns|µs|us|ms|s|sec|seconds)\b',     # 0.12 s
    'address': r'( at)? ?\b0x[0-9a-f]{6,}\b',                        # nbdev_clean takes them out
    'temporary path': r'/(tmp|var/folders)/[^\s\'",;:)]*',
    'version': r'\b(Python|torch) \d[\w.+]*'}                        # Python 3.11.7, torch 2.13.0+cpu
NUMBER = r'(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)'


def words_and_numbers(s):
    for name, pattern in MASKS.items(): s = re.sub(pattern, f' <{name}> ', s)
    return re.sub(NUMBER, ' # ', s).split(), re.findall(NUMBER, s)


def agree(a, b):
    "Whether two printed numbers are one, but for rounding. Whole numbers count something, and must be equal; so must a single digit."
    def last_place(s): mantissa, _, exponent = s.lower().partition('e'); return 10.**(int(exponent or 0) - len(mantissa.partition('.')[2]))
    whole = not any(c in s.lower() for s in (a, b) for c in '.e')
    digits = min(len(re.sub(r'^0+|\D', '', s.lower().partition('e')[0].lstrip('-+0.'))) for s in (a, b))
    x, y = float(a), float(b)
    if whole: return x == y
    return abs(x - y) <= max(REL_TOL*abs(x), 1.01*max(last_place(a), last_place(b)) if digits > 1 else 0)


def texts_differ(a, b):
    (words, numbers), (words_b, numbers_b) = words_and_numbers(a), words_and_numbers(b)
    if words == words_b and all(map(agree, numbers, numbers_b)): return
    lines = [[l.strip() for l in s.splitlines() if l.strip()] for s in (a, b)]
    changed = [l for l in difflib.ndiff(*lines) if l[0] in '-+']
    return '\n'.join(l[:200] for l in changed[:12]) + ('\n...' if len(changed) > 12 else '')


def figures_differ(a, b):
    "Both are blurred a little; then the place where they differ most decides. Another processor's rounding gives 1, seldom 45; a curve that is a hundredth of the axis higher 81, another letter in a label 101."
    def look(png):
        image = Image.open(io.BytesIO(base64.b64decode(png))).convert('RGBA')
        return Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image).convert('RGB')
    pair = look(a), look(b)
    if any(abs(m - n) > 2 for m, n in zip(pair[0].size, pair[1].size)): return f'- a figure of {pair[0].size} pixels\n+ a figure of {pair[1].size} pixels'
    size = [min(m, n) for m, n in zip(pair[0].size, pair[1].size)]
    one, other = (np.asarray(im.crop((0, 0, *size)).filter(ImageFilter.GaussianBlur(1)), dtype=float) for im in pair)
    off = np.abs(one - other).max(2)
    if off.max() <= FIGURE_TOL: return
    folder = Path(tempfile.mkdtemp(prefix='figures-'))
    for name, im in zip(('stored', 'came'), pair): im.save(folder/f'{name}.png')
    y, x = np.unravel_index(off.argmax(), off.shape)
    return f'the figure looks different, most at x={x}, y={y} ({off.max():.0f} of 255): see {folder}/stored.png and came.png'


def shown(cell):
    "[(kind, content)] of the outputs of `cell`. Streams are joined; a progress bar that has gone is no output."
    found = []
    for o in cell.outputs:
        if o.output_type == 'stream':
            if found and found[-1][0] == o.name: found[-1] = o.name, found[-1][1] + o.text
            else: found.append((o.name, o.text))
        elif o.output_type != 'error' and not gone(o):
            kind = next(k for k in ('image/png', 'text/html', 'text/markdown', 'text/plain', *o.data) if k in o.data)
            found.append((kind, re.sub(r'<style.*?</style>|<[^>]*>', ' ', html.unescape(o.data[kind]), flags=re.S) if kind == 'text/html' else o.data[kind]))
    return found


def gone(output): return re.fullmatch(r'\s*(<style>.*</style>)?\s*(<div>\s*</div>)?\s*', output.get('data', {}).get('text/html', 'x'), re.S)


def differences(stored, cell):
    "What is different about the outputs of `cell`, one text each."
    a, b = shown(stored), shown(cell)
    if [k for k, _ in a] != [k for k, _ in b]: return ['\n'.join(f'{sign} {", ".join(k for k, _ in x) or "no output"}' + ''.join(f'\n    {v[:200].strip()}' for k, v in x if k == 'stderr') for sign, x in zip('-+', (a, b)))]
    if says(cell, 'volatile'): return []
    return [d for (kind, x), (_, y) in zip(a, b) if (d := (figures_differ if kind == 'image/png' else texts_differ)(x, y))]


def says(cell, directive): return re.search(rf'^#\| *{directive}\b', cell.source, re.M)


async def run(path, write=False):
    "(seconds, [(cell, what is wrong with it)]) of the notebook at `path`."
    nb, began, wrong = nbformat.read(path, as_version=4), time.perf_counter(), []
    client = NotebookClient(nb, timeout=300, kernel_name='python3', resources={'metadata': {'path': str(path.parent)}}, extra_arguments=['--log-level=ERROR'])
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'module://matplotlib_inline.backend_inline', 'PYTHONPATH': os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))}
    async with client.async_setup_kernel(env=env):
        for i, cell in enumerate(nb.cells):
            if cell.cell_type != 'code' or says(cell, '(eval: *false|notest)'): continue
            stored = deepcopy(cell)
            try: await client.async_execute_cell(cell, i)
            except (CellControlSignal, DeadKernelError) as e:
                wrong.append((cell, re.sub(r'\x1b\[[\d;]*m', '', str(e)).strip()[-1500:]))
                break
            if not write: wrong += [(cell, d) for d in differences(stored, cell)]
            cell.outputs = [o for o in cell.outputs if not gone(o)]
    if write and not wrong: nbformat.write(nb, path)
    return time.perf_counter() - began, wrong


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('paths', nargs='*', type=Path, default=[ROOT/'nbs'], help='notebooks, or folders of them')
    parser.add_argument('--write', action='store_true', help='store the outputs, instead of comparing')
    args = parser.parse_args(args)
    paths = sorted(q.resolve() for p in args.paths for q in (p.rglob('[!._]*.ipynb') if p.is_dir() else [p]) if '.ipynb_checkpoints' not in q.parts)
    if not paths: parser.error(f"no notebook in {', '.join(map(str, args.paths))}")
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for path, (seconds, wrong) in zip(paths, pool.map(lambda p: asyncio.run(run(p, args.write)), paths)):
            name = os.path.relpath(path, ROOT)
            print(f'{seconds:5.1f} s  {name}' + f'   warning: over {LIMIT} s'*(seconds > LIMIT), flush=True)
            for cell, what in wrong: print('', f'{name}, cell {cell.id}: {first_line(cell)}', *(f'    {l}' for l in what.splitlines()), '', sep='\n')
            failed += bool(wrong)
    if failed: print(f'{failed} of {len(paths)} notebooks are not what they show (- is stored, + came). If that is as it should be: {Path(sys.executable).name} tools/run_notebooks.py --write NOTEBOOK')
    return int(failed > 0)


def first_line(cell): return next((l for l in cell.source.splitlines() if l.strip() and not l.startswith('#|')), '')[:100]


if __name__ == '__main__': sys.exit(main())
