"""What every store keeps, whatever is below it: inherit `StoreContract` and give it a `store`."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import InvalidInputError
from holdfast.store import AbsentError, BlobStore, Ingested, TakenError

KEY = "models/iris/journal/0000000001.json"
PREFIX = "models/iris/journal"
BLOBS = "blobs/sha256"
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
_RIVALS = 8
_PATIENCE_S = 60


def read(store: BlobStore, key: str) -> bytes:
    """Return an object's bytes."""
    with store.open(key) as file:
        return file.read()


def race(rivals: list[Callable[[], object]]) -> list[object]:
    """Let rivals act at once, each in its own thread; return what they returned or raised."""
    start = threading.Barrier(len(rivals))
    outcomes: list[object] = [None] * len(rivals)

    def run(index: int) -> None:
        start.wait(_PATIENCE_S)
        try:
            outcomes[index] = rivals[index]()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(rivals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    return outcomes


class StoreContract:
    """The tests; a subclass has a fixture `store` with an empty store."""

    def test_what_is_set_aside_is_kept_and_its_name_is_free(self, store: BlobStore) -> None:
        store.create(KEY, b"damaged")

        store.quarantine(KEY)

        assert store.size(KEY) is None
        assert [item.size_bytes for item in store.items("trash/damaged")] == [7]
        with pytest.raises(AbsentError):
            store.quarantine(KEY)
        store.create(KEY, b"whole")
        assert read(store, KEY) == b"whole"

    def test_a_created_object_reads_back(self, store: BlobStore) -> None:
        store.create(KEY, b"one")

        assert read(store, KEY) == b"one"

    @pytest.mark.parametrize("data", [b"", b"\x00", bytes(range(256)) * 20_000])
    def test_any_bytes_can_be_stored(self, store: BlobStore, data: bytes) -> None:
        store.create(KEY, data)

        assert read(store, KEY) == data

    def test_a_taken_name_refuses_and_keeps_its_bytes(self, store: BlobStore) -> None:
        store.create(KEY, b"one")

        with pytest.raises(TakenError):
            store.create(KEY, b"two")

        assert read(store, KEY) == b"one"

    def test_a_taken_name_refuses_even_the_same_bytes(self, store: BlobStore) -> None:
        store.create(KEY, b"one")

        with pytest.raises(TakenError):
            store.create(KEY, b"one")

    def test_of_rivals_one_wins_and_its_bytes_stay(self, store: BlobStore) -> None:
        def rival(number: int) -> Callable[[], object]:
            def create() -> int:
                store.create(KEY, b"rival %d" % number)
                return number

            return create

        outcomes = race([rival(number) for number in range(_RIVALS)])
        winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, TakenError)]

        assert (len(winners), len(losers)) == (1, _RIVALS - 1)
        assert read(store, KEY) == b"rival %d" % winners[0]

    def test_an_absent_object_cannot_be_opened(self, store: BlobStore) -> None:
        with pytest.raises(AbsentError):
            store.open(KEY)

    def test_nothing_lies_below_an_object(self, store: BlobStore) -> None:
        store.create("models/iris", b"one")

        with pytest.raises(AbsentError):
            store.open("models/iris/journal")
        assert list(store.list("models/iris")) == []

    def test_replacing_writes_a_new_object(self, store: BlobStore) -> None:
        store.replace(KEY, b"one")

        assert read(store, KEY) == b"one"

    def test_replacing_writes_over_an_old_object(self, store: BlobStore) -> None:
        store.create(KEY, b"one")
        store.replace(KEY, b"two")

        assert read(store, KEY) == b"two"

    def test_a_replaced_name_is_still_taken(self, store: BlobStore) -> None:
        store.replace(KEY, b"one")

        with pytest.raises(TakenError):
            store.create(KEY, b"two")

    def test_readers_see_the_old_or_the_new_object_whole(self, store: BlobStore) -> None:
        texts = (b"old " * 20_000, b"new " * 25_000)
        store.replace(KEY, texts[0])

        def write() -> None:
            for turn in range(50):
                store.replace(KEY, texts[turn % 2])

        def look() -> set[bytes]:
            return {read(store, KEY) for _ in range(200)}

        _written, *seen = race([write, look, look])

        assert all(
            isinstance(read_texts, set) and read_texts <= set(texts) for read_texts in seen
        ), seen

    def test_names_directly_below_a_prefix_are_listed(self, store: BlobStore) -> None:
        for key in (f"{PREFIX}/b", f"{PREFIX}/a", f"{PREFIX}/deeper/c", "models/iris/d"):
            store.create(key, b"")

        assert sorted(store.list(PREFIX)) == ["a", "b", "deeper"]

    def test_names_after_a_name_are_listed(self, store: BlobStore) -> None:
        for name in ("a", "b", "b-c", "b/deeper", "b~", "c/d/e", "c/f", "ä", "Z"):
            store.create(f"{PREFIX}~/{name.replace('b/', 'bb/')}", b"")

        after = {name: sorted(store.list(f"{PREFIX}~", name)) for name in ("", "a", "b", "c", "ä")}

        assert after == {
            "": ["Z", "a", "b", "b-c", "bb", "b~", "c", "ä"],
            "a": ["b", "b-c", "bb", "b~", "c", "ä"],
            "b": ["b-c", "bb", "b~", "c", "ä"],
            "c": ["ä"],
            "ä": [],
        }

    def test_entries_after_a_number_are_listed(self, store: BlobStore) -> None:
        for number in range(1, 6):
            store.create(f"{PREFIX}/{number:010d}.json", b"")

        assert sorted(store.list(PREFIX, "0000000003.json")) == [
            "0000000004.json",
            "0000000005.json",
        ]
        assert list(store.list(PREFIX, "0000000005.json")) == []

    def test_objects_directly_below_a_prefix_have_size_and_time(self, store: BlobStore) -> None:
        for key, data in ((f"{PREFIX}/a", b"1"), (f"{PREFIX}/b", b"22"), (f"{PREFIX}/c/d", b"")):
            store.create(key, data)

        items_by_name = {item.name: item for item in store.items(PREFIX)}

        assert {name: item.size_bytes for name, item in items_by_name.items()} == {"a": 1, "b": 2}
        assert abs(items_by_name["a"].modified - time.time()) < _PATIENCE_S

    def test_a_prefix_of_nothing_has_no_objects(self, store: BlobStore) -> None:
        assert list(store.items(PREFIX)) == []

    def test_an_object_has_a_length(self, store: BlobStore) -> None:
        store.create(KEY, b"four")

        assert (store.size(KEY), store.size(f"{KEY}~")) == (4, None)

    def test_a_prefix_of_nothing_lists_nothing(self, store: BlobStore) -> None:
        assert list(store.list(PREFIX)) == []

    def test_a_deleted_object_is_absent(self, store: BlobStore) -> None:
        store.create(KEY, b"one")
        store.delete(KEY)

        with pytest.raises(AbsentError):
            store.open(KEY)
        assert list(store.list(PREFIX)) == []

    def test_deleting_what_is_absent_is_no_error(self, store: BlobStore) -> None:
        store.delete(KEY)

        assert list(store.list(PREFIX)) == []

    def test_names_of_many_bytes_are_kept_apart(self, store: BlobStore) -> None:
        keys = [f"models/{'%c3%a4' * 13}/{'x' * 80}~{number}/a.json" for number in range(2)]
        for key in keys:
            store.create(key, key.encode())

        assert [read(store, key) for key in keys] == [key.encode() for key in keys]

    def test_a_file_is_named_by_its_digest(self, store: BlobStore, source: Path) -> None:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()

        ingested = store.ingest(source, BLOBS, None)

        assert ingested == Ingested(digest, source.stat().st_size, created=True)
        assert read(store, f"{BLOBS}/{digest}") == source.read_bytes()
        assert list(store.list(BLOBS)) == [digest]

    def test_the_same_file_is_stored_once(self, store: BlobStore, source: Path) -> None:
        first = store.ingest(source, BLOBS, None)
        again = store.ingest(source, BLOBS, None)

        assert (again.sha256, again.created) == (first.sha256, False)
        assert list(store.list(BLOBS)) == [first.sha256]

    def test_an_expected_file_is_found(self, store: BlobStore, source: Path) -> None:
        first = store.ingest(source, BLOBS, None)
        again = store.ingest(source, BLOBS, first.sha256)

        assert again == Ingested(first.sha256, first.size_bytes, created=False)

    def test_an_expected_file_is_stored_if_it_is_not_there(
        self, store: BlobStore, source: Path
    ) -> None:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()

        ingested = store.ingest(source, BLOBS, digest)

        assert ingested == Ingested(digest, source.stat().st_size, created=True)

    def test_a_wrong_expectation_does_not_name_the_file(
        self, store: BlobStore, source: Path
    ) -> None:
        ingested = store.ingest(source, BLOBS, "0" * 64)

        assert ingested.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
        assert list(store.list(BLOBS)) == [ingested.sha256]

    def test_of_rivals_with_one_file_one_makes_the_object(
        self, store: BlobStore, source: Path
    ) -> None:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()

        outcomes = race([lambda: store.ingest(source, BLOBS, None)] * _RIVALS)
        made = [item.created for item in outcomes if isinstance(item, Ingested)]

        assert sorted(made) == [False] * (_RIVALS - 1) + [True], outcomes
        assert read(store, f"{BLOBS}/{digest}") == source.read_bytes()

    def test_an_empty_file_is_stored(self, store: BlobStore, source: Path) -> None:
        source.write_bytes(b"")

        ingested = store.ingest(source, BLOBS, None)

        assert ingested == Ingested(hashlib.sha256().hexdigest(), 0, created=True)

    @pytest.mark.parametrize("expected", [None, "0" * 64])
    def test_a_missing_file_is_the_callers_mistake(
        self, store: BlobStore, source: Path, expected: str | None
    ) -> None:
        source.unlink()

        with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
            store.ingest(source, BLOBS, expected)
        assert list(store.list(BLOBS)) == []

    def test_a_folder_is_no_file_to_take_in(self, store: BlobStore, source: Path) -> None:
        with pytest.raises(InvalidInputError, match="cannot be read"):
            store.ingest(source.parent, BLOBS, None)
