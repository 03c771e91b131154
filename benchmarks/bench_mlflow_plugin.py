"""MLflow's client asks Holdfast's plugin as fast as its own database, however many versions.

All contenders are asked in turn, call by call, so that what else the machine does meets them alike.
A model of 100 versions is what MLflow calls empty: one that was filled a moment ago.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from benchmarks.mlflow_import_cost import filled

import holdfast

ROUNDS = 60
MODEL = "fraud"
SIZES = (100, 10_000)
pytestmark = [
    pytest.mark.benchmark(group="MLflow's calls"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="session")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """MLflow's own stores on SQLite, and Holdfast's with the same, brought over from them."""
    pytest.importorskip("mlflow", reason="the peers are not installed: make bench")
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    from holdfast.gateways.mlflow.migration import Migration
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    stores: dict[str, Any] = {}
    for count in SIZES:
        folder = tmp_path_factory.mktemp(f"mlflow-{count}")
        uri = f"sqlite:///{folder}/mlflow.db"
        filled(folder / "mlflow.db", count)
        Migration(holdfast.open(folder / "store"), uri).run()
        stores[f"holdfast_plugin[{count}"] = HoldfastStore(f"holdfast://{folder}/store")
        stores[f"mlflow_database[{count}"] = SqlAlchemyStore(uri)
    for store in stores.values():
        store.set_registered_model_alias(MODEL, "champion", 1)
    yield stores
    for count in SIZES:
        stores[f"mlflow_database[{count}"]._dispose_engine()


def create(store: Any, _turn: int) -> None:
    store.create_model_version(MODEL, "s3://bucket/x")


def set_alias(store: Any, turn: int) -> None:
    """What the client's call asks: whether it is a prompt, and then to move the alias."""
    store.get_registered_model(MODEL)
    store.set_registered_model_alias(MODEL, "champion", 1 + turn % 2)


def resolve(store: Any, _turn: int) -> None:
    """What `load_model("models:/fraud@champion")` asks."""
    version = store.get_model_version_by_alias(MODEL, "champion")
    store.get_registered_model(MODEL)
    store.get_model_version_download_uri(MODEL, version.version)


def search_page(store: Any, _turn: int) -> None:
    store.search_model_versions(f"name = '{MODEL}'", 100)


def tag(store: Any, turn: int) -> None:
    from mlflow.entities.model_registry import ModelVersionTag

    store.set_model_version_tag(MODEL, 1, ModelVersionTag("n", str(turn)))


@pytest.mark.parametrize(
    "call", [create, set_alias, resolve, search_page, tag], ids=lambda call: call.__name__
)
def test_in_turn(
    call: Callable[[Any, int], None], benchmark: Any, contenders: dict[str, Any]
) -> None:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    turns = itertools.count()

    def ask_all() -> None:
        turn = next(turns)
        for name, store in contenders.items():
            began = time.perf_counter()
            call(store, turn)
            times[name].append(time.perf_counter() - began)

    benchmark.pedantic(ask_all, rounds=ROUNDS, warmup_rounds=3)
    benchmark.extra_info["medians"] = {
        f"{name}-{call.__name__}]": statistics.median(taken[3:]) for name, taken in times.items()
    }
