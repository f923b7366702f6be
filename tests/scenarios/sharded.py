"Scenarios with a model that is sharded over the processes, as FSDP2 does it."

import tempfile

import torch
import torch.distributed as dist
from torch import nn

from scenarios import error_of, scenario
from scenarios.plain import batches, found, take_steps


def whole_net():
    "With 17 rows the shards differ in size."
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 17), nn.LayerNorm(17), nn.ReLU(), nn.Linear(17, 3))


SWEEP = dict(end_lr=1e5, num_it=60)


def training():
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model = whole_net()
    mesh = init_device_mesh('cpu', (dist.get_world_size(),))
    for layer in (model[0], model[3]):
        fully_shard(layer, mesh=mesh)
    model = fully_shard(model, mesh=mesh)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


@scenario
def curve(rank):
    return found(*training(), batches(rank), **SWEEP, verify=True)


@scenario
def on_disk(rank):
    model, opt = training()
    with tempfile.TemporaryDirectory() as folder:
        return found(model, opt, batches(rank), **SWEEP, where=folder)


def detours(model, opt, rank, fails):
    "Run a range test that ends well, and two that fail: in a forward pass, and after one."

    def breaks_off(out, y):
        raise ZeroDivisionError('after it')

    found(model, opt, batches(rank), num_it=30, end_lr=1e5, verify=True)
    fails.append(1)
    assert error_of(found, model, opt, batches(rank)) == 'ZeroDivisionError: division by zero'
    fails.clear()
    assert error_of(found, model, opt, batches(rank), breaks_off) == 'ZeroDivisionError: after it'


@scenario
def later_training(rank):
    """Return weights and moments, shard by shard, after a training, with and without range tests in its
    middle."""

    def train(detour):
        model, opt = training()
        fails = []
        model[2].register_forward_hook(lambda *args: 1 / 0 if fails else None)
        take_steps(model, opt, batches(rank)[:2])
        # The parameters of the root stay together after a forward pass.
        model(batches(rank)[0][0])
        if detour:
            detours(model, opt, rank, fails)
        take_steps(model, opt, batches(rank)[:4])
        return [t.to_local().tolist() for p in model.parameters() for t in (p, opt.state[p]['exp_avg'])]

    return [train(True), train(False)]
