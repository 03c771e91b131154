"""Sign-ins as signed reports: shared by replicas, timed, and forged by nobody."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest
from tests.access.conftest import KEYS, NOON, SERVER, STRANGER

from holdfast.access import sessions as module
from holdfast.access.access_journal import AccessKeys
from holdfast.access.sessions import SessionRecord, Sessions, begun
from holdfast.core.entry import format_time
from holdfast.errors import InvalidInputError, StoreError
from holdfast.store import BlobStore

HOUR = timedelta(hours=1)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reports read each time."""
    monkeypatch.setattr(module, "_FRESH_S", 0.0)


@pytest.fixture(params=["store", "memory"])
def sessions(request: pytest.FixtureRequest, store: BlobStore) -> Sessions:
    return Sessions(store if request.param == "store" else None, KEYS)


def reports(folder: Path) -> list[Path]:
    return sorted((folder / "access/sessions").glob("*.json"))


def uses(folder: Path) -> list[Path]:
    return sorted((folder / "access/touched").glob("*.json"))


def test_a_secret_stands_for_what_was_kept(sessions: Sessions) -> None:
    record = begun("u_ana", "session", NOON, token="1a2b")

    secret = sessions.create(record)

    assert len(secret) == 43
    assert sessions.read(secret, NOON) == record
    assert sessions.read(secret + "x", NOON) is None


@pytest.mark.usefixtures("always")
def test_replicas_share_a_session_and_its_end(store: BlobStore) -> None:
    one, other = Sessions(store, KEYS), Sessions(store, KEYS)
    secret = one.create(begun("u_ana", "session", NOON))
    assert other.read(secret, NOON) is not None

    one.delete(secret)

    assert other.read(secret, NOON) is None
    assert one.read(secret, NOON) is None


def test_two_hours_without_a_use_end_it(sessions: Sessions) -> None:
    secret = sessions.create(begun("u_ana", "session", NOON))
    sessions.touch(secret, NOON + HOUR)
    touched = sessions.read(secret, NOON + 3 * HOUR - timedelta(seconds=1))

    assert touched is not None
    assert touched.touched_at == format_time(NOON + HOUR)
    assert sessions.read(secret, NOON + 3 * HOUR) is None
    assert sessions.read(secret, NOON) is None


def test_twelve_hours_end_it_however_it_is_used(sessions: Sessions) -> None:
    secret = sessions.create(begun("u_ana", "session", NOON))
    for hour in range(1, 12):
        sessions.touch(secret, NOON + hour * HOUR)

    assert sessions.read(secret, NOON + 12 * HOUR - timedelta(seconds=1)) is not None
    assert sessions.read(secret, NOON + 12 * HOUR) is None


def test_a_use_within_five_minutes_writes_nothing(store: BlobStore, folder: Path) -> None:
    sessions = Sessions(store, KEYS)
    secret = sessions.create(begun("u_ana", "session", NOON))
    before = reports(folder)[0].read_bytes()
    sessions.touch(secret, NOON + timedelta(minutes=4))
    assert uses(folder) == []
    sessions.touch(secret, NOON + timedelta(minutes=5))
    sessions.touch("nothing", NOON)

    assert [path.name for path in uses(folder)] == [reports(folder)[0].name]
    assert reports(folder)[0].read_bytes() == before


@pytest.mark.usefixtures("always")
def test_a_request_under_way_brings_no_ended_session_back(store: BlobStore, folder: Path) -> None:
    one, other, later = (Sessions(store, KEYS) for _ in range(3))
    secret = one.create(begun("u_ana", "session", NOON))
    read = other._read

    def ended_meanwhile(sha256: str) -> SessionRecord | None:
        record = read(sha256)
        one.delete(secret)
        return record

    other._read = ended_meanwhile  # type: ignore[method-assign]
    other.touch(secret, NOON + HOUR)

    assert later.read(secret, NOON + HOUR) is None
    assert reports(folder) == []
    assert later.prune(NOON + 3 * HOUR) == 1
    assert uses(folder) == []


@pytest.mark.usefixtures("always")
def test_a_use_at_one_replica_counts_at_all(store: BlobStore, folder: Path) -> None:
    one, other = Sessions(store, KEYS), Sessions(store, KEYS)
    secret = one.create(begun("u_ana", "session", NOON))
    one.touch(secret, NOON + HOUR)

    record = other.read(secret, NOON + 2 * HOUR)
    assert record is not None
    assert record.touched_at == format_time(NOON + HOUR)
    assert other.listed(NOON)[0][1].touched_at == format_time(NOON + HOUR)
    uses(folder)[0].write_bytes(uses(folder)[0].read_bytes().replace(b"T13", b"T14"))
    assert Sessions(store, KEYS).read(secret, NOON + 2 * HOUR) is None


