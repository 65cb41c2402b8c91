"""Configs: short programs that return an ``ml_collections.ConfigDict``."""
