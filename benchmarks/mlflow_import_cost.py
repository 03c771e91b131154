"""What an import of one MLflow model costs whose versions lead nowhere: time, processor, memory.

`python benchmarks/mlflow_import_cost.py [VERSIONS]` fills a database by MLflow's own store (the
first version) and copies of its rows, and runs `holdfast mlflow import` over it as people do: as a
process of its own, into a folder of this disk. Goals for 10,000: 60 s and 300 MB.
"""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST_S = 60
MOST_MB = 300


def filled(path: Path, versions: int) -> None:
    """Write a registry with one model."""
    from mlflow.entities.model_registry import ModelVersionTag
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{path}")
    store.create_registered_model("fraud")
    store.create_model_version("fraud", "s1", "r1", [ModelVersionTag("env", "prod")])
    store._dispose_engine()
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        for table, own in (("model_versions", ("source", "run_id")), ("model_version_tags", ())):
            [first] = map(dict, database.execute(f"SELECT * FROM {table}"))
            words = f"INSERT INTO {table} ({','.join(first)}) VALUES ({','.join('?' * len(first))})"
            rows = (_numbered(first, own, number) for number in range(2, versions + 1))
            database.executemany(words, rows)
    database.close()


def _numbered(first: dict[str, Any], own: tuple[str, ...], number: int) -> list[Any]:
    changed = {name: f"{first[name][0]}{number}" for name in own}
    if "storage_location" in first:
        changed["storage_location"] = changed["source"]
    return [*(first | changed | {"version": number}).values()]


def main() -> None:
    """Import once and print what it took."""
    versions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        filled(Path(name) / "mlflow.db", versions)
        command = [sys.executable, "-m", "holdfast", "mlflow", "import"]
        command += [f"sqlite:///{name}/mlflow.db", "--store", f"{name}/store"]
        began = time.perf_counter()
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"HOME": name}
        )
        wall_s = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    megabytes = used.ru_maxrss >> 10
    verdict = "met" if wall_s <= MOST_S and megabytes <= MOST_MB else "missed"
    print(
        f"{versions:,} versions: {wall_s:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processor"
        f" time, {megabytes} MB; goal {MOST_S} s and {MOST_MB} MB: {verdict}"
    )


if __name__ == "__main__":
    main()
