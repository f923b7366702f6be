"""Several processes that train together, for real: with gloo, on this machine.

There are two and three of them, and four too in a thorough run. They are launched once, and run all
scenarios of `scenarios/` one after another; `pytest -s` shows how long each takes. A test here looks at what
each process has made of one of them, or of a few."""

import contextlib, re, socket, subprocess, sys
from collections import Counter

import numpy as np
import pytest, torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy

from conftest import deep, problem
from fastlr import link, processes
from launches import HERE, environment, launch
from scenarios import faults, interrupts, name_of, plain, sharded
from scenarios.plain import batches

TWO = 'plain', 'sharded', 'faults', 'accelerate', 'transformers', 'lightning'
MORE = (
    plain.usual,
    plain.nan_in_one,
    plain.shorter,
    plain.later_training,
    plain.first_training,
    sharded.curve,
    sharded.later_training,
    faults.bad_loss,
    faults.bad_loading,
    faults.usual_again,
    'accelerate.curve',
    'accelerate.later_plain',
    'accelerate.unreadable',
    'accelerate.again',
)


def launched(tmp_path_factory, world_size, scenarios):
    found = launch(tmp_path_factory.mktemp(f'{world_size}_processes'), world_size, *scenarios)
    print(f'\n{world_size} processes; the first one took\n{found.seconds()}')
    return found


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    return launched(tmp_path_factory, 2, TWO)


@pytest.fixture(scope='module')
def more(tmp_path_factory):
    "Launch more than two processes."
    return [launched(tmp_path_factory, n, MORE) for n in deep([3], [3, 4])]


def check_same(a, *others):
    "Check that these curves are the same to the last bit."
    for b in others:
        assert np.array_equal(a.lrs, b.lrs)
        assert np.array_equal(a.losses, b.losses)
        assert a.stop_reason == b.stop_reason


def same_curve(found, scenario):
    "The curve and the suggestion of all processes."
    a, *others = found.curves(scenario)
    check_same(a, *others)
    for b in others:
        assert a.suggest() == b.suggest()
    return a


def first_line(error):
    "Python 3.10 has no notes: there, they are lines of the message."
    return error.splitlines()[0]


def check_notified(errors, bad, words):
    "Check that one process raises `words`, and that the others are notified."
    for rank, error in enumerate(errors):
        if rank == bad:
            assert error.startswith(words)
        else:
            assert error.startswith(f'RuntimeError: LRSweep: process {bad} has failed ({words}')


def test_all_processes_end_well(two, more):
    for found in (two, *more):
        found.check_end()


# find_lr, LRSweep and a learner.


@pytest.mark.parametrize(
    'scenario, points, reason',
    [
        (plain.usual, None, 'diverged'),
        (plain.ten_at_a_time, None, 'diverged'),
        (plain.shorter, 7, 'data'),
        (plain.shorter_ten, 13, 'data'),
        (plain.rest_of_a_window, 3, 'data'),
        (plain.uneven_lists, 20, 'end'),
        (plain.leftovers, 7, 'data'),
        (plain.floats, 10, 'end'),
        (plain.nan_in_one, 5, 'non-finite'),
        (plain.left, 5, 'interrupted'),
        (plain.left_a_learner, 5, 'interrupted'),
        (plain.skipped_in_one, 10, 'end'),
        (plain.in_a_learner, 7, 'data'),
        (plain.common, 20, 'end'),
        (plain.common_in_a_learner, 20, 'end'),
        (sharded.curve, None, 'diverged'),
        (sharded.on_disk, None, 'diverged'),
        (faults.usual_again, None, 'diverged'),
    ],
    ids=lambda x: name_of(x) if callable(x) else None,
)
def test_one_answer_on_all_processes(two, scenario, points, reason):
    """fastai #2485, Lightning #19611, pytorch-lr-finder #64: each process stopped where its own loss did, and
    the others waited for it."""
    a, b = two.curves(scenario)
    check_same(a, b)
    assert a.stop_reason == reason
    if points is None:
        assert a.suggest().lr == b.suggest().lr
    else:
        assert len(a) == points


@pytest.mark.parametrize(
    'scenario, points',
    [
        (plain.usual, None),
        (plain.nan_in_one, 5),
        (plain.shorter, 7),
        (sharded.curve, None),
        (faults.usual_again, None),
    ],
    ids=lambda x: name_of(x) if callable(x) else None,
)
def test_one_answer_on_three(more, scenario, points):
    for found in more:
        a, *others = found.curves(scenario)
        check_same(a, *others)
        assert len(a) == (points or len(a))


