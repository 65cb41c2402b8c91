"""What a study's report says before any figure."""

from __future__ import annotations

import pytest
from study_helpers import html_page, markdown_page
from study_results import corpus, make_study

from aegan.report.tables import QUICK
from aegan.study import report as S
from aegan.study import words as W
from aegan.study.report import text_summary


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (False, False, None),
        (True, False, "the source corpus is simulated"),
        (False, True, "the target corpus is simulated"),
        (True, True, "the source and the target corpora are simulated"),
    ],
)
def test_simulated_corpora_are_banners(source, target, words):
    study = make_study(source, target)
    for text in (markdown_page(study), html_page(study), text_summary(study)):
        assert (f"SIMULATED: {words}" in " ".join(text.split())) is (words is not None)
    assert ("(simulated)" in W.corpora(study)) is target


def test_a_quick_study_says_that_its_figures_mean_nothing():
    for variant in ("quick", "default"):
        study = make_study(False, False) | {"variant": variant}
        said = (S.headline(study), " ".join(text_summary(study).split()))
        assert all((QUICK in text) is (variant == "quick") for text in said)


def test_leaks_that_were_allowed_are_a_banner():
    leaky = {
        **make_study(),
        "source": corpus("nemo", False) | {"leaks": [{"words": "fold 0: speaker A"}]},
    }
    assert any("First: fold 0: speaker A." in banner for banner in S.banners(leaky))
