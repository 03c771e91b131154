"""A look at all models: where each journal ends, whatever the pages of the listing."""

from itertools import islice
from pathlib import Path

import pytest
from tests.store.chain import chain

from holdfast.store import bucket_glance, layout, projections
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.client import Bucket, Kind
from holdfast.store.objects.object_store import ObjectStore
from holdfast.store.projections import Pointer

CHAIN = list(islice(chain(), 9))


def bucket(folder: Path, kind: Kind) -> ObjectStore:
    """Return a bucket in memory with journals of 9, 5 and 1 entries, and one that was cut."""
    from obstore.store import MemoryStore

    memory = MemoryStore()
    store = ObjectStore(Bucket(kind, "s3://memory/x", "", memory, memory), Cache(folder, 1))
    for name, count, seen in (("a", 9, 7), ("b-1", 5, 5), ("b", 1, 1), ("cut", 3, 6), ("z", 2, 0)):
        prefix = f"{layout.MODELS}/{name}"
        for seq, written in enumerate(CHAIN[:count], start=1):
            store.create(layout.numbered(layout.journal(prefix), seq), written.raw)
        if seen:
            pointer = Pointer(None, None, seen, CHAIN[seen - 1].state.head)
            store.create(layout.pointer_below(prefix), projections.encode(pointer))
        store.create(f"{prefix}/servers/one.json", b"{}")
    return store


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("kind", ["s3", "az"])
def test_each_journal_ends_where_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, page: int
) -> None:
    store = bucket(tmp_path, kind)
    monkeypatch.setattr(bucket_glance, "_PAGE", page)

    found = bucket_glance.glance(store, ["a", "b", "b-1", "cut", "z", "none"])

    assert {name: (one.pointer.seq, one.end.last) for name, one in found.items()} == {
        "a": (7, 9),
        "b": (1, 1),
        "b-1": (5, 5),
    }
    assert found["a"].end.tag


def test_a_journal_with_a_gap_is_left_to_who_reads_it(tmp_path: Path) -> None:
    store = bucket(tmp_path, "s3")
    store.delete(layout.numbered(layout.journal(f"{layout.MODELS}/a"), 8))

    assert "a" not in bucket_glance.glance(store, ["a"])


def test_entries_before_the_one_that_was_seen_are_leapt_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bucket(tmp_path, "s3")
    monkeypatch.setattr(bucket_glance, "_PAGE", 2)

    seen = [(name, seq) for name, seq, _ in bucket_glance._entries(store, {"a": 9})]

    assert [seq for name, seq in seen if name == "a"] == [1, 9]
