"""Export: one tar file that `sha256sum` can check, equal bytes for equal content."""

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.bundles import forging
from tests.registry.conftest import Clock, Grow

import holdfast
from holdfast import Registry, signing
from holdfast.errors import ConflictError, DamagedError, InvalidInputError, NotFoundError


@pytest.mark.parametrize("ref", ["iris", "iris@1.1.0"])
def test_the_sums_of_an_unpacked_bundle_are_right(
    registry: Registry, tmp_path: Path, grow: Grow, ref: str
) -> None:
    grow(3)
    registry.promote("iris@1.1.0")
    (tmp_path / "out").mkdir()

    bundled = registry.export(ref, tmp_path / "iris.tar")
    subprocess.run(["tar", "-xf", tmp_path / "iris.tar", "-C", tmp_path / "out"], check=True)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=tmp_path / "out", check=True, capture_output=True, text=True,
    )  # fmt: skip

    listed = {
        path.relative_to(tmp_path / "out").as_posix() for path in disk.files(tmp_path / "out")
    }
    checked = {line.partition(":")[0] for line in done.stdout.splitlines()}
    assert checked == listed - {"SHA256SUMS"}
    assert all(line.endswith(": OK") for line in done.stdout.splitlines())
    assert bundled.size_bytes == (tmp_path / "iris.tar").stat().st_size
    assert bundled.files == sum(name.startswith("blobs/") for name in listed)


def test_a_models_bundle_holds_its_journal_byte_for_byte(
    registry: Registry, store: Path, tmp_path: Path, grow: Grow
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")

    bundled = registry.export("iris", tmp_path / "iris.tar")

    members = forging.taken_apart(tmp_path / "iris.tar")
    entries = {f"models/iris/{name}": raw for name, raw in members.items() if "journal" in name}
    assert entries == disk.journals(store)
    assert list(members)[:4] == [
        "bundle.json",
        "journal/0000000001.json",
        "journal/0000000002.json",
        "journal/0000000003.json",
    ]
    assert bundled.versions == ("1.0.0", "1.1.0")
    index = json.loads(members["bundle.json"])
    assert (index["format"], index["kind"], index["model"]) == (1, "model", "iris")
    assert index["registry"] == json.loads((store / "holdfast.json").read_bytes())["id"]


def test_a_versions_bundle_holds_its_own_history_and_bytes_alone(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(2)
    registry.promote("iris@1.0.0", reason="first")
    registry.promote("iris@1.1.0", reason="second")
    registry.note("iris@1.1.0", "seen")

    registry.export("iris@production", tmp_path / "iris.tar")

    members = forging.taken_apart(tmp_path / "iris.tar")
    index = json.loads(members["bundle.json"])
    assert (index["kind"], index["version"]) == ("version", "1.1.0")
    assert [past["op"] for past in index["history"]] == ["registered", "promoted", "noted"]
    assert index["history"][1]["reason"] == "second"
    assert b"iris 1\n" in members.values()
    assert len(members) == 3


@pytest.fixture
def signed(store: Path, tmp_path: Path, grow: Grow) -> Registry:
    """Return a registry with iris 1.0.0, which is signed."""
    grow(1)
    made = signing.create("ann", tmp_path / "keys")
    registry = holdfast.open(store, by="ann", signing_key=made.private)
    registry.sign("iris@1.0.0")
    return registry


@pytest.mark.parametrize("ref", ["iris", "iris@1.0.0"])
def test_who_unpacks_a_bundle_finds_a_version_by_name(
    signed: Registry, tmp_path: Path, ref: str
) -> None:
    signed.export(ref, tmp_path / "iris.tar")
    signed.checkout("iris@1.0.0", tmp_path / "checked")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "iris.tar", "-C", tmp_path / "out"], check=True)
    folder = tmp_path / "out" / "iris-1.0.0"

    assert sorted(path.name for path in folder.iterdir()) == [
        "bom.json", "card.json", "card.md", "model",
    ]  # fmt: skip
    assert contents(folder / "model") == contents(tmp_path / "checked")
    assert set(contents(folder / "model")) == {"manifest.json", "model.sig", "model.txt"}
    assert (folder / "card.md").read_text() == signed.card("iris@1.0.0", "markdown")
    assert json.loads((folder / "card.json").read_bytes()) == signed.card("iris@1.0.0", "json")
    bom = json.loads((folder / "bom.json").read_bytes())
    assert bom == signed.card("iris@1.0.0", "cyclonedx")
    assert bom["bomFormat"] == "CycloneDX"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_names_in_a_bundle_lead_nowhere_and_are_listed_as_they_are(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "my model"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "größe 1.txt").write_text("one")
    (folder / "two.txt").write_text("two")
    registry.register("Team/Iris", folder)

    registry.export("Team/Iris", tmp_path / "iris.tar")
    found = forging.everything(tmp_path / "iris.tar")
    taken = holdfast.open(tmp_path / "other", by="bob").import_(tmp_path / "iris.tar")

    shown = [name for name in found if name.startswith("%54eam%2f%49ris-1.0.0/model/")]
    assert {name.rpartition("/")[2] for name in shown} == {
        "manifest.json", "two.txt", "größe 1.txt",
    }  # fmt: skip
    assert taken.created


