"""`holdfast hf`: versions to a Hub and back, with the Hub's own client, here our own face."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast
from tests.web.facing import TOKEN, Served, running

import holdfast as registry

pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""Of how the client calls its own library."""
WEIGHTS = b"weights" * 9_000


@pytest.fixture
def hub(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    from huggingface_hub import constants

    monkeypatch.setitem(os.environ, "HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with running(tmp_path_factory.mktemp("hub") / "store") as served:
        yield served


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "weights.bin").write_bytes(WEIGHTS)
    return folder


def test_a_version_goes_to_a_hub_and_comes_back(
    holdfast: Holdfast, hub: Served, bert: Path
) -> None:
    at = ("--endpoint", f"http://127.0.0.1:{hub.port}")
    holdfast("register", "bert", str(bert), "--version", "1.2.0", "--metric", "f1=0.9")

    pushed = holdfast("hf", "push", "bert@latest", "team/bert", *at, "--json")
    again = holdfast("hf", "push", "bert@1.2.0", "team/bert", *at, "--json")
    pulled = holdfast("hf", "pull", "team/bert@1.2.0", "--as", "copy", *at, "--json")
    repeated = holdfast("hf", "pull", "team/bert@1.2.0", "--as", "copy", *at)

    assert pushed.status == 0, pushed.err
    assert (pushed.data["tag"], pushed.data["files"]) == ("1.2.0", 3)
    assert again.status in (0, 6), again.err
    assert "1.2.0" in [version.version for version in hub.registry.versions("team/bert")]
    card = hub.ask("GET", "/team/bert/resolve/1.2.0/README.md").body
    assert b'name: "f1"' in card
    assert pulled.status == 0, pulled.err
    shown = registry.open(bert.parent / "store").manifest("copy@1.0.0")
    digests = {file.path: file.sha256 for file in shown.files}
    assert digests["model/deep/weights.bin"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert "team/bert@" in shown.metadata["source"]
    assert "already there" in repeated.out


def test_a_lone_model_keeps_its_format(holdfast: Holdfast, hub: Served, tmp_path: Path) -> None:
    at = ("--endpoint", f"http://127.0.0.1:{hub.port}")
    (tmp_path / "model.txt").write_text("hello")
    holdfast("register", "iris", "model.txt")
    holdfast("hf", "push", "iris@1.0.0", "team/iris", *at)

    pulled = holdfast("hf", "pull", "team/iris", *at, "--json")

    assert pulled.status == 0, pulled.err
    roles = registry.open(tmp_path / "store").manifest("team/iris@1.0.0").artifacts
    assert roles["model"].path == "model.txt"
    assert set(roles) == {"model", "readme"}


def test_pickles_of_strangers_are_refused_unless_trusted(
    holdfast: Holdfast, hub: Served, tmp_path: Path
) -> None:
    at = ("--endpoint", f"http://127.0.0.1:{hub.port}")
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    holdfast("register", "evil", "model.pkl", "--trust", "a test")
    hub.registry.register("team/evil", tmp_path / "model.pkl", trust="a test")

    refused = holdfast("hf", "pull", "team/evil", "--as", "mine", *at)
    trusted = holdfast("hf", "pull", "team/evil", "--as", "mine", *at, "--trust", "a test")

    assert refused.status != 0
    assert "system" in refused.err
    assert trusted.status == 0, trusted.err


def test_what_goes_wrong_is_said(
    holdfast: Holdfast, hub: Served, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--endpoint", f"http://127.0.0.1:{hub.port}")
    holdfast("register", "bert", str(bert))

    absent = holdfast("hf", "pull", "team/absent", *at, "--json")
    invalid = holdfast("hf", "pull", "a/b/c", *at, "--json")
    nowhere = holdfast("hf", "pull", "team/x", "--endpoint", "http://127.0.0.1:9", "--json")
    monkeypatch.setitem(os.environ, "HF_TOKEN", "hft_wrong")
    denied = holdfast("hf", "push", "bert@1.0.0", "team/bert", *at, "--json")

    assert absent.error["code"] == "not_found"
    assert invalid.error["code"] == "invalid_input"
    assert nowhere.error["code"] == "store"
    assert denied.error["code"] == "unauthenticated"


def test_bytes_that_are_not_those_listed_are_refused(
    holdfast: Holdfast, hub: Served, bert: Path
) -> None:
    at = ("--endpoint", f"http://127.0.0.1:{hub.port}")
    holdfast("register", "bert", str(bert))
    holdfast("hf", "push", "bert@1.0.0", "team/bert", *at)
    path = Path(hub.registry.location) / "blobs" / "sha256" / hashlib.sha256(WEIGHTS).hexdigest()
    path.chmod(0o600)
    path.write_bytes(WEIGHTS[:-1] + b"!")

    assert holdfast("hf", "pull", "team/bert", "--as", "copy", *at).status != 0
    assert holdfast("show", "copy").status != 0
