"""Clients of other registries, in the environment that `make demo-hubs` makes for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(sys.prefix) / "clients" / "bin"


def require(*names: str) -> None:
    """Skip a test whose clients are not there."""
    for name in names:
        if not (FOLDER / name).exists():
            pytest.skip(f"{name} is not installed in .venv/clients (make demo-hubs)")


def run(name: str, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a client, whatever it answers."""
    return subprocess.run(
        [str(FOLDER / name), *words],
        cwd=cwd,
        env=environment_with(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def environment_with(**more: str) -> dict[str, str]:
    """Return what clients are told: no telemetry, and the clients among the programs."""
    path = f"{FOLDER}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "PATH": path} | more
