"""A range test in the logger that you already have: TensorBoard, Weights & Biases, MLflow."""

# Made by tools/stubs.py: run `make prepare`.


__all__ = []
