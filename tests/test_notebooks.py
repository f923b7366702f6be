"""tools/run_notebooks.py: a notebook shows what is stored in it when it runs, and anything else is named.

The kernels of tools/kernel_server.py: as clean as new processes, and none is left behind."""

import asyncio
import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

nbformat = pytest.importorskip('nbformat')
psutil = pytest.importorskip('psutil')
pytest.importorskip('nbclient')
TOOLS = Path(__file__).parent.parent / 'tools'
sys.path.append(str(TOOLS))
import kernel_server
import run_notebooks as tool

sys.path.remove(str(TOOLS))

CELLS = [
    "import time, matplotlib.pyplot as plt; from IPython.display import HTML",
    "began = time.time()\n"
    "print('a loss of 1.2345 after 100 steps,', f'{time.time() - began:.9f} s, from 0x{id(began):x}')",
    "HTML('<table><tr><td>epoch</td><td>0.271828</td></tr></table>')",
    "plt.plot([1, 2, 4]); plt.xlabel('step');",
    "#| volatile\nprint(time.time())",
    "#| eval: false\nraise SystemExit('never run')",
]
forks = pytest.mark.skipif(not kernel_server.can_fork(), reason='kernels are forked on Linux alone')


@pytest.fixture(scope='module')
def new_process(tmp_path_factory):
    "Return a future of what FACTS finds in a kernel that is a new process. It runs beside the first tests."
    path = tmp_path_factory.mktemp('new') / 'plain.ipynb'
    with ThreadPoolExecutor(1) as pool, kernel_server.PlainKernels() as kernels:
        yield pool.submit(printed, kernels, path, FACTS)


@pytest.fixture(scope='module')
def kernels(new_process):
    "Start one server for all tests of this module, where kernels can be forked."
    with tool.start_kernels()[0] as kernels:
        yield kernels


@pytest.fixture
def main(kernels, monkeypatch):
    "Return the tool, which takes its kernels from the server of this module."
    monkeypatch.setattr(tool, 'start_kernels', lambda fresh: (contextlib.nullcontext(kernels), 'for a test'))
    return tool.main


