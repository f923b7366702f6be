"""Measure how good the suggestions of `fastlr.integrations.transformers` are for fine-tuning.

    python benchmarks/fine_tuning.py

Small transformers are trained for some seconds on the source code of Python's standard library, and then
fine-tuned from the same weights at many rates. Nothing is downloaded. The script takes ten minutes on a slow
core, and writes fine_tuning.json to its own folder."""

import copy, functools, json, os, random, tempfile
from pathlib import Path

import numpy as np
import torch
import transformers as hf

from fastlr import LRCurve
from fastlr.integrations.transformers import TrainerLRFound, lr_find

RATES = np.logspace(-4.5, -1, 8).tolist()
# Each schedule with the number of seeds that are trained at each rate.
SCHEDULES = dict(linear=2, constant=2, cosine=1)
# The number of sweeps for each task, of characters in an example, and of updates in a fine-tuning.
SEEDS = 2
LENGTH = 32
UPDATES = 60
GPT = dict(
    n_embd=32,
    n_layer=2,
    n_head=4,
    n_positions=64,
    vocab_size=128,
    bos_token_id=0,
    eos_token_id=0,
    pad_token_id=0,
)
BERT = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    vocab_size=128,
    max_position_embeddings=64,
)
# The modules whose source is learnt first, and those of two fine-tunings, the second of which is easier.
FIRST = ('argparse', 'typing', 'inspect', 'tarfile', 'datetime', 'socket', 'mailbox', 'ast')
SECOND = ('turtle', 'zipfile', 'html/entities', 'difflib')
EASY = ('turtle', 'zipfile', 'html/entities', 'encodings/cp1252')


def pieces(module, n):
    "Return `n` pieces of the source of `module`, as tensors of characters."
    text = (Path(os.__file__).parent / f'{module}.py').read_text(errors='ignore')
    ids = torch.tensor([min(ord(c), 127) for c in text])
    return [ids[i : i + LENGTH] for i in torch.linspace(0, len(ids) - LENGTH - 1, n).long().tolist()]


