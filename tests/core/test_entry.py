"""Journal entries: exact bytes and their checks."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.entry import (
    FORMAT,
    MAX_BYTES,
    Stamp,
    digest,
    model_of,
    read,
    write,
)
from holdfast.core.events import AnyEvent, Archived, Evaluated, Noted, PolicySet, Tagged
from holdfast.core.policy import Policy
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, NewerFormatError

Stamps = Callable[..., Stamp]

AT = "2026-03-01T12:00:00.000000Z"
HEAD = "a" * 64
texts = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.fixture
def raw(make_stamp: Stamps) -> bytes:
    """Return the bytes of a sound entry 7."""
    stamp = make_stamp(reason="auc fell", key="run-1")
    return write("iris", 7, HEAD, AT, stamp, Archived(version="1.0.0"))[0]


def forged(document: str) -> bytes:
    """Return an entry of these words, with a checksum that fits."""
    body = document.rstrip()[:-1].encode("utf-8", "surrogatepass")
    return body + b',"sum":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def document(**changed: Any) -> str:
    """Return a sound entry's words but its checksum, with some *changed*."""
    sound = {
        "v": 1,
        "min_reader": 1,
        "model": "iris",
        "seq": 7,
        "prev": HEAD,
        "commit": "0" * 32,
        "at": AT,
        "by": "ada",
        "reason": None,
        "key": None,
        "op": "archived",
        "data": {"version": "1.0.0"},
    }
    return json.dumps(sound | changed)


def damage(raw: bytes, *, model: str = "iris", seq: int = 7, prev: str | None = HEAD) -> str:
    with pytest.raises(DamagedError) as refusal:
        read(raw, model, seq, prev)
    return refusal.value.problem


def is_refused(raw: bytes) -> bool:
    try:
        read(raw, "iris", 7, HEAD)
    except DamagedError:
        return True
    return False


def test_an_entry_survives_the_wire(raw: bytes) -> None:
    entry = read(raw, "iris", 7, HEAD)

    assert (entry.model, entry.seq, entry.prev, entry.at) == ("iris", 7, HEAD, AT)
    assert (entry.by, entry.reason, entry.key, entry.commit) == (
        "ada",
        "auc fell",
        "run-1",
        "0" * 32,
    )
    assert entry.event == Archived(version="1.0.0")


@given(by=texts, reason=st.none() | texts, key=st.none() | texts, text=texts)
def test_any_words_survive_the_wire(
    make_stamp: Stamps, by: str, reason: str | None, key: str | None, text: str
) -> None:
    stamp = make_stamp(by=by, reason=reason, key=key)
    event = Noted(version="1.0.0", text=text)
    raw, entry = write("iris", 1, None, AT, stamp, event)

    assert entry == read(raw, "iris", 1, None)

    assert (entry.by, entry.reason, entry.key, entry.event) == (by, reason, key, event)


def test_the_bytes_of_a_known_entry_never_change(raw: bytes) -> None:
    body = (
        b'{"v":1,"min_reader":1,"model":"iris","seq":7,"prev":"' + HEAD.encode() + b'",'
        b'"commit":"00000000000000000000000000000000","at":"2026-03-01T12:00:00.000000Z",'
        b'"by":"ada","reason":"auc fell","key":"run-1","op":"archived","data":{"version":"1.0.0"}'
    )

    assert raw == body + b',"sum":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def test_the_digest_is_the_sha256_of_all_bytes(raw: bytes) -> None:
    assert digest(raw) == hashlib.sha256(raw).hexdigest()


def test_a_byte_changed_to_any_other_is_found(raw: bytes) -> None:
    unseen = [
        (index, value)
        for index in range(len(raw))
        for value in range(256)
        if value != raw[index] and not is_refused(raw[:index] + bytes([value]) + raw[index + 1 :])
    ]

    assert unseen == []


def test_an_entry_cut_short_anywhere_is_found(raw: bytes) -> None:
    assert [length for length in range(len(raw)) if not is_refused(raw[:length])] == []


def test_a_byte_added_anywhere_is_found(raw: bytes) -> None:
    unseen = [
        index
        for index in range(len(raw) + 1)
        if not all(is_refused(raw[:index] + extra + raw[index:]) for extra in (b" ", b"\n", b"\0"))
    ]

    assert unseen == []


