"Scenarios with a Hugging Face Trainer and its `lr_find`."

import contextlib, io
from functools import partial
from pathlib import Path

from fastlr.integrations.transformers import lr_find
from scenarios import error_of, scenario
from small_trainers import language, make, state


def trained(trainer, detour, times):
    """Train this number of times, with a range test before each on request.

    Return what was found, and what was printed."""
    curves, said = [], []
    for _ in range(times):
        if detour:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                curves.append(lr_find(trainer, num_it=30, probe=False, verify=True).curve.to_dict())
            said.append(out.getvalue())
        trainer.train()
    return curves, said


def with_and_without(name, kind, times):
    """Run the same training with and without range tests.

    Return the curves, what was printed, and whether both ended alike."""
    ends = []
    for detour in (False, True):
        trainer = kind(Path(f'{name}{detour}'))
        curves, said = trained(trainer, detour, times)
        ends.append([state(trainer)['logs'], [p.tolist() for p in trainer.model.parameters()]])
    return dict(curves=curves, said=said, same=ends[0] == ends[1])


@scenario
def plain(rank):
    "Run a range test before the first training, and one before the second."
    return with_and_without('plain', partial(make, gradient_accumulation_steps=2), 2)


@scenario
def words(rank):
    return with_and_without('words', language, 1)


@scenario
def fault(rank):
    trainer, calls = make(Path('fails')), []
    usual = trainer.data_collator

    def collate(rows):
        calls.append(rows)
        if rank and len(calls) == 4:
            raise KeyError('unreadable')
        return usual(rows)

    trainer.data_collator = collate
    return error_of(lr_find, trainer)


@scenario
def probes(rank):
    return lr_find(make(Path('probes')), num_it=30, probe=True, verify=True, silent=True).curve
