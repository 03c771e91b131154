"""Artifacts registered as versions: the SDK's own artifacts, which a server would have sent."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import holdfast
from holdfast.errors import (
    DamagedError,
    InvalidInputError,
    StoreFullError,
    UnauthenticatedError,
    UntrustedError,
)
from holdfast.gateways.wandb import artifact_export, artifact_import
from holdfast.gateways.wandb.artifact_export import ExportTarget


class Logged:
    """An artifact of the SDK's with what only a server tells of it: that it is logged."""

    qualified_name = "acme/churn/model:v7"
    state = "COMMITTED"

    def __init__(self, artifact: Any, aliases: tuple[str, ...] = (), run: Any = None) -> None:
        self.artifact = artifact
        self.aliases = list(aliases)
        self.run = run
        self.spoil: Callable[[Path], None] = lambda _place: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.artifact, name)

    def download(self, root: str, *, skip_cache: bool) -> str:
        assert skip_cache, "the cache is not hashed when it is read"
        for name in self.manifest.entries:
            self.get_entry(name).download(root, skip_cache=skip_cache)
        self.spoil(Path(root))
        return "elsewhere"

    def get_entry(self, name: str) -> Any:
        entry = self.manifest.entries[name]

        def download(root: str, *, skip_cache: bool) -> None:
            assert skip_cache
            path = Path(root, entry.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.local_path, path)

        return SimpleNamespace(download=download)

    def logged_by(self) -> Any:
        if isinstance(self.run, Exception):
            raise self.run
        return self.run


