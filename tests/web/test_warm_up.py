"""Journals are read before anybody asks; what is damaged shows when it is asked for."""

from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.web.browser import Browser
from tests.web.facing import TOKEN, register, running

import holdfast


def seen(home: Path) -> int:
    """Count the journals that this user has read to their ends."""
    return len(list(home.glob(".cache/holdfast-checked/heads/*")))


def test_a_server_reads_every_journal_before_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    registry = holdfast.open(store, by="eve")
    for model in ("iris", "risk/fraud", "torn"):
        register(registry, tmp_path, model)
    (store / "models/torn/journal/0000000001.json").chmod(0o600)
    (store / "models/torn/journal/0000000001.json").write_bytes(b"{")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert seen(tmp_path / "home") == 0

    with running(store) as served:
        until(lambda: seen(tmp_path / "home") == 2)

        assert served.get("/models/iris@1.0.0").status == 200
        assert served.get("/models/torn").status == 500


def front(store: Path) -> str:
    with running(store) as served:
        browser = Browser(served.port)
        browser.send("/login/token", {"token": TOKEN})
        return browser.get("/").body.decode()


def test_a_model_that_cannot_be_read_keeps_no_server_from_beginning(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for name in ("hurt", "whole"):
        register(registry, tmp_path, name)
    (entry,) = (tmp_path / "store" / "models" / "hurt" / "journal").iterdir()
    entry.chmod(0o600)
    entry.write_bytes(b"{}")

    page = front(tmp_path / "store")

    assert page.count("damaged</span>") == 1
    assert "/models/whole" in page


def test_a_store_that_is_not_there_yet_keeps_none_either(tmp_path: Path) -> None:
    with running(tmp_path / "store") as served:
        answer = served.ask("GET", "/", accept="text/html")
        assert answer.status == 503
        assert "is not a store yet; register a model to make one" in answer.body.decode()
