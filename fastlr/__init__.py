"""A learning-rate finder done right: `learn.lr_find()`, a picture, a rate, and a training left untouched.

Nothing is imported until a name is used, so that `import fastlr` is free and the command line can answer
`--help` without torch. The first name loads the whole core, so that the methods which later modules add to
`Learner`, such as `lr_find`, are always there.
"""
__version__ = "0.2.0"

import importlib, sys, warnings

# The modules in import order, which is the order of the notebooks, and the names that each gives to the top.
_modules = {
    'advice': [],
    'curve': ['LRCurve'],
    'smooth': [],
    'suggestion': ['Suggestion', 'NoSuggestion'],
    'unfinished': [],
    'bounds': [],
    'rules': [],
    'findings': [],
    'plot': ['plot_curves'],
    'interactive': [],
    'live': [],
    'loggers': [],
    'settings': [],
    'stop': [],
    'other_names': [],
    'utils': [],
    'probes': [],
    'progress': [],
    'signals': [],
    'kinds': [],
    'keepers': [],
    'loaders': [],
    'snapshot': ['Snapshot'],
    'fingerprint': ['NotRestored'],
    'effect': [],
    'watch': [],
    'link': [],
    'processes': [],
    'detour': [],
    'lockstep': [],
    'points': [],
    'sweep': ['LRSweep'],
    'batch': [],
    'settle': [],
    'range_test': ['find_lr'],
    'anneal': [],
    'callback': ['Callback', 'LearnerCallback'],
    'handler': [],
    'data': ['DataBunch', 'DatasetType'],
    'optim': [],
    'loop': [],
    'learner': ['Learner'],
    'checkpoint': [],
    'preds': [],
    'layer_groups': [],
    'mock_training': [],
    'recorder': ['Recorder'],
    'lr_finder': ['LRFinder', 'lr_find'],
    'tune': [],
    'one_cycle': ['OneCycleScheduler'],
    'mixup': ['MixUpCallback'],
    'training': ['GradientClipping', 'GradientAccumulation', 'MixedPrecision'],
    'examples': ['digits_data', 'digits_sample', 'simple_cnn', 'accuracy', 'error_rate'],
    'shortcuts': [],
    'class_path': [],
    'compose': [],
    'config': [],
    'parser': [],
    'results': [],
    'cli': [],
    '__main__': [],
    'compat.loader_iter': [],
    'compat.torch_lr_finder': ['RangeTest'],
    'compat.allennlp': [],
    'integrations.lightning_callbacks': [],
    'integrations.lightning_trainer': [],
    'integrations.planned_rates': [],
    'integrations.lightning_sweep': [],
    'integrations.lightning': [],
    'integrations.accelerate': [],
    'integrations.transformers_sweep': [],
    'integrations.transformers': [],
    'integrations.fastai': [],
    'suggest': [],
}
__all__ = [name for names in _modules.values() for name in names]

# Callbacks written for fastai v1 import these from the top of the package.
_for_v1 = {
    'anneal': [
        'annealing_no', 'annealing_linear', 'annealing_exp', 'annealing_cos', 'annealing_poly', 'Scheduler'
    ],
    'handler': ['AverageMetric', 'CallbackHandler', 'SmoothenValue', 'add_metrics'],
}

_reachable = {*__all__, *(name for names in _for_v1.values() for name in names)}

# Where the names of 0.1.0 are now. They can be imported from their old places until 0.3, with a warning.
_new_place = {
    'suggestion': 'MIN_POINTS RULES Suggestion NoSuggestion',
    'rules': 'MARGIN fall_centre steep minimum valley slide',
    'bounds': 'Bounds cyclical_bounds',
    'smooth': 'whittaker noise_level start_level ceiling smoothed',
    'findings': 'suggestion_text',
    'live': 'LivePlot',
    'settings': 'SweepSettings',
    'stop': 'Divergence',
    'utils': 'known_len needs_closure set_group_value',
    'probes': 'PROBE_STEPS run_probes',
    'signals': 'SignalGuard',
    'kinds': 'parts_of_function RANDOM GENERATORS HOOKS',
    'loaders': 'seed_loader',
    'fingerprint': 'Fingerprint NotRestored',
    'processes': 'ALL_HERE END_OF_PASS OUT_OF_DATA LEFT fail_together',
    'link': 'PATIENCE',
    'batch': 'TARGETS split_batch to_device call_model get_loss check_loss eval_mode '
             'first_tensor find_bs',
    'callback': 'EVENTS STATE shapes_training',
    'handler': 'SmoothenValue add_metrics AverageMetric CallbackHandler',
    'optim': 'OptimWrapper group_params',
    'loop': 'fit validate loss_batch evaluating PlainBar epoch_bar batch_bar',
    'tune': 'LRFound RATE_NAMES',
    'one_cycle': 'one_cycle_at',
    'examples': 'digits_data digits_sample simple_cnn accuracy error_rate',
    'class_path': 'ConfigError',
    'config': 'EXAMPLES PARTS KINDS read_config training_settings',
    'results': 'FILES check_directory answer report write_results',
    'compat.loader_iter': 'DataLoaderIter TrainDataLoaderIter ValDataLoaderIter',
    'compat.torch_lr_finder': 'RangeTest',
    'compat.allennlp': 'find_learning_rate_model find_learning_rate_from_args search_learning_rate',
    'integrations.accelerate': 'AccelerateCallback',
}
# Those that could be imported from the package itself.
_at_the_top = (
    'whittaker smoothed Bounds fall_centre steep minimum valley slide cyclical_bounds LivePlot Fingerprint '
    'Divergence shapes_training EVENTS STATE OptimWrapper fit validate loss_batch LRFound '
    'one_cycle_at TrainDataLoaderIter ValDataLoaderIter find_learning_rate_model '
    'find_learning_rate_from_args search_learning_rate AccelerateCallback').split()
