"""What makes a folder a store."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.store.contract import AS_ROOT, race

from holdfast.errors import (
    DamagedError,
    NewerFormatError,
    NotAStoreError,
    StoreError,
)
from holdfast.store import config, layout
from holdfast.store.config import Config
from holdfast.store.probe import Probe

NOW = datetime(2026, 3, 3, 14, tzinfo=UTC)
ID = "ab" * 16


def make(root: Path, new_id: str = ID) -> Config:
    return config.make(root, lambda: new_id, NOW)


def write(root: Path, content: bytes) -> Path:
    root.mkdir(exist_ok=True)
    (root / layout.CONFIG).write_bytes(content)
    return root


def test_a_missing_folder_is_no_store_yet(tmp_path: Path) -> None:
    assert config.find(tmp_path / "none") is None


def test_an_empty_folder_is_no_store_yet(tmp_path: Path) -> None:
    assert config.find(tmp_path) is None


def test_a_folder_with_leftovers_alone_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / ".tmp-1-ab").touch()

    assert config.find(tmp_path) is None


def test_a_made_store_is_found_as_it_was_made(tmp_path: Path) -> None:
    made = make(tmp_path / "store")

    assert made == config.find(tmp_path / "store")
    assert (made.format, made.id, made.created_at) == (1, ID, "2026-03-03T14:00:00.000000Z")


def test_making_a_store_leaves_its_configuration_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "store")

    assert [path.name for path in (tmp_path / "deep" / "store").iterdir()] == ["holdfast.json"]


def test_people_can_read_the_configuration(tmp_path: Path) -> None:
    made = make(tmp_path)
    text = (tmp_path / layout.CONFIG).read_text()

    assert json.loads(text)["probe"] == {
        "links": made.probe.links,
        "case_sensitive": made.probe.case_sensitive,
        "locks": made.probe.locks,
    }
    assert text.startswith("{\n  ")


def test_a_store_that_exists_is_not_made_anew(tmp_path: Path) -> None:
    first = make(tmp_path, "1" * 32)
    second = make(tmp_path, "2" * 32)

    assert second == first == config.find(tmp_path)


def test_rivals_make_one_store(tmp_path: Path) -> None:
    def rival(number: int) -> Callable[[], object]:
        return lambda: make(tmp_path / "store", f"{number:032x}")

    threads = set(threading.enumerate())
    made = race([rival(number) for number in range(4)])

    assert made == [config.find(tmp_path / "store")] * 4
    assert set(threading.enumerate()) <= threads  # some of another test may end meanwhile


def test_a_store_is_opened_as_the_probe_found_it(tmp_path: Path) -> None:
    made = Config(1, ID, "", Probe(links=False, case_sensitive=True, locks=True))

    store = config.local(tmp_path, made)

    assert (store.root, store.links) == (tmp_path, False)


def test_a_folder_of_something_else_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(NotAStoreError, match=r"has files but no holdfast\.json"):
        config.find(tmp_path)


def test_a_file_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotAStoreError, match="is a file, not a folder"):
        config.find(tmp_path / "file")


def test_a_folder_that_cannot_be_read_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(StoreError, match="cannot be read: Too many levels"):
        config.find(tmp_path / "loop")


@pytest.mark.skipif(AS_ROOT, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o100)

    with pytest.raises(NotAStoreError, match="cannot be read: Permission denied; check its mode"):
        config.find(tmp_path / "private")


def test_a_configuration_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / layout.CONFIG).mkdir()

    with pytest.raises(DamagedError, match=r"holdfast\.json cannot be read: is a folder"):
        config.find(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"format": "1"}',
        b'{"format": 1}',
        b'{"format": 1, "id": "\xff", "created_at": "", "probe": {}}',
        b'{"format": 1, "id": "' + b"ab" * 16 + b'", "created_at": "", "probe": {"links": true}}',
        b'{"format": 1, "more": ' + b"[" * 100_000,
        bytes(500),
    ],
)
def test_a_broken_configuration_is_damage(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)

    with pytest.raises(DamagedError, match=r"holdfast\.json cannot be read"):
        config.find(tmp_path)


def test_a_configuration_cut_anywhere_is_damage(tmp_path: Path) -> None:
    make(tmp_path / "store")
    whole = (tmp_path / "store" / layout.CONFIG).read_bytes()

    for length in range(len(whole.rstrip())):
        with pytest.raises(DamagedError):
            config.find(write(tmp_path / "cut", whole[:length]))


def test_a_newer_store_is_refused_by_its_number_alone(tmp_path: Path) -> None:
    write(tmp_path, b'{"format": 2, "unheard": "of"}')

    with pytest.raises(
        NewerFormatError, match="needs store format 2, but this Holdfast reads up to 1"
    ):
        config.find(tmp_path)


def test_fields_of_a_later_release_are_passed_over(tmp_path: Path) -> None:
    made = make(tmp_path / "store")
    document = json.loads((tmp_path / "store" / layout.CONFIG).read_text())
    document.pop("sum")
    write(tmp_path / "later", json.dumps(document | {"later": 1}).encode())

    assert config.find(tmp_path / "later") == made


def test_a_store_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError):
        make(tmp_path / "file" / "store")
