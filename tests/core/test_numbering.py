"""Registration: how a version comes to its number, and what becomes of a number that is taken."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core import events, numbering
from holdfast.core.manifest import Manifest, decode, digest_of
from holdfast.core.numbering import Registration, bases_of, register
from holdfast.core.state import State
from holdfast.core.version import Bump, Version, parse
from holdfast.errors import InvalidInputError, RefusedError

Make = Callable[..., Manifest]
Play = Callable[..., State]
Schema = dict[str, Any]

AT = "2026-03-01T12:00:00.000000Z"


def table(*required: str, optional: tuple[str, ...] = ()) -> Schema:
    columns = {name: {"type": "number"} for name in (*required, *optional)}
    return {"type": "object", "properties": columns, "required": list(required)}


ONE = table("age")
WIDER = table("age", optional=("height",))
BROKEN = table("weight", "length")


def asked_for(text: str) -> Version | Bump:
    match text:
        case "auto" | "major" | "minor" | "patch":
            return text
        case _:
            return parse(text)


@pytest.fixture
def over(make_manifest: Make) -> Callable[..., Registration]:
    """Return a function that registers over a base: versions' texts and input schemas."""

    def registered(
        base: str, asked: str, before: Schema | None = None, after: Schema | None = None
    ) -> Registration:
        below = make_manifest(base, input_schema=before)
        draft = make_manifest("", input_schema=after)
        return register(State("iris"), draft, asked_for(asked), below, AT)

    return registered


Over = Callable[..., Registration]


@pytest.mark.parametrize("asked", ["auto", "major", "minor", "patch"])
def test_the_first_version_is_one(make_manifest: Make, asked: Bump) -> None:
    planned = register(State("iris"), make_manifest(""), asked, None, AT)

    assert (planned.event.version, planned.event.why) == ("1.0.0", "the first version")


@pytest.mark.parametrize("text", ["0.1.0", "3.0.0", "1.0.0-rc.1", "1.0.0+cpu"])
def test_the_first_version_is_the_one_asked_for(make_manifest: Make, text: str) -> None:
    planned = register(State("iris"), make_manifest(""), parse(text), None, AT)

    assert planned.event.version == text


