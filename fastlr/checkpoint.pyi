"""Save a model with its optimizer, and load it again."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
