"""Measure what fastlr costs, compared with loops written by hand and with other libraries if installed.

    python benchmarks/speed.py [--quick] [--write] [a b ...]

What is compared with a loop runs in one process (in part g in two and three) and one thread, without
garbage collection. In each round every competitor runs once, between two runs of the loop written by hand.
The script prints the medians and the quartiles of the ratios to that loop, since seconds tell more about the
machine than about the code. Letters choose parts (see `--help`); `--quick` runs fewer rounds and leaves out
the largest cases; `--write` saves the results in speed.json, which the notebook on speed draws. To install
the other libraries:

    pip install -c constraints.txt -e '.[bench]'"""

import argparse, importlib.metadata, json, os, sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

import torch
from speed_growth import grows
from speed_loop import part_a
from speed_other import part_c, part_d, part_e, part_f, part_i, part_j, part_l
from speed_sweep import part_b, part_g, part_h, part_k
from timing import has, restart_steadily

HERE = Path(__file__).parent

PARTS = dict(
    a=part_a,
    b=part_b,
    c=part_c,
    d=part_d,
    e=part_e,
    f=part_f,
    g=part_g,
    h=part_h,
    i=part_i,
    j=part_j,
    k=part_k,
    l=part_l,
)


def show(row):
    "Print `row` as a line of the table."
    per = f"{1e6 * row['seconds']:8.0f} µs" if 'seconds' in row else ' ' * 11
    spread = f"  {row['low']:.2f} to {row['high']:.2f}" if 'low' in row else ' ' * 14
    goal = ''
    if row['goal'] is not None:
        goal = f"  goal {row['goal']:<5g} {'met' if row['ratio'] <= row['goal'] else 'not met'}"
    print(f"{row['what']:69}{per}{row['ratio']:9.3f}{spread}{goal}".rstrip(), flush=True)


def parse(args=None):
    "Return the parser of the command, and the options."
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    what = (
        'a: the loop, b: the range test, c: memory of a snapshot, d: copies to the host, e: start, '
        'f: the suggestion, g: several processes, h: a slow loader, i: suggestion and picture, '
        'j: memory of a range test, k: a range test with moments, l: the command, '
        'grows: what grows with what (default: all, half an hour)'
    )
    quick = 'fewer rounds, without the largest model, the longest curve and the longest sweep'
    p.add_argument('parts', nargs='*', help=what)
    p.add_argument('--quick', action='store_true', help=quick)
    p.add_argument('--write', action='store_true', help='save the results in speed.json')
    args = p.parse_args(args)
    if unknown := set(args.parts) - {*PARTS, 'grows'}:
        p.error(f"parts must be of {' '.join(PARTS)} grows, got {' '.join(sorted(unknown))}")
    if args.write and args.quick:
        p.error('--write saves complete measurements: leave out --quick')
    return p, args


def installed_versions():
    "Return the versions of torch and of the libraries that fastlr is compared with: {package: version}."
    modules = {
        'torch': 'torch',
        'pytorch-ignite': 'ignite',
        'lightning': 'lightning',
        'fastai': 'fastai',
        'torch-lr-finder': 'torch_lr_finder',
    }
    return {n: importlib.metadata.version(n) for n, module in modules.items() if has(module)}


def main(args=None):
    parser, args = parse(args)
    torch.set_num_threads(1)
    path = HERE / 'speed.json'
    stored = json.loads(path.read_text()) if path.exists() and args.parts else {}
    versions = installed_versions()
    if args.write and stored.get('versions', versions) != versions:
        parser.error(f"{path.name} was measured with {stored['versions']}: measure all parts anew")
    shown = ', '.join(f'{k} {v}' for k, v in versions.items())
    print(f'python {sys.version.split()[0]}, {shown}, {os.cpu_count()} cores, one thread')
    print(f"{'':69}{'per step':>11}{'ratio':>9}{'quartiles':>14}")
    rows = [r for r in stored.get('rows', []) if r['what'][1] not in args.parts] if args.parts else []
    for part in PARTS:
        if args.parts and part not in args.parts:
            continue
        for row in PARTS[part](args.quick):
            show(row)
            rows.append(row)
    if not args.parts or 'grows' in args.parts:
        stored['grows'] = grows(args.quick)
        print(json.dumps(stored['grows'], indent=1))
    if args.write:
        rows.sort(key=lambda r: r['what'][1])
        path.write_text(json.dumps({**stored, 'versions': versions, 'rows': rows}, indent=1) + '\n')


if __name__ == '__main__':
    restart_steadily()
    main()
