"""A Hugging Face Trainer and its lr_find: real trainers and small models; nothing of them may change.

For several processes, see test_processes.py."""

import copy, os, random, subprocess, sys
from pathlib import Path

import numpy as np
import pytest, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

transformers = pytest.importorskip('transformers')
from transformers import (
    SchedulerType,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from conftest import noting, same
from fastlr import LRCurve, NoSuggestion, NotRestored, find_lr
from fastlr.integrations.transformers import TrainerLRFound, lr_find
from fastlr.fingerprint import Fingerprint
from small_trainers import CLASSES, WORDS, language, make, ragged, rows, state

# Until version 5 it had another name.
CHECKPOINTING = next(
    name
    for name in ('activation_checkpointing', 'gradient_checkpointing')
    if name in TrainingArguments.__dataclass_fields__
)
QUICK = dict(num_it=12, stop_div=False, probe=False, silent=True)


class Augmented(Dataset):
    "A dataset that draws from every global generator, and counts."

    def __init__(self):
        self.rows, self.asked = rows(), 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        self.asked += 1
        noise = int(random.random() < 0.3) + int(np.random.rand() < 0.3) + int(torch.rand(()) < 0.3)
        return dict(self.rows[i], input_ids=(self.rows[i]['input_ids'] + noise) % 32)


class Stream(IterableDataset):
    "A dataset without a length that begins at another place each time."

    def __init__(self):
        self.rows, self.passes = rows(), 0

    def __iter__(self):
        self.passes += 1
        yield from self.rows[self.passes : self.passes + 50]


class Weighted(Trainer):
    "A trainer with a loss of its own, which has state in several places."

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.history, self.seen, self.weights = [], 0, nn.Parameter(torch.ones(3))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        out = model(**{k: v for k, v in inputs.items() if k != 'labels'})
        self.seen += 1
        self.history.append(self.seen)
        self.model.config.seen = self.seen
        loss = nn.functional.cross_entropy(out.logits, inputs['labels'], weight=self.weights.detach()) * (
            1 + 0.001 * len(self.history)
        )
        return (loss, out) if return_outputs else loss


class TwoRates(Trainer):
    def create_optimizer(self, *args):
        if self.optimizer is None:
            head = [p for n, p in self.model.named_parameters() if 'classifier' in n]
            rest = [p for n, p in self.model.named_parameters() if 'classifier' not in n]
            self.optimizer = torch.optim.AdamW(
                [dict(params=rest, lr=self.args.learning_rate / 10), dict(params=head)],
                lr=self.args.learning_rate,
            )
        return self.optimizer


def own_optimizer(folder, **kw):
    set_seed(0)
    model = BertForSequenceClassification(CLASSES)
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return make(
        folder, model=lambda: model, optimizers=(opt, torch.optim.lr_scheduler.StepLR(opt, 3, 0.5)), **kw
    )


def frozen(folder):
    trainer = make(folder)
    for p in trainer.model.bert.parameters():
        p.requires_grad_(False)
    return trainer


def patched(folder):
    "Set methods that are bound to this trainer, as users do."
    trainer = make(folder, gradient_accumulation_steps=2)
    step = trainer.training_step
    trainer.loss_is_scaled_for_ga = False
    trainer.history = []

    def training_step(*args, **kw):
        trainer.history.append(trainer.state.global_step)
        return step(*args, **kw) * (1 + 0.1 * trainer.current_gradient_accumulation_steps)

    trainer.training_step = training_step

    class Box:
        calls = 0

    box = Box()
    loss = trainer.compute_loss

    def compute_loss(*args, **kw):
        box.calls += 1
        return loss(*args, **kw) * (1 + 0.01 * box.calls)

    trainer.compute_loss = compute_loss
    return trainer


KINDS = dict(
    plain=make,
    accumulated=lambda f: make(f, gradient_accumulation_steps=3),
    bf16=lambda f: make(f, bf16=True),
    workers=lambda f: make(f, data=Augmented(), dataloader_num_workers=2),
    persistent=lambda f: make(
        f, data=Augmented(), dataloader_num_workers=1, dataloader_persistent_workers=True
    ),
    stream=lambda f: make(f, data=Stream()),
    weighted=lambda f: make(f, Weighted, lr_scheduler_type='cosine', warmup_steps=3),
    two_rates=lambda f: make(f, TwoRates, warmup_steps=2),
    own_optimizer=own_optimizer,
    frozen=frozen,
    patched=patched,
    smoothed=lambda f: make(f, label_smoothing_factor=0.1, max_grad_norm=0.5, **{CHECKPOINTING: True}),
    noisy_embeddings=lambda f: make(f, neftune_noise_alpha=5.0),
    init=lambda f: make(f, model_init=lambda: BertForSequenceClassification(CLASSES)),
    language=language,
)


def files(folder):
    return sorted(str(p) for p in folder.rglob('*'))


def train(folder, kind, earlier, call):
    "Return a trainer after training, with `call(trainer)` before it."
    trainer = KINDS[kind](folder)
    if earlier:
        trainer.train()
    set_seed(1)
    listing = files(folder)
    call(trainer)
    assert files(folder) == listing
    trainer.train()
    return state(trainer)


# Everything is restored.

AGAIN = 'plain', 'bf16', 'workers', 'weighted', 'own_optimizer', 'patched'


@pytest.mark.parametrize(
    'kind, earlier',
    [*((kind, False) for kind in KINDS), *((kind, True) for kind in AGAIN)],
    ids=lambda x: x if isinstance(x, str) else 'trained_before' if x else 'fresh',
)
def test_training_goes_on_as_if_it_had_never_run(kind, earlier, tmp_path, capfd):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()

    def call(trainer):
        first, before = state(trainer), Fingerprint(trainer=trainer)
        before_it = capfd.readouterr()
        assert len(lr_find(trainer, **QUICK).curve) == 12
        assert capfd.readouterr() == ('', '')
        assert before.changed() == [] and same(first, state(trainer))

    a, b = train(tmp_path / 'a', kind, earlier, lambda t: None), train(tmp_path / 'b', kind, earlier, call)
    assert same(a, b) and len(a['logs']) >= 8


@pytest.mark.parametrize(
    'place, error, earlier',
    [
        ('data', ZeroDivisionError, False),
        ('data', KeyboardInterrupt, True),
        ('loss', KeyboardInterrupt, False),
        ('loss', ZeroDivisionError, True),
    ],
)
def test_an_error_in_the_middle_leaves_nothing_behind(place, error, earlier, tmp_path):
    def call(trainer):
        before, first = Fingerprint(trainer=trainer), state(trainer)
        target, name = (Augmented, '__getitem__') if place == 'data' else (Weighted, 'compute_loss')
        original, calls = getattr(target, name), []

        def fails(*args, **kw):
            calls.append(1)
            if len(calls) > (40 if place == 'data' else 4):
                raise error
            return original(*args, **kw)

        setattr(target, name, fails)
        try:
            with pytest.raises(error):
                lr_find(trainer, **QUICK)
        finally:
            setattr(target, name, original)
        assert before.changed() == [] and same(first, state(trainer)) and len(calls) > 4

    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    KINDS['both'] = lambda f: make(f, Weighted, data=Augmented(), bf16=True, gradient_accumulation_steps=2)
    a, b = (
        train(tmp_path / 'a', 'both', earlier, lambda t: None),
        train(tmp_path / 'b', 'both', earlier, call),
    )
    assert same(a, b)


def test_verify_names_what_could_not_be_restored(tmp_path):
    class Box:
        pass

    class Leaks(Trainer):
        def compute_loss(self, *args, **kw):
            self.box.inner.n += 1
            return super().compute_loss(*args, **kw)

    trainer = make(tmp_path, Leaks)
    trainer.box = Box()
    trainer.box.inner = Box()
    trainer.box.inner.n = 0
    with pytest.raises(NotRestored) as e:
        lr_find(trainer, verify=True, **QUICK)
    assert e.value.names == ['trainer.box.inner.n'] and trainer.box.inner.n == 12


# Callbacks, logs and other parts of the trainer are not involved.


class Counts(TrainerCallback):
    def __init__(self):
        self.calls = []


for event in [e for e in dir(TrainerCallback) if e.startswith('on_')]:
    setattr(Counts, event, lambda self, args, state, control, _event=event, **kw: self.calls.append(_event))


def test_callbacks_logs_and_checkpoints_of_the_trainer_are_left_alone(tmp_path, capfd, caplog):
    class Logs(Trainer):
        def log(self, *args, **kw):
            self.logged = True
            print('logged')
            super().log(*args, **kw)

    counts, stopping = Counts(), EarlyStoppingCallback(1)
    trainer = make(
        tmp_path,
        Logs,
        callbacks=[counts, stopping],
        eval_dataset=rows(10),
        eval_strategy='steps',
        eval_steps=1,
        eval_on_start=True,
        save_strategy='steps',
        save_steps=1,
        disable_tqdm=False,
        load_best_model_at_end=True,
        metric_for_best_model='loss',
        save_total_limit=1,
        logging_first_step=True,
    )
    counts.calls.clear()
    capfd.readouterr()
    caplog.clear()
    listing, before, verbosity = (
        files(tmp_path),
        Fingerprint(trainer=trainer),
        transformers.logging.get_verbosity(),
    )
    lr_find(trainer, verify=True, **QUICK)
    assert (
        counts.calls == []
        and files(tmp_path) == listing
        and capfd.readouterr() == ('', '')
        and caplog.records == []
        and before.changed() == []
        and trainer.state.log_history == []
    )
    assert transformers.logging.get_verbosity() == verbosity
    assert (
        trainer.optimizer is None
        and trainer.lr_scheduler is None
        and trainer.model_wrapped is trainer.model
        and trainer.state.global_step == 0
        and not trainer.is_in_train
    )
    # All of them run when the trainer trains.
    trainer.train()
    assert {'on_train_begin', 'on_step_end', 'on_save', 'on_evaluate', 'on_log', 'on_train_end'} <= set(
        counts.calls
    ) and len(files(tmp_path)) > len(listing)


# The numbers.


def batches(rows, n):
    return [
        dict(
            input_ids=torch.stack([r['input_ids'] for r in rows[i : i + n]]),
            labels=torch.stack([r['labels'] for r in rows[i : i + n]]),
        )
        for i in range(0, len(rows), n)
    ]


class InOrder(Trainer):
    def _get_train_sampler(self, *args, **kw):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    # The loss of a BERT classifier is the mean over a batch, which `Trainer` otherwise doesn't know.
    loss_is_scaled_for_ga = False


def by_find_lr(data, n, **kw):
    set_seed(0)
    model = BertForSequenceClassification(CLASSES)
    decay, rest = (
        [p for name, p in model.named_parameters() if (name.endswith('bias') or 'LayerNorm' in name) == plain]
        for plain in (False, True)
    )
    opt = torch.optim.AdamW(
        [dict(params=decay, weight_decay=0.01), dict(params=rest, weight_decay=0.0)], lr=1e-3, fused=True
    )
    # A Trainer does this as well.
    set_seed(42)
    return find_lr(
        model,
        opt,
        None,
        DataLoader(data, n, collate_fn=default_data_collator),
        step=lambda b: model(**b).loss,
        num_it=30,
        end_lr=1.0,
        stop_div=False,
        probe=False,
        progress=False,
        **kw,
    )


def by_trainer(folder, cls=InOrder, **kw):
    return lr_find(
        make(folder, cls, **{'weight_decay': 0.01, 'max_grad_norm': 0.0, **kw}),
        num_it=30,
        stop_div=False,
        probe=False,
        silent=True,
    ).curve


@pytest.fixture
def calm(monkeypatch):
    monkeypatch.setattr(CLASSES, 'hidden_dropout_prob', 0.0)
    monkeypatch.setattr(CLASSES, 'attention_probs_dropout_prob', 0.0)


def test_one_curve_through_two_entry_points(tmp_path):
    "Plain PyTorch and a Trainer agree bit for bit, dropout included."
    data = rows(64)
    a, b = by_find_lr(data, 8), by_trainer(tmp_path, data=data)
    assert (
        np.array_equal(a.lrs, b.lrs)
        and np.array_equal(a.losses, b.losses)
        and a.suggest() == b.suggest()
        and len(b) == 30
    )


@pytest.mark.parametrize('k', [1, 3])
@pytest.mark.parametrize('cls', [Trainer, InOrder])
def test_a_point_is_what_the_trainer_logs_for_an_update(cls, k, tmp_path):
    "At a rate of almost zero all losses are those of the first weights."
    trainer = make(
        tmp_path, cls, gradient_accumulation_steps=k, learning_rate=1e-12, lr_scheduler_type='constant'
    )
    curve = lr_find(
        trainer,
        start_lr=1e-12,
        end_lr=1.1e-12,
        num_it=7,
        stop_div=False,
        probe=False,
        batches=None,
        silent=True,
    ).curve
    trainer.train()
    logged = [log['loss'] for log in trainer.state.log_history if 'loss' in log]
    assert np.allclose(
        curve.losses, logged, rtol=0, atol=1e-7 if transformers.__version__ >= '5' else 1e-4
    ) and np.mean(logged) == pytest.approx(1.1 * k if cls is Trainer else 1.1, rel=0.05)


@pytest.mark.parametrize('k', [2, 4])
def test_with_accumulation_a_point_is_the_loss_of_all_batches_of_the_update(k, tmp_path, calm):
    data = rows(96)
    big, small = (
        by_trainer(tmp_path, data=data, per_device_train_batch_size=8 * k),
        by_trainer(tmp_path, data=data, gradient_accumulation_steps=k),
    )
    other = by_find_lr(data, 8, accumulate=k)
    assert small.settings['accumulate'] == k and len(small) == 30
    # After that rounding errors grow.
    assert np.allclose(big.losses[:22], small.losses[:22], rtol=1e-4) and np.allclose(
        other.losses[:22], small.losses[:22], rtol=1e-4
    )


def test_with_accumulation_of_ragged_texts_it_is_the_mean_over_all_words(tmp_path):
    "According to `num_items_in_batch` the shares are not equal."
    words = copy.deepcopy(WORDS)
    words.resid_pdrop = words.embd_pdrop = words.attn_pdrop = 0.0

    class Words(InOrder):
        # The trainer finds out by itself for these models.
        loss_is_scaled_for_ga = None

    run = lambda **kw: by_trainer(
        tmp_path, Words, data=ragged(96), model=lambda: GPT2LMHeadModel(words), **kw
    )
    big, small = run(per_device_train_batch_size=32), run(gradient_accumulation_steps=4)
    assert np.allclose(big.losses[:22], small.losses[:22], rtol=1e-4)


def test_groups_keep_their_ratio_through_a_warm_up(tmp_path):
    curve = lr_find(make(tmp_path, TwoRates, warmup_steps=5), **QUICK).curve
    assert (
        np.allclose(curve.group_lrs[:, 0], curve.group_lrs[:, 1] / 10)
        and curve.lrs[0] == 1e-7
        and curve.lrs[-1] == pytest.approx(1.0)
    )


def test_clipping_of_the_trainer_is_honoured(tmp_path, calm):
    free, clipped = (
        lr_find(
            make(tmp_path, InOrder, max_grad_norm=norm, optim='sgd'),
            num_it=30,
            end_lr=10.0,
            stop_div=False,
            probe=False,
            batches=None,
            silent=True,
        ).curve
        for norm in (0.0, 1e-6)
    )
    assert np.ptp(clipped.losses) < 0.05 < 0.2 < np.ptp(free.losses)


def test_runs_see_other_batches_and_begin_alike(tmp_path):
    for kw in (dict(data_seed=3), dict(model_init=lambda: BertForSequenceClassification(CLASSES))):
        seen = []
        trainer = make(tmp_path, **kw)

        def note(model, inputs, *args):
            seen.append((model.classifier.weight[0, 0].item(), inputs['input_ids']))

        trainer.training_step = noting(trainer.training_step, note)
        curve = lr_find(trainer, runs=3, **QUICK).curve
        (w0, a), (w1, b), (w2, c) = seen[0], seen[12], seen[24]
        assert (
            len(curve.runs) == 3
            and len(seen) == 36
            and w0 == w1 == w2
            and not torch.equal(a, b)
            and not torch.equal(b, c)
        )


# When it ends.


class Breaks(Trainer):
    def compute_loss(self, *args, **kw):
        self.calls = getattr(self, 'calls', 0) + 1
        loss = super().compute_loss(*args, **kw)
        return loss * float('nan') if self.calls > 9 else loss


@pytest.mark.parametrize('filtered', [True, False])
def test_a_loss_that_is_not_a_number_ends_it(filtered, tmp_path):
    "This holds also where the Trainer would log something else in its place."
    curve = lr_find(
        make(tmp_path, Breaks, logging_nan_inf_filter=filtered), num_it=30, probe=False, silent=True
    ).curve
    assert curve.stop_reason == 'non-finite' and len(curve) == 9


def test_divergence_ends_it(tmp_path):
    curve = lr_find(
        make(tmp_path, data=rows(), max_grad_norm=0.0), num_it=100, end_lr=1e3, probe=False, silent=True
    ).curve
    assert curve.stop_reason == 'diverged' and 30 < len(curve) < 95


def test_data_begins_again_and_runs_out_where_it_cannot(tmp_path):
    class Once(IterableDataset):
        def __init__(self):
            self.rows = iter(rows(50))

        def __iter__(self):
            yield from self.rows

    # There are two batches per epoch.
    short = lr_find(make(tmp_path, data=rows(9)), **QUICK).curve
    stream = lr_find(make(tmp_path, data=Stream()), num_it=20, stop_div=False, probe=False, silent=True).curve
    once = lr_find(make(tmp_path, data=Once()), batches=None, **QUICK).curve
    assert (
        (len(short), short.stop_reason) == (12, 'end')
        and (len(stream), stream.stop_reason) == (20, 'end')
        and (len(once), once.stop_reason) == (7, 'data')
    )


def test_a_step_that_the_scaler_skips_is_not_a_point(tmp_path):
    def scaled(scale):
        trainer = make(tmp_path, Weighted)
        # Clipping makes zeros of gradients whose norm overflows, so the scale has to fall far below that.
        trainer.accelerator.scaler = torch.amp.GradScaler('cpu', init_scale=scale, backoff_factor=1e-20)
        state = trainer.accelerator.scaler.state_dict()
        steps = []
        trainer.training_step = noting(trainer.training_step, lambda *args: steps.append(1))
        curve = lr_find(trainer, **QUICK).curve
        assert trainer.accelerator.scaler.state_dict() == state and len(curve) == 12
        return len(steps)

    # The larger scale overflows.
    assert scaled(2.0**10) == 12 < scaled(3.4e38) < 60


# The suggestion.


def test_the_number_is_for_the_schedule_of_the_trainer(tmp_path, capsys, measured):
    "Nothing is set except on request."
    for schedule in ('cosine', 'constant_with_warmup'):
        trainer = make(tmp_path, lr_scheduler_type=schedule)
        args = copy.copy(vars(trainer.args))
        found = lr_find(trainer, num_it=60)
        s = found.curve.suggest()
        assert (
            found.suggestion() == (s.cosine if schedule == 'cosine' else s.lr)
            and found.suggestion(schedule='constant') == s.lr == 3e-3
            and found.suggestion(schedule='cosine') == s.cosine == 4e-3
            and found.suggestion(schedule='linear') == s.linear == 5e-3
        )
        said = capsys.readouterr().out
        # The words are those of Lightning's.
        words = dict(
            cosine='4.00E-03, the maximum of the cosine schedule of the trainer '
            '(3.00E-03 for a constant rate, range 1.0E-03 to 9.0E-03)',
            constant_with_warmup='3.00E-03 (range 1.0E-03 to 9.0E-03), for a constant rate, '
            'as the schedule of the trainer (constant_with_warmup) has it\n'
            'Suggested maximum for one-cycle: 6.00E-03',
        )
        assert said.startswith(f'Suggested learning rate: {words[schedule]}')
        assert vars(trainer.args) == args
    assert len(found.results['lr']) == len(found.curve) and found.plot() is not None
    with pytest.raises(ValueError, match="schedule must be a name of .*lr_scheduler_type.* got 'one_cycle'"):
        found.suggestion(schedule='one_cycle')


def test_one_curve_has_one_suggestion():
    "This holds also where it lies among the first ten points."
    lrs = np.geomspace(1e-2, 10, 30)
    x = np.log10(lrs)
    falls, rises = 1 / (1 + np.exp(-4 * (x + 1.9))), 1 / (1 + np.exp(-8 * x))
    curve = LRCurve(lrs, 2.3 - 1.8 * falls + 3 * rises)
    s = curve.suggest()
    assert s.lr < lrs[10]
    assert TrainerLRFound(curve).suggestion() == s.linear
    assert TrainerLRFound(curve, 'constant').suggestion() == s.lr


@pytest.mark.parametrize('schedule', [s.value for s in SchedulerType])
def test_each_schedule_of_transformers_has_its_rate(schedule, measured):
    "Those that Transformers has today; the half of the suggestion was used for all that don't fall."
    lrs = np.geomspace(1e-6, 3, 100)
    curve = LRCurve(lrs, 2.3 - 1.8 / (1 + (1e-3 / lrs) ** 1.5))
    found, s = TrainerLRFound(curve, schedule), curve.suggest()
    kind = (
        'linear' if schedule in ('linear', 'polynomial') else 'cosine' if 'cosine' in schedule else 'constant'
    )
    assert found.suggestion() == s.peak(kind) and ('range' in repr(found)) == (kind == 'constant')
    assert type(found.suggestion()) is float


@pytest.mark.parametrize('update_args', [False, True])
def test_findings_follow_the_suggestion(update_args, tmp_path, capsys):
    found = lr_find(make(tmp_path), num_it=29, probe=False, update_args=update_args)
    first, *notes = capsys.readouterr().out.splitlines()
    where = 'Learning rate set to {}, as args.learning_rate' if update_args else 'Suggested learning rate: {}'
    assert first.startswith(where.format(f'{found.suggestion():.2E}'))
    assert notes == [f'Note: {finding}' for finding in found.curve.findings]
    assert notes[0].startswith('Note: Only ')


def test_with_update_args_it_is_set_and_used(tmp_path, capsys):
    trainer = make(tmp_path, lr_scheduler_type='constant')
    found = lr_find(trainer, update_args=True)
    assert type(trainer.args.learning_rate) is float
    assert trainer.args.learning_rate == found.suggestion() and capsys.readouterr().out.startswith(
        'Learning rate set to '
    )
    trainer.train()
    assert (
        trainer.optimizer.param_groups[0]['lr'] == found.suggestion()
        and trainer.state.log_history[0]['learning_rate'] == found.suggestion()
    )


def test_a_scheduler_of_the_users_own_is_said_to_be_unknown(tmp_path, capsys):
    trainer = make(tmp_path)
    opt = torch.optim.AdamW(trainer.model.parameters())
    trainer.optimizer, trainer.lr_scheduler = opt, torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
    assert lr_find(trainer, num_it=40, probe=False).schedule == 'constant'
    assert "since the schedule of the trainer (ExponentialLR) isn't known" in capsys.readouterr().out


class TwoGroups(Trainer):
    "A trainer whose encoder has a tenth of the rate."

    def create_optimizer(self, *args):
        lr = self.args.learning_rate
        groups = [
            dict(params=[*self.model.bert.parameters()], lr=lr / 10),
            dict(params=[*self.model.classifier.parameters()]),
        ]
        self.optimizer = self.optimizer or torch.optim.AdamW(groups, lr=lr)
        return self.optimizer


@pytest.mark.parametrize('schedule', ['linear', 'constant'])
def test_the_rates_of_all_groups_are_printed(schedule, tmp_path, capsys):
    lr_find(make(tmp_path), num_it=30, probe=False)
    assert 'parameter groups' not in capsys.readouterr().out
    trainer = make(tmp_path, TwoGroups, lr_scheduler_type=schedule)
    found = lr_find(trainer, num_it=30, probe=False, update_args=True)
    lr = found.suggestion()
    said = f'the fastest of 2 parameter groups; in their order they get {lr / 10:.2E}, {lr:.2E}.'
    assert said in capsys.readouterr().out
    trainer.create_optimizer()
    assert [g['lr'] for g in trainer.optimizer.param_groups] == pytest.approx([lr / 10, lr])


def test_a_remedy_is_an_option_that_was_given(tmp_path):
    "Without probes a sweep that can't tell advises to leave them in, in a Trainer, too."
    off, auto = (
        lr_find(make(tmp_path), num_it=12, stop_div=False, probe=p, silent=True) for p in (False, 'auto')
    )
    said = ' '.join(off.curve.findings)
    assert 'leave probe at its default' in said and 'batches=8' not in said, said
    assert 'leave probe' not in ' '.join(auto.curve.findings)
    fresh = lr_find(make(tmp_path), num_it=12, stop_div=False, probe=False, batches=None, silent=True)
    assert 'go round the same batches (batches=8)' in ' '.join(fresh.curve.findings)


def test_names_that_a_result_lacks_are_answered(tmp_path):
    found = lr_find(make(tmp_path), **QUICK)
    for name, where in dict(
        lr='the rate is', suggest='did you mean', findings='found.curve.findings'
    ).items():
        with pytest.raises(AttributeError, match=f'TrainerLRFound has no attribute .{name}.: .*{where}'):
            getattr(found, name)
    with pytest.raises(ValueError, match="got 'cosin': did you mean 'cosine'"):
        found.suggestion(schedule='cosin')


def test_without_a_suggestion_nothing_is_set(tmp_path, capsys):
    trainer = make(tmp_path)
    found = lr_find(trainer, num_it=30, end_lr=1e-6, probe=False, batches=None)
    assert capsys.readouterr().out.startswith('No learning rate is suggested: The loss does not fall')
    with pytest.raises(NoSuggestion):
        found.suggestion()
    with pytest.raises(NoSuggestion) as error:
        lr_find(trainer, num_it=30, end_lr=1e-6, probe=False, batches=None, update_args=True)
    # What was measured is not lost with the error.
    assert len(error.value.curve) == 30
    assert trainer.args.learning_rate == 5e-5


class Ignores(Trainer):
    def create_optimizer(self, *args):
        self.optimizer = self.optimizer or torch.optim.SGD(self.model.parameters(), lr=0.3)
        return self.optimizer


class FromWithin(TrainerCallback):
    def on_step_end(self, args, state, control, **kw):
        lr_find(self.trainer, **QUICK)


def inside(folder):
    callback = FromWithin()
    callback.trainer = make(folder, callbacks=[callback])
    callback.trainer.train()


def with_flag(folder, flag):
    trainer = make(folder)
    setattr(trainer, flag, True)
    return trainer


def trained(folder):
    trainer = make(folder)
    trainer.train()
    return trainer


def all_frozen(folder):
    trainer = make(folder)
    trainer.model.requires_grad_(False)
    return trainer


def with_old_scheduler(folder):
    "Return a trainer that would step the scheduler of an optimizer which is gone."
    trainer = trained(folder)
    trainer.optimizer = None
    return trainer


@pytest.mark.parametrize(
    'call, words',
    [
        (
            lambda f: lr_find(BertForSequenceClassification(CLASSES)),
            'trainer must be a transformers.Trainer, got a BertFor',
        ),
        (lambda f: lr_find(Trainer), 'got the class Trainer'),
        (inside, 'in the middle of train'),
        (lambda f: lr_find(all_frozen(f)), 'nothing to train'),
        (lambda f: lr_find(with_flag(f, 'is_deepspeed_enabled')), 'DeepSpeed'),
        (lambda f: lr_find(with_flag(f, 'is_fsdp_enabled')), 'FSDP'),
        (lambda f: lr_find(make(f), mode='hold'), "mode must be 'exp' or 'linear', got 'hold'"),
        (lambda f: lr_find(make(f), mode='log'), "mode must be 'exp' or 'linear', got 'log'"),
        (lambda f: lr_find(make(f), runs=1.5), 'runs must be a whole number, got 1.5'),
        (lambda f: lr_find(make(f), runs=0), 'runs .* got 0'),
        (
            lambda f: lr_find(make(f), start_lr='1e-5'),
            "start_lr must be a learning rate or a list of them, got '1e-5'",
        ),
        (lambda f: lr_find(make(f), num_it=1), 'num_it'),
        (lambda f: lr_find(make(f), start_lr=2.0), 'start_lr'),
        (lambda f: lr_find(make(f), stop_div=0.5), 'stop_div'),
        (lambda f: lr_find(make(f), where='/no/such/place'), "where must"),
        (lambda f: lr_find(make(f), update_args=1), 'update_args .* got 1'),
        (
            lambda f: lr_find(own_optimizer(f), update_args=True),
            'update_args=True: the trainer has an optimizer already',
        ),
        (
            lambda f: lr_find(trained(f), update_args=True),
            'update_args=True: the trainer has an optimizer already',
        ),
        (
            lambda f: lr_find(with_old_scheduler(f), update_args=True),
            'the trainer has a scheduler already, .* trainer.optimizer = trainer.lr_scheduler = None first',
        ),
        (lambda f: lr_find(make(f, Ignores), update_args=True), 'does not begin at args.learning_rate=5e-05'),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(call, words, tmp_path):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=words):
        call(tmp_path)


def test_what_is_refused_changes_nothing(tmp_path):
    trainer = make(tmp_path, Ignores)
    before, verbosity = Fingerprint(trainer=trainer), transformers.logging.get_verbosity()
    with pytest.raises(ValueError):
        lr_find(trainer, update_args=True)
    trainer.train_dataset, data = None, trainer.train_dataset
    with pytest.raises(ValueError, match='trainer has no train_dataset'):
        lr_find(trainer)
    trainer.train_dataset = data
    assert before.changed() == [] and transformers.logging.get_verbosity() == verbosity


def test_after_a_training_that_was_interrupted_it_can_be_used(tmp_path):
    class Stops(TrainerCallback):
        def on_step_end(self, *args, **kw):
            raise KeyboardInterrupt

    trainer = make(tmp_path, callbacks=[Stops])
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert trainer.is_in_train and len(lr_find(trainer, verify=True, **QUICK).curve) == 12


def test_transformers_is_imported_when_it_is_used():
    code = """
import sys
import fastlr.integrations.transformers as t
assert not any(m.split('.')[0] in ('transformers', 'accelerate') for m in sys.modules)
sys.modules['transformers'] = None
try: t.lr_find(1)
except ImportError as e: print(e)
"""
    said = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[1])},
        check=True,
    ).stdout
    assert said == 'fastlr.integrations.transformers needs transformers: pip install transformers\n'


