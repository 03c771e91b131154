"""Downloads by the bucket: a real server sends a real client there, for long files alone."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.servers.lossy import Lossy
from tests.servers.running import Endpoint
from tests.web.facing import TOKEN, Served, listening

import holdfast
from holdfast.cli import main
from holdfast.errors import DamagedError, NotFoundError
from holdfast.store import layout
from holdfast.web import named_blobs, web_server
from holdfast.web.guard import LocalGuard
from holdfast.web.web_settings import WebSettings

LONG = named_blobs._LEAST_SIGNED + 17
FOLLOWS = {"holdfast_redirect": "follow"}


@contextlib.contextmanager
def running(registry: holdfast.Registry, **settings: Any) -> Iterator[Served]:
    """Run a server over any registry."""
    app = web_server.application(
        WebSettings(lambda: registry, **settings), LocalGuard("ana", TOKEN)
    )
    with listening(app) as port:
        yield Served(port, app=app)


@pytest.fixture
def relay(moto: Endpoint, lose: Callable[[Endpoint], Lossy]) -> Lossy:
    """Return what passes requests on to the bucket, and notes them."""
    return lose(moto)


@pytest.fixture
def bucket(moto: Endpoint, relay: Lossy, tmp_path: Path) -> holdfast.Registry:
    """Return a registry in a bucket with a long and a short file."""
    options = {**moto.options, "endpoint": relay.address}
    registry = holdfast.open(
        f"s3://{moto.make_bucket()}/x", by="ana", options=options, cache=tmp_path / "cache"
    )
    long, short = tmp_path / "long.txt", tmp_path / "short.txt"
    long.write_bytes(b"7" * LONG)
    short.write_bytes(b"short")
    registry.promote(registry.register("iris", long, short))
    return registry


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what opens a server's registry, with nothing kept from before."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    return lambda served: holdfast.open(
        f"http://127.0.0.1:{served.port}", cache=tmp_path / f"kept{os.urandom(4).hex()}"
    )


def digests() -> tuple[str, str]:
    return tuple(hashlib.sha256(raw).hexdigest() for raw in (b"7" * LONG, b"short"))  # type: ignore[return-value]


def test_a_long_file_is_read_from_the_bucket_by_who_follows(bucket: holdfast.Registry) -> None:
    long, short = digests()
    with running(bucket, redirect=True) as served:
        plain = served.get(f"/models/iris:blobs/{long}")
        assert (plain.status, len(plain.body)) == (200, LONG)
        assert served.get(f"/models/iris:blobs/{short}", **FOLLOWS).status == 200
        head = served.ask("HEAD", f"/api/v1/models/iris:blobs/{long}", **FOLLOWS)
        assert head.status == 200
        away = served.get(f"/models/iris:blobs/{long}", **FOLLOWS)
        assert (away.status, away.body) == (307, b"")
        assert away.headers["cache-control"] == "no-store"
        url = away.headers["location"]
        assert TOKEN not in url
        assert "X-Amz-Expires=300" in url
        got = httpx2.get(url, headers={"range": f"bytes={LONG - 2}-"})
        assert (got.status_code, got.content) == (206, b"77")


def test_what_is_not_the_model_s_is_not_signed(bucket: holdfast.Registry, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(b"8" * LONG)
    bucket.register("secret", other)
    digest = hashlib.sha256(b"8" * LONG).hexdigest()
    with running(bucket, redirect=True) as served:
        assert served.get(f"/models/secret:blobs/{digest}", **FOLLOWS).status == 307
        assert served.get(f"/models/iris:blobs/{digest}", **FOLLOWS).status == 404
        served.token = "x" * 40
        assert served.get(f"/models/secret:blobs/{digest}", **FOLLOWS).status == 401


def test_a_server_that_was_not_told_to_signs_nothing(bucket: holdfast.Registry) -> None:
    with running(bucket) as served:
        assert served.get(f"/models/iris:blobs/{digests()[0]}", **FOLLOWS).status == 200


def test_a_client_fetches_from_the_bucket_and_checks_the_bytes(
    bucket: holdfast.Registry, relay: Lossy, client: Any
) -> None:
    long, _ = digests()
    with running(bucket, redirect=True) as served:
        before = len(relay.log)
        paths = client(served).paths("iris@production")
        assert {5, LONG} <= {path.stat().st_size for path in paths.values()}
        signed = [path for method, path in relay.log[before:] if "X-Amz-Signature" in path]
        assert [path.partition("?")[0].rpartition("/")[2] for path in signed] == [long]
        store = bucket._session.open_store.store
        store.replace(layout.blob(long), b"8" * LONG)
        with pytest.raises(DamagedError, match="changed"):
            client(served).fetch("iris@production")
        store.delete(layout.blob(long))
        with pytest.raises((DamagedError, NotFoundError)):
            client(served).fetch("iris@production")


def test_a_folder_is_sent_by_the_server_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holdfast.open(tmp_path / "store").init()
    with pytest.raises(SystemExit) as end:
        main(["web", "check", "--redirect", "--store", str(tmp_path / "store")])
    assert end.value.code == 2
    assert "needs a registry in a bucket" in capsys.readouterr().err
