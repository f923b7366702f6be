"""How far a range test is, in a log: which lines there are, and when; and none where silence was asked for.

No test waits: the clock is made up."""

import io, itertools, re, subprocess, sys
from functools import partial

import pytest, torch
from torch import nn
from torch.nn.functional import cross_entropy

import fastlr.progress
import fastlr.utils
from conftest import loaders, make_learner, net
from fastlr import LRFinder, LRSweep, RangeTest, cli
from fastlr.progress import Progress
from fastlr.utils import is_watched
from test_probes import FACES, plain

LINE = re.compile(
    r'(Range test|Range test \d of 3|Probe \d of \d): (\d+) of (\d+) updates, lr \d\.\dE[-+]\d\d, '
    r'loss -?[\d.e+-]+'
    r'(, up to (a second|\d+ (seconds|minutes)) left)?'
)


class Sweep:
    "What a `Progress` needs of a sweep."

    done = False

    def __init__(self, losses=()):
        self.losses = list(losses)

    def __len__(self):
        return len(self.losses)


def lines_of(seconds, updates=100, sweeps=1, **options):
    "Return what a log has of `sweeps` sweeps of updates of `seconds` each, and the times of the lines."
    now, log, times = [0.0], io.StringIO(), []
    progress = Progress(file=log, runs=sweeps, clock=lambda: now[0], **options)
    for _ in range(sweeps):
        sweep = Sweep()
        progress.begin(updates)
        for n in range(1, updates + 1):
            now[0] += seconds
            sweep.losses.append(2.0 - n / 100)
            sweep.done = n == updates
            before = len(log.getvalue())
            progress.follow(sweep, 1e-3)
            times += [now[0]] * (len(log.getvalue()) > before)
        progress.end()
    return log.getvalue().splitlines(), times


def test_lines_come_ever_more_seldom():
    lines, times = lines_of(1.0, updates=300)
    assert times == [10, 20, 40, 80, 140, 200, 260]
    assert lines[0] == 'Range test: 10 of 300 updates, lr 1.0E-03, loss 1.9, up to 5 minutes left'
    assert lines[-1] == 'Range test: 260 of 300 updates, lr 1.0E-03, loss -0.6, up to 40 seconds left'
    # An update that takes longer than the pause has a line each.
    assert lines_of(70.0, updates=5)[1] == [70, 140, 210, 280]


def test_a_short_range_test_has_none():
    assert lines_of(0.1) == lines_of(1.0, updates=10) == lines_of(1.0, silent=True) == ([], [])


def test_several_sweeps_share_the_clock():
    "The estimate is for all of them, and no line comes sooner because a sweep begins."
    lines, times = lines_of(1.0, updates=8, sweeps=3)
    assert times == [10, 20]
    assert lines == [
        'Range test 2 of 3: 2 of 8 updates, lr 1.0E-03, loss 1.98, up to 14 seconds left',
        'Range test 3 of 3: 4 of 8 updates, lr 1.0E-03, loss 1.96, up to 4 seconds left',
    ]


def test_what_a_line_can_not_know_is_left_out():
    log = io.StringIO()
    progress = Progress(file=log, clock=partial(next, itertools.count(0, 20)))
    progress.begin(2)
    sweep = Sweep([1.0, 1.0, 1.0])
    progress.follow(sweep, 0.5)
    assert log.getvalue() == 'Range test: 3 updates, lr 5.0E-01, loss 1\n'
    # With several processes no loss may have been read yet.
    unread = type('Unread', (Sweep,), {'__len__': lambda self: 1})()
    progress.follow(unread, 0.5)
    assert log.getvalue().splitlines()[1] == 'Range test: 1 of 2 updates, lr 5.0E-01, up to 40 seconds left'
    progress.end()


@pytest.fixture
def fast(monkeypatch):
    "A clock that goes on by a second whenever it is read, which is after each update."
    monkeypatch.setattr(fastlr.progress, 'time', type('time', (), {}))
    monkeypatch.setattr(fastlr.progress.time, 'monotonic', partial(next, itertools.count()), raising=False)
    monkeypatch.setattr(fastlr.utils, 'IN_NOTEBOOK', False)


def own_loop(**kwargs):
    model, dl = net(), loaders()[0]
    opt = torch.optim.Adam(model.parameters())
    with LRSweep(opt, model, num_it=30, **kwargs) as sweep:
        for x, y in sweep(dl):
            loss = cross_entropy(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)


def range_test(**kwargs):
    model = net()
    test = RangeTest(model, torch.optim.Adam(model.parameters(), lr=1e-6), nn.CrossEntropyLoss())
    test.range_test(loaders()[0], num_iter=30, **kwargs)


def fastai(**kwargs):
    pytest.importorskip('fastai')
    from fastai.learner import Learner as FastaiLearner
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader as FastaiLoader

    from fastlr.integrations.fastai import lr_find

    from conftest import problem

    dl = FastaiLoader(list(problem()), bs=16)
    learn = FastaiLearner(DataLoaders(dl, dl), net(), loss_func=nn.CrossEntropyLoss())
    lr_find(learn, num_it=30, show_plot=False, probe=False, **kwargs)


def callback(**kwargs):
    learn = make_learner()
    learn.fit(9, callbacks=[LRFinder(learn, num_it=30, silent=False, **kwargs)])