# Models and data of neighbours.


class Rows:
    "Sentences of 12 words. What they are about is the first word."

    def __init__(self):
        rng = np.random.default_rng(0)
        self.rows = []
        for label in rng.integers(0, 2, 96).tolist():
            words = [5 + label, *rng.integers(10, 30, 11).tolist()]
            self.rows.append(dict(input_ids=words, attention_mask=[1] * 12, labels=label))


def small_bert():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return BertForSequenceClassification(config)


def trainer_of(folder, model, data, **kw):
    kw = dict(per_device_train_batch_size=8, num_train_epochs=1, use_cpu=True, report_to=[]) | kw
    quiet = dict(disable_tqdm=True, save_strategy='no', logging_strategy='no')
    args = TrainingArguments(output_dir=str(folder), **quiet, **kw)
    return Trainer(model, args, train_dataset=data)


def stays_the_same(make_trainer):
    "Find a rate, and train. Return the curve, after a look at the weights without the range test."

    def weights(find):
        trainer = make_trainer()
        found = lr_find(trainer, num_it=30, probe=False, silent=True, verify=True) if find else None
        trainer.train()
        return found, trainer.model.state_dict()

    (found, after), (_, plain) = weights(True), weights(False)
    assert all(torch.equal(after[k], plain[k]) for k in plain)
    return found.curve


