"""Ten thousand versions are searched in a moment, by the journal alone or by their manifests."""

from typing import Any

import pytest

MODEL = "fraud"
CONDITION = 'roc_auc > 0.5 and (tag.team is null or tag.team = "risk") and number <= 100'
pytestmark = pytest.mark.benchmark(group="search versions by metric and tag")


def test_holdfast_running(benchmark: Any, registry: Any) -> None:
    def search() -> None:
        assert registry.search(CONDITION, model=MODEL, order_by="recall desc").total == 100

    benchmark.pedantic(search, rounds=9, warmup_rounds=1)


def test_holdfast_by_manifest(benchmark: Any, registry: Any) -> None:
    """Read the manifests of all of them, for a parameter that none has."""
    benchmark.pedantic(
        lambda: registry.search("parameter.depth > 3", model=MODEL), rounds=3, warmup_rounds=1
    )


def test_mlflow_running(benchmark: Any, mlflow_client: Any) -> None:
    """MLflow has no metrics of versions to ask for, nor `or`: its name and a tag."""

    def search() -> None:
        mlflow_client.search_model_versions(
            f"name='{MODEL}' and tags.team = 'risk'", max_results=100
        )

    benchmark.pedantic(search, rounds=7, warmup_rounds=1)
