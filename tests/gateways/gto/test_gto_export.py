"""Models as GTO registries: which tags, in which order, on which commits."""

import json
from pathlib import Path

import pytest
from tests.gateways.gto.git_folders import commit, git, needs_git, repository, tag, tags

import holdfast
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError
from holdfast.gateways.gto import gto_export
from holdfast.gateways.gto.git_repository import GitRepository
from holdfast.gateways.gto.gto_export import GtoExport

pytestmark = needs_git
URL = "https://models.example.org"


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    registry = holdfast.open(tmp_path / "store", by="Ana Lund")
    model = tmp_path / "model.txt"
    for text in ("one", "two"):
        model.write_text(text)
        registry.register("iris", model, reason=f"try\n\nHoldfast-Entry: 9 {text}")
    registry.promote("iris@1.0.0")
    registry.stage("iris@1.1.0")
    registry.promote("iris@1.1.0", reason="better")
    registry.alias("iris@1.0.0", "eu")
    registry.alias("iris@1.0.0", "eu.west")
    registry.rollback("iris", reason="worse after all")
    registry.remove_alias("iris", "eu")
    return registry


def export(registry: holdfast.Registry, folder: Path, model: str = "iris") -> GtoExport:
    return gto_export.export(registry, model, GitRepository(folder), URL)


