"""`python -m fastlr`: the command, where `fastlr` isn't on the path."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
