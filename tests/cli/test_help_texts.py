"""`help`, and what shells complete."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from holdfast.cli.examples import EXAMPLES
from holdfast.cli.families import FAMILIES
from holdfast.cli.group import app, commands


@pytest.fixture
def complete(holdfast: Any, tmp_path: Path) -> Any:
    (tmp_path / "m.txt").write_text("model")
    holdfast("register", "churn", "m.txt")
    holdfast("register", "iris", "m.txt")
    holdfast("promote", "churn@1.0.0")
    holdfast("alias", "churn@1.0.0", "eu")

    def words(*before: str, incomplete: str = "") -> list[str]:
        maker = ShellComplete(app, {}, "holdfast", "_HOLDFAST_COMPLETE")
        return [item.value for item in maker.get_completions(list(before), incomplete)]

    return words


def test_models_are_completed_where_a_model_is_named(complete: Any) -> None:
    assert complete("status") == ["churn", "iris"]
    assert complete("policy", "show", incomplete="ch") == ["churn"]
    assert complete("register", incomplete="i") == ["iris"]


def test_refs_and_aliases_are_completed_behind_the_model(complete: Any) -> None:
    assert complete("show", incomplete="churn@") == [
        *("churn@production", "churn@staging", "churn@latest", "churn@previous"),
        *("churn@eu", "churn@1.0.0"),
    ]
    assert complete("rollout", "start", incomplete="churn@e") == ["churn@eu"]
    assert complete("compare", "churn@eu", incomplete="churn@1") == ["churn@1.0.0"]
    assert complete("promote", incomplete="churn")[0] == "churn@production"


def test_commands_are_completed(complete: Any) -> None:
    assert complete(incomplete="roll") == ["rollback", "rollout"]
    assert "start" in complete("rollout")


def test_another_store_is_asked_for_its_own_names(complete: Any, tmp_path: Path) -> None:
    assert complete("status", "--json", "--store", "nowhere") == []
    assert complete("show", "--store", str(tmp_path / "store"), incomplete="iris") == [
        "iris@production", "iris@staging", "iris@latest", "iris@previous",
    ]  # fmt: skip


def test_what_cannot_be_read_offers_nothing(complete: Any) -> None:
    assert complete("show", incomplete="nobody@") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_of_its_own(holdfast: Any, shell: str) -> None:
    done = holdfast("completion", shell)

    assert done.status == 0
    assert f"{shell}_complete" in done.out
    assert ("COMP_WORDBREAKS=" in done.out) == (shell == "bash")


def test_bash_itself_completes_a_ref(complete: Any, holdfast: Any, tmp_path: Path) -> None:
    del complete
    script = tmp_path / "script"
    script.write_text(holdfast("completion", "bash").out)
    asked = "source ./script; [[ $COMP_WORDBREAKS != *@* ]] && complete -p holdfast"

    done = subprocess.run(
        ["bash", "-c", asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )

    assert (done.returncode, "_holdfast_completion" in done.stdout) == (0, True), done.stderr


def test_help_shows_what_the_option_shows(holdfast: Any) -> None:
    assert holdfast("help", "rollout", "start").out == holdfast("rollout", "start", "--help").out
    assert holdfast("help", "promote").out == holdfast("promote", "--help").out
    assert holdfast("help").out == holdfast("--help").out


@pytest.mark.parametrize("words", [("nope",), ("promote", "now"), ("rollout", "nope")])
def test_help_of_what_is_no_command_says_so(holdfast: Any, words: tuple[str, ...]) -> None:
    done = holdfast("help", *words)

    assert done.status == 2
    assert f"command {' '.join(words)!r} is unknown; `holdfast help` lists all" in done.err
    assert isinstance(app, click.Group)


def test_a_command_that_is_misspelt_is_answered_with_those_spelt_alike(holdfast: Any) -> None:
    near, far = holdfast("promot", "churn@1.0.0"), holdfast("abracadabra")

    assert (near.status, far.status) == (2, 2)
    assert "command 'promot' is unknown; did you mean promote? `holdfast help` lists" in near.err
    assert "command 'abracadabra' is unknown; `holdfast help` lists all" in far.err
    assert "No such option '--nope'" in holdfast("--nope").err


def _leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            subcommand = command.get_command(click.Context(command), name)
            assert subcommand is not None
            yield from _leaves(subcommand, (*words, name))
    else:
        yield " ".join(words)


def test_every_command_has_two_examples_and_no_other_has() -> None:
    assert sorted(EXAMPLES) == sorted(_leaves(app, ()))
    assert all(len(set(two)) == 2 for two in EXAMPLES.values())


@pytest.mark.parametrize("words", EXAMPLES)
def test_examples_are_shown_and_are_what_the_command_takes(words: str, holdfast: Any) -> None:
    shown = holdfast("help", *words.split())

    for example in EXAMPLES[words]:
        assert f"  {example}\n" in shown.out
        inner = example.partition("$(")[2].partition(")")[0] or example.partition(" |")[0]
        arguments = shlex.split(inner)
        command: click.Command = app
        context = click.Context(app)
        for word in arguments[1 : len(words.split()) + 1]:
            assert isinstance(command, click.Group)
            subcommand = command.get_command(context, word)
            assert subcommand is not None
            command = subcommand
        rest = arguments[len(words.split()) + 1 :]
        command.make_context(words, rest, parent=context)  # says what it does not know


GROUPS: dict[tuple[str, ...], list[click.Command]] = {
    (): [one for family in FAMILIES for one in commands(family)],
    **{
        (str(group.name),): list(group.commands.values())
        for family in FAMILIES
        for group in commands(family)
        if isinstance(group, click.Group)
    },
}


@pytest.mark.parametrize("words", GROUPS, ids=lambda words: " ".join(words) or "holdfast")
def test_the_first_line_of_every_help_fits_whole_at_80_columns(words: tuple[str, ...]) -> None:
    # of 80 columns click leaves two free
    shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=78, prog_name="holdfast")
    lines = {" ".join(line.split()) for line in shown.output.splitlines()}

    assert shown.exit_code == 0
    assert max(map(len, shown.output.splitlines())) <= 78
    assert GROUPS[words] != []
    for one in GROUPS[words]:
        first = (one.help or "").partition("\n")[0]
        assert f"{one.name} {first}" in lines
