"""A collector of a bucket that works between two requests of a writer, at every one that matters.

What is acknowledged then has all its bytes; what is refused has written no entry.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Tally
from tests.faults.meeting import before
from tests.registry.conftest import Clock
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError, DamagedError
from holdfast.signing import bundle, create, load
from holdfast.store import bucket_collector, layout
from holdfast.store.objects.object_store import ObjectStore

DAY_S = 86_400.0
LOST = {"weights": [1, 2]}


@dataclass
class Bucket:
    """A bucket with a version that was purged; its bytes are on a collector's list, due now.

    Attributes:
        folder: With `model.pkl` of the same bytes, losses, bundles and a store to copy from.
        lost: SHA-256 of those bytes.
    """

    location: str
    server: Endpoint
    store: ObjectStore
    folder: Path
    lost: str = ""

    def open(self, by: str = "ann") -> Registry:
        """Open it as another process would."""
        return holdfast.open(
            self.location,
            by=by,
            signing_key=self.folder / "ann.key",
            options=self.server.options,
            cache=self.folder / "cache",
            clock=Clock(),
        )

    def collect(self) -> None:
        """Work off all lists that are due."""
        self.open("collector").gc(grace_s=DAY_S)

    def holds(self, sha256: str) -> bool:
        """Tell whether a blob is there."""
        return self.store.size(layout.blob(sha256)) is not None


class Later:
    """A collector's clock, set on by hand: the store's own cannot be."""

    ahead_s = 0.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Return a clock that collectors read in place of the store's."""
    clock = Later()
    honest = bucket_collector.Condemned._now
    monkeypatch.setattr(
        bucket_collector.Condemned, "_now", lambda lists: honest(lists) + clock.ahead_s
    )
    return clock


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what writers bring: files, a key, bundles, a store to copy from."""
    folder = tmp_path_factory.mktemp("sources")
    create("ann", folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(LOST))
    (folder / "other.txt").write_text("kept")
    (folder / "rows.csv").write_text("1.0\n2.0\n")
    (folder / "old").mkdir()
    (folder / "old" / "model.pkl").write_bytes(pickle.dumps(LOST))
    registry = holdfast.open(folder / "store", by="bob", clock=Clock())
    registry.register("rose", folder / "model.pkl")
    registry.export("rose", folder / "model.tar")
    registry.register("lily", folder / "other.txt")
    registry.export("lily", folder / "other.tar")
    registry.export("rose@1.0.0", folder / "version.tar")
    return folder


@pytest.fixture
def bucket(stand_in_for_google: Endpoint, sources: Path, later: Later) -> Bucket:
    """Return a bucket whose collector is due to remove what `model.pkl` holds."""
    server = stand_in_for_google
    name = server.make_bucket()
    made = Bucket(f"gs://{name}/team/models", server, server.store(name, sources), sources)
    registry = made.open()
    registry.register("iris", sources / "other.txt")
    lost = registry.register("iris", sources / "model.pkl")
    made.lost = registry.manifest(lost).artifacts["model"].digest
    registry.purge("iris", versions=["1.1.0"], grace_s=DAY_S)
    later.ahead_s = DAY_S
    return made


Deed = Callable[[Registry, Path], object]
DEEDS: dict[str, Deed] = {
    "register": lambda one, folder: one.register("rose", folder / "model.pkl"),
    "adopt": lambda one, folder: one.adopt("rose", folder / "old"),
    "import a model": lambda one, folder: one.import_(folder / "model.tar"),
    "import a version": lambda one, folder: one.import_(folder / "version.tar"),
    "copy": lambda one, folder: holdfast.open(folder / "store").copy(one, "rose"),
}
MEETINGS = {
    "before it looks at the lists": ("list", "gc"),
    "before its rescue": ("put", "/rescued/"),
}
FURTHER = {
    "before it reads a list": ("get", "gc/"),
    "before it asks whether the list is closed": ("head", "closed.json"),
    "before its entry": ("create", "models/rose/journal/"),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    "meeting", [*MEETINGS, *(pytest.param(name, marks=pytest.mark.long) for name in FURTHER)]
)
def test_what_is_acknowledged_has_its_bytes_whenever_the_collector_comes(
    bucket: Bucket, meeting: str, deed: str, tally: Tally
) -> None:
    writer = bucket.open()
    matched_keys = before(writer, *(MEETINGS | FURTHER)[meeting], bucket.collect)

    DEEDS[deed](writer, bucket.folder)

    assert len(matched_keys) == 1
    assert bucket.holds(bucket.lost)
    assert bucket.open().load("rose@1.0.0").model == LOST
    assert bucket.open().verify().whole
    tally("meetings of a bucket's writer with a whole run of its collector, all good", 1)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("meeting", ["list gc/", "delete blobs/"])
def test_what_a_collector_is_removing_is_refused_or_stays(
    bucket: Bucket, deed: str, meeting: str, tally: Tally
) -> None:
    """The writer works between two requests of the collector."""
    collector = bucket.open("collector")
    refused: list[ConflictError] = []

    def write() -> None:
        try:
            DEEDS[deed](bucket.open(), bucket.folder)
        except ConflictError as error:
            refused.append(error)

    verb, part = meeting.split()
    matched_keys = before(collector, verb, part, write)
    collector.gc(grace_s=DAY_S)

    acknowledged = bucket.open().versions("rose") if not refused else []
    assert len(matched_keys) == 1
    assert bucket.holds(bucket.lost) or not acknowledged
    assert bucket.open().verify().whole
    tally("meetings of a bucket's collector with a whole writer, all good", 1)


LATER_DEEDS: dict[str, Deed] = {
    "evaluate": lambda one, folder: one.evaluate(
        "iris@1.0.0",
        losses={"log_loss": folder / "rows.csv"},
        evaluation_set=folder / "rows.csv",
    ),
    "sign": lambda one, _folder: one.sign("iris@1.0.0"),
    "attach": lambda one, folder: one.sign(
        "iris@1.0.0", attach=folder / "model.sig", by=folder / "ann.pub"
    ),
}


@pytest.mark.parametrize("deed", DEEDS | LATER_DEEDS)
def test_whatever_is_gone_when_its_entry_is_written_is_stored_again(
    bucket: Bucket, deed: str
) -> None:
    """More than a collector does: manifests, losses and signatures go as well."""
    writer = bucket.open()
    if deed == "attach":
        _sign_elsewhere(bucket)
    known = set(bucket.store.list(layout.BLOBS)) - {bucket.lost}

    def remove() -> None:
        for digest in set(bucket.store.list(layout.BLOBS)) - known:
            bucket.store.delete(layout.blob(digest))

    model = "rose" if deed in DEEDS else "iris"
    matched_keys = before(writer, "create", f"models/{model}/journal/", remove)
    (DEEDS | LATER_DEEDS)[deed](writer, bucket.folder)

    assert len(matched_keys) == 1
    assert set(bucket.store.list(layout.BLOBS)) - known
    assert bucket.open().verify().whole


def _sign_elsewhere(bucket: Bucket) -> None:
    """Leave `model.sig` over a version of the bucket beside the sources."""
    registry = bucket.open()
    manifest = registry.manifest("iris@1.0.0")
    digest = registry.resolve("iris@1.0.0").digest.removeprefix("sha256:")
    key = load(bucket.folder / "ann.key")
    (bucket.folder / "model.sig").write_bytes(bundle.sign(key, manifest, digest))


def test_what_cannot_be_stored_again_is_not_acknowledged(bucket: Bucket, tmp_path: Path) -> None:
    """The bundle went as well, while its last entry was being written."""
    path = tmp_path / "model.tar"
    path.write_bytes((bucket.folder / "model.tar").read_bytes())
    digest = bucket.lost
    writer = bucket.open()

    def lose() -> None:
        bucket.store.delete(layout.blob(digest))
        path.write_bytes((bucket.folder / "other.tar").read_bytes())

    before(writer, "create", "models/rose/journal/", lose)

    with pytest.raises(DamagedError, match=rf"{digest} was collected while"):
        writer.import_(path)


def test_a_list_made_after_another_was_worked_off_is_not_taken_for_it(
    bucket: Bucket, later: Later, tmp_path: Path
) -> None:
    """A writer that runs for long has read the first list, and names a blob of the second."""
    (tmp_path / "next.txt").write_text("next")
    writer = bucket.open()
    DEEDS["register"](writer, bucket.folder)
    writer.register("iris", tmp_path / "next.txt")
    writer.purge("iris", versions=["1.2.0"], grace_s=DAY_S)  # works the first off, makes a second
    made = writer.register("lily", tmp_path / "next.txt")
    bucket.store.delete("models/lily/journal/0000000001.json")  # so that the rescue alone keeps it
    bucket.store.delete("models/lily/active_version.json")
    bucket.store.delete("known/lily.json")
    digest = writer.manifest(made).artifacts["model"].digest
    later.ahead_s = 3 * DAY_S
    bucket.collect()

    assert bucket.holds(digest)


def test_of_two_collectors_that_find_a_stopped_one_s_list_one_takes_it_over(
    bucket: Bucket, later: Later
) -> None:
    number = _only_list(bucket)
    bucket.store.create(f"gc/{number}/closed.json", b"{}\n")
    later.ahead_s = DAY_S + 3_600
    second = bucket.open("second")
    freed = []
    matched_keys = before(
        second, "put", "closed.json", lambda: freed.append(bucket.open("first").gc(grace_s=DAY_S))
    )

    assert second.gc(grace_s=DAY_S).freed_blobs == 0
    assert len(matched_keys) == 1
    assert [report.freed_blobs for report in freed] == [1]


def test_a_collector_that_is_refused_leaves_its_list_open(bucket: Bucket) -> None:
    key = "models/iris/journal/0000000001.json"
    raw = bucket.store.read(key) or b""
    collector = bucket.open("collector")
    matched_keys = before(collector, "create", "closed.json", lambda: bucket.store.delete(key))
    with pytest.raises(DamagedError, match="missing"):
        collector.gc(grace_s=DAY_S)
    bucket.store.create(key, raw)
    DEEDS["register"](bucket.open(), bucket.folder)

    assert len(matched_keys) == 1
    assert bucket.open().verify().whole


def test_marks_that_stopped_collectors_left_are_swept(bucket: Bucket) -> None:
    bucket.store.create("gc/0000000001/closed.json", b"{}\n")
    bucket.store.create(f"gc/0000000001/rescued/{bucket.lost}", b"")

    swept = bucket.open("collector").gc(grace_s=DAY_S)

    assert swept.leftovers == 2
    assert sorted(bucket.store.list("gc")) == ["now"]


def _only_list(bucket: Bucket) -> str:
    """Return the number of the one list there is, as its folder is called."""
    [name] = [name for name in bucket.store.list("gc") if name.endswith(".json")]
    return name.removesuffix(".json")
