"""DVC's and GTO's own clients: each verb, against a team's server with a registry in Git."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import clients
from tests.gateways.gto.git_folders import git, needs_git, repository
from tests.web.facing import Served
from tests.web.teams import Team

import holdfast
from holdfast.gateways.gto import gto_export, gto_import
from holdfast.gateways.gto.git_repository import GitRepository
from holdfast.gateways.gto.gto_import import ImportOptions

pytestmark = [pytest.mark.long, needs_git]
ADDRESS = "remote://holdfast/iris/resolve/production/model.txt"


@dataclass
class Place:
    """A team's server, and a home whose DVC knows it."""

    folder: Path
    served: Served
    registry: holdfast.Registry

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.served.port}"

    def dvc(self, where: Path, *words: str) -> None:
        done = clients.run("dvc", *words, cwd=where)
        assert done.returncode == 0, done.stderr

    def exported(self, name: str) -> Path:
        folder = repository(self.folder / name)
        gto_export.export(self.registry, "iris", GitRepository(folder), self.url)
        gto_export.export(self.registry, "team/bert", GitRepository(folder), self.url)
        return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clients.require("dvc", "gto")
    folder = tmp_path_factory.mktemp("dvc")
    team = Team(folder / "team")
    (folder / "bert" / "deep").mkdir(parents=True)
    for number in range(3):
        (folder / "model.txt").write_text(f"iris {number}")
        team.registry.register("iris", folder / "model.txt")
        (folder / "bert" / "deep" / "w 1.bin").write_text(f"bert {number}")
        (folder / "bert" / "config.json").write_text("{}")
        team.registry.register("team/bert", folder / "bert")
    team.registry.promote("iris@1.1.0")
    team.registry.promote("team/bert@1.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        with team.served() as served:
            made = Place(folder, served, team.registry)
            settings = {"auth": "basic", "user": "me", "password": team.ana}
            made.dvc(folder, "remote", "add", "--global", "holdfast", made.url)
            for key, text in settings.items():
                made.dvc(folder, "remote", "modify", "--global", "holdfast", key, text)
            yield made


def test_a_url_is_fetched_imported_and_updated_after_a_promotion(place: Place) -> None:
    project = repository(place.folder / "project")
    place.dvc(project, "init", "--quiet")

    place.dvc(project, "get-url", ADDRESS, "got.txt")
    place.dvc(project, "import-url", ADDRESS)
    assert (project / "got.txt").read_text() == (project / "model.txt").read_text() == "iris 1"
    sha256 = place.registry.manifest("iris@1.1.0").files[0].sha256
    assert f"checksum: '\"{sha256}\"'" in (project / "model.txt.dvc").read_text()

    place.registry.promote("iris@1.2.0")
    place.dvc(project, "update", "model.txt.dvc")
    assert (project / "model.txt").read_text() == "iris 2"
    place.registry.rollback("iris")
    place.dvc(project, "update", "model.txt.dvc")
    assert (project / "model.txt").read_text() == "iris 1"


def test_a_checkout_of_a_tag_and_a_pull_reproduce_the_exact_model(place: Place) -> None:
    folder = place.exported("reproduced")
    git(folder, "tag", "v1.0.0", "iris@v1.0.0^{commit}")

    for name, text in (("v1.0.0", "0"), ("iris@v1.2.0", "2"), ("iris@v1.1.0", "1")):
        git(folder, "checkout", "--quiet", name)
        place.dvc(folder, "pull")
        assert (folder / "iris" / "model.txt").read_text() == f"iris {text}"
        assert git(folder, "status", "--porcelain") == ""

    git(folder, "checkout", "--quiet", "team/bert@v1.2.0")
    place.dvc(folder, "pull")
    assert (folder / "team.bert" / "deep" / "w 1.bin").read_text() == "bert 2"


def test_gto_shows_the_history_and_dvc_gets_artifacts_by_stage_and_version(place: Place) -> None:
    folder = place.exported("registry")
    out = place.folder / "out"
    out.mkdir()

    shown = clients.run("gto", "show", "--json", cwd=folder)
    place.dvc(out, "artifacts", "get", str(folder), "iris", "--stage", "production")
    place.dvc(out, "artifacts", "get", str(folder), "team/bert", "--rev", "v1.1.0")

    told = json.loads(shown.stdout)
    assert told["iris"]["version"] == "v1.2.0"
    assert told["iris"]["stage"] == {"production": "v1.1.0"}
    assert told["team/bert"]["stage"] == {"production": "v1.0.0"}
    assert (out / "model.txt").read_text() == "iris 1"
    assert (out / "team.bert" / "deep" / "w 1.bin").read_text() == "bert 1"


def test_a_registry_that_gto_and_dvc_made_is_taken_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository(place.folder / "theirs")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.org")
    place.dvc(folder, "init", "--quiet")
    place.dvc(folder, "remote", "add", "--default", "storage", "../their-storage")
    (folder / "dvc.yaml").write_text("artifacts: {bert: {path: bert, desc: Reads}}\n")
    (folder / "bert").mkdir()
    for number in range(2):
        (folder / "bert" / "w.txt").write_text(f"theirs {number}")
        place.dvc(folder, "add", "bert")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "train")
        version = f"v1.{number}.0"
        for words in (
            ("register", "bert", "--version", version),
            ("assign", "bert", "--version", version, "--stage", "prod"),
        ):
            assert clients.run("gto", *words, cwd=folder).returncode == 0
    place.dvc(folder, "push")
    monkeypatch.setenv("PATH", clients.environment_with()["PATH"])
    registry = holdfast.open(place.folder / "taken", by="ana")

    done = gto_import.run(registry, str(folder), ImportOptions())

    assert (done.new, done.left_out) == (2, ())
    paths = registry.paths("bert@1.0.0")
    assert (paths["model"] / "w.txt").read_text() == "theirs 0"
    assert registry.manifest("bert@1.1.0").description == "Reads"
    assert {period.version for period in registry.served("bert")} == {"1.0.0", "1.1.0"}
