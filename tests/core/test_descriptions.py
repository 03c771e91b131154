"""Texts about models and versions, and versions that are references."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from holdfast.core import commands, descriptions, events, numbering
from holdfast.core.entry import Entry
from holdfast.core.gate import Verdict
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.core.rollout_commands import start
from holdfast.core.state import State, empty, fold
from holdfast.core.views import version_info
from holdfast.errors import ConflictError, InvalidInputError

Play = Callable[..., State]
Written = Callable[..., list[tuple[Entry, str]]]
Make = Callable[..., Manifest]


def test_a_model_can_be_described_before_its_first_version(play: Play) -> None:
    state = play("describe model description=flowers tag.team=risk")

    assert state.exists
    assert state.texts == {"description": "flowers", "tag.team": "risk"}
    assert state.created_at == state.at
    assert state.moved_at == ""


def test_texts_are_merged_and_removed(play: Play) -> None:
    state = play(
        "register 1.0.0",
        "describe 1.0.0 description=first link=there",
        "describe 1.0.0 description= link=here",
    )

    assert state.record("1.0.0").texts == {"link": "here"}
    assert state.texts == {}


def test_a_description_moves_nothing(play: Play) -> None:
    state = play("register 1.0.0", "describe 1.0.0 description=first", "tag 1.0.0 a=b")
    record = state.record("1.0.0")

    assert record.moved_at == record.registered_at == state.moved_at
    assert record.updated_at > record.moved_at


def test_the_same_texts_are_no_entry(play: Play) -> None:
    state = play("register 1.0.0", "describe 1.0.0 description=first")

    assert isinstance(descriptions.describe(state, "1.0.0", {"description": "first"}), Unchanged)
    assert isinstance(descriptions.describe(state, None, {}), Unchanged)


def test_a_text_has_a_printable_key(play: Play) -> None:
    with pytest.raises(InvalidInputError, match="is not a name"):
        descriptions.describe(play("register 1.0.0"), None, {" ": "x"})


def test_a_model_deleted_and_described_exists_again_with_its_numbers(play: Play) -> None:
    before = play("register 1.0.0", "register 1.1.0", "describe model a=b", "delete force")
    state = play(
        "register 1.0.0",
        "register 1.1.0",
        "describe model a=b",
        "delete force",
        "describe model",
        "register 2.0.0",
    )

    assert (before.exists, before.earlier, before.texts) == (False, 2, {})
    assert state.exists
    assert state.record("2.0.0").number - state.earlier == 1
    assert state.created_at > before.created_at


def test_a_registration_brings_tags_and_texts(written: Written) -> None:
    [(entry, head)] = written("register 1.0.0")
    assert isinstance(entry.event, events.Registered)
    event = replace(
        entry.event, tags={"b": "2", "a": "1"}, texts={"source": "x"}, reference="s3://b/x"
    )

    record = fold(empty("iris"), [(replace(entry, event=event), head)]).record("1.0.0")

    assert (record.tags, record.texts) == ({"a": "1", "b": "2"}, {"source": "x"})
    assert record.reference == "s3://b/x"


def _referring(written: Written) -> State:
    journal = written("register 1.0.0", "promote 1.0.0", "register 1.1.0")
    entry, head = journal[-1]
    event = replace(entry.event, reference="s3://b/x")
    return fold(empty("iris"), [*journal[:-1], (replace(entry, event=event), head)])


def test_a_reference_is_never_live(written: Written) -> None:
    state = _referring(written)
    record = state.record("1.1.0")

    for by_force in (False, True):
        with pytest.raises(ConflictError, match="never taken in or hashed; register the files"):
            commands.promote(state, record, Verdict((), (), ()), by_force=by_force)
    with pytest.raises(ConflictError, match="is a reference to 's3://b/x'"):
        start(state, record, Terms(Plan(), Analysis(), None))


def test_a_reference_is_shown_as_one(written: Written) -> None:
    state = _referring(written)
    info = version_info(state, state.record("1.1.0"))

    assert (info.reference, info.size) == ("s3://b/x", "reference")
    assert version_info(state, state.record("1.0.0")).size == "1.0 kB"
    assert "s3://b/x" in info._repr_html_()


def test_a_registration_says_what_its_manifest_refers_to(make_manifest: Make) -> None:
    manifest = make_manifest(artifacts={}, reference="s3://b/x")

    assert numbering.registered(manifest, 1, "a" * 64, "first").reference == "s3://b/x"
    assert numbering.registered(make_manifest(), 1, "a" * 64, "first").reference is None
