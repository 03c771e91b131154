"""The command line as a whole: errors, statuses, streams."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HOLDFAST = (sys.executable, "-m", "holdfast")


def test_the_version_is_printed_without_importing_anything_heavy() -> None:
    program = (
        "import sys; from holdfast.cli import main; main(['--version']); "
        "print(sorted({'click', 'rich', 'msgspec', 'semver'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["holdfast 0.1.0", "[]"]


def test_help_lists_every_command_by_family() -> None:
    done = subprocess.run([*HOLDFAST, "--help"], capture_output=True, text=True, check=True)

    assert "Versions:" in done.stdout
    assert "rollback" in done.stdout
    assert "Upkeep:" in done.stdout


def test_no_command_prints_the_help_and_is_malformed(holdfast: Any) -> None:
    asked = holdfast("--help")
    for words in ((), ("policy",)):
        done = holdfast(*words)

        assert (done.status, done.out) == (2, "")
        assert done.err == holdfast(*words, "--help").out
    assert asked.status == 0


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("register",), ("ls", "--colour"), ("promote", "churn@1.0.0", "--at", "now")],
)
def test_a_malformed_call_exits_2_and_says_why(holdfast: Any, words: tuple[str, ...]) -> None:
    done = holdfast(*words)

    assert done.status == 2
    assert done.err.startswith("holdfast: ")
    assert done.out == ""


def test_an_error_is_json_on_request(churn: Any) -> None:
    done = churn("show", "chrun@1.0.0", "--json")

    assert done.status == 3
    assert done.out == ""
    assert done.error["code"] == "not_found"
    assert done.error["nearest"] == ["churn"]


def test_a_folder_that_is_no_store_is_left_alone(holdfast: Any, tmp_path: Path, model: Any) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miau")
    done = holdfast("register", "churn", model("one"), "--store", "photos")

    assert done.status == 7
    assert "it is not a store" in done.err
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_store_of_a_newer_holdfast_is_refused(churn: Any, tmp_path: Path) -> None:
    path = tmp_path / "store" / "holdfast.json"
    document = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_text(json.dumps(document | {"format": 99}))
    done = churn("ls")

    assert done.status == 7
    assert "install a newer Holdfast" in done.err


def test_a_location_that_is_no_folder_is_refused(holdfast: Any) -> None:
    done = holdfast("ls", "--store", "hdfs://bucket/prefix")

    assert done.status == 2
    assert "is neither a folder" in done.err


def test_the_store_and_the_author_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    environment = {**os.environ, "HOLDFAST_STORE": str(tmp_path / "s"), "HOLDFAST_BY": "robot"}
    command = [*HOLDFAST, "register", "m", str(tmp_path / "m.json"), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["data"]["version"]["registered_by"] == "robot"
    assert (tmp_path / "s" / "holdfast.json").exists()


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize("line", ["card churn@production", "head", "history churn"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, line: str) -> None:
    command = f"{' '.join(HOLDFAST)} {line} --store {tmp_path / 'store'}"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_completion_is_offered() -> None:
    environment = {
        **os.environ,
        "_HOLDFAST_COMPLETE": "bash_complete",
        "COMP_WORDS": "holdfast roll",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(HOLDFAST, env=environment, capture_output=True, text=True, check=False)

    assert "rollback" in done.stdout
