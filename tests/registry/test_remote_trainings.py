"""Recorded trainings behind a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.test_figure_content import png
from tests.registry import behind_server
from tests.registry.conftest import Clock

import holdfast
from holdfast import Registry
from holdfast.core import training_commands
from holdfast.core.events import TrainingFailed
from holdfast.errors import InvalidInputError

FAILED = training_commands.failure("ValueError", "no rows", 2.0)


@pytest.fixture
def url(store: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ann"))
    with behind_server.served(store, clock) as url:
        yield url


@pytest.fixture
def remote(url: str, clock: Clock) -> Registry:
    return holdfast.open(url, clock=clock)


def test_a_training_behind_a_server_becomes_a_version_with_all_that_it_told(
    remote: Registry, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.txt").write_text("weights")
    with holdfast.training("iris", store=remote, reason="nightly") as run:
        run.curve("loss", 1, 0.5)
        run.figure("a/b", png())
        run.model(tmp_path / "model.txt")
    near = holdfast.open(store)

    assert run.version.ref == "iris@1.0.0"
    assert remote.trainings.record("iris@1.0.0") == near.trainings.record("iris@1.0.0")
    assert remote.trainings.record("iris@1.0.0").curves["loss"].last == 0.5
    assert remote.trainings.figure("iris@1.0.0", "a/b")[1] == png()


def test_a_failure_is_told_to_the_server_and_read_back(remote: Registry, store: Path) -> None:
    def train() -> None:
        with holdfast.training("iris", store=remote, reason="nightly"):
            raise ValueError("no rows")

    with pytest.raises(ValueError, match="no rows"):
        train()
    (past,) = holdfast.open(store).history("iris")

    assert past.what == "training failed after 0 s: ValueError: no rows"
    assert (past.by, past.reason) == ("ann", "nightly")
    assert remote.history("iris")[0].op == "training_failed"


def test_a_failure_is_told_once_for_each_key(remote: Registry) -> None:
    first, again = (remote.trainings.fail("iris", FAILED, idempotency_key="k") for _ in range(2))

    assert (first.changed, again.changed) == (True, False)
    assert len(remote.history("iris")) == 1


@pytest.mark.parametrize("name", ["../iris", ""])
def test_a_name_that_no_model_may_have_is_refused_here(remote: Registry, name: str) -> None:
    with pytest.raises(InvalidInputError, match="model name"):
        remote.trainings.fail(name, FAILED)
    with pytest.raises(InvalidInputError, match="has no valid error"):
        remote.trainings.fail("iris", TrainingFailed(error=""))
