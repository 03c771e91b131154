"""What serving workers report and count, as a server tells it and takes it.

They are small documents that prove nothing. A server that takes none of a model, or not from here,
is asked again after a minute: until then what a worker runs is known to itself only.
"""

import logging
import threading
import time
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.errors import ForbiddenError, NotFoundError, StoreError, UnsupportedError
from holdfast.store.remote.http_client import HttpClient, HttpRequest, quoted

_log = logging.getLogger(__name__)
_MOST_BYTES: Final = 64 << 20
_AGAIN_S: Final = 60.0


class _Items(Struct):
    items: list[dict[str, Any]]


class RemoteReports:
    """Reports and counts of the workers of all models."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._read: dict[str, bytes] = {}
        self._refused: dict[str, float] = {}
        self._lock = threading.Lock()

    def names(self, model: str, rollout: int | None, prefix: str) -> list[str]:
        """Ask for all documents; return the workers' names, whose documents `raw` then gives."""
        path = f"/models/{quoted(model)}:{'servers' if rollout is None else 'counts'}"
        query = {} if rollout is None else {"rollout": rollout}
        try:
            answer = self._client.ask(HttpRequest("GET", path, query=query, most_bytes=_MOST_BYTES))
            documents = strict_json.decode(answer.body, _Items).items
        except (NotFoundError, UnsupportedError):
            return []
        except ValueError:
            raise StoreError(
                self._client.address.url, "has sent something else than a list of reports"
            ) from None
        reports = {}
        for document in documents:
            worker = document.get("worker")
            if isinstance(worker, str):
                reports[worker] = msgspec.json.encode(document)
        with self._lock:
            self._read |= {f"{prefix} {worker}": raw for worker, raw in reports.items()}
        return list(reports)

    def raw(self, prefix: str, worker: str) -> bytes | None:
        """Return a document that was told by `names`, once."""
        with self._lock:
            return self._read.pop(f"{prefix} {worker}", None)

    def write(self, model: str, rollout: int | None, worker: str, data: bytes) -> None:
        """Send a worker's document, over the one before."""
        self._send("PUT", model, rollout, worker, data)

    def remove(self, model: str, rollout: int | None, worker: str) -> None:
        """Have a worker's document removed."""
        self._send("DELETE", model, rollout, worker, None)

    def _send(
        self, method: str, model: str, rollout: int | None, worker: str, data: bytes | None
    ) -> None:
        again_s = self._refused.get(model)
        if again_s is not None and time.monotonic() < again_s:
            return
        kind = "servers" if rollout is None else "counts"
        request = HttpRequest(
            method,
            f"/models/{quoted(model)}:{kind}/{quoted(worker)}",
            query={} if rollout is None else {"rollout": rollout},
            headers={"Content-Type": "application/json"} if data is not None else {},
            body=data,
            repeatable=True,
        )
        try:
            self._client.ask(request)
        except (ForbiddenError, NotFoundError, UnsupportedError) as error:
            if again_s is None:
                url = self._client.address.url
                _log.warning("%s takes no reports of %s: %s", url, model, error)
            self._refused[model] = time.monotonic() + _AGAIN_S
