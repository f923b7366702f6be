"Curves whose features are known."

import numpy as np

from fastlr import LRCurve


LRS = 10 ** np.linspace(-7, 1, 100)


def a_curve(centre=1e-2, noise=0.01, seed=0, edge=1.0, lrs=LRS, **kw):
    "Return a curve whose losses fall by 2 around the rate `centre` and break away beyond `edge`."
    losses = (
        2.5
        - 2 / (1 + (centre / lrs) ** 1.5)
        + 20 * np.maximum(lrs - edge, 0)
        + np.random.default_rng(seed).normal(0, noise, len(lrs))
    )
    return LRCurve(lrs, losses, shift=0, **{'stop_reason': 'diverged', **kw})


def decades(a, b):
    return abs(np.log10(a / b))


def flat(seed=0, n=100, noise=0.02):
    "Return losses that only fluctuate."
    return np.random.default_rng(seed).normal(0.5, noise, n)


# Each of these curves is odd in one way or another.
ODD = dict(
    noise=LRCurve(LRS, flat()),
    burst=LRCurve(LRS, flat(noise=0.05) + 1e4 * np.maximum(LRS - 0.1, 0) ** 2),
    rises=LRCurve(LRS, np.linspace(1, 2, 100)),
    constant=LRCurve(LRS, np.ones(100)),
    falls=LRCurve(LRS, np.linspace(2, 1, 100)),
    short=LRCurve(LRS[:4], [2.0, 3.0, 9.0, 40.0], stop_reason='diverged'),
    noisy=LRCurve(LRS, a_curve(noise=0.8, seed=1).losses),
    few=LRCurve(LRS[::5], a_curve(noise=0.02).losses[::5], stop_reason='data'),
    fastais=LRCurve(LRS[-20:], np.linspace(9, 1, 20), settings=dict(num_it=140)),
)
