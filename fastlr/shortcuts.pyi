"""Half precision, clipping, mixup and a summary in one line each, and what to use for all else."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = ['NOT_HERE', 'DATA_NOT_HERE', 'Summary']

class Summary(str):
    """A text that a notebook shows as it is."""

NOT_HERE: dict[str, str]
DATA_NOT_HERE: dict[str, str]