def test_a_registration_fills_in_version_number_and_time(make_manifest: Make, play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0")
    planned = register(state, make_manifest(""), "minor", make_manifest("1.1.0"), AT)

    assert (planned.manifest.version, planned.manifest.number, planned.manifest.registered_at) == (
        "1.2.0",
        3,
        AT,
    )


def test_the_event_names_the_bytes_of_the_manifest(make_manifest: Make) -> None:
    draft = make_manifest("", metrics={"auc": 0.9}, input_schema=ONE)
    planned = register(State("iris"), draft, "auto", None, AT)

    assert decode(planned.raw, planned.event.manifest) == planned.manifest
    assert planned.event == events.Registered(
        version="1.0.0",
        number=1,
        manifest=digest_of(planned.raw),
        size_bytes=1000,
        metrics={"auc": 0.9},
        why="the first version",
        schemas=("input_schema",),
    )


@pytest.mark.parametrize(
    ("base", "asked", "then"),
    [
        ("1.2.3", "auto", "1.3.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.9.0", "minor", "1.10.0"),
        ("1.2.3", "1.2.4", "1.2.4"),
        ("1.2.3", "4.0.0", "4.0.0"),
        ("1.2.3", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("0.2.3", "auto", "0.3.0"),
        ("0.2.3", "patch", "0.2.4"),
        ("0.2.3", "major", "1.0.0"),
        ("2.0.0-rc.1", "auto", "2.0.0"),
        ("2.0.0-rc.1", "2.0.0-rc.2", "2.0.0-rc.2"),
    ],
)
def test_a_version_with_unchanged_schemas_takes_the_number_asked_for(
    over: Over, base: str, asked: str, then: str
) -> None:
    assert over(base, asked, ONE, ONE).event.version == then


@pytest.mark.parametrize(
    ("base", "after", "then"),
    [
        ("1.2.3", BROKEN, "2.0.0"),
        ("1.2.3", WIDER, "1.3.0"),
        ("1.2.3", ONE, "1.3.0"),
        ("0.2.3", BROKEN, "0.3.0"),
        ("0.2.3", WIDER, "0.3.0"),
        ("2.0.0-rc.1", BROKEN, "2.0.0"),
        ("2.1.0-rc.1", BROKEN, "3.0.0"),
    ],
)
def test_auto_takes_the_least_number_that_the_schemas_demand(
    over: Over, base: str, after: Schema, then: str
) -> None:
    assert over(base, "auto", ONE, after).event.version == then


def test_auto_says_why(over: Over) -> None:
    assert over("1.2.3", "auto", ONE, ONE).event.why == "minor: the schemas are those of 1.2.3"
    assert "height" in over("1.2.3", "auto", ONE, WIDER).event.why


def test_auto_says_which_change_broke_the_schema(over: Over) -> None:
    why = over("1.2.3", "auto", ONE, BROKEN).event.why

    assert why.startswith("major: ")
    assert all(column in why for column in ("age", "weight", "length"))
    assert why.endswith("(since 1.2.3)")


def test_a_number_asked_for_says_so(over: Over) -> None:
    reason = "asked for; major: no schema is declared, so nothing shows that callers break"

    assert over("1.2.3", "major").event.why == reason


@pytest.mark.parametrize(
    ("base", "asked", "after"),
    [
        ("1.2.3", "minor", BROKEN),
        ("1.2.3", "patch", BROKEN),
        ("1.2.3", "1.3.0", BROKEN),
        ("1.2.3", "1.2.4", BROKEN),
        ("1.2.3", "1.3.0-rc.1", BROKEN),
        ("1.2.3", "patch", WIDER),
        ("1.2.3", "1.2.4", WIDER),
        ("0.2.3", "patch", BROKEN),
        ("0.2.3", "0.2.4", BROKEN),
        ("2.1.0-rc.1", "2.1.0-rc.2", BROKEN),
    ],
)
def test_a_version_that_claims_less_than_its_schemas_change_is_refused(
    over: Over, base: str, asked: str, after: Schema
) -> None:
    with pytest.raises(RefusedError, match=f"since {base}"):
        over(base, asked, ONE, after)


@pytest.mark.parametrize(
    ("base", "asked", "after"),
    [
        ("1.2.3", "major", BROKEN),
        ("1.2.3", "2.0.0", BROKEN),
        ("1.2.3", "2.0.0-rc.1", BROKEN),
        ("1.2.3", "minor", WIDER),
        ("1.2.3", "patch", ONE),
        ("0.2.3", "minor", BROKEN),
        ("0.2.3", "1.0.0", BROKEN),
        ("2.0.0-rc.1", "2.0.0-rc.2", BROKEN),
        ("2.0.0-rc.1", "2.0.0", BROKEN),
    ],
)
def test_a_version_that_claims_enough_is_registered(
    over: Over, base: str, asked: str, after: Schema
) -> None:
    assert over(base, asked, ONE, after).event.why.startswith("asked for; ")


@pytest.mark.parametrize("base", ["1.2.3", "0.2.3"])
def test_a_refusal_lists_each_breaking_change(over: Over, base: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        over(base, "patch", ONE, BROKEN)

    columns = [
        column
        for column in ("age", "length", "weight")
        for reason in refusal.value.reasons
        if repr(column) in reason
    ]
    assert columns == ["age", "length", "weight"]


@pytest.mark.parametrize(("base", "then"), [("1.2.3", "2.0.0"), ("0.2.3", "0.3.0")])
def test_a_refusal_says_which_version_to_take(over: Over, base: str, then: str) -> None:
    with pytest.raises(RefusedError, match=f"register it as {then}"):
        over(base, "patch", ONE, BROKEN)


def test_a_change_of_the_output_counts_as_well(make_manifest: Make) -> None:
    base = make_manifest("1.0.0", output_schema={"type": "integer"})
    draft = make_manifest("", output_schema={"type": "string"})

    with pytest.raises(RefusedError):
        register(State("iris"), draft, "minor", base, AT)


def bases(state: State, asked: str) -> list[str]:
    return [record.version for record in bases_of(state, asked_for(asked))]


def declaring(state: State, **sides: tuple[str, ...]) -> State:
    """Let versions, named with underscores, declare schemas."""
    for name, declared in sides.items():
        version = name.removeprefix("v").replace("_", ".")
        state.versions[version] = replace(state.versions[version], schemas=declared)
        state.sides = tuple({*state.sides, *declared})
    return state


def test_the_first_version_is_measured_against_nothing() -> None:
    assert bases(State("iris"), "auto") == bases(State("iris"), "1.0.0") == []


@pytest.mark.parametrize(
    ("asked", "base"),
    [
        ("auto", "1.10.0"),
        ("patch", "1.10.0"),
        ("1.9.1", "1.9.0"),
        ("1.10.0-rc.1", "1.9.0"),
        ("2.0.0-rc.2", "2.0.0-rc.1"),
        ("2.0.0", "2.0.0-rc.1"),
        ("99.0.0", "2.0.0-rc.1"),
    ],
)
def test_a_version_is_measured_against_the_highest_below_it(
    play: Play, asked: str, base: str
) -> None:
    state = play("register 1.10.0", "register 1.9.0", "register 2.0.0-rc.1")

    assert bases(state, asked)[0] == base


def test_a_version_below_all_others_is_measured_against_nothing(play: Play) -> None:
    assert bases(play("register 1.0.0"), "0.9.0") == []


def test_a_version_below_all_others_is_not_called_the_first(
    make_manifest: Make, play: Play
) -> None:
    planned = register(play("register 1.0.0"), make_manifest(""), parse("0.9.0"), None, AT)

    assert planned.event.version == "0.9.0"
    assert "first" not in planned.event.why


def test_without_a_release_the_highest_pre_release_is_finished(play: Play) -> None:
    assert bases(play("register 1.0.0-rc.9", "register 1.0.0-rc.10"), "auto") == ["1.0.0-rc.10"]


def test_a_purged_version_is_still_measured_against(play: Play) -> None:
    assert bases(play("register 1.0.0", "register 1.1.0", "purge 1.1.0"), "auto") == ["1.1.0"]


def test_a_schema_that_is_not_declared_is_looked_for_further_down(play: Play) -> None:
    state = declaring(
        play("register 1.0.0", "register 1.1.0", "register 1.2.0", "register 1.3.0"),
        v1_0_0=("input_schema", "output_schema"),
        v1_1_0=("input_schema",),
        v1_3_0=("input_schema", "output_schema"),
    )

    assert bases(state, "1.2.1") == ["1.2.0", "1.1.0", "1.0.0"]


def test_a_version_that_declares_both_schemas_is_measured_against_alone(play: Play) -> None:
    state = declaring(
        play("register 1.0.0", "register 1.1.0"),
        v1_0_0=("input_schema",),
        v1_1_0=("input_schema", "output_schema"),
    )

    assert bases(state, "auto") == ["1.1.0"]


def test_an_import_keeps_the_manifest_and_gets_a_number_of_its_own(
    make_manifest: Make, play: Play
) -> None:
    origin = events.Origin("elsewhere", "f" * 64)
    theirs = make_manifest("3.0.0", number=77)
    event = numbering.imported(play("register 1.0.0"), theirs, "d" * 64, "imported", origin)

    assert (event.version, event.number, event.manifest) == ("3.0.0", 2, "d" * 64)
    assert event.origin == origin


@pytest.mark.parametrize(
    "facts",
    [
        {"description": 5},
        {"limitations": "one sentence"},
        {"training_data": "flowers.csv"},
        {"metadata": {"when": float("nan")}, "author": ["Ada"]},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_facts_that_could_not_be_read_again_are_refused(
    make_manifest: Make, facts: dict[str, Any]
) -> None:
    # a manifest is written once: what cannot be read back is lost, and its version with it
    with pytest.raises(InvalidInputError):
        register(State("iris"), make_manifest("", **facts), "auto", None, AT)
