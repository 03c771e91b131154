"""Access over a bucket: two replicas, rivals, and what a look costs."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.access.conftest import KEYS, NOON, Server
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.access import changes
from holdfast.access import sessions as session_module
from holdfast.access.authentication import authenticate
from holdfast.access.refusals import Refusals
from holdfast.access.sessions import Sessions, begun
from holdfast.core.auth import Auth
from holdfast.errors import DamagedError, HoldfastError, UnauthenticatedError

Open = Callable[[], Registry]
ANA = Auth("u_ana", "session", "person")


@pytest.fixture
def opened(moto: Endpoint, tmp_path: Path) -> Open:
    """Return a function that opens one bucket as another replica would."""
    url = moto.store(moto.make_bucket(), tmp_path).url.partition("?")[0]
    caches = iter(range(100))

    def again() -> Registry:
        cache = tmp_path / f"cache-{next(caches)}"
        return holdfast.open(url, options=moto.options, cache=cache)

    opened = again()
    opened.init()
    return again


def server(registry: Registry) -> Server:
    return Server(registry._session.open_store.store)


def test_a_token_revoked_by_one_replica_writes_nothing_through_the_other(opened: Open) -> None:
    one, other = server(opened()), server(opened())
    one.init()
    new = one.token("ana")
    assert authenticate(other.state, new.secret, NOON).user.name == "ana"
    one.commit(lambda state, _stamp: changes.revoke_token(state, new.id))

    with pytest.raises(UnauthenticatedError, match="was revoked"):
        authenticate(other.state, new.secret, NOON)


def test_a_look_takes_two_requests_at_once_and_a_fresh_one_none(opened: Open) -> None:
    registry = opened()
    guard = server(registry)
    guard.init()
    wire = registry._session.site._store.wire  # type: ignore[attr-defined]
    before = Counter(wire.requests)
    guard.journal.state(max_age_s=3600)
    assert Counter(wire.requests) == before
    guard.journal.state(max_age_s=0)

    assert (Counter(wire.requests) - before).total() == 2


def test_of_replicas_that_write_at_once_each_entry_is_written_once(opened: Open) -> None:
    server(opened()).init()
    guards = [server(opened()) for _ in range(4)]
    barrier = threading.Barrier(4)

    def add(number: int) -> None:
        barrier.wait(60)
        guards[number].commit(
            lambda state, stamp: changes.add_user(state, stamp, f"u{number}", "person")
        )

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))

    assert guards[0].state.seq == 5
    assert len(list(guards[0].state.active())) == 5


def test_replicas_share_sessions_and_refusals(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_FRESH_S", 0.0)
    one, other = (registry._session.open_store.store for registry in (opened(), opened()))
    here, there = Sessions(one, KEYS), Sessions(other, KEYS)
    secret = here.create(begun("u_ana", "session", NOON))
    assert there.read(secret, NOON) is not None
    assert [record.user for _, record in there.listed(NOON)] == ["u_ana"]
    assert here.use_once("jti", "2027")
    assert not there.use_once("jti", "2027")
    there.delete(secret)
    assert here.read(secret, NOON) is None
    refusals = Refusals(one, "web-1", lambda: NOON)
    refusals.record("refused", "bo may not")
    refusals.flush()

    assert [report.why for report in Refusals(other, "", lambda: NOON).read("2026-03-01")] == [
        "bo may not"
    ]
    assert refusals.prune() == 0
    assert Refusals(other, "", lambda: NOON + timedelta(days=402)).prune() == 1
    assert list(Refusals(other, "", lambda: NOON).read("2026-03-01")) == []


def test_the_end_cut_off_is_seen_and_verify_and_backup_cover_it(
    opened: Open, tmp_path: Path
) -> None:
    registry = opened()
    guard = server(registry)
    guard.init()
    guard.add("bo", "promoter")
    assert registry.verify().entries == 3
    backup = holdfast.open(tmp_path / "backup")
    assert registry.backup(backup).entries == 3
    assert backup.access(KEYS).state(max_age_s=0) == guard.state
    guard.store.delete("access/journal/0000000003.json")

    with pytest.raises(DamagedError, match="was seen, and is missing"):
        guard.journal.state(max_age_s=0)


def test_threads_write_one_model_in_their_own_names(opened: Open, tmp_path: Path) -> None:
    registry = opened()
    (tmp_path / "m.txt").write_text("one")
    registry.register("iris", tmp_path / "m.txt")
    barrier = threading.Barrier(4)

    def note(number: int) -> object:
        barrier.wait(60)
        try:
            return registry.acting_as(f"u{number}", ANA).note("iris@1.0.0", f"n{number}")
        except HoldfastError as error:
            return error

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(note, range(4)))

    assert not [error for error in done if isinstance(error, HoldfastError)]
    assert sorted(past.by for past in opened().history("iris", last=4)) == ["u0", "u1", "u2", "u3"]
