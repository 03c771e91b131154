"""What clients read that fold by themselves: entries and blobs as they are."""

import gzip
import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.facing import TOKEN, Caller, Served, process, register, running

import holdfast
from holdfast.store import layout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    registry = holdfast.open(folder / "store", by="ana")
    registry.promote(register(registry, folder, text="first"), reason="first")
    register(registry, folder, text="second")
    register(registry, folder, "risk/credit", "other")
    register(registry, folder, "gone", "deleted")
    registry.delete("gone", reason="by mistake", force=True)
    return folder / "store"


@pytest.fixture(scope="module")
def served(store: Path) -> Iterator[Served]:
    with running(store) as served:
        yield served


def entries(store: Path, model: str) -> list[bytes]:
    folder = store / layout.model(model) / "journal"
    return [path.read_bytes() for path in sorted(folder.glob("0*.json"))]


def test_it_says_who_asks(served: Served) -> None:
    answer = served.get("/whoami").json

    assert answer["user"]["name"] == "ana"
    assert answer["how"] == "local"
    assert answer["local"] is True
    assert answer["read_only"] is False


def test_it_says_which_store_it_serves(served: Served, store: Path) -> None:
    answer = served.get("/store").json

    assert answer["id"] == holdfast.open(store).identity
    assert answer["config"] == (store / "holdfast.json").read_text()


def test_it_lists_every_journal_deleted_or_not(served: Served, store: Path) -> None:
    items = served.get("/journals").json["items"]

    assert [item["model"] for item in items] == ["gone", "iris", "risk/credit"]
    heads = {head.model: f"{head.seq}:{head.sha256}" for head in holdfast.open(store).heads()}
    shown = {item["model"]: f"{item['seq']}:{item['head']}" for item in items}
    assert shown.items() >= heads.items()


@pytest.mark.parametrize("model", ["iris", "risk/credit", "gone"])
def test_a_journal_comes_as_it_was_written(served: Served, store: Path, model: str) -> None:
    answer = served.get(f"/models/{model}:journal")

    raws = entries(store, model)
    assert answer.body == b"".join(raws)
    assert answer.headers["holdfast-last"] == str(len(raws))
    assert answer.headers["etag"] == f'"{len(raws)}:{hashlib.sha256(raws[-1]).hexdigest()}"'
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_only_what_is_new_comes(served: Served, store: Path) -> None:
    assert served.get("/models/iris:journal?after=2").body == b"".join(entries(store, "iris")[2:])
    assert served.get("/models/iris:journal?after=99").body == b""


def test_nothing_comes_where_nothing_is_new(served: Served) -> None:
    tag = served.get("/models/iris:journal").headers["etag"]
    answer = served.get("/models/iris:journal", if_none_match=tag)

    assert (answer.status, answer.body) == (304, b"")


def test_a_journal_is_packed_for_whoever_takes_it(served: Served, store: Path) -> None:
    answer = served.get("/models/iris:journal", accept_encoding="gzip")

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == b"".join(entries(store, "iris"))


def test_the_same_name_however_it_is_escaped(served: Served) -> None:
    plain = served.get("/models/risk/credit:journal").body

    assert served.get("/models/risk%2Fcredit:journal").body == plain
    assert served.get("/models/risk%2fcredit%3Ajournal").body == plain


def blob_of(served: Served, ref: str) -> tuple[str, bytes]:
    (file,) = served.registry.manifest(ref).files
    return file.sha256, served.registry.fetch(ref).paths["model"].read_bytes()


def test_a_blob_comes_whole_and_by_range(served: Served) -> None:
    sha256, data = blob_of(served, "iris@1.0.0")
    path = f"/models/iris:blobs/{sha256}"
    whole = served.get(path)

    assert whole.body == data
    assert whole.headers["etag"] == f'"{sha256}"'
    assert "immutable" in whole.headers["cache-control"]
    assert whole.headers["repr-digest"].startswith("sha-256=:")
    for asked, expected in (("1-2", data[1:3]), ("2-", data[2:]), ("-2", data[-2:])):
        part = served.get(path, range=f"bytes={asked}")
        assert (part.status, part.body) == (206, expected)
        start = data.index(expected)
        end = start + len(expected) - 1
        assert part.headers["content-range"] == f"bytes {start}-{end}/{len(data)}"
    assert served.get(path, range="bytes=0-1,3-4").body == data
    assert served.get(path, range="lines=1-2").body == data
    assert served.get(path, range="bytes=3-1").code == "range"
    assert served.get(path, range="bytes=1-2", if_range='"other"').body == data
    assert served.get(path, range=f"bytes={len(data)}-").code == "range"
    assert served.get(path, if_none_match=f'"{sha256}"').status == 304


def test_a_head_of_a_blob_says_how_long_it_is(served: Served) -> None:
    sha256, data = blob_of(served, "iris@1.0.0")
    answer = served.ask("HEAD", f"/api/v1/models/iris:blobs/{sha256}")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(data))


