"""What several processes do together, scenario by scenario; `together.py` launches them.

A scenario is a function of the rank of the process; it returns a curve, or what can be stored as JSON. Those
of a module run in the order in which it defines them. Each framework has its module, imported when asked for.
"""

import contextlib

import torch.distributed as dist

import fastlr.link

# The functions of the modules that have been imported, by 'module.function'.
SCENARIOS = {}


class Bad(Exception):
    "The error that one process alone raises."


def name_of(f):
    "Return the name of the scenario `f`, such as plain.usual; a name is returned as it is."
    return f if isinstance(f, str) else f'{f.__module__.rpartition(".")[2]}.{f.__name__}'


def scenario(f):
    "Make `f` a scenario."
    SCENARIOS[name_of(f)] = f
    return f


def error_of(f, *args, **kwargs):
    "Return the text of the error that the call raises; None if it raises nothing."
    try:
        f(*args, **kwargs)
    except Exception as e:
        return f'{type(e).__name__}: {e}'


@contextlib.contextmanager
def replaced(module, name, value):
    "Give `module` the attribute `name` with this `value`, until the block ends."
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def messages():
    "Return the number of rendezvous in the current group, and that of exchanges since the last one."
    if not dist.is_initialized():
        return [0, 0]
    chain = fastlr.link._current_chain()
    link = chain.link
    return [chain.generation, 0 if link is None or link.closed else link.completed]
