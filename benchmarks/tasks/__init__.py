"""Small trainings on which suggested learning rates are judged; none needs a download or a GPU.

    setup = TASKS['char_gru_adam'].build(seed=0)        # the same weights and batches for the same seed
    opt = setup.opt(1e-3)
    for xb, yb in setup.train: ...

They are small, so that each can be trained hundreds of times, and as different as small trainings can be:
dense, convolutional, recurrent and attention nets, graphs and autoencoders; with and without normalization;
real and made-up data; losses around 0.1, in the hundred thousands, and below zero; all the optimizers that
people use; some that fall at once, and some that do not fall visibly in the first hundred updates.

A *family* is the data, the kind of net and the loss; its trainings differ in optimizer, width, depth or batch
size. The trainings are in three splits, and no family is in two:

- `FITTED`: the first 38, all of which were in view when rules were made and compared.
- `CHOSEN_ON`: more families, to see and to choose on.
- `LOCKED`: families of the same kinds as those of `CHOSEN_ON`, drawn alternately with them when both were
  written. Nothing is chosen on them: they are scored once per release, when all constants are fixed, and
  whoever works on the rules doesn't look at their results before.

`pip install fastlr-finder[tasks]` brings the data and the trained net.
"""

from .chosen_on import CHOSEN_ON
from .fitted import FITTED, HELD_OUT
from .locked import LOCKED
from .task import Setup, Task

TASKS = {**FITTED, **CHOSEN_ON, **LOCKED}

__all__ = ['CHOSEN_ON', 'FITTED', 'HELD_OUT', 'LOCKED', 'TASKS', 'Setup', 'Task']