def test_common_batches_of_different_number(two):
    "All processes go round as many as the one that has the fewest: three."
    for a, b in zip(*(two.curves(s) for s in (plain.common, plain.common_in_a_learner))):
        assert a.batches.tolist() == [i % 3 for i in range(20)]
        # Windows of two: 01, 20, 12.
        assert b.batches.tolist() == [i % 3 for i in range(20)]


def test_the_mean_is_recorded(two, more):
    for found in (two, *more):
        first = []
        for rank in range(found.world_size):
            x, y = batches(rank)[0]
            first.append(cross_entropy(plain.small_net()(x), y).item())
        assert found.curves(plain.usual)[0].losses[0] == pytest.approx(np.mean(first), rel=1e-6)
        assert abs(first[0] - first[1]) > 1e-3


def test_losses_that_are_read_ten_at_a_time_are_the_same(two):
    check_same(*(two.curves(s)[0].trim(0, 0) for s in (plain.ten_at_a_time, plain.usual)))


def test_what_is_sharded_gives_the_same_curve(two):
    "The curve is that of one process with the batches of two; after 36 steps rounding errors have grown."
    model = sharded.whole_net()
    both = [tuple(map(torch.cat, zip(a, b))) for a, b in zip(batches(0), batches(1))]
    whole = plain.found(model, torch.optim.Adam(model.parameters(), lr=1e-3), both, **sharded.SWEEP)
    a, b = two.curves(sharded.curve)[0], two.curves(sharded.on_disk)[0]
    check_same(a, b)
    assert np.allclose(a.losses[:36], whole.losses[:36], rtol=1e-4)
    assert abs(np.log10(a.suggest().lr / whole.suggest().lr)) < 0.02


def test_the_check_fails_where_nothing_is_reduced(two):
    with pytest.raises(AssertionError):
        check_same(*two.curves(plain.apart))


def test_a_process_can_sweep_alone(two):
    assert len(two.curves(plain.one_alone)[0]) == 10


WORDS = {
    faults.bad_before: 'ValueError: loader gives no batch',
    faults.bad_copy: "ValueError: where must be 'device'",
}

# Each fault, and the process in which it occurs.
PLACES = [*((f, 1) for f in faults.FAULTS), *((f, 0) for f in faults.SWAPPED)]


@pytest.mark.parametrize('scenario, bad', PLACES, ids=lambda x: name_of(x) if callable(x) else str(x))
def test_an_error_in_one_process_ends_the_sweep_in_all(two, scenario, bad):
    errors = two(scenario if bad else f'{name_of(scenario)}_in_0')
    check_notified(errors, bad, WORDS.get(scenario, 'Bad: in one process'))


@pytest.mark.parametrize('scenario', [faults.bad_loss, faults.bad_loading], ids=name_of)
def test_an_error_in_one_of_three(more, scenario):
    "The error is in all processes except the first."
    for found in more:
        first, *others = map(first_line, found(scenario))
        assert others == ['Bad: in one process'] * (found.world_size - 1)
        assert re.match(r'RuntimeError: LRSweep: process [123] has failed \(Bad: in one process', first)


def test_an_error_in_all_processes_is_the_same_in_all(two):
    assert [first_line(error) for error in two(faults.bad_everywhere)] == ['Bad: in one process'] * 2


def test_validation_on_batches_of_different_number_is_an_error_in_all(two):
    for error in two(faults.uneven_validation):
        assert error.startswith('RuntimeError: LRSweep: the processes have come to different places')


def test_training_goes_on_after_a_failed_range_test_and_join(two):
    failed, good = two(faults.bad_after_join), two(faults.good_after_join)
    check_notified([error for error, _ in failed], 1, 'Bad: in one process')
    assert [error for error, _ in good] == [None, None]
    assert [weights for _, weights in failed] == [weights for _, weights in good]


def test_a_loop_that_does_not_synchronize_is_warned_of(two):
    "Unless no process waits for another one in `backward`."
    for without, with_it, apart in two(faults.warns_without_synchronize):
        assert len(without) == 1
        assert "hasn't called `sweep.synchronize()`" in without[0]
        assert with_it == apart == []


