"""The first trainings, all of which were in view when the default rule's constants were chosen or judged.

The nine at the end came in when the constants had been fixed for the first time. Digits, cancer, wine,
diabetes and the texts are real data."""

from functools import partial

import torch.nn.functional as F
from torch import nn, optim

from .data import digits, digits_themselves, friedman, friedman2, marked_sums, mnist1d, moons, next_character
from .data import python_text, ratings, raw_columns, shipped, small_friedman, small_moons, wave
from .losses import cross_entropy, each_character, likelihood
from .losses import minus_correlation, minus_cosine, minus_reward, nll
from .nets import Adder, Attention, CharAttention, CharDense, CharGRU, Factors, Flow
from .nets import Image, Signal, SignalGRU, dense
from .optimizers import adamw, sgd
from .task import Task

FIRST = dict(
    digits_mlp_sgdm=Task(
        digits,
        lambda: dense(64, 128, 10),
        sgd(0.9),
        cross_entropy,
        64,
        300,
        'digits, dense net, cross-entropy',
        real=True,
    ),
    digits_cnn_adam=Task(
        digits, Image, optim.Adam, cross_entropy, 64, 200, 'digits, convolutions, cross-entropy', real=True
    ),
    mnist1d_conv_adamw=Task(
        mnist1d, Signal, adamw, cross_entropy, 64, 400, 'mnist1d, convolutions, cross-entropy'
    ),
    friedman_mlp_sgd=Task(
        friedman, lambda: dense(10, 64, 64, 1), sgd(), F.mse_loss, 64, 300, 'friedman1, dense net, squares'
    ),
    char_gru_adam=Task(
        python_text,
        CharGRU,
        optim.Adam,
        each_character,
        32,
        200,
        'Python text, GRU, cross-entropy',
        real=True,
    ),
    digits_autoencoder_rmsprop=Task(
        digits_themselves,
        lambda: dense(64, 64, 8, 64, 64),
        optim.RMSprop,
        F.mse_loss,
        64,
        300,
        'digits, autoencoder, squares',
        real=True,
    ),
    cancer_mlp_adam=Task(
        partial(shipped, 'breast_cancer'),
        lambda: dense(30, 64, 2),
        optim.Adam,
        cross_entropy,
        16,
        200,
        'cancer, dense net, cross-entropy',
        real=True,
    ),
    digits_logreg_sgd=Task(
        digits,
        lambda: nn.Linear(64, 10),
        sgd(),
        cross_entropy,
        64,
        300,
        'digits, linear model, cross-entropy',
        real=True,
    ),
    # Attention.
    digits_attention_sgdm=Task(
        digits,
        partial(Attention, 8, 8),
        sgd(0.9),
        cross_entropy,
        64,
        250,
        'digits, attention, cross-entropy',
        real=True,
    ),
    # Batch norm.
    digits_cnn_bn_sgd=Task(
        digits, Image, sgd(), cross_entropy, 64, 200, 'digits, convolutions, cross-entropy', real=True
    ),
    wine_bn_rmsprop=Task(
        partial(shipped, 'wine'),
        lambda: dense(13, 32, 3, norm=nn.BatchNorm1d),
        optim.RMSprop,
        cross_entropy,
        16,
        150,
        'wine, dense net, cross-entropy',
        real=True,
    ),
    digits_bn_sgd5=Task(
        digits,
        lambda: dense(64, 64, 64, 10, norm=nn.BatchNorm1d),
        sgd(0.5),
        cross_entropy,
        32,
        250,
        'digits, dense net, cross-entropy',
        real=True,
    ),
    # Tanh.
    moons_tanh_sgd5=Task(
        moons,
        lambda: dense(2, 32, 32, 2, act=nn.Tanh),
        sgd(0.5),
        cross_entropy,
        32,
        300,
        'moons, dense net, cross-entropy',
    ),
    digits_tanh_adam=Task(
        digits,
        lambda: dense(64, 64, 64, 10, act=nn.Tanh),
        optim.Adam,
        cross_entropy,
        64,
        200,
        'digits, dense net, cross-entropy',
        real=True,
    ),
    wave_tanh_sgdm=Task(
        wave,
        lambda: dense(1, 64, 64, 1, act=nn.Tanh),
        sgd(0.9),
        F.mse_loss,
        64,
        400,
        'wave, dense net, squares',
    ),
    adder_rnn_adam=Task(marked_sums, Adder, optim.Adam, F.mse_loss, 64, 300, 'marked sums, RNN, squares'),
    char_dense_sgd=Task(
        next_character,
        CharDense,
        sgd(),
        cross_entropy,
        64,
        400,
        'Python text, dense net, cross-entropy',
        real=True,
    ),
    # Unscaled targets in the hundreds.
    diabetes_raw_adam=Task(
        partial(shipped, 'diabetes'),
        lambda: dense(10, 64, 1),
        optim.Adam,
        F.mse_loss,
        32,
        300,
        'diabetes, dense net, squares',
        real=True,
    ),
    diabetes_raw_sgdm=Task(
        partial(shipped, 'diabetes'),
        lambda: dense(10, 64, 1),
        sgd(0.9),
        F.mse_loss,
        32,
        300,
        'diabetes, dense net, squares',
        real=True,
    ),
    diabetes_linear_sgd=Task(
        partial(shipped, 'diabetes'),
        lambda: nn.Linear(10, 1),
        sgd(),
        F.mse_loss,
        32,
        200,
        'diabetes, linear model, squares',
        real=True,
    ),
    friedman2_raw_l1_adam=Task(
        friedman2,
        lambda: dense(4, 64, 64, 1),
        optim.Adam,
        F.l1_loss,
        64,
        300,
        'friedman2, dense net, absolute errors',
    ),
    friedman2_raw_tanh_rmsprop=Task(
        friedman2,
        lambda: dense(4, 64, 1, act=nn.Tanh),
        optim.RMSprop,
        F.mse_loss,
        64,
        300,
        'friedman2, dense net, squares',
    ),
    # Losses below zero.
    friedman_nll_adam=Task(
        small_friedman,
        lambda: dense(10, 64, 2),
        optim.Adam,
        nll,
        64,
        300,
        'friedman1, dense net, likelihood',
    ),
    moons_flow_adam=Task(small_moons, Flow, optim.Adam, likelihood, 128, 300, 'moons, flow, likelihood'),
    digits_cosine_sgdm=Task(
        digits_themselves,
        lambda: dense(64, 32, 64),
        sgd(0.9),
        minus_cosine,
        64,
        300,
        'digits, autoencoder, cosine',
        real=True,
    ),
    digits_policy_adamw=Task(
        digits,
        lambda: dense(64, 64, 10),
        adamw,
        minus_reward,
        32,
        250,
        'digits, dense net, reward',
        real=True,
    ),
    # Others.
    ratings_factors_adam=Task(
        ratings, Factors, optim.Adam, F.mse_loss, 128, 300, 'ratings, factors, squares'
    ),
    columns_logreg_sgdm=Task(
        raw_columns,
        lambda: nn.Linear(20, 2),
        sgd(0.9),
        cross_entropy,
        32,
        250,
        'raw columns, linear model, cross-entropy',
    ),
    digits_mlp_small_batch_adam=Task(
        digits,
        lambda: dense(64, 64, 10),
        optim.Adam,
        cross_entropy,
        8,
        400,
        'digits, dense net, cross-entropy',
        real=True,
    ),
)

