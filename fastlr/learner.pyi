"""Model, data, loss and optimizer in one object that trains."""

# Made by tools/stubs.py: run `make prepare`.

import contextlib
import pathlib
import torch
import torch.nn
from typing import Any
from fastlr.curve import LRCurve
from fastlr.data import DataBunch
from fastlr.data import DatasetType
from fastlr.recorder import Recorder
from fastlr.shortcuts import Summary
from fastlr.tune import LRFound

__all__ = ['Learner']

class Learner:
    """A model, data, a loss and an optimizer, ready to train.

    Args:
        data: `DataBunch`, pair of loaders (train, valid), or object with train_dl/valid_dl or
            train/valid
        model: moved to the device of `data` if that has one; else the batches go to the model
        opt_func: (parameter groups, lr=...) -> torch optimizer; by default AdamW
        loss_func: (output, target) -> scalar tensor; default: the one of `data`
        metrics: functions (output, target) -> number, averaged over the validation set; or callbacks
        wd: weight decay, from 0: one, or one per group; None, or bound by `opt_func`: that one
        path: folder for what is saved; default: the one of `data`
        model_dir: folder for models, below `path`
        callback_fns: functions learner -> callback, called for each fit: classes, or partials
        callbacks: callbacks for every fit
        layer_groups: modules, or lists of parameters, that get rates of their own; default: one group
        silent: print nothing, show no bars
        auto_lr_find: `tune` sets the model's lr or learning_rate, too; or the name of its attribute
        train_bn: train batch norm in frozen layer groups, too
    """
    data: DataBunch
    default_callback_fns: list[Any]
    recorder: Recorder
    model: torch.nn.Module
    opt_func: Any
    loss_func: Any
    metrics: Any
    wd: Any
    path: pathlib.Path
    model_dir: pathlib.Path
    callback_fns: Any
    callbacks: Any
    layer_groups: Any
    silent: bool
    auto_lr_find: Any
    train_bn: bool
    opt: Any
    handler: Any
    tuned: Any
    callback_classes: dict[Any, Any]
    own_wds: Any
    def __init__(
        self,
        data: Any,
        model: torch.nn.Module,
        opt_func: Any = ...,
        loss_func: Any = None,
        metrics: Any = None,
        wd: Any = 0.01,
        path: Any = None,
        model_dir: Any = 'models',
        callback_fns: Any = None,
        callbacks: Any = None,
        layer_groups: Any = None,
        silent: bool = False,
        auto_lr_find: Any = False,
        train_bn: bool = True,
    ) -> None: ...
    @property
    def device(self) -> torch.device:
        """Where batches go: the device of the data, or else that of the model."""
    @property
    def quiet(self) -> bool:
        """Whether nothing is printed: it was made `silent`, or another process prints."""
    def to_batch(self, batch: Any, device: Any = None) -> Any:
        """Move a batch to the model, and split it into input and target.

        Args:
            batch: from a loader
            device: where it goes; default: `device`, which a loop should look up once, not for each batch

        Returns:
            (input, target), on the device; the target is None if the model computes the loss
        """
    def lr_range(self, lr: Any, name: str = 'lr') -> Any:
        """Return the rates of the layer groups: see `group_rates`. Raise if a part of the model isn't trained.

        Args:
            lr: number from 0, list of them with one per layer group, `slice`, or `Suggestion`
            name: what the caller's parameter is called, for the message

        Returns:
            a float, or a list with one per layer group
        """
    def rate_or_tuned(self, lr: Any, name: str, one_cycle: bool = False) -> Any:
        """Return `lr` unless it is 'auto', else the rate that `tune` has found, or a default if it hasn't run.

        Args:
            lr: a rate, as for `lr_range`, or 'auto'
            name: what the caller's parameter is called, for what is printed
            one_cycle: whether it is the maximum of a one-cycle schedule

        Returns:
            a number, or a list with one per layer group
        """
    def create_opt(self, lr: Any, wd: Any = None) -> None:
        """Make the optimizer, with a parameter group for each layer group.

        Args:
            lr: rate, or a list with one per layer group
            wd: weight decay, from 0, or a list with one per layer group; default: the learner's
        """
    def callbacks_for(self, extra: Any = None, shaping: bool = False) -> list[Any]:
        """Return all callbacks for a fit. Raise `TypeError` for what is not one.

        Args:
            extra: list of `Callback`s for this fit alone
            shaping: only those that change how a step is computed

        Returns:
            list[Any]: of `Callback`s, each checked
        """
    def left_out(self) -> list[str]:
        """Return which callbacks a range test leaves out, though nothing says that they only watch.

        Returns:
            list[str]: names of classes
        """
    def fit(self, epochs: int, lr: Any = 'auto', wd: Any = None, callbacks: Any = None) -> None:
        """Train, at a constant rate unless a callback changes it. The optimizer stays for the next fit.

        Args:
            epochs: passes over the training data, from 0
            lr: number from 0, list, slice or `Suggestion`; 'auto': what `tune` found, else a default
            wd: weight decay, from 0, or a list with one per layer group; default: the learner's
            callbacks: `Callback`s for this fit alone
        """
    def validate(self, dl: Any = None, callbacks: Any = None, metrics: Any = None) -> list[Any]:
        """Return mean loss and metrics, in evaluation mode. Raise `ValueError` if there is no validation data.

        Args:
            dl: iterable of batches, or a `DatasetType`; default: the validation data
            callbacks: `Callback`s for this pass alone
            metrics: functions (output, target), or callbacks; default: the learner's

        Returns:
            list[Any]: mean loss, then the metrics
        """
    def evaluation_handler(
        self,
        callbacks: Any = None,
        metrics: Any = None,
    ) -> contextlib.AbstractContextManager[Any]:
        """Provide a handler for a pass in evaluation mode, with the callbacks that change how a step is computed.

        Args:
            callbacks: `Callback`s for this pass alone
            metrics: functions (output, target), or callbacks
        """
    def save(self, file: Any, return_path: bool = False, with_opt: bool = True) -> Any:
        """Write the model's state dict, or model and optimizer, to `path/model_dir/file.pth` or to an open file.
        Every process that trains must call it.

        Args:
            file: name or path, with or without .pth; or a file that is open for writing bytes
            return_path: return where it was written
            with_opt: the optimizer's state too, if there is one
        """
    def load(
        self,
        file: Any,
        device: Any = None,
        strict: bool = True,
        with_opt: bool | None = None,
        purge: Any = None,
        remove_module: bool = False,
    ) -> Learner:
        """Read what `save` wrote: the model, and the optimizer if the file holds one. Raise if the model doesn't
        fit; if the optimizer doesn't, warn, or raise with `with_opt=True`.

        Args:
            file: name, path or open file, as for `save`; it may also hold a bare state dict of the model
            device: where the file's tensors go first; default: where batches go; a number is that of a GPU
            strict: the file must hold exactly the parameters and buffers of the model
            with_opt: the optimizer's state too; default: if the file holds one that fits
            purge: accepted as in fastai v1, and ignored: there is nothing to purge
            remove_module: take `module.` off the names, which `nn.DataParallel` has put there

        Returns:
            Learner: itself
        """
    def get_preds(
        self,
        ds_type: DatasetType = ...,
        activ: Any = None,
        with_loss: bool = False,
        n_batch: int | None = None,
        pbar: Any = None,
        dl: Any = None,
    ) -> tuple[Any, ...]:
        """Return predictions and targets on the CPU. Raise `ValueError` if a batch, or a target, is missing.

        Args:
            ds_type: which data: a `DatasetType`, or any iterable of batches
            activ: function from outputs to predictions; default: by the loss function, see `activation_for`
            with_loss: return the loss of each row, too
            n_batch: stop after this number of batches; default: all
            pbar: accepted as in fastai v1, and ignored: there is no bar
            dl: iterable of batches, instead of `ds_type`

        Returns:
            tuple[Any, ...]: predictions and targets of all rows; the targets are None if there are none;
                and the losses
        """
    def dl(self, ds_type: DatasetType = ...) -> Any:
        """Return a loader of the data. Raise `ValueError` if there is none.

        Args:
            ds_type: a `DatasetType`

        Returns:
            the loader
        """
    def split(self, split_on: Any) -> Learner:
        """Divide the parameters into layer groups. Raise if `split_on` names anything but modules of the model.

        Args:
            split_on: modules at which a new layer group begins, or lists of modules: the groups; or model
                -> these

        Returns:
            Learner: itself
        """
    def freeze_to(self, n: int) -> None:
        """Train the layer groups from `n` on, and freeze those before but for their batch norm.

        Args:
            n: index of the first layer group that is trained; negative: counted from the end
        """
    def freeze(self) -> None:
        """Train the last layer group only. Raise `ValueError` if there is just one."""
    def unfreeze(self) -> None:
        """Train all layer groups."""
    def lr_find(
        self,
        start_lr: Any = 1e-07,
        end_lr: Any = 10.0,
        num_it: int = 100,
        stop_div: Any = True,
        wd: float | None = None,
        *,
        mode: str = 'exp',
        runs: int = 1,
        accumulate: int = 1,
        batches: int | None = 8,
        val_batches: int = 0,
        extend: bool = False,
        probe: Any = 'auto',
        live: bool = False,
        where: Any = 'device',
        verify: bool = False,
        silent: bool = False,
    ) -> LRCurve:
        """Explore rates from `start_lr` to `end_lr` over `num_it` updates; everything is restored afterwards.

        Args:
            start_lr: first rate, above zero: a number, a list or a slice over the layer groups
            end_lr: last rate, above the first, likewise
            num_it: optimizer updates, at least 2
            stop_div: stop when the loss diverges: True, False, a factor on the best loss, or a function
            wd: weight decay during the sweep, from 0; default: the optimizer's
            mode: 'exp' or 'linear'
            runs: sweeps from the same state, reseeded, at least 1; the curve is their median
            accumulate: batches that make one optimizer update, at least 1
            batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
            val_batches: measure the loss on this number of validation batches; 0: the training loss
            extend: go on beyond `end_lr` while the loss still falls there
            probe: train briefly at five rates, 300 further updates: True, False, 'auto': if it can't tell
            live: in a notebook, draw the curve while it grows
            where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
            verify: check by checksum that everything is restored; raises `NotRestored` if not
            silent: no bar, no line, no message

        Returns:
            LRCurve: also at `learn.recorder.curve`
        """
    def tune(
        self,
        *,
        start_lr: Any = 1e-07,
        end_lr: Any = 10.0,
        num_it: int = 100,
        stop_div: Any = True,
        wd: float | None = None,
        mode: str = 'exp',
        runs: int = 1,
        accumulate: int = 1,
        batches: int | None = 8,
        val_batches: int = 0,
        extend: bool = False,
        probe: Any = 'auto',
        live: bool = False,
        where: Any = 'device',
        verify: bool = False,
        silent: bool = False,
    ) -> LRFound:
        """Find a rate with `lr_find`, and set it. If there is no suggestion, set nothing and raise `NoSuggestion`.

        Args:
            start_lr: first rate, above zero: a number, a list or a slice over the layer groups
            end_lr: last rate, above the first, likewise
            num_it: optimizer updates, at least 2
            stop_div: stop when the loss diverges: True, False, a factor on the best loss, or a function
            wd: weight decay during the sweep, from 0; default: the optimizer's
            mode: 'exp' or 'linear'
            runs: sweeps from the same state, reseeded, at least 1; the curve is their median
            accumulate: batches that make one optimizer update, at least 1
            batches: number of (windows of `accumulate`) batches to go round; None: fresh ones throughout
            val_batches: measure the loss on this number of validation batches; 0: the training loss
            extend: go on beyond `end_lr` while the loss still falls there
            probe: train briefly at five rates, 300 further updates: True, False, 'auto': if it can't tell
            live: in a notebook, draw the curve while it grows
            where: where the copy of the state is stored meanwhile: 'device', 'cpu', or a directory
            verify: check by checksum that everything is restored; raises `NotRestored` if not
            silent: no bar, no line, no message

        Returns:
            LRFound: with `suggestion()`, `results`, `plot()` and `curve`
        """
    def fit_one_cycle(
        self,
        cyc_len: int,
        max_lr: Any = 'auto',
        moms: Any = (0.95, 0.85),
        div_factor: float = 25.0,
        pct_start: float = 0.3,
        final_div: float | None = None,
        wd: Any = None,
        callbacks: Any = None,
        tot_epochs: int | None = None,
        start_epoch: int | None = None,
    ) -> None:
        """Train with the one-cycle schedule: see `OneCycleScheduler`.

        Args:
            cyc_len: epochs, from 0
            max_lr: peak rate: number, list, slice or `Suggestion`; 'auto': what `tune` found, else a
                default
            moms: momentum at both ends, and at the peak of the rate
            div_factor: the rate starts at max_lr/div_factor
            pct_start: share of the steps in which the rate rises, in (0, 1)
            final_div: the rate ends at max_lr/final_div; default: div_factor*1e4
            wd: weight decay, from 0, or a list with one per layer group; default: the learner's
            callbacks: `Callback`s for this fit alone
            tot_epochs: epochs of the whole cycle; default: `cyc_len`
            start_epoch: epoch at which to resume a cycle, counted from 0
        """
    def to_fp32(self) -> Learner:
        """Train in 32 bits: remove mixed precision.

        Returns:
            Learner: itself
        """
    def to_fp16(self, loss_scale: float | None = None, *, clip: float | None = None) -> Learner:
        """Train in mixed precision, with a gradient scaler. Raise `ValueError` unless the numbers are above zero.

        Args:
            loss_scale: first scale of the loss, above zero; default: 2**16
            clip: largest norm of the gradient, above zero; default: don't clip

        Returns:
            Learner: itself
        """
    def clip_grad(self, clip: float = 0.1) -> Learner:
        """Clip the gradients before each step. Raise `ValueError` unless `clip` is above zero.

        Args:
            clip: largest norm of the gradient, above zero

        Returns:
            Learner: itself
        """
    def mixup(self, alpha: float = 0.4, stack_x: bool = False, stack_y: bool = True) -> Learner:
        """Train on mixtures of two rows: see `MixUpCallback`. Raise `ValueError` unless `alpha` is above zero.

        Args:
            alpha: of the beta distribution, above zero
            stack_x: pass (input, input of the partners, shares) to the model
            stack_y: mix the losses for both targets; False: mix the targets

        Returns:
            Learner: itself
        """
    def summary(self, n: int = 70) -> Summary:
        """Return a table of the layers: name, shape of the output, number of parameters, whether they are trained.

        Args:
            n: width of the lines, in columns
        """
    def to_accelerate(self, accelerator: Any = None, **kwargs: Any) -> Learner:
        """Train with an `Accelerator` from now on, in all processes that were launched.

        Raises `ImportError`, `ValueError` or `TypeError` for what can't work, before anything has changed.

        Args:
            accelerator: an `Accelerator`, if there is one already
            **kwargs: or its arguments: `mixed_precision`, `gradient_accumulation_steps`, `cpu`,
                `fsdp_plugin`, ...

        Returns:
            Learner: itself
        """
