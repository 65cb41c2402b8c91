"""Features from recordings, by the `opensmile` package (extra `audio`).

``recordings`` reads a recording, ``features`` makes a row of it, ``workers`` does so in processes
that may die, ``parts`` keeps finished rows, ``extraction`` makes the table. The audio packages
are imported in worker processes alone, inside the functions that need them.
"""
