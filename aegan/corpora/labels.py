"""The labels of a corpus, for features that were extracted elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from aegan.corpora.registry import get_corpus
from aegan.tables.convert import LabelSource
from aegan.tables.labels import Labels, way_to_join
from aegan.tables.table import FeatureTable


def corpus_labels(table: FeatureTable, corpus: str, folder: Path) -> LabelSource:
    """Speakers, emotions and sessions of a corpus, by names that the table has.

    Raises:
        InputError: no such corpus, or the folder is not of it.
    """
    reader = get_corpus(corpus)
    utterances = reader.read(folder).utterances
    columns = {
        name: np.array([getattr(utterance, name) or "" for utterance in utterances], dtype=str)
        for name in ("speaker", "emotion", "session")
    }
    if not any(columns["session"]):
        del columns["session"]
    files = np.array([utterance.file for utterance in utterances], dtype=str)
    labels = Labels(f"corpus {reader.name}", files, None, columns)
    if way_to_join(table, labels) is None:  # SAVEE's files have the speaker in front
        paths = np.array([str(utterance.path) for utterance in utterances], dtype=str)
        labels = replace(labels, files=paths)
    return LabelSource(labels, reader.classes, {"corpus": reader.name, "licence": reader.licence})
