"""A run: what it is, where its files lie, its stages."""
