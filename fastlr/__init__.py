"""A learning-rate finder done right: `learn.lr_find()`, `learn.recorder.plot(suggestion=True)`, and a training left untouched.

Nothing is imported until a name is used: `import fastlr` costs nothing beside `import torch`, and a command line can answer
`--help` without torch. The first name loads the whole core, so that the methods which later modules add to `Learner`
(`lr_find`, `fit_one_cycle`) are always there.
"""
__version__ = "0.1.0"

import importlib, importlib.util

# The modules in import order, which is the order of the notebooks, and the names that each gives to the top.
_modules = {
    'curve': ['LRCurve'],
    'smooth': [],
    'suggestion': [],
    'rules': ['Suggestion', 'NoSuggestion'],
    'findings': [],
    'plot': ['plot_curves'],
    'settings': [],
    'stop': [],
    'probes': [],
    'signals': [],
    'kinds': [],
    'watch': [],
    'utils': [],
    'keepers': [],
    'loaders': [],
    'snapshot': ['Snapshot'],
    'fingerprint': ['NotRestored'],
    'processes': [],
    'detour': [],
    'sweep': ['LRSweep'],
    'batch': [],
    'range_test': ['find_lr'],
    'anneal': [],
    'callback': ['Callback', 'LearnerCallback'],
    'handler': [],
    'data': ['DataBunch'],
    'optim': [],
    'loop': [],
    'learner': ['Learner'],
    'checkpoint': [],
    'recorder': ['Recorder'],
    'lr_finder': ['LRFinder', 'lr_find'],
    'tune': [],
    'one_cycle': ['OneCycleScheduler'],
    'training': ['GradientClipping', 'GradientAccumulation', 'MixedPrecision'],
    'examples': ['digits_data', 'digits_sample', 'simple_cnn', 'accuracy', 'error_rate'],
    'layer_groups': [],
    'config': [],
    'results': [],
    'cli': [],
    'compat.loader_iter': [],
    'compat.torch_lr_finder': ['RangeTest'],
    'compat.allennlp': [],
    'integrations.lightning_trainer': [],
    'integrations.lightning_sweep': [],
    'integrations.transformers_sweep': [],
    'integrations.lightning': [],
    'integrations.accelerate': [],
    'integrations.transformers': [],
}
__all__ = [name for names in _modules.values() for name in names]

# What callbacks written for fastai v1 import from the top of the package.
_for_v1 = {
    'anneal': ['annealing_no', 'annealing_linear', 'annealing_exp', 'annealing_cos', 'annealing_poly', 'Scheduler'],
    'handler': ['CallbackHandler', 'SmoothenValue', 'add_metrics'],
}


def __getattr__(name):
    if name in _modules: return importlib.import_module(f'.{name}', __name__)
    if name not in _reachable: return _moved(name)
    for module in list(_modules):
        if importlib.util.find_spec(f'fastlr.{module}') is None: _modules.pop(module); continue
        importlib.import_module(f'.{module}', __name__)
        _modules[module] = [n for n in _modules[module] if hasattr(importlib.import_module(f'.{module}', __name__), n)]
    if importlib.util.find_spec('fastlr.handler') is None: _for_v1.pop('handler', None)
    if 'suggest' not in _modules and importlib.util.find_spec('fastlr.suggest'): _modules['suggest'] = ['Suggestion', 'NoSuggestion']
    if 'fingerprint' not in _modules: _modules['snapshot'] = ['Snapshot', 'NotRestored']
    for names in (_modules, _for_v1):
        for module in names: globals().update({n: getattr(importlib.import_module(f'.{module}', __name__), n) for n in names[module]})
    return globals()[name]


_reachable = {name for table in (_modules, _for_v1) for names in table.values() for name in names}


def _moved(name):
    for module in _modules:
        try: return getattr(importlib.import_module(f'.{module}', __name__), name)
        except (AttributeError, ModuleNotFoundError): pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__(): return sorted({*globals(), *__all__, *_modules})
