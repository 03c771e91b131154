"""Stores of earlier releases: opened, understood, and gone on with."""

import json
import tarfile
from pathlib import Path

import pytest
from tests.golden import write
from tests.registry import disk
from tests.registry.conftest import Clock

import holdfast
from holdfast import MetricRule, Policy, Registry, Retention
from holdfast.core.events import OPERATIONS
from holdfast.errors import ConflictError, NotFoundError, RefusedError

OPERATIONS_OF_FORMAT_1 = set(
    "registered promoted rolled_back staged archived alias_set alias_removed tagged noted "
    "evaluated approved held released policy_set purged deleted".split()
)
KEPT = sorted(Path(__file__).parent.glob("format-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store."""
    clock = Clock()
    clock.on("2026-06-01")
    return holdfast.open(store, by="cid", clock=clock)


def test_there_are_stores_to_open() -> None:
    assert "format-1.tar.xz" in {path.name for path in KEPT}


def test_it_is_whole(registry: Registry) -> None:
    verification = registry.verify()

    assert verification.damages == ()
    assert (verification.models, verification.versions, verification.entries) == (4, 9, 283)


def test_reading_it_changes_nothing(registry: Registry, store: Path) -> None:
    before = disk.listing(store)

    for info in registry.models():
        registry.status(info.model)
        registry.history(info.model)
    registry.load("iris@production")

    assert disk.listing(store) == before


def test_its_models_and_versions_are_known(registry: Registry) -> None:
    models = {
        info.model: (info.versions, info.production, info.latest) for info in registry.models()
    }

    assert models == {
        "Rosé & Ähnliches": (2, None, "0.9.0"),
        "busy": (1, None, "1.0.0"),
        "iris": (4, "1.1.0", "1.4.0"),
        "lily": (1, None, "1.0.0"),
    }
    iris = {
        info.version: (info.number, info.status, info.served) for info in registry.versions("iris")
    }
    assert iris == {
        "1.0.0": (1, "archived", True),
        "1.1.0": (2, "production", True),
        "1.2.0": (3, "registered", False),
        "1.3.0": (4, "purged", True),
        "1.4.0": (5, "staging", False),
    }


def test_its_facts_are_known(registry: Registry) -> None:
    eu = registry.resolve("iris@eu")
    manifest = registry.manifest("iris@1.1.0")

    assert (eu.version, eu.metrics, eu.tags, eu.approvals) == (
        "1.2.0",
        {"auc": 0.94},
        {"team": "risk"},
        ("bob",),
    )
    assert registry.resolve("iris@1.3.0").notes == ("caused the incident of March",)
    assert registry.resolve("iris@1.0.0").held == "audit"
    assert manifest.metrics == {"auc": 0.91}
    assert set(manifest.artifacts) == {"model", "preprocessor"}
    assert manifest.lineage.git_commit == "c0ffee" + "0" * 34
    assert manifest.environment.python == "3.11.7"
    assert registry.manifest("iris@1.3.0").metrics == {"auc": 0.8}
    assert registry.policy("iris") == Policy(
        max_regression=0.1,
        metrics={"auc": MetricRule(minimum=0.5)},
        protected_aliases=("eu",),
        retention=Retention(keep=3, max_age_days=90.0),
    )


def test_its_history_is_known(registry: Registry) -> None:
    history = [(past.by, past.what, past.reason) for past in registry.history("iris")]

    assert history[0] == ("ann", "set policy", "from the template")
    assert history[6:10] == [
        ("ann", "promote 1.0.0", "first"),
        ("ann", "promote 1.0.0 → 1.1.0", "better"),
        ("ann", "promote 1.1.0 → 1.3.0 by force", "the old one leaks"),
        ("bob", "rollback 1.3.0 → 1.1.0", "errors doubled"),
    ]
    assert [past.op for past in registry.history("iris")[10:]] == [
        "approved", "alias_set", "noted", "evaluated", "tagged", "staged", "held", "purged",
    ]  # fmt: skip
    assert [(period.version, period.how, period.forced) for period in registry.served("iris")] == [
        ("1.0.0", "promoted", False),
        ("1.1.0", "promoted", False),
        ("1.3.0", "promoted", True),
        ("1.1.0", "rolled_back", False),
    ]
    at = {period.version: period.since for period in registry.served("iris")}["1.3.0"]
    assert registry.resolve("iris@production", at=at).version == "1.3.0"


def test_its_bytes_are_known(registry: Registry) -> None:
    model, preprocessor = registry.load("iris@production")

    assert (model.read_text(), preprocessor.read_text()) == ("iris 1\n", "scaler 1\n")
    assert registry.load("Rosé & Ähnliches@latest").model.read_text() == "rosé\n"
    assert registry.load("lily@1.0.0").model.read_text() == "lily\n"


def test_where_an_import_came_from_is_known(registry: Registry, store: Path) -> None:
    (past,) = registry.history("lily")
    (raw,) = [raw for key, raw in disk.journals(store).items() if "/lily/" in key]
    origin = json.loads(raw)["data"]["origin"]

    assert (past.what, past.reason) == ("import 1.0.0 (v1)", "for the region")
    assert [event["by"] for event in origin["history"]] == ["zoe", "zoe"]
    assert registry.manifest("lily@1.0.0").author == "Zoe"


def test_its_keys_are_known(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("other bytes")

    with pytest.raises(ConflictError, match=r"'run 2' registered iris@1\.2\.0 with other bytes"):
        registry.register("iris", tmp_path / "model.txt", idempotency_key="run 2")


def test_it_can_be_gone_on_with(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("new\n")

    with pytest.raises(RefusedError, match="auc: missing"):
        registry.promote(registry.register("iris", tmp_path / "model.txt"))
    assert registry.rollback("iris").version == "1.0.0"
    with pytest.raises(NotFoundError, match="No previous version"):
        registry.rollback("iris")
    assert registry.promote("iris@eu").changed
    assert registry.gc(grace_s=0).freed_blobs == 0
    assert registry.verify().whole


def test_a_whole_model_of_it_can_be_moved(registry: Registry, tmp_path: Path) -> None:
    registry.export("iris", tmp_path / "iris.tar")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")

    elsewhere.import_(tmp_path / "iris.tar")

    assert elsewhere.versions("iris") == registry.versions("iris")
    assert elsewhere.verify().whole


@pytest.mark.parametrize("lost", ["snapshots", "versions", "active_version.json"])
def test_without_what_is_derived_the_same_is_told(
    registry: Registry, store: Path, lost: str
) -> None:
    before = {info.model: registry.versions(info.model) for info in registry.models()}
    for folder in (store / "models").iterdir():
        _remove(folder / lost)

    again = holdfast.open(store)

    assert {info.model: again.versions(info.model) for info in again.models()} == before
    assert again.verify().whole


def _remove(path: Path) -> None:
    if path.is_dir():
        disk.remove(path)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
def test_snapshots_of_old_are_passed_over_and_left_alone(store: Path, hurt: disk.Hurt) -> None:
    (snapshot,) = (store / "models" / "busy" / "snapshots").iterdir()
    hurt(snapshot)
    before = disk.listing(store / "models" / "busy" / "snapshots")
    registry = holdfast.open(store, by="cid")

    assert registry.resolve("busy@1.0.0").tags == {"turn": "259"}
    assert registry.verify().whole
    assert registry.repair().mends == ()
    registry.gc(grace_s=0)
    assert disk.listing(store / "models" / "busy" / "snapshots") == before


def test_the_writer_gives_equal_stores_in_every_run(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stores.append(write.furnish(tmp_path / name))

    first, second = (disk.truth(store) for store in stores)

    assert first == second
    assert len(first) > 283


OPERATION_KEPT = sorted(Path(__file__).parent.glob("operations-*.tar.xz"))


@pytest.mark.parametrize(
    "archive", OPERATION_KEPT, ids=lambda path: path.name.removesuffix(".tar.xz")
)
def test_every_operation_ever_written_is_understood(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(tmp_path, filter="fully_trusted")
    registry = holdfast.open(tmp_path / "store", by="cid")
    ops = {json.loads(raw)["op"] for raw in disk.journals(tmp_path / "store").values()}

    assert registry.verify().damages == ()
    assert ops >= OPERATIONS_OF_FORMAT_1
    assert {info.version: info.status for info in registry.versions("iris")} == {
        "1.0.0": "production",
        "1.1.0": "purged",
        "1.2.0": "staging",
        "1.3.0": "archived",
    }
    described = archive.name not in ("operations-1.tar.xz", "operations-2.tar.xz")
    models = ["iris", "rose"] if described else ["iris"]
    assert [info.model for info in registry.models()] == models
    if described:
        assert registry.catalogue.require("iris").texts["description"] == "flowers"
        rose = registry.resolve("rose@1.0.0")
        assert (rose.reference, rose.tags) == ("s3://bucket/rose", {"from": "afar"})
    if "attached" in ops:
        kept = registry._session.state("iris").versions["1.0.0"].attachments
        assert [one.kind for one in kept] == ["application/spdx+json"]
    assert registry.resolve("iris@eu").metrics == {"auc": 0.94}
    if archive.name != "operations-1.tar.xz":
        measured = registry.resolve("iris@1.2.0"), registry.resolve("iris@1.3.0")
        assert [one.metrics["mae"] for one in measured] == [2.0, 3.0]
        assert [one.evaluations[0].beside for one in measured] == ["1.3.0", "1.2.0"]
    assert registry.promote("iris@1.3.0", force=True, reason="to see").changed
    assert registry.rollback("iris").version == "1.0.0"
    assert registry.verify().whole


def test_a_store_with_every_operation_is_kept() -> None:
    assert {"operations-1.tar.xz", "operations-4.tar.xz"} <= {path.name for path in OPERATION_KEPT}
    assert set(OPERATIONS) >= OPERATIONS_OF_FORMAT_1
