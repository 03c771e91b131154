"""`Scorer` in the engines themselves: Dask, Ray Data and Spark, in processes of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.batch.conftest import NAMES, customers

from holdfast.batch import Scorer
from holdfast.registry import Registry

pytestmark = pytest.mark.long

_TIME_LIMIT_S = 900
Engine = Callable[[str], pd.DataFrame]

DASK = """
import dask.dataframe
from dask.distributed import Client, LocalCluster

def score(scorer, source):
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster:
        with Client(cluster):
            rows = dask.dataframe.read_parquet(source, split_row_groups=True)
            meta = {"id": "object", "prediction": "int64", "error": "object"}
            return rows.map_partitions(scorer, meta=meta).compute()
"""
THREADS = """
import dask, dask.dataframe

def score(scorer, source):
    rows = dask.dataframe.read_parquet(source, split_row_groups=True)
    meta = {"id": "object", "prediction": "int64", "error": "object"}
    with dask.config.set(scheduler="threads"):
        return rows.map_partitions(scorer, meta=meta).compute()
"""
RAY = """
import ray

def score(scorer, source):
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        rows = ray.data.read_parquet(source)
        return rows.map_batches(scorer, batch_format="pyarrow", batch_size=300).to_pandas()
    finally:
        ray.shutdown()
"""
SPARK = """
from pyspark.sql import SparkSession

def score(scorer, source):
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        rows = spark.read.parquet(source).repartition(3)
        schema = "id string, prediction bigint, error string"
        return rows.mapIn(SPARK_WAY)(scorer.arrow, schema).toPandas()
    finally:
        spark.stop()
"""
_RUN = """
import pickle, sys

if __name__ == "__main__":
    with open("scorer.pickle", "rb") as file:
        scorer = pickle.load(file)
    score(scorer, sys.argv[1]).to_parquet("scored.parquet")
"""


@pytest.fixture
def engine(store: Path, registry: Registry, tmp_path: Path) -> Engine:
    """Run a program that scores 2,000 rows in six row groups, of which one is refused."""
    import pickle

    info = registry.resolve("fraud@1.0.0")
    scorer = Scorer(str(store), info.ref, info.digest, keep=("id",))
    (tmp_path / "scorer.pickle").write_bytes(pickle.dumps(scorer))
    frame = customers(2000)
    frame.loc[700, "age"] = None
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=350)

    def run(program: str) -> pd.DataFrame:
        (tmp_path / "program.py").write_text(program + _RUN)
        environment = os.environ | {
            "PYSPARK_PYTHON": sys.executable,
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_AUTH_MODE": "disabled",  # the cluster is of this machine, for this test
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        done = subprocess.run(
            [sys.executable, "program.py", "rows.parquet"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_S,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return pd.read_parquet(tmp_path / "scored.parquet")

    return run


def check(registry: Registry, scored: Any) -> None:
    """Hold what an engine gave, in whatever order, against the version itself."""
    frame = customers(2000)
    right = registry.load("fraud@1.0.0").predict(frame[list(NAMES)])
    held = scored.set_index("id").loc[frame.id]

    assert len(scored) == 2000
    assert held.error.iloc[700] == "age is null"
    assert held.error.notna().sum() == 1
    kept = held.error.isna().to_numpy()
    assert held.prediction[kept].astype(int).tolist() == right[kept].tolist()


@pytest.mark.parametrize("program", [DASK, THREADS], ids=["distributed", "threads"])
def test_dask(engine: Engine, registry: Registry, program: str) -> None:
    pytest.importorskip("dask.dataframe", reason="dask[dataframe] is not installed")
    if program == DASK:
        pytest.importorskip("distributed", reason="dask[distributed] is not installed")

    check(registry, engine(program))


def test_ray(engine: Engine, registry: Registry) -> None:
    pytest.importorskip("ray.data", reason="ray[data] is not installed")

    check(registry, engine(RAY))


@pytest.mark.parametrize("way", ["mapInArrow", "mapInPandas"])
def test_spark(engine: Engine, registry: Registry, way: str) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")

    check(registry, engine(SPARK.replace("rows.mapIn(SPARK_WAY)", f"rows.{way}")))
