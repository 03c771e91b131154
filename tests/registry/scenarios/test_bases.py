"""Adapters name the version that they are put on, by its digest, and it is kept for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError, RefusedError

Text = Callable[..., Path]


@pytest.fixture
def adapted(registry: Registry, grow: Any, text: Text) -> Registry:
    """Return a registry with `llama` 1.0.0 and 1.1.0, and an adapter on 1.0.0."""
    grow(2, "llama")
    registry.register("lora", text("adapter"), base="llama@1.0.0")
    return registry


def test_the_base_is_kept_by_its_digest_and_told(adapted: Registry) -> None:
    digest = adapted.resolve("llama@1.0.0").digest
    base = str(adapted.manifest("lora@1.0.0").lineage.base)

    assert base == f"llama@{digest}"
    assert adapted.resolve(base).version == "1.0.0"
    assert base in str(adapted.card("lora@1.0.0", "markdown"))
    assert base in str(adapted.card("lora@1.0.0", "cyclonedx"))
    assert b'"base"' not in adapted.paths("llama@1.0.0")["manifest"].read_bytes()


def test_a_purge_keeps_the_base_of_an_adapter_that_is_kept(adapted: Registry) -> None:
    for number in ("1.0.0", "1.1.0"):
        adapted.archive(f"llama@{number}")
    rows = {row.version: row for row in adapted.purge_plan("llama", keep=0).rows}

    assert (rows["1.0.0"].purge, rows["1.0.0"].reason) == (False, "base of lora@1.0.0")
    with pytest.raises(RefusedError, match=r"1\.0\.0 stays: base of lora@1\.0\.0"):
        adapted.purge("llama", versions=["1.0.0"])
    assert adapted.purge("llama", keep=0).purged == ("1.1.0",)


def test_once_the_adapter_is_purged_the_base_may_go(adapted: Registry, text: Text) -> None:
    adapted.archive("llama@1.0.0")
    adapted.purge("lora", versions=["1.0.0"])

    assert adapted.purge("llama", versions=["1.0.0"]).purged == ("1.0.0",)
    with pytest.raises(InvalidInputError, match="was purged"):
        adapted.register("other", text("other"), base="llama@1.0.0")


def test_a_model_with_the_base_of_another_is_deleted_by_force_alone(adapted: Registry) -> None:
    with pytest.raises(RefusedError, match=r"1\.0\.0 is the base of lora@1\.0\.0"):
        adapted.delete("llama", reason="not wanted")
    adapted.delete("lora", reason="not wanted", force=True)
    adapted.delete("llama", reason="not wanted")


def test_a_base_that_is_not_there_or_not_named_by_its_digest_is_refused(
    adapted: Registry, text: Text
) -> None:
    with pytest.raises(NotFoundError):
        adapted.register("lora", text("again"), base="llama@9.0.0")
    with pytest.raises(InvalidInputError, match="is not model@sha256:"):
        adapted.register("lora", text("again"), lineage={"base": "llama@1.0.0"})


def test_a_bundle_of_the_adapter_tells_its_base(adapted: Registry, tmp_path: Path) -> None:
    adapted.export("lora@1.0.0", tmp_path / "lora.tar")
    there = holdfast.open(tmp_path / "there")
    there.import_(tmp_path / "lora.tar")

    assert there.manifest("lora@1.0.0").lineage == adapted.manifest("lora@1.0.0").lineage
    with pytest.raises(NotFoundError):
        there.resolve(str(there.manifest("lora@1.0.0").lineage.base))


def test_a_manifest_that_may_hide_an_adapter_stops_a_purge_and_is_named(
    adapted: Registry, store: Path
) -> None:
    adapted.archive("llama@1.1.0")
    damaged = disk.blob(store, adapted.resolve("lora@1.0.0").digest)
    damaged.chmod(0o600)
    damaged.write_bytes(b"{}")
    fresh = holdfast.open(store, by="ann")

    with pytest.raises(DamagedError, match=r"lora@1\.0\.0 .*; it may be an adapter, on a version"):
        fresh.purge("llama", versions=["1.1.0"])
    with pytest.raises(DamagedError, match=r"lora@1\.0\.0"):
        fresh.purge_plan("llama", versions=["1.1.0"])
    assert not any(row.purge for row in fresh.purge_plan("llama", keep=5).rows)
