"Trainings on which the default rule's constants are chosen, besides those of `fitted.py`."

from functools import partial

from torch import nn, optim

from . import made, real
from .data import digits
from .losses import binary, counts, cross_entropy, each_character, elbo, squares
from .nets import dense, shrunk
from .optimizers import adafactor, adamw, muon, sgd
from .sequences import Channels, Decoder, Messages, Recurrent, Table
from .task import family
from .vision import VAE, FineTuned, UNet, plain_net, residual_net

CHOSEN_ON = {
    **family(
        'real digits, residual net, cross-entropy',
        partial(real.mnist, 14),
        cross_entropy,
        model=residual_net,
        bs=32,
        steps=200,
        real=True,
        trainings=dict(
            mnist_resnet_nesterov=sgd(0.9, nesterov=True, weight_decay=5e-4),
            mnist_resnet_adamw=adamw,
            mnist_resnet_noisy_labels_sgdm=dict(opt=sgd(0.9), data=real.wrongly_labelled),
        ),
    ),
    **family(
        'real spoken vowels, LSTM, cross-entropy',
        partial(real.series, 'JapaneseVowels', 16),
        cross_entropy,
        model=partial(Channels, nn.LSTM, 12, 32, 9),
        bs=16,
        steps=200,
        real=True,
        trainings=dict(
            vowels_lstm_adam=optim.Adam,
            vowels_lstm_rmsprop=optim.RMSprop,
            vowels_lstm_sgdm=sgd(0.9),
        ),
    ),
    **family(
        'real visits to doctors, dense net with embeddings, Poisson loss',
        real.doctor_visits,
        counts,
        model=Table,
        bs=64,
        steps=300,
        real=True,
        trainings=dict(
            visits_adagrad=optim.Adagrad,
            visits_dropout_adam=dict(opt=optim.Adam, model=partial(Table, dropout=0.3)),
            visits_nadam=optim.NAdam,
        ),
    ),
    **family(
        'real English text, transformer, cross-entropy',
        real.english_text,
        each_character,
        model=Decoder,
        bs=16,
        steps=150,
        real=True,
        trainings=dict(
            english_transformer_adamw=partial(optim.AdamW, betas=(0.9, 0.95), weight_decay=0.1),
            english_transformer_adafactor=adafactor,
            english_transformer_radam=optim.RAdam,
        ),
    ),
    **family(
        'parity of some bits, dense net, binary cross-entropy',
        partial(made.parity, of=4),
        binary,
        model=lambda: dense(12, 64, 64, 1),
        bs=32,
        steps=600,
        trainings=dict(
            parity_sgdm=sgd(0.9),
            parity_five_adam=dict(opt=optim.Adam, data=partial(made.parity, of=5)),
            parity_five_rmsprop=dict(opt=optim.RMSprop, data=partial(made.parity, of=5)),
            parity_five_muon=dict(
                opt=muon, data=partial(made.parity, of=5), model=lambda: dense(12, 64, 64, 1, bias=False)
            ),
        ),
    ),
    **family(
        'real digits, deep plain convolutions, cross-entropy',
        partial(real.mnist, 8),
        cross_entropy,
        model=plain_net,
        bs=32,
        steps=300,
        real=True,
        trainings=dict(
            mnist_plain_adam=optim.Adam,
        ),
    ),
    **family(
        'order of two symbols, LSTM, cross-entropy',
        partial(made.temporal_order, length=36),
        cross_entropy,
        model=partial(Recurrent, nn.LSTM, 6, 24, 4),
        bs=32,
        steps=400,
        trainings=dict(
            order_lstm_rmsprop=optim.RMSprop,
            order_lstm_adam=optim.Adam,
        ),
    ),
    **family(
        'real digits, deep autoencoder, squares',
        real.centred_mnist,
        squares,
        model=lambda: shrunk(0.12, dense(196, 32, 8, 32, 196, act=nn.Tanh)),
        bs=32,
        steps=500,
        real=True,
        trainings=dict(
            mnist_autoencoder_sgd=sgd(),
            mnist_autoencoder_sgdm=sgd(0.9),
            mnist_autoencoder_nesterov=dict(
                opt=sgd(0.9, nesterov=True), model=lambda: shrunk(0.3, dense(196, 32, 8, 32, 196))
            ),
        ),
    ),
    **family(
        'real digits, dense net, cross-entropy',
        real.flat_mnist,
        cross_entropy,
        model=lambda: shrunk(0.4, dense(196, 32, 32, 32, 10)),
        bs=32,
        steps=500,
        real=True,
        trainings=dict(
            mnist_small_weights_sgd=sgd(),
            mnist_small_weights_sgdm=sgd(0.9),
            mnist_small_weights_nesterov=dict(
                opt=sgd(0.9, nesterov=True), model=lambda: shrunk(0.6, dense(196, 32, 32, 32, 32, 10))
            ),
        ),
    ),
    **family(
        'digits, variational autoencoder, evidence bound',
        lambda: (digits()[0],) * 2,
        elbo,
        model=VAE,
        bs=64,
        steps=300,
        trainings=dict(
            digits_vae_adam=optim.Adam,
            digits_vae_adamax=optim.Adamax,
            digits_vae_sgd=sgd(),
        ),
    ),
    **family(
        'discs, U-Net, binary cross-entropy of each pixel',
        made.shapes,
        binary,
        model=UNet,
        bs=16,
        steps=120,
        trainings=dict(
            discs_unet_adam=optim.Adam,
            discs_unet_rmsprop=optim.RMSprop,
            discs_unet_plain_sgd5=dict(opt=sgd(0.5), model=partial(UNet, norm=False), steps=200),
        ),
    ),
    **family(
        'triangles in graphs, message passing, squares of large targets',
        made.graphs,
        nn.functional.mse_loss,
        model=Messages,
        bs=32,
        steps=300,
        trainings=dict(
            triangles_adam=optim.Adam,
            triangles_adafactor=adafactor,
        ),
    ),
    **family(
        'real digits, trained EfficientNet, cross-entropy',
        partial(real.mnist, 64, 320),
        cross_entropy,
        model=FineTuned,
        bs=8,
        steps=40,
        real=True,
        costly=True,
        trainings=dict(
            finetune_all_adamw=adamw,
            finetune_all_sgdm=sgd(0.9),
            finetune_head_adam=dict(opt=optim.Adam, model=partial(FineTuned, frozen=True), bs=16, steps=60),
        ),
    ),
}
