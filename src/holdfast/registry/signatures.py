"""Signatures of versions, checked against their keys and against what the version is."""

from collections.abc import Iterator
from pathlib import Path

from holdfast.core import signers
from holdfast.core.signers import VersionSignature
from holdfast.core.state import Record, State
from holdfast.core.views import Damage
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError
from holdfast.registry.session import Session
from holdfast.signing import bundle, public
from holdfast.store import layout


def signers_of(session: Session, state: State, record: Record) -> frozenset[str]:
    """Name the listed signers whose signature of a version holds; every one is checked."""
    names = set()
    for signature in record.signatures:
        name = signers.name_of(state.policy.signers, signature.key)
        if name is not None and _objection(session, record, signature) is None:
            names.add(name)
    return frozenset(names)


def keys_of(session: Session, record: Record) -> frozenset[str]:
    """Return the public keys whose signatures of a version hold, listed or not."""
    return frozenset(
        signature.key
        for signature in record.signatures
        if _objection(session, record, signature) is None
    )


def require(session: Session, record: Record) -> None:
    """Refuse a version one of whose signatures is missing or does not hold.

    Raises:
        DamagedError: Naming the signature.
    """
    for signature in record.signatures:
        problem = _objection(session, record, signature)
        if problem is not None:
            raise DamagedError(
                f"signature by {_named(signature.key)}", problem, "copy the bundle again"
            )


def _objection(session: Session, record: Record, signature: VersionSignature) -> str | None:
    try:
        raw = session.open_store.blobs.read(signature.signature)
        statement = bundle.read(raw, layout.blob(signature.signature))
    except DamagedError as error:
        return error.problem
    return statement.objection(signature.key, session.manifest(record), record.manifest)


def damages(session: Session, model: str, record: Record) -> Iterator[Damage]:
    """Go through signatures of a version that do not hold; blobs are checked by themselves."""
    for signature in record.signatures:
        whole = session.open_store.blobs.check(signature.signature) is None
        problem = _objection(session, record, signature) if whole else None
        if problem is not None:
            subject = f"signature by {_named(signature.key)} ({layout.blob(signature.signature)})"
            yield Damage(model, record.version, subject, problem)


def wanting(state: State, record: Record, by: str | Path) -> Iterator[Damage]:
    """Report a signature by *by* that a version lacks; `damages` reports one that is wrong."""
    key = key_of(state, by)
    if all(signature.key != key for signature in record.signatures):
        yield Damage(
            state.model,
            record.version,
            "signature",
            f"is missing: {by} ({_named(key)}) has not signed",
        )


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
        signer = listed[str(by)]
    elif Path(by).exists():
        signer = public(Path(by))
    else:
        raise NotFoundError(
            f"signer {str(by)!r}",
            advice=f"listed are {', '.join(listed) or 'none'}; or name a public key file",
        )
    if signer.ec is None:
        raise InvalidInputError(
            f"signer {str(by)!r}",
            "has no elliptic-curve key",
            "give the signer one, as it signs versions",
        )
    return signer.ec


def shown(session: Session, state: State, record: Record) -> bytes | None:
    """Return the signature that goes with a checked-out folder: a listed signer's, else the last.

    Raises:
        DamagedError: If its bytes changed.
    """
    listed = [
        signature
        for signature in record.signatures
        if signers.name_of(state.policy.signers, signature.key)
    ]
    chosen = (listed or list(record.signatures))[-1:]
    return session.open_store.blobs.read(chosen[0].signature) if chosen else None