def split(rows):
    "Shuffle `rows`, and return three quarters of them for training, the rest for testing."
    random.Random(0).shuffle(rows)
    return rows[len(rows) // 4 :], rows[: len(rows) // 4]


def classes(modules, n=400):
    "Return examples whose label is the module that a piece is from."
    return split([dict(input_ids=p, labels=k) for k, m in enumerate(modules) for p in pieces(m, n)])


def texts(modules, n=1200):
    "Return examples of which each character is to be predicted from those before it."
    return split([dict(input_ids=p, labels=p) for m in modules for p in pieces(m, n)])


def trainer(model, rows, test=None, seed=0, updates=UPDATES, **kw):
    "Return a silent Trainer on the CPU; `kw` are arguments of `TrainingArguments`."
    settings = {
        'per_device_train_batch_size': 16,
        'per_device_eval_batch_size': 100,
        'warmup_steps': updates // 10,
        **kw,
    }
    args = hf.TrainingArguments(
        tempfile.gettempdir(),
        seed=seed,
        max_steps=updates,
        report_to=[],
        save_strategy='no',
        logging_strategy='no',
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        **settings,
    )
    t = hf.Trainer(model, args, train_dataset=rows, eval_dataset=test)
    t.remove_callback(hf.PrinterCallback)
    return t


def first_texts():
    return texts(FIRST)


def first_classes():
    return classes(FIRST)


def gpt(labels):
    return hf.GPT2Config(**GPT, num_labels=labels)


def bert(labels):
    return hf.BertConfig(**BERT, num_labels=labels)


def roberta(labels):
    return hf.RobertaConfig(**{**BERT, 'max_position_embeddings': 80}, pad_token_id=0, num_labels=labels)


# name: (class of the first model, its configuration, the data of its training or None;
#        class of the fine-tuned model, data and settings of the fine-tuning)
TASKS = dict(
    gpt2_language=(hf.GPT2LMHeadModel, gpt, first_texts, hf.GPT2LMHeadModel, lambda: texts(['turtle']), {}),
    gpt2_classes=(
        hf.GPT2LMHeadModel,
        gpt,
        first_texts,
        hf.GPT2ForSequenceClassification,
        lambda: classes(SECOND),
        {},
    ),
    gpt2_small_batches=(
        hf.GPT2LMHeadModel,
        gpt,
        first_texts,
        hf.GPT2ForSequenceClassification,
        lambda: classes(EASY),
        dict(per_device_train_batch_size=4),
    ),
    bert_classes=(
        hf.BertForSequenceClassification,
        bert,
        first_classes,
        hf.BertForSequenceClassification,
        lambda: classes(SECOND),
        {},
    ),
    roberta_decay=(
        hf.RobertaForSequenceClassification,
        roberta,
        first_classes,
        hf.RobertaForSequenceClassification,
        lambda: classes(EASY),
        dict(weight_decay=0.1, per_device_train_batch_size=8, gradient_accumulation_steps=2),
    ),
    bert_untrained=(
        hf.BertForSequenceClassification,
        bert,
        None,
        hf.BertForSequenceClassification,
        lambda: classes(EASY),
        {},
    ),
    gpt2_untrained=(hf.GPT2LMHeadModel, gpt, None, hf.GPT2LMHeadModel, lambda: texts(['turtle']), {}),
)


def pretrained(cls, config, data, target):
    "Return the model to fine-tune, with those weights of the first training that fit into it."
    weights = first_weights(cls, config, data) if data else {}
    hf.set_seed(1)
    model = target(config(4))
    # The head is trained anew, since its number of classes changes.
    head = ('classifier.out', 'classifier.weight', 'classifier.bias')
    fitting = {k: v for k, v in weights.items() if k in model.state_dict() and not k.startswith(head)}
    model.load_state_dict(fitting, strict=False)
    return model


@functools.cache
def first_weights(cls, config, data):
    "Return the weights after the first training."
    hf.set_seed(0)
    t = trainer(cls(config(len(FIRST))), data()[0], updates=300, learning_rate=5e-3)
    t.train()
    return t.model.state_dict()


def run(name):
    "Sweep and fine-tune for the task `name`; return its loss at the start, its curves, and its final losses."
    model = pretrained(*TASKS[name][:4])
    data, kw = TASKS[name][4:]
    rows, test = data()

    def fresh(**more):
        return trainer(copy.deepcopy(model), rows, test, **more, **kw)

    def final(lr, schedule, seed):
        t = fresh(seed=seed, learning_rate=lr, lr_scheduler_type=schedule)
        t.train()
        return t.evaluate()['eval_loss']

    curves = [lr_find(fresh(seed=seed), silent=True).curve for seed in range(SEEDS)]
    return dict(
        start=fresh().evaluate()['eval_loss'],
        curves=[c.to_dict() for c in curves],
        grid={
            schedule: [[final(lr, schedule, seed) for seed in range(n)] for lr in RATES]
            for schedule, n in SCHEDULES.items()
        },
    )


def regret(result, schedule, lr):
    """Return the part of the best rate's gain that is lost at `lr`, from 0 to 1.

    Between the rates of the grid the losses are interpolated.
    """
    final = np.mean(result['grid'][schedule], 1)
    best = final.min()
    loss = np.interp(np.log10(lr), np.log10(RATES), final)
    return float(np.clip((loss - best) / (result['start'] - best), 0, 1))


def regrets(results, schedule):
    "Return the regrets of the suggestions of each task's sweeps: {task: [regret]}."
    return {
        name: [regret(r, schedule, suggested(curve, schedule)) for curve in r['curves']]
        for name, r in results.items()
    }


def suggested(curve, schedule):
    "Return the rate that the stored `curve` suggests to a trainer with this schedule."
    return TrainerLRFound(LRCurve.from_dict(curve), schedule).suggestion()


if __name__ == '__main__':
    hf.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    path = Path(__file__).with_suffix('.json')
    results = {}
    for name in TASKS:
        results[name] = run(name)
        path.write_text(json.dumps(results))
    for schedule in SCHEDULES:
        print(schedule, {name: np.round(r, 2).tolist() for name, r in regrets(results, schedule).items()})
