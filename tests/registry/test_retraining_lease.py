"""The lease of retraining: one holder, by the clock of the store, in a folder and in a bucket."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError, StoreError
from holdfast.registry import retraining_lease
from holdfast.registry.retraining_lease import Lease, LeaseHolder, LeaseLostError, Pulse, StoreBeats
from holdfast.registry.session import Session
from holdfast.store import Store, layout

HOLDER = LeaseHolder("2026-11-29T02:00:00Z", "ci@host:7")
BRIEF = Pulse(every_s=0.01, silence_s=90.0)


@pytest.fixture(params=["folder", "bucket"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Session:
    """Return a session over a registry in a folder, and over one in a bucket."""
    if request.param == "folder":
        made = holdfast.open(tmp_path / "store", by="ann")
    else:
        moto: Endpoint = request.getfixturevalue("moto")
        url = moto.store(moto.make_bucket(), tmp_path).url.partition("?")[0]
        made = holdfast.open(url, by="ann", options=moto.options, cache=tmp_path / "cache")
    made.init()
    return made._session


@pytest.fixture
def near(tmp_path: Path) -> Session:
    """Return a session over a registry in a folder."""
    made = holdfast.open(tmp_path / "store", by="ann")
    made.init()
    return made._session


def files(session: Session) -> list[str]:
    store = session.open_store.store
    return sorted(store.list(layout.retraining(layout.model("iris"))))


def test_a_second_run_is_told_who_holds_it(session: Session) -> None:
    with retraining_lease.take(session, "iris", HOLDER) as lease:
        assert lease.term == 1
        with pytest.raises(ConflictError, match=r"term 1 by ann \(ci@host:7\), slot 20"):
            retraining_lease.take(session, "iris", HOLDER)
        assert "term 1 by ann" in str(retraining_lease.holder_of(session, "iris"))
        with retraining_lease.take(session, "rose", HOLDER) as other:
            assert other.term == 1

    assert retraining_lease.holder_of(session, "iris") is None


def test_once_it_ended_the_next_one_begins_at_once(session: Session) -> None:
    for term in (1, 2, 3):
        with retraining_lease.take(session, "iris", HOLDER) as lease:
            assert lease.term == term

    assert [name[9:] for name in files(session)] == [
        "2.beat", "2.done", "2.json", "3.beat", "3.done", "3.json"
    ]  # fmt: skip


def test_a_holder_that_was_killed_is_silent_and_the_next_one_begins(session: Session) -> None:
    retraining_lease.take(session, "iris", HOLDER)  # and never entered: nobody beats
    dead = Pulse(silence_s=0.0)

    with retraining_lease.take(session, "iris", HOLDER, dead) as lease:
        assert lease.term == 2


def test_of_several_that_ask_at_once_one_gets_it(session: Session) -> None:
    terms, refused = [], 0
    store = session.open_store.store

    class Racing:
        """Has another one take the lease right before the first does."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def create(self, key: str, data: bytes) -> None:
            terms.append(retraining_lease.take(session, "iris", HOLDER).term)
            store.create(key, data)

    rival = session.acting_as("bob", None)
    rival.writable()
    try:
        with_racing(rival, Racing())
    except ConflictError as error:
        refused += "term 1 by ann" in str(error)

    assert (terms, refused) == ([1], 1)


def with_racing(session: Session, store: Any) -> None:
    terms, _now = retraining_lease._dated(session, "iris")
    assert terms == {}
    opened = session.open_store

    class Opened:
        def __getattr__(self, name: str) -> Any:
            return store if name == "store" else getattr(opened, name)

    class Racer:
        open_store = Opened()

        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

    retraining_lease.take(Racer(), "iris", HOLDER)  # type: ignore[arg-type]


def test_a_holder_that_slept_sees_the_higher_term(session: Session) -> None:
    sleeper = retraining_lease.take(session, "iris", HOLDER)
    retraining_lease.take(session, "iris", HOLDER, Pulse(silence_s=0.0))

    assert not sleeper.is_lost
    with pytest.raises(LeaseLostError, match="term 2 began"):
        sleeper.require()
    assert sleeper.is_lost


class Broken:
    """A store that nothing gets through to as long as it is cut off."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise StoreError("bucket", "does not answer")
        return getattr(self.store, name)


def held(store: object, now: Callable[[], float]) -> Lease:
    beats = StoreBeats(store, "iris")  # type: ignore[arg-type]
    return Lease(beats, "iris", 1, Pulse(), now)


def test_one_beat_that_fails_is_not_a_loss(near: Session) -> None:
    now = [0.0]
    store = Broken(near.open_store.store)
    lease = held(store, lambda: now[0])
    store.cut = True
    now[0] = 89.0
    lease.beat()

    assert not lease.is_lost
    store.cut = False
    lease.require()
    now[0] = 178.0
    assert not lease.is_lost


def test_no_beat_for_ninety_seconds_is(near: Session) -> None:
    now = [0.0]
    store = Broken(near.open_store.store)
    lease = held(store, lambda: now[0])
    store.cut = True
    now[0] = 90.5
    lease.beat()

    with pytest.raises(LeaseLostError, match="no beat of it got through"):
        lease.require()


def test_a_heartbeat_that_died_is_a_loss_though_the_run_lives(near: Session) -> None:
    now = [0.0]
    lease = held(near.open_store.store, lambda: now[0])
    with lease:
        lease._ending.set()
        lease._thread.join()
        now[0] = 91.0

        assert lease.is_lost
    assert files(near) == []


def test_a_beat_goes_on_by_itself(near: Session) -> None:
    lease = retraining_lease.take(near, "iris", HOLDER, BRIEF)
    beat = Path(str(near.site.location), layout.term(layout.model("iris"), 1, "beat"))
    os.utime(beat, (0, 0))
    with lease:
        while beat.stat().st_mtime == 0:
            lease._thread.join(0.01)

    assert beat.stat().st_mtime > 0


@pytest.mark.parametrize("skew_s", [-86_400, 86_400])
def test_the_clocks_of_machines_do_not_matter(near: Session, skew_s: int) -> None:
    with retraining_lease.take(near, "iris", HOLDER):
        other = near.acting_as("bob", None)
        other.clock = lambda: datetime.now(UTC) + timedelta(seconds=skew_s)
        with pytest.raises(ConflictError, match="is going on"):
            retraining_lease.take(other, "iris", HOLDER)


def test_a_beat_from_before_the_clock_of_the_store_was_set_back_keeps_nobody_out(
    near: Session,
) -> None:
    retraining_lease.take(near, "iris", HOLDER)
    folder = Path(str(near.site.location), layout.retraining(layout.model("iris")))
    for path in folder.iterdir():
        os.utime(path, (path.stat().st_mtime + 86_400,) * 2)

    with retraining_lease.take(near, "iris", HOLDER) as lease:
        assert lease.term == 2


def test_a_lease_that_cannot_be_read_is_told_by_its_number(near: Session) -> None:
    retraining_lease.take(near, "iris", HOLDER)
    near.open_store.store.replace(layout.term(layout.model("iris"), 1, "json"), b"{")

    assert retraining_lease.holder_of(near, "iris") == "term 1"


def test_a_lease_is_no_damage_and_no_model(near: Session) -> None:
    with retraining_lease.take(near, "iris", HOLDER):
        registry = Registry(near)

        assert registry.verify().damages == ()
        assert registry.models() == []


def test_before_a_store_is_made_nobody_holds_anything(tmp_path: Path) -> None:
    session = holdfast.open(tmp_path / "none")._session

    assert retraining_lease.holder_of(session, "iris") is None
