"""A learning-rate finder done right: `learn.lr_find()`, a picture, a rate, and a training left untouched.

Nothing is imported until a name is used, so that `import fastlr` is free and the command line can answer
`--help` without torch. The first name loads the whole core, so that the methods which later modules add to
`Learner`, such as `lr_find`, are always there."""

# Made by tools/stubs.py: run `make prepare`.

from collections.abc import Callable
from typing import Any

from fastlr import __main__ as __main__
from fastlr import advice as advice
from fastlr import anneal as anneal
from fastlr import batch as batch
from fastlr import bounds as bounds
from fastlr import callback as callback
from fastlr import checkpoint as checkpoint
from fastlr import class_path as class_path
from fastlr import cli as cli
from fastlr import compat as compat
from fastlr import compose as compose
from fastlr import config as config
from fastlr import curve as curve
from fastlr import data as data
from fastlr import detour as detour
from fastlr import effect as effect
from fastlr import examples as examples
from fastlr import findings as findings
from fastlr import fingerprint as fingerprint
from fastlr import handler as handler
from fastlr import integrations as integrations
from fastlr import interactive as interactive
from fastlr import keepers as keepers
from fastlr import kinds as kinds
from fastlr import layer_groups as layer_groups
from fastlr import learner as learner
from fastlr import link as link
from fastlr import live as live
from fastlr import loaders as loaders
from fastlr import lockstep as lockstep
from fastlr import loggers as loggers
from fastlr import loop as loop
from fastlr import lr_finder as lr_finder
from fastlr import mixup as mixup
from fastlr import mock_training as mock_training
from fastlr import one_cycle as one_cycle
from fastlr import optim as optim
from fastlr import other_names as other_names
from fastlr import parser as parser
from fastlr import plot as plot
from fastlr import points as points
from fastlr import preds as preds
from fastlr import probes as probes
from fastlr import processes as processes
from fastlr import progress as progress
from fastlr import range_test as range_test
from fastlr import recorder as recorder
from fastlr import results as results
from fastlr import rules as rules
from fastlr import settings as settings
from fastlr import settle as settle
from fastlr import shortcuts as shortcuts
from fastlr import signals as signals
from fastlr import smooth as smooth
from fastlr import snapshot as snapshot
from fastlr import stop as stop
from fastlr import suggest as suggest
from fastlr import suggestion as suggestion
from fastlr import sweep as sweep
from fastlr import training as training
from fastlr import tune as tune
from fastlr import unfinished as unfinished
from fastlr import utils as utils
from fastlr import watch as watch
from fastlr.curve import LRCurve as LRCurve
from fastlr.suggestion import Suggestion as Suggestion
from fastlr.suggestion import NoSuggestion as NoSuggestion
from fastlr.plot import plot_curves as plot_curves
from fastlr.snapshot import Snapshot as Snapshot
from fastlr.fingerprint import NotRestored as NotRestored
from fastlr.sweep import LRSweep as LRSweep
from fastlr.range_test import find_lr as find_lr
from fastlr.anneal import annealing_no as annealing_no
from fastlr.anneal import annealing_linear as annealing_linear
from fastlr.anneal import annealing_exp as annealing_exp
from fastlr.anneal import annealing_cos as annealing_cos
from fastlr.anneal import annealing_poly as annealing_poly
from fastlr.anneal import Scheduler as Scheduler
from fastlr.callback import Callback as Callback
from fastlr.callback import LearnerCallback as LearnerCallback
from fastlr.handler import AverageMetric as AverageMetric
from fastlr.handler import CallbackHandler as CallbackHandler
from fastlr.handler import SmoothenValue as SmoothenValue
from fastlr.handler import add_metrics as add_metrics
from fastlr.data import DataBunch as DataBunch
from fastlr.data import DatasetType as DatasetType
from fastlr.learner import Learner as Learner
from fastlr.recorder import Recorder as Recorder
from fastlr.lr_finder import LRFinder as LRFinder
from fastlr.lr_finder import lr_find as lr_find
from fastlr.one_cycle import OneCycleScheduler as OneCycleScheduler
from fastlr.mixup import MixUpCallback as MixUpCallback
from fastlr.training import GradientClipping as GradientClipping
from fastlr.training import GradientAccumulation as GradientAccumulation
from fastlr.training import MixedPrecision as MixedPrecision
from fastlr.examples import digits_data as digits_data
from fastlr.examples import digits_sample as digits_sample
from fastlr.examples import simple_cnn as simple_cnn
from fastlr.examples import accuracy as accuracy
from fastlr.examples import error_rate as error_rate
from fastlr.compat.torch_lr_finder import RangeTest as RangeTest

__all__ = ['LRCurve', 'Suggestion', 'NoSuggestion', 'plot_curves', 'Snapshot', 'NotRestored', 'LRSweep',
    'find_lr', 'Callback', 'LearnerCallback', 'DataBunch', 'DatasetType', 'Learner', 'Recorder', 'LRFinder',
    'lr_find', 'OneCycleScheduler', 'MixUpCallback', 'GradientClipping', 'GradientAccumulation',
    'MixedPrecision', 'digits_data', 'digits_sample', 'simple_cnn', 'accuracy', 'error_rate', 'RangeTest']

__version__: str

def old_names(module: str) -> Callable[[str], Any]: ...
def document(module: str) -> None: ...
