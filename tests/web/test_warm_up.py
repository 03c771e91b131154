"""Journals are read before anybody asks; what is damaged shows when it is asked for."""

from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.web.facing import register, running

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
