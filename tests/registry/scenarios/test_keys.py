"""Idempotency keys: the same deed under the same key is done once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text
from tests.registry.crew import Crew, Job, step

from holdfast import Registry
from holdfast.errors import ConflictError, InvalidInputError

Prepare = Callable[[Registry], object]
Deed = Callable[[Registry, str], Any]

DEEDS: dict[str, tuple[Prepare, Deed]] = {
    "promote": (
        lambda registry: registry.promote("iris@1.0.0"),
        lambda registry, key: registry.promote("iris@1.1.0", idempotency_key=key),
    ),
    "promote what is staged": (
        lambda registry: registry.stage("iris@1.1.0"),
        lambda registry, key: registry.promote("iris@staging", idempotency_key=key),
    ),
    "promote with an expectation": (
        lambda registry: registry.promote("iris@1.0.0"),
        lambda registry, key: registry.promote("iris@1.1.0", expect="1.0.0", idempotency_key=key),
    ),
    "stage": (
        lambda registry: registry.models(),
        lambda registry, key: registry.stage("iris@1.0.0", idempotency_key=key),
    ),
    "archive": (
        lambda registry: registry.stage("iris@1.1.0"),
        lambda registry, key: registry.archive("iris@staging", idempotency_key=key),
    ),
    "rollback": (
        lambda registry: [registry.promote(f"iris@1.{n}.0") for n in range(3)],
        lambda registry, key: registry.rollback("iris", idempotency_key=key),
    ),
    "rollback to the first": (
        lambda registry: [registry.promote(f"iris@1.{n}.0") for n in range(2)],
        lambda registry, key: registry.rollback("iris", idempotency_key=key),
    ),
    "rollback with an expectation": (
        lambda registry: [registry.promote(f"iris@1.{n}.0") for n in range(3)],
        lambda registry, key: registry.rollback("iris", expect="1.2.0", idempotency_key=key),
    ),
    "rollback to a version": (
        lambda registry: [registry.promote(f"iris@1.{n}.0") for n in range(3)],
        lambda registry, key: registry.rollback("iris", to="iris@1.0.0", idempotency_key=key),
    ),
}


@pytest.mark.parametrize("case", DEEDS.values(), ids=DEEDS.keys())
@pytest.mark.parametrize("reopened", [False, True])
def test_the_same_deed_under_the_same_key_is_done_once(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    case: tuple[Prepare, Deed],
    *,
    reopened: bool,
) -> None:
    prepare, deed = case
    grow(3)
    prepare(registry)
    first = deed(registry, "run 7")
    before = disk.truth(store)

    again = deed(opened() if reopened else registry, "run 7")

    assert (first.changed, again.changed) == (True, False)
    assert again.version == first.version
    assert "with the same key" in again.note
    assert disk.truth(store) == before


@pytest.mark.parametrize("reopened", [False, True])
def test_a_registration_under_the_same_key_is_done_once(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    text: Text,
    *,
    reopened: bool,
) -> None:
    first = registry.register("iris", text("one"), idempotency_key="run 7", metrics={"auc": 0.9})
    before = disk.journals(store)

    later = opened() if reopened else registry
    again = later.register("iris", text("one"), idempotency_key="run 7", metrics={"auc": 0.9})

    assert (first.created, again.created) == (True, False)
    assert again.version == first.version
    assert disk.journals(store) == before


@pytest.mark.parametrize(
    ("words", "facts", "message"),
    [
        ("two", {"metrics": {"auc": 0.9}}, r"other bytes of model \(sha256:\w+, not sha256:\w+\)"),
        ("one", {"metrics": {"auc": 0.8}}, r"other facts \(metrics\)"),
        ("one", {"metrics": {"auc": 0.9}, "description": "new"}, r"other facts \(description\)"),
        ("one", {"metrics": {"auc": 0.9}, "artifacts": True}, "bytes of card .nothing, not sha256"),
    ],
)
def test_a_key_reused_with_other_bytes_or_facts_is_refused_and_stores_nothing(
    registry: Registry, store: Path, text: Text, words: str, facts: dict[str, Any], message: str
) -> None:
    registry.register("iris", text("one"), idempotency_key="run 7", metrics={"auc": 0.9})
    before = disk.truth(store)
    if "artifacts" in facts:
        facts = facts | {"artifacts": {"card": text("card")}}

    with pytest.raises(ConflictError, match=message) as refusal:
        registry.register("iris", text(words), idempotency_key="run 7", **facts)

    assert "use another key" in str(refusal.value)
    assert disk.truth(store) == before


def test_a_registration_whose_version_was_purged_is_known_by_its_key(
    registry: Registry, text: Text
) -> None:
    registry.register("iris", text("one"), idempotency_key="run 7")
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    assert not registry.register("iris", text("one"), idempotency_key="run 7").created
    with pytest.raises(ConflictError, match="other bytes"):
        registry.register("iris", text("two"), idempotency_key="run 7")


def test_a_key_that_was_used_for_another_deed_is_a_conflict(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(2)
    registry.promote("iris@1.0.0", idempotency_key="run 7")
    before = disk.journals(store)

    with pytest.raises(ConflictError, match="was used for 'promoted' in entry 3"):
        registry.stage("iris@1.1.0", idempotency_key="run 7")
    with pytest.raises(ConflictError, match="use another key"):
        registry.rollback("iris", idempotency_key="run 7")

    assert disk.journals(store) == before


def test_another_version_is_another_deed(registry: Registry, store: Path, grow: Grow) -> None:
    grow(3)
    registry.promote("iris@1.0.0", idempotency_key="run 7")
    before = disk.journals(store)

    for ref in ("iris@1.1.0", "iris@v2"):
        with pytest.raises(ConflictError, match=r"of 1\.0\.0; use another key"):
            registry.promote(ref, idempotency_key="run 7")

    assert not registry.promote("iris@latest", idempotency_key="run 7").changed
    assert disk.journals(store) == before


def test_a_registration_of_another_version_under_a_used_key_is_a_conflict(
    registry: Registry, store: Path, text: Text
) -> None:
    registry.register("iris", text("one"), version="1.0.0", idempotency_key="run 7")
    before = disk.truth(store)

    with pytest.raises(ConflictError, match="use another key"):
        registry.register("iris", text("two"), version="2.0.0", idempotency_key="run 7")

    assert disk.truth(store) == before


def test_a_key_belongs_to_its_model(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), idempotency_key="run 7")

    assert registry.register("rose", text("one"), idempotency_key="run 7").created


def test_a_deed_that_changed_nothing_uses_up_no_key(registry: Registry, grow: Grow) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.0.0", idempotency_key="run 7")
    registry.promote("iris@1.1.0")

    assert registry.promote("iris@1.0.0", idempotency_key="run 7").changed


def test_an_empty_key_is_refused(registry: Registry, text: Text) -> None:
    with pytest.raises(InvalidInputError, match="key"):
        registry.register("iris", text("one"), idempotency_key="")

    assert registry.models() == []


@pytest.mark.parametrize("same", [True, False])
def test_of_many_processes_with_one_key_one_does_the_deed(
    registry: Registry, store: Path, tmp_path: Path, crew: Crew, *, same: bool
) -> None:
    registry.init()
    jobs = []
    for index in range(8):
        path = tmp_path / f"{index}.txt"
        path.write_text("model" if same else f"model {index}")
        jobs.append(
            Job(store, [step("register", "iris", path, idempotency_key="run 7")], by=f"p{index}")
        )

    outcomes = [job_outcomes[0] for job_outcomes in crew.work(jobs)]

    expected = [("1.0.0", None)] * 8 if same else [("1.0.0", None), *[(None, "ConflictError")] * 7]
    results = sorted(
        ((answer.version, answer.error) for answer in outcomes), key=lambda row: row[0] is None
    )
    assert results == expected
    assert [outcome.changed for outcome in outcomes].count(True) == 1
    assert len(disk.journals(store)) == 1
