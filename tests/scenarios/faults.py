"""Scenarios in which one process alone fails: the other one is notified, and both are restored and
synchronized."""

import warnings
from contextlib import ExitStack, nullcontext
from functools import wraps

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

from fastlr import Learner, LRSweep, processes
from scenarios import SCENARIOS, Bad, error_of, name_of, plain, replaced, scenario
from scenarios.plain import batches, found, training


class Trap(nn.Module):
    "A function that raises in its n-th call."

    def __init__(self, n):
        super().__init__()
        self.left = n

    def forward(self, out, y=None):
        self.left -= 1
        if self.left == 0:
            raise Bad('in one process')
        return out if y is None else cross_entropy(out, y)


def trap(rank):
    "A loss that raises in its sixth call, except in the first process."
    return Trap(6 if rank else 0)


def fails_before(model, rank):
    "Return a `step` that fails before it calls `model`, in its sixth call, except in the first process."
    fail = trap(rank)
    return lambda batch: cross_entropy(model(fail(batch[0])), batch[1])


FAULTS = []

# These faults occur in process 0 as well, from which the others get their buffers.
SWAPPED = []


def fault(f):
    "Make `f` a scenario that returns what is raised. With two processes the second one fails."

    @wraps(f)
    def faulty(rank):
        return error_of(f, rank)

    FAULTS.append(faulty)
    return scenario(faulty)


def swapped(f):
    "Make a second scenario of `f`, in which the ranks of two processes are exchanged."

    def other(rank):
        return f(1 - rank)

    SWAPPED.append(f)
    SCENARIOS[f'{name_of(f)}_in_0'] = other
    return f


@swapped
@fault
def bad_loading(rank):
    def loading():
        for i, b in enumerate(batches(rank) * 3):
            if rank and i == 5:
                raise Bad('in one process')
            yield b

    found(*training(), loading())


@fault
def bad_forward(rank):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), trap(rank), nn.Linear(16, 3))
    model = nn.parallel.DistributedDataParallel(model)
    found(model, torch.optim.Adam(model.parameters()), batches(rank))


@swapped
@fault
def bad_loss(rank):
    found(*training(), batches(rank), trap(rank))


@swapped
@fault
def bad_step(rank):
    model, opt = training()
    calls = []

    def count(*args):
        calls.append(1)
        if rank and len(calls) == 6:
            raise Bad('in one process')

    opt.register_step_pre_hook(count)
    found(model, opt, batches(rank))


@fault
def bad_in_a_learner(rank):
    model, _ = training()
    Learner((batches(rank), None), model, loss_func=trap(rank), silent=True).lr_find()


@swapped
@fault
def bad_before(rank):
    "Fail before the sweep has begun."
    found(*training(), [] if rank else batches(rank))


@fault
def bad_copy(rank):
    found(*training(), batches(rank), where='/no/such/place' if rank else 'device')


@swapped
@fault
def bad_before_the_model(rank):
    "DDP's buffers come from process 0 in the forward pass, which it does not begin."
    model, opt = training()
    step = fails_before(model, rank)
    found(model, opt, batches(rank), None, step=step)


@fault
def bad_first_line(rank):
    "An interrupt, or an error, may come while `fail_together` begins."

    def fail(reduce):
        raise Bad('in one process')

    with replaced(processes, '_count_aborted', fail) if rank else nullcontext():
        found(*training(), batches(rank))


class Validation:
    "Two batches, of which the second one can't be read in the third pass, except in the first process."

    def __init__(self, rank):
        self.rank, self.passes = rank, 0

    def __iter__(self):
        self.passes += 1
        yield batches(self.rank)[0]
        if self.rank and self.passes == 3:
            raise Bad('in one process')
        yield batches(self.rank)[1]


@swapped
@fault
def bad_validation(rank):
    "DDP sends buffers around in evaluation too."
    found(*training(), batches(rank), val_loader=Validation(rank))


@swapped
@fault
def bad_before_a_model_inside(rank):
    "DDP is not the module that is swept, but one in it."
    model, opt = training()
    step = fails_before(model, rank)
    found(nn.ModuleDict(dict(net=model)), opt, batches(rank), None, step=step)