def test_different_settings_are_an_error_in_all(two):
    "One of them got another curve, or a message about loops."
    first, second = two(faults.different_settings)
    assert first == second
    for option, (error, same) in first.items():
        assert error.startswith('ValueError: find_lr: all processes need the same settings, but ' + option)
        assert same
    assert 'end_lr is 1 in process 0 and 10 in process 1: pass the same value' in first['end_lr'][0]
    assert 'batches is 8 in process 0 and None in process 1' in first['batches'][0]
    assert 'start_lr in process 0 is not the one in process 1' in first['start_lr'][0]
    a, b = two(faults.different_in_a_loop)
    assert a == b
    assert 'LRSweep: all' in a
    assert 'end_lr is 1 in process 0 and 2 in process 1, and num_it is 50' in a


LATER = [plain.later_training, plain.first_training, sharded.later_training]


@pytest.mark.parametrize('scenario', LATER, ids=name_of)
def test_later_training_is_the_same(two, more, scenario):
    for found in (two, *more):
        for with_detour, without in found(scenario):
            assert with_detour == without


# Accelerate.


@pytest.mark.parametrize('name', ['curve', 'accumulated', 'bf16', 'uneven', 'again'])
def test_one_curve_in_all_processes(two, name):
    assert len(same_curve(two, f'accelerate.{name}')) > 20


def test_processes_share_the_batches_out(two):
    """Two processes with 8 rows each take the steps of one with 16, up to rounding; dropout and the shuffle
    differ, so it is the beginning that is compared."""
    a, b = (same_curve(two, f'accelerate.{name}') for name in ('curve', 'accumulated'))
    assert a.settings['num_it'] == 40
    assert abs(a.losses[:10].mean() - b.losses[:10].mean()) < 0.15


@pytest.mark.parametrize('name', ['plain', 'accumulated', 'workers', 'clipped'])
def test_later_training_is_the_same_bit_for_bit(two, name):
    for same, _ in two(f'accelerate.later_{name}'):
        assert same


def test_an_error_in_one_process_ends_the_sweep_in_all_and_the_next_one_works(two, more):
    for found in (two, *more):
        check_notified(found('accelerate.unreadable'), 1, 'Bad: unreadable')
        again, before = (same_curve(found, f'accelerate.{name}') for name in ('again', 'curve'))
        assert again.losses.tolist() == before.losses.tolist()


def test_a_loop_of_ones_own(two):
    ends = two('accelerate.loop')
    assert [same for same, _ in ends] == [True, True]
    check_notified([message for _, message in ends], 1, 'Bad: unreadable')


def test_only_the_first_process_prints(two):
    first, second = two.printed('accelerate.printing')
    for line in ('LR Finder is complete', 'Suggested lr', 'epoch     train_loss'):
        assert first.count(line) == 1, first
    assert second == ''


def test_only_the_first_process_writes_lines_into_a_log(two):
    "Of `find_lr`, and of a loop of one's own."
    first, second = two.printed('plain.progress')
    assert re.findall(r'Range test: (\d+) of 15 updates, lr', first) == ['10', '10'], first
    assert second == ''


def test_validation_is_the_mean_over_all(two):
    a, b = two('accelerate.validate')
    from scenarios.accelerate import small_net

    x, y = problem(48, 1)[:]
    out = small_net().eval()(x)
    assert a == b
    assert a[0] == pytest.approx(cross_entropy(out, y).item(), rel=1e-5)
    assert a[1] == pytest.approx((out.argmax(1) == y).float().mean().item())


@pytest.mark.parametrize('name', ['saving', 'saving_sharded'])
def test_what_is_saved_is_whole_and_fits_a_learner_without_accelerate(two, name):
    for shapes, moment, files in two(f'accelerate.{name}'):
        assert shapes['0.weight'] == [16, 6]
        assert moment == 16
        assert files == 1
        assert not any(key.startswith('module') for key in shapes)


def test_three_processes(more):
    """Sums of three depend on their order, so this fails if a fit after the finder does not begin with a new
    wrapper of the model."""
    for found in more:
        assert len(same_curve(found, 'accelerate.curve')) > 20
        ends = found('accelerate.later_plain')
        for same, loss in ends:
            assert same
            assert loss == ends[0][1]


def test_sharded(two):
    assert len(same_curve(two, 'accelerate.sharded_curve')) > 20
    for name in ('later_sharded', 'later_sharded_accumulated'):
        for same, _ in two(f'accelerate.{name}'):
            assert same
    for error in two('accelerate.loading_sharded'):
        assert 'load the model first' in error


# Transformers.


