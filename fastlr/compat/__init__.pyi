# Made by tools/stubs.py.
from fastlr.compat import loader_iter as loader_iter
from fastlr.compat import torch_lr_finder as torch_lr_finder
from fastlr.compat import allennlp as allennlp
