"""Bytes under their digest: stored once, checked whenever they are read, every damage named."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.contract import AS_ROOT

from holdfast.core.manifest import Artifact, File, Manifest, encode
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError
from holdfast.store.blobs import BlobDamage, Blobs
from holdfast.store.local import LocalStore

ABSENT = "0" * 64
CHUNK = 4 << 20


@pytest.fixture
def blobs(store: LocalStore) -> Blobs:
    return Blobs(store)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def held(blobs: Blobs, sha256: str) -> Path:
    """Return the file of a blob."""
    return blobs.fetch(File("a", sha256, 0))


def added(blobs: Blobs, source: Path) -> File:
    """Store a file and return how a manifest names it."""
    taken = blobs.add(source)
    return File(source.name, taken.sha256, taken.size_bytes)


def truncate(path: Path) -> str:
    os.truncate(path, 100)
    return "has 100 bytes instead of 90000"


def lengthen(path: Path) -> str:
    os.truncate(path, 90_001)
    return "has 90001 bytes instead of 90000"


def empty(path: Path) -> str:
    os.truncate(path, 0)
    return "has 0 bytes instead of 90000"


def flip(path: Path) -> str:
    data = bytearray(path.read_bytes())
    data[45_000] ^= 1
    path.write_bytes(data)
    return f"has changed: its bytes are sha256:{hashlib.sha256(data).hexdigest()}"


def remove(path: Path) -> str:
    path.unlink()
    return "missing"


def make_folder(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "cannot be read: is a folder, not a file"


Hurt = Callable[[Path], str]
DAMAGES = pytest.mark.parametrize("hurt", [truncate, lengthen, empty, flip, remove, make_folder])


def damaged(blobs: Blobs, source: Path, hurt: Hurt) -> tuple[File, str]:
    """Store a file, hurt the blob, and return the file and the words for what is wrong."""
    file = added(blobs, source)
    path = held(blobs, file.sha256)
    path.chmod(0o644)
    return file, hurt(path)


def test_a_file_is_stored_under_its_digest(blobs: Blobs, source: Path) -> None:
    file = added(blobs, source)

    assert (file.sha256, file.size_bytes) == (digest_of(source), 90_000)
    assert held(blobs, file.sha256).read_bytes() == source.read_bytes()
    assert held(blobs, file.sha256).name == file.sha256


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
def test_one_pass_gives_the_digest_of_any_length(blobs: Blobs, tmp_path: Path, size: int) -> None:
    path = tmp_path / "sized"
    path.write_bytes(os.urandom(size))

    taken = blobs.add(path)

    assert (taken.sha256, taken.size_bytes, taken.created) == (digest_of(path), size, True)
    assert blobs.check(taken.sha256, size) is None


def test_a_sparse_file_is_stored_whole(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 2 * CHUNK)

    assert blobs.add(path).sha256 == digest_of(path)


def test_a_link_is_followed(blobs: Blobs, source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)

    assert blobs.add(tmp_path / "link").sha256 == digest_of(source)
    assert not held(blobs, digest_of(source)).is_symlink()


def test_equal_files_are_stored_once(blobs: Blobs, source: Path, tmp_path: Path) -> None:
    shutil.copy(source, tmp_path / "copy")
    first, second = blobs.add(source), blobs.add(tmp_path / "copy")

    assert (first.created, second.created) == (True, False)
    assert first.sha256 == second.sha256


def test_the_source_stays_the_callers(blobs: Blobs, source: Path) -> None:
    file = added(blobs, source)
    source.write_bytes(b"retrained")

    assert blobs.check(file.sha256) is None
    assert os.stat(source).st_nlink == 1


def test_a_file_stored_already_is_not_written_again(
    blobs: Blobs, store: LocalStore, source: Path
) -> None:
    blobs.add(source)
    before = os.stat(held(blobs, digest_of(source)))
    taken = blobs.add(source, sizes=[90_000])

    assert not taken.created
    assert os.stat(held(blobs, digest_of(source))).st_ino == before.st_ino
    assert len(list(store.items("blobs/sha256"))) == 1


@pytest.mark.parametrize("sizes", [[], [1, 2], [90_000]])
def test_sizes_are_a_hint_and_nothing_more(blobs: Blobs, source: Path, sizes: list[int]) -> None:
    taken = blobs.add(source, sizes)

    assert (taken.sha256, taken.created) == (digest_of(source), True)


@pytest.mark.parametrize("sizes", [[], [90_000]])
def test_storing_again_makes_a_blob_young(blobs: Blobs, source: Path, sizes: list[int]) -> None:
    path = held(blobs, blobs.add(source).sha256)
    os.utime(path, (1_000, 1_000))
    blobs.add(source, sizes)

    assert path.stat().st_mtime > 1_000


@pytest.mark.parametrize("sizes", [[], [90_000]])
@pytest.mark.parametrize("hurt", [truncate, lengthen, empty, remove])
def test_registering_the_same_file_again_heals_a_blob_of_another_length(
    blobs: Blobs, source: Path, hurt: Hurt, sizes: list[int]
) -> None:
    file, _problem = damaged(blobs, source, hurt)
    healed = blobs.add(source, sizes)

    assert healed.created
    assert blobs.check(file.sha256, file.size_bytes) is None


@pytest.mark.parametrize("sizes", [[], [90_000]])
def test_a_missing_source_is_the_callers_mistake(
    blobs: Blobs, tmp_path: Path, sizes: list[int]
) -> None:
    with pytest.raises(InvalidInputError, match=r"none\.bin' cannot be read: No such file"):
        blobs.add(tmp_path / "none.bin", sizes)


def test_a_folder_is_no_source(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: Is a directory"):
        blobs.add(tmp_path)


@pytest.mark.skipif(AS_ROOT, reason="root may read every file")
def test_a_source_without_the_right_to_read_it_is_the_callers_mistake(
    blobs: Blobs, source: Path
) -> None:
    source.chmod(0)

    with pytest.raises(InvalidInputError, match="cannot be read: Permission denied"):
        blobs.add(source)


def test_bytes_are_stored_under_their_digest(blobs: Blobs) -> None:
    digest = blobs.add_bytes(b"manifest")

    assert digest == hashlib.sha256(b"manifest").hexdigest()
    assert blobs.read(digest) == b"manifest"


def test_the_same_bytes_may_be_stored_again(blobs: Blobs) -> None:
    assert blobs.add_bytes(b"manifest") == blobs.add_bytes(b"manifest")


@pytest.mark.parametrize("hurt", [truncate, lengthen, empty, flip])
def test_reading_refuses_changed_bytes(blobs: Blobs, source: Path, hurt: Hurt) -> None:
    file, _problem = damaged(blobs, source, hurt)

    with pytest.raises(DamagedError, match=rf"blob sha256:{file.sha256} has changed"):
        blobs.read(file.sha256)


def test_reading_names_a_missing_blob(blobs: Blobs) -> None:
    with pytest.raises(DamagedError, match=rf"blob sha256:{ABSENT} is missing; `holdfast repair"):
        blobs.read(ABSENT)


def test_reading_names_a_blob_that_cannot_be_opened(blobs: Blobs, source: Path) -> None:
    file, problem = damaged(blobs, source, make_folder)

    with pytest.raises(DamagedError, match=rf"blob sha256:{file.sha256} {problem}"):
        blobs.read(file.sha256)


def test_a_whole_blob_has_no_damage(blobs: Blobs, source: Path) -> None:
    file = added(blobs, source)

    assert blobs.check(file.sha256) is None
    assert blobs.check(file.sha256, file.size_bytes) is None


@DAMAGES
def test_a_check_says_what_is_wrong(blobs: Blobs, source: Path, hurt: Hurt) -> None:
    file, problem = damaged(blobs, source, hurt)

    assert blobs.check(file.sha256, file.size_bytes) == BlobDamage(file.sha256, problem)


def test_a_check_without_a_length_tells_the_digest_found(blobs: Blobs, source: Path) -> None:
    file, _problem = damaged(blobs, source, truncate)
    actual_digest = digest_of(held(blobs, file.sha256))

    assert blobs.check(file.sha256) == BlobDamage(
        file.sha256, f"has changed: its bytes are sha256:{actual_digest}"
    )


def test_a_check_of_many_answers_in_order(blobs: Blobs, tmp_path: Path) -> None:
    files = []
    for number in range(20):
        path = tmp_path / f"part-{number}"
        path.write_bytes(os.urandom(1_000 * (20 - number)))
        files.append(added(blobs, path))
    hurt = files[7]
    remove(held(blobs, hurt.sha256))

    answers = list(blobs.check_all(files))

    assert [file for file, _damage in answers] == files
    assert [damage for _file, damage in answers if damage] == [BlobDamage(hurt.sha256, "missing")]


def test_whole_blobs_are_let_pass(blobs: Blobs, source: Path) -> None:
    blobs.require([added(blobs, source)])

    assert list(blobs.check_all([])) == []


@DAMAGES
def test_requiring_names_the_file_and_the_damage(blobs: Blobs, source: Path, hurt: Hurt) -> None:
    file, problem = damaged(blobs, source, hurt)

    with pytest.raises(DamagedError) as caught:
        blobs.require([file])
    assert caught.value.subject == f"model.bin (blob sha256:{file.sha256})"
    assert caught.value.problem == BlobDamage(file.sha256, problem).predicate


def test_a_blob_is_copied_out(blobs: Blobs, source: Path, tmp_path: Path) -> None:
    blobs.copy_out(added(blobs, source), tmp_path / "out.bin")

    assert (tmp_path / "out.bin").read_bytes() == source.read_bytes()
    assert os.stat(tmp_path / "out.bin").st_nlink == 1


@pytest.mark.parametrize("hurt", [truncate, lengthen, empty, flip, remove, make_folder])
def test_damaged_bytes_are_not_copied_out(
    blobs: Blobs, source: Path, tmp_path: Path, hurt: Hurt
) -> None:
    file, _problem = damaged(blobs, source, hurt)

    with pytest.raises(DamagedError, match=rf"^model\.bin \(blob sha256:{file.sha256}\) [a-z]"):
        blobs.copy_out(file, tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()


def test_copying_out_writes_over_nothing(blobs: Blobs, source: Path, tmp_path: Path) -> None:
    file = added(blobs, source)
    (tmp_path / "mine").write_bytes(b"mine")

    with pytest.raises(InvalidInputError, match="cannot be written: File exists"):
        blobs.copy_out(file, tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_copying_out_needs_a_folder(blobs: Blobs, source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be written: No such file"):
        blobs.copy_out(added(blobs, source), tmp_path / "none" / "out.bin")


MANIFEST = Manifest(
    name="iris",
    version="1.0.0",
    number=1,
    registered_at="2026-03-03T14:00:00.000000Z",
    registered_by="ana",
    artifacts={"model": Artifact("model.bin", "file", (File("model.bin", "0" * 64, 1),))},
)


def test_a_manifest_is_read_back(blobs: Blobs) -> None:
    assert blobs.manifest(blobs.add_bytes(encode(MANIFEST))) == MANIFEST


def test_a_manifest_read_once_is_kept(blobs: Blobs) -> None:
    digest = blobs.add_bytes(encode(MANIFEST))
    first = blobs.manifest(digest)
    remove(held(blobs, digest))

    assert blobs.manifest(digest) is first


@pytest.mark.parametrize("content", [b"{}", b"", b"[]"])
def test_a_blob_that_is_no_manifest_is_damage(blobs: Blobs, content: bytes) -> None:
    with pytest.raises(DamagedError, match="is not a manifest"):
        blobs.manifest(blobs.add_bytes(content))


def test_a_newer_manifest_is_refused(blobs: Blobs) -> None:
    with pytest.raises(NewerFormatError):
        blobs.manifest(blobs.add_bytes(b'{"format": 2}'))
