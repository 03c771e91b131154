"""Pictures that commands draw, too."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.conftest import Holdfast

PNG = b"\x89PNG\r\n\x1a\n"
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture
def churn(holdfast: Holdfast, model: Callable[[str], str]) -> Holdfast:
    """Have two versions, the first live and the second being rolled out."""
    for version, auc in (("1.0.0", "0.9"), ("1.1.0", "0.8")):
        words = ("register", "churn", model(version), "--version", version)
        assert holdfast(*words, "--metric", f"auc={auc}").status == 0
    assert holdfast("promote", "churn@1.0.0").status == 0
    assert holdfast("rollout", "start", "churn@1.1.0").status == 0
    return holdfast


def texts(path: Path) -> list[str]:
    return [str(text.text) for text in ET.fromstring(path.read_text("utf-8")).iter(TEXT)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("compare", "churn@1.0.0", "churn@1.1.0"), {"auc", "-11.1 %"}),
        (("history", "churn"), {"1.0.0 live", "auc by version"}),
        (("rollout", "status", "churn"), {"5 %", "churn: rollout 1 of 1.1.0 beside 1.0.0"}),
    ],
)
def test_a_command_draws_what_it_shows(
    churn: Holdfast, tmp_path: Path, words: tuple[str, ...], expected: set[str]
) -> None:
    shown, drawn = churn(*words), churn(*words, "--plot", "picture.svg")

    assert drawn.status == shown.status == 0
    assert drawn.out.splitlines()[-3:] == shown.out.splitlines()[-3:]
    assert expected <= set(texts(tmp_path / "picture.svg"))


def test_a_history_is_drawn_as_of_a_time(churn: Holdfast, tmp_path: Path) -> None:
    assert churn("promote", "churn@1.1.0", "--force", "--reason", "x").status == 0
    at = churn("history", "churn", "--json").data[2]["at"]
    assert churn("history", "churn", "--at", at, "--plot", "then.svg").status == 0
    assert churn("history", "churn", "--plot", "now.svg").status == 0

    assert "1.0.0 live" in texts(tmp_path / "then.svg")
    assert "1.1.0 live" in texts(tmp_path / "now.svg")


def test_a_picture_may_be_a_png(churn: Holdfast, tmp_path: Path) -> None:
    assert churn("history", "churn", "--plot", "picture.PNG").status == 0
    assert (tmp_path / "picture.PNG").read_bytes().startswith(PNG)


def test_an_old_picture_is_replaced_whole_and_nothing_is_left_beside_it(
    churn: Holdfast, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "real.svg").write_text("old " * 100_000)
    (folder / "picture.svg").symlink_to("real.svg")
    assert churn("history", "churn", "--plot", "pictures/picture.svg").status == 0

    assert "1.0.0 live" in texts(folder / "real.svg")
    assert (folder / "picture.svg").is_symlink()
    assert sorted(os.listdir(folder)) == ["picture.svg", "real.svg"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder / "real.svg").stat().st_mode) == 0o666 & ~mask


def test_a_file_that_is_no_picture_is_refused_before_anything_is_read(holdfast: Holdfast) -> None:
    refused = holdfast("history", "churn", "--plot", "history.pdf")

    assert refused.status == 2
    assert "--plot 'history.pdf' is not named as a picture; end it with .svg or .png" in refused.err


@pytest.mark.parametrize("path", ["no/such/folder.svg", "folder.svg"])
def test_what_cannot_be_written_is_refused_with_advice(
    churn: Holdfast, tmp_path: Path, path: str
) -> None:
    (tmp_path / "folder.svg").mkdir()
    before = sorted(os.listdir(tmp_path))
    refused = churn("history", "churn", "--plot", path)

    assert refused.status == 2
    assert "cannot be written: " in refused.err
    assert sorted(os.listdir(tmp_path)) == before


def test_a_png_needs_a_library(holdfast: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    refused = holdfast("history", "churn", "--plot", "history.png", "--json")

    assert refused.status == 8
    assert refused.error["code"] == "missing_library"
    assert "pip install 'holdfast[plot]'" in refused.error["message"]


def test_a_rollout_that_is_watched_is_not_drawn(churn: Holdfast) -> None:
    refused = churn("rollout", "status", "churn", "--watch", "--plot", "rollout.svg")

    assert refused.status == 2
    assert "--plot cannot be combined with --watch; leave out one" in refused.err


def test_a_simulation_may_be_a_png(holdfast: Holdfast, tmp_path: Path) -> None:
    words = ("rollout", "simulate", "--runs", "5", "--requests", "200", "--scenario", "1%:50%")
    assert holdfast(*words, "--plot", "plan.png").status == 0
    assert (tmp_path / "plan.png").read_bytes().startswith(PNG)
