"""Files of DVC: what they say, and DVC's own client fetching what they name."""

from pathlib import Path

import pytest
from tests import clients
from tests.cli.conftest import Holdfast
from tests.web.teams import Team

import holdfast as registry

WEIGHTS = b"weights" * 9_000


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "w 1.bin").write_bytes(WEIGHTS)
    return folder


def test_each_file_is_named_with_its_checksum(holdfast: Holdfast, bert: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads what was written")
    holdfast("register", "team/bert", str(bert))

    done = holdfast(
        "dvc", "export", "team/bert@latest", "out", "--url", "https://h.example/", "--json"
    )

    assert done.data["files"] == ["out/config.json.dvc", "out/deep/w 1.bin.dvc"]
    manifest = registry.open(bert.parent / "store").manifest("team/bert@1.0.0")
    sha256 = manifest.artifacts["model"].files[1].sha256
    text = (bert.parent / "out" / "deep" / "w 1.bin.dvc").read_text()
    path = "https://h.example/team/bert/resolve/1.0.0/deep/w%201.bin"
    dependency = {"checksum": f'"{sha256}"', "size": len(WEIGHTS), "hash": "md5", "path": path}
    assert yaml.safe_load(text) == {
        "frozen": True,
        "deps": [dependency],
        "outs": [{"hash": "md5", "path": "w 1.bin"}],
    }


@pytest.mark.parametrize(
    ("model", "url"), [("bert", "h.example"), ("bert", "http://"), ("a/b/c", "http://h.example")]
)
def test_what_no_client_can_name_is_refused(
    holdfast: Holdfast, bert: Path, model: str, url: str
) -> None:
    holdfast("register", model, str(bert))

    done = holdfast("dvc", "export", f"{model}@1.0.0", "out", "--url", url, "--json")

    assert done.error["code"] == "invalid_input"


def test_a_folder_that_cannot_be_written_is_told(holdfast: Holdfast, bert: Path) -> None:
    holdfast("register", "bert", str(bert))
    (bert.parent / "out").write_text("a file")

    done = holdfast("dvc", "export", "bert@1.0.0", "out", "--url", "http://h.example", "--json")

    assert done.error["code"] == "invalid_input"


@pytest.mark.long
def test_dvc_pulls_what_they_name_and_refuses_other_bytes(
    holdfast: Holdfast, bert: Path, tmp_path: Path
) -> None:
    clients.require("dvc")
    team = Team(tmp_path / "team")
    team.registry.register("team/bert", bert)
    project = tmp_path / "project"
    project.mkdir()

    def dvc(*words: str) -> int:
        return clients.run("dvc", *words, cwd=project).returncode

    with team.served() as served:
        dvc("init", "--no-scm")
        dvc("remote", "add", "hub", f"http://127.0.0.1:{served.port}")
        dvc("remote", "modify", "hub", "auth", "custom")
        dvc("remote", "modify", "hub", "custom_auth_header", "Authorization")
        dvc("remote", "modify", "hub", "password", f"Bearer {team.ana}")
        store = str(tmp_path / "team" / "store")
        ref = "team/bert@1.0.0"
        holdfast("dvc", "export", ref, str(project), "--url", "remote://hub", "--store", store)

        assert dvc("pull") == 0
        assert (project / "deep" / "w 1.bin").read_bytes() == WEIGHTS

        other = (project / "config.json.dvc").read_text().replace('config.json"\n', 'other"\n')
        place = other.index('\\"') + 2
        digest = other[place : place + 64]
        lie = other.replace(digest, "0" * 64).replace('path: "other"', 'path: "lie"')
        (project / "lie.dvc").write_text(lie)
        assert dvc("pull", "lie.dvc") != 0
        assert not (project / "lie").exists()
