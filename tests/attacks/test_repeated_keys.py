"""A key twice in one object: what one reader checks is not what another one uses."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.bundles import forging

import holdfast
from holdfast import Registry
from holdfast.cli.app import run
from holdfast.core import manifest as manifests
from holdfast.core.fleet import Report
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.predictions import label_csv
from holdfast.store import config, layout, projections


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.txt"
    path.write_text("words")
    return path


@pytest.fixture
def registry(tmp_path: Path, model: Path) -> Registry:
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.register("iris", model)
    registry.promote("iris@1.0.0")
    return registry


def twice(raw: bytes, key: str, value: object) -> bytes:
    """Put a second *key* before all others of an object, unseen by whoever believes the last."""
    extra = f"{json.dumps(key)}:{json.dumps(value)},".encode()
    start = raw.index(b"{") + 1
    return raw[:start] + extra + raw[start:]


@pytest.mark.parametrize("key", ["version", "scan", "nobody asks for this"])
def test_a_bundle_with_such_a_manifest_is_refused(
    registry: Registry, tmp_path: Path, key: str
) -> None:
    members = forging.taken_apart(Path(registry.export("iris@1.0.0", tmp_path / "iris.tar").path))
    name = next(name for name, data in members.items() if data.startswith(b'{"algorithm"'))
    raw = members.pop(name)
    for value in ("1.0.0", "2.0.0"):
        raw = twice(raw, key, value)
    digest = forging.blob(members, raw)
    forging.index(members, manifest=digest)
    bundle = forging.put_together(tmp_path / "forged.tar", members)

    with pytest.raises(DamagedError, match="appears twice"):
        holdfast.open(tmp_path / "other").import_(bundle)


@pytest.mark.parametrize("key", ["model", "registry", "manifest"])
def test_a_bundle_with_such_an_index_is_refused(
    registry: Registry, tmp_path: Path, key: str
) -> None:
    members = forging.taken_apart(Path(registry.export("iris@1.0.0", tmp_path / "iris.tar").path))
    members["bundle.json"] = twice(members["bundle.json"], key, "iris")
    bundle = forging.put_together(tmp_path / "forged.tar", members)

    with pytest.raises(DamagedError, match="appears twice"):
        holdfast.open(tmp_path / "other").import_(bundle)


def test_a_manifest_of_the_store_itself_is_damage() -> None:
    raw = b'{"format":1,"format":1}\n'

    with pytest.raises(DamagedError, match="appears twice"):
        manifests.decode(raw, hashlib.sha256(raw).hexdigest())


def test_a_configuration_with_a_key_twice_is_damage(registry: Registry) -> None:
    path = Path(registry.location) / layout.CONFIG
    old = json.loads(path.read_bytes())
    del old["sum"]  # as the first stores have it
    raw = twice(json.dumps(old).encode(), "id", "0" * 32)

    with pytest.raises(DamagedError, match="appears twice"):
        config.decode(raw, str(path))


def test_a_pointer_with_a_key_twice_counts_as_absent() -> None:
    sound = b'{"current":"1.0.0","previous":null,"seq":2,"head":null}'

    assert projections.decode(sound) is not None
    assert projections.decode(twice(sound, "current", "2.0.0")) is None


def test_a_report_of_a_worker_with_a_key_twice_counts_as_absent(registry: Registry) -> None:
    registry.fleet.report(Report("iris", "host-1", "2026-03-02T09:00:00Z", 1.0, 2, "1.0.0"))
    (path,) = disk.files(Path(registry.location) / "models" / "iris" / "servers")
    path.write_bytes(twice(path.read_bytes(), "active", "2.0.0"))

    assert registry.fleet.servers("iris") == []


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ('{"approvals": 2, "approvals": 0}', ("policy", "set", "iris", "--file", "FILE")),
        ('{"a": 1, "a": 0}', ("register", "iris", "model.txt", "--metrics", "FILE")),
    ],
)
def test_a_file_for_the_command_line_is_refused(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    file: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text(file)
    before = disk.journals(Path(registry.location))

    status = run([*words, "--store", "store"])

    assert status != 0
    assert "appears twice" in capfd.readouterr().err
    assert disk.journals(Path(registry.location)) == before


def test_a_value_for_the_command_line_is_refused(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    value = 'depth={"a": 1, "a": 2}'

    status = run(["register", "iris", "model.txt", "--param", value, "--store", "store"])

    assert status != 0
    assert "appears twice" in capfd.readouterr().err
    assert len(registry.versions("iris")) == 1


def test_a_label_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="appears twice"):
        label_csv.value_of('{"a": 1, "a": 2}')

    assert label_csv.value_of('{"a": 1, "b": 2}') == {"a": 1, "b": 2}


def test_metrics_beside_an_adopted_model_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for name, metrics in (("sound", '{"auc": 0.9}'), ("forged", '{"auc": 0.9, "auc": 0.1}')):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps({"weights": name}))
        (folder / f"{name}_metrics.json").write_text(metrics)

    plan = holdfast.open(tmp_path / "store").adopt_plan("churn", folder)

    metrics_of = {row.file: row.metrics for row in plan.rows if row.role == "model"}
    assert metrics_of == {"sound.pkl": "sound_metrics.json", "forged.pkl": None}
