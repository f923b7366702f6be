"""The picture of a range test to point at: what is under the mouse says its rate and its loss."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
