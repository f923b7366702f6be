"""Train parts of a model at rates of their own, or not at all."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
