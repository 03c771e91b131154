"""The access journal: signed, chained, fresh, and never behind what was seen."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.access.conftest import KEYS, NOON, SERVER, STRANGER, Server
from tests.registry import disk

import holdfast
from holdfast.access import access_journal, changes, tokens
from holdfast.access.access_events import ACCESS_OPERATIONS, GrantTaken, UserAdded
from holdfast.access.access_fold import fold_access
from holdfast.access.access_journal import MODEL, AccessJournal, AccessKeys
from holdfast.access.access_state import NO_ACCESS
from holdfast.core import entry as entries
from holdfast.core.entry import Slot, Stamp
from holdfast.core.entry_signature import EntrySigner
from holdfast.core.event import Event
from holdfast.core.names import check_model
from holdfast.errors import (
    BusyError,
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    NewerFormatError,
    StoreError,
)
from holdfast.registry.store_location import JournalSighting
from holdfast.store import BlobStore, TakenError

JOURNAL = Path("access/journal")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every reader ask the store."""
    monkeypatch.setattr(access_journal, "SECOND", 0.0)


def forge(folder: Path, event: Event, operation: str, pen: EntrySigner | None) -> Path:
    """Write the next entry by hand, chain and checksum right."""
    tail = max((folder / JOURNAL).glob("0*.json"))
    seq, prev = int(tail.stem) + 1, entries.digest(tail.read_bytes())
    at = "2031-01-01T00:00:00.000000Z"
    stamp = Stamp(NOON, "eve", "e" * 32, pen=pen)
    path = folder / JOURNAL / f"{seq:010}.json"
    path.write_bytes(entries.encode(Slot(MODEL, seq, prev, at), stamp, operation, event))
    return path


EVE = UserAdded(user="u_eve", name="eve", kind="person")


def test_the_first_entry_makes_an_administrator_with_a_token(server: Server, folder: Path) -> None:
    state = server.state
    entry = json.loads((folder / JOURNAL / "0000000001.json").read_bytes())

    assert [user.name for user in state.admins()] == ["ana"]
    assert (entry["model"], entry["op"]) == ("@access", "admin_made")
    assert entry["signature"]["key"] == SERVER.key
    assert len(state.tokens) == 1


def test_no_secret_is_in_the_store(store: BlobStore, folder: Path) -> None:
    server = Server(store)
    secrets = [server.init().secret, server.token("ana").secret]

    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret.encode() in stored] == []


def test_no_model_can_have_the_journal_s_name_or_place(server: Server, folder: Path) -> None:
    with pytest.raises(InvalidInputError):
        check_model(MODEL)
    (folder.parent / "m.txt").write_text("one")
    holdfast.open(folder).register("access", folder.parent / "m.txt")

    assert server.state.seq == 1
    assert holdfast.open(folder).verify().damages == ()


def test_another_reader_sees_the_same(server: Server, store: BlobStore) -> None:
    server.add("bo", "promoter", "risk/*")
    server.token("bo")

    assert Server(store).state == server.state
    assert server.state != NO_ACCESS


def test_folding_in_parts_equals_folding_at_once(server: Server) -> None:
    server.add("bo", "promoter", "risk/*")
    server.commit(lambda state, _stamp: changes.set_group(state, "risk", ["bo", "ana"]))
    server.commit(lambda state, _stamp: changes.rename_user(state, "bo", "bob"))
    audited = list(server.journal.audit())

    for cut in range(len(audited) + 1):
        first = fold_access(NO_ACCESS, audited[:cut])
        assert fold_access(first, audited[cut:]) == server.state


def test_before_each_write_the_store_is_asked_and_reads_may_be_a_little_older(
    server: Server, store: BlobStore
) -> None:
    other = Server(store)
    before = other.state
    server.add("bo")

    assert other.journal.state(max_age_s=3600) is before
    assert other.journal.state(max_age_s=0).named("bo") is not None
    assert other.commit(lambda state, _s: changes.disable_user(state, "bo")).entry is not None


def test_a_revocation_holds_in_another_replica_before_its_next_write(
    server: Server, store: BlobStore
) -> None:
    other = Server(store)
    new = server.token("ana")
    assert other.state.tokens[new.sha256].revoked_at is None
    server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))

    assert other.journal.state(max_age_s=0).tokens[new.sha256].revoked_at is not None


def test_of_rivals_each_entry_is_written_once(server: Server, store: BlobStore) -> None:
    barrier = threading.Barrier(6)

    def add(number: int) -> int:
        mine = Server(store)
        barrier.wait(30)
        change = mine.commit(lambda s, stamp: changes.add_user(s, stamp, f"u{number}", "person"))
        assert change.entry is not None
        return change.entry.seq

    with ThreadPoolExecutor(6) as threads:
        numbers = sorted(threads.map(add, range(6)))

    assert numbers == [2, 3, 4, 5, 6, 7]
    assert len(list(server.state.active())) == 7


