"""The keys, and which files are entries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.store import layout

PREFIX = "models/iris/journal"
UNTIMED = settings(deadline=None)


def test_every_key_has_its_place() -> None:
    keys = [
        layout.CONFIG,
        layout.blob("ab" * 32),
        layout.model("iris"),
        layout.journal("models/iris"),
        layout.pointer("iris"),
        layout.version("iris", "1.2.0"),
    ]

    assert keys == [
        "holdfast.json",
        "blobs/sha256/" + "ab" * 32,
        "models/iris",
        "models/iris/journal",
        "models/iris/active_version.json",
        "models/iris/versions/1.2.0",
    ]


@pytest.mark.parametrize(
    ("seq", "name"),
    [
        (1, "0000000001.json"),
        (42, "0000000042.json"),
        (9_999_999_999, "9999999999.json"),
        (10_000_000_000, "10000000000.json"),
    ],
)
def test_a_number_has_one_name(seq: int, name: str) -> None:
    assert layout.numbered(PREFIX, seq) == f"{PREFIX}/{name}"
    assert layout.number_of(name) == seq


@UNTIMED
@given(st.integers(1, 10**20))
def test_a_number_is_read_back_from_its_name(seq: int) -> None:
    assert layout.number_of(layout.numbered("x", seq).removeprefix("x/")) == seq


@pytest.mark.parametrize(
    "name",
    [
        "0000000000.json",
        "00000000001.json",
        "1.json",
        "000000001.json",
        "0000000001.json.bak",
        "0000000001.JSON",
        "0000000001.json\n",
        " 0000000001.json",
        "+000000001.json",
        "-000000001.json",
        "0_00000001.json",
        "\u0660000000001.json",
        "\uff10000000001.json",
        ".tmp-1-ab",
        "README",
        "",
    ],
)
def test_any_other_file_has_no_number(name: str) -> None:
    assert layout.number_of(name) is None


@UNTIMED
@given(st.text(max_size=30))
def test_a_file_with_a_number_is_named_by_it(name: str) -> None:
    number = layout.number_of(name)

    assert number is None or layout.numbered("x", number) == f"x/{name}"


@UNTIMED
@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_two_models_share_no_folder(name: str, other: str) -> None:
    same = layout.model(name).casefold() == layout.model(other).casefold()

    assert same == (name == other)


@UNTIMED
@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_no_name_leaves_its_place(model: str, version: str) -> None:
    parts = layout.version(model, version).split("/")

    assert [parts[0], parts[2]] == ["models", "versions"]
    assert len(parts) == 4
    assert not {"", ".", ".."} & set(parts)


@UNTIMED
@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_a_place_in_the_store_is_short(model: str, version: str) -> None:
    assert len(layout.pointer(model)) <= 110
    assert len(layout.version(model, version)) <= 158


@pytest.mark.parametrize("first", [1, 98, 9_999_999_998])
def test_names_of_many_entries_are_those_of_each(first: int) -> None:
    names = layout.names_of(first, first + 4)

    assert names == [layout.name_of(seq) for seq in range(first, first + 5)]
    assert layout.names_of(first, first - 1) == []
