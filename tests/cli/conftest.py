"""A command line in this process, over a store in a temporary folder."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.app import run


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        document = json.loads(self.out)
        assert document["schema"] == 1
        return document["data"]

    @property
    def error(self) -> Any:
        document = json.loads(self.err)
        assert document["schema"] == 1
        return document["error"]


Holdfast = Callable[..., Said]


@pytest.fixture
def holdfast(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Holdfast:
    """Run one command; paths are below the test's own folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HOLDFAST_BY", "ana")
    monkeypatch.delitem(os.environ, "HOLDFAST_STORE", raising=False)

    def call(*words: str) -> Said:
        capfd.readouterr()
        status = run(list(words))
        out, err = capfd.readouterr()
        return Said(status, out, err)

    return call


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], str]:
    """Write a model file with content of its own and return its name."""

    def write(content: str) -> str:
        path = tmp_path / f"{content}.json"
        path.write_text(json.dumps({"weights": content}))
        return path.name

    return write


@pytest.fixture
def churn(holdfast: Holdfast, model: Callable[[str], str]) -> Holdfast:
    """A store with churn 1.0.0 live, 1.1.0 promoted after it and 1.2.0 registered."""
    for content, auc in (("one", "0.80"), ("two", "0.81"), ("three", "0.70")):
        done = holdfast("register", "churn", model(content), "--metric", f"roc_auc={auc}")
        assert done.status == 0, done.err
    assert holdfast("promote", "churn@1.0.0", "--reason", "first").status == 0
    assert holdfast("promote", "churn@1.1.0", "--reason", "better").status == 0
    return holdfast
