"""The cache gives out nothing that was not checked, keeps to its bound, and shares its folder."""

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store.contract import AS_ROOT, race

from holdfast.errors import DamagedError, ReadOnlyStoreError, StoreError
from holdfast.store.objects.cache import Cache

LONG_AGO_S = 1_000_000_000
KILOBYTE = 1 << 10


class Source:
    """Bytes from afar, in pieces, counting how often they were asked for."""

    def __init__(self, data: bytes, served_data: bytes | None = None) -> None:
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size_bytes = len(data)
        self.asked = 0
        self._given = data if served_data is None else served_data

    def pieces(self) -> Iterator[bytes]:
        self.asked += 1
        half = len(self._given) // 2
        yield from (self._given[:half], self._given[half:])

    def through(self, cache: Cache) -> Path:
        """Ask a cache for them."""
        return cache.file(self.sha256, self.size_bytes, self.pieces)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Return a cache in a folder that does not exist yet, for ten kilobytes."""
    return Cache(tmp_path / "cache", limit_bytes=10 * KILOBYTE)


def unused(path: Path) -> Path:
    """Make a file look as if nobody had used it for years."""
    os.utime(path, (LONG_AGO_S, path.stat().st_mtime))
    return path


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "sha256").iterdir())


def test_a_file_comes_once_and_stays(cache: Cache, tmp_path: Path) -> None:
    source = Source(b"weights")
    paths = {source.through(cache) for _ in range(3)}

    assert paths == {tmp_path / "cache" / "sha256" / source.sha256}
    assert paths.pop().read_bytes() == b"weights"
    assert source.asked == 1


def test_another_process_finds_it_there(cache: Cache, tmp_path: Path) -> None:
    source = Source(b"weights")
    source.through(cache)
    source.through(Cache(tmp_path / "cache"))

    assert source.asked == 1


def test_an_empty_file_is_a_file(cache: Cache) -> None:
    assert Source(b"").through(cache).read_bytes() == b""


def test_nobody_may_write_to_what_is_given_out_or_look_into_the_folder(cache: Cache) -> None:
    path = Source(b"weights").through(cache)

    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("served_data", [b"", b"weight", b"weighty", b"weights and more"])
def test_other_bytes_are_not_given_out_and_leave_nothing(
    cache: Cache, tmp_path: Path, served_data: bytes
) -> None:
    with pytest.raises(DamagedError, match=r"has (changed|\d+ bytes instead of)"):
        Source(b"weights", served_data).through(cache)
    assert files(tmp_path) == []


def test_what_goes_wrong_on_the_way_leaves_nothing(cache: Cache, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"wei"
        raise StoreError("s3://bucket", "broke the connection")

    with pytest.raises(StoreError, match="broke the connection"):
        cache.file("0" * 64, 7, broken)
    assert files(tmp_path) == []


def flip(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"Weights")


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"weig")


def link_away(path: Path) -> None:
    path.unlink()
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_bytes(b"weights")
    path.symlink_to(elsewhere)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


@pytest.mark.parametrize("harm", [flip, cut, link_away, make_folder])
@pytest.mark.parametrize("opened", [1, 2], ids=["the same process", "another process"])
def test_a_file_that_is_not_what_it_was_is_replaced(
    tmp_path: Path, harm: Callable[[Path], None], opened: int
) -> None:
    caches = [Cache(tmp_path / "cache") for _ in range(opened)]
    source = Source(b"weights")
    harm(source.through(caches[0]))
    path = source.through(caches[-1])

    assert source.asked == 2
    assert (path.read_bytes(), path.is_symlink()) == (b"weights", False)


def test_the_least_used_goes_when_there_is_no_room(cache: Cache, tmp_path: Path) -> None:
    sources = [Source(bytes([number]) * 4 * KILOBYTE) for number in range(3)]
    for source in sources[:2]:
        unused(source.through(cache))
    os.utime(sources[0].through(cache), (LONG_AGO_S + 1, LONG_AGO_S))
    sources[2].through(cache)

    assert files(tmp_path) == sorted(source.sha256 for source in (sources[0], sources[2]))


def test_what_was_used_just_now_stays_beyond_the_bound(cache: Cache, tmp_path: Path) -> None:
    sources = [Source(bytes([number]) * 8 * KILOBYTE) for number in range(3)]
    for source in sources:
        source.through(cache)

    assert len(files(tmp_path)) == 3


def test_a_file_larger_than_the_bound_is_given_out(cache: Cache, tmp_path: Path) -> None:
    small = Source(b"small")
    unused(small.through(cache))
    large = Source(bytes(20 * KILOBYTE))

    assert large.through(cache).stat().st_size == 20 * KILOBYTE
    assert files(tmp_path) == [large.sha256]


def test_using_a_file_again_keeps_it(cache: Cache, tmp_path: Path) -> None:
    first = Source(b"1" * 4 * KILOBYTE)
    unused(first.through(cache))
    first.through(cache)
    Source(b"2" * 8 * KILOBYTE).through(cache)

    assert first.sha256 in files(tmp_path)


def test_what_a_crash_left_goes_after_a_day(cache: Cache, tmp_path: Path) -> None:
    Source(b"weights").through(cache)
    folder = tmp_path / "cache" / "sha256"
    for name in (".tmp-old", ".tmp-young"):
        (folder / name).write_bytes(b"wei")
    unused(folder / ".tmp-old")
    Source(b"others").through(cache)

    assert ".tmp-old" not in files(tmp_path)
    assert ".tmp-young" in files(tmp_path)


def test_rivals_for_one_file_all_get_it(tmp_path: Path) -> None:
    source = Source(b"weights" * KILOBYTE)

    def rival() -> bytes:
        return source.through(Cache(tmp_path / "cache")).read_bytes()

    contents = race([rival] * 8)

    assert contents == [b"weights" * KILOBYTE] * 8
    assert files(tmp_path) == [source.sha256]


PROCESS = """
import hashlib, sys
from pathlib import Path
from holdfast.store.objects.cache import Cache

cache = Cache(Path(sys.argv[1]), limit_bytes=64 << 10)
for turn in range(40):
    data = bytes([turn % 20]) * (16 << 10)
    digest = hashlib.sha256(data).hexdigest()
    path = cache.file(digest, len(data), lambda: iter([data]))
    assert path.read_bytes() == data
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, errors
    assert len(files(tmp_path)) == 20


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(ReadOnlyStoreError, match="cache"):
        Source(b"weights").through(Cache(tmp_path / "cache"))


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()

    with pytest.raises(StoreError, match="cache"):
        Source(b"weights").through(Cache(tmp_path / "cache"))