def test_adapters_of_peft(tmp_path):
    "LoRA: the weights of the model are frozen, and only those of the adapters are trained."
    peft = pytest.importorskip('peft')
    lora = dict(r=4, target_modules=['query', 'value'], lora_dropout=0.1)

    def make_trainer():
        model = peft.get_peft_model(small_bert(), peft.LoraConfig(task_type='SEQ_CLS', **lora))
        return trainer_of(tmp_path, model, Rows().rows)

    assert len(stays_the_same(make_trainer)) == 30


def shuffled(batch):
    ids = [torch.tensor(np.random.permutation(row)) for row in batch['input_ids']]
    return {**{k: torch.tensor(v) for k, v in batch.items()}, 'input_ids': ids}


@pytest.mark.parametrize('kind', ['Dataset', 'set_transform', 'IterableDataset'])
def test_datasets_of_hugging_face(kind, tmp_path):
    datasets = pytest.importorskip('datasets')

    def make_trainer():
        data = datasets.Dataset.from_list(Rows().rows)
        if kind == 'IterableDataset':
            data = data.to_iterable_dataset(num_shards=2).shuffle(seed=0, buffer_size=16)
            return trainer_of(tmp_path, small_bert(), data, max_steps=12)
        if kind == 'set_transform':
            data.set_transform(shuffled)
        return trainer_of(tmp_path, small_bert(), data, remove_unused_columns=False)

    assert len(stays_the_same(make_trainer)) == 30


def test_several_gpus_without_a_launcher(tmp_path):
    """The trainer wraps the model in `DataParallel`, which passes everything through without a GPU, and
    makes batches for all of them."""

    def make_trainer():
        trainer = trainer_of(tmp_path, small_bert(), Rows().rows)
        trainer.args._n_gpu = 2
        return trainer

    assert len(stays_the_same(make_trainer)) == 30