def test_two_bytes_that_change_places_are_found(raw: bytes) -> None:
    swapped = (
        raw[:index] + raw[index + 1 : index + 2] + raw[index : index + 1] + raw[index + 2 :]
        for index in range(len(raw) - 1)
        if raw[index] != raw[index + 1]
    )

    assert all(map(is_refused, swapped))


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"{}", b"null", b"\0" * 600, b"\xff" * 600, b"<html></html>"]
)
def test_what_is_no_entry_is_damage(raw: bytes) -> None:
    assert damage(raw) == "was truncated or overwritten"


def test_a_changed_byte_is_told_from_a_cut(raw: bytes) -> None:
    assert damage(raw.replace(b"ada", b"eve")) == "does not match its checksum"


@pytest.mark.parametrize("version", ["1.0", "1.0.0 ", "01.0.0", "v1.0.0", "", "1" * 4000])
def test_an_entry_that_registers_what_is_not_a_version_is_damage(version: str) -> None:
    facts = {"number": 1, "manifest": HEAD, "size_bytes": 1, "metrics": {}, "why": "first"}
    data = facts | {"version": version}

    problem = damage(forged(document(op="registered", data=data)))
    assert problem == f"registers {version[:32]!r}, which is not a version"


def test_a_checksum_made_to_fit_shows_the_words_are_sound() -> None:
    entry = read(forged(document()), "iris", 7, HEAD)

    assert entry.event == Archived(version="1.0.0")


@pytest.mark.parametrize(
    "words",
    [
        document().replace('"by": "ada"', '"by": "ada", "by": "eve"'),
        document().replace('"version": "1.0.0"', '"version": "1.0.0", "version": "2.0.0"'),
        document(op="evaluated", data={"version": "1.0.0", "metrics": {"auc": float("nan")}}),
        document(op="evaluated", data={"version": "1.0.0", "metrics": {"auc": float("inf")}}),
        document(op="evaluated", data={"version": "1.0.0", "metrics": {"auc": float("-inf")}}),
        document().replace("7", "07"),
        document().replace('"ada"', "'ada'"),
        document().replace('"v": 1', '"v": 1,'),
        document().replace('"ada"', '"a\nda"'),
        document(data="DEEP").replace('"DEEP"', "[" * 100_000 + "]" * 100_000),
        document().replace("7", "1" * 5000),
    ],
    ids=[
        "key twice",
        "inner key twice",
        "NaN",
        "Infinity",
        "-Infinity",
        "leading zero",
        "wrong quotes",
        "comma too many",
        "raw line feed",
        "endless depth",
        "endless number",
    ],
)
def test_what_is_not_strict_json_is_refused_whatever_its_checksum(words: str) -> None:
    assert damage(forged(words)).startswith("is not strict JSON")


def test_bytes_that_are_not_utf_8_are_refused_whatever_their_checksum() -> None:
    assert is_refused(forged(document().replace("ada", "\udc80")))


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": "7"},
        {"seq": 7.5},
        {"v": "1"},
        {"min_reader": None},
        {"op": 3},
        {"by": None},
        {"reason": 5},
        {"data": []},
        {"data": {}},
        {"data": {"version": 1}},
        {"op": "evaluated", "data": {"version": "1.0.0", "metrics": {"auc": "high"}}},
    ],
)
def test_a_field_of_the_wrong_kind_is_damage(changed: dict[str, Any]) -> None:
    assert damage(forged(document(**changed))).startswith("is not an entry")


@pytest.mark.parametrize("words", ["[1]", '{"v":1}', '"text" '])
def test_a_document_of_another_shape_is_damage(words: str) -> None:
    assert is_refused(forged(words))


@pytest.mark.parametrize(
    ("model", "seq"), [("wine", 7), ("Iris", 7), ("iris", 6), ("iris", 8), ("wine", 8)]
)
def test_an_entry_in_the_place_of_another_is_refused(raw: bytes, model: str, seq: int) -> None:
    assert damage(raw, model=model, seq=seq) == "holds entry 7 of iris"


