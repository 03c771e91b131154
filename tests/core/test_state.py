"""The state: what single entries do to it."""

from collections.abc import Callable

from msgspec.structs import replace

from holdfast.core import events
from holdfast.core.entry import Entry
from holdfast.core.moves import Move
from holdfast.core.state import MAX_KEYS, Record, State, empty, fold

Play = Callable[..., State]
Written = Callable[..., list[tuple[Entry, str]]]


def test_nobody_registered_the_empty_model() -> None:
    state = empty("iris")

    assert not state.exists
    assert (state.production, state.previous, state.live, state.latest()) == (None,) * 4


def test_a_model_exists_until_it_is_deleted_and_again_after(play: Play) -> None:
    script = ["register 1.0.0", "delete", "register 1.1.0"]

    assert [play(*script[:length]).exists for length in (1, 2, 3)] == [True, False, True]


class Compared(str):
    """A key that counts how often keys are held against each other."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other: str) -> bool:
        """Compare, and count."""
        Compared.compared += 1
        return str(self) < str(other)


def test_the_work_of_many_tags_grows_with_their_number(written: Written) -> None:
    first, (entry, head) = written("register 1.0.0", "tag 1.0.0 a=b")
    many = [_tagged(entry, Compared(299 - at), "x") for at in range(300)]
    before = fold(empty("iris"), [first])
    state = fold(before, [(one, head) for one in many])
    kept = state.versions["1.0.0"].tags
    after = fold(state, [(_tagged(entry, "7", None), head)])

    assert Compared.compared < 300 * 12  # sorted once, not at each entry
    assert (type(kept), len(kept), list(kept)) == (dict, 300, sorted(kept))
    assert before.versions["1.0.0"].tags == {}
    assert ("7" in kept, "7" in after.versions["1.0.0"].tags) == (True, False)


def _tagged(entry: Entry, key: str, text: str | None) -> Entry:
    return replace(entry, event=events.Tagged(version="1.0.0", tags={key: text}))


def test_a_deleted_model_keeps_its_tombstones_and_loses_its_names(play: Play) -> None:
    state = play(
        "register 1.0.0", "register 1.1.0", "promote 1.0.0", "stage 1.1.0", "alias eu 1.0.0",
        "delete force",
    )  # fmt: skip

    assert {record.status for record in state.versions.values()} == {"purged"}
    assert (state.production, state.staging, state.previous, state.aliases) == (
        None,
        None,
        None,
        {},
    )


def test_a_deleted_model_forgets_where_it_could_go_back_to(play: Play) -> None:
    script = ("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0", "rollback")
    state = play(*script, "delete force")

    assert state.stack == state.rejected == []


def test_a_rejected_version_asked_for_by_name_is_rejected_no_more(play: Play) -> None:
    script = ("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0", "rollback")

    assert play(*script).rejected == ["1.1.0"]
    assert play(*script, "rollback 1.1.0").rejected == ["1.0.0"]


def test_a_deletion_ends_what_was_live(play: Play) -> None:
    state = play("register 1.0.0", "promote 1.0.0", "delete force by=eve why=obsolete")

    assert state.live is None
    assert state.moves[-1] == Move(
        None, "1.0.0", 3, "2026-03-01T12:02:00.000000Z", "eve", "obsolete", "deleted"
    )


def test_numbers_go_on_after_a_deletion(play: Play) -> None:
    state = play("register 1.0.0", "delete", "register 1.1.0")

    assert state.versions["1.1.0"].number == 2


def test_live_is_the_move_that_made_it_so(play: Play) -> None:
    state = play("register 1.0.0", "promote 1.0.0 by=eve why=better", "note 1.0.0 seen")

    assert state.live == Move(
        "1.0.0", None, 2, "2026-03-01T12:01:00.000000Z", "eve", "better", "promoted"
    )


def test_a_forced_promotion_is_marked(play: Play) -> None:
    state = play(
        "register 1.0.0 auc=0.9", "register 1.1.0 auc=0.5", "promote 1.0.0", "promote 1.1.0 force"
    )

    assert [move.forced for move in state.moves] == [False, True]


def test_a_promotion_archives_the_champion(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0")

    assert state.record("1.0.0").status == "archived"


def test_a_promotion_of_the_staged_version_leaves_staging_empty(play: Play) -> None:
    assert play("register 1.0.0", "stage 1.0.0", "promote 1.0.0").staging is None


def test_a_rollback_to_the_staged_version_leaves_staging_empty(play: Play) -> None:
    state = play(
        "register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0", "stage 1.0.0",
        "rollback",
    )  # fmt: skip

    assert (state.production, state.staging) == ("1.0.0", None)


def test_what_leaves_staging_for_another_is_registered_again(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "stage 1.0.0", "stage 1.1.0")

    assert [record.status for record in state.versions.values()] == ["registered", "staging"]


def test_what_was_archived_before_it_was_staged_is_archived_again(play: Play) -> None:
    steps = ("archive 1.0.0", "stage 1.0.0", "stage 1.1.0")
    state = play("register 1.0.0", "register 1.1.0", *steps)

    assert [record.status for record in state.ordered()] == ["archived", "staging"]


def test_an_archived_version_leaves_staging(play: Play) -> None:
    state = play("register 1.0.0", "stage 1.0.0", "archive 1.0.0")

    assert (state.staging, state.record("1.0.0").status) == (None, "archived")


def test_archiving_another_leaves_staging_alone(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "stage 1.0.0", "archive 1.1.0")

    assert state.staging == "1.0.0"


def annotated(play: Play, *script: str) -> Record:
    return play("register 1.0.0 auc=0.9", *script).record("1.0.0")


def test_tags_are_merged_sorted_and_removed(play: Play) -> None:
    record = annotated(play, "tag 1.0.0 b=1 a=2", "tag 1.0.0 c=3 b=")

    assert list(record.tags.items()) == [("a", "2"), ("c", "3")]


def test_notes_are_kept_in_order(play: Play) -> None:
    assert annotated(play, "note 1.0.0 one", "note 1.0.0 two").notes == ("one", "two")


def test_an_evaluation_is_merged_over_the_metrics(play: Play) -> None:
    record = annotated(play, "evaluate 1.0.0 auc=0.8 acc=0.7")

    assert list(record.metrics.items()) == [("acc", 0.7), ("auc", 0.8)]


def test_approvals_name_each_person_once_in_order(play: Play) -> None:
    record = annotated(play, "approve 1.0.0 by=eve", "approve 1.0.0 by=ada", "approve 1.0.0 by=eve")

    assert record.approvals == ("eve", "ada")


def test_a_hold_keeps_its_reason_until_it_is_released(play: Play) -> None:
    assert annotated(play, "hold 1.0.0 why=audit").held == "audit"
    assert annotated(play, "hold 1.0.0").held == "held"
    assert annotated(play, "hold 1.0.0", "release 1.0.0").held is None


def test_an_alias_can_be_removed(play: Play) -> None:
    assert play("register 1.0.0", "alias eu 1.0.0", "unalias eu").aliases == {}


def test_the_aliases_of_a_version_are_sorted(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "alias us 1.0.0", "alias eu 1.0.0")

    assert (state.aliases_of("1.0.0"), state.aliases_of("1.1.0")) == (("eu", "us"), ())


def test_a_policy_outlives_a_deletion(play: Play) -> None:
    script = ("""policy '{"approvals": 2}'""", "register 1.0.0", "delete")

    assert play(*script).policy.approvals == 2


def test_versions_are_ordered_by_semver_and_present_by_number(play: Play) -> None:
    state = play(
        "register 1.10.0", "register 1.9.0", "register 1.9.0-rc.1", "register 1.8.0", "purge 1.8.0"
    )

    assert [record.version for record in state.ordered()] == [
        "1.8.0",
        "1.9.0-rc.1",
        "1.9.0",
        "1.10.0",
    ]
    assert [record.version for record in state.present()] == ["1.10.0", "1.9.0", "1.9.0-rc.1"]


def test_ten_is_later_than_nine(play: Play) -> None:
    assert play("register 1.9.0", "register 1.10.0").latest() == "1.10.0"


def test_the_latest_has_its_bytes_and_is_a_release_if_there_is_one(play: Play) -> None:
    history = ["register 1.9.0", "register 2.0.0-rc.1", "register 1.10.0", "archive 1.10.0"]

    assert play(*history).latest() == "1.10.0"
    assert play(*history, "purge 1.10.0").latest() == "1.9.0"
    assert play("register 1.0.0-rc.1", "register 1.0.0-rc.2").latest() == "1.0.0-rc.2"


def test_a_key_remembers_its_deed(play: Play) -> None:
    policy = """policy '{"approvals": 0, "clean_scan": false}' key=p"""
    state = play("register 1.0.0 key=k", policy, "promote 1.0.0 key=q")

    assert {key: (use.op, use.seq, use.version) for key, use in state.keys.items()} == {
        "k": ("registered", 1, "1.0.0"),
        "p": ("policy_set", 2, None),
        "q": ("promoted", 3, "1.0.0"),
    }


def test_the_oldest_keys_are_forgotten_beyond_ten_thousand(written: Written) -> None:
    *before, (note, head) = written("register 1.0.0", "note 1.0.0 seen")
    uses = [(replace(note, key=f"k{number}"), head) for number in range(MAX_KEYS + 5)]
    state = fold(fold(empty("iris"), before), uses)

    assert len(state.keys) == MAX_KEYS
    assert next(iter(state.keys)) == "k5"


def test_an_entry_about_an_unknown_version_changes_no_record(written: Written) -> None:
    *before, (last, head) = written("register 1.0.0", "alias eu 1.0.0", "unalias eu")
    odd = replace(last, event=events.AliasRemoved(alias="eu", was="9.9.9"))

    assert (
        fold(fold(empty("iris"), before), [(odd, head)]).versions
        == fold(empty("iris"), before).versions
    )
