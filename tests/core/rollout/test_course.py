"""The terms of a rollout, and where it stands."""

import pytest

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.course import Terms, check
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError


@pytest.mark.parametrize("sticky", [None, "header:X-User-Id", "field:user_id", "field:user.id"])
def test_a_key_is_found_in_a_header_or_a_field(sticky: str | None) -> None:
    assert check(Terms(sticky=sticky)).sticky == sticky


@pytest.mark.parametrize(
    "sticky", ["", "X-User-Id", "header:", "header:two words", "field:", "field:a:b", "cookie:id"]
)
def test_a_key_that_is_nowhere_is_refused(sticky: str) -> None:
    with pytest.raises(InvalidInputError, match="names no place of a key; write header:NAME"):
        check(Terms(sticky=sticky))


@pytest.mark.parametrize("terms", [Terms(Plan(steps=())), Terms(analysis=Analysis(alpha=2))])
def test_terms_that_cannot_be_followed_are_refused(terms: Terms) -> None:
    with pytest.raises(InvalidInputError):
        check(terms)
