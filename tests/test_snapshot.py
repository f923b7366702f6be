"""That nothing happened. `train ; find ; train` must equal `train ; train` in every bit, for every kind of training and after every
fault; and each part of the snapshot must be needed for that: with it switched off, the comparison has to notice."""
import copy, gc, os, random, signal, subprocess, sys, textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest, torch
from hypothesis import assume, given, settings, strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from conftest import make_learner, net, same, state_of
from fastlr import Callback, Fingerprint, LRSweep, NotRestored, Snapshot
from trainings import LOADERS, MODELS, OPTS, WORKERS, Counts, Remembers, Rows, Training, trip
import fastlr.snapshot

TESTS = Path(__file__).parent
SMALL = settings(max_examples=20, deadline=None)


@pytest.fixture(autouse=True)
def unarmed(): trip.disarm(); yield; trip.disarm()


def as_if_nothing_had_happened(make, find, before=0, after=4):
    "Whether a training that `find` interrupts ends as one that it does not; `find` may raise."
    def run(detour):
        t = make()
        if before: t.train(before)
        if detour:
            first = t.state()
            find(t)
            trip.disarm()
            if not same(first, t.state()): return 'different'
        return t.train(after).state()
    return same(run(False), run(True))


# the property

ERRORS = [RuntimeError('injected'), KeyboardInterrupt(), torch.OutOfMemoryError('out of memory'), MemoryError(), SystemExit(1)]
faults = st.none() | st.tuples(st.sampled_from(['model', 'loss', 'backward', 'optimizer', 'after step', 'loader', 'dataset']), st.integers(0, 30), st.sampled_from(ERRORS))


def find(t, fault=None, **kw):
    "A range test into which `fault` breaks, if it gets that far."
    if fault: trip.arm(*fault)
    try: t.find(**kw)
    except BaseException as e:
        if fault is None or e is not fault[2]: raise


@settings(max_examples=120, deadline=None)
@given(model=st.sampled_from([k for k in MODELS if k != 'compiled']), opt=st.sampled_from(list(OPTS)), loader=st.sampled_from(list(LOADERS)), fault=faults,
       trained=st.booleans(), where=st.sampled_from(['device', 'cpu', 'disk']), kw=st.fixed_dictionaries({}, optional=dict(seed=st.just(3), verify=st.just(True), accumulate=st.just(2))))
def test_training_goes_on_as_if_nothing_had_happened(tmp_path_factory, model, opt, loader, fault, trained, where, kw):
    where = str(tmp_path_factory.getbasetemp()) if where == 'disk' else where
    assume(not (model == 'compiled' and fault))
    assert as_if_nothing_had_happened(partial(Training, model, opt, loader), partial(find, fault=fault, where=where, **kw), before=3*trained)


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('trained', [0, 5])
def test_models_of_many_kinds(model, trained):
    assert as_if_nothing_had_happened(partial(Training, model), partial(Training.find, verify=True), before=trained)


@pytest.mark.parametrize('opt', OPTS)
@pytest.mark.parametrize('trained', [0, 5])
def test_optimizers_of_many_kinds(opt, trained):
    assert as_if_nothing_had_happened(partial(Training, opt=opt), partial(Training.find, verify=True), before=trained)


@pytest.mark.parametrize('loader', [*LOADERS, *WORKERS])
@pytest.mark.parametrize('trained', [0, 5])
def test_loaders_of_many_kinds(loader, trained):
    verify = loader not in WORKERS
    assert as_if_nothing_had_happened(partial(Training, loader=loader), partial(Training.find, verify=verify, num_it=15), before=trained, after=9)


FOREIGN = ['Lion', 'Adan', 'Prodigy', 'SOAP', 'ScheduleFreeAdamW', 'AdaBelief', 'CAME', 'Lookahead', 'MADGRAD', 'AdEMAMix']

