"How often a Lightning training steps its schedulers, and with which rates: what is planned is what happens."

import math

import numpy as np
import pytest, torch
from torch.optim import lr_scheduler as S
from torch.utils.data import DataLoader, IterableDataset

from fastlr.integrations.planned_rates import MOST_STEPS, plan_of_training, planned_rates

L = pytest.importorskip('lightning.pytorch')


class Stepped(L.LightningModule):
    def __init__(self, **config):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.config = config

    def training_step(self, batch, i):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        opt = torch.optim.SGD(self.parameters(), lr=0.1)
        self.steps = 0
        scheduler = S.ExponentialLR(opt, 0.9)
        return [opt], [dict(scheduler=scheduler, **self.config)]

    def lr_scheduler_step(self, scheduler, metric):
        self.steps += 1
        super().lr_scheduler_step(scheduler, metric)


class Looks(L.Callback):
    def on_train_start(self, trainer, module):
        self.plan = plan_of_training(trainer, module)


class Stream(IterableDataset):
    "It doesn't know its length."

    def __iter__(self):
        return iter(torch.ones(100, 1))


def fitted(config, data, **settings):
    "Return the plan of a training, the module, and its last rate."
    looks, module = Looks(), Stepped(**config)
    quiet = dict(
        accelerator='cpu',
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer = L.Trainer(callbacks=[looks], **quiet, **settings)
    trainer.fit(module, data)
    return looks.plan.schedulers[0], module, trainer.optimizers[0].param_groups[0]['lr']


ROWS = DataLoader(torch.ones(22, 1))


@pytest.mark.parametrize(
    'config, settings',
    [
        (dict(interval='step'), dict(accumulate_grad_batches=4)),
        (dict(interval='step', frequency=12), {}),
        (dict(interval='step', frequency=8), dict(accumulate_grad_batches=4)),
        (dict(interval='step', frequency=5), dict(accumulate_grad_batches=3)),
        (dict(interval='step', frequency=11), dict(max_steps=60)),
        (dict(interval='epoch'), {}),
        (dict(interval='epoch', frequency=2), dict(accumulate_grad_batches=4)),
    ],
)
def test_a_scheduler_is_stepped_as_often_as_planned(config, settings):
    "Lightning counts batches, and those of each epoch anew."
    planned, module, last = fitted(config, ROWS, max_epochs=3, **settings)
    assert planned.steps == module.steps > 0
    assert planned.rates[-1, 0] == pytest.approx(last) == pytest.approx(0.1 * 0.9**module.steps)


@pytest.mark.parametrize('config', [dict(interval='step'), dict(interval='step', frequency=3)])
def test_with_data_of_unknown_length(config):
    planned, module, last = fitted(config, DataLoader(Stream()), max_steps=20, max_epochs=-1)
    assert planned.steps == module.steps == 20 // config.get('frequency', 1)


def test_a_scheduler_like_no_other_has_no_known_rates():
    class Lone:
        optimizer = None

    class Growing(S.ConstantLR):
        def step(self):
            self.optimizer.param_groups += self.optimizer.param_groups[:1]

    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    assert planned_rates(Lone(), 3) is None and planned_rates(Growing(opt), 3) is None
    assert len(opt.param_groups) == 2


def test_what_would_take_too_long_is_not_tried_out():
    def rates(groups, steps):
        params = [dict(params=[torch.zeros(1, requires_grad=True)]) for _ in range(groups)]
        return planned_rates(S.LinearLR(torch.optim.SGD(params, lr=0.1)), steps)

    assert rates(1, MOST_STEPS // 3 + 1) is None and rates(1000, MOST_STEPS // 1000) is None
    assert rates(1, -1) is None and np.array_equal(rates(2, 0), rates(2, 1)[:1])
    assert math.isclose(rates(2, 3)[0, 1], 0.1 / 3)
