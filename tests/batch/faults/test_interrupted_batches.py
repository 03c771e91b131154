"""A batch that ends in the middle: by a kill, by a full disk, by a rival."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.batch.conftest import Score, customers, written

from holdfast.errors import BusyError
from holdfast.predictions import open_log

PROGRAM = """
import os, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path

import holdfast
from holdfast.batch import batch_run
from holdfast.predictions import open_log
from holdfast.predictions.ids import Mint

how, store, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
request = batch_run.BatchRequest(
    "fraud@1.0.0", str(folder / "a.parquet"), folder / "scores.parquet", "id", sandbox="off",
    chunk_rows=70_000,
)

def told(done, total):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

if how == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
arguments = open_log(folder / "log"), Mint("a")(), lambda: datetime.now(UTC), told
batch_run.score(holdfast.open(store), request, *arguments)
"""


def run(how: str, store: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    customers(140_000).to_parquet(folder / "a.parquet")
    command = [sys.executable, "-c", PROGRAM, how, str(store), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_neither_output_nor_record(
    store: Path, score: Score, tmp_path: Path
) -> None:
    done = run("kill", store, tmp_path)

    assert done.returncode == -9, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.parquet", "scores.parquet.part"}
    score("fraud@1.0.0", "a.parquet")
    assert len(written(tmp_path)["row"]) == 140_000
    assert not (tmp_path / "scores.parquet.part").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows limits no file's size")
def test_a_full_disk_leaves_nothing(store: Path, tmp_path: Path) -> None:
    done = run("full", store, tmp_path)

    assert done.returncode == 1
    assert "StoreFullError" in done.stderr
    assert "scores.parquet.part has no space left; free some, then repeat" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.parquet"}
    assert open_log(tmp_path / "log").days() == []


@pytest.mark.skipif(os.name == "nt", reason="nothing is locked there")
def test_another_process_that_writes_the_output_is_not_disturbed(
    score: Score, tmp_path: Path
) -> None:
    customers(3).to_parquet(tmp_path / "a.parquet")
    part = tmp_path / "scores.parquet.part"
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'wb'); file.write(b'mine'); file.flush(); "
        "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(part)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as rival:
        assert rival.stdout is not None
        assert rival.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match="is being written by another run"):
            score("fraud@1.0.0", "a.parquet")
        assert part.read_bytes() == b"mine"
        rival.communicate()

    score("fraud@1.0.0", "a.parquet")
    assert len(written(tmp_path)["row"]) == 3
