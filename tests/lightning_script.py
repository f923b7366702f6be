"""A training script with Lightning, which launches the second process by itself: lightning_script.py FOLDER.

Each process writes RANK.json in the folder."""

import json, sys
from pathlib import Path

import torch

from scenarios import lightning

torch.set_num_threads(1)
trained = lightning.trained(True)
trainer = trained.trainer
rank = trainer.global_rank
plain = lightning.trained(False).end
fault = lightning.fault(rank)
found = dict(
    losses=trained.curve.losses.tolist(),
    after=trained.end,
    plain=plain,
    fault=fault,
    processes=len(trainer.strategy.launcher.procs),
)
(Path(sys.argv[1]) / f'{rank}.json').write_text(json.dumps(found))