@pytest.mark.parametrize('name', FOREIGN)
@pytest.mark.parametrize('trained', [0, 5])
def test_foreign_optimizers(name, trained):
    "Those of the package pytorch-optimizer."
    import pytorch_optimizer as other
    def make(ps):
        if name == 'Lookahead': return other.Lookahead(torch.optim.AdamW(ps, lr=1e-3), k=3)
        return getattr(other, name)(ps, lr=1e-3)
    def state(self):
        s = Training.state(self)
        s['inside'] = {k: copy.deepcopy(v) for k, v in vars(self.opt).items() if isinstance(v, (int, float, dict)) and 'hook' not in k and k != 'state'}
        return s
    with pytest.MonkeyPatch.context() as m:
        assert as_if_nothing_had_happened(partial(Training, opt=make), partial(Training.find, end_lr=1., verify=True), before=trained)


# one test for each part

def test_gradients_and_flags():
    t = Training(); t.train(2); t.model[0].bias.requires_grad_(False); t.model[3].eval()
    xb, yb = next(iter(t.loader)); t.model(xb).sum().backward(); t.model[4].bias.grad = None
    grads, first = [p.grad for p in t.model.parameters()], t.state()
    def unruly(t, num_it=6):
        with LRSweep(t.opt, t.model, num_it=num_it, stop_div=False) as sweep:
            for xb, yb in sweep(t.loader):
                t.model.train(); t.model.requires_grad_(True); sweep.record(t.step(xb, yb))
    unruly(t)
    assert same(first, t.state()) and all(a is p.grad for a, p in zip(grads, t.model.parameters()))
    assert t.model[4].bias.grad is None and not t.model[3].training and not t.model[0].bias.requires_grad


def test_tensors_keep_identity_and_memory():
    t = Training('tied', 'two_groups').train(3)
    where = lambda: [(id(p), p.data_ptr()) for p in t.model.parameters()] + [(id(v), v.data_ptr()) for s in t.opt.state.values() for v in s.values()]
    groups, first = [(id(g), id(g['params'])) for g in t.opt.param_groups], where()
    t.find()
    assert where() == first and t.model.a.weight is t.model.b.weight and [(id(g), id(g['params'])) for g in t.opt.param_groups] == groups
    t = Training('plain'); kept = t.model[0].weight.data_ptr(), t.model[0].weight.clone()
    with LRSweep(t.opt, t.model): t.model.to(torch.float64); t.model[0].weight.data = torch.zeros(2)           # a loop that moves the weights elsewhere
    assert (t.model[0].weight.data_ptr(), t.model[0].weight.dtype) == (kept[0], torch.float32) and torch.equal(t.model[0].weight, kept[1])


def test_schedulers_scaler_and_averages():
    def run(find):
        t = Training().train(2)
        average = AveragedModel(t.model, multi_avg_fn=get_ema_multi_avg_fn(0.9)); average.update_parameters(t.model)
        scaler = torch.amp.GradScaler('cpu', init_scale=2.**10, growth_interval=4)
        schedulers = [torch.optim.lr_scheduler.StepLR(t.opt, 5), torch.optim.lr_scheduler.ReduceLROnPlateau(t.opt)]
        shadow = type('Shadow', (), dict(tick=lambda s: [setattr(s, 'n', s.n+1), s.mean.mul_(0.9)]))(); shadow.n, shadow.mean = 0, torch.ones(3)
        def step(xb, yb):
            t.opt.zero_grad(); loss = nn.functional.cross_entropy(t.model(xb), yb); scaler.scale(loss).backward(); scaler.step(t.opt); scaler.update()
            average.update_parameters(t.model); schedulers[0].step(); schedulers[1].step(loss.detach()); shadow.tick()
            return loss.detach()
        def train():
            for xb, yb in t.loader: step(xb, yb)
        train()
        if find:
            with LRSweep(t.opt, [t.model, average], num_it=12, scaler=scaler, schedulers=schedulers, others=shadow, stop_div=False, verify=True) as sweep:
                for xb, yb in sweep(t.loader): sweep.record(step(xb, yb))
        train()
        return [t.state(), {k: v.clone() for k, v in average.state_dict().items()}, scaler.state_dict(), [s.state_dict() for s in schedulers], shadow.n, shadow.mean]
    assert same(run(False), run(True))


