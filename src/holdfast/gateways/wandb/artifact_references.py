"""Files that an artifact only refers to, brought here from where they are.

Whoever logged the artifact chose what is read here, with the rights of the one who imports it. So
nothing is read unless the artifact has a digest of its bytes: who can tell that has seen them.
Addresses without such a digest are refused, and so is whatever else an address could ask for.
"""

import base64
import hashlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, StoreError
from holdfast.gateways.wandb import wandb_errors
from holdfast.store import AbsentError
from holdfast.store.local import regular
from holdfast.store.objects.locating import locate

__all__ = ["ArtifactReference", "ContentDigest", "bring", "content_digest", "digests_of_parts"]

_PIECE: Final = 1 << 20
_TIMEOUT_S: Final = 60.0
_ETAG: Final = re.compile(r"([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PART_MIB: Final = (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512, 1024)
"""How long clients of S3 make the parts of an object: its ETag tells only how many there were."""
_ADVICE: Final = "log the artifact with its files, or register them from where they are"

ContentDigest = tuple[str, bytes, int]
"""How it was made (`MD5`, `SHA256`, `MD5 of parts`), the digest, and the number of parts."""


class ArtifactReference(Protocol):
    """A file that an artifact refers to."""

    @property
    def path(self) -> str:
        """Within the artifact."""
        ...

    @property
    def ref(self) -> str:
        """Where its bytes are."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """Its length, `None` where it is not told."""
        ...


def content_digest(ref: str, text: str) -> ContentDigest | None:
    """Return what the digest of a reference says of the bytes, `None` if nothing.

    Of a local file it is the MD5 of its bytes, of anything else what a server calls its `ETag`:
    which is a digest where S3 or Holdfast gave it.
    """
    scheme = urlsplit(ref).scheme
    if scheme == "file":
        try:
            digest = base64.b64decode(text, validate=True)
        except ValueError:
            return None
        return ("MD5", digest, 0) if len(digest) == hashlib.md5().digest_size else None  # noqa: S324
    if scheme in ("http", "https") and _SHA256.fullmatch(text):
        return "SHA256", bytes.fromhex(text), 0
    match = _ETAG.fullmatch(text) if scheme in ("s3", "http", "https") else None
    if match is None:
        return None
    parts = int(match[2] or 0)
    return ("MD5 of parts" if parts else "MD5"), bytes.fromhex(match[1]), parts


def digests_of_parts(path: Path, parts: int) -> Iterator[bytes]:
    """Go through what S3 could call a file that was sent in so many parts."""
    size_bytes = path.stat().st_size
    lengths = [mib << 20 for mib in _PART_MIB] if parts > 1 else [max(1, size_bytes)]
    for length in lengths:
        if -(-size_bytes // length) == parts:
            yield _of_parts(path, length)


def _of_parts(path: Path, length: int) -> bytes:
    digests: list[bytes] = []
    with path.open("rb") as file:
        while True:
            part, left = hashlib.md5(usedforsecurity=False), length
            while left and (piece := file.read(min(left, _PIECE))):
                part.update(piece)
                left -= len(piece)
            if left == length:
                return hashlib.md5(b"".join(digests), usedforsecurity=False).digest()
            digests.append(part.digest())


def bring(file: ArtifactReference, place: Path) -> None:
    """Copy the bytes that a reference leads to below a folder; they are not checked yet.

    Raises:
        InvalidInputError: If the address says more than where the bytes are.
        DamagedError: If there are more or fewer than the artifact lists.
        StoreError: If they cannot be reached.
    """
    shown = wandb_errors.shown(file.ref)
    subject, address = f"reference {shown!r}", urlsplit(file.ref)
    _require_plain(subject, address)
    target = place / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source, length = _opened(file.ref, address)
        with source, target.open("xb") as copy:
            if file.size_bytes not in (None, length):
                problem = f"has {length} bytes instead of {file.size_bytes}"
                raise DamagedError(subject, problem, "log the artifact again")
            _copy(source, copy, length, subject)
    except HoldfastError:
        raise
    except AbsentError:
        raise StoreError(subject, "leads nowhere", _ADVICE) from None
    except (OSError, ValueError) as error:
        failure = StoreError(subject, f"cannot be reached: {wandb_errors.shown(error)}", _ADVICE)
    else:
        return
    raise failure  # out here: a cause would be shown as it is


def _require_plain(subject: str, address: SplitResult) -> None:
    """Refuse an address by which its writer would choose a server or credentials as well."""
    is_plain = not address.fragment and "\0" not in address.path
    if address.scheme == "file":
        is_plain &= address.netloc in ("", "localhost") and not address.query
    else:
        is_plain &= "@" not in address.netloc and bool(address.netloc)
    if address.scheme == "s3":  # behind a ? there could be an endpoint of its own
        is_plain &= not address.query and not address.path.endswith("/")
    if not is_plain:
        raise InvalidInputError(subject, "says more than where the file is", _ADVICE)


def _opened(ref: str, address: SplitResult) -> tuple[BinaryIO, int]:
    """Open what an address leads to; return its length as well."""
    if address.scheme == "file":
        file = regular(os.path.realpath(unquote(address.path)))
        return file, os.fstat(file.fileno()).st_size
    if address.scheme == "s3":
        folder, _, name = address.path.rpartition("/")
        store = locate(f"s3://{address.netloc}{folder}")
        size_bytes = store.size(name)
        if size_bytes is None:
            raise AbsentError(name)
        return store.open(name), size_bytes
    answer = _opener().open(ref, timeout=_TIMEOUT_S)
    length = answer.headers.get("Content-Length", "")
    if answer.headers.get("Content-Encoding", "identity") != "identity" or not length.isdecimal():
        answer.close()
        raise ValueError("the server does not say how long it is")
    return answer, int(length)


def _opener() -> urllib.request.OpenerDirector:
    """Return what follows addresses of the web, and leads to none of another kind."""
    opener = urllib.request.OpenerDirector()
    for kind in (
        urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler, urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(kind())
    return opener


def _copy(source: BinaryIO, target: BinaryIO, length: int, subject: str) -> None:
    while piece := source.read(min(_PIECE, length + 1)):
        length -= len(piece)
        if length < 0:
            break
        target.write(piece)
    if length:
        raise DamagedError(subject, "came cut short or went on", "import it again")
