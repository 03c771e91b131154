"""A registry in a bucket: the same verbs, the same history, at a known price in requests."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.conftest import Tally
from tests.registry.conftest import Clock
from tests.servers.lossy import Lossy, without_condition
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import (
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    NotAStoreError,
    StoreError,
    UnfitStoreError,
)
from holdfast.store import blobs, bucket_collector, layout
from holdfast.store.bucket import BucketLocation
from holdfast.store.objects.object_store import ObjectStore

DAY_S = 86_400.0
Open = Callable[..., Registry]


@pytest.fixture
def store(moto: Endpoint, tmp_path: Path) -> ObjectStore:
    """Return the objects below the registry's prefix."""
    return moto.store(moto.make_bucket(), tmp_path)


@pytest.fixture
def opened(moto: Endpoint, store: ObjectStore, tmp_path: Path) -> Open:
    """Return a function that opens the bucket as another process would, with a cache of its own."""
    caches = iter(range(100))

    def again(by: str = "ann") -> Registry:
        return holdfast.open(
            store.url.partition("?")[0],
            by=by,
            options=moto.options,
            cache=tmp_path / f"cache-{next(caches)}",
            clock=Clock(),
        )

    return again


@pytest.fixture
def registry(opened: Open) -> Registry:
    return opened()


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a file to register."""
    places = iter(range(10_000))

    def write(words: str) -> Path:
        path = tmp_path / f"{next(places)}" / "model.txt"
        path.parent.mkdir()
        path.write_text(words)
        return path

    return write


Text = Callable[[str], Path]


def asked(registry: Registry, verb: Callable[[], object]) -> Counter[str]:
    """Return the requests that a verb makes."""
    wire = registry._session.site._store.wire  # type: ignore[attr-defined]
    before = Counter(wire.requests)
    verb()
    return Counter(wire.requests) - before


def live(registry: Registry) -> list[str]:
    """Let a model live through most verbs; return what happened."""
    registry.promote("iris@1.0.0", reason="first")
    registry.promote("iris@latest", reason="better", force=True)
    registry.alias("iris@1.0.0", "eu")
    registry.rollback("iris", reason="worse")
    registry.stage("iris@1.1.0")
    registry.tag("iris@1.1.0", {"team": "a"})
    registry.archive("iris@1.1.0")
    registry.purge("iris", versions=["1.1.0"], grace_s=DAY_S)
    return [past.what for past in registry.history("iris")]


def test_a_model_lives_in_a_bucket_as_it_does_in_a_folder(
    registry: Registry, opened: Open, tmp_path: Path, text: Text
) -> None:
    folder = holdfast.open(tmp_path / "folder", by="ann", clock=Clock())
    for target in (registry, folder):
        target.register("iris", text("one"), text("scaler"), metrics={"auc": 0.9})
        target.register("iris", text("two"), text("scaler"), metrics={"auc": 0.8})

    assert live(registry) == live(folder)
    assert opened().versions("iris") == [
        replace_digest(mine, theirs)
        for mine, theirs in zip(folder.versions("iris"), opened().versions("iris"), strict=True)
    ]
    assert opened().load("iris@production").preprocessor.read_text() == "scaler"
    assert opened().verify().whole


def replace_digest(mine: object, theirs: object) -> object:
    """Return *mine* with the times of *theirs*, for the two lived at different times."""
    import msgspec

    times = {name: getattr(theirs, name) for name in ("registered_at", "digest")}
    return msgspec.structs.replace(mine, **times)  # type: ignore[type-var]


def test_the_pointer_tells_what_is_live(registry: Registry, store: ObjectStore, text: Text) -> None:
    registry.register("iris", text("one"))
    registry.promote("iris@latest")

    pointer = json.loads(store.read("models/iris/active_version.json") or b"")
    assert (pointer["current"], pointer["seq"]) == ("1.0.0", 2)


def test_one_process_sees_what_another_wrote(registry: Registry, opened: Open, text: Text) -> None:
    registry.register("iris", text("one"))
    other = opened(by="bob")
    other.promote("iris@latest")

    assert registry.resolve("iris@production").version == "1.0.0"
    assert registry.status("iris").by == "bob"


def test_files_come_back_checked(
    registry: Registry, opened: Open, store: ObjectStore, text: Text
) -> None:
    made = registry.register("iris", text("words"))
    digest = registry.manifest(made).artifacts["model"].digest
    store.replace(layout.blob(digest), b"sword")

    with pytest.raises(DamagedError, match=digest):
        opened().load(made)
    assert [damage.subject for damage in opened().verify().damages] == [
        f"model.txt ({layout.blob(digest)})"
    ]


def test_a_rollback_to_missing_bytes_is_refused(
    registry: Registry, store: ObjectStore, text: Text
) -> None:
    first = registry.register("iris", text("one"))
    registry.promote(first)
    registry.promote(registry.register("iris", text("two")))
    store.delete(layout.blob(registry.manifest(first).artifacts["model"].digest))

    with pytest.raises(DamagedError, match="missing"):
        registry.rollback("iris")

    assert registry.resolve("iris@production").version == "1.1.0"


def test_a_prefix_with_other_objects_is_no_store(opened: Open, store: ObjectStore) -> None:
    store.create("notes.txt", b"words")

    with pytest.raises(NotAStoreError, match=r"no holdfast\.json"):
        opened()


def test_an_endpoint_that_is_new_to_a_client_is_tried_out_before_it_writes(
    registry: Registry, opened: Open, text: Text
) -> None:
    registry.register("iris", text("one"))
    other = opened(by="bob")
    first = asked(other, lambda: other.note("iris@1.0.0", "seen"))
    second = asked(other, lambda: other.note("iris@1.0.0", "seen again"))

    assert first["create"] > second["create"] == 1


def test_an_endpoint_that_ignores_conditions_is_not_written_by(
    moto: Endpoint,
    lose: Callable[[Endpoint], Lossy],
    registry: Registry,
    text: Text,
    tmp_path: Path,
) -> None:
    registry.register("iris", text("one"))
    proxy = lose(moto)
    proxy.next("PUT", "twice", *[without_condition] * 2)
    careless = holdfast.open(
        str(registry.location).partition("?")[0],
        options={**moto.options, "endpoint": proxy.address},
        cache=tmp_path / "other",
    )

    with pytest.raises(UnfitStoreError):
        careless.promote("iris@1.0.0")

    assert len(registry.history("iris")) == 1


def test_a_registry_that_is_made_twice_at_once_is_one(
    store: ObjectStore, registry: Registry, opened: Open
) -> None:
    rivals = [registry, *(opened() for _ in range(3))]
    with ThreadPoolExecutor(len(rivals)) as threads:
        made = list(threads.map(lambda rival: rival.init(), rivals))

    assert len({config.id for config in made}) == 1
    assert BucketLocation(store).find() is not None


def test_a_missing_bucket_is_told(moto: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no-such-bucket"):
        holdfast.open("s3://no-such-bucket/x", options=moto.options, cache=tmp_path)


def test_writers_at_once_all_get_numbers_of_their_own(
    registry: Registry, opened: Open, text: Text
) -> None:
    registry.register("iris", text("first"))
    writers = [opened(by=f"w{number}") for number in range(8)]
    with ThreadPoolExecutor(len(writers)) as threads:
        made = list(
            threads.map(
                lambda writer: writer.register("iris", text(writer._session.by)).version, writers
            )
        )

    assert sorted(info.number for info in made) == list(range(2, 10))
    assert len({info.version for info in made}) == len(writers)
    assert opened().verify().whole


@pytest.mark.parametrize(
    "name",
    [
        "azurite",
        pytest.param("localstack", marks=pytest.mark.long),
        pytest.param("ceph_gateway", marks=pytest.mark.long),
    ],
)
def test_sixteen_processes_worth_of_writers_make_one_history(
    request: pytest.FixtureRequest, name: str, tmp_path: Path, text: Text, tally: Tally
) -> None:
    """Each registers, promotes and goes back; moto is left out, for it elects no one winner."""
    server: Endpoint = request.getfixturevalue(name)
    location = f"{server.scheme}://{server.make_bucket()}/x"

    def opened(by: str) -> Registry:
        return holdfast.open(
            location, by=by, options=server.options, cache=tmp_path / by, clock=Clock()
        )

    first = opened("first")
    for words in ("one", "two"):
        first.promote(first.register("iris", text(words)))

    def work(number: int) -> list[int]:
        mine = opened(f"w{number}")
        made = mine.register("iris", text(f"words of {number}"))
        mine.promote(made, force=True, reason="mine")
        mine.rollback("iris", to="1.0.0")
        return [made.version.number]

    with ThreadPoolExecutor(16) as threads:
        numbers = [
            number for made in threads.map(work_or_refused(work), range(16)) for number in made
        ]

    state = opened("last")._session.state("iris")
    assert sorted(numbers) == sorted(set(numbers))
    assert [record.number for record in state.versions.values()] == list(
        range(1, len(state.versions) + 1)
    )
    assert [record.status for record in state.versions.values()].count("production") == 1
    assert [past.seq for past in opened("last").history("iris")] == list(range(1, state.seq + 1))
    assert opened("last").verify().whole
    tally(f"entries by 16 writers at once on {name}", state.seq - 4)


def work_or_refused(work: Callable[[int], list[int]]) -> Callable[[int], list[int]]:
    """Let a writer be told that a rival has moved production meanwhile, and by nothing else."""

    def worked(number: int) -> list[int]:
        try:
            return work(number)
        except ConflictError:
            return []

    return worked


def test_a_journal_that_was_cut_is_told_by_the_pointer(
    registry: Registry, opened: Open, store: ObjectStore, text: Text
) -> None:
    registry.register("iris", text("one"))
    registry.promote("iris@latest")
    store.delete("models/iris/journal/0000000002.json")

    with pytest.raises(DamagedError, match="entry 2 was seen"):
        opened().resolve("iris@latest")


# Requests


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have folds kept at every tenth entry, so that a short journal has some."""
    monkeypatch.setattr(ObjectStore, "traits", replace(ObjectStore.traits, fold_every=10))