def test_objects_that_know_their_state():
    class Meter:
        def __init__(self): self._deep = type('Deep', (), {})(); self._deep.n = 0
        def state_dict(self): return {'n': self._deep.n}
        def load_state_dict(self, state): self._deep.n = state['n']
    t = Training('extra_state').train(2); t.model.meter = meter = Meter(); meter._deep.n = 5; n = t.model.box.n
    with LRSweep(t.opt, t.model, num_it=6, stop_div=False, verify=True) as sweep:
        for xb, yb in sweep(t.loader): meter._deep.n += 1; sweep.record(t.step(xb, yb))
    assert t.model.box.n == n == 2 and meter._deep.n == 5 and t.model.meter is meter


def test_random_states_of_every_device_in_use(monkeypatch):
    "There is no accelerator here, so a module that looks like one stands in."
    states = [torch.arange(4)]
    cuda = type('cuda', (), dict(is_available=lambda: True, is_initialized=lambda: True, get_rng_state_all=lambda: [s.clone() for s in states],
                                 set_rng_state_all=lambda new: states.__setitem__(slice(None), new)))
    monkeypatch.setattr(torch, 'cuda', cuda)
    snap, before = Snapshot(), Fingerprint()
    states[0] = torch.zeros(4)
    assert before.changed() == ['random state of cuda']
    snap.restore()
    assert states[0].tolist() == [0, 1, 2, 3] and before.changed() == []


def part(name, make, also=()):
    "A part of the snapshot, and a training that needs it."
    return pytest.param(name, make, id=name)

PARTS = [part('_keep_tensor', Training), part('_keep_grad', lambda: with_grads(Training())), part('_keep_dict', partial(Training, opt='sgd')),
         part('_keep_list', partial(Training, 'remembers')), part('_keep_attributes', partial(Training, 'remembers')), part('_keep_module', Training),
         part('_keep_extra', partial(Training, 'extra_state')), part('_keep_generator', partial(Training, loader='own_generator')), part('keep_random', Training),
         part('_keep_draws', partial(Training, loader='own_draws')), part('_keep_state_dict', partial(Training, loader='stateful')),
         part('add_loader', partial(Training, loader='stream')), part('_keep_workers', partial(Training, loader='persistent'))]

def with_grads(t): t.train(1); t.step(*next(iter(t.loader))); t.opt = torch.optim.AdamW(t.model.parameters()); return t


@pytest.mark.parametrize('name, make', PARTS)
def test_every_part_is_needed(monkeypatch, name, make):
    assert as_if_nothing_had_happened(make, Training.find, before=3, after=9)
    monkeypatch.setattr(Snapshot, name, lambda self, *args: None)
    assert not as_if_nothing_had_happened(make, Training.find, before=3, after=9)


@pytest.mark.parametrize('name', ['Python', 'NumPy', 'torch'])
def test_every_random_generator_is_needed(monkeypatch, name):
    monkeypatch.delitem(fastlr.snapshot.RANDOM, name)
    assert not as_if_nothing_had_happened(partial(Training, loader='augmented'), Training.find)


def test_modes_and_flags_are_needed(monkeypatch):
    def unruly(t):
        with LRSweep(t.opt, t.model): t.model.eval()
    assert as_if_nothing_had_happened(Training, unruly)
    monkeypatch.setattr(fastlr.snapshot, '_put_modes', lambda modes: None)
    monkeypatch.setattr(Snapshot, '_keep_attributes', lambda self, m: None)
    assert not as_if_nothing_had_happened(Training, unruly)


