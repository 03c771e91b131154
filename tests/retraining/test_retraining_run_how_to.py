"""The how-to: its entry point runs, and its recipes are what their tools and this one read."""

import configparser
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import numpy as np
import pytest

import holdfast
from holdfast.cli.retrain import retrain
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunRequest
from holdfast.retraining.schedule import Crontab

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "retraining.md"


def blocks(language: str) -> list[str]:
    fence = rf"^```{language}\n(.*?)^```$"
    return re.findall(fence, PAGE.read_text(), re.MULTILINE | re.DOTALL)


def called() -> list[list[str]]:
    """Return every call of `holdfast retrain` in a block, as words."""
    text = "\n".join(blocks("[a-z]*"))
    lists = re.findall(r"""\[("?holdfast"?, "?retrain"?.*?)\]""", text)
    calls = [re.findall(r"[^\s,\"]+", listed) for listed in lists]
    plain = re.findall(r"(?<![\w\"/\[])(?:\S*/)?holdfast retrain .*", text)
    templated = [re.sub(r"\{\{.*?\}\}", "2026-11-29T02:00Z", line) for line in plain]
    return [*calls, *(shlex.split(line.rstrip('",')) for line in templated)]


def test_the_entry_point_of_the_page_registers_a_version(tmp_path: Path) -> None:
    program = blocks("python")[0]
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "churn.py").write_text(program)
    rows = np.random.default_rng(7).normal(size=(200, 3))
    labels = (rows[:, 0] > 0).astype(int)
    lines = [f"{a},{b},{c},{label}" for (a, b, c), label in zip(rows, labels, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,label", *lines]) + "\n")
    registry = holdfast.open(tmp_path / "store", by="ann")
    request = RunRequest(
        "churn",
        "2026-11-29T02:00:00Z",
        tmp_path,
        dict(os.environ),
        entry="jobs.churn:train",
        data={"rows": tmp_path / "rows.csv"},
    )

    outcome = retraining_run.run(registry, request)

    assert outcome.record.outcome == "registered", outcome.log
    assert set(registry.manifest("churn@1.0.0").metrics) == {"accuracy", "brier", "log_loss"}


def test_every_call_of_the_page_is_one_that_the_command_takes() -> None:
    calls = called()

    assert len(calls) >= 10
    for words in calls:
        arguments = words[2:]
        name = arguments[0] if arguments[0] in retrain.commands else "once"
        rest = arguments[1:] if name == arguments[0] else arguments
        with click.Context(retrain) as parent:
            command = retrain.commands[name]
            command.make_context(name, list(rest), parent=parent).close()


def test_every_schedule_of_the_page_is_one() -> None:
    text = PAGE.read_text()
    lines = re.findall(r"^((?:[\d*,/-]+ ){5}) *cd ", text, re.MULTILINE)
    lines += re.findall(r"(?:cron|schedule)[\"=:' ]+((?:[\d*]+ ){4}[\d*]+)", text)

    now = datetime.now(UTC)
    assert len(lines) >= 5
    for line in lines:
        assert Crontab(line.strip(), ZoneInfo("UTC")).following(now) > now


def test_programs_and_files_of_the_page_are_well_formed() -> None:
    yaml = pytest.importorskip("yaml", reason="the recipes are YAML")
    for program in blocks("python"):
        compile(program, "recipe.py", "exec")
    for document in blocks("yaml"):
        assert yaml.safe_load(document)
    (units,) = blocks("ini")
    for unit in re.split(r"^# .*$", units, flags=re.MULTILINE)[1:]:
        parser = configparser.ConfigParser(strict=True)
        parser.read_string(unit)
        assert {"Service", "Timer"} & set(parser.sections())
