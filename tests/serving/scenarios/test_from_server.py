"""`holdfast serve` over a registry behind a server: it follows, reports and counts there."""

import json
import urllib.request
from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.serving.serving import BODY, MODEL, PATIENCE_S, Serving, due, telling
from tests.web.facing import process

import holdfast
from holdfast.store.remote import server_credentials
from holdfast.store.remote.server_address import parse

SECRET = "a-token-of-a-registry-for-one-user-alone"


def predicted(server: Serving) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/predict",
        BODY.encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return float(json.load(answer)["predictions"][0])


def test_a_server_follows_reports_and_counts_through_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for number in (1, 2):
        telling(registry, number)
    registry.promote(f"{MODEL}@1.1.0")
    with process(tmp_path / "store", HOLDFAST_TOKEN=SECRET) as web:
        monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
        server_credentials.keep(parse(web.url), SECRET)
        with Serving(web.url, tmp_path) as server:
            first = predicted(server)
            until(lambda: on(registry, "1.1.0"))
            registry.promote(f"{MODEL}@1.2.0")
            until(lambda: on(registry, "1.2.0"))
            second = predicted(server)
            registry.rollouts.start(f"{MODEL}@1.1.0", reason="the other way")
            until(lambda: predicted(server) > 0 and bool(registry.fleet.counts(MODEL, 1)))
        left = registry.fleet.servers(MODEL)

    assert (first, second) == (due("1.1.0"), due("1.2.0"))
    assert left == []


def on(registry: holdfast.Registry, version: str) -> bool:
    return [report.active for report in registry.fleet.servers(MODEL)] == [version]
