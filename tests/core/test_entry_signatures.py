"""Signatures in entries: over which bytes, and what a reader refuses."""

import base64
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tests.keys import ANA, BOB
from tests.registry.disk import sealed

from holdfast.core.entry import Stamp, digest, read, write
from holdfast.core.events import Archived, Noted
from holdfast.core.history import past
from holdfast.core.signers import entry_key_id
from holdfast.errors import DamagedError
from holdfast.signing import genuine, require_genuine

Stamps = Callable[..., Stamp]

AT = "2026-03-01T12:00:00.000000Z"
HEAD = "a" * 64


@pytest.fixture
def raw(make_stamp: Stamps) -> bytes:
    """Return the bytes of an entry that Ana signed."""
    return write("iris", 7, HEAD, AT, make_stamp(pen=ANA), Archived(version="1.0.0"))[0]


def test_a_signature_is_over_all_bytes_before_it(raw: bytes) -> None:
    document = json.loads(raw)
    message = raw[: raw.index(b',"signature":')]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(document["signature"]["key"]))

    key.verify(base64.b64decode(document["signature"]["value"]), message)

    assert list(document)[-3:] == ["data", "signature", "sum"]
    assert message.endswith(b'"data":{"version":"1.0.0"}')


def test_a_signed_entry_is_read_with_its_signature(raw: bytes) -> None:
    entry = read(raw, "iris", 7, HEAD)

    assert entry.event == Archived(version="1.0.0")
    assert entry.signature is not None
    assert entry.signature.key == ANA.key
    assert genuine(entry.signature)
    require_genuine(entry)


def test_an_unsigned_entry_has_none_and_the_same_bytes_as_ever(make_stamp: Stamps) -> None:
    raw, _ = write("iris", 7, HEAD, AT, make_stamp(), Archived(version="1.0.0"))

    require_genuine(read(raw, "iris", 7, HEAD))

    assert b"signature" not in raw
    assert read(raw, "iris", 7, HEAD).signature is None


def test_text_that_looks_like_a_signature_is_none(make_stamp: Stamps) -> None:
    text = f',"signature":{{"key":"{ANA.key}","value":"{ANA.sign(b"x")}"}}'
    raw, _ = write("iris", 7, HEAD, AT, make_stamp(), Noted(version="1.0.0", text=text))

    assert read(raw, "iris", 7, HEAD).signature is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"by":"ada"', b'"by":"eve"'),
        (b'"version":"1.0.0"', b'"version":"1.1.0"'),
        (b'"reason":null', b'"reason":"x"'),
        (b'"key":null', b'"key":"run"'),
    ],
)
def test_a_changed_entry_with_a_fitting_checksum_has_a_wrong_signature(
    raw: bytes, old: bytes, new: bytes
) -> None:
    assert raw.count(old) == 1
    entry = read(sealed(raw.replace(old, new)), "iris", 7, HEAD)

    with pytest.raises(DamagedError, match="entry 7 of iris has a signature that its key"):
        require_genuine(entry)


def test_another_key_beside_a_signature_is_found_out(raw: bytes) -> None:
    entry = read(sealed(raw.replace(ANA.key.encode(), BOB.key.encode())), "iris", 7, HEAD)

    with pytest.raises(DamagedError, match=entry_key_id(BOB.key)[:12]):
        require_genuine(entry)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"signature":{"key":"', b'"signature":{"key":"A'),
        (b'"signature":{"key":"', b'"signature":{"kez":"'),
        (b'"signature":{"key":"', b'"signature":{ "key":"'),
        (b'=","value":"', b'-","value":"'),
        (b'=="},"sum"', b'==","more":1},"sum"'),
    ],
)
def test_a_signature_of_another_form_is_damage(raw: bytes, old: bytes, new: bytes) -> None:
    assert raw.count(old) == 1

    with pytest.raises(DamagedError, match="has no valid signature"):
        read(sealed(raw.replace(old, new)), "iris", 7, HEAD)


def test_a_signature_does_not_carry_over_to_another_place(raw: bytes, make_stamp: Stamps) -> None:
    entry = read(raw, "iris", 7, HEAD)
    moved, _ = write("iris", 8, digest(raw), AT, make_stamp(), Archived(version="1.0.0"))
    tail = raw[raw.index(b',"signature":') : raw.index(b',"sum":')]
    forged = sealed(moved.replace(b',"sum":', tail + b',"sum":'))

    with pytest.raises(DamagedError, match="has a signature that its key"):
        require_genuine(read(forged, "iris", 8, digest(raw)))
    assert entry.seq == 7


def test_history_tells_the_key_and_whose_it_is(raw: bytes) -> None:
    entry = read(raw, "iris", 7, HEAD)

    assert (past(entry, ()).key, past(entry, ()).signer) == (entry_key_id(ANA.key), None)
    assert past(entry, (), "ana").signer == "ana"
