"""Entries that a server writes and the caller signs: prepared there, read here, signed, committed.

What is signed is looked at first: it must be the entry that was asked for, right behind the last
one that this client knows, in the name of whoever asks.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.core import entry as entries
from holdfast.core.entry import Entry
from holdfast.errors import ChangedError, DamagedError, StoreError
from holdfast.registry.session import Session
from holdfast.signing import SigningKey

_ATTEMPTS: Final = 16
Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Posts a body to a verb's path, and returns the answer's document."""


Read = Callable[[bytes], Entry]
"""Reads bytes as the entry right behind the journal's last; raises DamagedError if they are not."""


def of_model(session: Session, model: str) -> Read:
    """Return what reads the next entry of a model."""

    def read(raw: bytes) -> Entry:
        state = session.ledger(model).state()
        return entries.read(raw, model, state.seq + 1, state.head)

    return read


def ask(
    session: Session,
    read: Read,
    body: Mapping[str, Any],
    post: Ask,
    check: Callable[[Entry, Mapping[str, Any]], None],
) -> Mapping[str, Any]:
    """Have an entry prepared, sign it if it is the one that was asked for, and have it written.

    Args:
        session: Has the key.
        read: Reads what would be the journal's next entry.
        body: The verb and its arguments.
        post: Asks the server.
        check: Raises if an entry, or what was prepared with it, is not what was asked for.

    Returns:
        The answer to the verb.

    Raises:
        ChangedError: If others were faster each time.
        DamagedError: If the server wants something else signed.
    """
    key = session.keyring.key
    assert key is not None  # noqa: S101 - who has none does not come here
    failure: ChangedError | None = None
    for _ in range(_ATTEMPTS):
        try:
            return _once(session, read, {**body, "key": key.key}, post, check, key)
        except ChangedError as error:  # somebody wrote between the two requests
            failure = error
    assert failure is not None  # noqa: S101 - each attempt returned or failed
    raise failure


def _once(
    session: Session,
    read: Read,
    body: Mapping[str, Any],
    post: Ask,
    check: Callable[[Entry, Mapping[str, Any]], None],
    key: SigningKey,
) -> Mapping[str, Any]:
    prepared = post("prepare", body)
    text = prepared.get("bytes")
    if text is None:
        return {"result": prepared.get("result"), "entry": None}
    message = _message(session, text)
    check(_entry(read, message), prepared)
    return post("commit", {**body, "bytes": text, "signature": key.sign(message)})


def _message(session: Session, text: object) -> bytes:
    try:
        return base64.b64decode(str(text).encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise StoreError(session.site.location, "has sent bytes that are not base64") from None


def _entry(read: Read, message: bytes) -> Entry:
    """Read what is to be signed as the entry that it will be, right behind the journal's last.

    Raises:
        ChangedError: If it follows another one by now.
    """
    raw = message + b',"sum":"%s"}\n' % hashlib.sha256(message).hexdigest().encode()
    try:
        return read(raw)
    except DamagedError as error:
        raise ChangedError("the entry to be signed", error.problem) from error
