"""Plain calls of declared commands, read as click reads them, and the rest left to click."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from holdfast.cli.clicked import made
from holdfast.cli.declaring import (
    SHARED,
    AtLeast,
    Choice,
    Declared,
    argument,
    command,
    option,
    understood,
)
from holdfast.cli.families import MODULES, load

PLAIN = (
    "status",
    "status m --all --at 2026-03-03",
    "status --json --store s3://bucket/store m",
    "ls",
    "ls --where 'a' --where=b --limit 3 --order-by version --status staging",
    "ls --by=-x",
    "show m@1.0.0 --key-file k",
    "history m --served --limit 12",
    "compare m@1 m@2 --fail-if x",
    "card m@1 --format cyclonedx",
    "verify m --head 1:ab --signed-by ana",
    "promote m@1.0.0 --dry-run --expect 1.0.0 --force --reason because --idempotency-key k",
    "rollback m --to 1.0.0 --reason because",
    "stage m@1",
    "archive m@1",
    "alias m@1 live",
    "alias m@live --remove",
    "register m model.pkl scaler.pkl --metric a=1 --metric b=2 --trust reviewed --new",
    "adopt m folder --dry-run",
)
HEAVY = (
    "click",
    "rich",
    "typing_extensions",
    "dataclasses",
    "inspect",
    "logging",
    "holdfast.formats",
    "asyncio",
    "email",
)
CLICKS = (
    "status --help",
    "status -h",
    "status m n",
    "status --nonsense",
    "status --al",
    "status --all=yes",
    "status --all --all",
    "status -- m",
    "status -",
    "ls --limit 0",
    "ls --limit many",
    "ls --limit",
    "ls --limit 99999999999",
    "ls --status lost",
    "ls --at 2026 --at 2027",
    "ls --at ''",
    "ls ''",
    "show",
    "promote m@1 --wait",
    "promote m@1 --wait 3s",
    "promote m@1 --reason --force",
    "register m model.pkl --major",
)


def words_of(line: str) -> list[str]:
    return ["" if word == "''" else word for word in line.split()]


def declared(name: str) -> Declared:
    found: Any = load(name)
    assert isinstance(found, Declared)
    return found


@pytest.mark.parametrize("line", PLAIN)
def test_a_plain_call_is_read_as_click_reads_it(line: str) -> None:
    name, *words = words_of(line)
    by_click = made(load(name)).make_context(name, [*words]).params

    assert understood(declared(name), words) == by_click


@pytest.mark.parametrize("line", CLICKS)
def test_what_click_reads_another_way_or_refuses_is_left_to_it(line: str) -> None:
    name, *words = words_of(line)

    assert understood(declared(name), words) is None


def test_several_values_are_left_to_click() -> None:
    @command("many")
    @argument("words", nargs=-1)
    def many() -> None: ...

    assert understood(many, ["one"]) is None


def test_a_repeated_option_of_which_one_value_is_wrong_is_left_to_click() -> None:
    @command("many")
    @option("--word", type=Choice("a", "b"), multiple=True)
    @option("--times", type=AtLeast(2), default=5)
    def many() -> None: ...

    values = understood(many, ["--word", "a", "--word", "b"])

    assert values is not None
    assert (values["word"], values["times"]) == (("a", "b"), 5)
    assert understood(many, ["--word", "a", "--word", "c"]) is None
    assert understood(many, ["--times", "1"]) is None


def test_declared_commands_and_those_of_click_become_clicks_alike() -> None:
    commands = [made(load(name)) for name in MODULES]

    assert all(isinstance(one, click.Command) for one in commands)
    for one in commands:
        if not isinstance(one, click.Group) and len(one.params) > len(SHARED):
            assert all(isinstance(param, click.Parameter) for param in one.params)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions, of which the first was live before."""
    import holdfast

    folder = tmp_path_factory.mktemp("light")
    registry = holdfast.open(folder / "store")
    for words in ("{}", "[]"):
        (folder / "m.json").write_text(words)
        registry.promote(registry.register("m", folder / "m.json"))
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "status m",
        "status",
        "ls",
        "ls m",
        "show m@1.0.0",
        "history m --limit 20",
        "promote m@1.0.0 --force --reason light",
        "rollback m --reason light",
    ],
)
def test_commands_of_every_day_import_no_more_than_they_use(line: str, store: Path) -> None:
    program = (
        "import sys; from holdfast.cli import main\n"
        "try:\n"
        f"    main({line.split()!r})\n"
        "except SystemExit as end:\n"
        "    import gc\n"
        f"    print(end.code, gc.isenabled(), sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    measured = {name for name in os.environ if name.startswith("COVERAGE_")}  # which imports, too
    own = {name: text for name, text in os.environ.items() if name not in measured}
    done = subprocess.run(command, cwd=store, env=own, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "0 True []"
