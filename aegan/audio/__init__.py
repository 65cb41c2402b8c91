"""Features from recordings, by the `opensmile` package (extra `audio`).

``clips`` reads a recording, ``features`` makes a row of it, ``workers`` does so in processes that
may die, ``finished`` keeps finished rows, ``extraction`` makes the table. The audio packages are
imported in worker processes alone, inside the functions that need them.
"""