# faults

@pytest.mark.parametrize('place', ['model', 'loss', 'backward', 'optimizer', 'after step', 'loader'])
def test_faults_at_every_step(place):
    for step in range(12):
        error = ERRORS[step % len(ERRORS)]
        def broken(t):
            trip.arm(place, step, error)
            with pytest.raises(type(error)): t.find()
        assert as_if_nothing_had_happened(Training, broken, before=2), step


@pytest.mark.parametrize('place', ['model', 'dataset'])
@pytest.mark.parametrize('step', [0, 5, 11])
def test_after_a_fault_in_lr_find_the_learner_is_as_it_was(place, step):
    from conftest import problem
    class Trips(nn.Module):
        def __init__(self): super().__init__(); self.net = net()
        def forward(self, x): trip('model'); return self.net(x)
    learn = make_learner(dls=(DataLoader(Rows(), 16, shuffle=True), None)); learn.model = Trips()
    learn.fit(1); before, opt, losses, hooks = state_of(learn), learn.opt, learn.recorder.losses.clone(), [len(m._forward_hooks) for m in learn.model.modules()]
    trip.arm(place, step, torch.OutOfMemoryError('injected'))
    with pytest.raises(torch.OutOfMemoryError): learn.lr_find(verify=True, silent=True)
    assert same(before, state_of(learn)) and learn.opt is opt and torch.equal(learn.recorder.losses, losses)
    assert [len(m._forward_hooks) for m in learn.model.modules()] == hooks
    assert len(learn.lr_find(num_it=8, stop_div=False, verify=True)) == 8 and same(before, state_of(learn))
    learn.fit(1)


def test_a_fault_in_a_worker_process():
    def broken(t):
        trip.arm('dataset', 20, ValueError('in the worker'))
        with pytest.raises(ValueError, match='in the worker'): t.find()
    for loader in WORKERS: assert as_if_nothing_had_happened(partial(Training, loader=loader), broken, before=2), loader


def test_a_worker_that_is_killed():
    class Dies(Rows):
        def __getitem__(self, i):
            if trip.place == 'kill': os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(i)
    def broken(t):
        trip.place = 'kill'
        with pytest.raises(RuntimeError, match='DataLoader worker'): t.find()
    assert as_if_nothing_had_happened(partial(Training, loader=lambda: DataLoader(Dies(), 16, shuffle=True, num_workers=1)), broken, before=2)


def test_one_part_that_fails_costs_that_part_only():
    class Stubborn:
        def state_dict(self): return {}
        def load_state_dict(self, state): raise OSError('the file is gone')
    t = Training().train(3); t.model.stubborn = Stubborn(); first = t.state()
    with pytest.raises(OSError, match='the file is gone'): t.find()
    assert same(first, t.state())
    snap = Snapshot(t.model, t.opt)
    with torch.no_grad(): t.model[4].weight.zero_(); t.opt.param_groups[0]['lr'] = 7.
    for _ in range(2):                                                # may be tried again
        with pytest.raises(OSError, match='gone'): snap.restore()
    assert same(first, t.state())


def test_memory_that_the_loop_freed():
    "As sharding does with weights that it doesn't need at the moment."
    t = Training().train(3); first, address = t.state(), t.model[0].weight.data_ptr()
    with LRSweep(t.opt, t.model): t.model[0].weight.untyped_storage().resize_(0)
    assert same(first, t.state())


def test_a_second_interrupt_waits_until_the_restore_is_over():
    class Slow:
        def state_dict(self): return {}
        def load_state_dict(self, state): os.kill(os.getpid(), signal.SIGINT); self.loaded = True
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        t = Training().train(3); t.model.slow = Slow(); first = t.state()
        with pytest.raises(KeyboardInterrupt): t.find()
        assert t.model.slow.loaded and same(first, t.state()) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally: signal.signal(signal.SIGINT, old)


