"""Data by name behind a server: described here, written there, held against what was asked."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.registry import behind_server
from tests.registry.conftest import Clock

import holdfast
from holdfast import Registry
from holdfast import signing as keys
from holdfast.datasets.data_journal import DataJournal
from holdfast.errors import (
    DamagedError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
)
from holdfast.registry.remote_data import RemoteDatasets
from holdfast.registry.server_verbs import ServerVerbs
from holdfast.store import InDoubtError
from holdfast.store.remote.http_client import HttpAnswer, HttpClient


@pytest.fixture
def url(store: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ann"))
    with behind_server.served(store, clock) as url:
        yield url


@pytest.fixture
def remote(url: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return holdfast.open(url, clock=clock)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    return path


def test_data_is_added_through_a_server_as_beside_it(
    remote: Registry, store: Path, rows: Path, tmp_path: Path
) -> None:
    near = holdfast.open(store)
    assert remote.data.names() == []
    with pytest.raises(NotFoundError, match="data risk/sales not found"):
        remote.data.versions("risk/sales")
    first = remote.data.add("risk/sales", str(rows), reason="nightly")
    again = remote.data.add("risk/sales", str(rows))
    rows.write_text("a,b\n3,z\n")
    second = remote.data.add("risk/sales", str(rows), keep=True)
    query = remote.data.add("totals", sql="SELECT 1 AS a", keep=True)
    long = remote.data.add("x" * 240, str(rows))

    assert (first.created, again.created, second.version.number) == (True, False, 2)
    assert near.data.versions("risk/sales") == remote.data.versions("risk/sales")
    assert (first.version.by, first.version.reason) == ("ann", "nightly")
    assert remote.data.names() == near.data.names() == ["risk/sales", "totals", "x" * 240]
    assert remote.data.describe(first.version) == near.data.describe(first.version)
    assert remote.data.find(f"{'x' * 240}@v1") == long.version
    assert remote.data.verify("risk/sales").state == "same"
    assert remote.data.verify("risk/sales@v1").state == "changed"
    rows.unlink()
    _, kept = remote.data.located("risk/sales", tmp_path / "kept")
    assert kept.read_text() == "a,b\n3,z\n"
    assert near.verify().damages == ()
    assert remote.data.verify("totals").differences == ()
    assert query.description.row_count == 1
    version = holdfast.open(remote.location).data.versions("risk/sales")[0]
    assert version == first.version


def test_versions_trained_on_data_are_found_by_its_name(remote: Registry, rows: Path) -> None:
    data = remote.data.add("sales", str(rows)).version
    model = rows.with_name("model.txt")
    model.write_text("weights")
    ref = remote.register("iris", model, data={"train": "sales@v1"}).ref

    assert remote.resolve(ref).version == "1.0.0"
    users = remote.lineage.users_of_data("sales").versions
    assert [(user.info.ref, user.uses) for user in users] == [(ref, ("train",))]
    assert remote.lineage.users_of_data(data.added.digest or "").versions == users


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"number": 7, "created": True}, "wrote data sales, but wrote something else"),
        ({"number": 1, "created": False}, "wrote data sales, but wrote something else"),
        ({"number": "x"}, "has given an answer that a Holdfast server does not give"),
    ],
)
def test_a_server_that_writes_something_else_is_not_believed(
    remote: Registry,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    message: str,
) -> None:
    remote.data.add("sales", str(rows))
    rows.write_text("a,b\n3,z\n")
    ask = HttpClient.ask

    def lying(client: HttpClient, request: Any) -> HttpAnswer:
        answer = ask(client, request)
        if not request.path.endswith(":add"):
            return answer
        return HttpAnswer(200, answer.headers, msgspec.json.encode({"result": told}))

    monkeypatch.setattr(HttpClient, "ask", lying)
    with pytest.raises((DamagedError, StoreError), match=message):
        remote.data.add("sales", str(rows))


def test_an_entry_in_another_name_is_not_believed(
    remote: Registry, store: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ServerVerbs.plan

    def bobs(verbs: ServerVerbs, path: str, arguments: Any, *more: Any) -> Any:
        holdfast.open(store, by="bob").data.receive("sales", arguments["description"])
        told = plan(verbs, path, arguments, *more)
        told.created = True
        return told

    monkeypatch.setattr(ServerVerbs, "plan", bobs)
    with pytest.raises(DamagedError, match="wrote sales@v1 in another name"):
        remote.data.add("sales", str(rows))


def test_a_lost_answer_is_told_and_adding_again_is_safe(
    remote: Registry, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ServerVerbs.plan

    def lost(*arguments: Any) -> Any:
        plan(*arguments)
        raise InDoubtError("server", "has not answered")

    with monkeypatch.context() as patch:
        patch.setattr(ServerVerbs, "plan", lost)
        with pytest.raises(OutcomeUnknownError, match="data sales"):
            remote.data.add("sales", str(rows))

    assert remote.data.add("sales", str(rows)).version.number == 1


@pytest.fixture
def signing(url: str, clock: Clock, tmp_path: Path) -> Registry:
    clock.now = datetime.now(UTC)  # what was prepared long ago is not written
    keys.create("ann", tmp_path)
    return holdfast.open(url, clock=clock, signing_key=tmp_path / "ann.key")


def signers(store: Path, name: str) -> list[str | None]:
    """Return who signed the entries of data, read where the store is."""
    journal = DataJournal(holdfast.open(store)._session.open_store.store, name)
    return [journal.signer_of(version.number) for version in journal.versions()]


def test_an_entry_of_data_is_signed_by_who_adds_it(
    signing: Registry, remote: Registry, store: Path, rows: Path, tmp_path: Path
) -> None:
    first = signing.data.add("sales", str(rows), reason="nightly", keep=True)
    again = signing.data.add("sales", str(rows), keep=True)
    rows.write_text("a,b\n3,z\n")
    plain = remote.data.add("sales", str(rows))
    rows.write_text("a,b\n4,z\n")
    last = signing.data.add("sales", str(rows))
    key = keys.load(tmp_path / "ann.key").key

    assert (first.created, again.created, plain.created) == (True, False, True)
    assert (last.version.number, last.version.by, first.version.reason) == (3, "ann", "nightly")
    assert signers(store, "sales") == [key, None, key]
    assert holdfast.open(store).verify().damages == ()


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (("description", "0" * 64), "wants something else signed than data sales"),
        (("reason", "weekly"), "wants an entry signed in another name or with another reason"),
    ],
)
def test_a_server_that_wants_something_else_signed_gets_no_signature(
    signing: Registry,
    store: Path,
    rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: tuple[str, str],
    message: str,
) -> None:
    plan = ServerVerbs.plan

    def lying(verbs: ServerVerbs, path: str, arguments: Any, *more: Any) -> Any:
        told = plan(verbs, path, arguments, *more)
        entry = base64.b64decode(told["bytes"])
        was = {"description": arguments["description"], "reason": "nightly"}[lie[0]]
        other = entry.replace(was.encode(), lie[1].encode())
        return {**told, "bytes": base64.b64encode(other).decode()}

    monkeypatch.setattr(ServerVerbs, "plan", lying)
    with pytest.raises(DamagedError, match=message):
        signing.data.add("sales", str(rows), reason="nightly")
    assert holdfast.open(store).data.names() == []


def test_an_entry_without_the_signature_made_for_it_is_not_believed(
    signing: Registry, remote: Registry, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ServerVerbs.plan

    def unsigned(verbs: ServerVerbs, path: str, arguments: Any, *more: Any) -> Any:
        if not path.endswith(":commit"):
            return plan(verbs, path, arguments, *more)
        plain = {"description": arguments["description"]}
        return plan(verbs, path.replace(":commit", ":add"), plain, *more)

    monkeypatch.setattr(ServerVerbs, "plan", unsigned)
    with pytest.raises(DamagedError, match="wrote sales@v1 without its signature"):
        signing.data.add("sales", str(rows))
    assert isinstance(remote.data, RemoteDatasets)


def test_who_is_slower_signs_the_entry_behind_the_rivals(
    signing: Registry, store: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, rival = ServerVerbs.plan, holdfast.open(store, by="bob")
    other = rows.with_name("other.csv")
    other.write_text("a\n1\n")

    def late(verbs: ServerVerbs, path: str, arguments: Any, *more: Any) -> Any:
        if path.endswith(":commit") and not rival.data.names():
            rival.data.add("sales", str(other))
        return plan(verbs, path, arguments, *more)

    monkeypatch.setattr(ServerVerbs, "plan", late)
    added = signing.data.add("sales", str(rows))

    assert added.version.number == 2
    assert [one is None for one in signers(store, "sales")] == [True, False]


def test_a_name_that_no_data_may_have_is_refused_here(remote: Registry, rows: Path) -> None:
    with pytest.raises(InvalidInputError, match="data name"):
        remote.data.add("../sales", str(rows))
