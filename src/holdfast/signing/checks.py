"""Whether a signature was made by the key it names."""

import base64
from typing import TYPE_CHECKING

from holdfast.core.entry import Entry
from holdfast.core.entry_signature import EntrySignature
from holdfast.core.signers import entry_key_id, is_weak
from holdfast.errors import DamagedError
from holdfast.signing.library import cryptography

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey


def genuine(signature: EntrySignature) -> bool:
    """Tell whether an entry's signature is its key's, over its bytes.

    A key in whose name everybody can sign signs nothing.

    Raises:
        MissingLibraryError: If cryptography is not installed.
    """
    with cryptography():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature.key))
        key.verify(base64.b64decode(signature.value), signature.message)
    except (InvalidSignature, ValueError):
        return False
    return not is_weak(signature.key)


def require_genuine(entry: Entry) -> None:
    """Refuse an entry whose signature, if it has one, is wrong.

    Raises:
        DamagedError: Naming the entry and the key.
        MissingLibraryError: If it has one and cryptography is not installed.
    """
    if entry.signature is not None and not genuine(entry.signature):
        raise DamagedError(
            f"entry {entry.seq} of {entry.model}",
            f"has a signature that its key {entry_key_id(entry.signature.key)[:12]} did not make",
            "restore it from a copy",
        )


def fits(key: str, value: bytes, message: bytes) -> bool:
    """Tell whether *value* is an ECDSA signature of *message* by an elliptic-curve key.

    Args:
        key: SubjectPublicKeyInfo, DER in base64.
    """
    with cryptography():
        from cryptography.exceptions import InvalidSignature
    try:
        public = ec_key(key)
        public.verify(value, message, ecdsa(public.curve.name))
    except (InvalidSignature, ValueError):
        return False
    return True


def ec_key(key: str) -> "EllipticCurvePublicKey":
    """Read an elliptic-curve public key.

    Raises:
        ValueError: If it is not one, or on a curve that model-signing does not know.
    """
    with cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    try:
        public = load_der_public_key(base64.b64decode(key))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("not an elliptic-curve key")  # noqa: TRY004 - the bytes say so
    ecdsa(public.curve.name)
    return public


def ecdsa(curve: str) -> "ECDSA":
    """Return the scheme model-signing uses with a curve, named as SEC 2 does.

    Raises:
        ValueError: If it uses none.
    """
    with cryptography():
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
    known = {
        "secp256r1": hashes.SHA256(),
        "secp384r1": hashes.SHA384(),
        "secp521r1": hashes.SHA512(),
    }
    if curve not in known:
        raise ValueError(f"model-signing does not know the curve {curve}")
    return ec.ECDSA(known[curve])