HELD_OUT = dict(
    mnist1d_attention_adamw=Task(
        mnist1d,
        partial(Attention, 10, 4),
        adamw,
        cross_entropy,
        64,
        300,
        'mnist1d, attention, cross-entropy',
    ),
    digits_attention_deep_adam=Task(
        digits,
        partial(Attention, 8, 8, layers=3),
        optim.Adam,
        cross_entropy,
        32,
        200,
        'digits, attention, cross-entropy',
        real=True,
    ),
    char_attention_adam=Task(
        python_text,
        CharAttention,
        optim.Adam,
        each_character,
        32,
        200,
        'Python text, attention, cross-entropy',
        real=True,
    ),
    mnist1d_conv_bn_nesterov=Task(
        mnist1d,
        partial(Signal, norm=True),
        sgd(0.9, nesterov=True),
        cross_entropy,
        64,
        300,
        'mnist1d, convolutions, cross-entropy',
    ),
    mnist1d_gru_nadam=Task(
        mnist1d, SignalGRU, optim.NAdam, cross_entropy, 64, 300, 'mnist1d, GRU, cross-entropy'
    ),
    wine_tanh_sgd=Task(
        partial(shipped, 'wine'),
        lambda: dense(13, 32, 3, act=nn.Tanh),
        sgd(),
        cross_entropy,
        16,
        150,
        'wine, dense net, cross-entropy',
        real=True,
    ),
    friedman2_raw_bn_sgdm=Task(
        friedman2,
        lambda: dense(4, 64, 64, 1, norm=nn.BatchNorm1d),
        sgd(0.9),
        F.mse_loss,
        64,
        300,
        'friedman2, dense net, squares',
    ),
    friedman_correlation_sgd5=Task(
        friedman,
        lambda: dense(10, 64, 1, act=nn.Tanh),
        sgd(0.5),
        minus_correlation,
        64,
        300,
        'friedman1, dense net, correlation',
    ),
    digits_layernorm_adamw=Task(
        digits,
        lambda: dense(64, 64, 64, 10, norm=nn.LayerNorm),
        partial(optim.AdamW, weight_decay=0.1),
        cross_entropy,
        32,
        200,
        'digits, dense net, cross-entropy',
        real=True,
    ),
)

FITTED = {**FIRST, **HELD_OUT}
