"""The verb `sign`: a version's signature is made here, or taken in from model-signing."""

from pathlib import Path

from holdfast.core import commands
from holdfast.core.commands import Unchanged
from holdfast.core.events import AnyEvent, Signed
from holdfast.core.manifest import digest_of
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.registry import presence
from holdfast.registry.moves import moved, require_whole
from holdfast.registry.session import Session, Signing
from holdfast.registry.signatures import key_of, keys_of
from holdfast.signing import bundle


def sign(session: Session, ref: str) -> Moved:
    """Sign a version with the session's key, once every byte of it is verified."""
    key = session.keyring.key
    if key is None:
        raise InvalidInputError("signature", "needs a key", "give --key-file FILE")
    state, record = session.find(ref)
    commands.require_bytes(state, record)
    require_whole(session, state.model, record)
    raw = bundle.sign(key, session.manifest(record), record.manifest)
    return _record(session, state.model, record, key.signer.ec or "", raw)


def attach(session: Session, ref: str, file: Path, by: str | Path) -> Moved:
    """Take in a signature that model-signing made over a checked-out folder.

    Args:
        by: Name of a listed signer, or file of a public key.
    """
    state, record = session.find(ref)
    commands.require_bytes(state, record)
    raw = _read(file)
    key = key_of(state, by)
    statement = bundle.read(raw, f"signature {str(file)!r}")
    said = statement.objection(key, session.manifest(record), record.manifest)
    if said is not None:
        advice = "sign the folder that `holdfast checkout` writes, as it is"
        raise DamagedError(f"signature {str(file)!r}", said, advice)
    return _record(session, state.model, record, key, raw)


def _read(file: Path) -> bytes:
    subject = f"signature {str(file)!r}"
    try:
        with file.open("rb") as opened:
            raw = opened.read(bundle.MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(
            subject, f"cannot be read: {error.strerror}", "check its path"
        ) from error
    if len(raw) > bundle.MOST_BYTES:
        raise InvalidInputError(subject, "is too long to be one", "give a file of model-signing's")
    return raw


def _record(session: Session, model: str, record: Record, key: str, raw: bytes) -> Moved:
    signature = digest_of(raw)

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        now = state.versions[record.version]
        session.place.rescue([session.place.blobs.add_bytes(raw)])
        return commands.sign(state, now, key, signature, keys_of(session, now))

    done = moved(session.commit(model, decide, Signed, Signing()))
    presence.ensure(session.place, [signature], lambda: session.place.blobs.add_bytes(raw))
    return done
