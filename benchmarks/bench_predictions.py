"""The prediction log costs a request next to nothing, and finds one row among a million at once."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.predictions import Prediction, open_log, open_recorder
from holdfast.predictions.ids import Mint

BATCH = 500
ROUNDS = 40
LOOKED_UP = 2000
ROWS = int(os.environ.get("HOLDFAST_BENCH_ROWS", "1_000_000"))
BODY = b'{"instances": [[' + b"12.3456, " * 29 + b"1.5]]}"
WORKER = "bench-1"


def rows(count: int, ids: Callable[[], str]) -> list[Prediction]:
    return [
        Prediction(
            ids(), time.time_ns() // 1000, "fraud", "1.2.0", "ab" * 32, "active", 200, 1100, WORKER,
            request_id=f"request-{number}", input=BODY, output=b"[0]",
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.benchmark(group="write 500 predictions")
def test_limit_sqlite_two_columns(benchmark: Any, tmp_path: Path) -> None:
    """Commit as many ids and bodies to a table of two columns."""
    file, ids = sqlite3.connect(tmp_path / "limit.sqlite", isolation_level=None), Mint(WORKER)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        "CREATE TABLE rows (id TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID",
    ):
        file.execute(statement)
    body = BODY.decode()

    def write(some: list[tuple[str, str]]) -> None:
        file.execute("BEGIN IMMEDIATE")
        file.executemany("INSERT INTO rows VALUES (?, ?)", some)
        file.execute("COMMIT")

    benchmark.pedantic(
        write, setup=lambda: (([(ids(), body) for _ in range(BATCH)],), {}), rounds=ROUNDS
    )
    file.close()


@pytest.mark.benchmark(group="write 500 predictions")
def test_holdfast_write(benchmark: Any, tmp_path: Path) -> None:
    log, ids = open_log(tmp_path), Mint(WORKER)
    benchmark.pedantic(log.write, setup=lambda: ((rows(BATCH, ids),), {}), rounds=ROUNDS)
    log.close()


@pytest.mark.benchmark(group="keep 20,000 predictions, CPU of all threads", timer=time.process_time)
def test_holdfast_record(benchmark: Any, tmp_path: Path) -> None:
    """Make ids and rows, queue them, and have them encoded and committed."""
    recorder = open_recorder(tmp_path, WORKER)

    def record() -> None:
        for row in rows(20_000, recorder.new_id):
            recorder.record(row)
        recorder.flush(60)

    benchmark.pedantic(record, rounds=5)
    recorder.close()

    assert recorder.lost == recorder.dropped == 0


@pytest.mark.benchmark(group="get one prediction among a million")
def test_holdfast_get(benchmark: Any, tmp_path: Path) -> None:
    """Look up ids that lie evenly over a day's file; p99 is among the extra figures."""
    log, ids, known = open_log(tmp_path), Mint(WORKER), list[str]()
    for _ in range(ROWS // BATCH):
        some = rows(BATCH, ids)
        log.write(some)
        known.append(some[len(known) % BATCH].prediction_id)
    step = max(len(known) // LOOKED_UP, 1)
    asked, taken = iter(known[::step] * 100), []

    def get() -> None:
        before = time.perf_counter()
        log.get(next(asked))
        taken.append((time.perf_counter() - before) * 1e6)

    benchmark.pedantic(get, rounds=min(LOOKED_UP, len(known)), warmup_rounds=1)
    benchmark.extra_info["p99_us"] = sorted(taken)[int(len(taken) * 0.99)]
    log.close()
