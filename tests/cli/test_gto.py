"""Commands that exchange models with GTO registries."""

from pathlib import Path

from tests.cli.conftest import Holdfast
from tests.gateways.gto.git_folders import commit, needs_git, repository, tag, tags

pytestmark = needs_git
URL = ("--url", "https://models.example.org")


def test_a_model_goes_there_and_comes_back_elsewhere(holdfast: Holdfast, tmp_path: Path) -> None:
    folder = repository(tmp_path / "git")
    (tmp_path / "model.txt").write_text("one")
    holdfast("register", "iris", str(tmp_path / "model.txt"))
    holdfast("promote", "iris@1.0.0")

    done = holdfast("gto", "export", "iris", str(folder), *URL, "--json")
    again = holdfast("gto", "export", "iris", str(folder), *URL)

    assert (done.data["versions"], done.data["tags"]) == (1, 2)
    assert sorted(tags(folder)) == ["iris#production#2", "iris@v1.0.0"]
    assert again.out.endswith("has iris (1 version, 0 new tags) on branch holdfast\n")
    planned = holdfast("gto", "import", str(folder), "--dry-run", "--store", "other")
    assert "production" in planned.out
    assert not (tmp_path / "other").exists()


def test_an_import_says_what_it_left_out(holdfast: Holdfast, tmp_path: Path) -> None:
    folder = repository(tmp_path / "git")
    made = commit(folder, {"models/m.txt": "one"})
    for name in ("iris@v1.0.0", "iris#prod#1", "iris#latest#2"):
        tag(folder, name, made, 1_700_000_000)

    done = holdfast(
        "gto", "import", str(folder), "iris", "--as", "team/iris", "--path", "models/m.txt"
    )

    assert done.out.splitlines()[-1] == "1 of 1 version imported; 1 name moved"
    assert "left out: team/iris: stage latest: alias 'latest' is reserved" in done.out
    listed = holdfast("show", "team/iris@production", "--json")
    assert listed.data["version"] == "1.0.0"


def test_a_repository_that_is_none_is_refused(holdfast: Holdfast) -> None:
    done = holdfast("gto", "import", "ext::sh -c true", "--json")

    assert done.error["code"] == "invalid_input"
    assert done.status == 2