# Those that have another name as well.
_renamed = {'check_settings': 'SweepSettings', 'in_step': 'fail_together'}
# What to use instead of names of fastai that aren't here.
_instead = {
    "make the loaders and the model with torchvision or the like, and pass them to a Learner":
        'ImageDataBunch ImageDataLoaders TabularDataBunch TabularDataLoaders TextDataBunch TextLMDataBunch '
        'TextClasDataBunch TextDataLoaders cnn_learner vision_learner unet_learner tabular_learner '
        'collab_learner text_classifier_learner language_model_learner',
    "pass a pair of loaders to the Learner, or make a DataBunch": 'DataLoaders',
    "leave opt_func out, or pass an optimizer of torch.optim": 'Adam AdamW SGD RMSProp ranger Lamb',
    "pass a loss of torch.nn":
        'CrossEntropyFlat CrossEntropyLossFlat MSELossFlat BCEFlat BCEWithLogitsFlat '
        'LabelSmoothingCrossEntropy',
    "it is a method of a Learner": 'fit_one_cycle to_fp16 to_fp32 clip_grad',
    "learn.model.modules() gives the layers": 'flatten_model',
    "download the data yourself, or take digits_data()": 'untar_data URLs',
    "copy fastai v1's, which runs with other import lines, or write an on_epoch_begin": 'BnFreeze RNNTrainer',
    "put the transforms into your dataset":
        'DataBlock ItemList ImageList TabularList TextList get_transforms aug_transforms',
    "make the learner, and call learn.load": 'load_learner',
    "take predictions, targets and losses from learn.get_preds(with_loss=True)":
        'ClassificationInterpretation Interpretation',
    "copy fastai v1's, which runs with other import lines":
        'SaveModelCallback EarlyStoppingCallback CSVLogger ReduceLROnPlateauCallback TrackerCallback '
        'TerminateOnNaNCallback',
    "call learn.recorder.plot_losses() after the training": 'ShowGraph ShowGraphCallback',
    "use GradientAccumulation": 'AccumulateScheduler',
    "pass partial(OneCycleScheduler, lr_max=...) in callback_fns": 'one_cycle_scheduler',
    "pass a callback with the schedule to learn.fit": 'GeneralScheduler TrainingPhase ParamScheduler',
    "copy fastai v1's, which runs, or use that of torchmetrics":
        'fbeta FBeta AUROC RocAuc R2Score Precision Recall top_k_accuracy dice Dice '
        'KappaScore accuracy_thresh accuracy_multi F1Score',
}
_instead = {name: what for what, names in _instead.items() for name in names.split()}
_places = {name: module for module, names in _new_place.items() for name in names.split()}


def _moved(old_place, name):
    "Return what was called `name` in `old_place`, and warn with its new place."
    new_name = _renamed.get(name, name)
    module = _places.get(new_name)
    if module is None: raise AttributeError(f"module {old_place!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f'.{module}', __name__), new_name)
    new_place = f'fastlr.{module}'
    how = 'has moved' if new_name == name else f'is {new_name} now'
    text = f"{old_place}.{name} {how}: `from {new_place} import {new_name}`."
    warnings.warn(f"{text} The old name will be removed in fastlr 0.3", DeprecationWarning, stacklevel=3)
    return found


def old_names(module):
    "Return a `__getattr__` for `module` that finds the names which have moved to other modules."
    def get(name):
        if name.startswith('__'): raise AttributeError(name)
        return _moved(module, name)
    return get


def document(module):
    "Add to the docstrings of a module what the comments beside parameters say, which `help` doesn't read."
    import inspect
    from fastlr._parameters import TEXTS
    for name, text in TEXTS.get(module.removeprefix('fastlr.'), {}).items():
        obj = sys.modules[module]
        for part in name.split('.'): obj = vars(obj).get(part, type(None))
        # It may have gone from the notebook since the texts were written.
        if obj is type(None): continue
        # Of a class method, the function inside has the docstring; `@patch` has a kind of its own.
        obj = obj.f if type(obj).__name__ == '_clsmethod' else getattr(obj, '__func__', obj)
        doc = obj.__doc__ or ''
        if not doc.endswith(text): obj.__doc__ = f'{inspect.cleandoc(doc)}\n\n{text}'.lstrip()


def _load_core():
    "Import all modules, so that each class has all of its methods, and return {module: names at the top}."
    names = {module: [*_modules[module], *_for_v1.get(module, ())] for module in _modules}
    for module in names:
        importlib.import_module(f'.{module}', __name__)
        document(f'{__name__}.{module}')
    return names


def _not_here(name):
    "Return the error for a name of fastai: what to use instead."
    # `from fastlr import name` replaces the text of an `AttributeError`, but not that of an `ImportError`.
    imported = sys._getframe(2).f_code.co_name == '_handle_fromlist'
    error = ImportError if imported else AttributeError
    return error(f"fastlr has no {name!r}: {_instead[name]}")


def __getattr__(name):
    if name in _modules: return importlib.import_module(f'.{name}', __name__)
    if name in _at_the_top:
        _load_core()
        return _moved(__name__, name)
    if name in _instead: raise _not_here(name)
    if name not in _reachable: raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module, names in _load_core().items():
        loaded = importlib.import_module(f'.{module}', __name__)
        globals().update({n: getattr(loaded, n) for n in names})
    return globals()[name]


def __dir__(): return sorted({*globals(), *__all__, *_modules})
