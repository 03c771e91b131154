"""Files that somebody may have replaced: neither waited for nor read without end."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import holdfast
from holdfast import named_files

pytestmark = pytest.mark.skipif(os.name == "nt", reason="neither pipes nor devices there")

KINDS = ("pipe", "device", "socket", "folder", "circle", "nothing")
NOTICES = '[[targets]]\nname = "a"\nurl = "http://127.0.0.1:9/"\n'


def plant_socket(path: Path) -> None:
    """Leave a socket at a path of any length: addresses hold some hundred characters."""
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{short}/s")
        shutil.move(f"{short}/s", path)


def plant(path: Path, kind: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "socket":
            plant_socket(path)
        case "folder":
            path.mkdir()
        case "circle":
            path.symlink_to(path.name)
        case _:
            path.symlink_to(path.parent / "none")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_file_is_neither_read_nor_waited_for(tmp_path: Path, kind: str) -> None:
    plant(tmp_path / "planted", kind)

    with pytest.raises(OSError, match=r"planted|regular"):
        named_files.read(tmp_path / "planted")


def test_a_file_is_read_to_its_limit_and_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")

    assert named_files.read(tmp_path / "link", 3) == b"abc"
    with pytest.raises(OSError, match="more than 2 bytes"):
        named_files.read(tmp_path / "link", 2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    (folder / "model.txt").write_text("words")
    registry = holdfast.open(folder / "store", by="ann")
    registry.register("iris", folder / "model.txt")
    return folder / "store"


COMMANDS = {
    "notices": ("notify", "once", "--config", "PLANTED"),
    "a key": ("sign", "iris@1.0.0", "--key-file", "PLANTED"),
    "a token": ("serve", "iris", "--port", "0", "--token-file", "PLANTED"),
    "a schema": ("register", "iris", "MODEL", "--input-schema", "PLANTED"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_no_command_waits_for_a_planted_file(
    tmp_path: Path, store: Path, kind: str, command: tuple[str, ...]
) -> None:
    plant(tmp_path / "planted", kind)
    places = {"PLANTED": str(tmp_path / "planted"), "MODEL": str(store.parent / "model.txt")}
    words = [places.get(word, word) for word in command]
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words, "--store", str(store)],
        check=False, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert done.returncode == 2
    assert "not a regular file" in done.stderr


@pytest.mark.parametrize("place", ["incoming", "a/waiting", "a/failed"])
def test_an_outbox_goes_on_past_what_was_planted_in_it(
    tmp_path: Path, store: Path, place: str
) -> None:
    (tmp_path / "notices.toml").write_text(NOTICES)
    folder = tmp_path / "outbox" / place
    folder.mkdir(parents=True)
    for number, kind in enumerate(KINDS, 1):
        plant(folder / f"{number:010}-0.json", kind)
    words = ["notify", "list", "--json", "--config", str(tmp_path / "notices.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words, "--store", str(store)],
        check=False, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == []
