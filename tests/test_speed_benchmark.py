"""The benchmark of speed: it compares like with like, counts right, prints the table, and its stored results
are complete. No time is judged here."""

import itertools, json, os, subprocess, sys
from pathlib import Path

import pytest, torch

HERE = Path(__file__).parent.parent / 'benchmarks'
sys.path.insert(0, str(HERE))
import speed, speed_loop, speed_other, speed_sweep, timing
from fastlr import LRSweep

TINY = (6, 8, 3)


@pytest.fixture
def made(monkeypatch):
    "Collect the models and optimizers that the benchmark makes."
    made, net = [], timing.net

    def noted(widths):
        made.append(net(widths))
        return made[-1]

    for module in (speed_loop, speed_sweep):
        monkeypatch.setattr(module, 'net', noted)
    return made


def run(competitors, names, made):
    "Run the competitors, each from a new model, and return the models by name."
    found = {}
    for name in names:
        make, n = competitors[name], len(made)
        make()()
        found[name] = made[n]
    return found


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_learner_and_loop_by_hand_train_alike(made):
    data = timing.batches(TINY, 12)
    models = run(
        speed_loop.loops(data, TINY),
        ['by hand', 'Learner.fit', '... with a progress bar', '... bar, metric, validation'],
        made,
    )
    torch.manual_seed(0)
    assert not torch.equal(weights(models['by hand']), weights(timing.net(TINY)))
    for m in models.values():
        assert torch.equal(weights(m), weights(models['by hand']))


def test_peers_train_alike(made):
    "Competitors that are not installed are left out."
    competitors = speed_loop.loops(timing.batches(TINY, 12), TINY)
    models = run(competitors, ['by hand', *speed_loop.peer_loops(timing.batches(TINY, 12), TINY)], made)
    for name, m in models.items():
        assert torch.equal(weights(m), weights(models['by hand'])), name


def test_finders_take_all_steps_and_restore_everything(made, monkeypatch):
    steps, seen, finish = 15, [], LRSweep.finish

    def counted(self, *args, **kwargs):
        seen.append(len(self))
        return finish(self, *args, **kwargs)

    monkeypatch.setattr(LRSweep, 'finish', counted)
    competitors = speed_sweep.finders(timing.batches(TINY, steps), TINY, steps)
    models = run(competitors, [n for n in competitors if n != 'by hand'], made)
    assert set(seen) == {steps} and len(seen) >= 3
    start = weights(timing.net(TINY))
    for name, m in models.items():
        assert torch.equal(weights(m), start), name
    moved = run(competitors, ['by hand'], made)['by hand']
    # The loop by hand doesn't restore anything.
    assert not torch.equal(weights(moved), start)


def test_interleaved_by_a_clock_of_its_own(monkeypatch):
    "The machine gets slower and slower."
    clock, order = [0.0], []
    monkeypatch.setattr(timing.time, 'perf_counter', lambda: clock[0])

    def competitor(name, costs):
        costs = iter(costs)

        def make():
            def run():
                order.append(name)
                clock[0] += next(costs)

            return run

        return make

    found = timing.interleaved(
        dict(
            base=competitor('base', [9, 9, 1, 3, 3, 5, 5, 7, 7, 9]),
            other=competitor('other', [9, 2, 8, 18, 32]),
        ),
        rounds=4,
        per=2,
    )
    # The first round doesn't count.
    assert order == ['base', 'other', 'base'] * 5
    # The ratios are 2/2, 8/4, 18/6 and 32/8.
    assert found['other'] == dict(seconds=6.5, ratio=2.5, low=1.75, high=3.25)
    # The base took 3, 5, 7 and 9 seconds, after each of the others.
    assert found['base'] == dict(seconds=3.0, ratio=1.0, low=1.0, high=1.0)


def test_the_order_of_competitors_changes():
    order = []

    def competitor(name):
        return lambda: lambda: order.append(name)

    timing.interleaved({n: competitor(n) for n in 'xabc'}, rounds=2)
    assert ''.join(order) == 'xaxbxcx' + 'xbxcxax' + 'xcxaxbx'


