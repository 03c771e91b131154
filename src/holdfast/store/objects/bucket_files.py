"""Files of people in buckets, by address: `s3://bucket/june.parquet`, a prefix, or a pattern.

Holdfast keeps nothing of them, and what is written there is written once.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from holdfast.errors import InvalidInputError, StoreError
from holdfast.store import AbsentError, TakenError
from holdfast.store.objects import SCHEMES, sending
from holdfast.store.objects.locating import locate
from holdfast.store.objects.object_store import ObjectStore
from holdfast.store.objects.ranged_object import ranged

__all__ = ["BucketFile", "at", "below", "is_address", "matching"]

_ADDRESS: Final = re.compile(f"(?:{'|'.join(SCHEMES)})://")
_WILD: Final = re.compile(r"[*\[]")
_SIGNS: Final = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*"}
_TOKEN: Final = re.compile(r"\*\*/|\*\*|\*|\[!?[^\]/]+\]|.", re.DOTALL)


def is_address(text: str) -> bool:
    """Tell whether a text is the address of something in a bucket."""
    return _ADDRESS.match(text) is not None


@dataclass(frozen=True, slots=True)
class BucketFile:
    """An object by its key below a folder of a bucket; it need not exist.

    Attributes:
        folder: What the key is below.
        key: Of the object.
        address: As people write it, options included.
    """

    folder: ObjectStore
    key: str
    address: str

    def __str__(self) -> str:
        """Return the address."""
        return self.address

    @property
    def path(self) -> PurePosixPath:
        """The key as a path, which has an ending."""
        return PurePosixPath(self.key)

    def opened(self) -> io.BufferedReader:
        """Open it; all that is read is of one version of it.

        Raises:
            InvalidInputError: If it does not exist.
            StoreError: If the service refuses, or it is replaced while it is read.
        """
        try:
            return ranged(self.folder.wire, self.key)
        except AbsentError:
            raise _absent(self.address) from None

    @property
    def size_bytes(self) -> int | None:
        """Its length; `None` if there is no such object."""
        return self.folder.size(self.key)

    def create(self, source: Path, sha256: str) -> None:
        """Send a file that must not be there yet; nobody sees a part of it.

        A large one is sent in parts, which no service makes conditional for all: what a rival
        wrote in that time is replaced.

        Raises:
            TakenError: If there is one.
            StoreError: If the service refuses.
        """
        if sending.size(source) <= sending.SMALL:
            self.folder.create(self.key, sending.small(source, sha256))
        elif self.size_bytes is not None:
            raise TakenError(self.key)
        else:
            sending.large(self.folder.wire, self.key, source, sha256)

    def replace(self, source: Path, sha256: str) -> None:
        """Send a file in the place of what is there; nobody sees a part of it.

        Raises:
            StoreError: If the service refuses.
        """
        if sending.size(source) <= sending.SMALL:
            self.folder.replace(self.key, sending.small(source, sha256))
        else:
            sending.large(self.folder.wire, self.key, source, sha256)

    def beside(self, ending: str) -> "BucketFile":
        """Return the object that has the same name with something more."""
        return BucketFile(self.folder, self.key + ending, self.address)

    def copy_to(self, other: "BucketFile") -> bool:
        """Copy it within its bucket; False if there is none, or the service does not."""
        try:
            self.folder.wire.copy(self.key, other.key)
        except (AbsentError, StoreError):
            return False
        return True

    def remove(self) -> None:
        """Remove it, if it exists."""
        self.folder.delete(self.key)


def at(address: str) -> BucketFile:
    """Return the object that an address names; nothing is asked of the service.

    Raises:
        InvalidInputError: If it names none: it is malformed, a bucket alone, or ends with a slash.
    """
    plain, question, options = address.partition("?")
    folder, _, name = plain.rpartition("/")
    if not name or _ADDRESS.fullmatch(f"{folder}/"):
        problem, advice = "names no object", "write s3://bucket/name"
        raise InvalidInputError(f"address {plain!r}", problem, advice)
    return BucketFile(locate(folder + question + options), name, address)


def below(address: str) -> Iterator[BucketFile]:
    """Go through all objects below a prefix, sorted by key, which is relative to it.

    Raises:
        InvalidInputError: If the address is malformed.
    """
    plain, question, options = address.partition("?")
    folder = locate(plain.rstrip("/") + question + options)
    for key in sorted(str(one["path"]) for one in folder.wire.below("")):
        if key[-1] != "/":
            yield BucketFile(folder, key, f"{plain.rstrip('/')}/{key}{question}{options}")


def matching(address: str) -> list[BucketFile] | None:
    """Return what fits a pattern, sorted; `None` if it is not one.

    `*` and `[a-z]` stand for what they do in names of files, `**` for folders; `?` begins options.
    """
    plain, question, options = address.partition("?")
    match = _WILD.search(plain)
    if match is None:
        return None
    root, _, _rest = plain[: match.start()].rpartition("/")
    wanted = re.compile("".join(_sign(token) for token in _TOKEN.findall(plain[len(root) + 1 :])))
    found = below(root + question + options)
    return [file for file in found if wanted.fullmatch(file.key)]


def _sign(token: str) -> str:
    if token.startswith("[") and len(token) > 1:
        inner = token[1:-1].replace("\\", r"\\").replace("^", r"\^")
        return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return _SIGNS.get(token, re.escape(token))


def _absent(address: str) -> InvalidInputError:
    advice = "check the key; a prefix ends with /"
    return InvalidInputError(f"data {address.partition('?')[0]!r}", "does not exist", advice)
