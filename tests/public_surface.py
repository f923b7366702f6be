"""What a strict type checker should accept: the public names, in the ways in which the README uses them.

tests/test_types.py checks this file, and nobody runs it. `assert_type` says what a checker must infer."""

from pathlib import Path

import torch
from torch import nn
from typing_extensions import assert_type

import fastlr
from fastlr import (
    Callback,
    DataBunch,
    DatasetType,
    Learner,
    LearnerCallback,
    LRCurve,
    LRSweep,
    NoSuggestion,
    NotRestored,
    OneCycleScheduler,
    RangeTest,
    Recorder,
    Snapshot,
    Suggestion,
    digits_data,
    find_lr,
    lr_find,
    plot_curves,
    simple_cnn,
)
from fastlr.findings import Finding
from fastlr.integrations import accelerate, fastai, lightning, transformers
from fastlr.tune import LRFound

assert_type(fastlr.__version__, str)
data = digits_data()
model = simple_cnn((1, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
assert_type(data, DataBunch)


def use_a_learner() -> None:
    learn = Learner(data, model, loss_func=criterion, metrics=[fastlr.accuracy], wd=None, silent=True)
    assert_type(learn.data, DataBunch)
    curve = learn.lr_find(start_lr=[1e-6, 1e-5], end_lr=slice(1, 10), num_it=50, batches=None, probe=False)
    assert_type(curve, LRCurve)
    assert_type(lr_find(learn, 1e-6, stop_div=4), LRCurve)
    assert_type(learn.recorder, Recorder)
    assert_type(learn.recorder.curve, LRCurve)
    assert_type(learn.recorder.min_grad_lr, float)
    learn.recorder.plot(suggestion=True)
    learn.fit(2, curve.suggest(), wd=[0.1])
    learn.fit_one_cycle(1, max_lr=curve.suggest().one_cycle, pct_start=0.25)
    assert_type(learn.tune(num_it=50, mode='linear'), LRFound)
    assert_type(learn.to_fp16().clip_grad(0.5).mixup().to_accelerate(cpu=True), Learner)
    assert_type(learn.load('weights', strict=False), Learner)
    learn.split([model]).freeze()
    preds = learn.get_preds(DatasetType.Valid, with_loss=True)
    print(learn.validate(), learn.summary(), preds, learn.device.type)


def read_a_curve(curve: LRCurve) -> float:
    suggestion = curve.suggest('valley')
    assert_type(suggestion, Suggestion)
    assert_type(suggestion.one_cycle, float)
    assert_type(suggestion.low, float | None)
    assert_type(suggestion.lrs, tuple[float, ...])
    assert_type(suggestion.peak('cosine'), float)
    assert_type(curve.suggestions(), dict[str, Suggestion])
    assert_type(curve.findings, list[Finding])
    assert_type(curve.trim(3), LRCurve)
    assert_type(LRCurve.median([curve, LRCurve([1e-3, 1e-2], [2.0, 1.0])]), LRCurve)
    assert_type(LRCurve.load(curve.save('curve.json')), LRCurve)
    assert_type(curve.save(Path('curve.csv')), Path)
    curve.plot(suggestion=True, skip_end=2)
    plot_curves({'a': curve, 'b': curve.smooth()})
    return suggestion / 2 + len(curve)


def sweep_a_loop() -> None:
    curve = find_lr(
        model, optimizer, criterion, data.train_dl, num_it=30, scaler=None, verify=True, where='cpu'
    )
    assert_type(curve, LRCurve)
    with LRSweep(optimizer, [model, criterion], num_it=30, seed=1) as sweep:
        assert_type(sweep, LRSweep)
        for inputs, targets in sweep(data.train_dl):
            loss = criterion(model(inputs), targets)
            assert_type(sweep.record(loss), bool)
    assert_type(sweep.curve, LRCurve)
    assert_type(sweep.losses, list[float])
    assert_type(sweep.num_it, int)
    with Snapshot(model, optimizer, where='cpu') as snapshot:
        snapshot.keep_object(data)
    test = RangeTest(model, optimizer, criterion)
    test.range_test(data.train_dl, end_lr=1, num_iter=30)
    assert_type(test.curve, LRCurve)
    assert_type(test.suggest(), Suggestion)


def use_a_trainer(trainer: object, module: nn.Module, learn: object) -> None:
    assert_type(lightning.lr_find(trainer, module, min_lr=1e-6, update_attr=True), LRFound)
    found = transformers.lr_find(trainer, num_it=50)
    assert_type(found, transformers.TrainerLRFound)
    assert_type(found.suggestion(schedule='cosine'), float)
    assert_type(found.curve, LRCurve)
    assert_type(fastai.lr_find(learn), fastai.SuggestedLRs)
    print(accelerate.AccelerateCallback)


class Count(Callback):
    shapes_training = False

    def __init__(self) -> None:
        self.batches = 0

    def on_batch_end(self, train: bool, **_: object) -> None:
        self.batches += train

    def on_epoch_end(self, epoch: int, **_: object) -> dict[str, bool]:
        return {'stop_training': epoch > 3}


class Watch(LearnerCallback):
    def on_train_end(self, **_: object) -> None:
        assert_type(self.learn, Learner)


def with_callbacks() -> None:
    learn = Learner(data, model, callbacks=[Count()], callback_fns=[Watch, OneCycleScheduler])
    try:
        learn.lr_find(verify=True)
    except (NoSuggestion, NotRestored) as e:
        print(e)
