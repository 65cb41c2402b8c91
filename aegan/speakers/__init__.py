"""What a speaker does to a row: effects, new speakers, rows for a speaker one cares about."""
