"""The report of a run: reads ``results.json`` and ``losses.parquet``, computes no metric itself."""
