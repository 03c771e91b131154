"""DSSE envelopes around in-toto statements: what is signed, and how the signature is kept."""

import base64
from typing import Any, Final

import msgspec

from holdfast.core import signers
from holdfast.signing.keys import SigningKey

__all__ = ["PAYLOAD_TYPE", "STATEMENT_TYPE", "enveloped", "pae"]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"


def pae(payload: bytes) -> bytes:
    """Return what DSSE signs: the payload with its type and both lengths."""
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
    return head.encode() + payload


def enveloped(key: SigningKey, statement: dict[str, Any]) -> bytes:
    """Sign a statement with the elliptic-curve key that signs versions, and write its envelope.

    Raises:
        InvalidInputError: If the key signs no versions.
    """
    payload = msgspec.json.encode(statement)
    value = key.sign_version(pae(payload))
    signature = {
        "keyid": signers.version_key_id(key.signer.ec or ""),
        "sig": base64.b64encode(value).decode(),
    }
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [signature],
    }
    return msgspec.json.encode(envelope) + b"\n"
