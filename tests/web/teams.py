"""A store with people, and a server for them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.access.conftest import Server
from tests.web.facing import Caller, Served, running

import holdfast
from holdfast import signing
from holdfast.access.access_journal import AccessKeys
from holdfast.web import team
from holdfast.web.web_settings import WebSettings


@dataclass
class Team:
    """A store whose administrator is Ana, and the key of its servers."""

    folder: Path
    registry: holdfast.Registry = field(init=False)
    key_file: Path = field(init=False)
    access: Server = field(init=False)
    ana: str = field(init=False)

    def __post_init__(self) -> None:
        self.registry = holdfast.open(self.folder / "store", by="eve")
        self.registry.init()
        self.key_file = self.folder / "server.key"
        signing.create("server", self.folder)
        key = signing.load(self.key_file)
        store = self.registry._session.open_store.store
        self.access = Server(store, AccessKeys(frozenset((key.key,)), key), datetime.now(UTC))
        self.ana = self.access.init().secret

    def member(self, name: str, role: str | None = None, pattern: str = "*") -> str:
        """Add a person with a role; return a token of theirs."""
        self.access.add(name, role, pattern)
        return self.access.token(name).secret

    @contextlib.contextmanager
    def served(self, **settings: Any) -> Iterator[Served]:
        """Run a server for Ana."""
        location = self.folder / "store"
        named = WebSettings(lambda: holdfast.open(location), server_key=self.key_file, **settings)
        guard = team.team_guard(named, holdfast.open(location), signing.load(self.key_file))
        with running(location, guard, server_key=self.key_file, **settings) as served:
            served.token = self.ana
            yield served


def as_(served: Caller, token: str | None) -> Caller:
    """Return somebody else who calls the same server."""
    return Caller(served.port, token)
