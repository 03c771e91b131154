"""What the README and the guides show is what the commands print and the code does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\b[0-9a-f]{4}…"), "HEX…"),
    (re.compile(r"\d+(\.\d+)? (B|kB|MB)"), "SIZE"),
    (re.compile(r"\(\d+ s\)|served \d+ s"), "SPAN"),
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
    found: list[tuple[str, list[str]]] = []
    for language, block in BLOCKS.findall(page.read_text()):
        for line in block.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


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
        pytest.param("docs/guides/rollout-statistics.md", marks=pytest.mark.long),
    ],
)
def test_a_page_shows_what_its_commands_print(workshop: Path, name: str) -> None:
    """The guides go on where the README ends: in its store."""
    shown, printed = [], []
    for command, expected in commands(ROOT / name):
        if command.startswith(("pip install", "make ", ".ci/")):
            continue
        lines, wanted = told(run(command, workshop)), told("\n".join(expected))
        if "…" in wanted:  # the rest is left out
            wanted = wanted[: wanted.index("…")]
            lines = lines[: len(wanted)]
        shown.append((command, wanted))
        printed.append(
            (command, [re.sub(r"(list: ).*(; review)", r"\1…\2", line) for line in lines])
        )

    assert printed == shown


def test_the_first_program_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = dict(BLOCKS.findall((ROOT / "README.md").read_text()))
    program = next(
        block
        for language, block in BLOCKS.findall((ROOT / "README.md").read_text())
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

    assert blocks
    assert done.stdout == "[0 0]\n"
    assert (tmp_path / "store" / "models" / "iris" / "versions" / "1.0.0" / "model.joblib").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
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
    named = vars(Registry) | vars(Reader)
    verbs = [name for name in named if not name.startswith("_") and name != "location"]

    assert [
        verb
        for verb in verbs
        if f"`{verb}(" not in page and f"`{verb}`" not in page and f", `{verb}(" not in page
    ] == []


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
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert (tmp_path / "demo-store" / "holdfast.json").exists()


def test_each_attack_in_security_names_tests_that_exist() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    table = page.partition("## Attacks, the wall")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    unproved = []
    for row in rows:
        paths = re.findall(r"`(tests/[^`]+)`", row.rsplit("|", 2)[1])
        found = [path for path in paths if (ROOT / path).is_file()]
        if (
            not found
            or found != paths
            or not any("def test_" in (ROOT / path).read_text() for path in found)
        ):
            unproved.append(row)

    assert len(rows) > 20
    assert unproved == []
