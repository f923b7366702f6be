"Trainings of other families, on which nothing is chosen: they are scored once per release."

from functools import partial

import torch.nn.functional as F
from torch import nn, optim

from . import made, real
from .data import mnist1d
from .losses import binary, cross_entropy, quantiles, squares, triplet
from .nets import dense, shrunk
from .optimizers import adafactor, adamw, sgd
from .sequences import Forecast, Recurrent, Residual1d, Words
from .task import family
from .vision import FineTuned, Patches, sine_net

LOCKED = {
    **family(
        'real digits, vision transformer, cross-entropy',
        partial(real.mnist, 28, 3000),
        cross_entropy,
        model=Patches,
        bs=16,
        steps=150,
        real=True,
        trainings=dict(
            mnist_vit_adamw=partial(optim.AdamW, weight_decay=0.05),
            mnist_vit_dropout_radam=dict(opt=optim.RAdam, model=partial(Patches, dropout=0.1)),
        ),
    ),
    **family(
        'real leaves, wide convolutions, cross-entropy',
        real.leaves,
        cross_entropy,
        model=Residual1d,
        bs=16,
        steps=150,
        real=True,
        trainings=dict(
            leaves_conv_adam=optim.Adam,
            leaves_conv_nesterov=sgd(0.9, nesterov=True),
        ),
    ),
    **family(
        'real cars, dense net, absolute errors',
        real.fuel,
        F.l1_loss,
        model=lambda: dense(7, 32, 32, 1),
        bs=16,
        steps=300,
        real=True,
        trainings=dict(
            fuel_adam=optim.Adam,
            fuel_adagrad=optim.Adagrad,
            fuel_bn_sgdm=dict(opt=sgd(0.9), model=lambda: dense(7, 32, 32, 1, norm=nn.BatchNorm1d)),
        ),
    ),
    **family(
        'real temperatures, convolutions, quantiles',
        real.temperatures,
        quantiles,
        model=Forecast,
        bs=32,
        steps=250,
        real=True,
        trainings=dict(
            temperature_adamw=adamw,
            temperature_rmsprop=optim.RMSprop,
            temperature_sgd5=sgd(0.5),
        ),
    ),
    **family(
        'real texts, convolutions, cross-entropy',
        real.modules,
        cross_entropy,
        model=Words,
        bs=32,
        steps=250,
        real=True,
        trainings=dict(
            modules_adam=optim.Adam,
            modules_dropout_nadam=dict(opt=optim.NAdam, model=partial(Words, dropout=0.3)),
            modules_adagrad=optim.Adagrad,
        ),
    ),
    **family(
        'checkerboard, dense net, binary cross-entropy',
        partial(made.checkerboard, fields=3),
        binary,
        model=lambda: dense(2, 48, 48, 1, act=nn.Tanh),
        bs=32,
        steps=600,
        trainings=dict(
            checkerboard_sgdm=sgd(0.9),
            checkerboard_nesterov=sgd(0.9, nesterov=True),
            checkerboard_rmsprop=optim.RMSprop,
        ),
    ),
    **family(
        'sum modulo three, dense net, cross-entropy',
        made.sum_modulo_three,
        cross_entropy,
        model=lambda: dense(24, 64, 64, 3),
        bs=32,
        steps=500,
        trainings=dict(
            modulo_sgdm=sgd(0.9),
            modulo_four_adam=dict(opt=optim.Adam, data=partial(made.sum_modulo_three, 4)),
            modulo_four_nadam=dict(opt=optim.NAdam, data=partial(made.sum_modulo_three, 4)),
        ),
    ),
    **family(
        'mnist1d, deep tanh net, cross-entropy',
        mnist1d,
        cross_entropy,
        model=lambda: shrunk(0.3, dense(40, 48, 48, 48, 10, act=nn.Tanh)),
        bs=32,
        steps=600,
        trainings=dict(
            mnist1d_tanh_sgd=dict(
                opt=sgd(), model=lambda: shrunk(0.5, dense(40, 48, 48, 48, 10, act=nn.Tanh))
            ),
            mnist1d_tanh_sgdm=sgd(0.9),
            mnist1d_tanh_nesterov=sgd(0.9, nesterov=True, weight_decay=1e-4),
        ),
    ),
    **family(
        'a first symbol, RNN, cross-entropy',
        made.first_symbol,
        cross_entropy,
        model=partial(Recurrent, nn.RNN, 8, 24, 4),
        bs=32,
        steps=300,
        trainings=dict(
            first_symbol_adam=optim.Adam,
            first_symbol_adamax=optim.Adamax,
        ),
    ),
    **family(
        'a matrix of low rank, deep linear net, squares',
        made.low_rank,
        squares,
        model=lambda: shrunk(0.3, dense(24, 24, 24, 24, act=nn.Identity, bias=False)),
        bs=32,
        steps=500,
        trainings=dict(
            low_rank_sgd=sgd(),
            low_rank_sgdm=dict(
                opt=sgd(0.9), model=lambda: shrunk(0.15, dense(24, 24, 24, 24, act=nn.Identity, bias=False))
            ),
        ),
    ),
    **family(
        'noise in digits, dense net, squares',
        made.noisy_digits,
        F.mse_loss,
        model=lambda: dense(65, 128, 128, 64, act=nn.SiLU),
        bs=64,
        steps=400,
        trainings=dict(
            noise_adam=optim.Adam,
            noise_layernorm_adamw=dict(
                opt=adamw, model=lambda: dense(65, 128, 128, 64, act=nn.SiLU, norm=nn.LayerNorm)
            ),
            noise_adafactor=adafactor,
        ),
    ),
    **family(
        'triplets of real digits, dense net, margin',
        real.triplets,
        triplet,
        model=lambda: dense(196, 48, 8),
        bs=32,
        steps=250,
        real=True,
        trainings=dict(
            triplets_adamax=optim.Adamax,
            triplets_sgdm=sgd(0.9),
        ),
    ),
    **family(
        'a real photo, sine net, squares',
        real.pixels,
        F.mse_loss,
        model=sine_net,
        bs=64,
        steps=400,
        real=True,
        trainings=dict(
            photo_adam=optim.Adam,
            photo_sgdm=sgd(0.9),
        ),
    ),
    **family(
        'some of ten labels, dense net, binary cross-entropy',
        made.labels,
        binary,
        model=lambda: dense(20, 64, 64, 10, norm=nn.LayerNorm),
        bs=32,
        steps=250,
        trainings=dict(
            labels_sgd5=sgd(0.5),
            labels_adagrad=optim.Adagrad,
            labels_plain_sgd=dict(opt=sgd(), model=lambda: dense(20, 64, 10)),
        ),
    ),
    **family(
        'turned real photos, trained EfficientNet, cross-entropy',
        real.turned_crops,
        cross_entropy,
        model=partial(FineTuned, classes=4),
        bs=8,
        steps=40,
        real=True,
        costly=True,
        trainings=dict(
            turned_all_nesterov=sgd(0.9, nesterov=True),
            turned_head_adamw=dict(
                opt=adamw, model=partial(FineTuned, classes=4, frozen=True), bs=16, steps=60
            ),
        ),
    ),
}
