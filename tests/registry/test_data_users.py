"""Which versions of all models were made from what."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.registry import descendants
from holdfast.registry.data_users import VersionsUsing

Made = Callable[..., str]
COMMIT = "ab" * 20


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.data.add("sales", str(tmp_path / "rows.csv"))
    return registry


@pytest.fixture
def made(registry: Registry, tmp_path: Path) -> Made:
    numbers = iter(range(100))

    def register(model: str, **facts: Any) -> str:
        (tmp_path / "m.txt").write_text(str(next(numbers)))
        return registry.register(model, tmp_path / "m.txt", **facts).ref

    return register


def named(users: VersionsUsing) -> list[tuple[str, tuple[str, ...]]]:
    assert users.unread == 0
    return [(user.info.ref, user.uses) for user in users.versions]


def test_data_leads_to_its_versions_by_digest_and_by_name(
    registry: Registry, made: Made, tmp_path: Path
) -> None:
    made("other")
    first = made("iris", data={"train": "sales@v1"})
    second = made("churn", data={"rows": tmp_path / "rows.csv"})
    version = registry.data.find("sales")
    digest, rows = version.added.digest or "", version.added.rows or ""
    expected = [(second, ("rows",)), (first, ("train",))]

    for text in ("sales", "sales@v1", "sales@latest", digest, rows, digest[7:19], rows[:20]):
        assert named(registry.lineage.users_of_data(text)) == expected
    assert named(registry.lineage.users_of_data("sha256:" + "0" * 64)) == []


def test_digests_that_people_wrote_themselves_count(registry: Registry, made: Made) -> None:
    ref = made("iris", training_data={"digests": {"feed": "sha256:" + "c" * 64}})

    assert named(registry.lineage.users_of_data("c" * 64)) == [(ref, ("feed",))]


def test_a_commit_leads_to_its_versions(registry: Registry, made: Made) -> None:
    ref = made("iris", lineage={"git_commit": COMMIT})
    made("iris", lineage={"git_commit": "cd" * 20})

    assert named(registry.lineage.users_of_commit(COMMIT[:7])) == [(ref, (COMMIT,))]


def test_a_parent_leads_to_its_children(registry: Registry, made: Made) -> None:
    first = made("base")
    child = made("tuned", lineage={"parents": [first]})
    adapter = made("lora", base=first)

    assert named(registry.lineage.children("base@latest")) == [
        (adapter, ("adapter",)),
        (child, ("child",)),
    ]


def test_a_notebook_shows_lineage_as_a_graph_and_as_lists(registry: Registry, made: Made) -> None:
    parent = made("base", data={"train": "sales@v1"})
    ref = made("iris", lineage={"parents": [parent], "git_commit": COMMIT})
    registry.promote(ref)
    page = registry.lineage.of(ref)._repr_html_()
    lists = re.sub(r"<style>.*</style>|<svg.*?</svg>|<[^>]*>", " ", page)
    above, _, below = re.sub(r" +", " ", lists).partition(" became ")

    assert page.count("<svg") == 1
    assert f"made from parent {parent}" in above
    assert "data train: sales@v1" in above  # of the parent, one list deeper
    assert f"code commit {COMMIT[:12]}" in above
    assert below.startswith("live 2")
    assert registry.lineage.users_of_data("sales")._repr_html_().count(parent) == 1


def test_a_notebook_says_that_nothing_was_recorded(
    registry: Registry, made: Made, tmp_path: Path
) -> None:
    broken = registry.resolve(made("churn")).digest
    ref = made("iris")
    (tmp_path / "store" / "blobs" / "sha256" / broken.removeprefix("sha256:")).unlink()
    verbs = holdfast.open(tmp_path / "store").lineage

    page = verbs.of(ref)._repr_html_()
    assert "nothing was made from it or names it" in page
    assert "1 version could not be read" in page
    assert "1 version could not be read" in verbs.users_of_commit(COMMIT)._repr_html_()


def test_what_cannot_be_looked_for_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="must be 7 to 64 hex digits"):
        registry.lineage.users_of_commit("main")
    with pytest.raises(InvalidInputError, match="does not exist; give sha256"):
        registry.lineage.users_of_data("./rows.csv@v1")
    with pytest.raises(NotFoundError, match="data nothing not found"):
        registry.lineage.users_of_data("nothing")


def test_a_damaged_manifest_is_counted_and_hides_no_other(
    registry: Registry, made: Made, tmp_path: Path
) -> None:
    broken = registry.resolve(made("iris", data={"train": "sales@v1"})).digest
    sound = made("churn", data={"train": "sales@v1"})
    (tmp_path / "store" / "blobs" / "sha256" / broken.removeprefix("sha256:")).unlink()

    users = holdfast.open(tmp_path / "store").lineage.users_of_data("sales")
    assert ([user.info.ref for user in users.versions], users.unread) == ([sound], 1)


def test_all_versions_are_looked_at_however_many_they_are(
    registry: Registry, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descendants, "MOST_READ", 1)
    first = made("base")
    tuned = [made("tuned", lineage={"parents": [first]}) for _ in range(3)]

    tree = registry.lineage.of(first)
    assert (len(tree.became), tree.unread) == (3, 0)
    assert [user.info.ref for user in registry.lineage.children(first).versions] == tuned[::-1]
