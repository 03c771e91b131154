"""Somebody who can write to the store, and has no server's key, tries to get or keep rights."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.access.conftest import KEYS, NOON, SERVER, STRANGER, Server
from tests.registry import disk

import holdfast
from holdfast.access import changes, tokens
from holdfast.access.access_events import AdminMade, GrantGiven, IssuedToken, UserAdded
from holdfast.access.access_journal import MODEL, AccessJournal
from holdfast.access.authentication import authenticate
from holdfast.access.sessions import Sessions, begun
from holdfast.access.tokens import NewToken
from holdfast.core import entry as entries
from holdfast.core.entry import Slot, Stamp
from holdfast.core.entry_signature import EntrySigner
from holdfast.core.event import Event
from holdfast.errors import HoldfastError, UnauthenticatedError
from holdfast.store import BlobStore

JOURNAL = Path("access/journal")
MINE = tokens.mint("p", b"\x13" * 32)
ISSUED = IssuedToken(MINE.id, MINE.sha256, "p", "mine", "2027-01-01T00:00:00.000000Z")
ADMIN = AdminMade(user="u_eve", name="eve", token=ISSUED)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    registry = holdfast.open(tmp_path / "store")
    registry.init()
    return registry._session.open_store.store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def server(store: BlobStore) -> Server:
    made = Server(store)
    made.init()
    made.add("bo", "promoter")
    return made


def entry(folder: Path, seq: int, event: Event, word: str, pen: EntrySigner | None) -> bytes:
    before = folder / JOURNAL / f"{seq - 1:010}.json"
    prev = entries.digest(before.read_bytes()) if seq > 1 else None
    stamp = Stamp(NOON, "ana", "e" * 32, pen=pen)
    return entries.encode(
        Slot(MODEL, seq, prev, f"2026-03-0{seq}T00:00:00.000000Z"), stamp, word, event
    )


def append(folder: Path, event: Event, word: str, pen: EntrySigner | None) -> None:
    seq = len(list((folder / JOURNAL).glob("0*.json"))) + 1
    (folder / JOURNAL / f"{seq:010}.json").write_bytes(entry(folder, seq, event, word, pen))


def borrow(folder: Path) -> None:
    """Put a signature of the server's, over another entry, behind an entry of one's own."""
    append(folder, ADMIN, "admin_made", STRANGER)
    last = max((folder / JOURNAL).glob("0*.json"))
    real = json.loads((folder / JOURNAL / "0000000001.json").read_bytes())["signature"]
    forged = json.loads(last.read_bytes())["signature"]
    raw = last.read_bytes().replace(forged["key"].encode(), real["key"].encode())
    last.write_bytes(disk.sealed(raw.replace(forged["value"].encode(), real["value"].encode())))


def replay(folder: Path) -> None:
    """Write the server's first entry once more at the end."""
    count = len(list((folder / JOURNAL).glob("0*.json")))
    first = (folder / JOURNAL / "0000000001.json").read_bytes()
    (folder / JOURNAL / f"{count + 1:010}.json").write_bytes(first)


def replace_all(folder: Path) -> None:
    """Begin another journal, sound by itself."""
    shutil.rmtree(folder / JOURNAL)
    (folder / JOURNAL).mkdir()
    append(folder, ADMIN, "admin_made", STRANGER)


