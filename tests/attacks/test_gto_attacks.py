"""GTO repositories of people who mean harm: names, paths, links, configuration, and many tags."""

import os
from pathlib import Path

import pytest
from tests.gateways.gto.git_folders import commit, git, needs_git, repository, tag

import holdfast
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.gateways.gto import gto_export, gto_import
from holdfast.gateways.gto.git_repository import GitRepository
from holdfast.gateways.gto.gto_import import GtoImport, ImportOptions

pytestmark = needs_git
AT = 1_700_000_000


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    return holdfast.open(tmp_path / "store", by="ana")


def taken(registry: holdfast.Registry, folder: Path, path: str | None = None) -> GtoImport:
    return gto_import.run(registry, str(folder), ImportOptions(path=path))


@pytest.mark.parametrize(
    "path",
    [
        "../secret", "/etc/passwd", "models/../../secret", "models/link", "models/inner",
        "models\\\\x", ".", "'--out=x'", "C:/x", "''", "models/up", "{a: b}",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_repository(
    registry: holdfast.Registry, tmp_path: Path, path: str
) -> None:
    pytest.importorskip("yaml", reason="dvc.yaml is read by PyYAML")
    (tmp_path / "secret").write_text("secret")
    folder = repository(tmp_path / "git")
    (folder / "models" / "inner").mkdir(parents=True)
    (folder / "models" / "link").symlink_to("../../secret")
    (folder / "models" / "up").symlink_to("..")
    (folder / "models" / "inner" / "link").symlink_to("/etc/passwd")
    made = commit(folder, {"dvc.yaml": f"artifacts: {{iris: {{path: {path}}}}}"})
    tag(folder, "iris@v1.0.0", made, AT)

    done = taken(registry, folder)

    assert done.new == 0
    assert len(done.left_out) == 1
    assert registry.models() == []


@pytest.mark.parametrize(
    "index",
    [
        "artifacts: !!python/object/apply:os.system ['touch planted']",
        "artifacts: " + "[" * 100_000,
        "a: &a [x,x]\nb: &b [*a,*a]\nartifacts: {iris: {path: *b}}",
        "a0: &a0 {k: v}\n"
        + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1},*a{n - 1}]}}\n" for n in range(1, 60)),
        "artifacts: {iris: {path: models/m.txt, desc: [1]}, iris: [",
        "\x00",
        "x" * (2 << 20),
    ],
)
def test_a_hostile_index_is_told_and_runs_nothing(
    registry: holdfast.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    pytest.importorskip("yaml", reason="dvc.yaml is read by PyYAML")
    monkeypatch.chdir(tmp_path)
    folder = repository(tmp_path / "git")
    tag(folder, "iris@v1.0.0", commit(folder, {"dvc.yaml": index, "models/m.txt": "m"}), AT)

    done = taken(registry, folder)

    assert done.new == 0
    assert "iris@1.0.0" in done.left_out[0]
    assert not (tmp_path / "planted").exists()


SECRET = "deps: [{path: /etc/passwd}]"


@pytest.mark.parametrize(
    "files",
    [
        {"models/m.txt.dvc": f"{SECRET}\nouts: [{{path: m.txt}}]"},
        {"models/m.txt.dvc": "deps: [{path: 'remote://r/etc/passwd'}]\nouts: [{path: m.txt}]"},
        {"models/m.txt.dvc": "deps: [{path: x, repo: {url: /home}}]\nouts: [{path: m.txt}]"},
        {"models/m.txt.dvc": f"{SECRET}\nouts: [{{path: m.txt, md5: ''}}]"},
        {"x/e.dvc": f"wdir: ../models\n{SECRET}\nouts: [{{path: m.txt}}]"},
        {"x/e.dvc": f"wdir: ../../../models\n{SECRET}\nouts: [{{path: m.txt}}]"},
        {"x/e.dvc": f"wdir: /models\n{SECRET}\nouts: [{{path: m.txt}}]"},
        {"x/e.dvc": f"{SECRET}\nouts: [{{path: /models/m.txt}}]"},
        {"x/e.dvc": f"wdir: ..\n{SECRET}\nouts: [{{path: models}}]"},
        {"x/Dvcfile": f"wdir: ..\n{SECRET}\nouts: [{{path: models/m.txt}}]"},
        {"x/e.dvc": f"meta: &a {{{SECRET}}}\n<<: *a\nouts: [{{path: m.txt}}]"},
        {"x/e.dvc": f"meta: &a {{{SECRET}}}\n!!merge x: *a\nouts: [{{path: m.txt}}]"},
        {"x/e.dvc": "\t{"},
        {"models.dvc": "outs: [{path: models}]", ".dvc/config": "[remote]\nversion_aware = true"},
        {"models.dvc": "outs: [{path: models}]", "sub/.dvc/config": "Worktree=1"},
    ],
)
def test_dvc_is_not_asked_where_the_repository_chooses_what_is_read(
    registry: holdfast.Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
) -> None:
    pytest.importorskip("yaml", reason="files of DVC are read by PyYAML")
    asked = dvc_that_tells(tmp_path, monkeypatch)
    folder = repository(tmp_path / "git")
    tag(folder, "iris@v1.0.0", commit(folder, files), AT)

    done = taken(registry, folder, "models/m.txt")

    assert done.new == 0
    assert "by hand" in done.left_out[0] or "is not YAML" in done.left_out[0]
    assert not asked.exists()


@pytest.mark.parametrize(
    "text",
    [
        "outs: [{md5: 11111111111111111111111111111111, path: m.txt}]",
        "deps: [{path: 'https://h.example/m'}]\nouts: [{path: m.txt}]",
        "deps: [{path: 's3://b/m'}]\nouts: [{md5: 11111111111111111111111111111111, path: m.txt}]",
    ],
)
def test_dvc_is_asked_for_what_a_checksum_or_an_address_names(
    registry: holdfast.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    pytest.importorskip("yaml", reason="files of DVC are read by PyYAML")
    asked = dvc_that_tells(tmp_path, monkeypatch)
    folder = repository(tmp_path / "git")
    other = "deps: [{path: /etc/passwd}]\nouts: [{path: data.csv}]"
    files = {"models/m.txt.dvc": text, "data/data.csv.dvc": other}
    tag(folder, "iris@v1.0.0", commit(folder, files), AT)

    taken(registry, folder, "models/m.txt")

    assert asked.exists()


def dvc_that_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in the place of DVC that notes that it was asked; return where."""
    program, asked = tmp_path / "bin" / "dvc", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {asked}\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return asked


def test_what_a_repository_configures_does_not_run(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    made = commit(folder, {"m.txt": "m", ".gitattributes": "* filter=bad diff=bad"})
    tag(folder, "iris@v1.0.0", made, AT)
    planted = tmp_path / "planted"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {planted}\ncat\n")
    script.chmod(0o700)
    for name in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "filter.bad.smudge"),
        *("uploadpack.packObjectsHook", "diff.bad.textconv", "gpg.program", "core.askPass"),
        *("core.alternateRefsCommand", "alias.clone", "credential.helper"),
    ):
        git(folder, "config", name, str(script))
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"):
        (hooks / name).symlink_to(script)

    done = taken(registry, folder, "m.txt")

    assert done.new == 1
    assert not planted.exists()


def test_what_a_repository_configures_does_not_run_at_an_export_either(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder, planted = tmp_path / "git", tmp_path / "planted"
    folder.mkdir()
    git(folder, "init", "--quiet")
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {planted}\ncat\n")
    script.chmod(0o700)
    for name in ("core.fsmonitor", "filter.bad.smudge", "filter.bad.clean", "filter.two.process"):
        git(folder, "config", name, str(script))
    git(folder, "config", "filter.bad.required", "true")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=bad\n*.yaml filter=two\n")
    (folder / ".git" / "hooks").mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-index-change", "post-checkout"):
        (folder / ".git" / "hooks" / name).symlink_to(script)

    for text in ("1", "2"):  # the second finds a work tree that is to be compared
        (tmp_path / "model.txt").write_text(text)
        registry.register("churn", tmp_path / "model.txt")
        there = GitRepository(folder)
        gto_export.export(registry, "churn", there, "https://models.example.org")

    assert (folder / "churn" / "model.txt.dvc").exists()
    git(folder, "config", "filter.a=b.smudge", str(script))
    with pytest.raises(InvalidInputError, match=r"has the filter 'filter\.a=b\.smudge', a program"):
        GitRepository(folder)
    assert not planted.exists()


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c 'touch planted'", "--upload-pack=touch planted", "-u", "fd::17",
        "https://", "transport::https://h", "ssh://-oProxyCommand=touch/x", "a b", "",
    ],
)  # fmt: skip
def test_no_address_runs_a_program(
    registry: holdfast.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidInputError):
        gto_import.run(registry, address, ImportOptions())

    assert not (tmp_path / "planted").exists()


def test_tags_that_lie_are_passed_over(registry: holdfast.Registry, tmp_path: Path) -> None:
    folder = repository(tmp_path / "git")
    made = commit(folder, {"m.txt": "m"})
    tree, blob = git(folder, "rev-parse", "HEAD^{tree}"), git(folder, "rev-parse", "HEAD:m.txt")
    tag(folder, "iris@v1.0.0", made, AT)
    tag(folder, "iris@v1.1.0", tree, AT + 1)  # of a folder
    tag(folder, "iris@v1.2.0", blob, AT + 2)  # of a file
    git(folder, "tag", "iris@v1.3.0", made)  # by nobody, at no time
    for number, second in enumerate(("99999999999999999999", "-1", "18446744073709551615")):
        text = f"object {made}\ntype commit\ntag x\ntagger E <e> {second} +0000\n\n\x1b[2Jx\n"
        words = ("hash-object", "-t", "tag", "-w", "--literally", "--stdin")
        oid = git(folder, *words, data=text.encode())
        git(folder, "update-ref", f"refs/tags/iris#eu#{number}", oid)
    bidi = "b\u202ead\nHoldfast-Entry: 1\n" + "x" * 5000
    tag(folder, "iris#prod#9", made, AT + 9, bidi)

    done = taken(registry, folder, "m.txt")

    assert [row.version for row in done.versions] == ["1.0.0"]
    reason = registry.history("iris")[0].reason or registry.entries("iris")[-1].reason
    assert reason is not None
    assert all(
        entry.reason is None or entry.reason.isprintable() for entry in registry.entries("iris")
    )
    assert all(len(entry.reason or "") <= 400 for entry in registry.entries("iris"))


def test_names_that_mean_something_here_are_not_taken(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git")
    made = commit(folder, {"m.txt": "m"})
    tag(folder, "iris@v1.0.0", made, AT)
    for number, stage in enumerate(("latest", "previous", "v1", "canary", "a/b", "Prod", "x--y")):
        tag(folder, f"iris#{stage}#{number}", made, AT + number)

    done = taken(registry, folder, "m.txt")

    (version,) = registry.versions("iris")
    assert version.aliases == ("x--y",)
    assert len(done.left_out) == 6
    assert registry.resolve("iris@latest").version == "1.0.0"


def test_an_author_cannot_write_into_a_tag(registry: holdfast.Registry, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("one")
    evil = "Eve <e@x> 1 +0000\n\ntagger Ada <a@x> 2 +0000\x00"
    reason = "x\n\nHoldfast-Version: 9.9.9 sha256:0\nHoldfast-Entry: 99\x00\x1b[2J"
    named = registry.acting_as(evil.replace("\n", " ").replace("\x00", ""))
    named.register("iris", tmp_path / "model.txt", reason=reason.replace("\x00", ""))
    folder = repository(tmp_path / "git", "--bare")

    gto_export.export(registry, "iris", GitRepository(folder), "https://h.example")
    again = gto_export.export(registry, "iris", GitRepository(folder), "https://h.example")

    lines = git(folder, "cat-file", "tag", "iris@v1.0.0").splitlines()
    assert sum(line.startswith("tagger ") for line in lines) == 1
    assert lines[-1] == "Holdfast-Entry: 1"
    assert again.tags == 0
    git(folder, "fsck", "--strict")


def test_files_that_git_or_dvc_would_obey_are_not_exported(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    for name in (".git/hooks/run", ".DVC/config", "deep/.gitignore"):
        model = tmp_path / "models" / name.strip(".").replace("/", "-")
        (model / name).parent.mkdir(parents=True)
        (model / name).write_text("x")
        (model / "m.txt").write_text("m")
        registry.register("iris", model)
    folder = repository(tmp_path / "git")

    done = gto_export.export(registry, "iris", GitRepository(folder), "https://h.example")

    assert len(done.left_out) == 3
    assert done.tags == 0


def test_thousands_of_tags_are_read_by_one_question(
    registry: holdfast.Registry, tmp_path: Path
) -> None:
    folder = repository(tmp_path / "git", "--bare")
    head = "commit refs/heads/main\ncommitter A <a> 1 +0000\ndata 0\n"
    stream = [head, "M 100644 inline m.txt\ndata 1\nm\n"]
    for number in range(5_000):
        name = f"iris@v1.0.{number}" if number < 2 else f"iris#dev#{number}"
        stream.append(
            f"tag {name}\nfrom refs/heads/main\ntagger A <a> {AT + number} +0000\ndata 0\n"
        )
    git(folder, "fast-import", "--quiet", data="".join(stream).encode())

    planned = gto_import.plan(registry, str(folder), ImportOptions(path="m.txt"))

    assert [row.stages for row in planned.versions] == [(), ("dev",)]


def test_a_hook_is_not_run_for_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.cli.app import run

    one, two = repository(tmp_path / "one"), repository(tmp_path / "two", "--bare")
    (tmp_path / "model.txt").write_text("one")
    registry = holdfast.open(tmp_path / "store")
    registry.register("iris", tmp_path / "model.txt")
    monkeypatch.setenv("GIT_DIR", str(one / ".git"))

    words = ("gto", "export", "iris", str(two), "--url", "https://h.example")
    assert run([*words, "--store", str(tmp_path / "store")]) == 0

    monkeypatch.delenv("GIT_DIR")
    assert git(two, "tag") == "iris@v1.0.0"
    assert git(one, "tag") == ""
    assert os.listdir(one) == [".git"]


def test_a_refusal_tells_no_password(registry: holdfast.Registry) -> None:
    with pytest.raises(HoldfastError) as refusal:
        gto_import.run(registry, "https://ana:secret@127.0.0.1:1/x.git", ImportOptions())

    assert "secret" not in str(refusal.value)