def test_each_entry_is_a_tag_on_its_versions_commit(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git", "--bare")

    done = export(registry, folder)

    made = tags(folder)
    first, second = made["iris@v1.0.0"][0], made["iris@v1.1.0"][0]
    assert {name: commit for name, (commit, _) in made.items()} == {
        "iris@v1.0.0": first,
        "iris@v1.1.0": second,
        "iris#production#3": first,
        "iris#staging#4": second,
        "iris#staging!#5": second,
        "iris#production#5": second,
        "iris#eu#6": first,
        "iris#production#8": first,
        "iris#eu!#9": first,
    }
    assert (done.versions, done.tags) == (2, 9)
    assert done.left_out == ("iris@eu.west is not a name of GTO's",)
    assert git(folder, "rev-parse", "HEAD", "HEAD~1").split() == [second, first]


def test_seconds_rise_with_entries_whatever_the_clock_said(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git", "--bare")

    export(registry, folder)

    made = tags(folder)
    order = [
        *("iris@v1.0.0", "iris@v1.1.0", "iris#production#3", "iris#staging#4", "iris#staging!#5"),
        *("iris#production#5", "iris#eu#6", "iris#production#8", "iris#eu!#9"),
    ]
    assert sorted(made, key=lambda name: made[name][1]) == order
    assert len({second for _, second in made.values()}) == len(order)


def test_a_commit_has_files_of_dvc_and_an_index(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    bert = tmp_path / "bert"
    (bert / "deep").mkdir(parents=True)
    (bert / "config.json").write_text("{}")
    (bert / "deep" / "a [b].bin").write_bytes(b"weights")
    registry.register("team/bert", bert, description="reads")
    folder = repository(tmp_path / "git")

    export(registry, folder)
    export(registry, folder, "team/bert")

    listed = git(folder, "ls-tree", "-r", "--name-only", "-z", "holdfast").strip("\0").split("\0")
    assert listed == [
        ".dvc/.gitignore", ".dvc/config", "dvc.yaml", "iris/.gitignore", "iris/model.txt.dvc",
        "team.bert/.gitignore", "team.bert/config.json.dvc", "team.bert/deep/.gitignore",
        "team.bert/deep/a [b].bin.dvc",
    ]  # fmt: skip
    assert json.loads((folder / "dvc.yaml").read_text())["artifacts"] == {
        "iris": {"path": "iris/model.txt", "type": "model"},
        "team/bert": {"path": "team.bert", "type": "model", "desc": "reads"},
    }
    assert "remote://holdfast/team/bert/resolve/1.0.0/config.json" in (
        folder / "team.bert" / "config.json.dvc"
    ).read_text()  # fmt: skip
    assert f"url = {URL}" in (folder / ".dvc" / "config").read_text()
    assert (folder / "team.bert" / "deep" / ".gitignore").read_text() == "/a\\ \\[b].bin\n"
    assert git(folder, "status", "--porcelain") == ""


def test_an_export_adds_what_is_new_and_makes_the_same_tags_elsewhere(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    one, two = (repository(tmp_path / name, "--bare") for name in ("one", "two"))
    export(registry, one)
    (tmp_path / "model.txt").write_text("three")
    registry.register("iris", tmp_path / "model.txt")

    again, whole = export(registry, one), export(registry, two)
    nothing = export(registry, one)

    assert (again.versions, again.tags, nothing.tags) == (3, 1, 0)
    assert whole.tags == 10
    form = "--format=%(refname) %(objectname)"
    assert git(one, "for-each-ref", form) == git(two, "for-each-ref", form)


def test_a_work_tree_that_shows_the_branch_follows(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    export(registry, folder)
    (folder / "mine.txt").write_text("not Git's")
    (tmp_path / "other.txt").write_text("three")
    registry.register("iris", tmp_path / "other.txt")

    export(registry, folder)

    assert (folder / "iris" / "model.txt.dvc").exists()
    assert "resolve/1.2.0/" in (folder / "iris" / "model.txt.dvc").read_text()
    assert git(folder, "status", "--porcelain") == "?? mine.txt"


def test_a_work_tree_with_changes_is_left_alone(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    export(registry, folder)
    before = tags(folder)
    (folder / "dvc.yaml").write_text("mine")
    (tmp_path / "model.txt").write_text("three")
    registry.register("iris", tmp_path / "model.txt")

    with pytest.raises(InvalidInputError, match="changes that are not committed"):
        export(registry, folder)

    assert tags(folder) == before
    assert (folder / "dvc.yaml").read_text() == "mine"


def test_a_file_in_the_way_of_a_work_tree_is_not_overwritten(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    (folder / "dvc.yaml").write_text("mine")

    with pytest.raises(ConflictError, match="could not follow"):
        export(registry, folder)

    assert (folder / "dvc.yaml").read_text() == "mine"
    assert len(tags(folder)) == 9  # the registry is whole


def test_branches_of_others_are_not_touched(registry: holdfast.Registry, tmp_path: Path) -> None:
    folder = repository(tmp_path / "git")
    first = commit(folder, {"dvc.yaml": "artifacts: {iris: {path: x}}\n"})

    export(registry, folder)

    assert git(folder, "rev-parse", "main") == first
    assert git(folder, "status", "--porcelain") == ""
    with pytest.raises(ConflictError, match="is not an export"):
        gto_export.export(registry, "iris", GitRepository(folder), URL, "main")
    git(folder, "worktree", "add", "--quiet", str(tmp_path / "beside"), "holdfast")
    with pytest.raises(InvalidInputError, match="checked out elsewhere"):
        export(registry, folder)


def test_a_tag_that_says_something_else_is_kept_and_nothing_is_written(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    tag(folder, "iris#production#5", commit(folder, {"a": "b"}), 1_700_000_000)
    git(folder, "tag", "unrelated")
    before = git(folder, "for-each-ref")

    with pytest.raises(ConflictError, match="iris#production#5"):
        export(registry, folder)

    assert git(folder, "for-each-ref") == before


def test_a_light_tag_of_a_versions_name_is_in_the_way(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    commit(folder, {"a": "b"})
    git(folder, "tag", "iris@v1.0.0")

    with pytest.raises(ConflictError, match="says something else"):
        export(registry, folder)


def test_a_tag_in_whose_folder_others_would_lie_stops_all(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    registry.register("team/iris", tmp_path / "model.txt")
    folder = repository(tmp_path / "git")
    commit(folder, {"a": "b"})
    git(folder, "tag", "team")

    with pytest.raises(ConflictError, match="did not take all names"):
        export(registry, folder, "team/iris")

    assert "refs/heads/holdfast" not in git(folder, "for-each-ref")


def test_purged_and_deleted_versions_are_said_to_be_gone(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    before, after = (repository(tmp_path / name, "--bare") for name in ("before", "after"))
    export(registry, before)
    registry.archive("iris@1.1.0")
    registry.purge("iris", keep=0)

    known, unknown = export(registry, before), export(registry, after)

    assert known.tags == 1
    assert [name for name in tags(before) if "!" in name and "@" in name] == ["iris@v1.1.0!#10"]
    assert not any("1.1.0" in name for name in tags(after))
    assert "iris@1.1.0 has no bytes here" in unknown.left_out
    registry.delete("iris", reason="over", force=True)
    export(registry, before)
    assert "iris@deprecated#11" in tags(before)


@pytest.mark.parametrize(
    ("model", "url", "branch"),
    [
        ("a.b", URL, "holdfast"),
        ("i@x", URL, "holdfast"),
        ("iris", "ftp://h", "holdfast"),
        ("iris", "https://", "holdfast"),
        ("iris", "https://ana:secret@h.example", "holdfast"),
        ("iris", "https://h.example/?key=1", "holdfast"),
        ("iris", 'https://h.example/\n[core]\nx = "y"', "holdfast"),
        ("iris", URL, "-x"),
        ("iris", URL, "a..b"),
        ("iris", URL, "a//b"),
    ],
)
def test_what_does_not_fit_is_refused(
    registry: holdfast.Registry, tmp_path: Path, model: str, url: str, branch: str
) -> None:
    folder = repository(tmp_path / "git")

    with pytest.raises(InvalidInputError) as refusal:
        gto_export.export(registry, model, GitRepository(folder), url, branch)

    assert "secret" not in str(refusal.value)


def test_a_folder_without_git_and_a_model_that_is_not_there_are_told(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()

    with pytest.raises(InvalidInputError, match="not a folder"):
        export(registry, tmp_path / "absent")
    with pytest.raises(InvalidInputError, match="not a Git repository"):
        export(registry, tmp_path / "plain")
    with pytest.raises(NotFoundError):
        export(registry, repository(tmp_path / "git"), "absent")
