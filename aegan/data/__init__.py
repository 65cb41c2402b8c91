"""Feature tables, the simulated corpus, folds and standardisation."""