def refused(capsys, *args):
    "Return the message with which the benchmark refuses `args`."
    with pytest.raises(SystemExit) as e:
        speed.main(list(args))
    assert e.value.code == 2
    return capsys.readouterr().err


def test_arguments_are_checked(capsys):
    assert 'leave out --quick' in refused(capsys, '--quick', '--write', 'd')
    assert 'parts must be of a b c d e f g h i j k l grows, got x' in refused(capsys, 'x')


def test_copies_are_counted():
    x = torch.ones(3, requires_grad=True)
    with speed_other.Copies() as copies:
        (x * 2).sum().backward()
    assert copies.count == 0
    for i, fetch in enumerate(
        (
            lambda: x.sum().item(),
            lambda: x.tolist(),
            lambda: float(x.sum()),
            lambda: bool(x.sum() > 0),
            lambda: x.detach().numpy(),
            lambda: x.cpu(),
        )
    ):
        with copies:
            fetch()
        assert copies.count == i + 1


def test_memory_of_a_snapshot_is_measured():
    keep, restore = speed_other.part_c(True)
    assert 0.5 < keep['ratio'] < 1.5 and restore['ratio'] < 0.2


def test_reading_each_loss_would_be_noticed(monkeypatch):
    "The losses are those of an accelerator, which the benchmark simulates."
    fit, find = speed_other.part_d(True)
    # A sweep of a hundred updates reads its losses ten times, once whether there are gradients, and once
    # how far some weights have gone.
    assert fit['ratio'] <= fit['goal'] and find['ratio'] <= 0.12
    import fastlr.recorder

    monkeypatch.setattr(
        fastlr.recorder.Recorder,
        'on_backward_begin',
        lambda self, last_loss, **kwargs: self._raw.append(last_loss.item()),
    )
    assert max(r['ratio'] for r in speed_other.part_d(True)) >= 1


def test_write_refuses_what_was_measured_with_other_versions(capsys, monkeypatch):
    versions = json.loads((HERE / 'speed.json').read_text())['versions']
    monkeypatch.setattr(speed.importlib.metadata, 'version', lambda name: versions.get(name, '1') + '.other')
    assert 'measure all parts anew' in refused(capsys, '--write', 'd')


def test_the_script_runs():
    """It runs as a command, once.

    It restarts with settings of glibc, which `STEADY` explains; arguments and output survive that."""
    env = {k: v for k, v in os.environ.items() if k not in timing.STEADY}
    command = [sys.executable, str(HERE / 'speed.py'), '--quick', 'd']
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert out.returncode == 0 and out.stdout.count('\n(d)') == 2, out.stderr[-2000:]


def test_the_table_is_printed_with_its_goals(capsys):
    speed.main(['--quick', 'd', 'f'])
    rows = [l for l in capsys.readouterr().out.splitlines() if l.startswith('(')]
    assert [l[1] for l in rows] == ['d', 'd', 'f', 'f', 'f'] and sum('goal' in l for l in rows) == 3
    fit, find = (l for l in rows if l[1] == 'd')
    assert fit.endswith(' met') and not fit.endswith('not met') and find.endswith('not met')


def test_stored_results_are_complete():
    stored = json.loads((HERE / 'speed.json').read_text())
    whats = [r['what'] for r in stored['rows']]
    assert [k for k, _ in itertools.groupby(w[1] for w in whats)] == list('abcdefg') and len(
        set(whats)
    ) == len(whats)
    goals = [r for r in stored['rows'] if r['goal'] is not None]
    assert {'torch', 'pytorch-ignite', 'lightning', 'fastai', 'torch-lr-finder'} <= stored[
        'versions'
    ].keys() and len(goals) >= 18
    assert {w for w in whats if 'parameters' in w and 'lr_find' in w} == {
        f'(b) Learner.lr_find, {size} parameters, {n} steps' for size, n in zip(timing.SIZES, (100, 100, 10))
    }
    assert (
        stored['grows'].keys() == {'groups', 'steps', 'callbacks', 'parameters'}
        and '1000' in stored['grows']['groups']
        and '50' in stored['grows']['callbacks']
    )