def face(make, **kwargs):
    make(slow=False)[1](probe=False, stop_div=False, **kwargs)


def lightning(**kwargs):
    FACES[3](slow=False)[1](probe=False, early_stop_threshold=None, **kwargs)


SILENT, NO_PROGRESS = dict(silent=True), dict(progress=False)
ENTRIES = {
    'find_lr': (partial(face, plain), NO_PROGRESS),
    'LRSweep': (own_loop, NO_PROGRESS),
    'lr_find': (partial(face, FACES[1]), SILENT),
    'LRFinder': (callback, NO_PROGRESS),
    'Accelerate': (partial(face, FACES[2]), SILENT),
    'Lightning': (lightning, SILENT),
    'Transformers': (partial(face, FACES[4]), SILENT),
    'fastai': (fastai, SILENT),
    'RangeTest': (range_test, NO_PROGRESS),
}
EACH = pytest.mark.parametrize('name', list(ENTRIES))


@EACH
@pytest.mark.filterwarnings('ignore')
def test_each_entry_point_writes_lines_into_a_log_unless_asked_not_to(
    name, fast, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    find, silence = ENTRIES[name]
    find()
    out, err = capsys.readouterr()
    said = [line for line in out.splitlines() if line.startswith('Range test:')]
    assert len(said) >= 2 and all(LINE.fullmatch(line) for line in said) and '\r' not in out
    assert [LINE.fullmatch(line)[2] for line in said[:2]] == ['10', '20'], said
    find(**silence)
    out, err = capsys.readouterr()
    assert 'updates' not in out and 'updates' not in err


@pytest.mark.parametrize('face', FACES, ids=lambda f: f.__name__)
def test_probes_have_lines(face, fast, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    face(slow=True)[1](probe=True)
    out = capsys.readouterr().out
    said = [line for line in out.splitlines() if line.startswith('Probe')]
    assert len(said) >= 3 and all(LINE.fullmatch(line) for line in said), out
    # After the announcement, which says how long they will take.
    assert out.index('(up to 300 further updates, about 5 minutes)') < out.index(said[0])


def test_the_runs_are_counted(fast, capsys):
    plain(slow=False)[1](probe=False, runs=3)
    said = [line for line in capsys.readouterr().out.splitlines() if 'updates' in line]
    assert said and all(re.match(r'Range test [123] of 3: ', line) for line in said)


def test_where_people_watch_there_is_no_line(fast, monkeypatch, capsys):
    "A bar is shown there, but not around a loop of one's own, which may have its own."
    monkeypatch.setattr(fastlr.utils, 'is_watched', lambda: True)
    plain(slow=False)[1](probe=False)
    assert 'Range test' not in (out := capsys.readouterr().out) and '\r' in out
    own_loop()
    assert capsys.readouterr().out == ''


def test_the_command_prints_lines_to_the_error_output(fast, capfd, tmp_path):
    args = ['find-lr', 'sevens', '-s', str(tmp_path / 'a'), '--num-batches', '40', '--json']
    assert cli.main(args) in (0, 1)
    out, err = capfd.readouterr()
    # What the probes will cost is told between the lines.
    others = 'fastlr: no suggestion', "This sweep can't tell"
    said = [line for line in err.splitlines() if not line.startswith(others)]
    assert len(said) >= 2 and all(LINE.fullmatch(line) for line in said) and out.startswith('{')
    cli.main([*args[:3], str(tmp_path / 'b'), *args[4:6], '--quiet'])
    out, err = capfd.readouterr()
    assert 'updates' not in out + err


def test_output_without_a_terminal_to_ask(monkeypatch):
    "A program without a console has no output; one that writes to a log may have put something else there."
    for stdout in (None, type('Tee', (), {'write': print})()):
        with monkeypatch.context() as m:
            m.setattr(sys, 'stdout', stdout)
            assert is_watched() == fastlr.utils.IN_NOTEBOOK


def test_progress_is_checked():
    model = net()
    with pytest.raises(TypeError, match="progress must be True or False, got 'no'"):
        LRSweep(torch.optim.SGD(model.parameters(), lr=0.1), model, progress='no')


# Its output is a pipe, and it goes on only when the first line has been read.
SCRIPT = """
import itertools, sys, time
from functools import partial
import torch
import fastlr.progress
from fastlr import find_lr

def criterion(out, target):
    global n
    n += 1
    if n == 15: print('read:', sys.stdin.readline().strip())
    return (out-target).pow(2).mean()

n = 0
fastlr.progress.time = type('time', (), dict(monotonic=partial(next, itertools.count(0, 4))))
model = torch.nn.Linear(2, 1)
batch = torch.randn(8, 2), torch.randn(8, 1)
find_lr(model, torch.optim.SGD(model.parameters(), lr=0.1), criterion, [batch]*4, num_it=20, probe=False)
"""


def test_a_log_that_is_read_while_it_grows():
    p = subprocess.Popen(
        [sys.executable, '-c', SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        first = [p.stdout.readline().decode() for _ in range(3)]
        rest, err = p.communicate(b'go on\n', timeout=120)
    finally:
        p.kill()
    assert [LINE.fullmatch(line.rstrip('\n'))[2] for line in first] == ['3', '6', '11'] and err == b''
    assert rest.startswith(b'read: go on\n') and b'\r' not in rest
