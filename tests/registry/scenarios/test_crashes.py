"""Processes that are killed: what was acknowledged is there, and nothing is torn.

Kills at random times reach every place between two instructions; kills before each file operation
reach every order of files that a crash can leave.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.conftest import Tally
from tests.registry import disk
from tests.registry.conftest import Grow
from tests.registry.crew import Crew, Job, Outcome, Step, step

import holdfast
from holdfast import Registry

WORK_S = 0.05
KILLS_A_STORE = 20
KILLED = "processes killed at random while they ran all verbs"


def check_sound(store: Path) -> Registry:
    """Open a store as the next process would: all is whole, and derived files are up to date."""
    registry = holdfast.open(store, by="next")
    models = registry.models()
    for info in models:
        state = registry._session.state(info.model)
        folder = store / "models" / info.model
        pointer = json.loads((folder / "active_version.json").read_bytes())
        assert info.damage is None
        assert (pointer["current"], pointer["previous"]) == (state.production, state.previous)
        assert (pointer["seq"], pointer["head"]) == (state.seq, state.head)
        for version in registry.versions(info.model):
            manifest = json.loads(
                (folder / "versions" / version.version / "manifest.json").read_bytes()
            )
            assert manifest["status"] == version.status
    verification = registry.verify()
    assert verification.whole, verification.damages
    return registry


def at_random(chance: random.Random, folder: Path, count: int) -> list[Step]:
    """Return verbs of all kinds in a random order."""
    return [
        chance.choice(
            [
                step("register", "iris", folder / f"{chance.randrange(4)}.txt"),
                step("register", "iris", folder / f"{chance.randrange(4)}.txt"),
                step("promote", "iris@latest"),
                step("promote", "iris@v1"),
                step("rollback", "iris"),
                step("stage", "iris@latest"),
                step("archive", "iris@latest"),
                step("alias", "iris@latest", "eu"),
                step("note", "iris@latest", "seen"),
                step("purge", "iris", keep=chance.randrange(3), grace_s=0),
                step("gc", grace_s=0),
                step("import_", folder / "lily.tar"),
                step("delete", "lily", reason="over", force=True),
            ]
        )
        for _ in range(count)
    ]


REFUSALS = {None, "NoPreviousVersionError", "NotFoundError", "ConflictError"}
"""What a rule says to some of these, in whatever order they come."""


def killed_at_random(folder: Path, crew: Crew, kills: int, seed: int) -> None:
    """Kill a worker again and again at one store, and check all that was acknowledged."""
    chance = random.Random(seed)
    for index in range(4):
        (folder / f"{index}.txt").write_text(f"content {index}")
    _bundle(folder)
    longest_s = WORK_S
    acknowledged: dict[str, str] = {}
    for turn in range(kills):
        store = folder / f"store-{turn // KILLS_A_STORE}"
        if turn % KILLS_A_STORE == 0:
            holdfast.open(store).init()
            acknowledged.clear()
        before = disk.journals(store)
        steps = at_random(chance, folder, 200)
        (outcomes,) = crew.work([Job(store, steps)], kill_after_s=chance.uniform(0.001, longest_s))
        longest_s *= 1.0 if outcomes else 1.1  # on a slow machine work takes longer to begin

        registry = check_sound(store)
        now = disk.journals(store)
        assert before.items() <= now.items()
        assert [outcome for outcome in outcomes if outcome.error not in REFUSALS] == []
        assert _commits(outcomes) <= {json.loads(raw)["commit"] for raw in now.values()}
        acknowledged |= {
            outcome.version or "": Path(asked[1][1]).read_text()
            for outcome, asked in zip(outcomes, steps, strict=False)
            if outcome.verb == "register"
        }
        for version, content in acknowledged.items():
            if registry.resolve(f"iris@{version}").status != "purged":
                assert registry.load(f"iris@{version}").model.read_text() == content
        if turn % KILLS_A_STORE == KILLS_A_STORE - 1:
            check_clean(store)


def _bundle(folder: Path) -> None:
    other = holdfast.open(folder / "other", by="zoe")
    other.register("lily", folder / "0.txt")
    other.promote("lily@1.0.0")
    other.export("lily@1.0.0", folder / "lily.tar")


def _commits(outcomes: Sequence[Outcome]) -> set[str]:
    """Return the ids of the entries that were acknowledged."""
    return {outcome.commits[-1] for outcome in outcomes if outcome.changed}


def check_clean(store: Path) -> None:
    """Let a collector sweep what the crashes left; what is acknowledged stays."""
    registry = holdfast.open(store)
    registry.gc(grace_s=0)
    assert disk.leftovers(store) == []
    assert registry.verify().whole


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_survives_kills_at_random(
    tmp_path: Path, crew: Crew, tally: Tally, seed: int
) -> None:
    killed_at_random(tmp_path, crew, kills=60, seed=seed)
    tally(KILLED, 60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_what_was_acknowledged_survives_many_kills_at_random(
    tmp_path: Path, crew: Crew, tally: Tally, seed: int
) -> None:
    killed_at_random(tmp_path, crew, kills=400, seed=seed)
    tally(KILLED, 400)


@pytest.fixture
def furnished(registry: Registry, store: Path, tmp_path: Path, grow: Grow) -> Path:
    """Return a store with some history, and beside it what the deeds below need."""
    grow(4)
    grow(1, name="rose")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.export("iris", tmp_path / "iris.tar")
    registry.archive("iris@1.2.0")
    (tmp_path / "new.txt").write_text("new bytes")
    return store


DEEDS: dict[str, tuple[Callable[[Path], Step], int]] = {
    "register": (lambda folder: step("register", "iris", folder / "new.txt"), 9),
    "register a new model": (lambda folder: step("register", "tulip", folder / "new.txt"), 11),
    "promote": (lambda _folder: step("promote", "iris@1.3.0"), 4),
    "rollback": (lambda _folder: step("rollback", "iris"), 4),
    "stage": (lambda _folder: step("stage", "iris@1.3.0"), 4),
    "purge": (lambda _folder: step("purge", "iris", keep=0, grace_s=0), 7),
    "gc": (lambda _folder: step("gc", grace_s=0), 4),
    "delete": (lambda _folder: step("delete", "iris", reason="over", force=True), 7),
}
"""Verbs, each with how many file operations lie between two kills."""


@pytest.mark.parametrize(("deed", "width"), DEEDS.values(), ids=DEEDS.keys())
def test_a_kill_before_a_file_operation_leaves_the_old_or_the_new(
    furnished: Path, tmp_path: Path, crew: Crew, deed: Callable[[Path], Step], width: int
) -> None:
    asked = deed(tmp_path)
    (furnished / "blobs" / "sha256" / "nobody's").write_bytes(b"nobody's")
    disk.name_by_content(furnished / "blobs" / "sha256" / "nobody's")
    old = disk.journals(furnished)
    lengths = set()
    outcomes: list[Outcome] = []
    dies_at = 0
    while not outcomes:
        dies_at += width
        store = disk.copy(furnished, tmp_path / f"store-{dies_at}")
        (outcomes,) = crew.work([Job(store, [asked], dies_at=dies_at)])
        now = disk.journals(store)
        lengths.add(len(now) - len(old))
        assert old.items() <= now.items()
        check_sound(store)
        ((again,),) = crew.work([Job(store, [asked])])
        assert again.error in (None, "NotFoundError", "NoPreviousVersionError"), again.message
        check_clean(store)
        disk.remove(store)

    assert outcomes[0].error is None
    assert lengths == ({0} if asked[0] == "gc" else {0, 1})
    assert dies_at > 10


def test_a_kill_before_any_file_operation_of_the_first_registration_leaves_a_store_or_none(
    tmp_path: Path, crew: Crew
) -> None:
    (tmp_path / "new.txt").write_text("new bytes")
    asked = step("register", "iris", tmp_path / "new.txt")
    outcomes: list[Outcome] = []
    dies_at = 0
    while not outcomes:
        dies_at += 7  # the trial of the disk has many, all of one kind
        store = tmp_path / f"store-{dies_at}"
        (outcomes,) = crew.work([Job(store, [asked], dies_at=dies_at)])
        if (store / "holdfast.json").exists():
            check_sound(store)

        (again,) = crew.work([Job(store, [asked])])[0]

        assert again.error is None, again.message
        assert check_sound(store).load("iris@latest").model.read_text() == "new bytes"
        check_clean(store)
        disk.remove(store)

    assert dies_at > 70


def test_a_kill_before_any_file_operation_of_an_import_can_be_made_good(
    furnished: Path, tmp_path: Path, crew: Crew
) -> None:
    source = holdfast.open(furnished)
    holdfast.open(tmp_path / "empty").init()
    asked = step("import_", tmp_path / "iris.tar")
    outcomes: list[Outcome] = []
    dies_at = 0
    while not outcomes:
        dies_at += 13
        store = disk.copy(tmp_path / "empty", tmp_path / f"store-{dies_at}")
        (outcomes,) = crew.work([Job(store, [asked], dies_at=dies_at)])
        check_sound(store)

        (again,) = crew.work([Job(store, [asked])])[0]

        assert again.error is None, again.message
        assert check_sound(store).history("iris") == source.history("iris")[:6]
        check_clean(store)
        disk.remove(store)

    assert dies_at > 100


def test_a_collector_killed_at_random_does_no_harm(tmp_path: Path, crew: Crew) -> None:
    chance = random.Random(7)
    store = tmp_path / "store"
    registry = holdfast.open(store)
    path = tmp_path / "model.txt"
    for index in range(12):
        path.write_text(f"model {index}")
        registry.register("iris", path)
    versions = [f"1.{minor}.0" for minor in range(0, 12, 2)]
    killed = 0
    loose: list[str] = []
    for turn in range(10):
        for index in range(8):
            path.write_text(f"loose {turn} {index}")
            registry.register("loose", path)
        loose = [info.version for info in registry.versions("loose") if info.status != "purged"]
        steps = [step("purge", "loose", versions=loose, grace_s=0), step("gc", grace_s=0)]

        (outcomes,) = crew.work([Job(store, steps, dies_at=chance.randrange(20, 400))])

        killed += len(outcomes) < 2
        check_sound(store)
        for version in versions:
            assert holdfast.open(store).load(f"iris@{version}").model.exists()

    assert killed > 2
    holdfast.open(store).purge("loose", versions=loose, grace_s=0)
    check_clean(store)
    assert len(list(disk.files(store / "blobs"))) == 12 * 2 + 10 * 8
