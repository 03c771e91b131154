"""What a bucket is asked where nothing is kept here: how often, and how often one after another."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pytest
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import Tagged
from holdfast.core.state import State
from holdfast.errors import DamagedError
from holdfast.registry.session import Session
from holdfast.store import layout, packs
from holdfast.store.bucket import BucketLocation
from holdfast.store.objects.cache import LIMIT_BYTES, Cache
from holdfast.store.objects.client import Bucket, Client
from holdfast.store.objects.object_store import ObjectStore

JOURNAL = "models/iris/journal"
POINTER = "models/iris/active_version.json"
HELD_S = 0.4
"""For so long each request is held, that those at the same time are seen to be."""


@dataclass
class Traffic:
    """The requests that pass, each with the number of those that had to end before it."""

    held_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    rounds: int = 0
    _over: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, verb: str, key: str) -> int:
        with self._lock:
            self.asked.append((verb, key))
            return self._over + 1

    def end(self, turn: int) -> None:
        with self._lock:
            self._over = max(self._over, turn)
            self.rounds = max(self.rounds, turn)

    def of(self, call: Callable[[], object]) -> "Traffic":
        """Make a call, and return what it asked for."""
        self.asked, self.rounds, self._over = [], 0, 0
        call()
        return self


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Watch the requests of all stores of this process."""
    seen, ask = Traffic(), Client._ask

    def watched(wire: Client, verb: str, key: str, request: Callable[[], object]) -> object:
        turn = seen.begin(verb, key)
        try:
            time.sleep(seen.held_s)
            return ask(wire, verb, key, request)
        finally:
            seen.end(turn)

    monkeypatch.setattr(Client, "_ask", watched)
    return seen


