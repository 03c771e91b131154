"""The guide's program runs, and its commands print what it shows."""

import re
import subprocess
import sys
from pathlib import Path

from tests.test_docs import BLOCKS, ROOT, commands, run, told

GUIDE = ROOT / "docs" / "guides" / "prediction-log.md"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}")


def masked(text: str) -> list[str]:
    text = re.sub(r"(\d\d:\d\d):\d\d", r"\1", ID.sub("ID", text))
    return told(re.sub(r"ID +ANS", "ID ANS", text))


def test_the_guide_shows_what_runs(tmp_path: Path) -> None:
    program = next(block for kind, block in BLOCKS.findall(GUIDE.read_text()) if kind == "python")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    shown, printed = [], []
    newest = ""
    for command, expected in commands(GUIDE):
        output = run(ID.sub(newest, command), tmp_path)
        newest = next(iter(ID.findall(output)), newest)
        expected_lines = masked("\n".join(expected))
        lines = masked(output)
        if "…" in expected_lines:  # the rest is left out
            expected_lines = expected_lines[: expected_lines.index("…")]
            lines = lines[: len(expected_lines)]
        shown.append((command, expected_lines))
        printed.append((command, lines))

    assert printed == shown
