"""What drift costs: a million rows counted, against DuckDB in the same run; a year of evidence.

    python benchmarks/drift_cost.py [ROWS]

Prints CPU seconds of this process and its threads, and what the two promises are: rows counted in
at most twice the time in which DuckDB reads the same JSON and numpy counts it, and a year of thirty
features weighed in half a second.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.drift_judgement import judge
from holdfast.core.drift.drift_reference import DriftReference, NumberReference
from holdfast.formats.reference_building import built
from holdfast.predictions import open_log
from holdfast.predictions.compaction import compact
from holdfast.predictions.day_counting import count_day
from holdfast.predictions.ids import Mint
from holdfast.predictions.row import Prediction

FEATURES = 30
NOON_US = 1_772_539_200_000_000
DAY = "2026-03-03"


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def rows(count: int) -> list[Prediction]:
    chance = np.random.default_rng(1)
    mint = Mint("host-1", lambda: NOON_US // 1000)
    values = chance.normal(size=(count, FEATURES)).round(6).tolist()
    names = [f"feature_{index}" for index in range(FEATURES)]
    made = []
    for index, row in enumerate(values):
        body = {"instances": [dict(zip(names, row, strict=True))]}
        made.append(
            Prediction(
                mint(), NOON_US + index, "fraud", "1.0.0", "0" * 64, "active", 200, 900, "host-1",
                input=msgspec.Raw(msgspec.json.encode(body)),
            )
        )  # fmt: skip
    return made


def by_duckdb(path: Path, reference: DriftReference) -> dict[str, list[int]]:
    """Count as fast as we know how: types given to DuckDB, columns to numpy."""
    names = list(reference.features)
    kind = {"instances": [dict.fromkeys(names, "DOUBLE")]}
    shape = msgspec.json.encode(kind).decode()
    columns = ", ".join(f"r.{name}" for name in names)
    sql = (
        f"SELECT {columns} FROM (SELECT unnest(from_json(input, '{shape}').instances) AS r "
        f"FROM read_parquet('{path}') WHERE status < 400)"
    )
    with duckdb.connect() as connection:
        fetched = connection.execute(sql).fetchnumpy()
    counts = {}
    for name, feature in reference.features.items():
        assert isinstance(feature, NumberReference)
        places = np.searchsorted(np.array(feature.cuts), fetched[name])
        counts[name] = np.bincount(places, minlength=len(feature.counts)).tolist()
    return counts


def year(reference: DriftReference) -> list[DayCounts]:
    chance = np.random.default_rng(2)
    days = []
    for index in range(365):
        features = {}
        for name, feature in reference.features.items():
            bins = np.array(list(feature.counts))
            drawn = chance.multinomial(1000, bins / bins.sum())
            features[name] = FeatureCounts(tuple(drawn.tolist()))
        day = f"{2026 + index // 336}-{index // 28 % 12 + 1:02d}-{index % 28 + 1:02d}"
        days.append(DayCounts(day=day, requests=1000, rows=1000, features=features))
    return days


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    chance = np.random.default_rng(3)
    reference = built({f"feature_{index}": chance.normal(size=20_000) for index in range(FEATURES)})
    with tempfile.TemporaryDirectory() as folder:
        log = open_log(folder)
        made = rows(count)
        for start in range(0, count, 5000):
            log.write(made[start : start + 5000])
        sqlite_s, counted_first = cpu(lambda: count_day(log, "fraud", DAY, reference))
        compact(Path(folder), DAY)
        parquet_s, counted = cpu(lambda: count_day(log, "fraud", DAY, reference))
        path = Path(folder) / DAY / "predictions.parquet"
        duckdb_s, expected = cpu(lambda: by_duckdb(path, reference))
        log.close()
    assert counted == counted_first
    assert {name: list(item.bins) for name, item in counted.features.items()} == expected
    days = year(reference)
    year_s, _ = cpu(lambda: judge(reference, days))
    print(f"{count:,} rows of {FEATURES} features, CPU seconds")
    print(f"  SQLite                {sqlite_s:6.2f}  {sqlite_s / duckdb_s:5.2f} of DuckDB's")
    print(f"  Parquet               {parquet_s:6.2f}  {parquet_s / duckdb_s:5.2f} of DuckDB's")
    print(f"  DuckDB over Parquet   {duckdb_s:6.2f}")
    print(f"a year of evidence      {year_s:6.2f}")


if __name__ == "__main__":
    main()
