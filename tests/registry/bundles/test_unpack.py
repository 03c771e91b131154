"""Import: a version or a whole model into another store, its history kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text
from tests.registry.crew import Crew, Job, step

import holdfast
from holdfast import Policy, Registry
from holdfast.core.history import Imported
from holdfast.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    NotFoundError,
    VersionTakenError,
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Registry:
    """Return a registry in another store, used by Zoe."""
    return holdfast.open(tmp_path / "elsewhere", by="zoe", clock=Clock())


@pytest.fixture
def lived(registry: Registry, grow: Grow, clock: Clock) -> Registry:
    """Return a registry with a model that has seen everything."""
    grow(5, metrics={"auc": 0.9})
    registry.set_policy("iris", Policy(max_regression=0.2), reason="noisy data")
    clock.on("2026-03-05T12:00")
    registry.promote("iris@1.0.0", reason="first")
    registry.promote("iris@1.1.0", reason="second")
    registry.promote("iris@1.2.0", reason="third", idempotency_key="run 3")
    registry.rollback("iris", reason="errors")
    registry.alias("iris@1.3.0", "eu")
    registry.note("iris@1.3.0", "seen")
    registry.stage("iris@1.3.0")
    registry.purge("iris", versions=["1.4.0"], grace_s=0)
    return registry


def everything(registry: Registry) -> tuple[Any, ...]:
    status = registry.status("iris")
    return (
        registry.versions("iris"),
        registry.history("iris"),
        registry.served("iris"),
        registry.policy("iris"),
        (status.live, status.staging, status.before and status.before.version, status.moves),
    )


def test_a_whole_model_is_the_same_in_another_store(
    lived: Registry, elsewhere: Registry, store: Path, tmp_path: Path
) -> None:
    lived.export("iris", tmp_path / "iris.tar")

    bundled = elsewhere.import_(tmp_path / "iris.tar")

    assert (bundled.created, bundled.model) == (True, "iris")
    assert everything(elsewhere) == everything(lived)
    assert disk.journals(tmp_path / "elsewhere") == disk.journals(store)
    assert elsewhere.verify().whole
    assert elsewhere.load("iris@production").model.read_text() == "iris 1\n"
    assert elsewhere.resolve("iris@production", at="2026-03-05T12:00:02").version == "1.1.0"
    pointers = [
        disk.unplaced(root / "models/iris/active_version.json")
        for root in (store, tmp_path / "elsewhere")
    ]
    assert pointers[0] == pointers[1]


def test_an_imported_model_goes_on_where_it_was(
    lived: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    lived.export("iris", tmp_path / "iris.tar")
    elsewhere.import_(tmp_path / "iris.tar")

    assert elsewhere.rollback("iris").version == "1.0.0"
    assert elsewhere.register("iris", text("more")).version.number == 6
    assert not elsewhere.promote("iris@1.2.0", idempotency_key="run 3").changed
    assert elsewhere.verify().whole


def test_importing_a_model_twice_changes_nothing(
    lived: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    lived.export("iris", tmp_path / "iris.tar")
    elsewhere.import_(tmp_path / "iris.tar")
    before = disk.truth(tmp_path / "elsewhere")

    again = elsewhere.import_(tmp_path / "iris.tar")

    assert not again.created
    assert disk.truth(tmp_path / "elsewhere") == before


def test_a_later_bundle_adds_what_happened_since(
    lived: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    lived.export("iris", tmp_path / "early.tar")
    lived.register("iris", text("later"))
    lived.promote("iris@latest", force=True, reason="later")
    lived.export("iris", tmp_path / "late.tar")
    elsewhere.import_(tmp_path / "early.tar")

    late = elsewhere.import_(tmp_path / "late.tar")
    early = elsewhere.import_(tmp_path / "early.tar")

    assert (late.created, early.created) == (True, False)
    assert everything(elsewhere) == everything(lived)


def test_histories_that_went_apart_are_refused_and_nothing_is_written(
    lived: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    lived.export("iris", tmp_path / "early.tar")
    elsewhere.import_(tmp_path / "early.tar")
    elsewhere.note("iris@1.0.0", "here")
    lived.note("iris@1.0.0", "there")
    lived.export("iris", tmp_path / "late.tar")
    before = disk.journals(tmp_path / "elsewhere")

    with pytest.raises(ConflictError, match="has a different history here: entry 15 differs"):
        elsewhere.import_(tmp_path / "late.tar")

    assert disk.journals(tmp_path / "elsewhere") == before
    assert elsewhere.verify().whole


def test_a_model_of_the_same_name_with_another_history_is_refused(
    lived: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    elsewhere.register("iris", text("another"))
    lived.export("iris", tmp_path / "iris.tar")
    before = disk.journals(tmp_path / "elsewhere")

    with pytest.raises(ConflictError, match="entry 1 differs"):
        elsewhere.import_(tmp_path / "iris.tar")

    assert disk.journals(tmp_path / "elsewhere") == before


def test_one_version_is_taken_over_with_its_own_manifest_and_history(
    lived: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    lived.export("iris@1.2.0", tmp_path / "iris.tar")

    bundled = elsewhere.import_(tmp_path / "iris.tar", reason="for the region")

    info = elsewhere.resolve("iris@1.2.0")
    assert (bundled.versions, bundled.created) == (("1.2.0",), True)
    assert (info.number, info.status, info.registered_by) == (1, "registered", "zoe")
    assert info.digest == lived.resolve("iris@1.2.0").digest
    assert elsewhere.manifest(info) == lived.manifest("iris@1.2.0")
    assert elsewhere.load(info).model.read_text() == "iris 2\n"
    (past,) = elsewhere.history("iris")
    assert (past.what, past.reason) == ("import 1.2.0 (v1)", "for the region")
    (raw,) = disk.journals(tmp_path / "elsewhere").values()
    origin = json.loads(raw)["data"]["origin"]
    assert (
        origin["registry"]
        == json.loads((Path(lived.location) / "holdfast.json").read_bytes())["id"]
    )
    assert isinstance(past, Imported)
    assert [event.what for event in past.elsewhere] == [
        event["what"] for event in origin["history"]
    ]
    assert [event["what"] for event in origin["history"]] == [
        "register 1.2.0 (v3)",
        "promote 1.1.0 → 1.2.0",
        "rollback 1.2.0 → 1.1.0",
    ]
    assert elsewhere.verify().whole


def test_a_version_joins_a_model_that_is_there(
    lived: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    elsewhere.register("iris", text("ours"), version="0.1.0")
    elsewhere.promote("iris@0.1.0")
    lived.export("iris@1.2.0", tmp_path / "iris.tar")

    elsewhere.import_(tmp_path / "iris.tar")

    assert [(info.version, info.number) for info in elsewhere.versions("iris")] == [
        ("0.1.0", 1),
        ("1.2.0", 2),
    ]
    assert elsewhere.promote("iris@1.2.0", force=True, reason="it is").was == "0.1.0"


def test_importing_a_version_twice_changes_nothing(
    lived: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    lived.export("iris@1.2.0", tmp_path / "iris.tar")
    elsewhere.import_(tmp_path / "iris.tar")
    before = disk.truth(tmp_path / "elsewhere")

    again = elsewhere.import_(tmp_path / "iris.tar")

    assert (again.created, again.versions) == (False, ("1.2.0",))
    assert disk.truth(tmp_path / "elsewhere") == before


def test_a_version_that_is_taken_by_other_bytes_is_refused(
    lived: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    elsewhere.register("iris", text("ours"), version="1.2.0")
    lived.export("iris@1.2.0", tmp_path / "iris.tar")
    before = disk.journals(tmp_path / "elsewhere")

    with pytest.raises(VersionTakenError, match="bytes of model"):
        elsewhere.import_(tmp_path / "iris.tar")

    assert disk.journals(tmp_path / "elsewhere") == before


def test_the_same_model_registered_on_both_sides_is_one_version(
    registry: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    registry.register("iris", text("the same"), version="1.0.0")
    elsewhere.register("iris", text("the same"), version="1.0.0")
    registry.export("iris@1.0.0", tmp_path / "iris.tar")

    assert not elsewhere.import_(tmp_path / "iris.tar").created


def test_a_version_that_was_purged_here_does_not_come_back(
    lived: Registry, elsewhere: Registry, tmp_path: Path
) -> None:
    lived.export("iris@1.2.0", tmp_path / "iris.tar")
    elsewhere.import_(tmp_path / "iris.tar")
    elsewhere.purge("iris", versions=["1.2.0"], grace_s=0)
    before = disk.journals(tmp_path / "elsewhere")

    with pytest.raises(ConflictError, match="purged"):
        elsewhere.import_(tmp_path / "iris.tar")

    assert disk.journals(tmp_path / "elsewhere") == before


def test_an_imported_version_can_be_registered_again_as_the_same(
    registry: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    registry.export(registry.register("iris", text("words"), version="1.4.0"), tmp_path / "i.tar")
    elsewhere.import_(tmp_path / "i.tar")

    assert not elsewhere.register("iris", text("words"), version="1.4.0").created


def test_names_of_any_kind_survive_the_way(
    registry: Registry, elsewhere: Registry, tmp_path: Path, text: Text
) -> None:
    for index, name in enumerate(("CON", "a/b c", "größer – модель", "x" * 250)):
        registry.register(name, text(name))
        registry.export(name, tmp_path / f"{index}.tar")
        elsewhere.import_(tmp_path / f"{index}.tar")

    assert [info.model for info in elsewhere.models()] == [info.model for info in registry.models()]
    assert elsewhere.verify().whole


def test_an_import_that_was_killed_goes_on_when_it_is_run_again(
    lived: Registry, elsewhere: Registry, tmp_path: Path, crew: Crew
) -> None:
    for turn in range(240):
        lived.tag("iris@1.3.0", {"turn": str(turn)})
    lived.export("iris", tmp_path / "iris.tar")
    elsewhere.init()
    cut = 0
    for after_s in (0.005, 0.01, 0.015, 0.02, 0.025):
        job = Job(tmp_path / "elsewhere", [step("import_", tmp_path / "iris.tar")], by="zoe")
        (outcomes,) = crew.work([job], kill_after_s=after_s)
        cut += not outcomes
        assert holdfast.open(tmp_path / "elsewhere").verify().whole

    elsewhere.import_(tmp_path / "iris.tar")

    assert cut > 0
    assert everything(elsewhere) == everything(lived)


def test_of_many_processes_that_import_one_bundle_none_fails(
    lived: Registry, elsewhere: Registry, tmp_path: Path, crew: Crew
) -> None:
    lived.export("iris", tmp_path / "iris.tar")
    elsewhere.init()
    job = Job(tmp_path / "elsewhere", [step("import_", tmp_path / "iris.tar")], by="zoe")

    outcomes = [job_outcomes[0] for job_outcomes in crew.work([job] * 6)]

    assert [outcome.error for outcome in outcomes] == [None] * 6
    assert everything(elsewhere) == everything(lived)


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "words", "zip"])
def test_what_is_no_bundle_is_refused(elsewhere: Registry, tmp_path: Path, what: str) -> None:
    path = tmp_path / "iris.tar"
    match what:
        case "folder":
            path.mkdir()
        case "empty":
            path.write_bytes(b"")
        case "words":
            path.write_bytes(b"just words " * 200)
        case "zip":
            path.write_bytes(b"PK\x03\x04" + bytes(600))
        case _:
            pass

    with pytest.raises((InvalidInputError, DamagedError), match=r"iris\.tar"):
        elsewhere.import_(path)

    assert elsewhere.models() == []


def test_a_deleted_model_is_not_exported_and_its_bundle_cannot_bring_it_back(
    lived: Registry, elsewhere: Registry, opened: Callable[..., Registry], tmp_path: Path
) -> None:
    lived.export("iris", tmp_path / "iris.tar")
    elsewhere.import_(tmp_path / "iris.tar")
    elsewhere.delete("iris", reason="over", force=True)

    again = elsewhere.import_(tmp_path / "iris.tar")

    assert not again.created
    assert elsewhere.models() == []
    with pytest.raises(NotFoundError):
        elsewhere.export("iris", tmp_path / "more.tar")
    assert opened().models() != []
