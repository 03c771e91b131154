"""`link`: clients of other registries read a store without a server."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Holdfast
from tests.serving.facing import until


def test_the_store_becomes_a_layout(holdfast: Holdfast, model: Callable[[str], str]) -> None:
    holdfast("register", "team/iris", model("one"))
    holdfast("register", "Big Iris", model("two"))
    said = holdfast("link", "oci")

    assert said.status == 0
    assert "is an OCI image layout of 1 model (2 tags)" in said.out
    assert "left out, for clients do not take such names: Big Iris" in said.out
    assert Path("store/oci-layout").exists()
    assert holdfast("link", "oci", "--json").data["tags"] == 2


def test_a_cache_links_to_the_store(holdfast: Holdfast, model: Callable[[str], str]) -> None:
    holdfast("register", "team/iris", model("one"))
    said = holdfast("link", "hf", "cache")

    assert (said.status, said.out) == (0, f"{Path('cache').absolute()} has 1 model (1 version)\n")
    assert Path("cache/models--team--iris/refs/main").exists()


def test_a_cache_of_nothing_is_refused(holdfast: Holdfast) -> None:
    said = holdfast("link", "hf", "cache")

    assert said.status != 0
    assert "--store" in said.err
    assert not Path("cache").exists()


def test_a_damaged_version_is_said(holdfast: Holdfast, model: Callable[[str], str]) -> None:
    holdfast("register", "team/iris", model("one"))
    for file in Path("store/models/team%2firis/versions/1.0.0").iterdir():
        if file.name != "manifest.json":
            file.chmod(0o600)
            file.write_bytes(b"other bytes")
    said = holdfast("link", "hf", "cache")

    assert said.status == 6
    assert "not linked: team/iris@1.0.0" in said.out


def test_a_cache_follows_until_it_is_told_to_stop(
    holdfast: Holdfast, model: Callable[[str], str]
) -> None:
    holdfast("register", "team/iris", model("one"))
    command = [
        sys.executable,
        "-m",
        "holdfast",
        "link",
        "hf",
        "cache",
        "--follow",
        "--every",
        "0.1s",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        refs = Path("cache/models--team--iris/refs")
        until((refs / "1.0.0").exists)
        holdfast("promote", "team/iris@1.0.0")
        until((refs / "production").exists)
        following.send_signal(signal.SIGTERM)
        out, _ = following.communicate(timeout=60)

    assert following.returncode == 0
    assert "has 1 model (1 version)" in out
