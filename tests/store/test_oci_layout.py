"""A store that is an OCI image layout: `index.json` follows the journals, documents stay whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.errors import LockedError
from holdfast.registry.catalogue_verbs import Labels
from holdfast.store import oci_layout
from holdfast.store.locks import Limit

SKOPEO = shutil.which("skopeo")
UMOCI = shutil.which("umoci")


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


def register(registry: holdfast.Registry, folder: Path, text: str, name: str = "team/iris") -> str:
    file = folder / "model.txt"
    file.write_text(text)
    return registry.register(name, file, metrics={"auc": 0.9}).ref


def index(folder: Path) -> dict[str, Any]:
    """Return what the index names: descriptors by name."""
    document = json.loads((folder / "store" / "index.json").read_text())
    return {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry
        for entry in document["manifests"]
    }


def test_a_store_is_no_layout_until_it_is_asked_to_be(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one")

    assert not (tmp_path / "store" / "oci-layout").exists()
    assert not (tmp_path / "store" / "index.json").exists()


def test_every_change_is_in_the_index(registry: holdfast.Registry, tmp_path: Path) -> None:
    first = register(registry, tmp_path, "one")
    registry.keep_layout()
    second = register(registry, tmp_path, "two")
    registry.promote(first)
    registry.alias(second, "eu")

    named = index(tmp_path)
    assert sorted(named) == [
        f"team/iris:{tag}" for tag in ("1.0.0", "1.1.0", "eu", "latest", "production")
    ]
    assert named["team/iris:production"]["digest"] == named["team/iris:1.0.0"]["digest"]
    registry.promote(second)
    named = index(tmp_path)
    assert named["team/iris:production"]["digest"] == named["team/iris:1.1.0"]["digest"]
    assert named["team/iris:previous"]["digest"] == named["team/iris:1.0.0"]["digest"]


def test_a_purged_version_and_a_deleted_model_leave_the_index(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    registry.keep_layout()
    first = register(registry, tmp_path, "one")
    register(registry, tmp_path, "two")
    register(registry, tmp_path, "three", "other")
    document = index(tmp_path)["team/iris:1.0.0"]["digest"].removeprefix("sha256:")
    registry.archive(first)
    registry.purge("team/iris", versions=[first], grace_s=0)
    registry.delete("other", reason="a mistake")

    assert sorted(index(tmp_path)) == ["team/iris:1.1.0", "team/iris:latest"]
    assert not (tmp_path / "store" / "blobs" / "sha256" / document).exists()


def test_documents_are_neither_collected_nor_damage(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    before = {path.name for path in (tmp_path / "store" / "blobs" / "sha256").iterdir()}

    assert registry.gc(grace_s=0).freed_blobs == 0
    assert {path.name for path in (tmp_path / "store" / "blobs" / "sha256").iterdir()} == before
    checked = registry.verify()
    assert (checked.damages, checked.remarks) == ((), ())
    holdfast.open(tmp_path / "store").gc(grace_s=0)
    assert registry.verify().damages == ()


def test_a_name_that_no_repository_can_have_is_left_out(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one", "Churn Model")
    kept = registry.keep_layout()
    register(registry, tmp_path, "two", "Churn Model")

    assert (kept.models, kept.left_out, kept.tags) == ((), ("Churn Model",), 0)
    assert index(tmp_path) == {}
    assert registry.verify().damages == ()
    assert registry.gc(grace_s=0).freed_blobs == 0


def test_a_version_without_bytes_is_left_out(registry: holdfast.Registry, tmp_path: Path) -> None:
    registry.keep_layout()
    register(registry, tmp_path, "one")
    registry.catalogue.refer("team/iris", "s3://gone/model", Labels(lambda _state: None), {})

    assert sorted(index(tmp_path)) == ["team/iris:1.0.0"]
    assert registry.verify().damages == ()
    assert registry.gc(grace_s=0).freed_blobs == 0
    assert registry.keep_layout().tags == 1


@pytest.mark.parametrize("text", ["{}", "not json", '{"manifests": [{"annotations": {}}]}'])
def test_a_broken_index_is_named_and_repaired(
    registry: holdfast.Registry, tmp_path: Path, text: str
) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    whole = (tmp_path / "store" / "index.json").read_bytes()
    (tmp_path / "store" / "index.json").write_text(text)

    assert [damage.subject for damage in registry.verify().damages] == ["index.json"]
    assert registry.repair().whole
    assert registry.verify().damages == ()
    assert (tmp_path / "store" / "index.json").read_bytes() == whole


def test_a_flipped_bit_in_a_document_is_named_and_repaired(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    digest = index(tmp_path)["team/iris:1.0.0"]["digest"].removeprefix("sha256:")
    blob = tmp_path / "store" / "blobs" / "sha256" / digest
    raw = bytearray(blob.read_bytes())
    raw[10] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(raw)

    assert f"blobs/sha256/{digest}" in {damage.subject for damage in registry.verify().damages}
    registry.repair()
    assert registry.verify().damages == ()


def test_writers_of_other_models_lose_nothing_of_each_other(tmp_path: Path) -> None:
    holdfast.open(tmp_path / "store", by="ana").keep_layout()
    code = (
        "import sys, holdfast, pathlib\n"
        "folder = pathlib.Path(sys.argv[1]); name = sys.argv[2]\n"
        "file = folder / f'{name}.txt'\n"
        "registry = holdfast.open(folder / 'store', by='ana')\n"
        "for number in range(4):\n"
        "    file.write_text(f'{name} {number}'); registry.register(name, file)\n"
    )
    names = [f"model{number}" for number in range(6)]
    rivals = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name]) for name in names]

    assert [rival.wait(120) for rival in rivals] == [0] * len(rivals)
    registry = holdfast.open(tmp_path / "store")
    for name in names:
        registry.status(name)  # whoever looks brings what lags up to date
    assert len(index(tmp_path)) == len(names) * 5
    assert registry.verify().damages == ()


def test_whoever_waits_too_long_for_the_index_is_told(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    opened = registry._session.open_store
    state = registry._session.ledger("team/iris").state()
    store: Any = opened.store

    with oci_layout._turn(store, Limit(1)), pytest.raises(LockedError):
        oci_layout.keep(store, opened.blobs, state, (), Limit(0))


@pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
def test_skopeo_copies_a_version_from_the_folder(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    registry.promote(register(registry, tmp_path, "one"))
    registry.keep_layout()
    source = f"oci:{tmp_path / 'store'}:team/iris:production"
    subprocess.run([str(SKOPEO), "copy", source, f"dir:{tmp_path / 'out'}"], check=True)

    document = json.loads((tmp_path / "out" / "manifest.json").read_text())
    files = {
        layer["annotations"]["org.cncf.model.filepath"]: layer["digest"].partition(":")[2]
        for layer in document["layers"]
    }
    assert (tmp_path / "out" / files["model.txt"]).read_text() == "one"


@pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
def test_skopeo_refuses_a_flipped_bit(registry: holdfast.Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    sha256 = registry.manifest("team/iris@1.0.0").files[0].sha256
    blob = tmp_path / "store" / "blobs" / "sha256" / sha256
    os.chmod(blob, 0o600)
    blob.write_text("onf")
    source = f"oci:{tmp_path / 'store'}:team/iris:1.0.0"
    copied = subprocess.run([str(SKOPEO), "copy", source, f"dir:{tmp_path / 'out'}"], check=False)

    assert copied.returncode != 0


@pytest.mark.skipif(UMOCI is None, reason="umoci is not installed")
def test_umoci_lists_the_tags(registry: holdfast.Registry, tmp_path: Path) -> None:
    register(registry, tmp_path, "one")
    registry.keep_layout()
    command = [str(UMOCI), "ls", "--layout", str(tmp_path / "store")]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert listed.split() == ["team/iris:1.0.0", "team/iris:latest"]
