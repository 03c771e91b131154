"""MLflow's client asks Holdfast's plugin as fast as its own database, however many versions."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

ROUNDS = 30
MODEL = "fraud"
pytestmark = [
    pytest.mark.benchmark(group="MLflow's calls"),
    pytest.mark.filterwarnings("ignore"),
]


def filled(store: Any, count: int) -> Any:
    from mlflow.entities.model_registry import ModelVersionTag

    store.create_registered_model(MODEL)
    for number in range(1, 1 + count):
        tags = [ModelVersionTag("env", "prod" if number % 2 else "dev")]
        store.create_model_version(MODEL, f"s{number}", f"r{number}", tags)
    store.set_registered_model_alias(MODEL, "champion", 1)
    return store


@pytest.fixture(scope="session", params=[100, 10_000], ids=["100", "10000"])
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of Holdfast's behind MLflow's calls."""
    pytest.importorskip("mlflow", reason="the peers are not installed: make bench")
    from holdfast.gateways.mlflow.registry_store import HoldfastStore

    folder = tmp_path_factory.mktemp("plugin")
    return filled(HoldfastStore(f"holdfast://{folder}/store"), request.param)


@pytest.fixture(scope="session", params=[100, 10_000], ids=["100", "10000"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """MLflow's own store, on SQLite."""
    pytest.importorskip("mlflow", reason="the peers are not installed: make bench")
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{tmp_path_factory.mktemp('database')}/mlflow.db")
    yield filled(store, request.param)
    store._dispose_engine()


def create(store: Any, benchmark: Any) -> None:
    benchmark.pedantic(
        lambda: store.create_model_version(MODEL, "s3://bucket/x"), rounds=ROUNDS, warmup_rounds=3
    )


def set_alias(store: Any, benchmark: Any) -> None:
    """What the client's call asks: whether it is a prompt, and then to move the alias."""
    turns = itertools.cycle((1, 2))

    def move() -> None:
        store.get_registered_model(MODEL)
        store.set_registered_model_alias(MODEL, "champion", next(turns))

    benchmark.pedantic(move, rounds=ROUNDS, warmup_rounds=3)


def resolve(store: Any, benchmark: Any) -> None:
    """What `load_model("models:/fraud@champion")` asks."""

    def ask() -> None:
        version = store.get_model_version_by_alias(MODEL, "champion")
        store.get_registered_model(MODEL)
        store.get_model_version_download_uri(MODEL, version.version)

    benchmark.pedantic(ask, rounds=ROUNDS, warmup_rounds=3)


def search_page(store: Any, benchmark: Any) -> None:
    benchmark.pedantic(
        lambda: store.search_model_versions(f"name = '{MODEL}'", 100),
        rounds=ROUNDS,
        warmup_rounds=3,
    )


def tag(store: Any, benchmark: Any) -> None:
    from mlflow.entities.model_registry import ModelVersionTag

    turns = itertools.count()
    benchmark.pedantic(
        lambda: store.set_model_version_tag(MODEL, 1, ModelVersionTag("n", str(next(turns)))),
        rounds=ROUNDS,
        warmup_rounds=3,
    )


CALLS = pytest.mark.parametrize(
    "call", [create, set_alias, resolve, search_page, tag], ids=lambda call: call.__name__
)


@CALLS
def test_holdfast_plugin(call: Any, benchmark: Any, plugin: Any) -> None:
    call(plugin, benchmark)


@CALLS
def test_mlflow_database(call: Any, benchmark: Any, database: Any) -> None:
    call(database, benchmark)
