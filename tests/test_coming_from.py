"""The page for users of other libraries: the form of its pairs of examples, which a site sets in two columns;
and the code of the others runs where they are installed."""

import json, re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NB = Path(__file__).parent.parent / 'nbs' / 'tutorials' / 'coming_from.ipynb'
CELLS = [(c['cell_type'], ''.join(c['source'])) for c in json.loads(NB.read_text())['cells']]
PAIRS = [(text, ours) for (kind, text), (_, ours) in zip(CELLS, CELLS[1:]) if ours.startswith('#| beside\n')]
FENCE = re.compile(r'There, with ([^`\n]+):\n\n```(python|bash)\n([^`]+)\n```\Z')


def theirs(text):
    # They are library, language and code.
    return FENCE.search(text).groups()


def test_each_pair_is_their_code_and_then_ours():
    assert len(PAIRS) >= 10 and all(FENCE.search(text) and text.count('```') == 2 for text, _ in PAIRS)
    assert (
        sum(ours.startswith('#| beside') for _, ours in CELLS)
        == len(PAIRS)
        == sum('There, with' in text for kind, text in CELLS if kind == 'markdown')
    )
    assert all(kind == 'markdown' for kind, text in CELLS if any(text == t for t, _ in PAIRS))
    assert {theirs(text)[0] for text, _ in PAIRS} == {
        'fastai v1',
        'fastai v2',
        'pytorch-lr-finder',
        'ignite',
        'Lightning',
        'Lightning 1.9',
        'AllenNLP',
    }
    assert all(len(ours.splitlines()) <= 16 for _, ours in PAIRS)


@pytest.mark.parametrize('k', range(len(PAIRS)))
def test_their_code_runs(k, monkeypatch, tmp_path, capsys):
    library, language, code = theirs(PAIRS[k][0])
    if language == 'bash' or library in ('Lightning 1.9', 'fastai v1'):
        pytest.skip(f'{library} was run, or read, by hand')
    pytest.importorskip(re.search(r'^from (\w+)', code, re.M).group(1))
    setup = [src for kind, src in CELLS if kind == 'code' and 'import ' in src and not src.startswith('#|')]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, 'show', lambda: None)
    names = {}
    for src in setup:
        exec(src, names)
    exec(code, names)
    assert library != 'pytorch-lr-finder' or len(names['finder'].history['lr']) > 50
    printed = capsys.readouterr().out
    # The page says this number.
    assert 'Suggested LR' not in printed or '4.64E-02' in printed
    assert library != 'Lightning' or names['lr'] == names['module'].lr != 1e-3
    plt.close('all')
