"""The shape of lists with `--json`, and one way to name things, in every command."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from tests.predictions.rows import Rows

import holdfast
from holdfast.cli.families import FAMILIES
from holdfast.cli.group import commands
from holdfast.core.events import Retrained
from holdfast.predictions import open_log

Holdfast = Callable[..., Any]
LISTS = {
    "status": "model",
    "status --all": "model",
    "ls": "model",
    "ls churn": "version",
    "history churn": "seq",
    "history churn --served": "version",
    "head": "model",
    "head churn": "model",
    "rollout tick": "model",
    "rollout tick churn": "model",
    "predictions list": "prediction_id",
    "predictions stats": "model",
    "predictions compact": "day",
    "notify list": "notice",
    "retrain history churn": "slot",
    "data ls": "name",
}
"""Commands that list, and a field that each of their rows has."""


@pytest.fixture
def full(churn: Holdfast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Holdfast:
    """The store `churn`, a log with a day that is over, and a notice that waits."""
    monkeypatch.delitem(os.environ, "HOLDFAST_LOG", raising=False)
    log = open_log(tmp_path / "predictions")
    log.write([Rows()()])
    log.close()
    (tmp_path / "notices.toml").write_text('[[targets]]\nname = "ops"\nurl = "http://[::1]:1"\n')
    monkeypatch.setitem(os.environ, "HOLDFAST_NOTIFY", "notices.toml")
    churn("promote", "churn@1.2.0", "--force", "--reason", "must")
    churn("rollback", "churn", "--reason", "worse")
    missed = Retrained(slot="2026-11-29T00:00:00Z", entry="m:train", outcome="missed", why="late")
    registry = holdfast.open(tmp_path / "store")
    registry.retrainings.remark("churn", missed)
    (tmp_path / "rows.csv").write_text("age\n41\n")
    registry.data.add("rows", str(tmp_path / "rows.csv"))
    return churn


@pytest.mark.parametrize("listing", LISTS)
def test_a_list_is_an_array_of_objects(full: Holdfast, listing: str) -> None:
    data = full(*listing.split(), "--json").data

    assert isinstance(data, list)
    assert data
    assert all(isinstance(row, dict) and LISTS[listing] in row for row in data)


@pytest.mark.parametrize(
    "listing",
    [
        "ls churn --status purged",
        "predictions list --model none",
        "predictions stats --model none",
    ],
)
def test_a_list_of_nothing_is_an_empty_array(full: Holdfast, listing: str) -> None:
    assert full(*listing.split(), "--json").data == []


def walked(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walked(inner, f"{path} {name}")
    else:
        yield path, command


EVERY = dict(
    one
    for family in FAMILIES
    for command in commands(family)
    for one in walked(command, str(command.name))
)


def test_every_command_that_lists_is_in_the_table() -> None:
    named = {" ".join(word for word in one.split() if not word.startswith("-")) for one in LISTS}

    assert {path for path in EVERY if path.split()[-1] in ("list", "ls", "history", "head")} <= {
        one.removesuffix(" churn") for one in named
    }


SAME = {
    "reason": {"--reason"},
    "yes": {"--yes"},
    "dry_run": {"--dry-run"},
    "limit": {"--limit"},
    "at": {"--at"},
    "output": {"-o", "--output"},
    "force": {"--force"},
    "since": {"--since"},
    "until": {"--until"},
}
OTHER_WORDS = {"--message", "-m", "--why", "--comment", "--out", "--form", "--confirm", "--max"}


def test_the_same_thing_has_the_same_option_in_every_command() -> None:
    spelled: dict[str, set[str]] = {}
    for command in EVERY.values():
        for option in command.params:
            if isinstance(option, click.Option) and option.name:
                spelled.setdefault(option.name, set()).update(option.opts)

    assert {name: spelled[name] for name in SAME} == SAME
    assert OTHER_WORDS.isdisjoint(set().union(*spelled.values()))


def test_every_command_that_is_about_a_version_takes_it_as_a_ref() -> None:
    taken = {
        path: [one.name for one in command.params if isinstance(one, click.Argument)]
        for path, command in EVERY.items()
    }
    of_a_model = {path for path, names in taken.items() if "model" in names}
    with_version = {
        f"{path} {opt}"
        for path, command in EVERY.items()
        for option in command.params
        for opt in option.opts
        if isinstance(option, click.Option) and "VERSION" in (option.metavar or "")
    }

    assert of_a_model == {
        "register",  # there it is a file
        "status", "ls", "history", "rollback", "head", "repair", "delete", "policy set",
        "policy show", "access who-could", "rollout status", "rollout pause", "rollout resume",
        "rollout advance",
        "rollout promote", "rollout abort", "rollout retry", "drift", "retrain once",
        "retrain status", "retrain history", "retrain check", "retrain run", "gto export",
    }  # fmt: skip
    assert with_version == {
        "promote --expect", "rollback --expect", "rollback --to", "register --environment",
    }  # fmt: skip


def test_a_version_that_is_expected_is_named_as_everywhere(churn: Holdfast) -> None:
    for named in ("churn@1.1.0", "churn@v2", "v2", "churn@production", "1.1.0"):
        assert churn("promote", "churn@1.1.0", "--expect", named).status == 0, named
    said = churn("promote", "churn@1.2.0", "--expect", "churn@v1")
    gone = churn("rollback", "churn", "--expect", "churn@7.0.0")
    other = churn("rollback", "churn", "--expect", "rose@1.0.0")

    assert "has 1.1.0 live, not 1.0.0" in said.err
    assert "has 1.1.0 live, not churn@7.0.0" in gone.err
    assert "does not name a version of churn" in other.err
    assert churn("rollback", "churn", "--expect", "churn@v2", "--reason", "x").status == 0


def test_an_alias_is_taken_away_by_the_ref_that_names_it(churn: Holdfast) -> None:
    churn("alias", "churn@1.0.0", "eu")
    refused = [
        churn("alias", "churn@1.1.0", "eu", "--remove"),
        churn("alias", "churn", "--remove"),
        churn("alias", "churn@1.1.0"),
    ]
    done = churn("alias", "churn@eu", "--remove")

    assert [said.status for said in refused] == [2, 2, 2]
    assert "holdfast alias MODEL@ALIAS --remove" in refused[0].err
    assert "holdfast alias MODEL@REF ALIAS" in refused[2].err
    assert done.out == "eu is removed (it pointed to 1.0.0)\n"


def test_predictions_of_a_version_are_asked_for_by_its_ref(full: Holdfast) -> None:
    def versions(ref: str) -> set[str]:
        found = full("predictions", "list", "--model", ref, "--json").data
        return {row["version"] for row in found}

    model = full("predictions", "list", "--json").data[0]["model"]

    assert versions(f"{model}@1.0.0") == {"1.0.0"}
    assert versions(f"{model}@9.9.9") == set()
    assert full("predictions", "list", "--model", "churn@production").status == 0
    assert full("predictions", "list", "--model", "churn@v1").status == 0
    assert full("predictions", "list", "--model", "churn@canada").status == 3
