"""A store in which somebody else planted links and huge or endless files."""

import contextlib
import hashlib
import io
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.conftest import Tally
from tests.registry import disk

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.core import manifest as manifests
from holdfast.errors import DamagedError, InvalidInputError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links are for administrators there")

SECRET = "mine, and nobody else's"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder that a planted link leads to, with files named like a registry's."""
    folder = tmp_path / "home"
    for name in ("model.txt", "model/weights.txt", "manifest.json", "0" * 64 + ".bak", "notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SECRET)
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = holdfast.open(tmp_path / "store", by="ann")
    (tmp_path / "model.txt").write_text("words")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights.txt").write_text("more words")
    registry.register("iris", tmp_path / "model.txt")
    registry.register("rose", tmp_path / "folder")
    registry.promote("iris@1.0.0")
    return registry


PLACES = (
    "models/iris/versions/1.0.0", "models/iris/versions", "models/rose/versions/1.0.0/model",
    "models/iris/journal", "models/iris", "trash", "blobs/sha256",
)  # fmt: skip


@pytest.mark.parametrize("relative_path", PLACES)
def test_nothing_is_written_or_removed_behind_a_planted_link(
    registry: Registry, home: Path, tmp_path: Path, relative_path: str, tally: Tally
) -> None:
    planted = Path(registry.location) / relative_path
    if planted.exists():
        disk.remove(planted)
    planted.symlink_to(home)
    before = disk.listing(home)
    victim = holdfast.open(tmp_path / "store", by="ann")
    verbs: list[Callable[[], object]] = [
        lambda: victim.repair("iris"), lambda: victim.repair("rose"), victim.verify,
        lambda: victim.promote("iris@1.0.0"), lambda: victim.archive("rose@1.0.0"),
        lambda: victim.purge("rose", versions=["rose@1.0.0"], grace_s=0),
        lambda: victim.gc(grace_s=0), lambda: victim.load("iris@1.0.0"),
        lambda: victim.checkout("iris@1.0.0", tmp_path / "target"),
    ]  # fmt: skip
    for verb in verbs:
        with contextlib.suppress(HoldfastError):
            verb()
    tally("verbs tried over planted links", len(verbs))

    assert {key: about for key, about in disk.listing(home).items() if key in before} == before
    assert {path.read_text() for path in home.rglob("*") if path.is_file()} >= {SECRET}
    assert not [path for path in home.rglob("*") if path.is_file() and path.stat().st_nlink > 1]


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(registry: Registry, tmp_path: Path) -> None:
    for name in ("lock", "models/iris/.lock"):
        (tmp_path / "store" / name).unlink(missing_ok=True)
        (tmp_path / "store" / name).symlink_to(tmp_path / "made-elsewhere")

    with contextlib.suppress(HoldfastError):
        registry.register("iris", tmp_path / "folder")
    with contextlib.suppress(HoldfastError):
        registry.promote("iris@1.0.0")

    assert not (tmp_path / "made-elsewhere").exists()


def test_a_collector_leaves_what_is_no_blob(registry: Registry, tmp_path: Path) -> None:
    strays = [tmp_path / "store" / folder / "notes.txt" for folder in ("blobs/sha256", "trash")]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.write_text(SECRET)

    registry.gc(grace_s=0)

    assert [stray.read_text() for stray in strays] == [SECRET, SECRET]


KEPT = (
    "holdfast.json", "models/iris/journal/0000000001.json", "models/iris/active_version.json",
    "models/iris/versions/1.0.0/manifest.json",
)  # fmt: skip


@pytest.mark.parametrize("key", KEPT)
@pytest.mark.parametrize("what", ["an endless device", "a pipe", "a hole of a terabyte"])
def test_a_file_without_an_end_is_not_read_to_it(
    registry: Registry, tmp_path: Path, key: str, what: str
) -> None:
    del registry
    path = tmp_path / "store" / key
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    match what:
        case "an endless device":
            path.symlink_to("/dev/zero")
        case "a pipe":
            os.mkfifo(path)
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 40)

    outcomes = []
    with contextlib.suppress(HoldfastError):
        victim = holdfast.open(tmp_path / "store", by="ann")
        outcomes.append(victim.verify().whole)
        victim.load("iris@1.0.0")

    healed = [True] if key.endswith("active_version.json") else []
    assert outcomes in ([], [False], healed)


@pytest.mark.parametrize("which", ["file", "manifest"])
def test_a_blob_that_grew_to_a_terabyte_is_not_hashed(
    registry: Registry, tmp_path: Path, which: str
) -> None:
    record = registry.resolve("iris@1.0.0")
    (file,) = registry.manifest("iris@1.0.0").artifacts["model"].files
    digest = file.sha256 if which == "file" else record.digest.removeprefix("sha256:")
    path = tmp_path / "store" / "blobs" / "sha256" / digest
    path.chmod(0o644)
    os.truncate(path, 1 << 40)
    victim = holdfast.open(tmp_path / "store", by="ann")

    assert [damage.subject for damage in victim.verify().damages if digest in damage.subject] != []
    assert [left.subject for left in victim.repair("iris").left if digest in left.subject] != []
    with pytest.raises(DamagedError):
        victim.load("iris@1.0.0")


NO_VERSIONS = (
    "x", "../../x", "1.0.0/../../..", "1.0", "1.0.0-" + "9" * 5000, "9" * 4000 + ".0.0", "",
)  # fmt: skip


