"""One set of names for the hyperparameters of every optimizer."""

# Made by tools/stubs.py: run `make prepare`.

from typing import Any

__all__ = ['default_opt_func', 'group_params', 'check_groups', 'group_rates', 'OptimWrapper']

def group_params(group: Any) -> list[Any]:
    """Return the parameters of a layer group.

    Args:
        group: a layer group: a module, or a list of parameters

    Returns:
        list[Any]: of parameters
    """

def check_groups(
    groups: Any,
    model: Any,
    name: str = 'layer_groups',
    remedy: str = 'or use learn.split',
) -> list[Any]:
    """Return `groups`. Raise `ValueError` unless each parameter of `model` is in exactly one of them.

    Args:
        groups: list of layer groups
        model: the module whose parameters they hold
        name: what the caller's parameter is called, for the message
        remedy: what to do, for the message

    Returns:
        list[Any]: `groups`
    """

def group_rates(lr: Any, n: int, name: str = 'lr') -> Any:
    """Return the rates of `n` layer groups. Raise `TypeError` or `ValueError` if `lr` is not a learning rate.

    Args:
        lr: number from 0, list of them with one per group, `slice`, or `Suggestion`
        n: number of layer groups, at least 1
        name: what the caller's parameter is called, for the message

    Returns:
        a float, or a list with one per group
    """

class OptimWrapper:
    """A torch optimizer whose `lr`, `mom`, `wd` and `beta` are read and set by name.

    Args:
        opt: torch optimizer
        wd: weight decay of all groups, from 0; default: leave it
        opt_func: what made `opt`, (parameter groups, lr=...) -> torch optimizer; default: its class
    """
    opt: Any
    opt_func: Any
    scaler: Any
    def __init__(self, opt: Any, wd: float | None = None, *, opt_func: Any = None) -> None: ...
    @classmethod
    def create(cls, opt_func: Any, lr: Any, groups: Any, wd: float | None = 0.0) -> OptimWrapper:
        """Make an optimizer over `groups`. Raise if no parameter requires a gradient, or it needs a closure.

        Args:
            opt_func: (parameter groups, lr=...) -> torch optimizer
            lr: rate, or a list with one per group
            groups: list of layer groups: modules, or lists of parameters
            wd: weight decay of all groups, from 0; None leaves it to `opt_func`
        """
    def get_stats(self, name: str) -> list[Any] | None:
        """Return hyperparameter `name` of each group.

        Args:
            name: 'lr', 'mom', 'wd', 'beta', or what the optimizer calls it

        Returns:
            list[Any] | None: one value per group; None where there is no such thing
        """
    def get_stat(self, name: str) -> Any:
        """Return hyperparameter `name` of the last group.

        Args:
            name: as for `get_stats`

        Returns:
            a number, or None if there is no such thing
        """
    def set_stat(self, name: str, value: Any) -> None:
        """Set hyperparameter `name`. Raise `ValueError` for an unknown name, or a list of the wrong length.

        Args:
            name: as for `get_stats`
            value: a number for all groups, or a list with one per group; a `beta` of None changes nothing
        """
    @property
    def lr(self) -> Any:
        """Learning rate of the last layer group; set it for all groups, or from a list."""
    @lr.setter
    def lr(self, value: Any) -> None: ...
    @property
    def mom(self) -> Any:
        """Momentum, or Adam's first beta; None if the optimizer has none."""
    @mom.setter
    def mom(self, value: Any) -> None: ...
    @property
    def beta(self) -> Any:
        """Decay of the squared gradients: Adam's second beta, RMSprop's alpha."""
    @beta.setter
    def beta(self, value: Any) -> None: ...
    @property
    def wd(self) -> Any:
        """Weight decay; None if the optimizer has none."""
    @wd.setter
    def wd(self, value: Any) -> None: ...
    def step(self) -> None:
        """Update the parameters; a gradient scaler, if there is one, skips the update when gradients overflow."""
    def zero_grad(self, set_to_none: bool = False) -> None:
        """Fill the gradients with zeros, so that callbacks can still read and scale them at the end of an epoch.

        Args:
            set_to_none: drop the gradients, which frees their memory
        """
    def state_dict(self) -> dict[Any, Any]:
        """Return moments, counters and hyperparameters, in the format of torch.

        Returns:
            dict[Any, Any]: that of the optimizer
        """
    def load_state_dict(self, sd: dict[Any, Any]) -> None:
        """Load the state `sd`.

        Args:
            sd: what `state_dict` returned, of an optimizer over the same groups
        """
    @property
    def param_groups(self) -> list[Any]:
        """The groups of the optimizer, with their parameters and hyperparameters.

        Returns:
            list[Any]: of dicts
        """
    def new(self, layer_groups: Any) -> OptimWrapper:
        """Return an optimizer of the same kind, with the same hyperparameters, over `layer_groups`.

        Args:
            layer_groups: list of modules, or of lists of parameters
        """
    def new_with_params(self, param_groups: Any) -> OptimWrapper:
        """Return an optimizer of the same kind, with the same hyperparameters, over `param_groups`.

        Args:
            param_groups: list of lists of parameters
        """
    def clear(self) -> None:
        """Forget moments and counters, and keep the hyperparameters."""
    def get_state(self) -> dict[Any, Any]:
        """Return what `load_with_state_and_layer_group` makes the optimizer from.

        Returns:
            dict[Any, Any]: name -> value
        """
    @classmethod
    def load_with_state_and_layer_group(cls, state: dict[Any, Any], layer_groups: Any) -> OptimWrapper:
        """Return an optimizer over `layer_groups` in the state `state`.

        Args:
            state: what `get_state` returned
            layer_groups: list of layer groups of the same sizes
        """
    @property
    def n_params(self) -> int:
        """The number of parameters, each a tensor."""

default_opt_func: Any
