"""The access journal beside the models: verify, gc, purge, delete, backup and copy."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.access.conftest import KEYS, NOON, STRANGER, Server
from tests.registry.conftest import Text

import holdfast
from holdfast import Registry
from holdfast.access.access_journal import AccessJournal, AccessKeys
from holdfast.access.refusals import Refusals
from holdfast.access.sessions import Sessions, begun
from holdfast.errors import ConflictError, DamagedError

JOURNAL = Path("access/journal")


@pytest.fixture
def server(registry: Registry, text: Text) -> Server:
    """Return a server over a registry that has one model."""
    registry.register("iris", text("one"))
    made = Server(registry._session.open_store.store)
    made.init()
    made.add("bo", "promoter")
    return made


def files(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in (store / "access").rglob("*")
        if path.is_file()
    }


def test_verify_counts_its_entries(registry: Registry, server: Server) -> None:
    found = registry.verify()

    assert (found.damages, found.entries) == ((), 1 + server.state.seq)
    assert registry.verify("iris").entries == 1


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b"bo", b"eve")), "checksum"),
        (lambda path: path.write_bytes(b""), "truncated"),
        (Path.unlink, "is missing from the journal"),
    ],
)
def test_verify_finds_what_changed(
    registry: Registry, server: Server, store: Path, harm: object, problem: str
) -> None:
    assert server.state.seq == 3
    assert callable(harm)
    harm(store / JOURNAL / "0000000002.json")

    damages = registry.verify().damages

    assert [problem in damage.problem for damage in damages] == [True]


def test_verify_sees_that_the_end_was_cut_off_since_this_user_looked(
    registry: Registry, server: Server, store: Path
) -> None:
    assert registry.verify().damages == ()
    (store / JOURNAL / f"{server.state.seq:010}.json").unlink()

    damages = holdfast.open(store).verify().damages

    assert ["was seen here" in damage.problem for damage in damages] == [True]


def test_verify_says_where_a_second_key_signed(registry: Registry, server: Server) -> None:
    assert registry.verify().remarks == ()
    both = AccessKeys(frozenset((KEYS.pen.key if KEYS.pen else "", STRANGER.key)), STRANGER)
    Server(server.store, both).add("eve")

    texts = [remark.text for remark in registry.verify().remarks]

    assert len(texts) == 2
    assert "signed 1 of its entries; is it a server's?" in texts[1]


def test_the_registry_opens_it(registry: Registry, server: Server) -> None:
    assert registry.access().state(max_age_s=0) == server.state
    with pytest.raises(DamagedError, match="not told to believe"):
        registry.access(AccessKeys(frozenset((STRANGER.key,)))).state(max_age_s=0)


def test_collecting_purging_deleting_and_repairing_leave_it_alone(
    registry: Registry, server: Server, store: Path, text: Text
) -> None:
    Sessions(server.store, KEYS).create(begun("u", "session", NOON))
    registry.register("iris", text("two"))
    before = files(store)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)
    registry.delete("iris", reason="done")
    registry.gc(grace_s=0)
    registry.repair()

    assert files(store) == before
    assert server.state.named("bo") is not None


def test_a_backup_takes_it_along_and_is_brought_up_to_date(
    registry: Registry, server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    first = registry.backup(holdfast.open(target))
    server.add("cy")
    refusals = Refusals(server.store, "web-1", lambda: NOON)
    refusals.record("refused", "bo may not")
    refusals.flush()
    Sessions(server.store, KEYS).create(begun("u", "session", NOON))
    second = registry.backup(holdfast.open(target))
    third = registry.backup(holdfast.open(target))
    opened = holdfast.open(target)

    assert [backup.new_entries for backup in (first, second, third)] == [4, 1, 0]
    assert [backup.entries for backup in (first, second, third)] == [4, 5, 5]
    copied = AccessJournal(opened._session.open_store.store, KEYS)
    assert copied.state(max_age_s=0) == server.state
    assert [path.name for path in target.rglob("*.ndjson")] == ["web-1-1.ndjson"]
    assert not (target / "access/sessions").exists()
    assert opened.verify().damages == ()


def test_a_backup_of_another_or_a_longer_history_is_refused(
    registry: Registry, server: Server, tmp_path: Path, store: Path
) -> None:
    target = tmp_path / "backup"
    registry.backup(holdfast.open(target))
    (store / JOURNAL / f"{server.state.seq:010}.json").unlink()

    with pytest.raises(ConflictError, match="different history in the backup"):
        holdfast.open(store).backup(holdfast.open(target))
    again = Server(server.store)
    again.now = NOON + timedelta(hours=1)
    again.add("eve")
    with pytest.raises(ConflictError, match="different history in the backup"):
        holdfast.open(store).backup(holdfast.open(target))


def test_damage_in_it_does_not_stop_the_backup_of_models(
    registry: Registry, server: Server, tmp_path: Path, store: Path
) -> None:
    assert server.state.exists
    (store / JOURNAL / "0000000002.json").write_bytes(b"")

    done = registry.backup(holdfast.open(tmp_path / "backup"))

    assert (done.models, done.whole) == (("iris",), False)
    assert "truncated" in done.damages[0].problem


def test_a_copy_leaves_it_behind(registry: Registry, server: Server, tmp_path: Path) -> None:
    target = holdfast.open(tmp_path / "copy")
    registry.copy(target)

    assert server.state.exists
    assert not (tmp_path / "copy/access").exists()
    assert not target.access().state(max_age_s=0).exists


def test_a_store_without_one_is_as_it_was(registry: Registry, text: Text, store: Path) -> None:
    registry.register("iris", text("one"))

    assert registry.verify().entries == 1
    assert not (store / "access").exists()
