"Find a learning rate for a small network on handwritten digits, draw the curve, and train at that rate."

from pathlib import Path

import torch
from fastlr import Learner, accuracy, digits_data, simple_cnn

torch.manual_seed(0)
learn = Learner(digits_data(), simple_cnn((1, 16, 32, 10)), metrics=accuracy)

curve = learn.lr_find()
fig = learn.recorder.plot(suggestion=True, return_fig=True)
out = Path('runs/example')
out.mkdir(parents=True, exist_ok=True)
fig.savefig(out / 'lr-loss.png', dpi=120, bbox_inches='tight')
curve.save(out / 'curve.json')
print(f"The picture of the curve is in {(out / 'lr-loss.png').resolve()}")

suggestion = curve.suggest()
print(f"\nSuggested constant rate: {suggestion.lr:.2E} ({suggestion.reason})")
print(f"Five epochs of one-cycle training, up to a rate of {suggestion.one_cycle:.2E}:")
learn.fit_one_cycle(5, suggestion)
