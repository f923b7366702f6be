"""A training script with Lightning, which launches the second process by itself: lightning_script.py FOLDER.

Each process writes RANK.json in the folder."""

import json, sys
from pathlib import Path

import torch

from scenarios import lightning

torch.set_num_threads(1)
trainer, _, curve, after = lightning.trained(True)
rank = trainer.global_rank
plain = lightning.trained(False)[3]
fault = lightning.fault(rank)
found = dict(
    losses=curve.losses.tolist(),
    after=after,
    plain=plain,
    fault=fault,
    processes=len(trainer.strategy.launcher.procs),
)
(Path(sys.argv[1]) / f'{rank}.json').write_text(json.dumps(found))
