"""Features from recordings, by the `opensmile` package (extra `audio`)."""