class Far:
    """A bucket in memory, opened as if by machines that never saw it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from obstore.store import MemoryStore

        self.memory = MemoryStore()
        self._folder = folder
        self._home = monkeypatch
        self._count = 0

    def open(self) -> Registry:
        self._count += 1
        home = self._folder / f"home-{self._count}"
        home.mkdir()
        self._home.setenv("HOME", str(home))
        bucket = Bucket("s3", "s3://memory/x", "", self.memory, self.memory)
        store = ObjectStore(bucket, Cache(home / "cache", LIMIT_BYTES))
        site = BucketLocation(store)
        return Registry(Session(site, "ann", lambda: datetime.now(UTC), lambda: uuid4().hex))

    @cached_property
    def store(self) -> ObjectStore:
        store = self.open()._session.site._store  # type: ignore[attr-defined]
        assert isinstance(store, ObjectStore)
        return store

    def model(self, name: str = "iris") -> None:
        """Register and promote two versions."""
        registry = self.open()
        for words in ("one", "two"):
            path = self._folder / f"{name}-{words}.txt"
            path.write_text(f"{name} {words}")
            registry.promote(registry.register(name, path))

    def lengthen(self, to: int) -> None:
        """Append entries that other programs wrote, up to number *to*."""
        state = self.open()._session.state("iris")
        seq, head, at = state.seq, state.head, state.at
        while seq < to:
            seq += 1
            raw, entry = self.entry(seq, head, at)
            self.store.wire.put(f"{JOURNAL}/{layout.name_of(seq)}", raw)
            head, at = entries.digest(raw), entry.at

    @staticmethod
    def entry(seq: int, head: str | None, at: str | None) -> tuple[bytes, entries.Entry]:
        now = datetime.now(UTC)
        event = Tagged(version="1.1.0", tags={"turn": str(seq)})
        stamp = Stamp(now, "bob", uuid4().hex)
        return entries.write("iris", seq, head, entries.next_time(now, at), stamp, event)

    def pack_all(self) -> None:
        """Have a writer come along who has read nothing before."""
        self.open().note("iris@1.1.0", f"packed by {self._count}")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    return Far(tmp_path, monkeypatch)


@pytest.mark.parametrize("length", [6, 100, 1100, 10_000])
def test_looks_take_four_round_trips_whatever_the_length(
    far: Far, traffic: Traffic, length: int
) -> None:
    far.model()
    far.lengthen(length - 2)
    far.pack_all()
    far.pack_all()  # for the first found a pointer that told of four entries
    traffic.held_s = HELD_S

    look = traffic.of(lambda: far.open().resolve("iris@production"))
    assert look.rounds <= 4
    assert len(look.asked) <= 3 + length // packs.LARGE + packs.SMALL + 1
    assert traffic.of(lambda: far.open().status("iris")).rounds <= 4


def test_what_is_read_in_packs_is_what_the_journal_says(packed: Far) -> None:
    seen = state(packed)

    for pack in list(packed.store.list("models/iris/packs")):
        packed.store.delete(f"models/iris/packs/{pack}")
    packed.store.delete(POINTER)
    assert state(packed) == seen


@pytest.fixture
def packed(far: Far) -> Far:
    """Return a journal of 70 entries with two packs, whose pointer holds the rest."""
    far.model()
    far.lengthen(68)
    far.pack_all()
    far.pack_all()
    return far


PACK = "models/iris/packs/0000000001-0000000032.jsonl"


def state(far: Far) -> State:
    return far.open()._session.state("iris")


def test_packs_hold_whole_runs_and_the_pointer_what_follows(packed: Far) -> None:
    assert sorted(packed.store.list("models/iris/packs")) == [
        "0000000001-0000000032.jsonl",
        "0000000033-0000000064.jsonl",
    ]
    assert packed.store.read(PACK) == b"".join(
        packed.store.read(f"{JOURNAL}/{layout.name_of(seq)}") or b"" for seq in range(1, 33)
    )


def test_a_writer_packs_as_it_goes(far: Far) -> None:
    far.model()
    registry = far.open()
    for turn in range(60):
        registry.tag("iris@1.1.0", {"turn": str(turn)})

    assert sorted(far.store.list("models/iris/packs")) == [
        "0000000001-0000000032.jsonl",
        "0000000033-0000000064.jsonl",
    ]
    assert far.open().verify().whole


def forged(far: Far) -> bytes:
    """Return a pack that is a chain from the first entry on, and of a history that never was."""
    real = (far.store.read(PACK) or b"").splitlines(keepends=True)
    lines, head, at = [real[0]], entries.digest(real[0]), None
    for seq in range(2, 33):
        raw, entry = far.entry(seq, head, at)
        lines.append(raw)
        head, at = entries.digest(raw), entry.at
    return b"".join(lines)


HOSTILE: dict[str, Callable[[Far, bytes], bytes]] = {
    "of a history that never was": lambda far, _raw: forged(far),
    "a byte changed": lambda _far, raw: raw.replace(b'"bob"', b'"eve"', 1),
    "cut short": lambda _far, raw: raw[:-100],
    "an entry less": lambda _far, raw: b"".join(raw.splitlines(keepends=True)[:-1]),
    "an entry twice": lambda _far, raw: b"".join(raw.splitlines(keepends=True)[:-1] * 2),
    "two entries in each other's place": lambda _far, raw: b"".join(
        sorted(raw.splitlines(keepends=True))
    ),
    "empty": lambda _far, _raw: b"",
    "of the entries behind": lambda far, _raw: (
        far.store.read("models/iris/packs/0000000033-0000000064.jsonl") or b""
    ),
    "of another model": lambda _far, raw: raw.replace(b'"model":"iris"', b'"model":"lily"'),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_pack_that_is_not_the_journal_changes_nothing(packed: Far, attack: str) -> None:
    before = state(packed)
    packed.store.replace(PACK, HOSTILE[attack](packed, packed.store.read(PACK) or b""))

    assert state(packed) == before
    assert [one.subject for one in packed.open().verify().damages] == [PACK]
    assert packed.open().repair().whole
    assert packed.open().verify().whole
    assert (packed.store.read(PACK) or b"").count(b"\n") == packs.SMALL


def test_a_missing_pack_is_written_by_the_next_writer(packed: Far) -> None:
    before = packed.store.read(PACK)
    packed.store.delete(PACK)
    assert packed.open().verify().whole
    packed.pack_all()

    assert packed.store.read(PACK) == before


def test_a_pack_of_entries_that_never_were_is_told(packed: Far) -> None:
    key = "models/iris/packs/0000000097-0000000128.jsonl"
    packed.store.create(key, packed.store.read(PACK) or b"")

    assert state(packed).seq == 70
    assert [one.subject for one in packed.open().verify().damages] == [key]


def rewritten(far: Far, change: Callable[[dict[str, object]], None]) -> None:
    """Write the pointer anew with other fields, its checksum right, as any writer could."""
    import msgspec

    from holdfast.store import projections

    pointer = projections.decode(far.store.read(POINTER) or b"")
    fields = msgspec.to_builtins(pointer)
    change(fields)
    far.store.replace(POINTER, projections.encode(msgspec.convert(fields, projections.Pointer)))


def test_what_the_pointer_holds_of_a_history_that_never_was_is_not_believed(packed: Far) -> None:
    before = state(packed)
    head, at, lines = before.head, before.at, []
    for seq in range(60, 71):
        raw, entry = packed.entry(seq, head, at)
        head, at = entries.digest(raw), entry.at
        lines.append(raw.decode())
    rewritten(packed, lambda fields: fields.update(entries=lines))
    assert state(packed) == before

    rewritten(packed, lambda fields: fields.update(entries=lines, head=head))
    with pytest.raises(DamagedError, match="is another entry than"):
        state(packed)


@pytest.mark.parametrize("seq", [1, 33, 69])
def test_a_pointer_that_lags_behind_costs_time_only(packed: Far, seq: int) -> None:
    before = state(packed)
    raw = packed.store.read(f"{JOURNAL}/{layout.name_of(seq)}") or b""
    rewritten(packed, lambda fields: fields.update(seq=seq, head=entries.digest(raw), entries=[]))

    assert state(packed) == before


def test_manifests_that_a_pointer_invents_change_nothing(packed: Far) -> None:
    before = packed.open().status("iris")
    rewritten(packed, lambda fields: fields.update(manifests=["0" * 64, "../x", before.model]))

    after = packed.open().status("iris")
    assert (after.live, after.before and after.before.version) == (
        before.live,
        before.before and before.before.version,
    )


def test_a_cut_end_shows_though_packs_and_pointer_know_it(packed: Far) -> None:
    packed.store.delete(f"{JOURNAL}/{layout.name_of(70)}")

    with pytest.raises(DamagedError, match="entry 70 was seen"):
        state(packed)


def test_a_replaced_last_entry_shows(packed: Far) -> None:
    before = state(packed)
    sixty_nine = packed.store.read(f"{JOURNAL}/{layout.name_of(69)}") or b""
    raw, _ = packed.entry(70, entries.digest(sixty_nine), before.at)
    packed.store.replace(f"{JOURNAL}/{layout.name_of(70)}", raw)

    with pytest.raises(DamagedError, match="is another entry than"):
        state(packed)


def test_a_list_shows_damaged_and_lost_models_beside_the_others(far: Far) -> None:
    for name in ("iris", "lily", "rose", "tulip", "daffodil"):
        far.model(name)
    far.store.delete("models/lily/journal/0000000002.json")
    far.store.delete("models/lily/active_version.json")
    for key in list(far.memory.list("models/rose").collect()):
        far.memory.delete(key["path"])
    far.store.replace("models/tulip/journal/0000000001.json", b"words")
    far.store.delete("models/tulip/active_version.json")
    far.open().delete("daffodil", reason="over", force=True)

    shown = {one.model: one.damage for one in far.open().models()}
    assert shown.pop("iris") is None
    assert "missing from the journal" in str(shown.pop("lily"))
    assert "missing, although rose has had entries" in str(shown.pop("rose"))
    assert str(shown.pop("tulip"))
    assert not shown
    assert [one.model for one in far.open().overview()][-1] == "iris"
    with pytest.raises(DamagedError):
        far.open().heads()


def test_a_list_read_again_sees_what_came_meanwhile(far: Far) -> None:
    far.model()
    far.model("lily")
    reader = far.open()
    before = reader.heads()
    assert reader.heads() == before
    far.open().note("iris@1.0.0", "news")

    after = reader.heads()
    assert [one.seq for one in after] == [before[0].seq + 1, before[1].seq]


# The real wire


@pytest.fixture
def bought(
    moto: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Registry]:
    """Return a function that opens a bucket as a machine would that never saw it."""
    bucket, homes = moto.make_bucket(), iter(range(100))

    def opened() -> Registry:
        home = tmp_path / f"home-{next(homes)}"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        return holdfast.open(
            f"s3://{bucket}/team", by="ann", options=moto.options, cache=home / "cache"
        )

    return opened


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "model.txt"
    path.write_text("one")
    return path


def tried_out(registry: Registry) -> Registry:
    """Have a machine know that the endpoint keeps conditions, and nothing else."""
    place = registry._session.open_store
    with place.sharing():
        return registry


def test_a_cold_promotion_takes_eight_requests(
    bought: Callable[[], Registry], text: Path, traffic: Traffic
) -> None:
    first = bought()
    first.promote(first.register("iris", text))
    text.write_text("two")
    first.register("iris", text)
    registry = bought()
    tried_out(registry)
    opening = 1

    spent = traffic.of(lambda: registry.promote("iris@latest"))

    assert len(spent.asked) + opening <= 8
    assert first.resolve("iris@production").version == "1.1.0"


def test_a_warm_promotion_takes_four_requests(
    bought: Callable[[], Registry], text: Path, traffic: Traffic
) -> None:
    registry = bought()
    versions = [registry.register("iris", text)]
    for content in ("two", "three"):
        text.write_text(content)
        versions.append(registry.register("iris", text))
    for version in versions[:2]:
        registry.promote(version)

    spent = traffic.of(lambda: registry.promote(versions[2]))

    assert 1 < len(spent.asked) <= 4, spent.asked
    assert bought().resolve("iris@production").version == "1.2.0"


def test_a_list_takes_little_more_than_a_request_a_model(
    bought: Callable[[], Registry], text: Path, traffic: Traffic
) -> None:
    names = ["ants", "bees", "cats1", "dogs22", "eels333", "foxes4444", "goats55555", "hares666666"]
    first = bought()
    for name in names:
        first.register(name, text)
    reader, listed = bought(), []

    spent = traffic.of(lambda: listed.extend(reader.models()))

    # the store itself once more, models that are known, their folders, one pointer each, all names
    assert len(spent.asked) == len(names) + 4
    assert [one.model for one in listed] == names
