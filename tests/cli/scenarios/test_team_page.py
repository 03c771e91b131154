"""The commands of the page about a team's server, one after the other, as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast

ROOT = Path(__file__).parent.parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "team-server.md"


def test_what_the_page_says_is_what_works(
    holdfast: Holdfast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PAGE.read_text().replace("s3://models/registry", str(tmp_path / "bucket"))
    text = text.replace("/etc/holdfast", str(tmp_path / "etc")).partition("## From nothing")[2]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "corp.secret").write_text("a secret of the provider's")
    (tmp_path / "etc" / "corp.secret").chmod(0o600)
    done = []
    for line in re.findall(r"^\$ (.+)$", text, re.MULTILINE):
        program, *words = shlex.split(line)
        if program == "export":
            for word in words:
                monkeypatch.setenv(*word.split("=", 1))
            continue
        assert program == "holdfast"
        if words[0] == "web" and words[1] != "check":  # which would serve until it is stopped
            words.insert(1, "check")
        result = holdfast(*words)
        assert result.status == 0, (line, result.err)
        done.append(words[0])

    assert done.count("access") == 6
    assert done.count("web") == 3
    assert "grant bo promoter for risk/*" in holdfast("access", "log").out
