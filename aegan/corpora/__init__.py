"""Corpora of emotional speech: from a folder of recordings to labelled utterances."""
