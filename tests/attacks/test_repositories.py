"""A repository around the current folder: its commit is told, and none of its programs runs."""

import os
import subprocess
from pathlib import Path

import pytest

import holdfast
from holdfast.core.lineage_record import Lineage
from holdfast.registry import provenance

_CALM = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *_CALM, "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _repository(folder: Path) -> str:
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / "train.py").write_text("a = 1\n")
    (folder / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "-m", "Begin")
    return _git(folder, "rev-parse", "HEAD")


def _hostile(kind: str, program: Path) -> str:
    return {
        "fsmonitor": f'[core]\nfsmonitor = "{program}"\n',
        "clean": f'[filter "evil"]\nclean = "{program}"\nrequired = true\n',
        "process": f'[filter "evil"]\nprocess = "{program}"\n',
        "textconv": f'[diff "evil"]\ntextconv = "{program}"\ncommand = "{program}"\n',
        "hooks": f'[core]\nhooksPath = "{program.parent}"\n',
        "included": f'[include]\npath = "{program.parent / "more"}"\n',
        "fetch": (
            f'[core]\nsshCommand = "{program}"\n[remote "o"]\nurl = "a@b:c"\npromisor = true\n'
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["fsmonitor", "clean", "process", "textconv", "hooks", "included", "fetch"]
)
def test_no_program_of_a_repository_runs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    commit = _repository(code)
    marker = tmp_path / "marker"
    program = tmp_path / "programs" / "post-index-change"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\ncat\n")
    program.chmod(0o755)
    (program.parent / "more").write_text(_hostile("clean", program))
    with (code / ".git/config").open("a") as config:
        config.write(_hostile(kind, program))
    (code / "train.py").write_text("a = 2\n")  # as long as before: only its content tells
    monkeypatch.chdir(code)
    (tmp_path / "model.json").write_text('{"a": 1}')

    registry = holdfast.open(tmp_path / "store", by="ann")
    made = registry.register("iris", tmp_path / "model.json")

    assert not marker.exists()
    lineage = registry.manifest(made).lineage
    assert (lineage.git_commit, lineage.git_dirty) == (commit, True)


def test_a_hostile_submodule_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, inner, marker = tmp_path / "code", tmp_path / "code/inner", tmp_path / "marker"
    _repository(code)
    _repository(inner)
    _git(code, "add", "inner")
    _git(code, "commit", "-q", "-m", "Nest")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    with (inner / ".git/config").open("a") as config:
        config.write(_hostile("fsmonitor", program))
    monkeypatch.chdir(code)
    (tmp_path / "model.json").write_text('{"a": 1}')

    registry = holdfast.open(tmp_path / "store", by="ann")
    made = registry.register("iris", tmp_path / "model.json")

    assert not marker.exists()
    assert registry.manifest(made).lineage.git_dirty is False


def test_a_repository_of_another_user_is_told_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only a superuser gives files to others")
    folder = tmp_path / "theirs"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)

    assert provenance.lineage() == Lineage()
    assert "git refuses a repository of another user" in caplog.text


def test_an_index_without_end_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("this system has no file without end")
    code = tmp_path / "code"
    commit = _repository(code)
    (code / ".git/index").unlink()
    (code / ".git/index").symlink_to("/dev/zero")
    monkeypatch.chdir(code)

    assert provenance.lineage() == Lineage(git_commit=commit, git_dirty=None)


@pytest.mark.parametrize("name", [".git", ".git/HEAD", ".git/packed-refs", ".git/commondir"])
def test_a_file_of_git_s_of_a_terabyte_is_not_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name != ".git":
        (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main")
    try:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    except OSError:
        pytest.skip("this disk has no files with holes")

    assert provenance.head_commit(tmp_path) is None
