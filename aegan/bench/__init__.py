"""Measurements of training and metrics against the machine's limit and against PyTorch."""