def test_a_manifest_is_among_a_models_blobs(served: Served) -> None:
    digest = served.registry.resolve("iris@1.0.0").digest.removeprefix("sha256:")

    assert hashlib.sha256(served.get(f"/models/iris:blobs/{digest}").body).hexdigest() == digest


@pytest.mark.parametrize("sha256", ["", "x", "A" * 64, "0" * 64, "../holdfast.json", "%2e%2e"])
def test_only_blobs_that_the_model_names_come(served: Served, sha256: str) -> None:
    assert served.get(f"/models/iris:blobs/{sha256}").code == "not_found"


def test_a_digest_of_another_model_is_not_told_from_one_that_is_nowhere(served: Served) -> None:
    sha256, _ = blob_of(served, "risk/credit@1.0.0")
    answer = served.get(f"/models/iris:blobs/{sha256}")

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("path", ["/whoami", "/models/iris:journal", "/nowhere"])
@pytest.mark.parametrize("token", [None, "wrong", TOKEN[:-1]])
def test_nobody_reads_without_the_token(served: Served, path: str, token: str | None) -> None:
    answer = Caller(served.port, token).get(path)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_counts_only_as_a_bearers(served: Served) -> None:
    stranger = Caller(served.port, None)

    assert stranger.get("/whoami", cookie=f"token={TOKEN}").status == 401
    assert stranger.get("/whoami", authorization=f"Basic {TOKEN}").status == 401
    assert stranger.get(f"/whoami?token={TOKEN}").status == 401
    assert stranger.get("/whoami", x_remote_user="ana").status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("GET", "/api/v1/models/irs:journal", 404, "not_found"),
        ("GET", "/api/v1/models/iris:nothing", 404, "not_found"),
        ("GET", "/elsewhere", 404, "not_found"),
        ("GET", "/api/v1//models/iris:journal", 404, "not_found"),
        ("POST", "/api/v1/whoami", 405, "method_not_allowed"),
        ("GET", "/api/v1/models/iris:journal?after=-1", 422, "invalid_input"),
        ("GET", "/api/v1/models/iris:journal?after=1&after=2", 400, "malformed"),
        ("GET", "/api/v1/models/iris:journal?%ff=1", 400, "malformed"),
        ("GET", "/api/v1/whoami?token=x", 422, "invalid_input"),
        ("GET", "/api/v1/models/%ff:journal", 400, "malformed"),
        ("GET", f"/api/v1/models/{'x' * 5000}:journal", 400, "malformed"),
        ("GET", "/api/v1/models/a//b:journal", 422, "invalid_input"),
        ("GET", "/api/v1/models/../iris:journal", 422, "invalid_input"),
        ("GET", "/api/v1/models/%2e%2e/iris:journal", 422, "invalid_input"),
    ],
)
def test_every_refusal_is_a_problem(
    served: Served, method: str, path: str, status: int, code: str
) -> None:
    answer = served.ask(method, path)

    assert (answer.status, answer.code) == (status, code)


def test_a_refused_method_says_which_are_not(served: Served) -> None:
    assert served.ask("DELETE", "/api/v1/whoami").headers["allow"] == "GET, HEAD"


def test_a_request_keeps_the_id_it_came_with(served: Served) -> None:
    assert served.get("/whoami", x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    assert served.get("/whoami", x_request_id="<b>").headers["x-request-id"] != "<b>"


def test_whoever_runs_it_sees_that_it_lives_is_ready_and_what_it_did(served: Served) -> None:
    stranger = Caller(served.port, None)

    assert stranger.ask("GET", "/livez").json == {"alive": True}
    assert stranger.ask("GET", "/ready").json["ready"] is True
    text = stranger.ask("GET", "/metrics").body.decode()
    assert 'holdfast_web_requests_total{method="GET",route="/livez",status="200"} 1' in text
    assert "iris" not in text


def test_a_server_whose_store_is_gone_is_not_ready(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store")
    register(registry, tmp_path)
    with running(tmp_path / "store") as served:
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        answer = served.ask("GET", "/ready")
        refused = served.get("/models/iris:journal")

    assert answer.status == 503
    assert refused.status >= 500
    assert str(tmp_path) not in refused.body.decode()


def test_a_process_serves_and_ends_in_order(store: Path) -> None:
    with process(store) as server:
        assert server.get("/whoami").json["local"] is True
        assert Caller(server.port, "wrong").get("/whoami").status == 401
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_a_server_that_stops_is_not_ready(served: Served) -> None:
    served.app.desk.stopping.set()
    answer = served.ask("GET", "/ready")
    served.app.desk.stopping.clear()

    assert answer.status == 503
    assert answer.json["missing"] == "the server is stopping"


def test_a_journal_that_loses_an_entry_while_it_is_sent_is_cut_short(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store")
    register(registry, tmp_path)
    registry.note("iris@1.0.0", "one")
    with running(tmp_path / "store") as served:
        assert served.get("/models/iris:head").json["seq"] == 2
        (tmp_path / "store" / "models" / "iris" / "journal" / "0000000001.json").unlink()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            served.get("/models/iris:journal")