def test_threads_of_one_server_lose_nothing(server: Server) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(
            threads.map(
                lambda number: server.commit(
                    lambda s, stamp: changes.add_user(s, stamp, f"u{number}", "person")
                ),
                range(12),
            )
        )

    assert len(list(server.state.active())) == 13


# what is not believed


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize(
    ("pen", "problem"),
    [(None, "is not signed by a server"), (STRANGER, "which this server is not told to believe")],
)
def test_an_entry_by_another_key_is_not_begun_with_and_changes_nothing_that_runs(
    server: Server, store: BlobStore, folder: Path, pen: EntrySigner | None, problem: str
) -> None:
    good = server.state
    forge(folder, EVE, "user_added", pen)

    with pytest.raises(DamagedError, match=problem):
        AccessJournal(store, KEYS).state(max_age_s=0)
    with pytest.raises(DamagedError, match=problem):
        AccessJournal(store, KEYS).for_reading()
    with pytest.raises(DamagedError, match=problem):
        server.add("bo")
    assert server.journal.for_reading() is good


@pytest.mark.usefixtures("server")
def test_a_signature_of_other_bytes_is_not_the_key_s(store: BlobStore, folder: Path) -> None:
    path = forge(folder, EVE, "user_added", SERVER)
    raw = path.read_bytes()
    value = json.loads(raw)["signature"]["value"]
    body = raw.replace(value.encode(), SERVER.sign(b"another").encode())
    path.write_bytes(disk.sealed(body))

    with pytest.raises(DamagedError, match="did not make"):
        AccessJournal(store, KEYS).state(max_age_s=0)


def test_whoever_only_looks_takes_any_key_and_no_unsigned_entry(
    server: Server, store: BlobStore, folder: Path
) -> None:
    looking = AccessJournal(store, AccessKeys())
    assert looking.state(max_age_s=0) == server.state
    forge(folder, EVE, "user_added", None)

    with pytest.raises(DamagedError, match="not signed"):
        looking.state(max_age_s=0)


@pytest.mark.usefixtures("server")
def test_a_second_key_takes_over_where_both_are_believed(store: BlobStore) -> None:
    both = AccessKeys(frozenset((SERVER.key, STRANGER.key)), STRANGER)
    Server(store, both).add("bo")

    assert Server(store, both).state.named("bo") is not None


@pytest.mark.usefixtures("asking")
def test_the_end_cut_off_is_seen_by_whoever_runs(server: Server, folder: Path) -> None:
    new = server.token("ana")
    server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))
    good = server.state
    max((folder / JOURNAL).glob("0*.json")).unlink()

    with pytest.raises(DamagedError, match="was seen, and is missing"):
        server.add("bo")
    assert server.journal.for_reading() is good
    assert good.tokens[new.sha256].revoked_at is not None


def test_another_entry_in_the_place_of_the_last_is_seen(server: Server, folder: Path) -> None:
    server.add("bo")
    last = max((folder / JOURNAL).glob("0*.json"))
    last.unlink()
    forge(folder, EVE, "user_added", SERVER)

    with pytest.raises(DamagedError, match="was seen, and is missing or another one"):
        server.journal.state(max_age_s=0)


def test_the_end_cut_off_is_seen_across_a_restart(store: BlobStore, folder: Path) -> None:
    session = holdfast.open(folder)._session
    first = AccessJournal(store, KEYS, JournalSighting(session.open_store, MODEL))
    new = tokens.mint("p", os.urandom(32))
    until = "2027-01-01T00:00:00.000000Z"

    def stamp() -> Stamp:
        return Stamp(NOON, "ana", os.urandom(16).hex())

    first.commit(lambda state, s: changes.make_admin(state, s, "ana", new, until), stamp)
    first.commit(lambda state, s: changes.add_user(state, s, "bo", "person"), stamp)
    again = AccessJournal(store, KEYS, JournalSighting(session.open_store, MODEL))
    assert again.state(max_age_s=0).seq == 2
    max((folder / JOURNAL).glob("0*.json")).unlink()

    cut = AccessJournal(store, KEYS, JournalSighting(session.open_store, MODEL))
    with pytest.raises(DamagedError, match="ends at entry 1"):
        cut.state(max_age_s=0)


@pytest.mark.parametrize("number", [1, 2])
def test_a_changed_byte_is_seen(
    server: Server, store: BlobStore, folder: Path, number: int
) -> None:
    server.add("bo")
    path = folder / JOURNAL / f"{number:010}.json"
    path.write_bytes(path.read_bytes().replace(b"ana", b"eve"))

    with pytest.raises(DamagedError, match="checksum"):
        AccessJournal(store, KEYS).state(max_age_s=0)


