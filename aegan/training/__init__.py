"""How lanes run: folds x seeds, by every strategy, from checkpoint to checkpoint."""
