"""Versions found by what they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.core.views import SearchResult
from holdfast.errors import InvalidInputError, NotFoundError


def refs(result: SearchResult) -> list[str]:
    return [info.ref for info in result.versions]


@pytest.fixture
def team(registry: Registry, text: Text, clock: Clock) -> Registry:
    """Two models: iris with three versions, churn with one."""
    for number, (recall, depth) in enumerate([(0.8, 3), (0.95, 5), (0.9, "deep")], start=1):
        clock.on(f"2026-03-0{number}T09:00")
        registry.register(
            "iris",
            text(f"iris {number}"),
            metrics={"recall": recall},
            hyperparameters={"depth": depth},
        )
    registry.register("churn", text("churn"), metrics={"recall": 0.99, "auc": 0.7})
    registry.tag("iris@1.1.0", {"team": "risk"})
    registry.tag("churn@1.0.0", {"team": "risk"})
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0", force=True, reason="better")
    return registry


def test_versions_of_one_model_are_found(team: Registry) -> None:
    found = team.search('recall > 0.9 and tag.team = "risk"', model="iris")

    assert refs(found) == ["iris@1.1.0"]
    assert found.versions == (team.resolve("iris@1.1.0"),)
    assert (found.total, found.damages) == (1, ())


def test_versions_of_all_models_are_found_in_order_of_model_and_version(team: Registry) -> None:
    assert refs(team.search("recall > 0.8")) == ["churn@1.0.0", "iris@1.1.0", "iris@1.2.0"]
    assert refs(team.search()) == ["churn@1.0.0", "iris@1.0.0", "iris@1.1.0", "iris@1.2.0"]
    assert refs(team.search("auc > 0.1", model=["iris", "churn", "iris"])) == ["churn@1.0.0"]


def test_all_of_several_conditions_must_hold(team: Registry) -> None:
    assert refs(team.search(["recall > 0.8", "model = iris or auc > 1"])) == [
        "iris@1.1.0",
        "iris@1.2.0",
    ]


def test_what_only_manifests_tell_is_found(team: Registry) -> None:
    assert refs(team.search("parameter.depth >= 3")) == ["iris@1.0.0", "iris@1.1.0"]
    assert refs(team.search("parameter.depth = deep")) == ["iris@1.2.0"]
    assert refs(team.search("parameter.depth is null")) == ["churn@1.0.0"]


def test_a_purged_version_is_found_too(team: Registry) -> None:
    team.archive("iris@1.2.0")
    team.purge("iris", versions=["1.2.0"])

    assert refs(team.search("status = purged and parameter.depth = deep")) == ["iris@1.2.0"]


def test_the_order_is_by_fields_and_what_a_version_lacks_comes_last(team: Registry) -> None:
    def ordered(by: str) -> list[str]:
        return refs(team.search(order_by=by))

    assert ordered("recall desc") == ["churn@1.0.0", "iris@1.1.0", "iris@1.2.0", "iris@1.0.0"]
    assert ordered("auc, recall") == ["churn@1.0.0", "iris@1.0.0", "iris@1.2.0", "iris@1.1.0"]
    assert ordered("auc desc, version desc")[1:] == ["iris@1.2.0", "iris@1.1.0", "iris@1.0.0"]
    assert ordered("parameter.depth") == ["iris@1.0.0", "iris@1.1.0", "iris@1.2.0", "churn@1.0.0"]
    assert ordered("parameter.depth desc")[0] == "iris@1.2.0"
    assert ordered("served desc, version")[:2] == ["iris@1.0.0", "iris@1.1.0"]


def test_parameters_of_every_type_have_an_order(registry: Registry, text: Text) -> None:
    for number, value in enumerate([[1], True, "a", 2, None]):
        registry.register("iris", text(str(number)), hyperparameters={"x": value})
    found = registry.search(order_by="parameter.x")

    assert [info.number for info in found.versions] == [4, 3, 2, 1, 5]


def test_a_limit_cuts_and_the_total_tells(team: Registry) -> None:
    found = team.search("recall > 0.8", limit=2)

    assert refs(found) == ["churn@1.0.0", "iris@1.1.0"]
    assert found.total == 3


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "2"])
def test_a_limit_is_a_whole_number_of_1_or_more(registry: Registry, limit: Any) -> None:
    with pytest.raises(InvalidInputError, match="limit must be a whole number of 1 or more, not"):
        registry.search(limit=limit)


def test_versions_are_searched_as_they_stood(team: Registry) -> None:
    assert refs(team.search("stage = production", at="2026-03-03T09:00:30Z")) == ["iris@1.1.0"]
    assert refs(team.search("recall > 0", at="2026-03-01")) == ["iris@1.0.0"]
    assert refs(team.search(at="2026-03-01", model="iris")) == ["iris@1.0.0"]


def test_a_name_that_no_version_has_may_be_a_typing_error(team: Registry) -> None:
    with pytest.raises(InvalidInputError) as caught:
        team.search("tag.team = risk and recal > 0.9")
    assert str(caught.value) == (
        "where at character 21 (recal) is neither a field nor a metric of any version searched; "
        "nearest: recall; write metric.NAME if none may have it yet"
    )
    with pytest.raises(InvalidInputError, match=r"order_by at character 1 \(auc\) is neither"):
        team.search(model="iris", order_by="auc")
    assert refs(team.search("metric.recal > 0.9")) == []


def test_where_there_are_no_versions_no_name_is_wrong(registry: Registry, grow: Grow) -> None:
    assert registry.search("recall > 0.9").versions == ()
    registry.set_policy("empty", holdfast.Policy())
    assert registry.search("recall > 0.9", model="empty").versions == ()
    grow(1)
    with pytest.raises(InvalidInputError):
        registry.search("recall > 0.9")


def test_a_malformed_condition_is_refused_before_anything_is_looked_at(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="end of where must be"):
        registry.search("recall >", model="nobody")


def test_a_model_that_is_not_there_is_told(team: Registry) -> None:
    with pytest.raises(NotFoundError, match="nearest: iris"):
        team.search("recall > 0", model="irsi")


@pytest.mark.usefixtures("team")
def test_a_damaged_model_hides_no_other(store: Path, opened: Callable[..., Registry]) -> None:
    entry = store / "models" / "churn" / "journal" / "0000000001.json"
    entry.chmod(0o644)
    entry.write_bytes(b"rotten")
    found = opened().search("recall > 0.9")

    assert refs(found) == ["iris@1.1.0"]
    assert [(damage.model, damage.version) for damage in found.damages] == [("churn", None)]


def test_a_manifest_that_is_lost_is_told_only_where_it_would_decide(
    team: Registry, store: Path, opened: Callable[..., Registry]
) -> None:
    digest = team.resolve("iris@1.1.0").digest.removeprefix("sha256:")
    (store / "blobs" / "sha256" / digest).unlink()
    (store / "models" / "iris" / "versions" / "1.1.0" / "manifest.json").unlink()
    found = opened().search("parameter.depth >= 3")
    unharmed = opened().search("recall > 0.9 or parameter.depth >= 3")

    assert refs(found) == ["iris@1.0.0"]
    assert [(damage.model, damage.version) for damage in found.damages] == [("iris", "1.1.0")]
    assert refs(unharmed) == ["churn@1.0.0", "iris@1.0.0", "iris@1.1.0"]
    assert unharmed.damages == ()


@pytest.mark.usefixtures("team")
def test_a_journal_of_a_newer_format_hides_no_other_model(
    store: Path, opened: Callable[..., Registry]
) -> None:
    path = store / "models" / "churn" / "journal" / "0000000001.json"
    raw = path.read_bytes().replace(b'"op":"registered"', b'"op":"teleported"')
    disk.overwrite(path, disk.sealed(raw))
    (damage,) = opened().search("recall > 0.9").damages

    assert damage.subject == "churn"
    assert "needs the operation 'teleported'" in damage.problem


def test_a_notebook_shows_what_was_found(team: Registry) -> None:
    shown = team.search("recall > 0.95")._repr_html_()

    assert "churn@1.0.0" in shown
    assert "auc 0.7, recall 0.99" in shown