@pytest.mark.parametrize("version", NO_VERSIONS, ids=[text[:9] for text in NO_VERSIONS])
def test_an_entry_that_registers_what_is_not_a_version_is_damaged(
    registry: Registry, tmp_path: Path, version: str
) -> None:
    """Its checksum fits: whoever may write to the folder can write another."""
    path = Path(registry.location) / "models/rose/journal/0000000001.json"
    signed = path.read_bytes().rpartition(b',"sum"')[0]
    signed = signed.replace(b'"version":"1.0.0"', b'"version":"%s"' % version.encode())
    checksum = hashlib.sha256(signed).hexdigest().encode()
    path.unlink()
    path.write_bytes(signed + b',"sum":"%s"}\n' % checksum)
    (tmp_path / "store" / "models/rose/active_version.json").unlink(missing_ok=True)
    before = disk.listing(tmp_path)
    victim = holdfast.open(tmp_path / "store", by="ann")
    verbs: list[Callable[[], object]] = [
        lambda: list(victim.versions("rose")), lambda: victim.resolve("rose@latest"),
        lambda: victim.resolve("rose@^1"), lambda: victim.load("rose@v1"),
        lambda: victim.register("rose", tmp_path / "model.txt"),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(DamagedError, match="is not a version"):
            verb()

    assert not victim.verify().whole
    assert not victim.repair().whole
    assert victim.load("iris@1.0.0").model is not None
    assert disk.listing(tmp_path).keys() == before.keys()


@pytest.mark.parametrize("selector", [
    "9" * 5000 + ".0.0", "1.0.0-" + "9" * 5000, "^" + "9" * 5000, ">=1.0.0-" + "9" * 5000,
    "v" + "9" * 5000, "1 || " * 50_000 + "1", ">" * 100_000, "sha256:" + "a" * 100_000,
    "a" * 100_000,
], ids=range(9))  # fmt: skip
def test_a_ref_of_any_length_is_refused(registry: Registry, selector: str) -> None:
    with pytest.raises(HoldfastError) as refused:
        registry.resolve(f"iris@{selector}")

    assert refused.value.code in ("invalid_input", "not_found")


def test_no_version_is_made_that_is_too_long_to_be_read(registry: Registry, tmp_path: Path) -> None:
    registry.register("iris", tmp_path / "model.txt", version="9" * 196 + ".0.0")
    with pytest.raises(InvalidInputError, match="has 201 characters, more than 200"):
        registry.register("iris", tmp_path / "folder", bump="major")
    registry.register("iris", tmp_path / "folder", bump="minor")

    assert holdfast.open(tmp_path / "store").verify().whole


def _manifest() -> manifests.Manifest:
    file = manifests.File("model.txt", "0" * 64, 1)
    return manifests.Manifest(
        name="iris", version="1.0.0", number=1, registered_at="", registered_by="ann",
        artifacts={"model": manifests.Artifact("model.txt", "file", (file,))},
    )  # fmt: skip


def test_a_manifest_that_nests_without_end_is_damaged() -> None:
    raw = manifests.encode(_manifest())
    for depth in (101, 2000, 100_000):
        deep = b"[" * depth + b"]" * depth
        with pytest.raises(DamagedError):
            manifests.decode(raw.replace(b'"metadata":{}', b'"metadata":{"a":%s}' % deep), "0" * 64)


def test_a_manifest_that_no_reader_would_take_is_not_written() -> None:
    large = msgspec.structs.replace(_manifest(), metadata={"a": "x" * manifests.MAX_BYTES})

    with pytest.raises(InvalidInputError, match="more than"):
        manifests.encode(large)


def _pax(name: str, claimed: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = claimed, tarfile.XHDTYPE
    return member.tobuf(tarfile.USTAR_FORMAT)


def _gnu_name(claimed: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.size, member.type = claimed, tarfile.GNUTYPE_LONGNAME
    return member.tobuf(tarfile.GNU_FORMAT)


BUNDLES: dict[str, bytes] = {
    "header of a gigabyte": _pax("x", 1 << 30) + bytes(1024),
    "name of a gigabyte": _gnu_name(1 << 30) + bytes(1024),
    "headers of headers": _pax("x", 0) * 3000,
    "names of names": _gnu_name(0) * 3000,
    "header that is no number": _pax("x", 512) + b"99 size=x\n".ljust(512, b"\0") + bytes(512),
    "negative length": tarfile.TarInfo("SHA256SUMS").tobuf().replace(
        b"00000000000\0", b"\xff" * 12, 1),
    "nothing": b"",
    "zeros": bytes(10240),
    "random": bytes(range(256)) * 40,
}  # fmt: skip


@pytest.mark.parametrize("raw", BUNDLES.values(), ids=BUNDLES.keys())
def test_a_bundle_whose_headers_lie_is_refused(
    registry: Registry, tmp_path: Path, raw: bytes
) -> None:
    (tmp_path / "lying.tar").write_bytes(raw)
    with (tmp_path / "lying.tar").open("ab") as file:
        if len(raw) > 512:
            file.truncate(len(raw) + (2 << 30))  # a hole, so that what is claimed is there

    with pytest.raises(HoldfastError):
        registry.import_(tmp_path / "lying.tar")


def test_a_bundle_that_is_no_file_is_refused(registry: Registry, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    for path in (tmp_path / "pipe.tar", tmp_path, Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(HoldfastError):
            registry.import_(path)


def test_a_member_of_an_archive_may_claim_any_length(tmp_path: Path) -> None:
    """Keep the reader of the scan's archives to what is there."""
    from holdfast import formats

    stream = io.BytesIO()
    stream.write(b"PK\x03\x04" + struct.pack("<5H3I2H", 20, 0, 0, 0, 0, 0, 1 << 31, 1 << 31, 1, 0))
    (tmp_path / "a.zip").write_bytes(stream.getvalue() + b"a")

    assert formats.scan(tmp_path / "a.zip").unknown
