"""The command line starts at once: at most 4 times a bare Python."""

import sys
from pathlib import Path
from typing import Any

import pytest

import holdfast

ROUNDS = {"rounds": 15, "warmup_rounds": 2}
pytestmark = pytest.mark.benchmark(group="start")


def test_limit_python(benchmark: Any, process: Any) -> None:
    benchmark.pedantic(process(sys.executable, "-c", "pass"), **ROUNDS)


def test_holdfast_version(benchmark: Any, process: Any, program: str) -> None:
    benchmark.pedantic(process(program, "--version"), **ROUNDS)


def test_holdfast_status(benchmark: Any, process: Any, program: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    registry = holdfast.open(tmp_path / "store")
    registry.promote(registry.register("m", tmp_path / "m.json"))
    benchmark.pedantic(process(program, "status", "m", cwd=tmp_path), **ROUNDS)


def test_mlflow_version(benchmark: Any, process: Any) -> None:
    pytest.importorskip("mlflow")
    mlflow = str(Path(sys.executable).with_name("mlflow"))
    benchmark.pedantic(process(mlflow, "--version"), rounds=5, warmup_rounds=1)


def test_modelstore_help(benchmark: Any, process: Any) -> None:
    pytest.importorskip("modelstore")
    benchmark.pedantic(
        process(sys.executable, "-m", "modelstore", "--help"), rounds=5, warmup_rounds=1
    )
