"""Sending blobs to a server: small ones whole, large ones in parts, from where they broke off."""

from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from holdfast.errors import BusyError, ConflictError, NotFoundError, StoreError
from holdfast.store import InDoubtError
from holdfast.store.local import readable
from holdfast.store.metering import Step, unmetered
from holdfast.store.remote.http_client import (
    HttpClient,
    HttpRequest,
    UnreachableError,
    pause,
)

RESUMABLE: Final = 64 << 20
"""Length from which an upload is sent in parts."""
_PART: Final = 32 << 20
_ATTEMPTS: Final = 16
"""Failures in a row, by none of which more came: with the pauses between them about a minute. A
server restarts in less, and gives up in less what it still expects of a line that broke."""
_BEGINNINGS: Final = 3
_PASSING: Final = (InDoubtError, UnreachableError, BusyError, ConflictError)
"""What may be over in a moment; a conflict is the part that broke off, still being received."""


class FilePart:
    """A file up to a place, read from wherever it is sought to; each piece is told.

    Args:
        file: The file.
        end: Where it ends, for whoever reads it here.
        step: Told of each piece.
    """

    def __init__(self, file: FileIO, end: int, step: Step) -> None:
        self._file = file
        self._end = end
        self._step = step

    def seek(self, offset: int) -> int:
        """Go to a place of the whole file."""
        return self._file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        left = self._end - self._file.tell()
        piece = self._file.read(left if size < 0 else min(size, left)) or b""
        self._step(len(piece))
        return piece


def _octets(length: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(length)}


class Uploads:
    """Blobs on their way to a server."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def put(self, sha256: str, data: bytes) -> None:
        """Send bytes under their digest; they are sent again after a lost answer."""
        self._client.ask(
            HttpRequest(
                "PUT", f"/blobs/{sha256}", headers=_octets(len(data)), body=data, repeatable=True
            )
        )

    def send(self, source: Path, sha256: str, size_bytes: int, step: Step = unmetered) -> None:
        """Send a file; *step* is told of its bytes.

        Raises:
            StoreError: If the server does not take it.
        """
        with readable(source) as file:
            if size_bytes < RESUMABLE:
                body = FilePart(file, size_bytes, step)
                request = HttpRequest(
                    "PUT",
                    f"/blobs/{sha256}",
                    headers=_octets(size_bytes),
                    body=body,
                    repeatable=True,
                )
                self._client.ask(request)
            else:
                self._in_parts(file, sha256, size_bytes, step)

    def _in_parts(self, file: FileIO, sha256: str, size_bytes: int, step: Step) -> None:
        upload, offset, fruitless, begun = self._begun(sha256, size_bytes), 0, 0, 1
        while offset < size_bytes:
            end = min(offset + _PART, size_bytes)
            try:
                self._part(upload, file, offset, end, size_bytes)
            except _PASSING:
                fruitless += 1
                if fruitless == _ATTEMPTS:
                    raise
                end = self._found(upload, offset, end, fruitless)
            except NotFoundError:  # what came is gone with the server that had it
                if begun == _BEGINNINGS:
                    raise
                upload, end, begun = self._begun(sha256, size_bytes), 0, begun + 1
            if end > offset:
                fruitless = 0
            step(max(0, end - offset))
            offset = end

    def _found(self, upload: str, offset: int, end: int, failures: int) -> int:
        """Wait, and return where to go on: where the upload ends, or *offset* if nobody says."""
        pause(failures - 1)
        try:
            return self._offset(upload, end)
        except _PASSING:
            return offset

    def _begun(self, sha256: str, size_bytes: int) -> str:
        """Begin an upload and return its path."""
        answer = self._client.ask(
            HttpRequest(
                "POST",
                "/uploads",
                headers={"Content-Type": "application/json"},
                body=msgspec.json.encode({"sha256": sha256, "size_bytes": size_bytes}),
                repeatable=True,
            )
        )
        location = answer.headers.get("location", "")
        path = location.partition("/api/v1")[2]
        if not path.startswith("/uploads/"):
            raise StoreError(
                self._client.address.url, "has given no place for an upload", "try again"
            )
        return path

    def _part(self, upload: str, file: FileIO, start: int, end: int, whole: int) -> None:
        body = FilePart(file, end, unmetered)
        headers = _octets(end - start) | {
            "Upload-Offset": str(start),
            "Upload-Complete": "?1" if end == whole else "?0",
        }
        self._client.ask(HttpRequest("PATCH", upload, headers=headers, body=body))

    def _offset(self, upload: str, end: int) -> int:
        """Ask how much of an upload has come; one that is not there any more became a blob."""
        try:
            answer = self._client.ask(HttpRequest("HEAD", upload))
        except NotFoundError:
            return end
        offset = answer.headers.get("upload-offset", "")
        if not offset.isdecimal():
            raise StoreError(self._client.address.url, "does not say how much came", "try again")
        return int(offset[:18])
