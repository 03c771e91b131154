"""Signatures of versions, checked against their keys and against what the version is."""

from collections.abc import Iterator
from pathlib import Path

from holdfast.core import signers
from holdfast.core.state import Record, State, VersionSignature
from holdfast.core.views import Damage
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError
from holdfast.registry.session import Session
from holdfast.signing import bundle, public
from holdfast.store import layout


def signers_of(session: Session, state: State, record: Record) -> frozenset[str]:
    """Name the listed signers whose signature of a version holds; every one is checked."""
    found = set()
    for one in record.signatures:
        name = signers.name_of(state.policy.signers, one.key)
        if name is not None and _objection(session, record, one) is None:
            found.add(name)
    return frozenset(found)


def keys_of(session: Session, record: Record) -> frozenset[str]:
    """Return the public keys whose signatures of a version hold, listed or not."""
    return frozenset(
        one.key for one in record.signatures if _objection(session, record, one) is None
    )


def require(session: Session, record: Record) -> None:
    """Refuse a version one of whose signatures is missing or does not hold.

    Raises:
        DamagedError: Naming the signature.
    """
    for one in record.signatures:
        said = _objection(session, record, one)
        if said is not None:
            raise DamagedError(f"signature by {_named(one.key)}", said, "copy the bundle again")


def _objection(session: Session, record: Record, one: VersionSignature) -> str | None:
    try:
        raw = session.place.blobs.read(one.signature)
        statement = bundle.read(raw, layout.blob(one.signature))
    except DamagedError as error:
        return error.problem
    return statement.objection(one.key, session.manifest(record), record.manifest)


def damages(session: Session, model: str, record: Record) -> Iterator[Damage]:
    """Go through signatures of a version that do not hold; blobs are checked by themselves."""
    for one in record.signatures:
        whole = session.place.blobs.check(one.signature) is None
        said = _objection(session, record, one) if whole else None
        if said is not None:
            subject = f"signature by {_named(one.key)} ({layout.blob(one.signature)})"
            yield Damage(model, record.version, subject, said)


def wanting(state: State, record: Record, by: str | Path) -> Iterator[Damage]:
    """Tell of a signature by *by* that a version does not bear; `damages` tells if it holds."""
    key = key_of(state, by)
    if all(one.key != key for one in record.signatures):
        yield Damage(state.model, record.version, "signature", f"none by {by} ({_named(key)})")


def _named(key: str) -> str:
    return f"key {signers.version_key_id(key)[:12]}"


def key_of(state: State, by: str | Path) -> str:
    """Return the elliptic-curve key that a listed signer's name, or a file, stands for.

    Raises:
        NotFoundError: If *by* is neither.
        InvalidInputError: If there is no such key.
    """
    listed = state.policy.signers
    if str(by) in listed:
        found = listed[str(by)]
    elif Path(by).exists():
        found = public(Path(by))
    else:
        raise NotFoundError(
            f"signer {str(by)!r}",
            advice=f"listed are {', '.join(listed) or 'none'}; or name the file of a public key",
        )
    if found.ec is None:
        raise InvalidInputError(
            f"signer {str(by)!r}", "has no elliptic-curve key", "versions are signed with one"
        )
    return found.ec


def shown(session: Session, state: State, record: Record) -> bytes | None:
    """Return the signature that goes with a checked-out folder: a listed signer's, else the last.

    Raises:
        DamagedError: If its bytes changed.
    """
    listed = [one for one in record.signatures if signers.name_of(state.policy.signers, one.key)]
    chosen = (listed or list(record.signatures))[-1:]
    return session.place.blobs.read(chosen[0].signature) if chosen else None
