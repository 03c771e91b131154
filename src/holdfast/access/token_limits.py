"""How much a token may say, and how many somebody may make: everybody may make their own.

Each is an entry for ever, and each request by it tries its patterns on every model.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.access.access_state import AccessState, User
from holdfast.access.permissions import check_pattern
from holdfast.core.entry import format_time
from holdfast.errors import InvalidInputError, RefusedError

MOST_A_DAY: Final = 100
"""Tokens that are made for one user, revoked ones too."""
MOST_PATTERNS: Final = 100


def require_room(state: AccessState, owner: User, now: datetime) -> None:
    """Refuse to make more tokens for a user than anybody needs.

    Raises:
        RefusedError: If there were too many within a day.
    """
    since = format_time(now - timedelta(days=1))
    made = sum(
        token.user == owner.id and token.issued_at > since for token in state.tokens.values()
    )
    if made >= MOST_A_DAY:
        raise RefusedError(
            f"token for {owner.name}",
            "access",
            [f"{MOST_A_DAY} were made within a day"],
            "use one of them, or wait",
        )


def check_patterns(subject: str, patterns: Sequence[str]) -> None:
    """Refuse patterns that cannot name models, and more than a reader could follow.

    Raises:
        InvalidInputError: If there are such.
    """
    if len(patterns) > MOST_PATTERNS:
        problem = f"may have at most {MOST_PATTERNS} patterns of models, not {len(patterns):,}"
        raise InvalidInputError(subject, problem, "use `*` in them, or a group of names")
    for pattern in patterns:
        check_pattern(pattern)
