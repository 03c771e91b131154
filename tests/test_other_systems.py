"""What this machine can tell of Windows and macOS: nothing that those lack is used.

A child imports what Holdfast is built on, takes away what the other system lacks and gives
`sys.platform` its name; then it imports every module of ours and goes through the life of a model.
It is no Windows: what that does otherwise, such as to files that are open, is stood in for.
"""

import subprocess
import sys
from pathlib import Path

import pytest

LIFE = Path(__file__).parent / "other_system.py"


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_model_lives_its_life_without_what_another_system_lacks(
    system: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(LIFE), system]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "lived"