PLANTS: dict[str, Callable[[Path], None]] = {
    "an administrator, unsigned": lambda folder: append(folder, ADMIN, "admin_made", None),
    "an administrator, by a key of one's own": lambda folder: append(
        folder, ADMIN, "admin_made", STRANGER
    ),
    "a person": lambda folder: append(
        folder, UserAdded(user="u_eve", name="eve", kind="person"), "user_added", STRANGER
    ),
    "a right for everyone": lambda folder: append(
        folder,
        GrantGiven(grant="g", subject="everyone", role="admin", pattern="*"),
        "grant_given",
        STRANGER,
    ),
    "a borrowed signature": borrow,
    "an old entry again": replay,
    "another journal": replace_all,
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_what_is_planted_gives_nobody_a_right(
    server: Server, folder: Path, store: BlobStore, plant: Callable[[Path], None]
) -> None:
    good = server.state
    plant(folder)

    with pytest.raises(HoldfastError):
        AccessJournal(store, KEYS).state(max_age_s=0)
    with pytest.raises(HoldfastError):
        server.add("cy")
    assert server.journal.for_reading() is good
    with pytest.raises(UnauthenticatedError):
        authenticate(good, MINE.secret, NOON)
    found = holdfast.open(folder).verify()  # which is told no keys: a second one is remarked on
    assert found.damages or found.remarks or plant is replace_all


def revoked(server: Server) -> NewToken:
    new = server.token("bo")
    server.commit(lambda state, _stamp: changes.revoke_token(state, new.id))
    return new


def test_a_revocation_that_is_cut_off_stays_one_where_it_was_seen(
    server: Server, folder: Path
) -> None:
    new = revoked(server)
    (folder / JOURNAL / f"{server.state.seq:010}.json").unlink()

    with pytest.raises(UnauthenticatedError, match="was revoked"):
        authenticate(server.journal.for_reading(), new.secret, NOON)
    with pytest.raises(HoldfastError, match="was seen"):
        server.journal.state(max_age_s=0)


def test_a_right_taken_back_is_not_had_again_by_an_older_store(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    access = holdfast.open(folder).access(KEYS)
    shutil.copytree(folder / "access", tmp_path / "older")
    new = revoked(server)
    assert access.state(max_age_s=0).tokens[new.sha256].revoked_at
    shutil.rmtree(folder / "access")
    shutil.copytree(tmp_path / "older", folder / "access")

    with pytest.raises(HoldfastError, match="was seen here"):
        holdfast.open(folder).access(KEYS).state(max_age_s=0)


def test_a_session_report_of_one_s_own_signs_nobody_in(
    server: Server, folder: Path, store: BlobStore
) -> None:
    ana = server.state.named("ana")
    assert ana is not None
    secret = tokens.base62(7, 43)
    sha256 = tokens.digest_of_secret(secret)
    record = msgspec.json.encode(begun(ana.id, "session", NOON))
    message = b"holdfast-session " + sha256.encode() + b" " + record
    (folder / "access/sessions").mkdir()
    path = folder / "access/sessions" / f"{sha256}.json"
    for key, value in (
        (STRANGER.key, STRANGER.sign(message)),
        (SERVER.key, STRANGER.sign(message)),
        (SERVER.key, SERVER.sign(record)),
        (SERVER.key, ""),
    ):
        path.write_bytes(
            msgspec.json.encode({"record": msgspec.Raw(record), "key": key, "value": value})
        )
        assert Sessions(store, KEYS).read(secret, NOON) is None
    path.write_bytes(
        msgspec.json.encode(
            {"record": msgspec.Raw(record), "key": SERVER.key, "value": SERVER.sign(message)}
        )
    )
    assert Sessions(store, KEYS).read(secret, NOON) is not None


def test_an_ended_session_that_is_put_back_ends_with_its_time(
    server: Server, folder: Path, store: BlobStore
) -> None:
    ana = server.state.named("ana")
    assert ana is not None
    sessions = Sessions(store, KEYS)
    secret = sessions.create(begun(ana.id, "session", NOON))
    path = next((folder / "access/sessions").iterdir())
    kept = path.read_bytes()
    sessions.delete(secret)
    path.write_bytes(kept)

    assert Sessions(store, KEYS).read(secret, NOON + timedelta(hours=2)) is None


def test_no_sound_entry_of_another_store_s_journal_fits_here(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    registry = holdfast.open(tmp_path / "other")
    registry.init()
    other = Server(registry._session.open_store.store)
    other.init("eve")
    other.add("mallory", "admin")
    other.add("x")
    other.add("y")
    seq = server.state.seq + 1
    raw = (tmp_path / "other" / JOURNAL / f"{seq:010}.json").read_bytes()
    (folder / JOURNAL / f"{seq:010}.json").write_bytes(raw)

    with pytest.raises(HoldfastError, match="does not follow the entry before it"):
        server.journal.state(max_age_s=0)
