"Optimizers with the settings that people use: each takes the parameters and `lr`."

from functools import partial

from torch import optim

adamw = partial(optim.AdamW, weight_decay=0.01)


def sgd(momentum=0.0, **kw):
    return partial(optim.SGD, momentum=momentum, **kw)


def adafactor(parameters, lr):
    "Return torch's Adafactor, which came with torch 2.5."
    return optim.Adafactor(parameters, lr=lr)


def muon(parameters, lr):
    "Return torch's Muon, which came with torch 2.9; it takes matrices only, so the net must have no biases."
    return optim.Muon(parameters, lr=lr)