@pytest.mark.parametrize("prev", [None, "b" * 64, HEAD.upper(), ""])
def test_an_entry_behind_another_history_is_refused(raw: bytes, prev: str | None) -> None:
    assert damage(raw, prev=prev) == "does not follow the entry before it"


def test_damage_names_the_entry(raw: bytes) -> None:
    with pytest.raises(DamagedError, match=r"^entry 7 of iris was truncated"):
        read(raw[:-1], "iris", 7, HEAD)


@pytest.mark.parametrize("field", ["v", "min_reader"])
def test_an_entry_of_a_newer_format_is_refused(field: str) -> None:
    newer = forged(document(**{field: FORMAT + 1}))

    with pytest.raises(NewerFormatError, match=f"entry 7 of iris needs entry format {FORMAT + 1}"):
        read(newer, "iris", 7, HEAD)


def test_a_newer_format_is_told_even_where_the_rest_cannot_be_read() -> None:
    newer = forged(document(min_reader=9, op="rebased", data=[], seq={}))

    with pytest.raises(NewerFormatError):
        read(newer, "iris", 7, HEAD)


def test_an_unknown_operation_is_refused_and_not_skipped() -> None:
    with pytest.raises(NewerFormatError, match="the operation 'rebased'"):
        read(forged(document(op="rebased")), "iris", 7, HEAD)


def test_a_field_of_a_later_release_is_passed_over() -> None:
    later = forged(document(colour="…", data={"version": "1.0.0", "extra": 1}))

    assert read(later, "iris", 7, HEAD).event == Archived(version="1.0.0")


def test_an_entry_of_more_than_a_mebibyte_is_not_written(make_stamp: Stamps) -> None:
    with pytest.raises(
        InvalidInputError, match=r"entry 7 of iris has \d+ bytes, more than 1048576"
    ):
        write("iris", 7, HEAD, AT, make_stamp(reason="x" * MAX_BYTES), Archived(version="1.0.0"))


def test_an_entry_of_just_a_mebibyte_is_written_and_read(make_stamp: Stamps) -> None:
    def entry(length: int) -> bytes:
        stamp = make_stamp(reason="x" * length)
        return write("iris", 7, HEAD, AT, stamp, Archived(version="1.0.0"))[0]

    largest = entry(MAX_BYTES - len(entry(0)))

    assert len(largest) == MAX_BYTES
    assert read(largest, "iris", 7, HEAD).event == Archived(version="1.0.0")


def test_a_larger_entry_is_not_read() -> None:
    assert damage(forged(document(reason="x" * MAX_BYTES))) == "was truncated or overwritten"


@pytest.mark.parametrize(
    ("event", "signed"),
    [
        (Tagged(version="1.0.0", tags={"build": 42}), {}),  # type: ignore[dict-item]
        (Evaluated(version="1.0.0", metrics={"auc": float("nan")}), {}),
        (Evaluated(version="1.0.0", metrics={"auc": 0.9}, dataset=7), {}),  # type: ignore[arg-type]
        (PolicySet(policy=Policy(required_metrics="auc")), {}),  # type: ignore[arg-type]
        (PolicySet(policy=Policy(approvals=1.5)), {}),  # type: ignore[arg-type]
        (Archived(version="1.0.0"), {"reason": 5}),
        (Archived(version="1.0.0"), {"key": 5}),
        (Archived(version="1.0.0"), {"reason": "caf\udce9"}),
    ],
    ids=["tag", "NaN", "dataset", "word for list", "fraction", "reason", "key", "not Unicode"],
)
def test_what_could_not_be_read_again_is_never_written(
    make_stamp: Stamps, event: AnyEvent, signed: dict[str, Any]
) -> None:
    # one such entry would make the whole journal unreadable, for ever
    with pytest.raises(InvalidInputError):
        write("iris", 7, HEAD, AT, make_stamp(**signed), event)


def test_an_entry_says_of_which_model_it_is(raw: bytes) -> None:
    assert model_of(raw) == "iris"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b'{"model":1}', b"\xff"])
def test_what_names_no_model_is_of_none(raw: bytes) -> None:
    assert model_of(raw) is None


@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_damage_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(HoldfastError):
        read(raw, "iris", 7, HEAD)