@pytest.mark.parametrize('name, times', [('plain', 2), ('words', 1)])
def test_two_processes_have_one_curve_and_train_on_as_if_it_had_never_run(two, name, times):
    a, b = two(f'transformers.{name}')
    assert a['same'] and b['same']
    assert len(a['curves']) == len(b['curves']) == times
    for mine, other in zip(a['curves'], b['curves']):
        assert mine == other
        assert len(mine['lrs']) > 20


@pytest.mark.parametrize('name', ['plain', 'words'])
def test_only_the_first_trainer_prints(two, name):
    a, b = two(f'transformers.{name}')
    assert all('Suggested learning rate' in said or 'set to' in said for said in a['said'])
    assert not any(b['said'])


def test_an_error_in_one_trainer_ends_the_sweep_in_both(two):
    check_notified(two('transformers.fault'), 1, "KeyError: 'unreadable'")


# Lightning. Its own way to launch processes is tested in test_lightning.py.


def test_lightning_processes_agree_and_none_waits(two):
    "Lightning #19611: all processes have one curve and one answer; each has its own half of the data."
    a, b = two('lightning.training')
    assert a['curve'] == b['curve']
    assert len(a['curve']['losses']) == 20
    assert a['after']['seen'] != b['after']['seen']


def test_a_later_fit_is_the_same_in_both(two):
    for end in two('lightning.training'):
        assert end['after'] == end['plain']
        assert end['after']['steps'] == 6
        assert end['files'] == []


def test_only_the_first_lightning_process_prints(two):
    a, b = two.printed('lightning.training')
    assert a.count('Suggested learning rate') == 1
    assert 'uggest' not in b


@pytest.mark.parametrize('name', ['gan', 'again'])
def test_one_curve_of_two_optimizers_and_after_an_error(two, name):
    a, b = two.curves(f'lightning.{name}')
    check_same(a, b)
    assert len(a) == 20


@pytest.mark.parametrize('scenario', ['accelerate.probes', 'lightning.probes', 'transformers.probes'])
def test_probes_are_the_same_in_both_processes(two, scenario):
    a, b = two.curves(scenario)
    check_same(a, b)
    assert a.to_dict() == b.to_dict()
    assert len(a.probes) == 5
    assert a.suggest() == b.suggest()


def test_a_stream_ends_sooner_in_one_process(two):
    a, b = two.curves('lightning.stream')
    check_same(a, b)
    assert len(a) == 7
    assert a.stop_reason == 'data'


def test_an_error_in_one_lightning_process_ends_it_in_both(two):
    check_notified(two('lightning.fault'), 1, "KeyError: 'unreadable'")


# Processes that end without a message, and those that are interrupted.