def test_following_a_model_costs_one_request_a_look(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"))
    registry.promote("iris@latest")
    registry.resolve("iris@production")

    assert asked(registry, lambda: registry.resolve("iris@production")) == {"get": 1}


@pytest.mark.usefixtures("often")
def test_opening_a_long_journal_costs_what_follows_its_last_fold(
    registry: Registry, opened: Open, text: Text
) -> None:
    registry.register("iris", text("one"))
    for turn in range(46):
        registry.tag("iris@1.0.0", {"turn": str(turn)})
    looking = opened()

    spent = asked(looking, lambda: looking.resolve("iris@1.0.0"))

    # configuration is read by opening; pointer, the fold's last entry, the journal's last one
    assert spent == {"get": 3, "list": 1}
    assert looking.resolve("iris@1.0.0").tags == {"turn": "45"}


# What each verb costs where nothing is kept yet; `docs/object-stores.md` shows the table.
PRICES = {
    "register": {"get": 3, "list": 1, "head": 5, "create": 4, "put": 1},
    "promote": {"get": 2, "create": 1, "put": 1},
    "rollback": {"get": 4, "head": 2, "create": 1, "put": 1},
    "stage": {"get": 2, "create": 1, "put": 1},
    "resolve": {"get": 1},
    "load": {"get": 2, "head": 2},
}


def test_every_verb_costs_what_the_page_says(registry: Registry, text: Text) -> None:
    for words in ("zero", "one"):
        registry.promote(registry.register("iris", text(words), text(f"scaler {words}")))
    verbs: dict[str, Callable[[], object]] = {
        "register": lambda: registry.register("iris", text("two"), text("scaler two")),
        "promote": lambda: registry.promote("iris@1.2.0"),
        "rollback": lambda: registry.rollback("iris"),
        "stage": lambda: registry.stage("iris@1.2.0"),
        "resolve": lambda: registry.resolve("iris@production"),
        "load": lambda: registry.load("iris@production"),
    }

    assert {name: dict(asked(registry, verb)) for name, verb in verbs.items()} == PRICES


def test_the_page_shows_what_verbs_cost() -> None:
    page = (Path(__file__).parents[3] / "docs" / "object-stores.md").read_text()

    for verb, price in PRICES.items():
        numbers = [price.get(kind, 0) for kind in ("get", "head", "list", "create", "put")]
        cells = " | ".join(str(number or "–") for number in numbers)
        assert f"| `{verb}` | {cells} | {sum(numbers)} |" in page


# Garbage


class Later:
    """A collector's clock, set on by hand: the store's own cannot be."""

    def __init__(self) -> None:
        self.ahead_s = 0.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Return a clock that collectors read in place of the store's."""
    clock = Later()
    honest = bucket_collector.Condemned._now
    monkeypatch.setattr(
        bucket_collector.Condemned, "_now", lambda lists: honest(lists) + clock.ahead_s
    )
    return clock


@pytest.fixture
def purged(registry: Registry, text: Text) -> str:
    """Register and purge a version; return the digest of its bytes, which nothing names now."""
    registry.register("iris", text("kept"))
    digest = registry.manifest(registry.register("iris", text("lost"))).artifacts["model"].digest
    registry.purge("iris", versions=["1.1.0"], grace_s=DAY_S)
    return digest


def only_list(store: ObjectStore) -> str:
    """Return the key of the one list there is, without its ending."""
    [name] = [name for name in store.list("gc") if name.endswith(".json")]
    return f"gc/{name.removesuffix('.json')}"


def test_bytes_go_a_grace_time_after_they_were_listed(
    registry: Registry, store: ObjectStore, purged: str, later: Later
) -> None:
    early = registry.gc(grace_s=DAY_S)
    later.ahead_s = DAY_S
    due = registry.gc(grace_s=DAY_S)

    assert (early.freed_blobs, early.waiting_blobs) == (0, 1)
    assert (due.freed_blobs, due.freed_bytes, due.waiting_blobs) == (1, 4, 0)
    assert store.size(layout.blob(purged)) is None
    assert sorted(store.list("gc")) == ["now"]
    assert registry.verify().whole


def test_less_than_a_day_of_grace_is_refused(registry: Registry, purged: str) -> None:
    with pytest.raises(InvalidInputError, match="at least one day"):
        registry.gc(grace_s=60)

    assert registry.verify().whole
    assert purged


def test_who_registers_the_same_bytes_rescues_them(
    registry: Registry, opened: Open, store: ObjectStore, purged: str, text: Text, later: Later
) -> None:
    writer = opened(by="bob")
    made = writer.register("rose", text("lost"))
    store.delete(f"models/rose/journal/{1:010}.json")  # so that the rescue alone keeps them
    store.delete("models/rose/active_version.json")
    store.delete("known/rose.json")
    later.ahead_s = DAY_S
    registry.gc(grace_s=DAY_S)

    assert made.created
    assert store.size(layout.blob(purged)) == 4


def test_bytes_that_an_entry_names_by_now_stay(
    registry: Registry, store: ObjectStore, purged: str, text: Text, later: Later
) -> None:
    registry.register("rose", text("lost"))
    marks = f"{only_list(store)}/rescued"
    for name in list(store.list(marks)):
        store.delete(f"{marks}/{name}")  # as if the writer had seen no list
    later.ahead_s = DAY_S
    registry.gc(grace_s=DAY_S)

    assert store.size(layout.blob(purged)) == 4
    assert registry.verify().whole


def test_bytes_being_removed_cannot_be_registered_just_now(
    registry: Registry, store: ObjectStore, purged: str, text: Text
) -> None:
    store.create(f"{only_list(store)}/closed.json", b"{}\n")

    with pytest.raises(ConflictError, match="is being removed"):
        registry.register("rose", text("lost"))

    assert [info.model for info in registry.models()] == ["iris"]
    assert purged


def test_a_list_that_another_collector_works_off_is_left_to_it_for_an_hour(
    registry: Registry, store: ObjectStore, purged: str, later: Later
) -> None:
    store.create(f"{only_list(store)}/closed.json", b"{}\n")
    later.ahead_s = DAY_S - 30 * 60
    meanwhile = registry.gc(grace_s=DAY_S)
    store.replace(f"{only_list(store)}/closed.json", b"{}\n")
    later.ahead_s = DAY_S + 3_600
    afterwards = registry.gc(grace_s=DAY_S)

    assert (meanwhile.freed_blobs, afterwards.freed_blobs) == (0, 1)
    assert store.size(layout.blob(purged)) is None


def test_a_collector_that_stalled_stops(
    registry: Registry,
    store: ObjectStore,
    purged: str,
    later: Later,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later.ahead_s = DAY_S
    monkeypatch.setattr(bucket_collector, "_WORK_S", -1.0)

    assert registry.gc(grace_s=DAY_S).freed_blobs == 0
    assert store.size(layout.blob(purged)) == 4


def test_a_list_that_cannot_be_read_is_damage(
    opened: Open, store: ObjectStore, purged: str, text: Text
) -> None:
    store.replace(f"{only_list(store)}.json", b"{")

    with pytest.raises(DamagedError, match=r"gc/[0-9]+\.json"):
        opened().register("rose", text("lost"))
    with pytest.raises(DamagedError, match=r"gc/[0-9]+\.json"):
        opened().gc(grace_s=DAY_S)
    assert store.size(layout.blob(purged)) == 4


# What is supposed of a journal far away, and is not so


def test_a_verb_that_supposed_too_little_decides_again_with_what_others_wrote(
    registry: Registry, opened: Open, text: Text
) -> None:
    for words in ("zero", "one", "two"):
        registry.register("iris", text(words))
    other = opened(by="bob")
    other.promote("iris@1.0.0")
    moved = registry.promote("iris@1.1.0")
    other.promote("iris@1.0.0")
    with pytest.raises(HoldfastError, match=r"has 1\.0\.0 live"):
        registry.promote("iris@1.2.0", expect="1.1.0")
    other.archive("iris@1.2.0")
    other.purge("iris", versions=["1.2.0"], grace_s=DAY_S)

    with pytest.raises(HoldfastError, match="purged"):
        registry.stage("iris@1.2.0")
    assert (moved.was, registry.stage("iris@1.1.0").changed) == ("1.0.0", True)
    assert [past.seq for past in registry.history("iris")] == list(range(1, 10))
    assert opened().verify().whole


def test_a_refusal_that_others_lifted_meanwhile_is_none(
    registry: Registry, opened: Open, text: Text
) -> None:
    registry.register("iris", text("zero"))
    registry.promote("iris@1.0.0")
    opened(by="bob").promote(opened(by="bob").register("iris", text("one")))

    assert registry.promote("iris@1.0.0", expect="1.1.0", force=True, reason="back").changed
    assert registry.promote("iris@1.1.0", expect="1.0.0", force=True, reason="on").was == "1.0.0"


def test_an_entry_that_was_seen_and_is_gone_stops_a_writer_far_away(
    registry: Registry, store: ObjectStore, text: Text
) -> None:
    registry.register("iris", text("zero"))
    registry.promote("iris@1.0.0")
    store.delete("models/iris/journal/0000000002.json")

    with pytest.raises(DamagedError, match="was seen"):
        registry.stage("iris@1.0.0")
    assert store.read("models/iris/journal/0000000003.json") is None


def test_a_pointer_of_others_that_is_ahead_of_a_cut_journal_stops_a_writer_far_away(
    registry: Registry, opened: Open, store: ObjectStore, text: Text
) -> None:
    registry.register("iris", text("zero"))
    other = opened(by="bob")
    other.note("iris@1.0.0", "one more")
    store.delete("models/iris/journal/0000000002.json")

    with pytest.raises(DamagedError, match="entry 2 was seen"):
        registry.stage("iris@1.0.0")
    assert store.read("models/iris/journal/0000000002.json") is None


def test_near_names_of_a_new_model_cost_a_listing_and_only_those_are_read(
    registry: Registry, opened: Open, text: Text
) -> None:
    model = text("one")
    for name in ("churn", "churm", *(f"model-{letter * 5}" for letter in "abcdefgh"), "x" * 90):
        registry.register(name, model)
    registry.delete("churm", reason="never used")
    fresh = opened()
    assert fresh.versions("churn")
    requests = asked(fresh, lambda: fresh.mistakable("weather"))

    assert opened().mistakable("chrun") == ("churn",)
    assert opened().mistakable("x" * 89) == ("x" * 90,)
    assert requests.total() <= 2


def test_a_search_reads_only_the_manifests_that_must_decide(
    registry: Registry, opened: Open, text: Text
) -> None:
    for number in range(6):
        registry.register(
            "iris", text(f"{number}"), metrics={"auc": number / 10}, hyperparameters={"n": number}
        )
    reader = opened()
    reader.models()  # reads the journals
    listing = sum(asked(reader, reader.models).values())
    by_metric = sum(asked(reader, lambda: reader.search("auc > 0.2")).values())
    by_both = sum(asked(reader, lambda: reader.search("auc > 0.3 and parameter.n > 1")).values())

    assert by_metric == listing
    assert by_both == listing + 2
    assert [info.number for info in reader.search("parameter.n in (2, 5)").versions] == [3, 6]


def test_a_purge_reads_each_manifest_of_a_version_that_has_its_bytes_once(
    registry: Registry, opened: Open, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        registry.register("iris", text(f"{number}"))
    registry.purge("iris", versions=["1.0.0"], grace_s=DAY_S)
    reader, writer = opened(), opened()
    monkeypatch.setattr(blobs, "_KEPT_MANIFESTS", 1)
    forgetful = opened()
    for each in (reader, writer, forgetful):
        each.models()  # reads the journals

    def plan() -> int:
        return asked(reader, lambda: reader.purge_plan("iris", versions=["1.1.0"]))["get"]

    def purge(one: Registry, version: str) -> int:
        return asked(one, lambda: one.purge("iris", versions=[version], grace_s=DAY_S))["get"]

    unneeded = asked(reader, lambda: reader.purge_plan("iris", keep=0))["get"]
    first, again = plan(), plan()

    assert (first - again, unneeded) == (8, 1)
    assert purge(forgetful, "1.1.0") < purge(writer, "1.2.0") + 7  # else each once more
