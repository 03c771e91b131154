"""Versions logged by the real SDK offline, and read from what `wandb sync` would upload."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast
from tests.cli.conftest import holdfast as command_line
from tests.gateways.standing import standing
from tests.gateways.wandb.conftest import records
from tests.web.teams import Team

import holdfast as registries
from holdfast.errors import DamagedError, InvalidInputError, StoreError
from holdfast.gateways.wandb import artifact_export
from holdfast.gateways.wandb.artifact_export import ExportTarget

holdfast = command_line  # the fixture
WEIGHTS = b"weights" * 9_000


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "w 1.bin").write_bytes(WEIGHTS)
    return folder


@pytest.mark.usefixtures("offline")
def test_a_version_is_logged_with_its_bytes(
    holdfast: Holdfast, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "WANDB_API_KEY", "hunter2" * 6)
    holdfast("register", "team/bert", str(bert), "--version", "1.2.0", "--metric", "f1=0.9")
    holdfast("promote", "team/bert@1.2.0")
    holdfast("alias", "team/bert@1.2.0", "eu")

    done = holdfast("wandb", "export", "team/bert@production", "--project", "acme/nlp", "--json")

    assert done.status == 0, done.err
    assert done.data["artifact"] == "team-bert"
    folder = Path(done.data["folder"])
    (artifact,) = [r.artifact for r in records(folder) if r.WhichOneof("record_type") == "artifact"]
    assert (artifact.type, artifact.name) == ("model", "team-bert")
    assert {*artifact.aliases} == {"1.2.0", "production", "eu", "latest"}
    contents = {entry.path: entry for entry in artifact.manifest.contents}
    assert set(contents) == {"config.json", "deep/w 1.bin"}
    assert contents["deep/w 1.bin"].size == len(WEIGHTS)
    assert Path(contents["deep/w 1.bin"].local_path).read_bytes() == WEIGHTS
    facts = json.loads(artifact.metadata)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert facts["holdfast"]["sha256"]["deep/w 1.bin"] == digest
    assert facts["metrics"] == {"f1": 0.9}
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"hunter2" not in raw
    assert b"--project" not in raw


@pytest.mark.usefixtures("offline")
def test_references_lead_to_a_server_and_have_our_digests(bert: Path, tmp_path: Path) -> None:
    team = Team(tmp_path / "team")
    team.registry.register("team/bert", bert, version="1.2.0")

    with team.served(anonymous_read=True) as served:
        target = ExportTarget("nlp", url=f"http://127.0.0.1:{served.port}/")
        done = artifact_export.export(team.registry, "team/bert@1.2.0", target)

    (artifact,) = [
        record.artifact
        for record in records(Path(str(done.folder)))
        if record.WhichOneof("record_type") == "artifact"
    ]
    entries = {entry.path: entry for entry in artifact.manifest.contents}
    entry = entries["deep/w 1.bin"]
    assert entry.digest == done.digests["deep/w 1.bin"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert entry.ref.endswith("/team/bert/resolve/1.2.0/deep/w%201.bin")
    assert (entry.size, entry.local_path) == (len(WEIGHTS), "")


@pytest.mark.usefixtures("offline")
def test_an_address_that_does_not_hand_out_the_version_is_refused(
    bert: Path, tmp_path: Path
) -> None:
    team = Team(tmp_path / "team")
    version = team.registry.register("team/bert", bert)

    other = registries.open(tmp_path / "other")
    (bert / "config.json").write_text("[]")
    other.register("team/bert", bert)

    with team.served() as served:
        target = ExportTarget("nlp", url=f"http://127.0.0.1:{served.port}")
        with pytest.raises(StoreError, match=r"answered 401 for config\.json"):
            artifact_export.export(team.registry, version.ref, target)
    with team.served(anonymous_read=True) as served:
        target = ExportTarget("nlp", url=f"http://127.0.0.1:{served.port}")
        with pytest.raises(DamagedError, match=r"config\.json with the version's digest"):
            artifact_export.export(other, version.ref, target)
    with pytest.raises(StoreError, match="cannot be reached"):
        artifact_export.export(team.registry, version.ref, target)
    assert list(tmp_path.glob("wandb/*run*")) == []


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "url",
    ["h.example", "ftp://h", "https://u:hunter2@h", "https://h?sig=hunter2", "https://h#hunter2"],
)
def test_an_address_with_a_secret_is_not_written_down(bert: Path, tmp_path: Path, url: str) -> None:
    registry = registries.open(tmp_path / "store")
    version = registry.register("bert", bert)

    with pytest.raises(InvalidInputError) as caught:
        artifact_export.export(registry, version.ref, ExportTarget("nlp", url=url))

    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_a_changed_file_and_an_invalid_name_are_refused(bert: Path, tmp_path: Path) -> None:
    registry = registries.open(tmp_path / "store")
    version = registry.register("bert", bert)
    for target in (ExportTarget("a/b/c"), ExportTarget("nlp", name="a/b"), ExportTarget("")):
        with pytest.raises(InvalidInputError):
            artifact_export.export(registry, version.ref, target)
    path = tmp_path / "store" / "blobs" / "sha256" / hashlib.sha256(WEIGHTS).hexdigest()
    path.chmod(0o600)
    path.write_bytes(WEIGHTS[:-1] + b"!")

    with pytest.raises(DamagedError):
        artifact_export.export(registry, version.ref, ExportTarget("nlp"))


def test_aliases_are_the_number_the_stage_and_its_own() -> None:
    info = standing(status="staging", aliases=("best",))

    assert artifact_export.aliases_of(info) == ("1.2.0", "staging", "best")