def test_sessions_are_listed_and_can_be_ended_without_their_secret(sessions: Sessions) -> None:
    secret = sessions.create(begun("u_ana", "session", NOON))
    sessions.create(begun("u_bo", "session", NOON - 12 * HOUR))

    listed = sessions.listed(NOON)
    sessions.end(listed[0][0])

    assert [record.user for _, record in listed] == ["u_ana"]
    assert sessions.read(secret, NOON) is None
    assert sessions.listed(NOON) == []


@pytest.mark.usefixtures("always")
def test_a_forged_changed_or_moved_report_counts_for_nothing(
    store: BlobStore, folder: Path
) -> None:
    sessions = Sessions(store, KEYS)
    secret = sessions.create(begun("u_ana", "session", NOON))
    path, whole = reports(folder)[0], reports(folder)[0].read_bytes()
    foreign = Sessions(store, AccessKeys(None, STRANGER))
    by_eve = foreign.create(begun("u_ana", "session", NOON))
    other = sessions.create(begun("u_bo", "session", NOON))
    path_of_other = next(p for p in reports(folder) if b"u_bo" in p.read_bytes())

    assert sessions.read(by_eve, NOON) is None
    for damage in (
        whole.replace(b"u_ana", b"u_eve"),
        path_of_other.read_bytes(),
        whole[:-9],
        b"[" * 100_000,
        b"{}",
    ):
        path.write_bytes(damage)
        assert sessions.read(secret, NOON) is None
    assert sessions.read(other, NOON) is not None


def test_no_secret_is_in_the_store(store: BlobStore, folder: Path) -> None:
    secret = Sessions(store, KEYS).create(begun("u_ana", "session", NOON))

    assert not [path for path in folder.rglob("*") if secret in path.name]
    assert secret.encode() not in reports(folder)[0].read_bytes()


def test_a_store_needs_a_key_to_sign_with(store: BlobStore) -> None:
    with pytest.raises(InvalidInputError, match="need a server's key"):
        Sessions(store, AccessKeys(frozenset((SERVER.key,))))


def test_a_name_is_used_once_by_all_replicas(store: BlobStore) -> None:
    until = format_time(NOON + HOUR)
    one, other = Sessions(store, KEYS), Sessions(store, KEYS)

    assert one.use_once("jti 1", until)
    assert not one.use_once("jti 1", until)
    assert not other.use_once("jti 1", until)
    assert other.use_once("jti 2", until)
    assert Sessions(None).use_once("jti 1", until)


def test_a_name_that_could_not_be_kept_is_not_used_up(store: BlobStore, folder: Path) -> None:
    sessions = Sessions(store, KEYS)
    (folder / "access").mkdir()
    (folder / "access/used").write_bytes(b"in the way")
    with pytest.raises(StoreError):
        sessions.use_once("jti 1", format_time(NOON + HOUR))
    (folder / "access/used").unlink()

    assert sessions.use_once("jti 1", format_time(NOON + HOUR))


def test_a_report_that_cannot_be_read_now_is_not_cleared_away(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = Sessions(store, KEYS)
    secret = sessions.create(begun("u_ana", "session", NOON))
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "open", _out_of_descriptors)
        assert sessions.prune(NOON) == 0

    assert Sessions(store, KEYS).read(secret, NOON) is not None


def _out_of_descriptors(*_: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_what_has_expired_is_cleared_away(sessions: Sessions, folder: Path) -> None:
    kept = sessions.create(begun("u_ana", "session", NOON))
    sessions.create(begun("u_bo", "session", NOON - 13 * HOUR))
    sessions.use_once("old", format_time(NOON - HOUR))
    sessions.use_once("new", format_time(NOON + HOUR))
    in_store = bool(reports(folder))
    if in_store:
        (folder / "access/used/odd.json").write_bytes(b"?")

    assert sessions.prune(NOON) == (3 if in_store else 0)
    assert sessions.read(kept, NOON) is not None
    assert [record.user for _, record in sessions.listed(NOON)] == ["u_ana"]
    assert not sessions.use_once("new", "")


def test_what_is_remembered_is_bounded(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 3)
    sessions = Sessions(store, KEYS)
    secret = sessions.create(begun("u_ana", "session", NOON))
    for number in range(10):
        sessions.read(f"guess {number}", NOON)

    assert len(sessions._known) <= 3
    assert sessions.read(secret, NOON) is not None


def test_a_job_s_secret_is_a_token() -> None:
    sessions = Sessions(None)
    until = format_time(NOON + timedelta(minutes=15))

    secret = sessions.create(SessionRecord("r_1", "ci:x/1", format_time(NOON), until, "ci"))

    assert secret.startswith("hft_c_")
    assert sessions.read(secret, NOON + timedelta(minutes=14)) is not None
    assert sessions.read(secret, NOON + timedelta(minutes=15)) is None