def test_an_entry_that_names_what_never_was_is_damage(
    server: Server, store: BlobStore, folder: Path
) -> None:
    forge(folder, GrantTaken(grant="g_nothing"), "grant_taken", SERVER)

    with pytest.raises(DamagedError, match="cannot be true"):
        AccessJournal(store, KEYS).state(max_age_s=0)
    with pytest.raises(DamagedError, match="cannot be true"):
        server.add("bo")


@pytest.mark.usefixtures("server")
def test_an_entry_of_a_model_s_journal_does_not_belong_here(store: BlobStore, folder: Path) -> None:
    forge(folder, EVE, "promoted", SERVER)

    with pytest.raises(NewerFormatError, match="promoted"):
        AccessJournal(store, KEYS).state(max_age_s=0)


@pytest.mark.usefixtures("asking")
def test_what_only_a_newer_server_understands_changes_nothing_for_those_who_read(
    server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = server.state
    forge(folder, EVE, "user_praised", SERVER)

    assert [server.journal.for_reading() for _ in range(3)] == [good] * 3
    assert len([line for line in caplog.messages if "not believed any further" in line]) == 1
    with pytest.raises(NewerFormatError, match="user_praised"):
        server.add("bo")


@pytest.mark.usefixtures("asking")
def test_nobody_waits_for_long_for_another_s_question(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = server.state
    held, done = threading.Event(), threading.Event()

    def ask() -> None:
        with server.journal._lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=ask)
    thread.start()
    held.wait(30)
    assert server.journal.for_reading() is good
    monkeypatch.setattr(access_journal, "OUTAGE_S", 0.0)
    with pytest.raises(StoreError, match="does not answer"):
        server.journal.for_reading()
    done.set()
    thread.join()
    assert server.journal.for_reading() is good


# what is refused


def test_nothing_comes_before_the_first_administrator(store: BlobStore) -> None:
    with pytest.raises(ConflictError, match="holdfast access init"):
        Server(store).add("bo")


@pytest.mark.usefixtures("server")
def test_without_a_key_nothing_is_written(store: BlobStore) -> None:
    looking = Server(store, AccessKeys(frozenset((SERVER.key,))))
    foreign = Server(store, AccessKeys(frozenset((SERVER.key,)), STRANGER))

    with pytest.raises(InvalidInputError, match="--server-key"):
        looking.add("bo")
    with pytest.raises(InvalidInputError, match="not among the keys to believe"):
        foreign.add("bo")


def test_what_cannot_be_read_back_is_not_written(server: Server) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read back"):
        server.commit(lambda _state, _stamp: GrantTaken(grant="g_nothing"))

    assert server.state.seq == 1


def test_nothing_to_do_writes_nothing(server: Server) -> None:
    server.grant("everyone", "viewer")

    assert server.grant("everyone", "viewer").entry is None
    assert server.state.seq == 2


@pytest.mark.usefixtures("asking")
def test_a_store_that_does_not_answer_is_forgiven_to_readers_for_a_while(
    server: Server, folder: Path
) -> None:
    good = server.state
    hidden = folder.with_name("hidden")
    (folder / "access").rename(hidden)
    (folder / "access").symlink_to(folder / "access")  # a circle: nothing can be read

    with pytest.raises(HoldfastError):
        server.journal.state(max_age_s=0)
    assert server.journal.for_reading() is good


def test_rivals_that_are_always_faster_are_not_fought_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_words: object) -> None:
        raise TakenError

    monkeypatch.setattr(access_journal, "_LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(server.journal._journal, "append", taken)

    with pytest.raises(BusyError, match="was written by others 64 times in a row"):
        server.add("bo")


def test_what_is_fresh_asks_nobody(server: Server, folder: Path) -> None:
    good = server.state
    (folder / "access").rename(folder.with_name("hidden"))

    assert server.journal.for_reading() is good


def test_as_of_a_time(server: Server) -> None:
    server.now = NOON + timedelta(days=2)
    server.add("bo", "promoter")

    assert server.journal.state_at("2026-03-02").named("bo") is None
    assert server.journal.state_at("2026-03-03").named("bo") is not None


def test_every_operation_has_a_word_of_its_own() -> None:
    assert len(set(ACCESS_OPERATIONS.values())) == len(ACCESS_OPERATIONS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_waits_for_no_thread_of_its_parent(server: Server) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with server.journal._lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:  # pragma: no cover - another process
        try:
            server.add("bo")
        except BaseException:  # noqa: BLE001 - a child must never run the parent's tests
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()

    assert status == 0
    assert server.state.named("bo") is not None


def test_a_store_error_is_not_forgiven_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_journal, "OUTAGE_S", 0.0)
    monkeypatch.setattr(access_journal, "SECOND", 0.0)

    class Gone:
        def read_many(self, _first: int, _last: int) -> None:
            raise StoreError("store", "does not answer")

    assert server.state.seq == 1
    monkeypatch.setattr(server.journal, "_journal", Gone())
    with pytest.raises(StoreError, match="does not answer"):
        server.journal.for_reading()