def in_parts():
    """Return a model whose layers are shared out over the processes, and its optimizer.

    It is in DDP over the other dimension of the mesh, and its parameters don't show that they are parts."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
    from torch.distributed.tensor.parallel.ddp import _pre_dp_module_transform

    torch.manual_seed(0)
    mesh = init_device_mesh('cpu', (1, dist.get_world_size()), mesh_dim_names=('copies', 'parts'))
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    model = parallelize_module(model, mesh['parts'], {'0': ColwiseParallel(), '2': RowwiseParallel()})
    _pre_dp_module_transform(model)
    model = nn.parallel.DistributedDataParallel(model, device_mesh=mesh['copies'])
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


@fault
def bad_before_a_model_in_parts(rank):
    "Tensor parallelism sends something in each forward pass."
    model, opt = in_parts()
    step = fails_before(model, rank)
    found(model, opt, batches(0), None, step=step)


def no_buffers():
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Linear(6, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


@swapped
@fault
def bad_before_the_second_pass_in_evaluation_mode(rank):
    "DDP agrees on an order of the gradients in its second pass, in evaluation mode too."
    model, opt = no_buffers()
    model.eval()
    fail = Trap(2 if rank else 0)
    with LRSweep(opt, model, batches=None) as sweep:
        for x, y in sweep(batches(rank)):
            loss = cross_entropy(model(fail(x)), y)
            sweep.synchronize()
            loss.backward()
            opt.step()
            opt.zero_grad()
            sweep.record(loss)


def after_join(rank, fails):
    """Return what a range test raises, and the weights after a later epoch.

    An epoch before was in a `join` block, after which DDP announces each forward pass."""
    model, opt = no_buffers()
    with model.join():
        plain.take_steps(model, opt, batches(rank))
    step = fails_before(model, rank if fails else 0)
    error = error_of(found, model, opt, batches(rank), None, step=step, num_it=8, stop_div=False)
    plain.take_steps(model, opt, batches(rank))
    return [error, plain.weights(model)]


@scenario
def bad_after_join(rank):
    return after_join(rank, fails=True)


@scenario
def good_after_join(rank):
    return after_join(rank, fails=False)


DIFFERENT = dict(
    end_lr=[1.0, 10.0],
    num_it=[50, 60],
    accumulate=[1, 2],
    mode=['exp', 'linear'],
    stop_div=[True, 4],
    batches=[8, None],
    runs=[1, 2],
    extend=[False, True],
    probe=[False, 'auto'],
    start_lr=[[1e-6], [1e-5]],
)


@scenario
def different_settings(rank):
    "Return the error for each setting that differs between two processes, and whether anything has changed."
    found_errors = {}
    for option, values in DIFFERENT.items():
        model, opt = training()
        before = plain.weights(model)
        error = error_of(found, model, opt, batches(rank), **{option: values[rank]})
        found_errors[option] = [error, plain.weights(model) == before]
    return found_errors


@scenario
def different_in_a_loop(rank):
    model, opt = training()
    with ExitStack() as stack:
        return error_of(stack.enter_context, LRSweep(opt, model, end_lr=1.0 + rank, num_it=50 + rank))


def warnings_of(rank, synchronizes, together=True):
    "Return the texts of the warnings of a loop."
    model, opt = training(together)
    with warnings.catch_warnings(record=True) as seen, LRSweep(opt, model, num_it=5, stop_div=False) as sweep:
        warnings.simplefilter('always')
        plain.train(sweep, model, opt, batches(rank), synchronizes)
    return [str(w.message) for w in seen if 'synchronize' in str(w.message)]


@scenario
def warns_without_synchronize(rank):
    return [warnings_of(rank, False), warnings_of(rank, True), warnings_of(rank, False, together=False)]


@fault
def bad_words(rank):
    "The error has a text that can't be encoded, as the names of some files."
    found(*training(), batches(rank), lambda out, y: _unreadable() if rank else cross_entropy(out, y))


def _unreadable():
    raise Bad('in one process: \udce9')


@fault
def bad_and_gone_on(rank):
    "A loop that goes on after any error gets the same one in the next iteration."
    model, opt = training()
    with LRSweep(opt, model, batches=None) as sweep:
        for i, (x, y) in enumerate(sweep.batches(batches(rank))):
            if rank and i == 3:
                raise Bad('in one process')
            try:
                sweep.synchronize()
                cross_entropy(model(x), y).backward()
                opt.step()
            except RuntimeError:
                continue
            sweep.record(0.5)


@fault
def bad_closure(rank):
    model, _ = training()
    found(model, torch.optim.LBFGS(model.parameters(), max_iter=2), batches(rank), trap(rank))


@swapped
@fault
def bad_while_the_other_runs_out(rank):
    "Send two messages in one round."

    def loading():
        yield from (batches(rank) * 2)[:8]
        raise Bad('in one process')

    loader = loading() if rank else plain.stream(rank, 8)
    found(*training(), loader, accumulate=3, batches=None)


@scenario
def uneven_validation(rank):
    "The second process evaluates on one more batch, for which DDP would wait for the buffers of the first."
    return error_of(found, *training(), batches(rank), val_loader=batches(rank)[: 2 + rank])


@scenario
def bad_everywhere(rank):
    "Fail in all processes alike, so that none waits."
    return error_of(found, *training(), batches(rank), Trap(6))


@scenario
def usual_again(rank):
    "Check that the processes are synchronized after all these errors."
    return plain.usual(rank, num_it=50)
