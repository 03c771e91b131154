"""Rollback: where it goes, where it never goes, and what two at once do."""

from collections.abc import Callable

import pytest

from holdfast.core import commands, events
from holdfast.core.state import State
from holdfast.errors import ConflictError, HoldfastError, NoPreviousVersionError

Play = Callable[..., State]

THREE = ("register 1.0.0", "register 1.1.0", "register 1.2.0")
ABC = (*THREE, "promote 1.0.0", "promote 1.1.0", "promote 1.2.0")
FOURTH = ("register 1.3.0", "promote 1.3.0")
LAST_WORDS = r"^No previous version to roll back to\. \(model iris[^)]*\)$"


def rolled_back(state: State, to: str | None = None, undoes: int | None = None) -> object:
    return commands.rollback(state, state.record(to) if to else None, undoes)


@pytest.mark.parametrize(
    ("script", "live"),
    [
        (["rollback"], "1.1.0"),
        (["rollback", "rollback"], "1.0.0"),
        (["rollback 1.0.0"], "1.0.0"),
        (["rollback", "promote 1.2.0", "rollback"], "1.1.0"),
        (["rollback", "promote 1.0.0", "rollback"], "1.1.0"),
        (["rollback", "rollback", "promote 1.1.0", "rollback"], "1.0.0"),
        (["rollback", "rollback", "rollback 1.2.0"], "1.2.0"),
        (["purge 1.0.0", "rollback"], "1.1.0"),
        (["hold 1.1.0", "archive 1.1.0", "rollback"], "1.1.0"),
    ],
)
def test_a_rollback_goes_to_what_was_live_before(play: Play, script: list[str], live: str) -> None:
    assert play(*ABC, *script).production == live


@pytest.mark.parametrize(
    "script",
    [
        THREE,
        (*THREE, "promote 1.0.0"),
        (*ABC, "rollback", "rollback"),
        (*ABC, "rollback 1.0.0"),
        (*ABC, "rollback", "rollback", "rollback 1.2.0"),
        (*ABC, "rollback", "rollback", "rollback 1.2.0", *FOURTH, "rollback"),
        (*ABC, "purge keep 0 target"),
        (*THREE, "promote 1.0.0", "promote 1.1.0", "promote 1.0.0", "rollback"),
        (*THREE, "promote 1.0.0", "delete force", "register 2.0.0", "promote 2.0.0"),
    ],
    ids=[
        "never promoted",
        "one promotion",
        "back at the first",
        "back at the first at once",
        "all others rejected",
        "one of the rejected took the place of the first",
        "all others purged",
        "the first again, then rejected",
        "deleted in between",
    ],
)
def test_with_nothing_before_there_is_no_rollback(play: Play, script: tuple[str, ...]) -> None:
    with pytest.raises(NoPreviousVersionError, match=LAST_WORDS):
        rolled_back(play(*script))


def test_a_rollback_never_goes_to_the_version_just_rejected(play: Play) -> None:
    script = ("promote 1.0.0", "promote 1.1.0", "promote 1.0.0", "rollback")
    state = play(*THREE, *script)

    assert (state.production, state.previous) == ("1.1.0", None)


def test_a_promotion_gives_a_rejected_version_another_chance(play: Play) -> None:
    state = play(*ABC, "rollback", "promote 1.2.0", "promote 1.0.0")

    assert state.previous == "1.2.0"


def test_a_rollback_names_the_entry_it_undoes(play: Play) -> None:
    assert rolled_back(play(*ABC)) == events.RolledBack(version="1.1.0", was="1.2.0", undoes=6)


def test_two_operators_who_press_rollback_at_once_go_back_once(play: Play) -> None:
    seen = play(*ABC).live
    assert seen is not None
    after_the_first = play(*ABC, "rollback by=eve")

    with pytest.raises(
        ConflictError, match=r"changed meanwhile: eve moved production from 1\.2\.0 to 1\.1\.0"
    ):
        rolled_back(after_the_first, undoes=seen.seq)


def test_a_rollback_that_saw_the_present_goes_through(play: Play) -> None:
    state = play(*ABC)

    assert rolled_back(state, undoes=6) == rolled_back(state)


@pytest.mark.parametrize("to", ["1.0.0", "1.1.0"])
def test_a_rollback_can_be_told_where_to_go(play: Play, to: str) -> None:
    assert rolled_back(play(*ABC), to) == events.RolledBack(version=to, was="1.2.0", undoes=6)


def test_a_rollback_cannot_go_where_it_is(play: Play) -> None:
    with pytest.raises(ConflictError, match=r"iris@1\.2\.0 is already live"):
        rolled_back(play(*ABC), "1.2.0")


def test_a_rollback_cannot_go_to_what_never_served(play: Play) -> None:
    with pytest.raises(ConflictError, match="was never live, so you cannot roll back to it"):
        rolled_back(play(*ABC, "register 1.3.0"), "1.3.0")


def test_a_rollback_cannot_go_to_what_was_purged(play: Play) -> None:
    with pytest.raises(ConflictError, match="was purged, so its bytes are gone"):
        rolled_back(play(*ABC, "purge 1.0.0"), "1.0.0")


def test_a_rollback_skips_what_was_purged(play: Play) -> None:
    state = play(*ABC, "purge keep 1 target")

    assert (state.previous, state.record("1.0.0").status) == ("1.1.0", "purged")


def test_the_last_words_of_a_rollback_are_exact(play: Play) -> None:
    with pytest.raises(HoldfastError) as refusal:
        rolled_back(play(*THREE))

    assert str(refusal.value) == "No previous version to roll back to. (model iris)"
