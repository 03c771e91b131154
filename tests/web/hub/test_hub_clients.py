"""The Hub's own clients, unmodified: three generations of them, and what is built on them."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import clients
from tests.web.facing import TOKEN, Caller, Served, process, running

import holdfast

STORY = Path(__file__).parent / "story.py"
REPO = "team/tiny"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path / "store") as served:
        yield served


def environment(served: Caller, folder: Path, **more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    address = {"HF_ENDPOINT": f"http://127.0.0.1:{served.port}", "HF_TOKEN": TOKEN}
    return kept | home | address | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | more


def run(python: str, program: Path, served: Caller, folder: Path, **more: str) -> Any:
    command = [python, str(program), str(folder)]
    done = subprocess.run(
        command,
        env=environment(served, folder, **more),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def installed(folder: Path, *packages: str) -> str:
    """Install packages into an environment of their own; return its interpreter."""
    venv.create(folder, with_pip=False)
    python = str(folder / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        pytest.skip(f"{packages[0]} cannot be installed here: {done.stderr[-200:]}")
    return python


def check(seen: dict[str, Any], served: Served) -> None:
    registry = served.registry
    versions = [version.version for version in registry.versions(REPO)]
    commits = {
        version: registry.resolve(f"{REPO}@{version}").digest.removeprefix("sha256:")[:40]
        for version in versions
    }
    assert versions == ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0", "2.2.0"]
    assert seen["first"] == seen["unchanged"] == commits["1.0.0"]
    assert seen["second"] == commits["1.1.0"]
    assert seen["sha"] == commits["1.2.0"]
    assert seen["sizes"]["weights.bin"] == 3 << 20
    assert seen["listed"] == [REPO]
    assert "README.md" in seen["files"]
    assert seen["top"] == [
        "README.md", "config.json", "deep", "empty.txt", "weights.bin",
    ]  # fmt: skip
    assert seen["deep"] == ["deep/notes.txt"]
    assert seen["paths"] == ["deep", "weights.bin"]
    assert seen["commits"] == [commits["1.2.0"], commits["1.1.0"], commits["1.0.0"]]
    assert "409" in seen["taken"][1]
    assert "409" in seen["released"][1]
    assert "commit to main" in seen["elsewhere"][1]
    assert seen["branches"] == {
        "main": commits["2.0.0"],
        "production": commits["1.0.0"],
        "eu": commits["1.2.0"],
    }
    assert seen["tags"] == ["2.0.0", "1.2.0", "1.1.0", "1.0.0"]
    assert seen["live"] == commits["1.0.0"]
    assert seen["live_same"]
    assert seen["newest_same"]
    assert seen["absent"][0] in ("EntryNotFoundError", "RemoteEntryNotFoundError")
    assert seen["no_revision"][0] == "RevisionNotFoundError"
    assert seen["no_repo"][0] == "RepositoryNotFoundError"
    assert seen["left"] == ["README.md", "config.json", "weights.bin"]
    assert registry.verify().damages == ()


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_the_newest_client_uploads_names_and_downloads(
    served: Served, tmp_path: Path, way: str
) -> None:
    pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
    if way == "xet":
        pytest.importorskip("hf_xet", reason="the Hub's Xet transport is not installed")

    seen = run(sys.executable, STORY, served, tmp_path, HF_HUB_DISABLE_XET="01"[way == "lfs"])

    check(seen, served)


@pytest.mark.long
@pytest.mark.parametrize("version", ["0.36.2", "1.33.0", "2.4.0"])
@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_each_generation_of_the_client_uploads_names_and_downloads(
    served: Served,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    version: str,
    way: str,
) -> None:
    folder = tmp_path_factory.getbasetemp() / f"client-{version}"
    if not folder.exists():
        installed(folder, f"huggingface_hub=={version}")

    python = str(folder / "bin" / "python")
    seen = run(python, STORY, served, tmp_path, HF_HUB_DISABLE_XET="01"[way == "lfs"])

    assert seen["client"] == version
    check(seen, served)


TRANSFORMERS = """
import json, os, sys
from transformers import BertConfig, BertForSequenceClassification, BertModel, AutoConfig, AutoModel

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
config = BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
)
model = BertModel(config)
first = model.push_to_hub("team/bert")
again = AutoModel.from_pretrained("team/bert", revision="^1.0")
same = all(
    bool((one == two).all())
    for one, two in zip(model.state_dict().values(), again.state_dict().values())
)
print(json.dumps({
    "oid": first.oid,
    "same": same,
    "hidden": AutoConfig.from_pretrained("team/bert", revision="1.0.0").hidden_size,
}))
"""


@pytest.mark.long
@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_transformers_push_a_model_and_load_it_again(
    served: Served, tmp_path: Path, way: str
) -> None:
    clients.require("python", "transformers")
    program = tmp_path / "push.py"
    program.write_text(TRANSFORMERS)

    python = str(clients.FOLDER / "python")
    seen = run(python, program, served, tmp_path, HF_HUB_DISABLE_XET="01"[way == "lfs"])

    manifest = served.registry.manifest("team/bert@1.0.0")
    assert seen["same"]
    assert seen["hidden"] == 16
    assert seen["oid"] == served.registry.resolve("team/bert@1.0.0").digest[7:47]
    assert {file.path for file in manifest.files} >= {
        "model/config.json",
        "model/model.safetensors",
    }


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


UPLOAD = """
import json, os, sys
from pathlib import Path
import huggingface_hub as hub

data = Path(sys.argv[1], "big.bin")
with data.open("wb") as file:
    for _ in range(1024):
        file.write(os.urandom(1 << 20))
done = hub.HfApi().upload_file(
    repo_id="team/big", path_or_fileobj=data, path_in_repo="big.bin"
)
print(json.dumps({"oid": done.oid, "size": data.stat().st_size}))
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_gigabyte_is_taken_in_with_little_memory(tmp_path: Path, way: str) -> None:
    pytest.importorskip("huggingface_hub", reason="the Hub's client is not installed")
    program = tmp_path / "upload.py"
    program.write_text(UPLOAD)
    holdfast.open(tmp_path / "store").init()
    with process(tmp_path / "store") as served:
        seen = run(
            sys.executable, program, served, tmp_path, HF_HUB_DISABLE_XET="01"[way == "lfs"]
        )  # fmt: skip
        peak = peak_bytes(served.process.pid)

    assert seen["size"] == 1 << 30
    assert peak <= 150 << 20
    stored = sum(path.stat().st_size for path in (tmp_path / "store" / "blobs").rglob("*"))
    assert stored < (1 << 30) + (8 << 20)  # no byte twice
