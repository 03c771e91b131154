"""Stores of earlier releases that a server guards."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.golden.write_access import ISSUER, KEYS, NOON, secret
from tests.keys import BOB

import holdfast
from holdfast.access import changes
from holdfast.access.access_events import ACCESS_OPERATIONS
from holdfast.access.access_history import lines
from holdfast.access.access_journal import AccessJournal, AccessKeys
from holdfast.access.authentication import authenticate
from holdfast.access.permissions import may, who_could
from holdfast.core.entry import Stamp
from holdfast.errors import DamagedError, UnauthenticatedError

KEPT = sorted(Path(__file__).parent.glob("access-*.tar.xz"))


@pytest.fixture
def journal(store: Path) -> AccessJournal:
    return holdfast.open(store).access(KEYS)


def test_there_are_stores_to_open() -> None:
    assert "access-1.tar.xz" in {path.name for path in KEPT}


def test_it_is_whole_and_signed_by_its_server_alone(store: Path) -> None:
    found = holdfast.open(store).verify()

    assert (found.damages, found.models, found.entries) == ((), 1, 31)
    with pytest.raises(DamagedError, match="not told to believe"):
        holdfast.open(store).access(AccessKeys(frozenset((BOB.key,)))).state(max_age_s=0)


def test_every_operation_is_understood(journal: AccessJournal) -> None:
    told = list(lines(journal.audit()))

    assert {line.op for line in told} == set(ACCESS_OPERATIONS)
    assert [line.what for line in told][:5] == [
        f"make ana an administrator, with the token {secret(1).id}",
        "add user bo",
        "add user cy",
        "add service account nightly, owned by ana",
        "rename bo to bob",
    ]


def test_who_may_what_is_as_it_was(journal: AccessJournal) -> None:
    state = journal.state(max_age_s=0)

    assert [user.name for user in state.admins()] == ["ana"]
    assert [user.name for user, _ in who_could(state, "promote", "risk/iris")] == [
        "ana",
        "bob",
        "cy",
    ]
    assert [user.name for user, _ in who_could(state, "promote", "fraud")] == ["ana"]
    bob = authenticate(state, secret(2).secret, NOON + timedelta(days=1))
    assert bob.user == state.linked(ISSUER, "7")
    assert may(state, bob, "read", "risk/iris").allowed
    assert not may(state, bob, "promote", "risk/iris").allowed
    for number in (3, 4):
        with pytest.raises(UnauthenticatedError):
            authenticate(state, secret(number).secret, NOON)
    assert list(state.providers) == ["corp"]
    assert [rule.name for rule in state.rules.values()] == ["retrain"]
    assert state.settings == {"banner": "hello"}
    assert state.linked(ISSUER, "8") is None


def test_it_is_gone_on_with_by_its_server(store: Path, journal: AccessJournal) -> None:
    def stamp() -> Stamp:
        return Stamp(NOON + timedelta(days=2), "ana", "f" * 32)

    journal.commit(lambda state, _stamp: changes.disable_user(state, "bob"), stamp)

    names = [user.name for user in journal.state(max_age_s=0).active()]
    assert names == ["ana", "cy", "nightly"]
    assert holdfast.open(store).verify().damages == ()


def test_models_remember_how_their_authors_were_known(store: Path) -> None:
    registry = holdfast.open(store)
    known = [
        (past.op, past.by, past.auth and past.auth.how) for past in registry.history("risk/iris")
    ]

    assert known == [
        ("policy_set", "ana", "session"),
        ("registered", "retrain", "ci:https://ci.example/9001"),
        ("approved", "ana", "session"),
        ("promoted", "bob", "token:1a2b3c4d5e6f"),
    ]
