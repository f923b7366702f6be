"Nets that learn nothing in a hundred updates: their sweep can't tell, and the default answer still is good."

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from fastlr import NoSuggestion, find_lr

RATES = np.geomspace(2e-2, 0.4, 4)
# A rate is far off if it is further than this from the best one.
FAR = np.log10(5)
LOSS = nn.BCEWithLogitsLoss()


@cache
def signs():
    "Return points in space, and whether an even number of their coordinates is negative."
    x = torch.randn(2048, 3, generator=torch.Generator().manual_seed(0))
    return x, (x.sign().prod(1, keepdim=True) > 0).float()


def start(seed, lr):
    "Return a new net of tanh layers, its optimizer, and its loader."
    torch.manual_seed(seed)
    hidden = [layer for _ in range(6) for layer in (nn.Linear(32, 32), nn.Tanh())]
    net = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), *hidden, nn.Linear(32, 1))
    loader = DataLoader(TensorDataset(*signs()), 64, shuffle=True)
    return net, SGD(net.parameters(), lr=lr, momentum=0.9), loader


def trained(seed, lr, epochs=20):
    "Return the loss after a short training at rate `lr`; infinite if it diverged."
    net, opt, loader = start(seed, lr)
    for _ in range(epochs):
        for xb, yb in loader:
            opt.zero_grad()
            LOSS(net(xb), yb).backward()
            opt.step()
    with torch.no_grad():
        loss = float(LOSS(net(signs()[0]), signs()[1]))
    return loss if np.isfinite(loss) else np.inf


def answer(seed, probe):
    net, opt, loader = start(seed, 0.1)
    curve = find_lr(net, opt, LOSS, loader, progress=False, probe=probe)
    try:
        return float(curve.suggest())
    except NoSuggestion:
        return None


def test_probes_find_the_rate_where_the_sweep_alone_does_not():
    "The sweep alone is far off, or has no answer, for one seed or more; the default never is."
    far = 0
    for seed in range(3):
        best = RATES[np.argmin([trained(seed, lr) for lr in RATES])]
        alone, default = answer(seed, False), answer(seed, 'auto')
        far += alone is None or abs(np.log10(alone / best)) > FAR
        assert abs(np.log10(default / best)) < FAR, (seed, alone, default, best)
    assert far
