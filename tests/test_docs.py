"""What the README and the guides show is what the commands print and the code does."""

import ast
import contextlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.servers.running import free_port

ROOT = Path(__file__).parent.parent
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\b[0-9a-f]{4}…"), "HEX…"),
    (re.compile(r"\d+(\.\d+)? (B|kB|MB)"), "SIZE"),
    (re.compile(r"\(\d+ s\)|served \d+ s|in \d+\.\d+ s"), "SPAN"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"[ │]+"), " "),
)


def told(text: str) -> list[str]:
    """Reduce output to what does not vary from run to run."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Read a page's sessions: each command and what it shows after it."""
    transcript: list[tuple[str, list[str]]] = []
    for language, block in BLOCKS.findall(page.read_text()):
        for line in block.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                transcript.append((line[2:], []))
            else:
                transcript[-1][1].append(line)
    return transcript


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pages' commands run one after the other."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "examples").symlink_to(ROOT / "examples")
    custom = "import pickle, decimal, wave; pickle.dump(wave.Error('x'), open('custom.pkl', 'wb'))"
    subprocess.run([sys.executable, "-c", custom], cwd=folder, check=True)
    return folder


def run(command: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "HOLDFAST_BY": "ana",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", f"{command} 2>&1"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/guides/policy.md",
        "docs/guides/pickles.md",
        "docs/guides/signing.md",
        "docs/guides/backups.md",
        "docs/how-to/from-folders.md",
        pytest.param("docs/guides/rollout-statistics.md", marks=pytest.mark.long),
    ],
)
def test_a_page_shows_what_its_commands_print(workshop: Path, name: str) -> None:
    """The guides go on where the README ends: in its store."""
    shown, printed = [], []
    for command, expected in commands(ROOT / name):
        if command.startswith(("pip install", "make ", ".ci/")):
            continue
        lines, expected_lines = told(run(command, workshop)), told("\n".join(expected))
        if "…" in expected_lines:  # the rest is left out
            expected_lines = expected_lines[: expected_lines.index("…")]
            lines = lines[: len(expected_lines)]
        shown.append((command, expected_lines))
        printed.append(
            (command, [re.sub(r"(when loaded: ).*(; review)", r"\1…\2", line) for line in lines])
        )

    assert printed == shown


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own; servers that a page started there, and did not stop, are stopped."""
    yield tmp_path
    for file in tmp_path.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.read_text()), signal.SIGKILL)


def test_the_tutorial_shows_what_its_commands_print(scratch: Path) -> None:
    """From an empty folder, with the programs that it tells to save, and servers on free ports."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = ROOT / "docs" / "tutorial.md"
    for language, block in BLOCKS.findall(page.read_text()):
        if language == "python":
            (scratch / block.partition("\n")[0].removeprefix("# ")).write_text(block)
    ports = {"8080": str(free_port()), "8090": str(free_port())}
    count = 0
    for command, expected in commands(page):
        if command.startswith("pip install"):
            continue
        here, expected_lines = command, told("\n".join(expected))
        for written, port in ports.items():
            here = here.replace(written, port)
        output = run(here, scratch)
        for written, port in ports.items():
            output = output.replace(port, written)
        lines = told(output)
        if "…" in expected_lines:  # the rest is left out
            expected_lines = expected_lines[: expected_lines.index("…")]
            lines = lines[: len(expected_lines)]
        assert (command, lines) == (command, expected_lines)  # what follows builds on it
        count += 1

    assert count > 30


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_the_first_program_of_a_page_runs(tmp_path: Path, name: str) -> None:
    program = next(
        block
        for language, block in BLOCKS.findall((ROOT / name).read_text())
        if language == "python"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{program}\nprint(registry.load('iris@production').predict(rows[:2]))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[0 0]\n"
    assert (tmp_path / "store" / "models" / "iris" / "versions" / "1.0.0" / "model.joblib").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_their_options_exist(page: Path) -> None:
    """Those of sessions, scripts and running text, whether or not the tests can run them."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    scripts = "\n".join(block for language, block in blocks if language not in ("python", "json"))
    calls = re.findall(r"(?:^|[$|&:*] )holdfast ([a-z-][^|&#\n$]*)", scripts, re.MULTILINE)
    calls += re.findall(r"`holdfast ([a-z-][^`$|…]*)`", text)
    assert unknown(calls) == []


def test_commands_that_pages_show_exist() -> None:
    """Those of the templates and of what fills them, whatever model or version they name."""
    folder = ROOT / "src" / "holdfast" / "web" / "pages"
    calls = []
    for file in [*folder.glob("templates/*.html"), *folder.glob("*.py")]:
        text = re.sub(r"\{\{[^\"{}]*\}\}|\"? ~ .*? ~ \"?|\\\"", "x", file.read_text())
        calls += re.findall(r"""(?:<code>|["'])holdfast ([a-z-][^<"']*)""", text)

    assert len(calls) > 15
    assert unknown(calls) == []


def unknown(calls: list[str]) -> list[list[str]]:
    """Return the calls whose command or options do not exist."""
    from holdfast.cli.group import app

    found = []
    for words in map(str.split, calls):
        command: click.Command | None = app
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(app), words.pop(0))
        known = {
            name
            for option in (command.params if command else ())
            for name in (*option.opts, *option.secondary_opts)
        }
        used = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
        if command is None or not used <= known | {"--help", "--version"}:
            found.append(words)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_the_programs_import_exists(page: Path) -> None:
    imports = [
        (statement.module or "", name.name)
        for language, block in BLOCKS.findall(page.read_text())
        if language == "python"
        for statement in ast.walk(ast.parse(block))
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    ]
    ours = [(module, name) for module, name in imports if module.startswith("holdfast")]

    assert [pair for pair in ours if not hasattr(importlib.import_module(pair[0]), pair[1])] == []


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    broken = [
        target
        for target in targets
        if "://" not in target
        and not target.startswith("mailto:")
        and not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_python_reference_names_every_verb() -> None:
    from holdfast import Registry
    from holdfast.registry.reader import Reader

    page = (ROOT / "docs" / "reference" / "python.md").read_text()
    members = vars(Registry) | vars(Reader)
    verbs = [name for name in members if not name.startswith("_") and name != "location"]

    assert [
        verb
        for verb in verbs
        if f"`{verb}(" not in page and f"`{verb}`" not in page and f", `{verb}(" not in page
    ] == []


def test_every_error_code_has_a_section_that_says_what_to_do() -> None:
    from holdfast.core import error_facts

    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    codes = {error.code for error in error_facts.classes()} - {"error"}
    incomplete = [
        code for code, text in sections.items() if "**Means**" not in text or "**Do:**" not in text
    ]

    assert list(sections) == sorted(codes)
    assert incomplete == []


def test_every_code_of_a_server_is_explained() -> None:
    table = (ROOT / "docs" / "reference" / "rest.md").read_text().partition("## Errors")[2]
    rows = re.findall(r"^\| [\d, ]+ \| (.*) \|$", table.partition("Limits:")[0], re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    page = (ROOT / "docs" / "troubleshooting.md").read_text()

    assert len(codes) > 20
    assert [code for code in codes if f"`{code}`" not in page] == []


def test_every_code_that_a_server_gives_is_explained() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    sources = (ROOT / "src" / "holdfast").rglob("*.py")
    given = re.compile(r'Problem\(\s*\d{3},\s*"([a-z_]+)"')
    codes = {code for path in sources for code in given.findall(path.read_text())}

    assert len(codes) > 15
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def test_every_page_is_in_the_site_s_navigation() -> None:
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    pages = {page for page in pages if not re.match(r"adr/\d", page)}

    assert named == pages | {"security.md", "changelog.md"}


def test_the_site_is_built_without_a_warning() -> None:
    if not Path(sys.executable).with_name("zensical").exists():
        pytest.skip("zensical is not installed (make docs brings it)")
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip install" in (ROOT / "site" / "index.html").read_text()


def test_the_demo_tells_its_story(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "lifecycle.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    assert "roc_auc 0.9939" in done.stdout
    assert "roc_auc 0.9854" in done.stdout
    assert "recall 0.9722" in done.stdout
    assert "accuracy 0.9561" in done.stdout
    assert "refused for: nothing" in done.stdout
    assert (
        "seen: roc_auc: 0.9854 is 0.86% worse than the champion's 0.9939, within 5.00%"
        in done.stdout
    )
    assert re.search(
        r"rollback 1\.1\.0 → 1\.0\.0, every byte of it verified, in \d+\.\d ms", done.stdout
    )
    assert "says: class=0 (malignant)" in done.stdout
    lines = done.stdout.splitlines()
    program = os.path.relpath(Path(sys.executable).with_name("holdfast"), tmp_path)  # may be deep
    assert max(len(line.replace(program, "holdfast")) for line in lines) <= 100
    assert (tmp_path / "demo-store" / "holdfast.json").exists()


def test_each_attack_in_security_names_tests_that_exist() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    table = page.partition("## Attacks, the wall")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    unproved = []
    for row in rows:
        paths = re.findall(r"`(tests/[^`]+)`", row.rsplit("|", 2)[1])
        existing_paths = [path for path in paths if (ROOT / path).is_file()]
        if (
            not existing_paths
            or existing_paths != paths
            or not any("def test_" in (ROOT / path).read_text() for path in existing_paths)
        ):
            unproved.append(row)

    assert len(rows) > 20
    assert unproved == []


def test_each_client_names_tests_that_run_it() -> None:
    page = (ROOT / "docs" / "reference" / "clients.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| (?!Client |---)", line)]
    proofs = {row: re.findall(r"`(tests/[^`]+)`", row.rsplit("|", 2)[1]) for row in rows}

    absent = [path for paths in proofs.values() for path in paths if not (ROOT / path).is_file()]
    assert absent == []
    assert len(rows) > 15
    assert [row for row, paths in proofs.items() if not paths] == []


def test_security_names_every_attack_once_and_every_file_of_attacks() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    table = page.partition("## Attacks, the wall")[2].partition("\n## ")[0]
    attacks = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
    files = {f"tests/attacks/{path.name}" for path in ROOT.glob("tests/attacks/test_*.py")}

    assert [attack for attack in attacks if attacks.count(attack) > 1] == []
    assert files - set(re.findall(r"`(tests/[^`]+)`", table)) == set()


def test_every_picture_is_shown_and_small_and_every_one_that_is_shown_is_there() -> None:
    shown = {
        (page.parent / name).resolve()
        for page in PAGES
        for name in re.findall(r"""[("]([\w/.-]+\.png)[)"]""", page.read_text("utf-8"))
    }
    pictures = {path.resolve() for path in (ROOT / "docs" / "pictures").glob("*.png")}

    assert shown == pictures
    assert max(path.stat().st_size for path in pictures) <= 150_000


def test_pictures_are_not_taken_where_there_is_no_browser() -> None:
    command = [sys.executable, str(ROOT / "docs" / "pictures" / "make.py")]
    bare = {"PATH": "", "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("no browser here (chromium, ")
