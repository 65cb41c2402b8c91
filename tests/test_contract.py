"""The feature contract: what it hashes, what it tells from names, what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan.data.contract import UNKNOWN, FeatureContract, check_same
from aegan.data.corpus import read_corpus
from aegan.errors import InputError

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)


def refusal(found, wanted) -> str:
    with pytest.raises(InputError) as error:
        check_same("new.parquet", found, "corpus 'old'", wanted)
    message = str(error.value)
    assert "\n" not in message and message.startswith("new.parquet: ") and "corpus 'old'" in message
    return message


@given(NAMES, NAMES, st.sampled_from(["IS10", "emobase2010"]))
def test_equal_hashes_are_equal_contracts(first, second, feature_set):
    a, b = (FeatureContract(tuple(names), feature_set) for names in (first, second))
    assert (a.hash == b.hash) == (first == second)
    if first != second:
        refusal(a, b)
    check_same("x", a, "y", FeatureContract(tuple(first), feature_set))


def test_the_hash_is_of_names_order_and_set():
    base = FeatureContract(("a", "b"), "IS10")
    others = (("b", "a"), "IS10"), (("a", "bb"), "IS10"), (("ab",), "IS10"), (("a", "b"), UNKNOWN)
    hashes = {base.hash, *(FeatureContract(*other).hash for other in others)}
    assert len(hashes) == 5 and all(len(value) == 16 for value in hashes)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("aXcYZWg", "(4 of 7 features differ; column 1 is 'X' for 'b'; column 3 is 'Y' for 'd'; "),
        ("aXcYZWg", "; column 4 is 'Z' for 'e')"),  # and no more
        ("abcdef", "6 features for 7; missing here: 'g'"),
        ("abcdefghijk", "only here: 'h', 'i', 'j')"),
        ("abcdegf", "in another order"),
    ],
)
def test_the_first_differing_names_are_shown(names, words):
    assert words in refusal(FeatureContract(tuple(names)), FeatureContract(tuple("abcdefg")))


def test_the_same_names_of_another_set_are_refused_and_an_unknown_set_is_not():
    is10, emobase, unknown = (
        FeatureContract(("a",), name) for name in ("IS10", "emobase2010", UNKNOWN)
    )
    assert "feature set emobase2010 for IS10" in refusal(emobase, is10)
    check_same("x", unknown, "y", is10)
    check_same("x", is10, "y", unknown)


def test_a_known_set_is_told_from_its_names(shared_data):
    names = read_corpus(shared_data / "nemo.parquet").feature_names
    assert FeatureContract.of(names).feature_set == "IS10"
    # What emobase2010 calls some of the same columns.
    other = [n.replace("mfcc_sma", "pcm_fftMag_mfcc_sma") if n[:4] == "mfcc" else n for n in names]
    assert FeatureContract.of(other).feature_set == "emobase2010"
    assert FeatureContract.of(names[::-1]).feature_set == UNKNOWN
    assert FeatureContract.of(names, "mine").feature_set == "mine"


def test_metadata_round_trip_and_renamed_columns():
    contract = FeatureContract(("a", "b"), "mine")
    metadata = contract.to_metadata()
    assert FeatureContract.from_metadata("t", ("a", "b"), metadata) == contract
    assert FeatureContract.from_metadata("t", ("a", "b"), {}).feature_set == UNKNOWN
    for names in (("b", "a"), ("a",), ("a", "c")):
        with pytest.raises(InputError, match="^t: its columns or its feature set are not those"):
            FeatureContract.from_metadata("t", names, metadata)