def run_python(code, **kw):
    "Run `code`, a text or the path of a script, in a process of its own, beside the tests; its output."
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    what = [str(code)] if isinstance(code, Path) else ['-c', textwrap.dedent(code)]
    p = subprocess.run([sys.executable, *what], capture_output=True, text=True, timeout=300, env=env, **kw)
    assert p.returncode == 0, p.stderr[-2000:]
    return p.stdout


@pytest.mark.parametrize('face', ['loop', 'learner', 'mixed precision'])
def test_sigint_at_random_instants(face):
    "A timer sends real SIGINTs at random moments of 150 range tests, some of which are over by then."
    out = run_python(f"""
        import random, signal, time
        from conftest import *
        from trainings import *
        from fastlr import MixedPrecision
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, lambda *a: os.kill(os.getpid(), signal.SIGINT))
        import os
        if {face!r} == 'loop':
            t = Training().train(3); find = lambda: t.find(num_it=20); state = t.state
        else:
            t = make_learner(callback_fns=[MixedPrecision] if {face!r} != 'learner' else []); t.fit(1); find = lambda: t.lr_find(num_it=20, stop_div=False); state = lambda: (state_of(t), torch.is_grad_enabled(), torch.is_autocast_enabled('cpu'))
        find(); begin = time.perf_counter(); find(); duration = time.perf_counter() - begin
        draws, before, cut = random.Random(1), state(), 0
        for _ in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, draws.uniform(0.02, 1.2)*duration)
                find(); time.sleep(duration)
            except KeyboardInterrupt: cut += 1
            finally: signal.setitimer(signal.ITIMER_REAL, 0)
            if not same(before, state()): print('different'); break
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        print('cut', cut)
        """)
    assert 'different' not in out and int(out.split()[-1]) == 150, out


def test_sigterm_with_a_handler_and_without(tmp_path):
    "A handler that raises, as job schedulers' libraries install it, is an interruption like any other; the default ends the process. Neither leaves a file."
    code = f"""
        import os, signal, sys
        from trainings import *
        def stop(*a): raise SystemExit(3)
        if HANDLER: signal.signal(signal.SIGTERM, stop)
        t = Training().train(2); first = t.state()
        from conftest import same
        try:
            with LRSweep(t.opt, t.model, where={str(tmp_path)!r}) as sweep:
                for xb, yb in sweep(t.loader):
                    sweep.record(t.step(xb, yb))
                    if len(sweep) == 5: os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit: print(same(first, t.state()), os.listdir({str(tmp_path)!r}))
        """
    assert run_python(code.replace('HANDLER', 'True')) == 'True []\n'
    with pytest.raises(AssertionError): run_python(code.replace('HANDLER', 'False'))
    assert list(tmp_path.iterdir()) == []


# where it is kept

def test_on_disk_it_is_private_and_leaves_nothing(tmp_path):
    t = Training().train(3); first = t.state()
    with LRSweep(t.opt, t.model, where=tmp_path, num_it=5, stop_div=False) as sweep:
        stat = os.fstat(sweep.snapshot.file.fileno())
        assert stat.st_size >= sum(p.nbytes for p in t.model.parameters())*3 and list(tmp_path.iterdir()) == []          # no name, nobody can open it
        assert stat.st_mode & 0o077 == 0
        for xb, yb in sweep(t.loader): sweep.record(t.step(xb, yb))
    assert same(first, t.state()) and list(tmp_path.iterdir()) == [] and sweep.snapshot is None


