"""A store with versions that score, and files of rows for them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import holdfast
from holdfast.batch import batch_run
from holdfast.batch.batch_run import BatchRequest, BatchResult
from holdfast.predictions import Log, open_log
from holdfast.predictions.ids import Mint
from holdfast.registry import Registry

NAMES = ("age", "income", "visits")
SHOP = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "income": {"type": ["number", "null"]},
        "city": {"type": "string", "enum": ["Bern", "Oslo"]},
        "since": {"type": "string", "dtype": "datetime64[us]"},
        "member": {"type": "boolean"},
    },
    "required": ["age", "income", "city", "since", "member"],
    "order": ["age", "income", "city", "since", "member"],
}
Score = Callable[..., BatchResult]


def customers(rows: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.normal(10, 3, rows) for name in NAMES})
    frame.insert(0, "id", [f"c{row:06d}" for row in range(rows)])
    return frame


def shoppers(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [20 + row % 60 for row in range(rows)],
            "income": [None if row % 5 == 4 else 1.5 * row for row in range(rows)],
            "city": ["Bern" if row % 2 else "Oslo" for row in range(rows)],
            "since": pd.date_range("2026-01-01", periods=rows, freq="h"),
            "member": [row % 3 == 0 for row in range(rows)],
        }
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions of numbers (`fraud`), of a probability (`risk`), and of mixed columns (`shop`)."""
    path = tmp_path_factory.mktemp("batch") / "store"
    registry = holdfast.open(path, by="ana")
    frame = customers(2000)
    inputs = frame[list(NAMES)]
    right = (frame.age > 10).astype(int)
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression().fit(scaler.transform(inputs), right)
    registry.register("fraud", model, scaler, input_example=inputs.head(2), reference=inputs)
    registry.promote("fraud@1.0.0")
    share = {"type": "number", "minimum": 0, "maximum": 1}
    registry.register("risk", model, scaler, input_example=inputs.head(2), output_schema=share)
    several = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    registry.register("both", model, scaler, input_example=inputs.head(2), output_schema=several)
    array = inputs.to_numpy()
    plain = LinearRegression().fit(array, array[:, 0])
    matrix = {"type": "array", "items": {"type": "number"}, "shape": [None, 3]}
    registry.register("matrix", plain, input_schema=matrix)
    registry.register("bare", plain)
    registry.register("named", LinearRegression().fit(inputs, inputs.age))
    mixed = shoppers(400)
    chooser = make_column_transformer(
        ("passthrough", ["age", "member"]), (OneHotEncoder(), ["city"]), remainder="drop"
    )
    pipeline = make_pipeline(chooser, LinearRegression()).fit(mixed, mixed.age * 2.0)
    registry.register("shop", pipeline, input_schema=SHOP, output_schema={"type": "number"})
    return path


@pytest.fixture
def registry(store: Path) -> Registry:
    return holdfast.open(store, by="ana")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return open_log(tmp_path / "predictions")


@pytest.fixture
def score(registry: Registry, log: Log, tmp_path: Path) -> Score:
    """Score a file in the test's folder into `scores.parquet`, without a sandbox."""
    seconds = count()
    noon = datetime(2026, 3, 3, 12, tzinfo=UTC)
    mint = Mint("test", lambda: int(noon.timestamp() * 1000))

    def call(ref: str, source: str, **options: Any) -> BatchResult:
        request = BatchRequest(
            ref,
            source if "://" in source else str(tmp_path / source),
            str(tmp_path / "scores.parquet"),
            sandbox="off",
        )
        progress = options.pop("progress", None)
        if "output" in options:
            output = options["output"]
            options["output"] = output if "://" in output else str(tmp_path / output)
        return batch_run.score(
            registry,
            replace(request, **options),
            log,
            mint(),
            lambda: noon + timedelta(seconds=next(seconds)),
            progress,
        )

    return call


def written(folder: Path, name: str = "scores.parquet") -> dict[str, list[Any]]:
    """Return an output's columns."""
    table: pa.Table = parquet.read_table(folder / name)
    return dict(zip(table.column_names, (column.to_pylist() for column in table), strict=True))
