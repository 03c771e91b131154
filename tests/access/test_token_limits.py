"""Everybody may make tokens of their own: not without end, and none with patterns without end."""

from datetime import timedelta

import pytest
from tests.access.conftest import Server

from holdfast.access import changes
from holdfast.access.token_limits import MOST_A_DAY, MOST_PATTERNS
from holdfast.errors import InvalidInputError, RefusedError


def test_a_user_has_so_many_tokens_a_day_and_no_other_is_kept_from_theirs(
    server: Server,
) -> None:
    server.add("bo")
    for _ in range(MOST_A_DAY):
        token = server.token("bo")
    server.commit(lambda state, _stamp: changes.revoke_token(state, token.id))
    with pytest.raises(RefusedError, match="100 were made within a day"):
        server.token("bo")
    server.token("ana")
    server.now += timedelta(days=2)
    server.token("bo")


@pytest.mark.parametrize("count", [MOST_PATTERNS, MOST_PATTERNS + 1])
def test_a_token_has_so_many_patterns(server: Server, count: int) -> None:
    patterns = tuple(f"risk/{number}*" for number in range(count))
    if count == MOST_PATTERNS:
        server.token("ana", models=patterns)
        return
    with pytest.raises(InvalidInputError, match="at most 100 patterns of models, not 101"):
        server.token("ana", models=patterns)
