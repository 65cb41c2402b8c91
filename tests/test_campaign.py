"""A small part of the campaign of faults; tests/campaign.py runs any number."""

from __future__ import annotations

import pytest
from campaign import campaign, faults, flips, mutations, wrong_in


@pytest.mark.slow
@pytest.mark.parametrize(("part", "number"), [(flips, 80), (mutations, 1200), (faults, 18)])
def test_faults_are_withstood(part, number):
    found = campaign(part, number, seed=0)
    assert sum(map(lambda outcomes: sum(outcomes.values()), found.values())) == number
    assert wrong_in(found) == 0, found