def written(path, *cells):
    "Write a notebook of `cells` to `path`, and return it."
    cells = [nbformat.v4.new_code_cell(source, id=f'c{i}') for i, source in enumerate(cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def printed(kernels, path, *cells):
    "Return what `cells` print in a kernel of their own, with the folder of `path` as working directory."
    _, wrong = asyncio.run(tool.run(written(path, *cells), kernels, write=True))
    assert wrong == []
    return ''.join(o.text for cell in nbformat.read(path, as_version=4).cells for o in cell.outputs)


@pytest.fixture(scope='module')
def notebook(tmp_path_factory, kernels):
    "Return the path of a notebook that was run, and its text."
    path = written(tmp_path_factory.mktemp('nbs') / 'small.ipynb', *CELLS)
    _, wrong = asyncio.run(tool.run(path, kernels, write=True))
    assert wrong == []
    return path, path.read_text()


@pytest.fixture(scope='module')
def came(notebook):
    "Return the cells after a run."
    return nbformat.reads(notebook[1], as_version=4).cells


def plot(ys, label='step'):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.plot(ys)
    ax.set_xlabel(label)
    fig.savefig(png := io.BytesIO(), format='png', bbox_inches='tight')
    plt.close(fig)
    return base64.b64encode(png.getvalue()).decode()


def edited(cell, old, new):
    "Return a copy of `cell` whose outputs have `new` in place of `old`."
    assert old in str(cell.outputs)
    return nbformat.from_dict(eval(repr(dict(cell)).replace(old, new)))


def test_current_outputs_pass_and_stay(notebook, main, capsys):
    path, text = notebook
    assert main([str(path)]) == 0
    out = capsys.readouterr().out
    assert path.read_text() == text
    assert out.startswith('1 notebook, 1 at a time, for a test\n')
    assert 'small.ipynb' in out


def test_a_cell_that_needs_a_package_is_run_where_it_is_installed(main, tmp_path, capsys):
    path = written(
        tmp_path / 'needs.ipynb', '#| needs: no_such_package\nimport no_such_package', '#| needs: json\n1/0'
    )
    assert main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert re.search(r'not run: cells of \S*needs.ipynb that need no_such_package ', printed)
    assert 'ZeroDivisionError' in printed and 'ModuleNotFoundError' not in printed


def test_every_failing_place_is_reported_at_once(notebook, main, tmp_path, capsys):
    nb = nbformat.reads(notebook[1], as_version=4)
    nb.cells[1].outputs[0].text = nb.cells[1].outputs[0].text.replace('1.2345', '1.5432')
    nb.cells[2].outputs = []
    nb.cells[5:] = [
        nbformat.v4.new_code_cell("print('so far')\n1/0", id='bad'),
        nbformat.v4.new_code_cell("print('not reached')", id='after'),
    ]
    nbformat.write(nb, path := tmp_path / 'wrong.ipynb')
    assert main([str(path)]) == 1
    out = capsys.readouterr().out
    for reported in (
        'cell c1',
        '- a loss of 1.5432',
        '+ a loss of 1.2345',
        'cell c2',
        '- no output',
        '+ text/html',
        'cell bad',
        'ZeroDivisionError',
        '1 of 1 notebooks',
    ):
        assert reported in out, reported
    assert 'after' not in out.replace('after 100 steps', '')
    assert 'cell c3' not in out


def test_times_and_addresses_may_change(came):
    assert tool.differences(came[1], edited(came[1], ' s, from 0x', '1 s, from 0xabc')) == []


@pytest.mark.parametrize(
    'cell, old, new',
    [
        (1, '1.2345', '1.2445'),
        (1, '100 steps', '101 steps'),
        (1, 'a loss', 'the loss'),
        (2, '0.271828', '0.281828'),
        (2, 'epoch', 'step'),
    ],
)
def test_a_changed_number_or_word_is_reported(came, cell, old, new):
    (reported,) = tool.differences(edited(came[cell], old, new), came[cell])
    assert old.split()[0] in reported and new.split()[0] in reported


def test_another_processor_may_round(came):
    for cell, old, new in ((1, '1.2345', '1.2346'), (2, '0.271828', '0.271830')):
        assert tool.differences(edited(came[cell], old, new), came[cell]) == []


def test_outputs_that_are_missing_or_of_another_kind_are_reported(came):
    for i in (1, 2, 3, 4):
        empty = nbformat.from_dict({**came[i], 'outputs': []})
        assert (
            'no output' in tool.differences(empty, came[i])[0]
            and 'no output' in tool.differences(came[i], empty)[0]
        )
    assert tool.differences(came[1], came[2]) and tool.differences(came[2], came[3])
    warned = nbformat.from_dict(
        {
            **came[1],
            'outputs': [*came[1].outputs, nbformat.v4.new_output('stream', name='stderr', text='a warning')],
        }
    )
    assert 'a warning' in tool.differences(came[1], warned)[0]


def test_volatile_outputs_may_change(came):
    assert tool.differences(edited(came[4], came[4].outputs[0].text.strip(), 'something else'), came[4]) == []


@pytest.mark.parametrize(
    'ys, label',
    [
        ([1, 2.05, 4], 'step'),
        ([1, 2, 4.1], 'step'),
        ([1, 2], 'step'),
        ([], 'step'),
        ([1, 2, 4], 'stop'),
        ([1, 2, 4], ''),
    ],
)
def test_a_changed_figure_is_reported(ys, label, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.tempfile, 'tempdir', str(tmp_path))
    reported = tool.figures_differ(plot([1, 2, 4]), plot(ys, label))
    assert 'figure' in reported and (len(list(tmp_path.rglob('*.png'))) == 2 or 'pixels' in reported)


def test_a_figure_that_is_off_by_rounding_passes():
    assert tool.figures_differ(plot([1, 2, 4]), plot([1, 2.0005, 4])) is None


@pytest.mark.parametrize(
    'a, b, same',
    [
        ('1.23E-02', '1.24E-02', True),
        ('1.23E-02', '1.25E-02', False),
        ('1e-04', '2e-04', False),
        ('100', '101', False),
        ('0.5', '0.5', True),
        ('0.00', '0.01', False),
        ('2.7182818', '2.7182900', True),
        ('-0.31', '0.31', False),
        ('3.0', '3', True),
        ('12.1', '10.2', False),
    ],
)
def test_numbers(a, b, same):
    assert tool.agree(a, b) == tool.agree(b, a) == same


# A notebook can find out this about its process. The modules are some that the server must not import.
FACTS = """
import gc, json, logging, multiprocessing, os, signal, sys, threading
facts = dict(
    module=__name__,
    names=sorted(n for n in vars(sys.modules['__main__']) if not n.startswith('_')),
    folder=os.getcwd(),
    arguments=[sys.argv[0], *(a for a in sys.argv[1:] if not a.endswith('.json'))],
    path=sys.path,
    environment={k: v for k, v in os.environ.items() if not k.startswith(('JPY_PARENT', 'PYTEST'))},
    parent=os.environ['JPY_PARENT_PID'] == str(os.getppid()),
    leads=os.getpgid(0) == os.getpid(),
    process=multiprocessing.current_process().name,
    threads=sorted(type(t).__name__ for t in threading.enumerate()),
    loaded=[m for m in ('fastlr', 'fastcore', 'fastprogress', 'tqdm.auto', 'lightning', 'accelerate',
                        'transformers', 'matplotlib_inline', 'kernel_server') if m in sys.modules],
    signals={s.name: str(signal.getsignal(s)).split(' at ')[0] for s in signal.valid_signals() if s < 32},
    loggers=[str(h) for h in logging.getLogger().handlers],
    limits=[sys.getrecursionlimit(), gc.isenabled(), *gc.get_threshold()])
import torch, matplotlib
from matplotlib import pyplot
facts.update(
    backend=matplotlib.get_backend(),
    settings={k: str(v) for k, v in matplotlib.rcParams.items()},
    torch_threads=[torch.get_num_threads(), torch.get_num_interop_threads()],
    modes=[torch.is_grad_enabled(), str(torch.get_default_dtype())])
print(json.dumps(facts))
"""


@forks
def test_a_forked_kernel_is_like_a_new_process(kernels, new_process, tmp_path):
    forked = json.loads(printed(kernels, tmp_path / 'forked.ipynb', FACTS))
    new = json.loads(new_process.result())
    assert Path(forked.pop('folder')) == tmp_path
    assert Path(new.pop('folder')).name.startswith('new')
    assert new['path'][0] == str(TOOLS.parent)
    assert new['module'] == '__main__' and new['loaded'] == []
    assert new['environment']['OMP_NUM_THREADS'] == '1' and new['torch_threads'][0] == 1
    for fact, value in new.items():
        assert forked[fact] == value, fact


def test_notebooks_share_nothing(kernels, tmp_path):
    change = """
        import builtins, os, sys, torch
        builtins.left = os.environ['LEFT'] = 'something'
        sys.path.append('left')
        sys.modules['left'] = sys
        os.chdir('/')
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(1)
        left = 'something'"""
    look = """
        import builtins, os, sys, torch
        print('left' in globals(), hasattr(builtins, 'left'), 'LEFT' in os.environ, 'left' in sys.path,
              'left' in sys.modules, os.getcwd() == '/', torch.get_default_dtype() != torch.float32,
              torch.initial_seed() == 1)"""
    printed(kernels, tmp_path / 'changes.ipynb', textwrap.dedent(change))
    assert printed(kernels, tmp_path / 'looks.ipynb', textwrap.dedent(look)).split() == 8 * ['False']


def test_what_is_not_seeded_differs_between_kernels(kernels, tmp_path):
    cell = 'import random, numpy as np, torch\nprint(random.random(), np.random.rand(), torch.rand(1).item())'
    with ThreadPoolExecutor(2) as pool:
        two = [pool.submit(printed, kernels, tmp_path / f'{i}.ipynb', cell) for i in range(2)]
    pairs = zip(*(one.result().split() for one in two), strict=True)
    assert all(a != b for a, b in pairs)


def test_a_temporary_folder_goes_with_its_kernel(kernels, tmp_path):
    cell = 'import tempfile\nfolder = tempfile.TemporaryDirectory()\nprint(folder.name)'
    folder = Path(printed(kernels, tmp_path / 'folder.ipynb', cell).strip())
    assert folder.is_absolute() and not folder.exists()


@forks
def test_a_kernel_that_dies_is_reported_and_leaves_nothing(main, tmp_path, capsys):
    cell = """
        import os, signal, subprocess
        print(subprocess.Popen(['sleep', '60']).pid, os.getpid(), file=open('processes', 'w'), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)"""
    assert main([str(written(tmp_path / 'dies.ipynb', textwrap.dedent(cell)))]) == 1
    out = capsys.readouterr().out
    assert 'cell c0' in out and 'Kernel died' in out
    for pid in (tmp_path / 'processes').read_text().split():
        assert gone(int(pid))


def gone(pid):
    "Return whether there is no process `pid`, now or in a moment."
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def children(pid, n):
    "Return the `n` children of `pid`, as soon as they are there."
    for _ in range(1800):
        found = psutil.Process(pid).children(recursive=True)
        if len(found) == n and found[-1].name() == 'sleep':
            return found
        time.sleep(0.1)
    raise AssertionError(found)


# The server of these tests imports little, so that it starts sooner.
TOOL = f"""
import sys
sys.path.insert(0, {str(TOOLS)!r})
import kernel_server, run_notebooks, signal
# A shell that starts jobs in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
kernel_server.PRELOADED = ('ipykernel.kernelapp',)
sys.exit(run_notebooks.main(sys.argv[1:]))
"""


# Which process gets which signal, and the options of the tool.
STOPS = [('tool', 'SIGINT'), ('tool', 'SIGKILL'), ('server', 'SIGKILL'), ('tool', 'SIGINT', '--fresh')]


@pytest.fixture(scope='module')
def tools(tmp_path_factory):
    "Start, for each of STOPS, a tool whose notebook waits."
    path = tmp_path_factory.mktemp('waits') / 'waits.ipynb'
    written(path, "import subprocess\nsubprocess.run(['sleep', '600'])")
    tools = {
        stop: subprocess.Popen(
            [sys.executable, '-c', TOOL, str(path), *stop[2:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for stop in STOPS
    }
    yield tools
    for process in tools.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize('stop', STOPS, ids=' '.join)
@forks
def test_nothing_is_left_when_the_tool_is_stopped(stop, tools):
    process = tools[stop]
    victim, name, *fresh = stop
    # They are the server, the kernel and what the kernel has started.
    started = children(process.pid, 2 if fresh else 3)
    os.kill(process.pid if victim == 'tool' else started[0].pid, getattr(signal, name))
    assert process.wait(120) != 0
    assert all(gone(p.pid) for p in started)


@forks
def test_without_a_server_kernels_are_new_processes(tmp_path, monkeypatch):
    thread = 'threading.Thread(target=time.sleep, args=[9], daemon=True)'
    (tmp_path / 'busy.py').write_text(f'import threading, time\n{thread}.start()')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setattr(kernel_server, 'PRELOADED', ['busy'])
    kernels, how = tool.start_kernels()
    assert type(kernels) is kernel_server.PlainKernels
    assert how == 'each in a new process, since the server that forks kernels has ended'
