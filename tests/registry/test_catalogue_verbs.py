"""Models without versions, references, and versions with labels from their first moment on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

import holdfast
from holdfast.core.events import Origin
from holdfast.core.state import State
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from holdfast.registry.catalogue_verbs import CatalogueVerbs, Labels, Reference
from holdfast.registry.facts import Facts
from holdfast.registry.registry import Registry


def anything(_state: State) -> None:
    """Refuse nothing."""


LABELS = Labels(anything, {"team": "risk"}, {"source": "s3://bucket/iris"})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture
def catalogue(registry: Registry) -> CatalogueVerbs:
    return registry.catalogue


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights.json").write_text("[1, 2]\n")
    return path


def test_a_model_exists_once_it_is_described(catalogue: CatalogueVerbs) -> None:
    assert catalogue.state("iris") is None
    assert catalogue.models() == []
    with pytest.raises(NotFoundError, match="model iris not found"):
        catalogue.require("iris")

    catalogue.describe("iris", None, {}, anything)

    assert catalogue.models() == ["iris"]
    assert catalogue.require("iris").versions == {}
    assert catalogue.state("rose") is None


def test_a_check_refuses_before_anything_is_written(catalogue: CatalogueVerbs) -> None:
    def refuse(_state: State) -> None:
        raise ConflictError("iris", "is taken")

    with pytest.raises(ConflictError, match="is taken"):
        catalogue.describe("iris", None, {}, refuse)
    with pytest.raises(ConflictError, match="is taken"):
        catalogue.refer("iris", "s3://b/x", Labels(refuse), {})
    assert catalogue.models() == []


def test_a_folder_is_taken_in_with_its_labels(
    registry: Registry, catalogue: CatalogueVerbs, folder: Path
) -> None:
    version = catalogue.register("iris", folder, LABELS, {"formats": {"model": "folder"}})
    record = catalogue.require("iris").versions[version]

    assert (record.tags, record.texts, record.reference) == (LABELS.tags, LABELS.texts, None)
    assert registry.fetch(f"iris@{version}").paths["model"].is_dir()
    assert registry.verify().whole


def test_a_reference_is_listed_and_never_used(
    registry: Registry, catalogue: CatalogueVerbs, tmp_path: Path
) -> None:
    version = catalogue.refer("iris", "s3://b/x", LABELS, {"lineage": {"run_id": "r1"}})
    ref = f"iris@{version}"

    assert registry.resolve(ref).reference == "s3://b/x"
    assert registry.manifest(ref).lineage.run_id == "r1"
    assert registry.alias(ref, "eu").changed
    assert registry.stage(ref).changed
    for refused in (
        lambda: registry.promote(ref, force=True, reason="now"),
        lambda: registry.load(ref),
        lambda: registry.fetch(ref),
        lambda: registry.paths(ref),
        lambda: registry.checkout(ref, tmp_path / "out"),
    ):
        with pytest.raises(ConflictError, match="is a reference to 's3://b/x'"):
            refused()
    assert registry.judge(ref).reasons[0].startswith("it is a reference to 's3://b/x'")
    assert registry.verify().whole
    assert [change.op for change in registry.history("iris")] == [
        "registered",
        "alias_set",
        "staged",
    ]


def test_references_are_numbered_as_all_versions_are(catalogue: CatalogueVerbs) -> None:
    versions = [catalogue.refer("iris", "s3://b/x", LABELS, {}) for _ in range(3)]

    assert versions == ["1.0.0", "1.1.0", "1.2.0"]


def test_one_version_is_taken_away(registry: Registry, catalogue: CatalogueVerbs) -> None:
    for _ in range(2):
        catalogue.refer("iris", "s3://b/x", LABELS, {})
    registry.alias("iris@1.0.0", "eu")

    catalogue.remove("iris", "1.1.0", "wrong")

    assert registry.resolve("iris@1.1.0").status == "purged"
    with pytest.raises(ConflictError, match="cannot be purged: alias eu"):
        catalogue.remove("iris", "1.0.0", "wrong")
    with pytest.raises(ConflictError, match="was purged"):
        catalogue.remove("iris", "1.1.0", "wrong")


def test_a_version_is_carried_to_another_model(
    registry: Registry, catalogue: CatalogueVerbs, folder: Path
) -> None:
    catalogue.register("iris", folder, LABELS, {"formats": {"model": "folder"}})
    manifest = replace(registry.manifest("iris@1.0.0"), name="rose")

    first = catalogue.carry(manifest, LABELS, "was iris@1.0.0")
    again = catalogue.carry(manifest, LABELS, "was iris@1.0.0")

    assert (first, again) == ("1.0.0", "1.1.0")
    assert registry.manifest("rose@1.1.0").artifacts == manifest.artifacts
    assert registry.verify().whole


def test_labels_may_say_where_a_version_comes_from(catalogue: CatalogueVerbs) -> None:
    origin = Origin("mlflow", "a" * 64)

    catalogue.refer("iris", "s3://b/x", Labels(anything, origin=origin), {})

    assert catalogue.require("iris").versions["1.0.0"].reference == "s3://b/x"


@pytest.mark.parametrize("field", ["tags", "texts"])
def test_labels_have_printable_keys(catalogue: CatalogueVerbs, field: str) -> None:
    labels = replace(LABELS, **{field: {" ": "x"}})

    with pytest.raises(InvalidInputError, match="is not a name"):
        catalogue.refer("iris", "s3://b/x", labels, {})


def test_a_copied_model_keeps_references_and_texts(
    registry: Registry, catalogue: CatalogueVerbs, tmp_path: Path
) -> None:
    catalogue.describe("iris", None, {"description": "flowers"}, anything)
    catalogue.refer("iris", "s3://b/x", LABELS, {})
    other = holdfast.open(tmp_path / "other", by="bob")

    registry.copy(other)
    registry.export("iris", tmp_path / "iris.holdfast")
    third = holdfast.open(tmp_path / "third", by="cid")
    third.import_(tmp_path / "iris.holdfast")

    for copied in (other, third):
        state = copied.catalogue.require("iris")
        assert state.texts == {"description": "flowers"}
        assert state.versions["1.0.0"].texts == LABELS.texts
        assert copied.verify().whole


def references(count: int, check: Callable[[State], object] = anything) -> list[Reference]:
    return [
        Reference(f"s3://b/{number}", replace(LABELS, check=check), {"description": f"{number}."})
        for number in range(count)
    ]


def test_references_at_once_are_those_that_one_by_one_would_be(
    registry: Registry, catalogue: CatalogueVerbs, folder: Path, tmp_path: Path
) -> None:
    single = holdfast.open(tmp_path / "other", by="ann")
    for each in (registry, single):
        schema: Facts = {"input_schema": {"type": "object"}}
        each.catalogue.register("iris", folder, LABELS, schema)
    versions = catalogue.refer_all("iris", references(40))
    one_by_one = [
        single.catalogue.refer("iris", each.uri, each.labels, each.facts) for each in references(40)
    ]

    def told(one: Registry) -> list[str]:
        return [getattr(entry.event, "why", "") for entry in one.entries("iris")]

    assert versions == one_by_one == [f"1.{minor}.0" for minor in range(1, 41)]
    assert told(registry) == told(single)
    assert registry.manifest("iris@v3").reference == "s3://b/1"
    assert registry.resolve("iris@v3").tags == LABELS.tags
    assert registry.verify().whole
    assert holdfast.open(registry.location).versions("iris") == registry.versions("iris")


def test_references_go_on_behind_a_rivals_entry(
    registry: Registry, catalogue: CatalogueVerbs, tmp_path: Path
) -> None:
    catalogue.refer("iris", "s3://b/x", LABELS, {})
    rival = holdfast.open(tmp_path / "store", by="bob").catalogue
    asked: list[State] = []

    def interfere(state: State) -> None:
        asked.append(state)
        if len(asked) == 2:
            rival.refer("iris", "s3://b/rival", LABELS, {})

    versions = catalogue.refer_all("iris", references(3, interfere))

    told = [info.reference or "" for info in registry.versions("iris")]
    assert sorted(told) == sorted(["s3://b/x", "s3://b/rival", *(f"s3://b/{n}" for n in range(3))])
    assert [info.version for info in registry.versions("iris")][-1] == versions[-1]
    assert registry.verify().whole


def test_references_that_are_refused_leave_nothing(
    registry: Registry, catalogue: CatalogueVerbs
) -> None:
    seen: list[State] = []

    def refuse(state: State) -> None:
        seen.append(state)
        if len(seen) == 2:
            raise ConflictError("iris", "is taken")

    with pytest.raises(ConflictError, match="is taken"):
        catalogue.refer_all("iris", references(3, refuse))
    assert registry.models() == []


def test_what_entries_are_about_is_told(registry: Registry, catalogue: CatalogueVerbs) -> None:
    catalogue.refer_all("iris", references(3))
    before = catalogue.require("iris")
    registry.tag("iris@1.1.0", {"a": "b"})
    catalogue.describe("iris", None, {"x": "y"}, anything)
    registry.stage("iris@1.2.0")
    afresh = holdfast.open(registry.location).catalogue

    for other in (catalogue, afresh):
        assert other.touched(other.require("iris"), before.seq, before.head) == ["1.1.0", "1.2.0"]
