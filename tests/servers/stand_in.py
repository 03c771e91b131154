"""A stand-in for Google Cloud Storage: its XML protocol as documented, in memory, under one lock.

No emulator that can be had here speaks it. This one shows that what is sent to Google is what its
documentation asks for; it is no evidence of how Google answers.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.running import HOST, Endpoint, new_name, serving

_PAGE = 1000


@dataclass(frozen=True)
class _Object:
    data: bytes
    generation: int
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ETag": self.tag,
            "x-goog-generation": str(self.generation),
            "Last-Modified": format_datetime(self.made, usegmt=True),
        }


class _Handler(BaseHTTPRequestHandler):
    """Requests on `objects`, which are kept by `bucket/key`."""

    protocol_version = "HTTP/1.1"
    # A body that follows its head in a packet of its own waits 40 ms for the head's receipt.
    wbufsize = -1
    disable_nagle_algorithm = True
    lock = threading.RLock()
    generations = count(1)
    objects: dict[str, _Object]
    uploads: dict[str, dict[int, bytes]]

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        query = {
            name: values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.lock:
            getattr(self, f"_{self.command.lower()}")(unquote(parts.path)[1:], query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _respond  # noqa: N815

    def _get(self, name: str, query: dict[str, str], _body: bytes) -> None:
        if "list-type" in query:
            return self._list(name.rstrip("/"), query)
        stored_object = self.objects.get(name)
        if stored_object is None:
            return self._refuse(404, "NoSuchKey")
        if self.headers.get("If-Match", stored_object.tag) != stored_object.tag:
            return self._refuse(412, "PreconditionFailed")
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        first, last = (
            int(start),
            min(int(end or len(stored_object.data)), len(stored_object.data) - 1),
        )
        if "Range" not in self.headers:
            return self._answer(200, stored_object.headers, stored_object.data)
        if first > last:
            return self._refuse(416, "InvalidRange")
        shown = {"Content-Range": f"bytes {first}-{last}/{len(stored_object.data)}"}
        return self._answer(
            206, stored_object.headers | shown, stored_object.data[first : last + 1]
        )

    _head = _get

    def _put(self, name: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.uploads[query["uploadId"]][int(query["partNumber"])] = body
            return self._answer(200, {"ETag": query["partNumber"]})
        stored_object = self.objects.get(name)
        expected_generation = self.headers.get("x-goog-if-generation-match")
        if expected_generation is not None and int(expected_generation) != (
            stored_object.generation if stored_object else 0
        ):
            return self._refuse(412, "PreconditionFailed")
        source = unquote(self.headers.get("x-goog-copy-source", "")).lstrip("/")
        if source and source not in self.objects:
            return self._refuse(404, "NoSuchKey")
        data = self.objects[source].data if source else body
        self.objects[name] = _Object(data, next(self.generations))
        return self._answer(200, self.objects[name].headers)

    def _post(self, name: str, query: dict[str, str], _body: bytes) -> None:
        if "uploads" in query:
            upload = str(next(self.generations))
            self.uploads[upload] = {}
            result = f"<UploadId>{upload}</UploadId>"
            return self._answer(
                200,
                {},
                f"<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>".encode(),
            )
        sent = self.uploads.pop(query["uploadId"], None)
        if sent is None:
            return self._refuse(404, "NoSuchUpload")
        data = b"".join(part for _number, part in sorted(sent.items()))
        self.objects[name] = _Object(data, next(self.generations))
        tag = escape(self.objects[name].tag)
        result = (
            f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        )
        return self._answer(200, self.objects[name].headers, result.encode())

    def _delete(self, name: str, query: dict[str, str], _body: bytes) -> None:
        if "uploadId" in query:
            self.uploads.pop(query["uploadId"], None)
        elif self.objects.pop(name, None) is None:
            return self._refuse(404, "NoSuchKey")
        return self._answer(204, {})

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, slash = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", query.get("start-after", ""))
        rows: dict[str, str] = {}
        for name in sorted(self.objects):
            key = name.removeprefix(f"{bucket}/")
            rest = key.removeprefix(prefix)
            if not name.startswith(f"{bucket}/{prefix}") or key <= after:
                continue
            if slash and slash in rest:
                folder = prefix + rest.partition(slash)[0] + slash
                rows[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
                continue
            stored_object = self.objects[name]
            rows[key] = (
                f"<Contents><Key>{escape(key)}</Key><Size>{len(stored_object.data)}</Size>"
                f"<LastModified>{stored_object.made.isoformat()}</LastModified>"
                f"<ETag>{escape(stored_object.tag)}</ETag></Contents>"
            )
        page = list(rows)[:_PAGE]
        more = len(rows) > _PAGE
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = "".join(rows[key] for key in page)
        self._answer(200, {}, f"<ListBucketResult>{text}{token}</ListBucketResult>".encode())

    def log_message(self, *_words: Any) -> None:
        """Keep quiet."""


class _Google(Endpoint):
    def make_bucket(self) -> str:
        return new_name()


@contextlib.contextmanager
def google() -> Iterator[Endpoint]:
    """Run the stand-in for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {"objects": {}, "uploads": {}})
    with serving(handler) as port:
        address = f"http://{HOST}:{port}"
        yield _Google("stand-in", "gs", address, {"endpoint": address, "bearer_token": "none"})
