"""All verbs at once from many processes: one history, and every read a moment of it.

The journal is the order in which things happened. A read must show a moment that lies between the
last change that was acknowledged before it was called and the last that was begun before it
returned, and what it shows must be the fold of the journal up to there.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.conftest import Tally
from tests.registry import disk
from tests.registry.crew import Crew, Job, Outcome, Step, step

import holdfast
from holdfast.core import entry as entries
from holdfast.core.state import State, empty, fold

FIRST = [f"1.{minor}.0" for minor in range(4)]
_PATIENCE_S = 1_800.0
REFUSALS = {"ConflictError", "NoPreviousVersionError", "NotFoundError", "RefusedError", "BusyError"}
"""What a rule may say to a writer; a reader is never refused."""


def furnished(folder: Path) -> Path:
    """Make a registry with some versions, one of them live."""
    registry = holdfast.open(folder / "store", by="ann")
    for version in FIRST:
        (folder / "model.txt").write_text(version)
        registry.register("iris", folder / "model.txt")
    registry.promote("iris@1.0.0")
    return folder / "store"


def at_random(chance: random.Random, contents: Sequence[Path], count: int) -> Iterator[Step]:
    """Go through verbs of all kinds, reads among them, in a random order."""
    for _ in range(count):
        old = f"iris@{chance.choice(FIRST)}"
        yield chance.choices(
            [
                step("look", "iris"),
                step("look", "iris", afresh=True),
                step("register", "iris", chance.choice(contents)),
                step("promote", chance.choice([old, "iris@latest"])),
                step("rollback", "iris"),
                step("note", old, "seen"),
                step("purge", "iris", keep=chance.randrange(2, 5), grace_s=0),
                step("gc", grace_s=0),
            ],
            weights=[24, 8, 14, 24, 12, 12, 3, 3],
        )[0]


def raced(folder: Path, crew: Crew, processes: int, steps: int, seed: int) -> list[list[Outcome]]:
    """Let processes do verbs at random at one store; return what each of them told."""
    store = furnished(folder)
    contents = []
    for index in range(6):
        contents.append(folder / f"{index}.txt")
        contents[-1].write_text(f"content {index}")
    jobs = [
        Job(store, list(at_random(random.Random(seed + index), contents, steps)), by=f"p{index}")
        for index in range(processes)
    ]
    return crew.work(jobs, kill_after_s=_PATIENCE_S)


def states(store: Path) -> list[State]:
    """Fold the journal: the state before it, and after each entry."""
    history = [empty("iris")]
    for seq, raw in enumerate(disk.journals(store).values(), start=1):
        head = history[-1].head
        history.append(
            fold(history[-1], [(entries.read(raw, "iris", seq, head), entries.digest(raw))])
        )
    return history


def violations(store: Path, outcomes_by_job: Sequence[Sequence[Outcome]]) -> Iterator[str]:
    """Name every call is that, which does not fit the one history in the journal."""
    history = states(store)
    numbers = {}
    for seq, raw in enumerate(disk.journals(store).values(), start=1):
        numbers[entries.read(raw, "iris", seq, history[seq - 1].head).commit] = seq
    calls = [outcome for outcomes in outcomes_by_job for outcome in outcomes]
    writes = [
        (outcome, numbers[outcome.commits[-1]]) for outcome in calls if _wrote(outcome, numbers)
    ]
    for outcome in calls:
        if outcome.error is not None and (outcome.verb == "look" or outcome.error not in REFUSALS):
            yield f"{outcome.verb} was refused: {outcome.error}: {outcome.message}"
        if outcome.changed and not _wrote(outcome, numbers):
            yield f"{outcome.verb} was acknowledged and is not in the journal"
    ended = sorted((outcome.ended, seq) for outcome, seq in writes)
    begun = sorted((outcome.began, seq) for outcome, seq in writes)
    reads = [outcome for outcome in calls if outcome.verb == "look" and outcome.error is None]
    yield from _misplaced(reads, ended, begun, history)
    for outcomes in outcomes_by_job:
        seen = [
            outcome.seen[0]
            for outcome in outcomes
            if outcome.verb == "look" and outcome.error is None
        ]
        if seen != sorted(seen):
            yield f"a process saw time go back: {seen}"


def _wrote(outcome: Outcome, numbers: dict[str, int]) -> bool:
    return bool(outcome.commits) and outcome.commits[-1] in numbers


def _misplaced(
    reads: Sequence[Outcome],
    ended: Sequence[tuple[int, int]],
    begun: Sequence[tuple[int, int]],
    history: Sequence[State],
) -> Iterator[str]:
    """Name the reads that are no moment of the history, or none they can have seen."""
    first = len(FIRST) + 1
    for outcome in reads:
        seq, head, live = outcome.seen
        least = max([first, *(number for moment, number in ended if moment < outcome.began)])
        most = max([first, *(number for moment, number in begun if moment < outcome.ended)])
        if not least <= seq <= most:
            yield f"a read saw entry {seq}, between {least} and {most} were to be seen"
        elif (head, live) != (history[seq].head, history[seq].production):
            yield f"a read saw {live} at entry {seq}, where {history[seq].production} was live"


def check(store: Path, outcomes_by_job: Sequence[Sequence[Outcome]], tally: Tally) -> None:
    """Check a race: one history, one production at a time, whole, and every read in its place."""
    calls = [outcome for outcomes in outcomes_by_job for outcome in outcomes]
    registry = holdfast.open(store)
    infos = registry.versions("iris")
    periods = registry.served("iris")
    registered = [
        outcome for outcome in calls if outcome.verb == "register" and outcome.error is None
    ]
    tally("operations raced by processes and checked to be linear", len(calls))
    tally("reads among them, none refused", sum(outcome.verb == "look" for outcome in calls))

    assert list(violations(store, outcomes_by_job)) == []
    assert sorted(info.number for info in infos) == list(range(1, len(infos) + 1))
    assert len(infos) == len(FIRST) + len(
        {outcome.number for outcome in registered if outcome.changed}
    )
    assert [period.until for period in periods[:-1]] == [period.since for period in periods[1:]]
    assert sum(info.status == "production" for info in infos) == 1
    assert registry.verify().damages == ()


@pytest.mark.parametrize("seed", [1, 2])
def test_eight_processes_at_once_make_one_history(
    tmp_path: Path, crew: Crew, tally: Tally, seed: int
) -> None:
    outcomes_by_job = raced(tmp_path, crew, processes=8, steps=40, seed=1_000 * seed)

    check(tmp_path / "store", outcomes_by_job, tally)


@pytest.mark.long
@pytest.mark.parametrize("processes", [8, 32])
def test_ten_thousand_operations_make_one_history(
    tmp_path: Path, crew: Crew, tally: Tally, processes: int
) -> None:
    outcomes_by_job = raced(tmp_path, crew, processes, steps=10_000 // processes, seed=7)

    check(tmp_path / "store", outcomes_by_job, tally)


def test_the_check_finds_a_read_that_is_out_of_its_place(tmp_path: Path, crew: Crew) -> None:
    outcomes_by_job = raced(tmp_path, crew, processes=2, steps=30, seed=3)
    index, read = next(
        (index, outcome)
        for index, outcome in enumerate(outcomes_by_job[0])
        if outcome.verb == "look" and index > 20
    )
    honest = list(violations(tmp_path / "store", outcomes_by_job))
    stale = Outcome("look", began=read.began, ended=read.ended, seen=(5, "0" * 64, "1.0.0"))
    outcomes_by_job[0][index] = stale

    assert honest == []
    assert list(violations(tmp_path / "store", outcomes_by_job)) != []
