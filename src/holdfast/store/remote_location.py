"""A registry behind a server: what is read comes from there and is checked here."""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from holdfast import scratch
from holdfast.core import strict_json
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record
from holdfast.errors import DamagedError, NotFoundError, StoreError, UnsupportedError
from holdfast.store import config, private_cache, remote_journal
from holdfast.store.blobs import Blobs
from holdfast.store.config import Config
from holdfast.store.known_models import Known
from holdfast.store.objects.cache import Cache
from holdfast.store.open_store import Changed, Collected, Glance, Here, Needed
from holdfast.store.projections import Pointer
from holdfast.store.remote import server_credentials
from holdfast.store.remote.http_client import HttpClient, HttpRequest
from holdfast.store.remote.server_address import ServerAddress
from holdfast.store.remote_store import RemoteStore

_IDS: Final = "server-ids"
_MOST_ID: Final = 256
_MOST_ANSWER: Final = 4 << 20


class _StoreAnswer(Struct):
    """What a server says of its store."""

    id: str
    config: str


class RemoteLocation:
    """A server that has a registry.

    Args:
        address: Where it is.
        cache: For blobs.
    """

    def __init__(self, address: ServerAddress, cache: Cache | None = None) -> None:
        self.location = address.url
        self.address = address
        self.client = HttpClient(address, functools.partial(server_credentials.token_for, address))
        self._cache = cache or Cache(Path.home() / ".cache" / "holdfast")

    def find(self) -> "OpenRemote | None":
        """Open the registry there; `None` where the server has none yet.

        Raises:
            StoreError: If it cannot be reached, is something else, or has another store by now.
        """
        try:
            server_config = _told(self.client)
        except NotFoundError:
            return None
        decoded = config.decode(server_config.config.encode(), f"{self.location}/holdfast.json")
        if server_config.id != decoded.id:
            raise StoreError(self.location, "says two ids of one store", "ask its admin")
        self._require_known(decoded.id)
        return OpenRemote(
            RemoteStore(self.client, decoded.id, server_config.config.encode(), self._cache),
            decoded,
        )

    def _require_known(self, store_id: str) -> None:
        """Refuse a server that has another store than when this user saw it first.

        Servers of this machine come and go with their stores, and are not held to one.
        """
        if self.address.is_here:
            return
        raw = private_cache.read(_IDS, self.location, _MOST_ID)
        if raw is None:
            private_cache.keep(_IDS, self.location, store_id.encode())
        elif raw.decode(errors="replace") != store_id:
            raise DamagedError(
                self.location,
                "has another store than was seen here",
                f"if that was done on purpose, run `holdfast logout --forget {self.location}`",
            )

    def forget(self) -> None:
        """Forget what was seen of the server."""
        remote_journal.forget(self.address)
        private_cache.remove(_IDS, self.location)

    def make(self, _new_id: Callable[[], str], _now: datetime) -> "OpenRemote":
        """Refuse: a server makes its own store."""
        raise StoreError(self.location, "has no store yet", "run `holdfast init` beside the server")


def _told(client: HttpClient) -> _StoreAnswer:
    answer = client.ask(HttpRequest("GET", "/store", most_bytes=_MOST_ANSWER))
    try:
        return strict_json.decode(answer.body, _StoreAnswer)
    except ValueError:
        raise StoreError(
            client.address.url, "does not answer as a Holdfast server", "check the address"
        ) from None


class OpenRemote:
    """The registry of a server, opened."""

    least_grace_s = 0.0

    def __init__(self, store: RemoteStore, stored_config: Config) -> None:
        self.store = store
        self.blobs = Blobs(store)
        self.config = stored_config
        self.known = _SeenModels(store)
        self.projections = _NoProjections(store.client.address.url)

    def require_same(self) -> None:
        """Ask the server which store it has."""
        server_config = _told(self.store.client)
        config.require_same(
            self.config if server_config.id == self.config.id else None,
            self.config,
            self.projections.url,
        )

    def glance(self, _folders: Collection[str]) -> Mapping[str, Glance]:
        """Look at none: a journal costs one request."""
        return {}

    def accepted(self, model: str, seq: int) -> None:
        """Remember that a reader has folded a model's journal up to an entry."""
        self.store.journal(model).accept(seq)

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give a folder of this machine."""
        with scratch.folder() as path:
            yield path

    @contextlib.contextmanager
    def sharing(self, what: str = "writing") -> Iterator[None]:  # noqa: ARG002 - the server does
        """Hold nothing: the server keeps collectors away from what was sent."""
        yield

    def rescue(self, digests: Collection[str]) -> None:
        """Rescue nothing: the server does."""

    def collect(self, _needed: Needed, _grace_s: float) -> Collected:
        """Refuse: bytes are removed beside the server."""
        raise UnsupportedError(
            self.projections.url,
            "does not remove bytes for a client",
            "run `holdfast gc` beside it",
        )


class _SeenModels(Known):
    """The files below `known` are the server's to write and to check."""

    def folders(self) -> set[str]:
        return set()

    def has(self, model: str) -> bool:
        return self._journal(model).accepted > 0

    def add(self, model: str) -> None:
        pass

    def is_stale(self, _model: str) -> bool:
        return False

    def _journal(self, model: str) -> remote_journal.RemoteJournal:
        assert isinstance(self._store, RemoteStore)  # noqa: S101 - it was made for one
        return self._store.journal(model)


class _NoProjections:
    """A server's client has no files derived from journals."""

    def __init__(self, url: str) -> None:
        self.url = url

    def look(self, _model: str) -> Pointer | None:
        return None

    def here(self, _model: str) -> Here:
        return Here(self.url, self.url)

    def heal(self, model: str, changed: Changed) -> None:
        pass

    def write(self, model: str, changed: Changed) -> None:
        pass

    def stale(self, _model: str, _record: Record, _manifest: Manifest) -> Iterator[tuple[str, str]]:
        return iter(())

    def artifact(self, _manifest: Manifest, _artifact: Artifact) -> Path | None:
        return None

    def manifest(self, _record: Record, _manifest: Manifest) -> Path | None:
        return None
