"""GTO registries taken over: versions, what was live, and what cannot be."""

import os
from pathlib import Path

import pytest
from tests.gateways.gto.git_folders import commit, git, needs_git, repository, tag

import holdfast
from holdfast.errors import (
    InvalidInputError,
    NotFoundError,
    UnsupportedError,
    UntrustedError,
    VersionTakenError,
)
from holdfast.gateways.gto import gto_import
from holdfast.gateways.gto.gto_import import GtoImport, ImportOptions

pytestmark = needs_git
INDEX = "artifacts:\n  iris:\n    path: models/iris.txt\n    desc: Flowers\n"


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with three versions; production went 1.0.0, 1.1.0, 1.0.0."""
    folder = repository(tmp_path / "git")
    for number in range(3):
        second = 1_700_000_000 + 100 * number
        made = commit(folder, {"dvc.yaml": INDEX, "models/iris.txt": str(number)}, second)
        tag(folder, f"iris@v1.{number}.0", made, second, f"try {number}")
        if number < 2:
            tag(folder, f"iris#prod#{number + 1}", made, second + 10)
    tag(folder, "iris#prod#3", git(folder, "rev-parse", "iris@v1.0.0^{commit}"), 1_700_000_500)
    tag(folder, "iris#staging#4", git(folder, "rev-parse", "HEAD"), 1_700_000_510)
    tag(folder, "iris#dev#5", git(folder, "rev-parse", "HEAD"), 1_700_000_520)
    return folder


def taken(registry: holdfast.Registry, folder: Path, **options: object) -> GtoImport:
    return gto_import.run(registry, str(folder), ImportOptions(**options))  # type: ignore[arg-type]


def test_versions_come_with_bytes_commit_and_reason(
    registry: holdfast.Registry, folder: Path
) -> None:
    done = taken(registry, folder)

    manifest = registry.manifest("iris@1.1.0")
    first = registry.entries("iris")[0]
    assert (len(done.versions), done.new, done.left_out) == (3, 3, ())
    assert registry.paths("iris@1.1.0")["model"].read_bytes() == b"1"
    assert manifest.description == "Flowers"
    assert manifest.lineage.git_commit == git(folder, "rev-parse", "iris@v1.1.0^{commit}")
    assert manifest.metadata == {"source": "git#iris@v1.1.0"}
    assert first.reason == ("registered in GTO as iris@v1.0.0 by Ada at 2023-11-14 22:13:20: try 0")


def test_what_was_live_is_promoted_in_order_and_other_names_are_set(
    registry: holdfast.Registry, folder: Path
) -> None:
    taken(registry, folder)

    lived = [period.version for period in registry.served("iris")]
    assert lived == ["1.0.0", "1.1.0", "1.0.0"]
    assert registry.resolve("iris@staging").version == "1.2.0"
    assert registry.resolve("iris@dev").version == "1.2.0"
    assert registry.rollback("iris").version == "1.1.0"


def test_a_second_import_adds_what_is_new_and_leaves_what_moved_here(
    registry: holdfast.Registry, folder: Path
) -> None:
    taken(registry, folder)
    registry.rollback("iris")
    registry.alias("iris@1.0.0", "dev")
    made = commit(folder, {"models/iris.txt": "3"}, 1_700_001_000)
    tag(folder, "iris@v1.3.0", made, 1_700_001_000)

    planned = gto_import.plan(registry, str(folder), ImportOptions())
    done = taken(registry, folder)

    assert [row.done for row in planned.versions] == [True, True, True, False]
    assert [row.stages for row in planned.versions] == [("prod",), (), ("dev", "staging"), ()]
    assert (done.new, done.moves) == (1, 0)
    assert registry.resolve("iris@production").version == "1.1.0"
    assert registry.resolve("iris@dev").version == "1.0.0"


def test_seconds_decide_and_not_counters(registry: holdfast.Registry, folder: Path) -> None:
    tag(folder, "iris#prod#2000", git(folder, "rev-parse", "HEAD"), 1_700_000_015)

    taken(registry, folder)

    assert [period.version for period in registry.served("iris")] == [
        "1.0.0", "1.2.0", "1.1.0", "1.0.0",
    ]  # fmt: skip


def test_names_taken_back_and_versions_deregistered_do_not_count(
    registry: holdfast.Registry, folder: Path
) -> None:
    live = git(folder, "rev-parse", "iris@v1.0.0^{commit}")
    tag(folder, "iris#prod!#6", live, 1_700_000_600)
    tag(folder, "iris@v1.2.0!", git(folder, "rev-parse", "HEAD"), 1_700_000_700)

    done = taken(registry, folder)

    assert [row.version for row in done.versions] == ["1.0.0", "1.1.0"]
    assert registry.resolve("iris@production").version == "1.1.0"
    assert "iris: iris#dev#5 is on a commit without a version" in done.left_out


def test_the_gate_is_asked(registry: holdfast.Registry, folder: Path) -> None:
    registry.register("iris", folder / "dvc.yaml", version="0.1.0")
    registry.set_policy("iris", holdfast.Policy(approvals=1))

    done = taken(registry, folder)

    assert done.new == 3
    assert registry.served("iris") == ()
    assert sum("is not live" in what for what in done.left_out) == 3


def test_a_folder_below_another_index_and_another_path(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    index = "artifacts: {bert: {path: ./bert}, gone: {path: gone}}"
    files = {"sub/dvc.yaml": index, "sub/bert/a/w.txt": "w", "sub/bert/.gitignore": "/x"}
    made = commit(folder, files)
    tag(folder, "sub=bert@v1.0.0", made, 1_700_000_000)
    tag(folder, "plain@v1.0.0", made, 1_700_000_000)
    tag(folder, "old@v1.0.0", made, 1_700_000_000)
    tag(folder, "old@deprecated#1", made, 1_700_000_001)

    done = taken(registry, folder)
    plain = taken(
        registry, folder, artifacts=("plain",), path="sub/bert/a/w.txt", model="team/plain"
    )

    assert [file.path for file in registry.manifest("sub/bert@1.0.0").files] == ["model/a/w.txt"]
    assert "old: is deprecated; name it to import it" in done.left_out
    assert any("has no dvc.yaml; say where it is with --path" in what for what in done.left_out)
    assert plain.new == 1
    assert registry.resolve("team/plain@1.0.0").version == "1.0.0"


def test_code_needs_trust_and_another_version_of_that_number_is_kept(
    registry: holdfast.Registry, folder: Path
) -> None:
    registry.register("iris", folder / "dvc.yaml", version="1.1.0")

    with pytest.raises(VersionTakenError):
        taken(registry, folder)

    assert registry.resolve("iris@1.0.0").version == "1.0.0"
    made = commit(folder, {"models/iris.txt": "cos\nsystem\n(S'true'\ntR."})
    tag(folder, "pickled@v1.0.0", made, 1_700_000_000)
    with pytest.raises(UntrustedError):
        taken(registry, folder, artifacts=("pickled",), path="models/iris.txt")


def test_what_is_not_there_is_told(registry: holdfast.Registry, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="iris"):
        taken(registry, folder, artifacts=("irish",))
    with pytest.raises(InvalidInputError, match="neither a folder nor the address"):
        taken(registry, Path("absent"))
    with pytest.raises(InvalidInputError, match="cannot be made from"):
        taken(registry, folder / "models")
    empty = repository(folder.parent / "empty")
    with pytest.raises(NotFoundError, match="tag of GTO's"):
        taken(registry, empty)
    tag(folder, "other@v1.0.0", git(folder, "rev-parse", "HEAD"), 1_700_000_000)
    with pytest.raises(InvalidInputError, match="is for one artifact"):
        taken(registry, folder, model="iris")


def test_what_git_does_not_hold_needs_dvc(
    registry: holdfast.Registry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = commit(folder, {"models/big.txt.dvc": "outs: []"})
    tag(folder, "big@v1.0.0", made, 1_700_000_000)
    (tmp_path / "bin").mkdir()
    for name in ("git", "git-upload-pack"):
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(UnsupportedError, match="dvc is not installed"):
        taken(registry, folder, artifacts=("big",), path="models/big.txt")

    (tmp_path / "bin" / "dvc").write_text("#!/bin/sh\necho 'ERROR: no remote' >&2; exit 1\n")
    os.chmod(tmp_path / "bin" / "dvc", 0o700)
    done = taken(registry, folder, artifacts=("big",), path="models/big.txt")
    assert done.left_out == (
        "big@1.0.0: models/big.txt cannot be fetched by DVC: no remote; try `dvc get` by hand",
    )
