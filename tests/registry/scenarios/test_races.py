"""Many real processes at one store at the same moment."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow
from tests.registry.crew import Crew, Job, Outcome, Step, step

import holdfast
from holdfast import Registry
from holdfast.core import entry as entries
from holdfast.core.state import empty, fold

MINOR = [f"1.{minor}.0" for minor in range(6)]


def errors(outcomes_by_job: list[list[Outcome]]) -> set[str | None]:
    return {outcome.error for outcomes in outcomes_by_job for outcome in outcomes}


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize("there", [False, True], ids=["new store", "old store"])
def test_registrations_at_once_all_succeed_under_numbers_of_their_own(
    store: Path, tmp_path: Path, crew: Crew, *, there: bool
) -> None:
    if there:
        holdfast.open(store).init()
    jobs = [
        Job(
            store,
            [
                step("register", "iris", write(tmp_path, f"{index}-{turn}.txt", f"{index} {turn}"))
                for turn in range(5)
            ],
            by=f"p{index}",
        )
        for index in range(8)
    ]

    outcomes_by_job = crew.work(jobs)

    assert errors(outcomes_by_job) == {None}
    assert sorted(o.number or 0 for outcomes in outcomes_by_job for o in outcomes) == list(
        range(1, 41)
    )
    assert len({o.version for outcomes in outcomes_by_job for o in outcomes}) == 40
    registry = holdfast.open(store)
    assert registry.verify().whole
    by_version = {
        o.version: f"{index} {turn}"
        for index, outcomes in enumerate(outcomes_by_job)
        for turn, o in enumerate(outcomes)
    }
    for version, content in by_version.items():
        assert registry.load(f"iris@{version}").model.read_text() == content


def test_many_models_are_made_at_once(store: Path, tmp_path: Path, crew: Crew) -> None:
    path = write(tmp_path, "model.txt", "the same bytes for all")
    jobs = [
        Job(store, [step("register", f"model {index % 4}", path)] * 3, by=f"p{index}")
        for index in range(8)
    ]

    outcomes_by_job = crew.work(jobs)

    assert errors(outcomes_by_job) == {None}
    registry = holdfast.open(store)
    assert [info.versions for info in registry.models()] == [6] * 4
    assert registry.verify().whole


def test_one_version_asked_for_with_different_bytes_has_one_winner(
    store: Path, tmp_path: Path, crew: Crew
) -> None:
    holdfast.open(store).init()
    jobs = [
        Job(
            store,
            [
                step(
                    "register",
                    "iris",
                    write(tmp_path, f"{index}.txt", f"model {index}"),
                    version=version,
                )
                for version in MINOR[:4]
            ],
        )
        for index in range(8)
    ]

    outcomes_by_job = crew.work(jobs)

    assert errors(outcomes_by_job) == {None, "VersionTakenError"}
    registry = holdfast.open(store)
    for turn, version in enumerate(MINOR[:4]):
        winners = [
            index for index, outcomes in enumerate(outcomes_by_job) if outcomes[turn].error is None
        ]
        assert len(winners) == 1
        assert registry.load(f"iris@{version}").model.read_text() == f"model {winners[0]}"
    assert len(registry.versions("iris")) == 4
    assert registry.verify().whole


def test_one_version_asked_for_with_the_same_bytes_is_made_once(
    store: Path, tmp_path: Path, crew: Crew
) -> None:
    holdfast.open(store).init()
    path = write(tmp_path, "model.txt", "the same")
    jobs = [Job(store, [step("register", "iris", path, version="1.0.0")], meets=False)] * 8

    outcomes_by_job = crew.work(jobs)

    assert errors(outcomes_by_job) == {None}
    assert [outcomes[0].changed for outcomes in outcomes_by_job].count(True) == 1
    assert {outcomes[0].number for outcomes in outcomes_by_job} == {1}
    assert len(disk.journals(store)) == 1


def at_random(seed: int, count: int) -> list[Step]:
    """Return promotions and rollbacks in a random order that the seed decides."""
    chance = random.Random(seed)
    return [
        step("rollback", "iris")
        if chance.random() < 0.35
        else step("promote", f"iris@{chance.choice(MINOR)}")
        for _ in range(count)
    ]


def test_production_moves_at_random_while_others_read(
    registry: Registry, store: Path, grow: Grow, crew: Crew
) -> None:
    grow(len(MINOR))
    registry.promote("iris@1.0.0")
    movers = [Job(store, at_random(seed, 20), by=f"p{seed}") for seed in range(8)]
    readers = [Job(store, [step("replay", "iris")] * 25, by=f"r{index}") for index in range(2)]

    outcomes_by_job = crew.work([*movers, *readers])

    moved = [outcome for outcomes in outcomes_by_job[:8] for outcome in outcomes]
    assert errors(outcomes_by_job[8:]) == {None}, [
        o for outcomes in outcomes_by_job[8:] for o in outcomes if o.error
    ]
    assert errors(outcomes_by_job[:8]) <= {None, "ConflictError", "NoPreviousVersionError"}
    check_replay(store, sum(outcome.changed is True for outcome in moved) + len(MINOR) + 1)
    check_served_by_one_at_a_time(holdfast.open(store))


def check_replay(store: Path, length: int) -> None:
    """Fold the journal from its first entry: it must be what everybody sees, and nothing lost."""
    raws = list(disk.journals(store).values())
    state = empty("iris")
    for seq, raw in enumerate(raws, start=1):
        state = fold(state, [(entries.read(raw, "iris", seq, state.head), entries.digest(raw))])
    registry = holdfast.open(store)
    pointer = json.loads((store / "models/iris/active_version.json").read_bytes())

    assert len(raws) == length
    assert registry._session.state("iris") == state
    assert (pointer["current"], pointer["previous"]) == (state.production, state.previous)
    assert pointer["seq"] == length
    assert registry.verify().whole


def check_served_by_one_at_a_time(registry: Registry) -> None:
    """Check that each version went live from the one that was live, without gap or overlap."""
    periods = registry.served("iris")

    assert [period.until for period in periods[:-1]] == [period.since for period in periods[1:]]
    assert all(period.until is None or period.since < period.until for period in periods)
    live = [info.version for info in registry.versions("iris") if info.status == "production"]
    assert live == [periods[-1].version]


def test_every_verb_at_once_leaves_a_journal_that_replays(
    registry: Registry, store: Path, tmp_path: Path, grow: Grow, crew: Crew
) -> None:
    grow(len(MINOR))
    registry.promote("iris@1.0.0")
    jobs = []
    for index in range(8):
        chance = random.Random(index)
        path = write(tmp_path, f"{index}.txt", f"model {index}")
        steps = [
            chance.choice(
                [
                    step("register", "iris", path),
                    step("promote", f"iris@{chance.choice(MINOR)}"),
                    step("rollback", "iris"),
                    step("stage", f"iris@{chance.choice(MINOR)}"),
                    step("archive", f"iris@{chance.choice(MINOR)}"),
                    step("alias", f"iris@{chance.choice(MINOR)}", "eu"),
                    step("tag", f"iris@{chance.choice(MINOR)}", {"by": str(index)}),
                    step("note", f"iris@{chance.choice(MINOR)}", "seen"),
                    step("evaluate", f"iris@{chance.choice(MINOR)}", {"auc": 0.5}),
                    step("purge", "iris", keep=2, grace_s=0),
                    step("gc", grace_s=0),
                    step("replay", "iris"),
                ]
            )
            for _ in range(15)
        ]
        jobs.append(Job(store, steps, by=f"p{index}"))

    outcomes_by_job = crew.work(jobs)

    # a reader may find a version purged between two looks; what else is refused is by a rule
    allowed = {None, "ConflictError", "NoPreviousVersionError", "NotFoundError", "RefusedError"}
    strange = [
        outcome
        for outcomes in outcomes_by_job
        for outcome in outcomes
        if outcome.error not in allowed and outcome.verb != "replay"
    ]
    assert strange == []
    check_replay(store, len(disk.journals(store)))


def test_a_collector_never_takes_bytes_that_were_acknowledged(
    registry: Registry, store: Path, tmp_path: Path, crew: Crew
) -> None:
    check_collector(registry, store, tmp_path, crew, turns=25)


@pytest.mark.long
def test_a_collector_never_takes_bytes_that_were_acknowledged_for_long(
    registry: Registry, store: Path, tmp_path: Path, crew: Crew
) -> None:
    check_collector(registry, store, tmp_path, crew, turns=400)


def check_collector(
    registry: Registry, store: Path, tmp_path: Path, crew: Crew, turns: int
) -> None:
    """Let writers register the same few contents again and again while two collect at once."""
    registry.init()
    contents = [write(tmp_path, f"{index}.txt", f"content {index}") for index in range(3)]
    writers = []
    for index in range(4):
        name = f"model-{index}"
        steps = []
        for turn in range(turns):
            version = f"1.{turn}.0"
            path = contents[(turn + index) % len(contents)]
            steps += [
                step("register", name, path, version=version),
                step("load", f"{name}@{version}"),
                step("purge", name, versions=[version], grace_s=0),
            ]
        steps.append(step("register", name, contents[index % len(contents)]))
        writers.append(Job(store, steps, by=name))
    collectors = [Job(store, [step("gc", grace_s=0)] * (2 * turns), by=f"c{n}") for n in range(2)]

    outcomes_by_job = crew.work([*writers, *collectors])

    acknowledged = [
        o for outcomes in outcomes_by_job for o in outcomes if o.verb in ("register", "load")
    ]
    assert [outcome for outcome in acknowledged if outcome.error] == []
    again = holdfast.open(store)
    assert again.verify().whole
    for index in range(4):
        assert again.load(f"model-{index}@latest").model.read_text() == f"content {index % 3}"


def test_a_collector_disturbs_nobody_who_writes(
    registry: Registry, store: Path, grow: Grow, crew: Crew
) -> None:
    grow(len(MINOR))
    movers = [
        Job(store, [step("promote", f"iris@{MINOR[(index + turn) % 6]}") for turn in range(30)])
        for index in range(3)
    ]
    taggers = [Job(store, [step("tag", "iris@1.0.0", {"turn": str(t)}) for t in range(30)])] * 2
    collectors = [Job(store, [step("gc", grace_s=0)] * 60)] * 2

    outcomes_by_job = crew.work([*movers, *taggers, *collectors])

    assert [outcome for outcomes in outcomes_by_job for outcome in outcomes if outcome.error] == []
    assert registry.verify().whole


def test_a_purge_and_a_promotion_of_one_version_cannot_both_win(
    opened: Callable[..., Registry], store: Path, grow: Grow, crew: Crew
) -> None:
    grow(12)
    wins = set()
    for minor in range(12):
        version = f"1.{minor}.0"
        jobs = [
            Job(store, [step("promote", f"iris@{version}")], by="bob"),
            Job(store, [step("purge", "iris", versions=[version], grace_s=0)], by="cid"),
        ]

        promoted = crew.work(jobs)[0][0]

        info = opened().resolve(f"iris@{version}")
        assert (promoted.error is None) == (info.status == "production")
        assert info.status in {"production", "purged"}
        wins.add(info.status)
        assert opened().verify().whole

    assert wins <= {"production", "purged"}


def test_approvals_of_many_people_at_once_all_count(
    registry: Registry, store: Path, grow: Grow, crew: Crew
) -> None:
    grow(1)

    outcomes_by_job = crew.work(
        [Job(store, [step("approve", "iris@1.0.0")], by=f"p{n}", meets=True) for n in range(8)]
    )

    assert errors(outcomes_by_job) == {None}
    assert sorted(registry.resolve("iris@1.0.0").approvals) == [f"p{n}" for n in range(8)]


def test_of_promotions_at_once_that_expect_the_same_one_wins(
    registry: Registry, store: Path, grow: Grow, crew: Crew
) -> None:
    grow(len(MINOR))
    registry.promote("iris@1.0.0")

    outcomes_by_job = crew.work(
        [
            Job(store, [step("promote", f"iris@{version}", expect="1.0.0")], by=version, meets=True)
            for version in MINOR[1:]
        ]
    )

    winners = [outcomes[0].version for outcomes in outcomes_by_job if outcomes[0].error is None]
    assert winners == [registry.resolve("iris@production").version]
    assert [outcomes[0].error for outcomes in outcomes_by_job].count("ConflictError") == len(
        MINOR
    ) - 2
