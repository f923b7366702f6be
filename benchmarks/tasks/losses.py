"Losses: each takes the output of a net and the target, and returns a scalar."

import torch
import torch.nn.functional as F
from torch import nn

cross_entropy = nn.CrossEntropyLoss()


def each_character(out, y):
    return F.cross_entropy(out.flatten(0, 1), y.flatten())


def nll(out, y):
    "Return the negative log likelihood of a normal distribution, which is below zero if targets are small."
    return F.gaussian_nll_loss(out[:, :1], y, out[:, 1:].clamp(-12, 12).exp())


def likelihood(out, y):
    return -out.mean()


def minus_cosine(out, y):
    return -F.cosine_similarity(out, y).mean()


def minus_correlation(out, y):
    a, b = out - out.mean(0), y - y.mean(0)
    return -((a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0) + 1e-6)).mean()


def minus_reward(out, y):
    "Return the negative reward of a policy that is rewarded for the right answer."
    return -out.softmax(1).gather(1, y[:, None]).mean()


def binary(out, y):
    return F.binary_cross_entropy_with_logits(out, y)


def counts(out, y):
    "Return the Poisson loss of counts; the net gives their logarithm."
    return F.poisson_nll_loss(out, y)


def squares(out, y):
    "Return the mean over the rows of the sum of squares."
    return ((out - y) ** 2).flatten(1).sum(1).mean()


def elbo(out, y):
    "Return what a variational autoencoder loses per image: its net gives the image, means and log variances."
    n = y.shape[1]
    image, mean, log_var = out[:, :n], *out[:, n:].chunk(2, 1)
    missing = F.binary_cross_entropy_with_logits(image, y, reduction='sum') / len(y)
    return missing + 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum() / len(y)


def quantiles(out, y, at=(0.1, 0.5, 0.9)):
    "Return the loss of the quantiles that the columns of the output are."
    over = y - out
    share = torch.tensor(at)
    return torch.maximum(share * over, (share - 1) * over).mean()


def triplet(out, y):
    "Return by how much the second of three points is not nearer to the first than the third is."
    near, far = ((out[:, 0] - out[:, k]).pow(2).sum(1) for k in (1, 2))
    return F.relu(1 + near - far).mean()
