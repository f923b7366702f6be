"""What a training is made of, and how the state of each kind of object is read."""

# Made by tools/stubs.py: run `make prepare`.

import torch._opaque_base
from typing import Any, Iterator

__all__ = ['PLAIN', 'GENERATORS', 'HOOKS', 'CODE', 'DEEPEST', 'RANDOM', 'is_closed', 'has_state_dict',
    'is_node', 'parts_of_function', 'functions_of', 'names_in', 'function_in', 'names_used', 'is_users_code',
    'random_states', 'generator_state', 'set_generator_state', 'slots_of', 'inner_tensors', 'flat_bytes',
    'tensor_bytes', 'components', 'is_freed', 'is_stand_in', 'scripted_attributes', 'shared_memory',
    'entries_of', 'entries_to_keep']

PLAIN: tuple[type[Any], ...]
GENERATORS: tuple[Any, ...]
HOOKS: tuple[str, ...]
CODE: tuple[type[Any], ...]
DEEPEST: int
def is_closed(x: Any) -> bool:
    """Return whether `x` is code or machinery, inside of which a snapshot never looks.

    Args:
        x: any object
    """

def has_state_dict(x: Any) -> bool:
    """Return whether the class of `x` has `state_dict` and `load_state_dict`, as is usual in PyTorch.
    Not torchdata's nodes: they would start an epoch, and their state is in their attributes.

    Args:
        x: any object
    """

def is_node(x: Any) -> bool:
    """Return whether `x` is one of torchdata's nodes, or the loader of them.

    Args:
        x: any object
    """

def parts_of_function(f: Any) -> Any:
    """Return what a loss function may change: itself if it is an object, the contents of its closure, and
    the modules among the global names of it and of the functions and methods that it calls.

    Args:
        f: a loss function: a function, `partial`, method, module or another object that is called, or
            None

    Returns:
        (modules, other objects), two lists
    """

def functions_of(opt: Any) -> list[Any]:
    """Return the functions that `opt` has in its attributes, or in lists and dicts there.

    Args:
        opt: optimizer

    Returns:
        list[Any]: of functions, methods and `partial`s
    """

def names_in(f: Any) -> list[Any]:
    """Return the names of globals and attributes that `f`, or a function inside it, uses.

    Args:
        f: a function in Python

    Returns:
        list[Any]: of texts, each once
    """

def function_in(x: Any) -> Any:
    """Return the function in Python that a method, property, class method or static method is made of.

    Args:
        x: value of an attribute of a class

    Returns:
        a function, or None
    """

def names_used(f: Any, kind: type[Any]) -> tuple[Any, ...]:
    """Return the names that occur in `f` and in the methods of the class that it may call, and these methods.

    Args:
        f: a function in Python that has an object of this class
        kind: the class

    Returns:
        tuple[Any, ...]: (list of names, list of functions)
    """

def is_users_code(module: str | None) -> bool:
    """Return whether `module` is part of the user's program: neither of Python or this library, nor installed.

    Args:
        module: name of a module, or None
    """

RANDOM: dict[str, tuple[Any, ...]]
def random_states() -> dict[Any, Any]:
    """Return the functions that read and set each global random generator in use, those of devices included.

    Returns:
        dict[Any, Any]: name -> (the function that returns the state, the function that sets it)
    """

def generator_state(g: Any) -> Any:
    """Return the state of `g`.

    Args:
        g: generator of one of the classes in `GENERATORS`
    """

def set_generator_state(g: Any, state: Any) -> None:
    """Set the state of `g`.

    Args:
        g: generator of one of the classes in `GENERATORS`
        state: what `generator_state` returned
    """

def slots_of(x: Any) -> dict[Any, Any]:
    """Return the attributes of `x` that are in slots rather than in its `__dict__`.

    Args:
        x: any object

    Returns:
        dict[Any, Any]: name -> value
    """

def inner_tensors(t: Any) -> list[Any]:
    """Return the tensors that a tensor of a subclass is made of; for a `DTensor`, the shard of this process.

    Args:
        t: tensor of a class that wraps others

    Returns:
        list[Any]: of (name, tensor)
    """

def flat_bytes(t: Any) -> list[Any]:
    """Return the memory of `t` in pieces.

    Args:
        t: dense tensor

    Returns:
        list[Any]: of tensors of bytes, 4 MiB each at most; views of `t` where it is contiguous
    """

def tensor_bytes(t: Any) -> Iterator[Any]:
    """Copy the values of `t` to main memory, piece by piece.

    Args:
        t: dense tensor, on any device

    Returns:
        Iterator[Any]: iterator over arrays of bytes
    """

def components(t: Any) -> list[Any]:
    """Return the dense tensors that a sparse or jagged tensor is made of; none for other kinds.

    Args:
        t: tensor of any layout

    Returns:
        list[Any]: of tensors
    """

def is_freed(t: Any) -> bool:
    """Return whether the memory of `t` doesn't hold all of its values, so that they must not be read.

    Args:
        t: tensor of any layout
    """

def is_stand_in(t: Any) -> bool:
    """Return whether `t` only stands for a tensor, inside of a transformation or a tracing of torch.

    Args:
        t: tensor
    """

def scripted_attributes(m: Any) -> dict[Any, Any]:
    """Return what `m` has in its attributes: parameters, buffers, and values of other types.

    Args:
        m: TorchScript module

    Returns:
        dict[Any, Any]: name -> value; of a list or a dict in it, a copy
    """

def shared_memory(x: Any) -> Any:
    """Return the memory in which `x` has its values.

    Args:
        x: `multiprocessing.Value` or `multiprocessing.Array`, with a lock

    Returns:
        of ctypes; `bytes` of it are its values
    """

def entries_of(x: Any) -> list[Any]:
    """Return the entries of `x`, without a call of the methods of its own class.

    Args:
        x: container of one of the built-in classes, or of a class derived from one

    Returns:
        list[Any]: of a dict, pairs of key and value
    """

def entries_to_keep(values: Any) -> list[Any]:
    """Return those entries of a container in a data loader that are saved one by one.

    Args:
        values: list, tuple or another container; of a dict, the values

    Returns:
        list[Any]: a new one
    """