@pytest.fixture
def made(offline: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that makes an artifact of texts by name."""

    def make(files: dict[str, bytes], **facts: Any) -> Any:
        artifact = offline.Artifact("model", "model", **facts)
        for name, data in files.items():
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            artifact.add_file(str(path), name=name)
        return artifact

    return make


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


BERT = {"config.json": b"{}", "deep/weights.bin": b"weights"}


@pytest.mark.parametrize("algorithm", ["MD5", "XXH128"])
def test_an_artifact_becomes_a_version_once(
    made: Callable[..., Any], registry: holdfast.Registry, algorithm: str
) -> None:
    facts: dict[str, Any] = {"metadata": {"epochs": 3}, "description": "a test"}
    if algorithm != "MD5":  # which is all that older SDKs have
        facts["digest_algorithm"] = algorithm
    logged = Logged(made(BERT, **facts))
    logged.qualified_name = "acme/churn/Lemon Mold Detector:v7"

    done = artifact_import.register(registry, logged)
    again = artifact_import.register(registry, logged)

    assert (done.created, again.created, again.ref) == (True, False, done.ref)
    assert done.ref == "Lemon Mold Detector@1.0.0"
    manifest = registry.manifest(done.ref)
    assert [file.path for file in manifest.files] == [
        "model/config.json",
        "model/deep/weights.bin",
    ]
    assert manifest.description == "a test"
    told = manifest.metadata["wandb"]
    assert (told["source"], told["metadata"]) == (logged.qualified_name, {"epochs": 3})
    assert registry.verify().whole


def test_a_lone_file_keeps_its_format_and_the_run_comes_along(
    made: Callable[..., Any], registry: holdfast.Registry
) -> None:
    run = SimpleNamespace(
        id="r1",
        config={"lr": 0.1, "_wandb": {}, "api_key": "hunter2hunter2", "url": "https://u:pw@h/x"},
        summary_metrics={"auc": 0.9, "_step": 3, "nan": float("nan"), "ok": True, "img": {}},
    )
    logged = Logged(made({"model.json": b"{}"}, metadata={"hub_token": "hunter2hunter2"}), run=run)

    done = artifact_import.register(registry, logged, "churn")

    manifest = registry.manifest(done.ref)
    assert manifest.artifacts["model"].path == "model.json"
    assert (manifest.metrics, manifest.lineage.run_id) == ({"auc": 0.9}, "r1")
    assert manifest.hyperparameters["lr"] == 0.1
    assert "_wandb" not in manifest.hyperparameters
    assert "hunter2" not in str(manifest)
    assert "u:pw" not in str(manifest)


def test_free_aliases_come_along_and_others_are_left_and_said(
    made: Callable[..., Any], registry: holdfast.Registry, tmp_path: Path
) -> None:
    (tmp_path / "old.json").write_text('{"old": 1}')
    registry.alias(registry.register("model", tmp_path / "old.json"), "best")
    registry.promote("model@1.0.0")
    theirs = (
        "latest", "v7", "best", "eu", "production", "staging", "previous", "Prod", "a b", "1.2",
        "deadbeef", "\u202egnp", "../x", "canary", "x" * 300, "é",
    )  # fmt: skip

    done = artifact_import.register(registry, Logged(made({"model.json": b"{}"}), theirs))

    assert done.aliases == ("eu",)
    assert set(done.left) == set(theirs) - {"eu", "latest", "v7"}
    assert done.left["best"] == "is 1.0.0 here"
    assert registry.resolve("model@best").version == "1.0.0"
    assert registry.resolve("model@production").version == "1.0.0"
    assert registry.resolve("model@eu").ref == done.ref


def test_a_pickle_is_judged_as_at_any_registration(
    made: Callable[..., Any], registry: holdfast.Registry
) -> None:
    logged = Logged(made({"model.pkl": b"cos\nsystem\n(S'true'\ntR."}))

    with pytest.raises(UntrustedError, match="system"):
        artifact_import.register(registry, logged)

    assert registry.models() == []
    assert artifact_import.register(registry, logged, trust="a test").created


def test_bytes_that_are_not_those_listed_are_refused(
    made: Callable[..., Any], registry: holdfast.Registry
) -> None:
    logged = Logged(made(BERT))
    logged.spoil = lambda place: (place / "config.json").write_bytes(b"[]")  # type: ignore[assignment]

    with pytest.raises(DamagedError, match=r"config\.json"):
        artifact_import.register(registry, logged)

    assert registry.models() == []


def test_an_export_of_ours_is_held_against_its_own_digests(
    made: Callable[..., Any], registry: holdfast.Registry, tmp_path: Path
) -> None:
    """MD5 has collisions, so that bytes may be others than were exported and fit what is listed."""
    source = holdfast.open(tmp_path / "source-store")
    for name, data in BERT.items():
        path = tmp_path / "bert" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    version = source.register("bert", tmp_path / "bert")
    info = source.resolve(version.ref)
    exported = artifact_export.artifact_of(
        info, source.manifest(version.ref), ExportTarget("nlp")
    ).metadata

    whole = artifact_import.register(registry, Logged(made(BERT, metadata=exported)))

    assert whole.created
    told = registry.manifest(whole.ref).metadata["wandb"]["metadata"]["holdfast"]
    assert (told["ref"], told["digest"]) == (info.ref, info.digest)
    for other in ({**BERT, "config.json": b"[]"}, {"config.json": b"{}"}):
        changed = Logged(made(other, metadata=exported))
        changed.qualified_name = "acme/churn/model:v8"
        with pytest.raises(DamagedError, match="export"):
            artifact_import.register(registry, changed)


@pytest.mark.parametrize("said", [None, [], {"holdfast": 1}, {"holdfast": {"sha256": "x"}}])
def test_digests_that_are_none_are_no_reason(
    made: Callable[..., Any], registry: holdfast.Registry, said: Any
) -> None:
    logged = Logged(made({"m.json": b"{}"}))
    logged.metadata = said  # type: ignore[attr-defined]

    assert artifact_import.register(registry, logged).created


def test_a_hostile_manifest_writes_nothing(
    made: Callable[..., Any], registry: holdfast.Registry, tmp_path: Path
) -> None:
    """The SDK refuses such names today; a server can send them, and older SDKs take them."""
    logged = Logged(made({"a.bin": b"x"}))
    entry = logged.manifest.entries.pop("a.bin")
    entry.path = "../../evil.bin"
    logged.manifest.entries[entry.path] = entry

    with pytest.raises(InvalidInputError):
        artifact_import.register(registry, logged)

    assert list(tmp_path.rglob("evil.bin")) == []


def test_what_does_not_fit_is_refused_before_a_byte_comes(
    made: Callable[..., Any], registry: holdfast.Registry
) -> None:
    logged = Logged(made({"a.bin": b"x"}))
    logged.manifest.entries["a.bin"].size = 10**18
    logged.spoil = lambda _place: pytest.fail("it was downloaded")

    with pytest.raises(StoreFullError, match="needs"):
        artifact_import.register(registry, logged)


def test_what_is_not_committed_is_refused(
    made: Callable[..., Any], registry: holdfast.Registry
) -> None:
    pending = Logged(made({"a.bin": b"x"}))
    pending.state = "PENDING"

    with pytest.raises(InvalidInputError, match="not committed but pending"):
        artifact_import.register(registry, pending)


@pytest.mark.parametrize(
    "metadata",
    [{"deep": None}, {"\u202ex\x1b[2J": "\x00"}, {str(n): "x" * 1000 for n in range(90)}, None],
)
def test_whatever_metadata_say_a_version_comes_of_it(
    made: Callable[..., Any], registry: holdfast.Registry, metadata: Any
) -> None:
    logged = Logged(made({"model.json": b"{}"}, metadata=metadata))
    if metadata == {"deep": None}:
        nested: Any = "end"
        for _ in range(500):
            nested = {"a": [nested]}
        logged.metadata = nested  # type: ignore[attr-defined]

    done = artifact_import.register(registry, logged)

    assert holdfast.open(str(registry.location)).manifest(done.ref).name == "model"


def test_a_run_that_cannot_be_read_is_told_without_a_secret(
    made: Callable[..., Any], registry: holdfast.Registry, caplog: pytest.LogCaptureFixture
) -> None:
    error = RuntimeError("GET https://u:hunter2@h.example/run?key=hunter2 failed")

    with caplog.at_level(logging.WARNING):
        done = artifact_import.register(registry, Logged(made({"m.json": b"{}"}), run=error))

    assert done.created
    assert "could not be read" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "name",
    ["churn", "acme/churn/model", "acme/churn/../model:v1", "a/b/c:v 1", "/b/c:v1", "a@b/c/d:v"],
)
def test_a_name_that_is_not_an_artifact_s_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        artifact_import.find(name)


@pytest.mark.usefixtures("offline")
def test_without_a_key_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)

    with pytest.raises(UnauthenticatedError, match="WANDB_API_KEY"):
        artifact_import.find("acme/churn/model:v7")
