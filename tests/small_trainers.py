"Hugging Face Trainers of small models, for the tests with one process and for those with several."

import random

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

CLASSES = BertConfig(
    vocab_size=32,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=16,
    num_labels=3,
)
WORDS = GPT2Config(
    vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0
)


def rows(n=70, seed=0):
    "Return sequences of 8 words. Their class is the third of the vocabulary that the first word is from."
    ids = torch.randint(32, (n, 8), generator=torch.Generator().manual_seed(seed))
    return [dict(input_ids=i, labels=i[0] // 11) for i in ids]


def ragged(n=70):
    "Return rows for a language model, with another number of words to predict in each row."
    predicted = lambda i: torch.arange(8) < 2 + i % 7
    return [
        dict(input_ids=row['input_ids'], labels=torch.where(predicted(i), row['input_ids'], -100))
        for i, row in enumerate(rows(n))
    ]


def bert():
    return BertForSequenceClassification(CLASSES)


OF_TRAINER = 'callbacks', 'optimizers', 'eval_dataset', 'compute_loss_func', 'model_init'
SETTINGS = dict(
    per_device_train_batch_size=8,
    max_steps=7,
    logging_steps=1,
    report_to=[],
    save_strategy='no',
    disable_tqdm=True,
    use_cpu=True,
    dataloader_pin_memory=False,
)


def make(folder, cls=Trainer, data=None, model=bert, **kwargs):
    "Return a trainer of a small BERT with dropout."
    options = {name: kwargs.pop(name) for name in OF_TRAINER if name in kwargs}
    set_seed(0)
    args = TrainingArguments(str(folder / 'out'), **{**SETTINGS, **kwargs})
    model = None if 'model_init' in options else model()
    return cls(model, args, train_dataset=rows() if data is None else data, **options)


def language(folder):
    "Return a trainer of a small GPT-2, whose windows differ in the number of words."
    return make(folder, data=ragged(), model=lambda: GPT2LMHeadModel(WORDS), gradient_accumulation_steps=2)


def state(trainer):
    "Return all that the rest of the training may depend on, and its logs."
    m, opt = trainer.model, trainer.optimizer
    timing = 'runtime', '_per_second'
    logs = [{k: v for k, v in log.items() if not k.endswith(timing)} for log in trainer.state.log_history]
    rng = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    return dict(
        weights=m.state_dict(),
        modes=[x.training for x in m.modules()],
        grads=[p.grad for p in m.parameters()],
        opt=opt and opt.state_dict(),
        logs=logs,
        seen=getattr(trainer, 'history', None),
        rng=rng,
    )
