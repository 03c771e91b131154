"""Progress is told within a long file, by every verb that works through bytes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry.conftest import Clock
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError

LARGE = 10 << 20
Told = list[tuple[int, int]]
Tell = Callable[[int, int], None]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Write a file that takes a bucket more than one request."""
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(1 << 20) * (LARGE >> 20))
    return path


@pytest.fixture
def make(moto: Endpoint, tmp_path: Path) -> Callable[[str, str], Registry]:
    """Return a function that makes an empty registry in a folder or a bucket."""

    def of_kind(kind: str, name: str) -> Registry:
        if kind == "folder":
            return holdfast.open(tmp_path / name, by="bob", clock=Clock())
        cache = tmp_path / f"cache-{name}"
        address = f"s3://{moto.make_bucket()}/x"
        return holdfast.open(address, by="bob", options=moto.options, cache=cache, clock=Clock())

    return of_kind


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_each_verb_tells_how_far_it_is_within_a_file(
    make: Callable[[str, str], Registry], long: Path, tmp_path: Path, kind: str
) -> None:
    registry, told = make(kind, "one"), dict[str, Told]()

    def teller(verb: str) -> Tell:
        told[verb] = []
        return lambda done, total: told[verb].append((done, total))

    registry.register("big", long, progress=teller("register"))
    registry.verify(progress=teller("verify"))
    registry.export("big", tmp_path / "big.tar", progress=teller("export"))
    make(kind, "two").import_(tmp_path / "big.tar", progress=teller("import"))
    registry.copy(make(kind, "three"), progress=teller("copy"))
    registry.backup(make(kind, "four"), progress=teller("backup"))

    for verb, calls in told.items():
        within = {done for done, total in calls if 1 << 20 <= done < LARGE}
        assert len(within) >= 2, verb
        assert calls == sorted(calls), verb
        assert calls[-1][0] == calls[-1][1] >= LARGE, verb


def test_bytes_that_are_there_already_count_as_done(
    make: Callable[[str, str], Registry], long: Path
) -> None:
    registry, told = make("folder", "one"), Told()
    registry.register("big", long)
    registry.register(
        "twin", long, progress=lambda done, total: told.append((done, total)), bump="minor"
    )

    assert told[-1] == (LARGE, LARGE)


def test_a_file_that_is_still_being_written_is_refused(
    make: Callable[[str, str], Registry], long: Path
) -> None:
    registry = make("folder", "one")

    def write_on(_done: int, _total: int) -> None:
        with long.open("ab") as file:
            file.write(b"more")

    with pytest.raises(InvalidInputError, match="changed while it was read; repeat when"):
        registry.register("big", long, progress=write_on)
    assert registry.models() == []
