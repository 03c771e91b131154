"""The programs of the page on batches, as they stand there: Dask, Ray Data and Spark themselves."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.batch.conftest import NAMES, customers
from tests.servers.amazon import KEY_ID, SECRET
from tests.servers.running import Endpoint

import holdfast
from holdfast.registry import Registry

pytestmark = pytest.mark.long

_TIME_LIMIT_S = 900
_PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "batch.md"
_ROWS = 2000
_REFUSED = 700
Engine = Callable[..., pd.DataFrame]

CLUSTER = """
from dask.distributed import Client, LocalCluster

cluster = LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
client = Client(cluster)
"""
RAY = """
import ray

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
"""


def program_of(word: str) -> str:
    """Return the page's program for an engine, after the one that makes its scorer."""
    text = _PAGE.read_text().partition("## Spark, Ray and Dask")[2]
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (scorer,) = (block for block in blocks if "Scorer(" in block)
    (own,) = (block for block in blocks if word in block)
    return f"{scorer}\n{own}"


@pytest.fixture(scope="module")
def store(moto: Endpoint) -> Iterator[Registry]:
    """The page's store in the page's bucket, found by the environment as the page has it."""
    environment = {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": moto.address,
        "PYSPARK_PYTHON": sys.executable,
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_AUTH_MODE": "disabled",  # the cluster is of this machine, for this test
        "RAY_USAGE_STATS_ENABLED": "0",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="models")
        registry = holdfast.open("s3://models/registry", by="ana")
        frame = customers(_ROWS)
        model = LogisticRegression().fit(frame[list(NAMES)], (frame.age > 10).astype(int))
        whole = {"type": "integer"}
        registry.register(
            "fraud", model, input_example=frame[list(NAMES)].head(2), output_schema=whole
        )
        registry.promote("fraud@1.0.0")
        yield registry


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Score 2,000 rows in six row groups, of which one is refused, in a process of its own."""
    frame = customers(_ROWS).rename(columns={"id": "customer"})
    frame.loc[_REFUSED, "age"] = None
    frame.to_parquet(tmp_path / "june.parquet", row_group_size=350)

    def run(program: str, before: str = "") -> pd.DataFrame:
        whole = textwrap.indent(f"{before}\n{program}", "    ")
        (tmp_path / "program.py").write_text(f'if __name__ == "__main__":\n{whole}')
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_S,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return pd.read_parquet(tmp_path / "scores")

    return run


def check(registry: Registry, scored: pd.DataFrame) -> None:
    """Hold what an engine gave, in whatever order, against the version itself."""
    frame = customers(_ROWS)
    right = registry.load("fraud@1.0.0").predict(frame[list(NAMES)])
    held = scored.set_index("customer").loc[frame.id]

    assert len(scored) == _ROWS
    assert held.error.iloc[_REFUSED] == "age is null"
    assert held.error.notna().sum() == 1
    kept = held.error.isna().to_numpy()
    assert held.prediction[kept].astype(int).tolist() == right[kept].astype(int).tolist()


@pytest.mark.parametrize("before", ["", CLUSTER], ids=["threads", "cluster"])
def test_dask(engine: Engine, store: Registry, before: str) -> None:
    pytest.importorskip("dask.dataframe", reason="dask[dataframe] is not installed")
    if before:
        pytest.importorskip("distributed", reason="dask[distributed] is not installed")

    check(store, engine(program_of("import dask"), before))


def test_ray(engine: Engine, store: Registry) -> None:
    pytest.importorskip("ray.data", reason="ray[data] is not installed")

    check(store, engine(program_of("import ray"), RAY))


@pytest.mark.parametrize("way", ["mapInArrow", "mapInPandas"])
def test_spark(engine: Engine, store: Registry, way: str) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")

    check(store, engine(program_of("import SparkSession").replace("mapInArrow", way)))
