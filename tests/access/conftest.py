"""A store with an access journal, and a clock that only tests move."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.access.issuer import Issuer, issuing
from tests.keys import BOB, Person

import holdfast
from holdfast.access import changes, tokens
from holdfast.access.access_events import AccessEvent
from holdfast.access.access_journal import AccessChange, AccessJournal, AccessKeys
from holdfast.access.access_state import AccessState, User
from holdfast.access.tokens import NewToken
from holdfast.core.entry import Stamp, format_time
from holdfast.store import BlobStore

SERVER = Person("server")
STRANGER = BOB
KEYS = AccessKeys(frozenset((SERVER.key,)), SERVER)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Server:
    """One server's view of a store's access journal, and shorthands for what tests change."""

    store: BlobStore
    keys: AccessKeys = KEYS
    now: datetime = NOON
    journal: AccessJournal = field(init=False)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.journal = AccessJournal(self.store, self.keys)

    @property
    def state(self) -> AccessState:
        return self.journal.state(max_age_s=0)

    def stamp(self) -> Stamp:
        return Stamp(self.now, "ana", os.urandom(16).hex())

    def commit(self, decide: Callable[[AccessState, Stamp], AccessEvent | None]) -> AccessChange:
        return self.journal.commit(decide, self.stamp)

    def init(self, name: str = "ana") -> NewToken:
        new = tokens.mint("p", os.urandom(32))
        until = format_time(self.now + timedelta(days=90))
        self.commit(lambda state, stamp: changes.make_admin(state, stamp, name, new, until))
        return new

    def add(self, name: str, role: str | None = None, pattern: str = "*") -> User:
        self.commit(lambda state, stamp: changes.add_user(state, stamp, name, "person"))
        if role:
            self.grant(name, role, pattern)
        return changes.find_user(self.state, name)

    def service(self, name: str, owner: str = "ana") -> User:
        self.commit(lambda state, stamp: changes.add_user(state, stamp, name, "service", owner))
        return changes.find_user(self.state, name)

    def grant(self, subject: str, role: str, pattern: str = "*") -> AccessChange:
        return self.commit(
            lambda state, stamp: changes.give_grant(state, stamp, subject, role, pattern)
        )

    def token(self, user: str, **issued: object) -> NewToken:
        kind = changes.find_user(self.state, user).kind
        new = tokens.mint("p" if kind == "person" else "s", os.urandom(32))
        until = changes.expiry(self.now, None)
        facts = {"label": "test", "expires_at": until} | issued
        self.commit(lambda state, stamp: changes.issue_token(state, stamp, user, new, facts))
        return new


@pytest.fixture(scope="session")
def running() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """Return an issuer that answers as it should and was asked for nothing yet."""
    running.reset()
    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> BlobStore:
    registry = holdfast.open(folder)
    registry.init()
    return registry._session.open_store.store


@pytest.fixture
def server(store: BlobStore) -> Server:
    """Return a server whose administrator is Ana."""
    made = Server(store)
    made.init()
    return made
