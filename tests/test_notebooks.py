"tools/run_notebooks.py: what is stored in a notebook is what it shows when it runs, and anything else is named."
import asyncio, base64, importlib.util, io
from pathlib import Path

import pytest

nbformat = pytest.importorskip('nbformat')
pytest.importorskip('nbclient')
spec = importlib.util.spec_from_file_location('run_notebooks', Path(__file__).parent.parent/'tools'/'run_notebooks.py')
tool = importlib.util.module_from_spec(spec); spec.loader.exec_module(tool)

CELLS = ["import time, matplotlib.pyplot as plt; from IPython.display import HTML",
         "began = time.time()\nprint('a loss of 1.2345 after 100 steps,', f'{time.time() - began:.9f} s, from 0x{id(began):x}')",
         "HTML('<table><tr><td>epoch</td><td>0.271828</td></tr></table>')",
         "plt.plot([1, 2, 4]); plt.xlabel('step');",
         "#| volatile\nprint(time.time())",
         "#| eval: false\nraise SystemExit('never run')"]


@pytest.fixture(scope='module')
def notebook(tmp_path_factory):
    "The path of a notebook that was run, and its text."
    path = tmp_path_factory.mktemp('nbs')/'small.ipynb'
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c, id=f'c{i}') for i, c in enumerate(CELLS)]), path)
    assert tool.main(['--write', str(path)]) == 0
    return path, path.read_text()


@pytest.fixture(scope='module')
def came(notebook):
    "The cells as they come out of another run, whose outputs were compared."
    path, _ = notebook
    ran = nbformat.read(path, as_version=4)
    _, wrong = asyncio.run(tool.run(path))
    assert wrong == []
    return ran.cells


def plot(ys, label='step'):
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots(); ax.plot(ys); ax.set_xlabel(label)
    fig.savefig(png := io.BytesIO(), format='png', bbox_inches='tight'); plt.close(fig)
    return base64.b64encode(png.getvalue()).decode()


def edited(cell, old, new):
    "A copy of `cell` whose outputs say `new` for `old`."
    assert old in str(cell.outputs)
    return nbformat.from_dict(eval(repr(dict(cell)).replace(old, new)))


def test_current_outputs_pass_and_stay(notebook, capsys):
    path, text = notebook
    assert tool.main([str(path)]) == 0
    assert path.read_text() == text and 'small.ipynb' in capsys.readouterr().out


def test_every_failing_place_is_told_at_once(notebook, tmp_path, capsys):
    nb = nbformat.reads(notebook[1], as_version=4)
    nb.cells[1].outputs[0].text = nb.cells[1].outputs[0].text.replace('1.2345', '1.5432')
    nb.cells[2].outputs = []
    nb.cells[5:] = [nbformat.v4.new_code_cell("print('so far')\n1/0", id='bad'), nbformat.v4.new_code_cell("print('not reached')", id='after')]
    nbformat.write(nb, path := tmp_path/'wrong.ipynb')
    assert tool.main([str(path)]) == 1
    out = capsys.readouterr().out
    for told in ('cell c1', '- a loss of 1.5432', '+ a loss of 1.2345', 'cell c2', '- no output', '+ text/html', 'cell bad', 'ZeroDivisionError', '1 of 1 notebooks'): assert told in out, told
    assert 'after' not in out.replace('after 100 steps', '') and 'cell c3' not in out


def test_times_and_addresses_may_change(came):
    assert tool.differences(came[1], edited(came[1], ' s, from 0x', '1 s, from 0xabc')) == []


@pytest.mark.parametrize('cell, old, new', [(1, '1.2345', '1.2445'), (1, '100 steps', '101 steps'), (1, 'a loss', 'the loss'), (2, '0.271828', '0.281828'), (2, 'epoch', 'step')])
def test_a_changed_number_or_word_is_told(came, cell, old, new):
    (told,) = tool.differences(edited(came[cell], old, new), came[cell])
    assert old.split()[0] in told and new.split()[0] in told


def test_another_processor_may_round(came):
    for cell, old, new in ((1, '1.2345', '1.2346'), (2, '0.271828', '0.271830')): assert tool.differences(edited(came[cell], old, new), came[cell]) == []


def test_outputs_that_are_missing_or_of_another_kind_are_told(came):
    for i in (1, 2, 3, 4):
        empty = nbformat.from_dict({**came[i], 'outputs': []})
        assert 'no output' in tool.differences(empty, came[i])[0] and 'no output' in tool.differences(came[i], empty)[0]
    assert tool.differences(came[1], came[2]) and tool.differences(came[2], came[3])
    warned = nbformat.from_dict({**came[1], 'outputs': [*came[1].outputs, nbformat.v4.new_output('stream', name='stderr', text='a warning')]})
    assert 'a warning' in tool.differences(came[1], warned)[0]


def test_what_is_volatile_may_say_anything(came):
    assert tool.differences(edited(came[4], came[4].outputs[0].text.strip(), 'something else'), came[4]) == []


@pytest.mark.parametrize('ys, label', [([1, 2.05, 4], 'step'), ([1, 2, 4.1], 'step'), ([1, 2], 'step'), ([], 'step'), ([1, 2, 4], 'stop'), ([1, 2, 4], '')])
def test_a_changed_figure_is_told(ys, label, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.tempfile, 'tempdir', str(tmp_path))
    told = tool.figures_differ(plot([1, 2, 4]), plot(ys, label))
    assert 'figure' in told and (len(list(tmp_path.rglob('*.png'))) == 2 or 'pixels' in told)


def test_a_figure_that_is_off_by_rounding_passes():
    assert tool.figures_differ(plot([1, 2, 4]), plot([1, 2.0005, 4])) is None


@pytest.mark.parametrize('a, b, same', [('1.23E-02', '1.24E-02', True), ('1.23E-02', '1.25E-02', False), ('1e-04', '2e-04', False), ('100', '101', False), ('0.5', '0.5', True), ('0.00', '0.01', False),
                                        ('2.7182818', '2.7182900', True), ('-0.31', '0.31', False), ('3.0', '3', True), ('12.1', '10.2', False)])
def test_numbers(a, b, same): assert tool.agree(a, b) == tool.agree(b, a) == same
