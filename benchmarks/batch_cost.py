"""What batch scoring costs: a million rows and four, beside reading and writing without a model.

    python benchmarks/batch_cost.py [ROWS …]

Each measurement is a process of its own on one thread; the limit and the run alternate, so that
what else the machine does falls on both. Prints CPU seconds (the least of three), rows per second
of them, and by how much memory rose above what was there once all was imported and loaded. The
promises: at least 0.4 of the limit's speed, at most 400 MB, and a peak that is flat within 20 %
from a million rows to four.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import holdfast
from holdfast.batch import batch_run
from holdfast.batch.batch_run import BatchRequest
from holdfast.predictions import open_log
from holdfast.predictions.ids import Mint

FEATURES = [f"feature_{number}" for number in range(30)]
CHUNK = 65_536
REPEATS = 3


def prepare(folder: Path, sizes: list[int]) -> None:
    """Make the files, a part at a time, and a version with its training counts."""
    chance = np.random.default_rng(1)
    for rows in sizes:
        writer = None
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            columns: dict[str, Any] = {"id": np.arange(start, start + count)}
            columns |= {name: chance.normal(size=count) for name in FEATURES}
            table = pa.table(columns)
            if writer is None:
                path = folder / f"{rows}.parquet"
                writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
        assert writer is not None
        writer.close()
    inputs = pd.DataFrame({name: chance.normal(size=5000) for name in FEATURES})
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression().fit(scaler.transform(inputs), inputs.feature_0 > 0)
    share = {"type": "number", "minimum": 0, "maximum": 1}
    holdfast.open(folder / "store", by="bench").register(
        "fraud", model, scaler, input_example=inputs.head(2), output_schema=share, reference=inputs
    )


def limit(source: Path, output: Path) -> None:
    """Read all columns, and write id, row and a column of them, without a model."""
    file = parquet.ParquetFile(source, pre_buffer=False)
    writer, first = None, 0
    for batch in file.iter_batches(CHUNK):
        rows = np.arange(first, first + batch.num_rows)
        first += batch.num_rows
        columns = {"id": batch.column("id"), "row": rows, "score": batch.column("feature_0")}
        table = pa.table(columns)
        if writer is None:
            writer = parquet.ParquetWriter(output, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def run(folder: Path, source: Path | str, output: Path | str) -> None:
    """Score as the command does, with digests, drift counts and a record in a log."""
    request = BatchRequest(
        "fraud@1.0.0", str(source), output, id_column="id", replacing="replace", sandbox="off"
    )
    batch_run.score(
        holdfast.open(folder / "store"),
        request,
        open_log(folder / "log"),
        Mint("bench")(),
        lambda: datetime.now(UTC),
    )


def work(kind: str, folder: Path, rows: int) -> None:
    """Measure one; in a process of its own, after a small one that loads all there is to load."""
    output = folder / f"{kind}.parquet"
    timed(kind, folder, folder / "1000.parquet", output)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    took = timed(kind, folder, folder / f"{rows}.parquet", output)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"cpu_s": took, "over_start": peak - resident}))


def timed(kind: str, folder: Path, source: Path, output: Path) -> float:
    start = time.process_time()
    if kind == "limit":
        limit(source, output)
    else:
        run(folder, source, output)
    return time.process_time() - start


def measured(kind: str, folder: Path, rows: int) -> dict[str, float]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    threads |= {"ARROW_IO_THREADS": "1"}
    words = [sys.executable, __file__, "--work", kind, str(folder), str(rows)]
    done = subprocess.run(words, env=os.environ | threads, check=True, capture_output=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, [1000, *sizes])
        peaks = []
        for rows in sizes:
            pairs = [
                [measured(kind, folder, rows) for kind in ("limit", "run")] for _ in range(REPEATS)
            ]
            best = [min(pair[side]["cpu_s"] for pair in pairs) for side in (0, 1)]
            ratios = sorted(pair[0]["cpu_s"] / pair[1]["cpu_s"] for pair in pairs)
            peak = max(pair[1]["over_start"] for pair in pairs)
            peaks.append(peak)
            for kind, took in zip(("limit", "run"), best, strict=True):
                print(f"{rows:>10,} rows  {kind:<5}  {took:6.2f} s  {rows / took / 1e6:5.2f} M/s")
            share = ratios[REPEATS // 2]
            print(f"{'':>10}       share of the limit {share:.2f} (goal 0.4)")
            print(f"{'':>10}       memory {peak / 1e6:.0f} MB over start (goal 400)")
        print(f"peak of the last over that of the first: {peaks[-1] / peaks[0]:.2f} (goal 1.2)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main([int(word) for word in sys.argv[1:]] or [1_000_000, 4_000_000])
