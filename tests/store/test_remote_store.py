"""A server's store by the keys of a store: what it gives, and what it leaves to the server."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.servers.lying import TOKEN, Asked, LyingServer, Sent, document, lying, problem

import holdfast
from holdfast.errors import DamagedError, StoreError, UnsupportedError
from holdfast.store import AbsentError, layout, private_cache, remote_journal, remote_reports
from holdfast.store.remote import http_client
from holdfast.store.remote.server_address import ServerAddress
from holdfast.store.remote_location import OpenRemote, RemoteLocation

LONG = "long" * 60 + " name"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)
    (tmp_path / "m.txt").write_text("model")
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.register("iris", "m.txt")
    registry.register(LONG, "m.txt")
    for number in range(40):
        registry.note("iris@1.0.0", f"note {number}")
    with lying(tmp_path / "store") as served:
        yield served


def location_of(served: LyingServer) -> RemoteLocation:
    host, _, port = served.url.removeprefix("http://").partition(":")
    return RemoteLocation(ServerAddress("http", host, int(port), ""))


@pytest.fixture
def opened(served: LyingServer) -> OpenRemote:
    found = location_of(served).find()
    assert found is not None
    return found


def read(opened: OpenRemote, key: str) -> bytes:
    with opened.store.open(key) as file:
        return file.read()


def test_what_a_folder_has_is_read_by_the_same_keys(
    served: LyingServer, opened: OpenRemote
) -> None:
    for path in sorted(served.store.glob("models/*/journal/0*.json")):
        key = path.relative_to(served.store).as_posix()
        assert read(opened, key) == path.read_bytes()
        assert opened.store.size(key) == path.stat().st_size
    assert read(opened, layout.CONFIG) == (served.store / layout.CONFIG).read_bytes()
    blobs = served.store.glob("blobs/sha256/*")
    for path in sorted(
        blobs, key=lambda path: path.read_bytes()[:1] != b"{"
    ):  # manifests name them
        assert read(opened, f"blobs/sha256/{path.name}") == path.read_bytes()
        assert opened.store.size(f"blobs/sha256/{path.name}") == path.stat().st_size


def test_models_and_entries_are_listed_as_in_a_folder(
    served: LyingServer, opened: OpenRemote
) -> None:
    folders = {path.name for path in (served.store / "models").iterdir()}
    assert set(opened.store.list("models")) == folders
    entries = sorted(path.name for path in (served.store / "models/iris/journal").glob("0*"))
    assert sorted(opened.store.list("models/iris/journal")) == entries
    assert sorted(opened.store.list("models/iris/journal", entries[4])) == entries[5:]
    assert [item.name for item in opened.store.items("models/iris/journal", entries[-2])] == [
        entries[-1]
    ]
    assert list(opened.store.list("blobs/sha256")) == list(opened.store.list("known")) == []


def test_runs_of_entries_are_what_is_here_already(opened: OpenRemote) -> None:
    list(opened.store.list("models/iris/journal"))
    whole = read(opened, layout.pack("models/iris", 1, 32))

    assert whole.count(b"\n") == 32
    for run in ((1, 64), (33, 64)):
        with pytest.raises(AbsentError):
            read(opened, layout.pack("models/iris", *run))


@pytest.mark.parametrize(
    "key",
    [
        "models/rose/journal/0000000001.json", "models/iris/journal/0000000099.json",
        "models/iris/journal/odd.json", "models/iris/packs/odd.jsonl", "models/iris/versions/x",
        "models/iris/active_version.json", f"blobs/sha256/{'0' * 64}", "blobs/sha256/odd",
        "models/LONG%/journal/0000000001.json", "elsewhere",
    ],
)  # fmt: skip
def test_what_is_not_there_is_absent(opened: OpenRemote, key: str) -> None:
    with pytest.raises(AbsentError):
        read(opened, key)


def test_what_is_the_servers_is_not_written_from_here(opened: OpenRemote, tmp_path: Path) -> None:
    key = "models/iris/journal/0000000099.json"
    deeds: list[Any] = [
        lambda: opened.store.create(key, b"x"),
        lambda: opened.store.replace(key, b"x"),
        lambda: opened.store.delete(key),
        lambda: opened.store.quarantine(f"blobs/sha256/{'0' * 64}"),
        lambda: opened.store.ingest(tmp_path / "m.txt", "models", None),
        lambda: opened.collect(lambda: None, 0.0),  # type: ignore[arg-type, return-value] # not asked
    ]
    for deed in deeds:
        with pytest.raises(UnsupportedError):
            deed()


def test_a_blob_that_was_sent_is_known_before_an_entry_names_it(
    served: LyingServer, opened: OpenRemote
) -> None:
    served.lie = lambda asked, sent: Sent(201) if asked.method == "PUT" else sent
    digest = opened.blobs.add_bytes(b"sent")

    assert digest == hashlib.sha256(b"sent").hexdigest()
    assert opened.store.size(layout.blob(digest)) == 4


@pytest.mark.parametrize("body", [b"[]", b'{"items": 5}', b"?"])
def test_a_list_of_names_that_is_none_is_refused(
    served: LyingServer, opened: OpenRemote, body: bytes
) -> None:
    served.lie = lambda _asked, _sent: Sent(200, body)

    with pytest.raises(StoreError, match="something else than a list of models"):
        list(opened.store.list(layout.MODELS))
    with pytest.raises(StoreError, match="something else than a list of data"):
        list(opened.store.list(layout.DATA))


# Where it is


def test_a_server_without_a_store_has_none_to_open(served: LyingServer) -> None:
    served.lie = lambda _asked, _sent: problem(404, "not_found", "no store yet")
    location = location_of(served)

    assert location.find() is None
    with pytest.raises(StoreError, match="has no store yet"):
        location.make(lambda: "0" * 32, datetime.now(UTC))


def test_a_server_that_says_two_ids_is_refused(served: LyingServer) -> None:
    config = (served.store / layout.CONFIG).read_text()
    served.lie = lambda _asked, _sent: document({"id": "0" * 32, "config": config})

    with pytest.raises(StoreError, match="says two ids of one store"):
        location_of(served).find()


def test_another_store_at_the_same_address_is_noticed(
    served: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ServerAddress, "is_here", False)
    location = location_of(served)
    opened = location.find()
    assert opened is not None
    assert location_of(served).find() is not None
    holdfast.open(tmp_path / "other").init()
    served.store = tmp_path / "other"

    with pytest.raises(StoreError):
        opened.require_same()
    with pytest.raises(DamagedError, match="has another store than was seen here"):
        location_of(served).find()
    location.forget()
    assert location_of(served).find() is not None


# What was seen


def test_what_was_accepted_is_not_asked_for_again(served: LyingServer, opened: OpenRemote) -> None:
    list(opened.store.list("models/iris/journal"))
    opened.accepted("iris", 41)
    again = location_of(served).find()
    assert again is not None
    before = len(served.asked)
    assert again.store.journal("iris").read(40) is not None
    assert len(served.asked) == before
    list(again.store.list("models/iris/journal"))
    assert served.asked[-1].query["after"] == "41"


@pytest.mark.parametrize("damage", [b"", b"broken", b"{}\n" * 41])
def test_entries_that_were_damaged_here_are_fetched_again(
    served: LyingServer, opened: OpenRemote, damage: bytes
) -> None:
    list(opened.store.list("models/iris/journal"))
    opened.accepted("iris", 41)
    address = location_of(served).address
    kind = remote_journal.kinds(address)[1]
    private_cache.keep(kind, f"{opened.config.id}/iris #0", damage)
    again = location_of(served).find()
    assert again is not None

    assert len(list(again.store.list("models/iris/journal"))) == 41
    assert again.store.journal("iris").accepted == 41


def test_a_head_that_was_damaged_here_is_forgotten(served: LyingServer, opened: OpenRemote) -> None:
    list(opened.store.list("models/iris/journal"))
    opened.accepted("iris", 41)
    kind = remote_journal.kinds(location_of(served).address)[0]
    private_cache.keep(kind, f"{opened.config.id}/iris", b"broken")
    again = location_of(served).find()
    assert again is not None

    assert again.store.journal("iris").accepted == 0


# Reports of workers

REPORT = {"model": "iris", "worker": "a b", "at": "2026-03-02T09:00:00.000000Z", "every_s": 2.0}


def test_reports_are_read_from_the_server(served: LyingServer, opened: OpenRemote) -> None:
    def told(asked: Asked, sent: Sent) -> Sent:
        if asked.path.endswith((":servers", ":counts")):
            return document({"items": [REPORT, {"worker": 5}, {}]})
        return sent

    served.lie = told
    for prefix in ("models/iris/servers", "models/iris/rollouts/3"):
        (name,) = opened.store.list(prefix)
        assert json.loads(read(opened, f"{prefix}/{name}")) == REPORT
        with pytest.raises(AbsentError):  # each look asks anew
            read(opened, f"{prefix}/{name}")
    assert served.asked[-1].query == {"rollout": "3"}


def test_a_list_of_reports_that_is_none_is_refused(served: LyingServer, opened: OpenRemote) -> None:
    served.lie = lambda _asked, _sent: Sent(200, b"?")
    with pytest.raises(StoreError, match="something else than a list of reports"):
        list(opened.store.list("models/iris/servers"))


def test_reports_are_sent_where_they_are_taken(served: LyingServer, opened: OpenRemote) -> None:
    served.lie = lambda asked, sent: Sent(200) if "/iris:" in asked.path else sent
    opened.store.replace("models/iris/servers/a%20b.json", b"{}")
    opened.store.delete("models/iris/rollouts/3/a%20b.json")

    put, gone = served.asked[-2:]
    assert (put.method, put.path, put.body) == ("PUT", "/models/iris:servers/a b", b"{}")
    assert (gone.method, gone.path) == ("DELETE", "/models/iris:counts/a b")


@pytest.mark.parametrize("status", [404, 403], ids=["never", "not from here"])
def test_a_server_that_takes_no_reports_is_asked_again_after_a_while(
    served: LyingServer,
    opened: OpenRemote,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    refusal = problem(status, "forbidden" if status == 403 else "not_found", "no reports")
    served.lie = lambda asked, sent: refusal if asked.method == "PUT" else sent
    for _ in range(3):
        opened.store.replace("models/iris/servers/a.json", b"{}")

    assert [asked.method for asked in served.asked].count("PUT") == 1
    assert list(opened.store.list("models/iris/servers")) == []
    opened.store.replace("models/rose/servers/a.json", b"{}")  # another model is another right
    assert [asked.path for asked in served.asked][-1] == "/models/rose:servers/a"
    monkeypatch.setattr(remote_reports, "_AGAIN_S", 0.0)
    opened.store.replace("models/lily/servers/a.json", b"{}")
    opened.store.replace("models/lily/servers/a.json", b"{}")

    assert [asked.path for asked in served.asked].count("/models/lily:servers/a") == 2
    assert caplog.text.count("takes no reports") == 3
