"""The metrics of synthetic rows, a stage of its own: it reads tables, and nothing of training."""
