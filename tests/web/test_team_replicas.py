"""Several servers over one store, in processes of their own: they agree about people and writes."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.access.conftest import Server
from tests.servers.running import Endpoint
from tests.serving.facing import until
from tests.web.facing import Process, process, register
from tests.web.teams import Team, as_

import holdfast
from holdfast import signing
from holdfast.access.access_journal import AccessKeys


@contextlib.contextmanager
def two(store: Path | str, key: Path, **environment: str) -> Iterator[tuple[Process, Process]]:
    """Run two servers over a store."""
    options = ("--server-key", str(key))
    with contextlib.ExitStack() as stack:
        one, other = (
            stack.enter_context(process(store, *options, **environment)) for _ in range(2)
        )
        yield one, other


def test_of_sixteen_who_promote_at_once_by_two_servers_one_wins(tmp_path: Path) -> None:
    team = Team(tmp_path)
    for text in ("one", "two", "three"):
        register(team.registry, tmp_path, text=text)
    team.registry.promote("iris@1.0.0")
    before = len(team.registry.entries("iris"))
    with two(tmp_path / "store", team.key_file) as servers:

        def attempt(number: int) -> int:
            body = {"version": f"1.{1 + number % 2}.0", "expect": "1.0.0"}
            caller = as_(servers[number // 8], team.ana)
            return caller.post("/models/iris:promote", body).status

        with ThreadPoolExecutor(16) as threads:
            statuses = list(threads.map(attempt, range(16)))

    assert len(team.registry.entries("iris")) == before + 1
    assert set(statuses) == {200, 409}
    assert team.registry.verify().whole


def test_one_key_at_two_servers_is_one_entry(tmp_path: Path) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path)
    with two(tmp_path / "store", team.key_file) as servers:

        def attempt(number: int) -> object:
            caller = as_(servers[number % 2], team.ana)
            body = {"version": "1.0.0"}
            return caller.post("/models/iris:promote", body, idempotency_key="once").json["entry"]

        with ThreadPoolExecutor(8) as threads:
            entries = list(threads.map(attempt, range(8)))

    assert all(entry == entries[0] for entry in entries)
    assert [line.op for line in team.registry.history("iris")] == ["registered", "promoted"]


def test_two_servers_over_a_bucket_know_of_a_revocation(moto: Endpoint, tmp_path: Path) -> None:
    url = f"s3://{moto.make_bucket()}/registry"
    registry = holdfast.open(url, options=moto.options, cache=tmp_path / "cache")
    register(registry, tmp_path)
    signing.create("server", tmp_path)
    key = signing.load(tmp_path / "server.key")
    store = registry._session.open_store.store
    access = Server(store, AccessKeys(frozenset((key.key,)), key), datetime.now(UTC))
    ana = access.init().secret
    access.add("bob", "promoter")
    bob = access.token("bob")
    environment = {
        "AWS_ENDPOINT_URL": moto.address,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": moto.options.get("access_key_id", "test"),
        "AWS_SECRET_ACCESS_KEY": moto.options.get("secret_access_key", "test"),
        "HOLDFAST_CACHE": str(tmp_path / "shared"),
    }
    with two(url, tmp_path / "server.key", **environment) as (one, other):
        assert as_(one, bob.secret).get("/whoami").json["user"]["name"] == "bob"
        assert as_(other, bob.secret).get("/models").json["items"][0]["model"] == "iris"
        assert as_(one, ana).ask("DELETE", f"/api/v1/tokens/{bob.id}").status == 204

        body = {"version": "1.0.0"}
        assert as_(other, bob.secret).post("/models/iris:promote", body).status == 401
        until(lambda: as_(other, bob.secret).get("/whoami").status == 401)
        assert as_(other, ana).post("/models/iris:promote", body).status == 200
        assert as_(one, ana).get("/models/iris").json["production"] == "1.0.0"


@pytest.mark.parametrize("option", ["--read-only", "--anonymous-read"])
def test_a_server_that_signs_nothing_believes_what_others_signed(
    tmp_path: Path, option: str
) -> None:
    team = Team(tmp_path)
    register(team.registry, tmp_path)
    public = team.key_file.with_suffix(".pub")
    with process(tmp_path / "store", option, "--believe-key", str(public)) as server:
        ana = as_(server, team.ana)

        assert ana.get("/whoami").json["read_only"] is (option == "--read-only")
        refused = ana.post("/users", {"name": "bob"})
        assert refused.code == ("read_only" if option == "--read-only" else "invalid_input")
        assert as_(server, None).get("/models").status == (
            200 if option == "--anonymous-read" else 401
        )
