"""The verb `sign`: a version's signature is made here, or attached from model-signing."""

from dataclasses import dataclass
from pathlib import Path

from holdfast import named_files
from holdfast.core import commands
from holdfast.core.events import AnyEvent, Signed
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import digest_of
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.registry import presence
from holdfast.registry.commits import moved
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.signatures import key_of, keys_of
from holdfast.registry.version_bytes import require_whole
from holdfast.signing import bundle


@dataclass(frozen=True, slots=True)
class MadeSignature:
    """A signature of a version, checked and not recorded yet.

    Attributes:
        key: The public key it verifies under, in base64.
        raw: Its bytes.
    """

    model: str
    version: str
    key: str
    raw: bytes


def sign(session: Session, ref: str) -> Moved:
    """Sign a version with the session's key, once every byte of it is verified."""
    return record(session, made(session, ref), CommitOptions())


def made(session: Session, ref: str) -> MadeSignature:
    """Make a signature of a version, once every byte of it is verified."""
    key = session.keyring.key
    if key is None:
        raise InvalidInputError("signature", "needs a key", "give --key-file FILE")
    state, record = session.find(ref)
    commands.require_bytes(state, record)
    require_whole(session, state.model, record)
    raw = bundle.sign(key, session.manifest(record), record.manifest)
    return MadeSignature(state.model, record.version, key.signer.ec or "", raw)


def attach(session: Session, ref: str, file: Path, by: str | Path) -> Moved:
    """Take in a signature that model-signing made over a checked-out folder.

    Args:
        by: Name of a listed signer, or file of a public key.
    """
    return record(session, read(session, ref, file, by), CommitOptions())


def read(session: Session, ref: str, file: Path, by: str | Path) -> MadeSignature:
    """Read a signature that model-signing made, and check that it is of this version."""
    state = session.find(ref)[0]
    return checked(session, ref, key_of(state, by), _read(file), f"signature {str(file)!r}")


def checked(session: Session, ref: str, key: str, raw: bytes, subject: str) -> MadeSignature:
    """Check that bytes are a signature of a version under a key.

    Raises:
        DamagedError: If they are not.
    """
    state, record = session.find(ref)
    commands.require_bytes(state, record)
    statement = bundle.read(raw, subject)
    problem = statement.objection(key, session.manifest(record), record.manifest)
    if problem is not None:
        advice = "sign the folder that `holdfast checkout` writes, as it is"
        raise DamagedError(subject, problem, advice)
    return MadeSignature(state.model, record.version, key, raw)


def _read(file: Path) -> bytes:
    subject = f"signature {str(file)!r}"
    try:
        with named_files.opened(file) as opened:
            raw = opened.read(bundle.MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(
            subject, f"cannot be read: {error.strerror}", "check its path"
        ) from error
    if len(raw) > bundle.MOST_BYTES:
        raise InvalidInputError(
            subject, "is too long to be one", "give a file that model-signing wrote"
        )
    return raw


def record(session: Session, signature: MadeSignature, options: CommitOptions) -> Moved:
    """Record a signature that was made or checked here."""
    digest = digest_of(signature.raw)

    def store() -> str:
        return session.open_store.blobs.add_bytes(signature.raw)

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        now = state.versions[signature.version]
        session.open_store.rescue([store()])
        return commands.sign(state, now, signature.key, digest, keys_of(session, now))

    done = moved(session.commit(signature.model, decide, Signed, options))
    presence.ensure(session.open_store, [digest], store)
    return done