def test_full_disk(tmp_path):
    "A limit on the size of files stands for the full disk. The error comes before the first step; then it works elsewhere."
    out = run_python(f"""
        import resource
        from conftest import same
        from trainings import *
        t = Training().train(3); first = t.state()
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        trip.arm('model', 0, RuntimeError('a step was taken'))
        try: t.find(where={str(tmp_path)!r})
        except OSError as e: print(e)
        trip.disarm()
        print(same(first, t.state()), os.listdir({str(tmp_path)!r}), len(t.find(where='cpu')))
        """.replace('import resource', 'import os, resource'))
    assert "doesn't fit in where=" in out and 'Nothing has been changed' in out and out.endswith('True [] 12\n'), out


def test_read_only_directory(tmp_path):
    (tmp_path/'ro').mkdir(mode=0o500)
    if os.geteuid() == 0: where = '/proc/self'                        # nothing stops root but a file system that can't
    else: where = str(tmp_path/'ro')
    t = Training().train(3); first = t.state(); trip.arm('model', 0, RuntimeError('a step was taken'))
    with pytest.raises(OSError, match="can't be kept in where="): t.find(where=where)
    with pytest.raises(ValueError, match='where must be'): t.find(where=str(tmp_path/'missing'))
    assert same(first, t.state())
    with pytest.raises(ValueError, match='where must be'): make_learner().lr_find(where='gpu')


def test_no_memory_for_the_snapshot(monkeypatch):
    t = Training().train(3); first = t.state()
    clone = torch.Tensor.clone
    def full(self, **kw): raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')
    with monkeypatch.context() as m:
        m.setattr(torch.Tensor, 'clone', full)
        with pytest.raises(torch.OutOfMemoryError, match="where='cpu'"): t.find()
    assert same(first, t.state())


def test_one_copy_and_none_at_restore():
    "Peak memory of a real process, as the system counts it, in copies of the state (model, gradients, moments)."
    out = run_python(TESTS.parent/'benchmarks'/'snapshot_memory.py')
    for line, limit in zip(out.splitlines(), (1.05, 1.05, 0.06), strict=True):
        taken, restored = (float(w) for w in line.replace(':', ' ').split() if w[0].isdigit())
        assert limit - 1 < taken <= limit and restored <= 0.06, out


# verify

def test_verify_names_what_differs():
    class Env:
        def __init__(self): self.clock, self.inner = 0, type('Inner', (), {})(); self.inner.list = []
    class Plays(nn.Module):
        def __init__(self): super().__init__(); self.net, self.env = net(), Env()
        def forward(self, x): self.env.clock += 1; self.env.inner.list.append(1.); return self.net(x)
    t = Training(Plays)
    with pytest.raises(NotRestored, match='model.env.clock') as e: t.find(verify=True)
    assert e.value.names == ['model.env.clock', 'model.env.inner.list'] and t.model.env.clock == 12
    t.find()                                                                             # not asked, not told
    learn = make_learner(); learn.model = Plays(); before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with pytest.raises(NotRestored) as e: learn.lr_find(num_it=5, verify=True)
    assert e.value.names == ['model.env.clock', 'model.env.inner.list'] and same(before, dict(learn.model.state_dict())) and learn.opt is None
    assert learn.recorder.curve is not None                                              # the work is not lost


@pytest.mark.parametrize('how, names', [
    (lambda t: setattr(t.model, 'loss_fn', (lambda box: (lambda: box.append(1)))([])), ['model.loss_fn.box']),
    (lambda t: t.model.register_forward_hook((lambda box: lambda *a: box.setdefault(len(box), 1))({})), None)])
def test_verify_looks_into_functions(how, names):
    t = Training(); how(t); before = Fingerprint(model=t.model)
    t.model(torch.randn(4, 6)) if names is None else t.model.loss_fn()
    changed = [n for n in before.changed() if 'running' not in n and 'batches' not in n and 'random' not in n]
    assert changed == names if names else any('box' in n for n in changed)