def test_of_a_purged_version_cards_and_manifest_are_left(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    registry.export("iris", tmp_path / "iris.tar")

    assert [name for name in forging.everything(tmp_path / "iris.tar") if "1.0.0/" in name] == [
        "iris-1.0.0/card.md",
        "iris-1.0.0/card.json",
        "iris-1.0.0/bom.json",
        "iris-1.0.0/model/manifest.json",
    ]


def test_a_card_in_a_bundle_steers_no_terminal(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(1)
    registry.note("iris@1.0.0", "\u202egpj\u009b2J")

    registry.export("iris@1.0.0", tmp_path / "iris.tar")

    found = forging.everything(tmp_path / "iris.tar")
    assert [
        name for name, data in found.items() if b"\xc2\x9b" in data and "bundle" not in name
    ] == []
    assert found["iris-1.0.0/card.json"].isascii()
    assert found["iris-1.0.0/bom.json"].isascii()


@pytest.mark.parametrize("ref", ["iris", "iris@1.0.0"])
def test_equal_content_gives_equal_bytes(
    registry: Registry, store: Path, tmp_path: Path, grow: Grow, ref: str
) -> None:
    grow(3)
    registry.promote("iris@1.0.0")
    registry.purge("iris", versions=["1.2.0"], grace_s=0)
    copied = holdfast.open(disk.copy(store, tmp_path / "copy"), by="bob", clock=Clock())
    for path in disk.files(tmp_path / "copy"):
        os.utime(path, (1, 1))

    registry.export(ref, tmp_path / "one.tar")
    registry.export(ref, tmp_path / "two.tar")
    copied.export(ref, tmp_path / "three.tar")

    bundles = [(tmp_path / f"{name}.tar").read_bytes() for name in ("one", "two", "three")]
    assert bundles[0] == bundles[1] == bundles[2]
    with tarfile.open(tmp_path / "one.tar") as tar:
        about = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar}
    assert about == {(0, 0, 0, "", "", 0o644)}


def test_an_existing_file_is_not_overwritten(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(1)
    (tmp_path / "iris.tar").write_text("dear")

    with pytest.raises(InvalidInputError, match="exists"):
        registry.export("iris", tmp_path / "iris.tar")

    assert (tmp_path / "iris.tar").read_text() == "dear"


def test_a_link_that_leads_nowhere_is_not_overwritten(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(1)
    (tmp_path / "iris.tar").symlink_to("nowhere")

    with pytest.raises(InvalidInputError, match="exists"):
        registry.export("iris", tmp_path / "iris.tar")

    assert (tmp_path / "iris.tar").is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_cannot_be_written_is_told(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(1)
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InvalidInputError, match="cannot be written"):
        registry.export("iris", tmp_path / "file" / "iris.tar")


@pytest.mark.parametrize("hurt", [disk.flip, disk.cut, disk.empty, disk.delete])
@pytest.mark.parametrize("what", ["model", "manifest"])
def test_damaged_bytes_are_not_exported(
    registry: Registry,
    opened: Callable[..., Registry],
    tmp_path: Path,
    grow: Grow,
    hurt: disk.Hurt,
    what: str,
) -> None:
    grow(2)
    info = registry.resolve("iris@1.0.0")
    digest = info.digest if what == "manifest" else registry.manifest(info).files[0].sha256
    hurt(disk.blob(Path(registry.location), digest))
    (tmp_path / "here").mkdir()

    for ref in ("iris", "iris@1.0.0"):
        with pytest.raises(DamagedError):
            opened().export(ref, tmp_path / "here" / "iris.tar")

    assert list((tmp_path / "here").iterdir()) == []


def test_a_purged_version_is_not_exported_alone_and_with_its_model_without_its_bytes(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    with pytest.raises(ConflictError, match="its bytes are gone"):
        registry.export("iris@1.0.0", tmp_path / "one.tar")
    registry.export("iris", tmp_path / "all.tar")

    contents = list(forging.taken_apart(tmp_path / "all.tar").values())
    assert b"iris 1\n" in contents
    assert b"iris 0\n" not in contents


def test_what_does_not_exist_is_not_exported(
    registry: Registry, tmp_path: Path, grow: Grow
) -> None:
    grow(1)

    for ref in ("rose", "rose@1.0.0", "iris@2.0.0", "iris@production"):
        with pytest.raises(NotFoundError):
            registry.export(ref, tmp_path / "x.tar")

    assert not (tmp_path / "x.tar").exists()


def test_a_bundle_of_a_folder_holds_each_blob_once(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text("the same")

    bundled = registry.export(registry.register("iris", folder), tmp_path / "iris.tar")

    assert bundled.files == 2
