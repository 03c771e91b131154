"""How authors were known: in bytes, in words, and ignored where it is malformed."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from holdfast.core import auth, entry
from holdfast.core.auth import Auth
from holdfast.core.entry import Stamp
from holdfast.core.events import OPERATIONS, Noted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTE = Noted(version="1.0.0", text="good")


def written(known: Auth | None) -> bytes:
    stamp = Stamp(NOON, "ana", "0" * 32, auth=known)
    return entry.write("iris", 1, None, entry.format_time(NOON), stamp, NOTE)[0]


def resealed(document: dict[str, Any]) -> bytes:
    """Return an entry's bytes with a checksum that fits."""
    del document["sum"]
    body = msgspec.json.encode(document)[:-1]
    return body + b',"sum":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def test_an_entry_keeps_how_its_author_was_known() -> None:
    known = Auth("u_1", "token:1a2b", "person", claimed="bo", via="registry.example")

    raw = written(known)

    assert entry.read(raw, "iris", 1, None).auth == known
    assert json.loads(raw)["data"] == {
        "version": "1.0.0",
        "text": "good",
        "auth": {
            "user": "u_1",
            "how": "token:1a2b",
            "kind": "person",
            "claimed": "bo",
            "via": "registry.example",
        },
    }


def test_an_entry_without_a_server_has_the_bytes_that_it_always_had() -> None:
    document = json.loads(written(None))

    assert document["data"] == {"version": "1.0.0", "text": "good"}
    assert entry.read(written(None), "iris", 1, None).auth is None


def test_a_reader_that_does_not_know_it_reads_the_same_event() -> None:
    raw = written(Auth("u_1", "session", "person"))

    assert entry.read(raw, "iris", 1, None).event == NOTE


@pytest.mark.parametrize("value", [5, "ana", {}, {"user": 1, "how": "x"}, {"user": "u", "how": []}])
def test_a_malformed_one_authenticates_nobody(value: object) -> None:
    document = json.loads(written(None))
    document["data"]["auth"] = value

    read = entry.read(resealed(document), "iris", 1, None)

    assert (read.auth, read.event) == (None, NOTE)


def test_a_user_whose_kind_is_not_said_is_not_a_person() -> None:
    assert auth.read({"auth": {"user": "u_1", "how": "session"}}) == Auth("u_1", "session")
    assert Auth("u_1", "session").kind == "service"


def test_no_event_has_a_field_of_that_name() -> None:
    assert not [event for event in OPERATIONS.values() if auth.FIELD in event.__struct_fields__]


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (None, "ana"),
        (Auth("u", "session"), "ana (session)"),
        (Auth("u", "local"), "ana (local)"),
        (Auth("u", "token:1a2b"), "ana (token 1a2b)"),
        (Auth("u", "ci:https://ci.example/77"), "ana (CI https://ci.example/77)"),
        (Auth("u", "session", claimed="bo"), "ana (session, claimed to be bo)"),
    ],
)
def test_people_read_how_an_author_was_known(known: Auth | None, text: str) -> None:
    assert auth.shown("ana", known) == text
