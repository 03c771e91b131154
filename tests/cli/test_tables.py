"""Screens and tables on terminals of several widths."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import Rows

from holdfast.cli import tables
from holdfast.predictions import open_log

termios = pytest.importorskip("termios")  # there is no such terminal on Windows
LONG = "first release of the year, agreed with risk and compliance at the weekly meeting"


def on_terminal(columns: int, *words: str) -> list[str]:
    """Run a command on a terminal so wide; return the lines that it shows, without colours."""
    import fcntl
    import pty

    inside, outside = pty.openpty()
    fcntl.ioctl(outside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "holdfast", *words]
    with subprocess.Popen(command, stdout=outside, stderr=outside, env=environment) as process:
        os.close(outside)
        shown = b""
        try:
            while read := os.read(inside, 65536):
                shown += read
        except OSError:  # how the end of a terminal is told on Linux
            pass
        os.close(inside)
    assert process.returncode == 0, shown
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    return text.replace("\r\n", "\n").splitlines()


@pytest.fixture
def crowded(churn: Any, model: Any) -> Any:
    words = ("--metric", "roc_auc=0.83", "--metric", "recall=0.7312", "--metric", "log_loss=0.31")
    churn("register", "churn", model("four"), *words, "--by", "a-service-account-of-the-ci")
    churn("promote", "churn@latest", "--force", "--reason", LONG, "--by", "a-service-account")
    churn("policy", "set", "churn", "--approvals", "1", "--metric", "recall:min=0.5,max=0.9")
    return churn


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("columns", [60, 80, 100, 200])
@pytest.mark.parametrize(
    "words",
    [
        ("status", "churn"),
        ("ls", "churn"),
        ("ls",),
        ("history", "churn"),
        ("status",),
        ("show", "churn@latest"),
        ("compare", "churn@1.2.0", "churn@latest"),
        ("policy", "show", "churn"),
    ],
    ids=" ".join,
)
def test_a_screen_fits_its_terminal(columns: int, words: tuple[str, ...]) -> None:
    lines = on_terminal(columns, *words)

    assert lines
    assert max(map(len, lines)) <= columns


def test_what_is_cut_says_so_and_what_is_piped_is_whole(crowded: Any) -> None:
    whole = crowded("history", "churn").out.splitlines()
    narrow = on_terminal(60, "history", "churn")

    assert max(map(len, whole)) > 100
    assert "…" not in "".join(whole)
    for full, cut in zip(whole, narrow, strict=True):
        assert "…" in cut or cut.split() == full.split()


@pytest.mark.usefixtures("crowded")
def test_columns_that_are_left_out_are_told_in_the_header() -> None:
    header = on_terminal(60, "ls", "churn")[0]

    assert "DIGEST" not in header
    assert header.endswith("…")


@pytest.mark.usefixtures("churn")
def test_the_last_moves_use_the_columns_that_other_cells_leave() -> None:
    lines = on_terminal(60, "status", "churn")
    first = next(at for at, line in enumerate(lines) if line.startswith("│ when"))
    moves = "\n".join(lines[first:-2])

    assert "promote 1.0.0 → 1.1.0" in moves
    assert "register 1.2.0 (v3)" in moves
    assert "…" not in moves


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_a_message_breaks_between_words_and_never_within_a_command(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    said = "production refused churn@1.1.0: auc is 0.71; `holdfast promote churn@1.0.0` goes back"
    monkeypatch.setenv("COLUMNS", columns)
    piped = tables.folded(said)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = tables.folded(f"{said}\n{said}")

    assert piped == said
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert " ".join(shown.split()) == f"{said} {said}"
    assert shown.count("`holdfast promote churn@1.0.0`") == 2
    assert tables.folded("short") == "short"


LINES = """\
iris@1.0.0  0123456789
why        first release of the year, agreed with risk and compliance at the weekly meeting
├─ live 2026-11-30 to now  promoted by \x1b[1mana\x1b[0m: first release of the year, in spring
└─ data rows  first release of the year, agreed with risk and compliance
first release of the year, agreed with risk and compliance at the weekly meeting of that week
input      {"instances":[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]]}"""

BROKEN = """\
iris@1.0.0  0123456789
why        first release of the year, agreed with risk and
           compliance at the weekly meeting
├─ live 2026-11-30 to now  promoted by \x1b[1mana\x1b[0m: first release of
│      the year, in spring
└─ data rows  first release of the year, agreed with risk
       and compliance
first release of the year, agreed with risk and compliance
    at the weekly meeting of that week
input      {"instances":[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]]}"""


def test_lines_break_between_words_below_what_they_belong_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    piped = tables.within(LINES)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    assert piped == LINES
    assert tables.within(LINES) == BROKEN


LONG_NAME = "customer-churn-probability-of-the-european-west"


def test_a_long_name_is_cut_with_an_ellipsis_and_its_values_begin_under_one_another(
    holdfast: Any, model: Any
) -> None:
    name = "area_under_the_receiver_operating_characteristic_curve_of_all"
    words = ("--metric", f"{name}=0.83", "--metric", "recall=0.5", "--description", LONG + LONG)
    for content in ("one", "two"):
        holdfast("register", LONG_NAME, model(content), *words)
    title = on_terminal(60, "status", LONG_NAME)[0]
    shown = on_terminal(60, "show", f"{LONG_NAME}@latest")
    compared = on_terminal(60, "compare", f"{LONG_NAME}@1.0.0", f"{LONG_NAME}@1.1.0")
    at = next(place for place, line in enumerate(shown) if line.startswith("description"))

    assert "… ·" in title
    assert title.endswith(" UTC ─┐")
    assert max(map(len, shown)) <= 60
    assert " ".join(line.strip() for line in shown[at : at + 5])[11:].strip().startswith(LONG)
    assert shown[at + 1].startswith(" " * 23)
    equal = [line.partition(" ")[0] for line in compared if line.endswith("= equal")]
    assert [one[:6] for one in equal] == ["area_u", "recall"]
    assert equal[0].endswith("…")


NAMES = ("credit-risk-of-the-emea-team/quarterly-retraining-2026", "予測モデル")


@pytest.fixture
def named(churn: Any, model: Any) -> Any:
    for name in NAMES:
        churn("register", name, model("five"), "--metric", "roc_auc=0.9", "--new")
    return churn


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("words", [("ls",), ("status",), ("ls", "--where", "roc_auc > 0")])
def test_long_and_wide_names_of_models_leave_room_for_the_rest(
    columns: int, words: tuple[str, ...]
) -> None:
    lines = on_terminal(columns, *words)

    assert max(map(tables.cells, lines)) <= columns
    assert [line for line in lines if line.startswith("credit-risk-of-the-emea") and "…" in line]
    starts = set()
    for name in (NAMES[1], "churn", "MODEL"):
        line = next(line for line in lines if line.startswith(f"{name} "))
        rest = line.removeprefix(name)
        starts.add(tables.cells(name) + len(rest) - len(rest.lstrip()))
    assert len(starts) == 1


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_predictions_keep_their_id_on_every_screen(
    columns: int, named: Any, tmp_path: Path
) -> None:
    log = open_log(tmp_path / "predictions")
    rows = Rows()
    log.write([rows(model=NAMES[0]), rows(model=NAMES[1]), rows(status=500, error=LONG)])
    log.close()
    listed = on_terminal(columns, "predictions", "list")
    counted = on_terminal(columns, "predictions", "stats")

    assert named
    assert max(map(tables.cells, listed + counted)) <= columns
    assert [len(line.split()[0]) for line in listed] == [2, 36, 36, 36]
    assert counted[0].startswith("MODEL")


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("churn", 5, "churn"),
        ("churner", 5, "chur…"),
        ("予測モデル", 10, "予測モデル"),
        ("予測モデル", 9, "予測モデ…"),
        ("予測モデル", 8, "予測モ…"),
        ("e\u0301te\u0301", 3, "e\u0301te\u0301"),
        ("e\u0301te\u0301s", 3, "e\u0301t…"),
    ],
)
def test_a_text_is_cut_by_the_columns_it_takes(text: str, length: int, shown: str) -> None:
    assert tables.cut(text, length) == shown


@pytest.mark.usefixtures("crowded")
def test_a_wide_terminal_shows_more() -> None:
    narrow, wide = (" ".join(on_terminal(columns, "ls", "churn")) for columns in (60, 200))

    assert "DIGEST" not in narrow
    assert "DIGEST" in wide
    assert "log_loss 0.31" in wide


@pytest.mark.usefixtures("crowded")
def test_the_way_back_is_whole_on_every_screen() -> None:
    for columns in (60, 200):
        shown = " ".join(on_terminal(columns, "status", "churn"))
        assert "holdfast rollback churn --expect 1.3.0" in shown
        assert "every byte verified" in shown
