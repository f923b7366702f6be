"""A learning-rate finder done right: `learn.lr_find()`, `learn.recorder.plot(suggestion=True)`, and a training left untouched.

Nothing is imported until a name is asked for: `import fastlr` costs nothing beside `import torch`, and a command line can
answer `--help` without torch. The first name asked for loads the whole core, so that the methods which later modules add to
`Learner` (`lr_find`, `fit_one_cycle`) are always there."""
__version__ = "0.1.0"

import importlib

# The public names, and the module each comes from, in import order.
_modules = dict(
    curve=['LRCurve', 'whittaker', 'smoothed'],
    suggest=['Suggestion', 'NoSuggestion', 'Bounds', 'fall_centre', 'steep', 'minimum', 'valley', 'slide', 'cyclical_bounds'],
    plot=['plot_curves', 'LivePlot'],
    settings=[],
    signals=[], kinds=[],
    utils=[],
    keepers=[], loaders=[],
    snapshot=['Snapshot'],
    fingerprint=['Fingerprint', 'NotRestored'],
    detour=[],
    sweep=['LRSweep', 'Divergence'],
    batch=[],
    range_test=['find_lr', 'RangeTest', 'TrainDataLoaderIter', 'ValDataLoaderIter'],
    anneal=['annealing_no', 'annealing_linear', 'annealing_exp', 'annealing_cos', 'annealing_poly', 'Scheduler'],
    callback=['Callback', 'LearnerCallback', 'CallbackHandler', 'AverageMetric', 'SmoothenValue', 'add_metrics', 'shapes_training', 'EVENTS', 'STATE'],
    data=['DataBunch', 'digits_data', 'digits_sample', 'simple_cnn', 'accuracy', 'error_rate'],
    learner=['Learner', 'OptimWrapper', 'fit', 'validate', 'loss_batch'],
    recorder=['Recorder'],
    lr_finder=['LRFinder', 'lr_find', 'LRFound'],
    one_cycle=['OneCycleScheduler', 'one_cycle_at'],
    training=['GradientClipping', 'GradientAccumulation', 'MixedPrecision'],
    cli=['find_learning_rate_model', 'find_learning_rate_from_args', 'search_learning_rate'],
    **{'integrations.lightning': [], 'integrations.accelerate': ['AccelerateCallback'], 'integrations.transformers': []},      # the others' `lr_find` is reached from their module
)
__all__ = [name for names in _modules.values() for name in names]


def __getattr__(name):
    if name in _modules: return importlib.import_module(f'.{name}', __name__)
    if name not in __all__: raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module, names in _modules.items():
        loaded = importlib.import_module(f'.{module}', __name__)
        globals().update({n: getattr(loaded, n) for n in names})
    return globals()[name]


def __dir__(): return sorted({*globals(), *__all__, *_modules})
