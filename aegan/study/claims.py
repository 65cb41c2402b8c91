"""The paper's claims, each tested by one rule on the figures of a study.

A claim is broken into parts, and each part is one figure with one condition. Only what the paper
states is tested: that a figure is high is a claim of the paper, not a merit of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aegan.study import claim_parts as P
from aegan.study.rule import overall


def claims(experiments: Mapping[str, Any], classes: int = 4) -> list[dict[str, Any]]:
    """The paper's claims on the experiments that are there, ready for results.json.

    Args:
        experiments: name -> results. A claim of which no deciding part was measured is left out;
            of the others every deciding part is there, so that none holds by what is missing.
        classes: of the corpora; chance is one over it.

    Returns:
        Per claim "number", "where" (in the paper), "short" and "claim" (sentences), "parts",
        "verdict", "differs" (how this study differs). Per part "what", "value" (an estimate, UAR
        and shares as fractions), "unit" ("points" and "%" are printed times 100; "difference" of
        figures without unit, "ratio", ""), "condition", "verdict", "deciding" (False: beside the
        claim, does not count) and "measured" (False: the study has no such figure).
    """
    found = []
    for number, claim in enumerate(_CLAIMS, start=1):
        parts = list(claim.parts(experiments, classes))
        if any(part["deciding"] and part["measured"] for part in parts):
            found.append(
                {
                    "number": number,
                    "where": claim.where,
                    "short": claim.short,
                    "claim": claim.sentence,
                    "parts": parts,
                    "verdict": overall(parts),
                    "differs": claim.differs,
                }
            )
    return found


_ONE_SEED = "With one generator seed the intervals hold for that one training."


class _Claim(NamedTuple):
    where: str  # in the paper
    short: str  # at most 46 characters, for a terminal
    sentence: str
    parts: Callable[[Mapping, int], Iterable[dict]]
    differs: str  # how this study differs from the paper


_CLAIMS = (
    _Claim(
        "Table 2",
        "metric 1 (TRTS): M2 > M1 > M3",
        "An SVM trained on real rows classifies the rows of M2 better than those of M1, and those "
        "of M1 better than those of M3, on both sets.",
        P.metric_1_parts,
        "The paper compares means of five folds without an interval and does not say how its SVM "
        "is tuned; here differences are paired by fold, and one whose interval holds 0 stays open.",
    ),
    _Claim(
        "Table 2",
        "metric 2 (TSTR): M3 best",
        "An SVM trained on the rows of M3 classifies real rows better than one trained on those of "
        "M1 or M2, on both sets.",
        P.metric_2_parts,
        "As for claim 1. As printed, M3's auxiliary head can read the label off its own input; "
        "config.m3.train.aux_sees_label says whether it can here.",
    ),
    _Claim(
        "Table 2",
        "set-1 above set-2",
        "Both metrics are higher on set-1, which the models have seen, than on set-2, for all "
        "three models.",
        P.sets_parts,
        "As for claim 1; set-2 holds speakers that set-1 does not, and far fewer rows, from which "
        "the SVM of metric 1 learns.",
    ),
    _Claim(
        "Table 3",
        "FID: M2 < M1 << M3",
        "The FID of M2 is below that of M1, and that of M3 far above both.",
        P.fid_parts,
        "The paper does not say which real rows its FID compares with; here it is set-1, and the "
        f"network is trained on this corpus. Far above is read as {P.FAR:g} times that of M1.",
    ),
    _Claim(
        "Fig. 3",
        "losses converge, validation follows training",
        "Reconstruction, discriminator and generator errors converge, and validation curves follow "
        "the training ones.",
        P.losses_parts,
        "The paper shows one fold; here it is the mean over all lanes. Converged is read as a "
        f"relative change below {P.CONVERGED:g} between the last two fifths of the epochs, "
        f"following as a correlation above {P.FOLLOWS:g}.",
    ),
    _Claim(
        "Fig. 4",
        "rows on the real ones; M3 a cluster per class",
        "Most synthetic rows lie where the real ones are and some outside; M1 and M2 overlap; M3 "
        "forms separate clusters, one per class.",
        P.embedding_parts,
        "The paper reads this off a picture; here support is measured in the feature space over "
        "all folds, mixing and clusters in one embedding, which has no interval.",
    ),
    _Claim(
        "Fig. 5",
        "codes form the prior's clusters; M3 farther",
        "M1's training codes form one cluster per class, like the prior; validation codes are "
        "weaker but separable; M3's rows, encoded by M1, fall on subsets of the components, "
        "farther apart.",
        P.codes_parts,
        "The paper reads this off a scatter plot of one fold; here it is measured over all folds.",
    ),
    _Claim(
        "Table 4",
        "cross-corpus: all alike, FID gap shrinks",
        "On another corpus metric 1 orders M3, M2, M1, all within 1.5 points; metric 2 is nearly "
        "equal; M3's FID gap is smaller than in Table 3; everything is above chance.",
        P.cross_corpus_parts,
        "Other corpora, and the paper does not say by which statistics it standardises the target; "
        "FIDs come from different networks, so their gaps are compared as ratios. Intervals are "
        f"over draws, seeds and tested speakers, not over corpora. {_ONE_SEED}",
    ),
    _Claim(
        "Fig. 6a",
        "M1's rows help, most at small P",
        "Synthetic rows of M1 added to P % of the real ones help, most at small P; more of them "
        f"help at small P; the two largest numbers do alike from P = {P.LARGE_PERCENT} % on.",
        P.rows_help_parts,
        "The paper's generator has seen the whole source even where the classifier sees P % of it; "
        "that mode decides here, and the honest one, in which both see the same P %, stands "
        f"beside. Intervals are over draws of the rows and tested speakers. {_ONE_SEED}",
    ),
    _Claim(
        "Fig. 6b",
        f"M1 and M2 alike and useful; M3 below {P.LOW_PERCENT} %",
        "With the largest number of rows M1 and M2 do alike and beat the baseline even at P = 100 "
        f"%; M3 helps only below P = {P.LOW_PERCENT} %.",
        P.three_models_parts,
        f"As for claim 9. That M3 does not help is read as a gain below {100 * P.ALIKE:g} points. "
        f"{_ONE_SEED}",
    ),
    _Claim(
        "Section 4.2",
        "codes lose a couple of points",
        "An SVM on the codes of the bottleneck loses only a couple of points against one on the "
        "raw features.",
        P.codes_svm_parts,
        "The paper names neither the figures nor the models; here all three are tested, and a "
        f"couple is read as up to {100 * P.COUPLE:g} points.",
    ),
    _Claim(
        "Fig. 1",
        "InfoGAN's clusters apart, along lines",
        "On four Gaussians in the plane the InfoGAN's clusters do not overlap and lie along lines; "
        "those of the vanilla GAN overlap and spread.",
        P.toy_parts,
        "The paper shows one run and gives neither networks nor training; here both GANs share "
        "them, over several seeds, and clusters are those of a Gaussian mixture.",
    ),
)
