"""The verbs that move names among versions; promotion and rollback are among the scenarios."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

from holdfast import Policy, Registry
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
)


def status_of(registry: Registry) -> dict[str, str]:
    return {info.version: info.status for info in registry.versions("iris")}


def test_staging_moves_and_the_one_before_is_registered_again(
    registry: Registry, grow: Grow
) -> None:
    grow(2)
    registry.stage("iris@1.0.0")

    moved = registry.stage("iris@1.1.0", reason="newer")

    assert (moved.version, moved.was, moved.changed) == ("1.1.0", "1.0.0", True)
    assert status_of(registry) == {"1.0.0": "registered", "1.1.0": "staging"}
    assert registry.history("iris")[-1].reason == "newer"


def test_staging_the_staged_version_changes_nothing_and_says_so(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(1)
    registry.stage("iris@1.0.0")
    before = disk.truth(store)

    moved = registry.stage("iris@1.0.0")

    assert not moved.changed
    assert "is already staged" in moved.note
    assert disk.truth(store) == before


def test_promotion_takes_a_version_off_staging(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.stage("iris@1.0.0")

    registry.promote("iris@staging")

    with pytest.raises(NotFoundError):
        registry.resolve("iris@staging")
    assert registry.status("iris").staging is None


@pytest.mark.parametrize("verb", ["stage", "archive"])
def test_the_live_version_is_neither_staged_nor_archived(
    registry: Registry, grow: Grow, verb: str
) -> None:
    grow(1)
    registry.promote("iris@1.0.0")

    with pytest.raises(ConflictError, match="is live"):
        getattr(registry, verb)("iris@production")

    assert status_of(registry) == {"1.0.0": "production"}


def test_archiving_takes_a_version_off_staging(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.stage("iris@1.0.0")

    registry.archive("iris@1.0.0", reason="too slow")

    assert status_of(registry) == {"1.0.0": "archived"}
    assert registry.status("iris").staging is None
    assert not registry.archive("iris@1.0.0").changed


def test_an_archived_version_can_be_promoted(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.archive("iris@1.0.0")

    registry.promote("iris@1.0.0")

    assert status_of(registry) == {"1.0.0": "production"}


def test_an_alias_moves_and_tells_where_from(registry: Registry, grow: Grow) -> None:
    grow(2)
    registry.alias("iris@1.0.0", "champion")

    moved = registry.alias("iris@1.1.0", "champion")

    assert (moved.version, moved.was) == ("1.1.0", "1.0.0")
    assert registry.resolve("iris@champion").version == "1.1.0"
    assert registry.resolve("iris@1.1.0").aliases == ("champion",)
    assert registry.resolve("iris@1.0.0").aliases == ()
    assert not registry.alias("iris@1.1.0", "champion").changed


def test_an_alias_that_is_removed_names_nothing(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.alias("iris@1.0.0", "eu")

    registry.remove_alias("iris", "eu", reason="closed")

    with pytest.raises(NotFoundError):
        registry.resolve("iris@eu")
    with pytest.raises(NotFoundError, match="alias eu of iris"):
        registry.remove_alias("iris", "eu")


@pytest.mark.parametrize(
    "alias",
    ["production", "staging", "latest", "previous", "v3", "1.0.0", "Eu", "a b", "", "../x", "x"],
)
def test_an_alias_that_means_something_else_is_refused(
    registry: Registry, grow: Grow, alias: str
) -> None:
    grow(1)

    with pytest.raises(InvalidInputError):
        registry.alias("iris@1.0.0", alias)

    assert registry.resolve("iris@1.0.0").aliases == ()


def test_a_protected_alias_needs_a_second_person(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    grow(1)
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))
    registry.approve("iris@1.0.0")

    with pytest.raises(RefusedError, match="no second person has approved"):
        registry.alias("iris@1.0.0", "eu")
    opened(by="bob").approve("iris@1.0.0")
    registry.alias("iris@1.0.0", "eu")

    assert registry.resolve("iris@eu").version == "1.0.0"


def test_a_protected_alias_is_removed_by_force_alone(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.alias("iris@1.0.0", "eu")
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))

    with pytest.raises(RefusedError):
        registry.remove_alias("iris", "eu")
    registry.remove_alias("iris", "eu", force=True, reason="closing the region")

    assert registry.history("iris")[-1].reason == "closing the region"
    assert registry.resolve("iris@1.0.0").aliases == ()


def test_force_on_an_alias_needs_a_reason_and_is_recorded(registry: Registry, grow: Grow) -> None:
    grow(1)
    registry.set_policy("iris", Policy(protected_aliases=("eu",)))

    with pytest.raises(InvalidInputError, match="reason"):
        registry.alias("iris@1.0.0", "eu", force=True)
    registry.alias("iris@1.0.0", "eu", force=True, reason="nobody else is here")

    last = registry.history("iris")[-1]
    assert (last.what, last.reason) == (
        "alias eu → 1.0.0 overriding its protection",
        "nobody else is here",
    )


@pytest.mark.parametrize(
    ("verb", "arguments", "options"),
    [
        ("promote", ["iris@v1"], {}),
        ("judge", ["iris@v1"], {}),
        ("stage", ["iris@v1"], {}),
        ("archive", ["iris@v1"], {}),
        ("alias", ["iris@v1", "eu"], {}),
        ("approve", ["iris@v1"], {}),
        ("hold", ["iris@v1"], {"reason": "audit"}),
        ("load", ["iris@v1"], {}),
        ("paths", ["iris@v1"], {}),
    ],
)
def test_a_purged_version_is_moved_nowhere(
    registry: Registry,
    store: Path,
    grow: Grow,
    verb: str,
    arguments: list[str],
    options: dict[str, Any],
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)
    before = disk.truth(store)

    with pytest.raises(ConflictError, match="was purged, so its bytes are gone"):
        getattr(registry, verb)(*arguments, **options)

    assert disk.truth(store) == before


def test_every_move_is_seen_in_the_files_derived_from_the_journal(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(3)
    seen = []
    for verb, ref in (("stage", "v3"), ("promote", "v1"), ("archive", "v2"), ("promote", "v3")):
        getattr(registry, verb)(f"iris@{ref}")
        folder = store / "models" / "iris"
        statuses = [
            json.loads((folder / "versions" / f"1.{minor}.0" / "manifest.json").read_bytes())
            for minor in range(3)
        ]
        pointer = json.loads((folder / "active_version.json").read_bytes())
        seen.append(
            (pointer["current"], pointer["previous"], [manifest["status"] for manifest in statuses])
        )

    assert seen == [
        (None, None, ["registered", "registered", "staging"]),
        ("1.0.0", None, ["production", "registered", "staging"]),
        ("1.0.0", None, ["production", "archived", "staging"]),
        ("1.2.0", "1.0.0", ["archived", "archived", "production"]),
    ]
