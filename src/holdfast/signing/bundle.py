"""Signatures of versions as OpenSSF model-signing 1.x writes them, made from a manifest's digests.

The file is a Sigstore bundle (v0.3) around a DSSE envelope around an in-toto statement that names
every file of a folder with its SHA-256. The folder is what `checkout` writes: a version's files and
`manifest.json`, the manifest's exact bytes. The manifest names model, version and number, so a
signature fits one version and no other with the same files.
"""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core import signers, strict_json
from holdfast.core.manifest import Manifest
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.signing.checks import fits
from holdfast.signing.dsse import PAYLOAD_TYPE, STATEMENT_TYPE, pae
from holdfast.signing.keys import SigningKey

SIGNATURE: Final = "model.sig"
"""Name of the signature in a folder that was checked out."""

MANIFEST: Final = "manifest.json"
MOST_BYTES: Final = 64 << 20
"""Length above which a file is not believed to be a signature."""

_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
_IGNORED: Final = (SIGNATURE, ".git", ".gitattributes", ".github", ".gitignore")


class _Key(Struct):
    hint: str = ""


class _Material(Struct, rename="camel"):
    public_key: _Key


class _Signature(Struct):
    sig: bytes


class _Envelope(Struct, rename="camel"):
    payload: bytes
    payload_type: str
    signatures: tuple[_Signature, ...]


class _Bundle(Struct, rename="camel"):
    media_type: str
    verification_material: _Material
    dsse_envelope: _Envelope


class _Resource(Struct):
    name: str
    algorithm: str
    digest: str


class _Serialization(Struct):
    method: str
    hash_type: str


class _Predicate(Struct):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Subject(Struct):
    name: str
    digest: dict[str, str]


class _Payload(Struct, rename="camel"):
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: _Predicate
    type: str = msgspec.field(name="_type")


class Statement(Struct, frozen=True):
    """What a signature file says, its signature not checked yet.

    Attributes:
        hint: Id of the key, as `core.signers.version_key_id` gives it; empty in old files.
        digests: SHA-256 by path, of every file of the folder.
        message: What was signed.
        value: The signature.
    """

    hint: str
    digests: dict[str, str]
    message: bytes
    value: bytes

    def objection(self, key: str, manifest: Manifest, digest: str) -> str | None:
        """Say why this is not a signature of a version by *key*, `None` if it is.

        Args:
            key: The elliptic-curve public key.
            digest: SHA-256 of the manifest's bytes.
        """
        if self.hint not in ("", signers.version_key_id(key)):
            return f"was made with the key {self.hint[:12]}"
        if not fits(key, self.value, self.message):
            return f"was not made with the key {signers.version_key_id(key)[:12]}"
        return _difference(self.digests, folder_of(manifest, digest))


def folder_of(manifest: Manifest, digest: str) -> dict[str, str]:
    """Return the SHA-256 of every file that `checkout` writes, by path."""
    return {file.path: file.sha256 for file in manifest.files} | {MANIFEST: digest}


def _difference(signed: dict[str, str], expected: dict[str, str]) -> str | None:
    if MANIFEST not in signed:
        return (
            f"does not cover {MANIFEST}, so it would be valid for any version with the same files"
        )
    if signed[MANIFEST] != expected[MANIFEST]:
        return "belongs to another version"
    for path in sorted(signed.keys() | expected.keys()):
        if signed.get(path) != expected.get(path):
            return f"does not match the file {path}"
    return None


def sign(key: SigningKey, manifest: Manifest, digest: str) -> bytes:
    """Write a version's signature; its bytes are not read again, for the manifest names them.

    Raises:
        InvalidInputError: If a file has the name of the signature, or the key signs no versions.
    """
    folder = folder_of(manifest, digest)
    if SIGNATURE in folder:
        raise InvalidInputError(
            f"{manifest.name}@{manifest.version}",
            f"has a file {SIGNATURE}, where its signature would be",
            "register it with another extension",
        )
    payload = msgspec.json.encode(_statement(f"{manifest.name}@{manifest.version}", folder))
    value = key.sign_version(pae(payload))
    hint = signers.version_key_id(key.signer.ec or "")
    bundle = {
        "mediaType": _MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": payload,
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": value, "keyid": ""}],
        },
    }
    return msgspec.json.encode(bundle) + b"\n"


def _statement(name: str, folder: dict[str, str]) -> dict[str, Any]:
    ordered = sorted(folder.items(), key=lambda item: item[0].split("/"))
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": _root(digest for _, digest in ordered)}}],
        "predicateType": _PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(_IGNORED),
            },
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": digest} for path, digest in ordered
            ],
        },
    }


def _root(digests: Any) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def read(raw: bytes, subject: str) -> Statement:
    """Read a signature file.

    Raises:
        DamagedError: If it is not one, or of a form that names no SHA-256 of whole files.
    """
    try:
        bundle = strict_json.decode(raw, _Bundle)
        envelope = bundle.dsse_envelope
        payload = strict_json.decode(envelope.payload, _Payload)
        problem = _misfit(bundle, payload)
        digests = {resource.name: resource.digest for resource in payload.predicate.resources}
    except ValueError as error:
        raise DamagedError(subject, f"is not a signature of a model: {error}") from error
    if problem is not None or len(digests) != len(payload.predicate.resources):
        raise DamagedError(
            subject, f"is not a signature of a model: {problem or 'it lists a file twice'}"
        )
    hint = bundle.verification_material.public_key.hint
    return Statement(hint, digests, pae(envelope.payload), envelope.signatures[0].sig)


def _misfit(bundle: _Bundle, payload: _Payload) -> str | None:
    envelope, predicate = bundle.dsse_envelope, payload.predicate
    types = (bundle.media_type, envelope.payload_type, payload.type, payload.predicate_type)
    if types != (_MEDIA_TYPE, PAYLOAD_TYPE, STATEMENT_TYPE, _PREDICATE_TYPE):
        return f"its types are {', '.join(types)}"
    if (predicate.serialization.method, predicate.serialization.hash_type) != ("files", "sha256"):
        return "it does not cover the SHA-256 of whole files"
    if any(resource.algorithm != "sha256" for resource in predicate.resources):
        return "it does not cover the SHA-256 of whole files"
    if len(envelope.signatures) != 1 or len(payload.subject) != 1:
        return "it does not have exactly one signature and one subject"
    root = payload.subject[0].digest.get("sha256")
    if root != _root(resource.digest for resource in predicate.resources):
        return "its digest is not that of its files"
    return None