@pytest.mark.parametrize('spoil, name', [
    (lambda t: t.model[0].weight.data.add_(1), 'model.0.weight'), (lambda t: setattr(t.model[0].weight, 'data', t.model[0].weight.data.clone()), 'model.0.weight'),
    (lambda t: t.model[1].running_var.mul_(2), 'model.1.running_var'), (lambda t: t.model[3].eval(), 'model.3'), (lambda t: t.model[0].weight.requires_grad_(False), 'model.0.weight'),
    (lambda t: t.opt.param_groups[0].update(lr=5.), "opt.param_groups[0]['lr']"), (lambda t: t.opt.state.clear(), "opt.state"), (lambda t: random.random(), 'random state of Python'),
    (lambda t: np.random.rand(), 'random state of NumPy'), (lambda t: torch.rand(1), 'random state of torch'), (lambda t: t.loader.sampler.generator.manual_seed(7), 'loader.sampler.generator'),
    (lambda t: setattr(t.model[0].weight, 'grad', torch.zeros(16, 6)), 'model.0.weight.grad'), (lambda t: t.loader.dataset.x[0].add_(1), 'loader.dataset.x')])
def test_a_fingerprint_notices(spoil, name):
    t = Training(loader='own_generator').train(2); t.opt.zero_grad()
    before = Fingerprint(model=t.model, opt=t.opt, loader=t.loader)
    assert before.changed() == []
    spoil(t)
    assert any(n.startswith(name) for n in before.changed()), before.changed()
    with pytest.raises(NotRestored, match='could not put back'): before.check()


def test_a_fingerprint_changes_nothing_and_bears_odd_things():
    import threading
    class Slots:
        __slots__ = ('a', 'b')
        def __init__(self): self.a = 1
    class Odd(nn.Module):
        def __init__(self):
            super().__init__(); self.net, self.lock, self.slots, self.loop = net(), threading.Lock(), Slots(), []
            self.loop.append(self.loop); self.f, self.it, self.obj, self.file = partial(max, 1), iter([1, 2, 3]), np.array([{}, 2], dtype=object), sys.stdout
        def forward(self, x): return self.net(x)
    t = Training(Odd); first = t.state()
    before = Fingerprint(model=t.model, learn=make_learner(), loader=Training(loader='persistent').loader)
    assert before.changed() == [] and same(first['tensors'], t.state()['tensors'])
    t.model.slots.a = 2; next(t.model.it); t.model.obj[0]['x'] = 1
    assert len(before.changed()) == 3, before.changed()


def test_an_iterator_as_loader_is_named():
    t = Training(); batches = (b for b in list(t.loader))
    with pytest.raises(NotRestored, match="can't be rewound"): Training.find(type('T', (), dict(opt=t.opt, model=t.model, loader=batches, step=t.step))(), verify=True)


def test_temporary_files_threads_and_processes_are_gone(tmp_path):
    files = set(os.listdir('/proc/self/fd')); children = lambda: open(f'/proc/self/task/{os.getpid()}/children').read().split()
    before = children()
    t = Training(loader='persistent')
    t.find(where=tmp_path); gc.collect()
    assert children() == before and set(os.listdir('/proc/self/fd')) == files and list(tmp_path.iterdir()) == []


def test_the_comparison_with_other_finders_runs():
    "As far as they are installed; fastlr is."
    out = run_python(TESTS.parent/'benchmarks'/'side_effects.py')
    for name in ('Fastlr ', 'FastlrLoop '):
        ours = out[out.index(name):].split('\n\n')[0]
        assert ours.count('nothing') == 2 and 'is the same:       yes' in ours and 'left:                       none' in ours, out


def test_tests_that_the_notebook_names_exist():
    "The table in the notebook says which test shows what."
    import json, re
    text = ''.join(''.join(c['source']) for c in json.loads((TESTS.parent/'nbs'/'04_snapshot.ipynb').read_text())['cells'] if c['cell_type'] == 'markdown')
    named = set(re.findall(r'`(test_\w+)`', text))
    assert len(named) > 10 and named <= {k for k in globals() if k.startswith('test_')}, named - set(globals())
