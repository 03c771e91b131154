"""What a registration records of its data, and of the code beside it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError, NotFoundError

SECRET = "hunter2"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, a repository with one commit and a remote that has a token."""
    folder = tmp_path / "work"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs" / "train.py").write_text("x = 1\n")
    (folder / "rows.csv").write_text("a,b\n1,x\n")
    (folder / "uv.lock").write_text("version = 1\n")
    (folder / "m.txt").write_text("model")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    git(folder, "remote", "add", "origin", f"https://me:{SECRET}@example.com/team/repo.git")
    monkeypatch.chdir(folder / "jobs")
    return folder


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    command = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def registry(work: Path) -> Registry:
    return holdfast.open(work.parent / "store", by="ann")


def register(registry: Registry, work: Path, **facts: Any) -> Any:
    return registry.manifest(registry.register("iris", work / "m.txt", **facts).ref)


def test_data_by_path_and_by_name_are_recorded_with_both_digests(
    registry: Registry, work: Path
) -> None:
    version = registry.data.add("sales", str(work / "rows.csv")).version
    manifest = register(registry, work, data={"train": "sales@v1", "test": work / "rows.csv"})

    train, test = (manifest.lineage.used_data[name] for name in ("train", "test"))
    assert (train.digest, train.rows) == (version.added.digest, version.added.rows)
    assert (test.digest, test.rows) == (train.digest, train.rows)
    assert (train.ref, test.ref, test.path) == ("sales@v1", None, str(work / "rows.csv"))
    assert manifest.training_data["digests"] == {"test": test.digest, "train": train.digest}


def test_the_code_beside_it_is_recorded_without_credentials(registry: Registry, work: Path) -> None:
    lineage = register(registry, work, data={"train": work / "rows.csv"}).lineage

    assert lineage.remote == "https://example.com/team/repo.git"
    assert (lineage.folder, list(lineage.locks)) == ("jobs", ["uv.lock"])
    stored = (path for path in Path(registry.location).rglob("*") if path.is_file())
    assert not any(SECRET.encode() in path.read_bytes() for path in stored)


def test_without_data_or_an_entry_nothing_more_is_recorded(registry: Registry, work: Path) -> None:
    digest = registry.register("iris", work / "m.txt").version.digest
    raw = registry._session.open_store.blobs.read(digest.removeprefix("sha256:"))

    assert b'"remote"' not in raw
    assert b'"data"' not in raw


def test_the_same_from_another_clone_is_the_same_version(registry: Registry, work: Path) -> None:
    facts: Any = {"data": {"train": str(work / "rows.csv")}, "version": "1.0.0"}
    registry.register("iris", work / "m.txt", **facts)
    git(work, "remote", "set-url", "origin", "https://example.com/other.git")

    assert not registry.register("iris", work / "m.txt", **facts).created


def test_a_patch_is_kept_only_if_it_is_asked_for(registry: Registry, work: Path) -> None:
    (work / "jobs" / "train.py").write_text(f"password = '{SECRET}'\n")
    register(registry, work, data={"train": work / "rows.csv"})
    stored = [path for path in Path(registry.location).rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in stored)

    (work / "m.txt").write_text("other")
    manifest = register(registry, work, data={"train": work / "rows.csv"}, patch=True)
    (file,) = manifest.artifacts["patch"].files
    assert SECRET.encode() in registry._session.open_store.blobs.read(file.sha256)
    assert registry.verify().whole


def test_a_patch_without_changes_is_none(registry: Registry, work: Path) -> None:
    assert "patch" not in register(registry, work, patch=True).artifacts


def test_a_patch_needs_a_commit_and_has_a_bound(
    registry: Registry, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "jobs" / "train.py").write_text("x" * (1 << 20) + "\n")
    with pytest.raises(InvalidInputError, match=r"patch has 1,0.* bytes, more than 1,048,576"):
        register(registry, work, patch=True)

    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    for folder in (empty, tmp_path):
        monkeypatch.chdir(folder)
        with pytest.raises(InvalidInputError, match="cannot be told from a commit"):
            register(registry, work, patch=True)


def test_a_repository_without_commits_or_remotes_is_no_hindrance(
    registry: Registry, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    monkeypatch.chdir(empty)
    lineage = register(registry, work, data={"train": work / "rows.csv"}).lineage

    assert (lineage.git_commit, lineage.folder) == (None, "")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"train": "none.csv"}, "does not exist"),
        ({"": "rows.csv"}, "is not a valid name"),
        ("rows.csv", "must be a mapping"),
    ],
)
def test_data_that_is_none_is_refused(
    registry: Registry, work: Path, data: Any, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        register(registry, work, data=data)


def test_data_of_an_unknown_name_is_refused(registry: Registry, work: Path) -> None:
    with pytest.raises(NotFoundError, match="data sales not found"):
        register(registry, work, data={"train": "sales@v1"})
    assert registry.models() == []
