"""`holdfast wandb`: what is refused before anybody is asked; more in `tests/gateways/wandb`."""

import os
from collections.abc import Iterator

import pytest
from tests.cli.conftest import Holdfast


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no server to ask, and no key; the SDK keeps what it reads of that, so it is ended."""
    sdk = pytest.importorskip("wandb", reason="the SDK of Weights & Biases is not installed")
    monkeypatch.setitem(os.environ, "WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "WANDB_MODE", "online")
    monkeypatch.delitem(os.environ, "WANDB_API_KEY", raising=False)
    yield
    sdk.teardown()


@pytest.mark.parametrize("name", ["churn-model", "acme/churn/model", "acme/churn/model:../x"])
def test_what_does_not_name_an_artifact_is_refused(holdfast: Holdfast, name: str) -> None:
    done = holdfast("wandb", "import", name, "--json")

    assert (done.status, done.error["code"]) == (2, "invalid_input")
    assert "ENTITY/PROJECT/ARTIFACT:ALIAS" in done.error["message"]


def test_without_a_key_nothing_is_imported_or_exported(churn: Holdfast) -> None:
    imported = churn("wandb", "import", "acme/churn/model:v7", "--json")
    exported = churn("wandb", "export", "churn@1.0.0", "--project", "churn", "--json")

    assert imported.error["code"] == "unauthenticated"
    assert exported.error["code"] == "unauthenticated"
    assert "WANDB_API_KEY" in exported.error["message"]


@pytest.mark.parametrize(
    "asked",
    [
        ("--project", "a/b/c"),
        ("--project", "churn", "--name", "a b"),
        ("--project", "churn", "--url", "https://u:hunter2@h.example"),
    ],
)
def test_what_no_artifact_can_be_is_refused(churn: Holdfast, asked: tuple[str, ...]) -> None:
    done = churn("wandb", "export", "churn@1.0.0", *asked, "--json")

    assert done.error["code"] == "invalid_input"
    assert "hunter2" not in done.err