def ended(world_size, how):
    "Return what the processes print of which the last one ends early, and its exit code."
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    script = [sys.executable, str(HERE / 'killed_process.py'), str(port)]
    started = [
        subprocess.Popen(
            [*script, str(rank), str(world_size), how],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(world_size)
    ]
    try:
        said = [p.communicate(timeout=120)[0] for p in started]
    finally:
        for p in started:
            p.kill()
    return said, started[-1].returncode


@pytest.mark.parametrize('world_size', [2, 4])
def test_a_killed_process_is_noticed_at_once(world_size):
    "With four, the others notice it although not all of them are its neighbours."
    said, _ = ended(world_size, 'killed')
    for line in said[:-1]:
        seconds, _, words = line.partition(' ')
        assert float(seconds) < 5
        assert words.startswith('LRSweep: another process has ended')
    assert said[-1] == ''


def test_a_process_that_is_killed_in_backward_is_named_in_a_note():
    "The collective of DDP fails there, with an error of gloo."
    (other, _), _ = ended(2, 'killed in backward')
    assert 'by peer' in other
    assert 'LRSweep: another process has probably ended' in other


def test_a_process_ends_although_no_other_receives_its_last_message():
    "The other one waits for it in `backward`, and would do so until the time-out if it did not end."
    (other, _), code = ended(2, 'fails')
    assert float(other.split()[0]) < 20
    assert code == 1


# The link, in a single process.


@contextlib.contextmanager
def a_group(store):
    dist.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_the_key_of_a_rendezvous_is_the_same_whatever_groups_each_process_had_before():
    store = dist.HashStore()
    keys = []
    for s in (dist.HashStore(), store, store):
        with a_group(s):
            keys.append(link.current_link().name)
    assert keys == ['fastlr/0/0', 'fastlr/0/0', 'fastlr/1/0']


def test_connections_end_with_their_group():
    "They hold its store, which would go on to serve its port."
    with a_group(dist.HashStore()):
        link.current_link()
        link.notify_failure('the end')
        (_, work), *_ = link._pending
        work.wait()
    assert not link._pending


def test_a_process_that_was_notified_of_an_error_does_not_notify_of_the_next(monkeypatch):
    "Ctrl-C reaches all processes. The others would find the second message in their next range test."
    monkeypatch.setattr(processes, 'current_processes', lambda reduce: processes.Processes())
    with a_group(dist.HashStore()):
        aborted = link.current_link()
        with pytest.raises(KeyboardInterrupt), processes.fail_together():
            try:
                aborted._abort('process 1 has failed')
            finally:
                raise KeyboardInterrupt
        assert link.current_link().name == 'fastlr/0/1'


@pytest.mark.parametrize('inside', [False, True])
def test_synchronized_batch_norm_waits_for_others_in_training_alone(inside):
    "On the CPU it raises then, but the message comes before."
    norm = torch.nn.SyncBatchNorm(6)
    model, messages = torch.nn.Sequential(norm) if inside else norm, []
    with a_group(dist.HashStore()):
        processes.Processes().before_forward([model], lambda: messages.append(model.training))
    model.eval()(torch.zeros(4, 6))
    assert messages == []
    with contextlib.suppress(ValueError, RuntimeError):
        model.train()(torch.zeros(4, 6))
    assert messages == [True]


class Gone:
    "A store whose process has ended."

    def __getattr__(self, name):
        raise RuntimeError(name)


def test_an_error_is_raised_although_no_process_can_be_notified(monkeypatch):
    with a_group(dist.HashStore()):
        monkeypatch.setattr(dist.distributed_c10d, '_get_default_store', Gone)
        with pytest.raises(link.Aborted, match="store of torch.distributed doesn't answer"):
            link.current_link()
        link.notify_failure('the end')


class Unprintable(Exception):
    def __str__(self):
        raise ValueError


def test_every_error_can_be_described():
    with a_group(dist.HashStore()):
        assert link.describe_error(Unprintable()).startswith('process 0 has failed (Unprintable: ')
        assert link.describe_error(OSError('\udce9')) == r'process 0 has failed (OSError: \udce9)'
        assert len(link.describe_error(OSError('x' * 1000))) == 500
        assert link.describe_error(AssertionError()) == 'process 0 has failed (AssertionError)'
        assert link.describe_error(KeyboardInterrupt()) == 'process 0 was interrupted (Ctrl-C)'


@pytest.mark.parametrize(
    'failure, where, advice',
    [
        (link.WAITED_IN_VAIN + ' (timed out)', 'in this process', 'reduce=False'),
        (link.CANT_CONNECT + ' (no route)', 'in all processes', 'GLOO_SOCKET_IFNAME'),
        (processes._OUT_OF_STEP, 'in all processes', 'equally often'),
    ],
)
def test_an_error_ends_with_its_remedy(failure, where, advice):
    with a_group(dist.HashStore()), pytest.raises(RuntimeError) as e:
        processes.Processes().abort(failure)
    fact, _, rest = str(e.value).partition('. ')
    assert fact == f'LRSweep: {failure}, so the range test has ended {where}'
    assert rest.startswith('In this process everything has been restored. ')
    assert advice in rest


@pytest.mark.parametrize(
    'text, noted',
    [
        ('Connection reset by peer [127.0.0.1]:4', True),
        ('Connection closed by peer', True),
        ('shapes differ', False),
    ],
)
def test_a_collective_that_fails_says_that_a_process_has_ended(text, noted):
    with a_group(dist.HashStore()), pytest.raises(RuntimeError, match=re.escape(text)) as e:
        try:
            raise RuntimeError(text)
        except RuntimeError:
            processes.Processes().leave(failed=True)
            raise
    # Before Python 3.11 the note is part of the text.
    said = [*e.value.args, *getattr(e.value, '__notes__', [])]
    assert any('another process has probably ended' in text for text in said) == noted


def test_an_interrupt_in_one_process_ends_all(tmp_path):
    "A thousand of them in a thorough run, each at a random instant."
    parts = [f'interrupts.part_{i}' for i in range(deep(1, interrupts.PARTS))]
    found = launch(tmp_path, 2, *parts)
    found.check_end()
    ends = Counter()
    for part in parts:
        for (kind, other, _), (_, interrupted, _) in zip(*found(part)):
            assert (other, interrupted) in interrupts.FINE, (part, kind)
            ends[interrupted] += 1
    print(ends)
    assert ends['interrupted'] > 0.4 * ends.total()
    assert ends['too early'] < 0.05 * ends.total()
