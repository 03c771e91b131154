"""Key files: PEM with two blocks, so that one file serves entries and versions.

The elliptic-curve key stands first, for model-signing and OpenSSL read the first block; the Ed25519
key follows. `NAME.key` is for its owner's eyes alone, `NAME.pub` is to be given away.
"""

import base64
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from holdfast import named_files
from holdfast.core import names, signers
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError
from holdfast.signing.checks import ec_key, ecdsa
from holdfast.signing.library import cryptography

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n.+?-----END \1-----", re.DOTALL)
_MOST_BYTES: Final = 1 << 16
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFiles(NamedTuple):
    """A new pair of files."""

    private: Path
    public: Path
    signer: Signer


class SigningKey(Struct, frozen=True):
    """A private key, read: signs journal entries, and versions if it has the key for them."""

    signer: Signer
    _entries: "Ed25519PrivateKey"
    _versions: "EllipticCurvePrivateKey | None"

    @property
    def key(self) -> str:
        """The Ed25519 public key, in base64."""
        return self.signer.ed25519 or ""

    def sign(self, message: bytes) -> str:
        """Sign an entry."""
        return base64.b64encode(self._entries.sign(message)).decode()

    def sign_version(self, message: bytes) -> bytes:
        """Sign what model-signing verifies.

        Raises:
            InvalidInputError: If the file has no elliptic-curve key.
        """
        if self._versions is None:
            raise InvalidInputError(
                "key",
                "has no elliptic-curve key, which signing a version needs",
                "make one with `holdfast key new`",
            )
        return self._versions.sign(message, ecdsa(self._versions.curve.name))


def create(name: str, folder: Path, passphrase: str | None = None) -> KeyFiles:
    """Make a new key: `NAME.key`, mode 0600, and `NAME.pub`.

    Args:
        name: Its owner, as journal entries will name them.
        folder: Where; made if it is not there.
        passphrase: Encrypts the private key.

    Raises:
        InvalidInputError: If *name* is not a file name, or a file exists or cannot be written.
    """
    names.check_paths([f"{name}.key"])
    if not name.strip() or "/" in name or name.startswith("-"):
        raise InvalidInputError(f"key {name!r}", "is not a file name", "name its owner")
    with cryptography():
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    keys = (ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate())
    locked: form.KeySerializationEncryption = form.NoEncryption()
    if passphrase:
        locked = form.BestAvailableEncryption(passphrase.encode())
    pkcs8 = (form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
    made = KeyFiles(folder / f"{name}.key", folder / f"{name}.pub", _signer(*keys))
    _write(made.private, b"".join(key.private_bytes(*pkcs8) for key in keys), 0o600)
    _write(made.public, b"".join(_spki(key, form.Encoding.PEM) for key in keys), 0o644)
    return made


def _signer(versions: Any, entries: Any) -> Signer:
    raw = base64.b64encode(entries.public_key().public_bytes_raw()).decode()
    if versions is None:
        return Signer(raw)
    from cryptography.hazmat.primitives.serialization import Encoding

    return Signer(raw, base64.b64encode(_spki(versions, Encoding.DER)).decode())


def _spki(private: Any, encoding: "Encoding") -> bytes:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    key_bytes: bytes = private.public_key().public_bytes(
        encoding, PublicFormat.SubjectPublicKeyInfo
    )
    return key_bytes


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        exists = isinstance(error, FileExistsError)
        problem = "exists already" if exists else f"cannot be written: {error.strerror}"
        raise InvalidInputError(f"key file {str(path)!r}", problem, "name another") from error


def load(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read a private key file.

    Raises:
        InvalidInputError: If others may read the file, it holds no Ed25519 key, or the passphrase
            is wrong or missing.
    """
    subject = f"key file {str(path)!r}"
    content = _read(path, subject)
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & _OTHERS:
        raise InvalidInputError(subject, f"is open to others (mode {mode:o})", f"chmod 600 {path}")
    with cryptography():
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    keys = list(_private_keys(content, passphrase, subject))
    entries = next((key for key in keys if isinstance(key, Ed25519PrivateKey)), None)
    versions = next((key for key in keys if isinstance(key, EllipticCurvePrivateKey)), None)
    if entries is None:
        raise InvalidInputError(
            subject, "has no private Ed25519 key", "make one with `holdfast key new`"
        )
    return SigningKey(_signer(versions, entries), entries, versions)


def is_locked(path: Path) -> bool:
    """Tell whether a private key file needs a passphrase."""
    return b"ENCRYPTED PRIVATE KEY" in _read(path, f"key file {str(path)!r}")


def _private_keys(content: bytes, passphrase: str | None, subject: str) -> Iterator[Any]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    for block in _BLOCK.finditer(content):
        secret = passphrase.encode() if passphrase and b"ENCRYPTED" in block[1] else None
        if b"PRIVATE KEY" not in block[1]:
            continue
        try:
            yield load_pem_private_key(block[0], secret)
        except TypeError as error:  # encrypted, and no passphrase is given
            raise InvalidInputError(
                subject, "needs its passphrase", "set HOLDFAST_KEY_PASSPHRASE"
            ) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            problem = "does not open with this passphrase" if secret else f"is not a key: {error}"
            raise InvalidInputError(subject, problem, "give another") from error


def public(path: Path) -> Signer:
    """Read the public keys of a `.pub` file, or of any PEM with an elliptic-curve public key.

    Raises:
        InvalidInputError: If it holds none.
    """
    subject = f"key file {str(path)!r}"
    content = _read(path, subject)
    with cryptography():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    keys_by_kind: dict[str, str] = {}
    for block in _BLOCK.finditer(content):
        if block[1] != b"PUBLIC KEY":
            raise InvalidInputError(subject, "is not a public key", "give the .pub file")
        try:
            key = load_pem_public_key(block[0])
            if isinstance(key, Ed25519PublicKey):
                keys_by_kind["ed25519"] = base64.b64encode(key.public_bytes_raw()).decode()
            else:
                keys_by_kind["ec"] = "".join(block[0].decode().split("\n")[1:-1])
                ec_key(keys_by_kind["ec"])
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidInputError(subject, f"is not a key: {error}", "give another") from error
    if not keys_by_kind:
        raise InvalidInputError(subject, "holds no public key", "give the .pub file")
    signers.check({path.name: Signer(**keys_by_kind)})
    return Signer(**keys_by_kind)


def _read(path: Path, subject: str) -> bytes:
    try:
        with named_files.opened(path) as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise InvalidInputError(
            subject, f"cannot be read: {error.strerror}", "check its path"
        ) from error
