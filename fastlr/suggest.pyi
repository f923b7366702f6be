"""The old name of the module with the rules, which still works for one release."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
