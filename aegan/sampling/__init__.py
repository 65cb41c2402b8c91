"""A trained generator as a file, and the rows drawn from it."""
