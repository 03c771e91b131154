"""The real SDK without a server."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the SDK, which writes below the test's folder and asks nobody.

    It reads the environment once and keeps it, so it is taken down after each test.
    """
    sdk = pytest.importorskip("wandb", reason="the SDK of Weights & Biases is not installed")
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "WANDB_DATA_DIR": str(tmp_path / "data"),
        "WANDB_CACHE_DIR": str(tmp_path / "cache"),
        "WANDB_CONFIG_DIR": str(tmp_path / "config"),
    }.items():
        monkeypatch.setitem(os.environ, name, value)
    yield sdk
    sdk.teardown()


def records(folder: Path) -> list[Any]:
    """Read what a run wrote for `wandb sync`: blocks of 32 KiB with parts of records."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    raw, place, part, found = path.read_bytes(), 7, b"", []
    while place + 7 <= len(raw):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", raw[place : place + 7])
        part += raw[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record: Any = vars(wandb_internal_pb2)["Record"]()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found
