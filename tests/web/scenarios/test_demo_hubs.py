"""`make demo-hubs`: one model, every client, and without most of them."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests import clients

SCRIPT = Path(__file__).parents[3] / "examples" / "hubs.py"


@pytest.mark.long
def test_every_client_that_is_there_sees_the_same_bytes(tmp_path: Path) -> None:
    clients.require("hf")

    done = subprocess.run(
        [sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Every client saw the same bytes" in done.stdout
    assert "OTHER BYTES" not in done.stdout
    assert "each once" in done.stdout


@pytest.mark.long
def test_without_clients_each_part_that_is_left_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = "import runpy, sys; sys.prefix = 'nowhere'"
    code = f"{begin}; runpy.run_path(sys.argv[1], run_name='__main__')"
    monkeypatch.setenv("PATH", str(tmp_path))

    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for name in ("skopeo", "dvc", "gto", "git"):
        assert f"{name} is not installed here: its part is left out" in done.stdout
