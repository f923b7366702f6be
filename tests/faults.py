"""Range tests with faults that users of other libraries have reported.

A test that can't fail proves nothing: `fails_for` applies a check that holds for fastlr to a finder for which
it must not hold. The reports are public issues of fastai, ignite, Lightning, pytorch-lr-finder and others;
the tests name them in their docstrings."""

import copy

import numpy as np
import pytest, torch
from torch import nn

from fastlr import Callback, Learner
from trainings import trip


def fails_for(check, finder):
    "Assert that `check` does not hold for a finder that behaves as in the report."
    trip.disarm()
    with pytest.raises((Exception, pytest.fail.Exception)):
        check(finder)
    trip.disarm()


def plain_finder(
    t,
    num_it=12,
    start_lr=1e-7,
    end_lr=10.0,
    keep=('model', 'opt', 'random'),
    set_lr=lambda g, lr: g.update(lr=lr),
    stop=lambda losses: False,
    finally_=True,
    **kw,
):
    "Run a range test as many people write it, with one part or another missing."
    model = copy.deepcopy(t.model.state_dict())
    opt = copy.deepcopy(t.opt.state_dict())
    rng = torch.get_rng_state()
    grads = [p.grad for p in t.model.parameters()]

    def restore():
        if 'model' in keep:
            t.model.load_state_dict(model)
        if 'opt' in keep:
            t.opt.load_state_dict(opt)
        if 'random' in keep:
            torch.set_rng_state(rng)
        for p, g in zip(t.model.parameters(), grads):
            p.grad = g

    losses = []
    loader = iter(t.loader)
    try:
        for lr in np.geomspace(start_lr, end_lr, num_it):
            for g in t.opt.param_groups:
                set_lr(g, lr)
            try:
                xb, yb = next(loader)
            except StopIteration:
                loader = iter(t.loader)
                xb, yb = next(loader)
            losses.append(float(t.step(xb, yb)))
            if stop(losses):
                break
    except BaseException:
        if finally_:
            restore()
        raise
    restore()
    return losses


def learner_of(t):
    "Return a learner with the model and the loader of a `Training`."
    return Learner((t.loader, None), t.model, loss_func=nn.CrossEntropyLoss(), silent=True)


class Interrupts(Callback):
    "Raises as Ctrl-C does, in the first batch."

    shapes_training = True

    def on_backward_end(self, **kwargs):
        raise KeyboardInterrupt
