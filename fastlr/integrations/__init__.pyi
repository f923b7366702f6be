# Made by tools/stubs.py.
from fastlr.integrations import lightning_callbacks as lightning_callbacks
from fastlr.integrations import lightning_trainer as lightning_trainer
from fastlr.integrations import planned_rates as planned_rates
from fastlr.integrations import lightning_sweep as lightning_sweep
from fastlr.integrations import lightning as lightning
from fastlr.integrations import accelerate as accelerate
from fastlr.integrations import transformers_sweep as transformers_sweep
from fastlr.integrations import transformers as transformers
from fastlr.integrations import fastai as fastai
