"""A store as an image layout: what cannot be one says so, and damage elsewhere hides nothing."""

from pathlib import Path

import pytest
from tests.web.facing import TOKEN, running

import holdfast
from holdfast.errors import UnsupportedError


def test_a_store_behind_a_server_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    holdfast.open(tmp_path / "store", by="ana").init()
    with running(tmp_path / "store") as served:
        remote = holdfast.open(f"http://127.0.0.1:{served.port}")
        with pytest.raises(UnsupportedError, match="is not a folder"):
            remote.keep_layout()


def test_a_damaged_manifest_is_reported_by_itself(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    (tmp_path / "model.txt").write_text("one")
    registry.register("iris", tmp_path / "model.txt")
    registry.keep_layout()
    digest = registry.resolve("iris@1.0.0").digest.removeprefix("sha256:")
    blob = tmp_path / "store" / "blobs" / "sha256" / digest
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b"iris", b"iriz"))
    damages = holdfast.open(tmp_path / "store").verify().damages

    assert "1.0.0" in {damage.version for damage in damages}
    assert "index.json" not in {damage.subject for damage in damages}
