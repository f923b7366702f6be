"Scenarios with `learn.to_accelerate()`, and with a loop around an `Accelerator`."

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator, DataLoaderConfiguration, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState, DistributedType, GradientState, PartialState
from accelerate.utils import InitProcessGroupKwargs
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from conftest import problem
from fastlr import GradientClipping, Learner, LearnerCallback, LRSweep, accuracy
from scenarios import Bad, error_of, scenario

# The framework makes the process group, in the first scenario.
MAKES_GROUP = True


class Unreadable:
    "A dataset with a row that the second process can't read."

    def __init__(self, rank):
        self.rows = problem()
        self.rank = rank

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        if i == 3 and self.rank == 1:
            raise Bad('unreadable')
        return self.rows[i]


def reset():
    "Make accelerate forget what the last accelerator was made with."
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def accelerator(sharded=False, **kwargs):
    """Return a new `Accelerator`.

    Accelerate shards on accelerators only, so it is made to believe that these CPUs are some."""
    reset()
    group = InitProcessGroupKwargs(timeout=timedelta(seconds=60))
    acc = Accelerator(cpu=True, kwargs_handlers=[group], **kwargs)
    if sharded:
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy='transformer_based_wrap',
            transformer_cls_names_to_wrap=['Linear'],
        )
        PartialState._shared_state['distributed_type'] = DistributedType.FSDP
        AcceleratorState._shared_state['distributed_type'] = DistributedType.FSDP
        AcceleratorState._shared_state['fsdp_plugin'] = plugin
    return acc


def small_net(sharded=False):
    torch.manual_seed(0)
    norm = nn.LayerNorm(16) if sharded else nn.BatchNorm1d(16)
    return nn.Sequential(nn.Linear(6, 16), norm, nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))


def learner(
    data=None, split=False, silent=True, workers=0, callback_fns=None, sharded=False, path='.', **kwargs
):
    "Return a learner with an accelerator, which gets the further arguments."
    model = small_net(sharded)
    train_dl = DataLoader(data or problem(), 8, shuffle=True, num_workers=workers)
    dls = train_dl, DataLoader(problem(48, 1), 8)
    learn = Learner(
        dls,
        model,
        loss_func=nn.CrossEntropyLoss(),
        metrics=accuracy,
        silent=silent,
        path=Path(path),
        callback_fns=callback_fns,
    )
    if split:
        learn.split(lambda m: m[4])
    return learn.to_accelerate(accelerator(sharded, **kwargs))


def found(**kwargs):
    return learner(**kwargs).lr_find(num_it=40)


@scenario
def curve(rank):
    return found()


@scenario
def probes(rank):
    return learner().lr_find(num_it=40, probe=True, verify=True)


@scenario
def uneven(rank):
    return found(data=problem(72), dataloader_config=DataLoaderConfiguration(even_batches=False))


@scenario
def accumulated(rank):
    return found(gradient_accumulation_steps=2)


@scenario
def bf16(rank):
    return found(mixed_precision='bf16')


@scenario
def sharded_curve(rank):
    return found(sharded=True)


def local(t):
    return t.to_local() if hasattr(t, 'to_local') else t


def state(learn):
    "Return weights, moments and statistics."
    moments = [t for p in learn.model.parameters() for t in (p, learn.opt.opt.state[p]['exp_avg'])]
    return [local(t).tolist() for t in (*moments, *learn.model.buffers())]


def detours(learn):
    "Run a range test that ends well, and one that an error in all processes ends within a window."
    learn.lr_find(num_it=7, verify=True)
    loss, calls = learn.loss_func, []

    def breaks_off(out, y):
        calls.append(1)
        if len(calls) == 6:
            raise Bad('everywhere')
        return loss(out, y)

    learn.loss_func = breaks_off
    assert error_of(learn.lr_find, num_it=20) == 'Bad: everywhere'
    learn.loss_func = loss


def later(**kwargs):
    """Train without and with range tests in the middle.

    Return whether weights, moments, random state and validation are the same; and the validation loss."""
    ends = []
    for detour in (False, True):
        learn = learner(**kwargs)
        learn.fit(1, 1e-2)
        if detour:
            detours(learn)
        learn.fit(2, 1e-2)
        ends.append([state(learn), torch.get_rng_state().tolist(), learn.validate()[0].item()])
    return ends[0] == ends[1], ends[0][2]


@scenario
def later_plain(rank):
    return later()


@scenario
def later_accumulated(rank):
    return later(gradient_accumulation_steps=2)


@scenario
def later_workers(rank):
    return later(workers=1)


@scenario
def later_clipped(rank):
    return later(callback_fns=partial(GradientClipping, clip=0.1))


@scenario
def later_sharded(rank):
    return later(sharded=True, split=True)


@scenario
def later_sharded_accumulated(rank):
    return later(sharded=True, gradient_accumulation_steps=2)


@scenario
def unreadable(rank):
    return error_of(learner(Unreadable(rank)).lr_find, batches=None)


@scenario
def again(rank):
    "Return the curve of a range test after an error in another one."
    return found()


@scenario
def loop(rank):
    """Sweep in a loop, with accumulation, and in a learner.

    Return whether the losses are the same; and the error of a second sweep in the loop, which fails in one
    process."""
    acc = accelerator(gradient_accumulation_steps=2)
    model = small_net()
    opt = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)
    model, opt, dl = acc.prepare(model, opt, DataLoader(problem(), 8, shuffle=True))

    def find(fails=False):
        with LRSweep(opt, model, others=acc, num_it=20, stop_div=False, verify=not fails) as sweep:
            for i, (x, y) in enumerate(sweep(dl)):
                with acc.accumulate(model):
                    if fails and i == 7 and rank:
                        raise Bad('unreadable')
                    loss = cross_entropy(model(x), y)
                    sweep.synchronize()
                    acc.backward(loss)
                    opt.step()
                    opt.zero_grad()
                sweep.record(loss, update=acc.sync_gradients)
        return sweep.curve.losses.tolist()

    torch.manual_seed(1)
    own = find()
    message = error_of(find, fails=True)
    learn = learner(gradient_accumulation_steps=2)
    torch.manual_seed(1)
    return own == learn.lr_find(num_it=20, stop_div=False).losses.tolist() and acc.step == 0, message


@scenario
def printing(rank):
    learn = learner(silent=False)
    learn.lr_find(num_it=40)
    learn.recorder.plot(suggestion=True)
    learn.fit(1, 1e-2)


class Saves(LearnerCallback):
    def on_epoch_end(self, **kwargs):
        self.learn.save('model')


def saved(folder, load, **kwargs):
    """Save during the training and after it.

    Return the shapes of the model, the length of a moment, and the number of files."""
    learn = learner(callback_fns=Saves, path=folder, **kwargs)
    learn.fit(1, 1e-2)
    dist.barrier()
    # The model was wrapped when it was saved.
    if load:
        learn.load('model')
    path = learn.save('model', return_path=True)
    dist.barrier()
    whole = torch.load(path, weights_only=True)
    shapes = {k: list(v.shape) for k, v in whole['model'].items()}
    return shapes, whole['opt']['state'][0]['exp_avg'].shape[0], len(os.listdir(path.parent))


@scenario
def saving(rank):
    return saved('saving', load=True)


@scenario
def saving_sharded(rank):
    return saved('saving_sharded', load=False, sharded=True)


@scenario
def loading_sharded(rank):
    learn = learner(sharded=True)
    return error_of(learn.load, 'model')


@scenario
def validate(rank):
    return [v.item() for v in learner().validate()]
