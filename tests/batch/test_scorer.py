"""`Scorer`: texts alone are sent, and each process loads once."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from tests.batch.conftest import NAMES, customers

from holdfast.batch import Scorer, version_loading
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.registry import Registry


@pytest.fixture
def scorer(store: Path, registry: Registry) -> Scorer:
    info = registry.resolve("fraud@1.0.0")
    return Scorer(str(store), info.ref, info.digest, keep=("id",))


def right(registry: Registry, frame: pd.DataFrame) -> list[Any]:
    return list(registry.load("fraud@1.0.0").predict(frame[list(NAMES)]))


def test_tables_batches_and_frames_come_back_as_they_went(
    scorer: Scorer, registry: Registry
) -> None:
    frame = customers(40).set_index(pd.Index(range(100, 140), name="at"))
    frame.loc[103, "age"] = None
    table = pa.Table.from_pandas(frame.reset_index(drop=True))
    scored = scorer(table)
    batch = scorer(table.to_batches()[0])
    held = scorer(frame)

    assert scored.column_names == ["id", "prediction", "error"]
    assert scored.column("error").to_pylist()[3] == "age is null"
    good = frame.drop(103)
    assert [value for value in scored.column("prediction").to_pylist() if value is not None] == (
        right(registry, good)
    )
    assert pa.Table.from_batches([batch]) == scored
    assert list(held.index) == list(frame.index)
    assert list(held.id) == list(frame.id)


def test_a_frame_keeps_its_types_and_whole_numbers_stay_whole(
    scorer: Scorer, registry: Registry
) -> None:
    frame = customers(6)
    frame["account"] = pd.array([2**60 + 1, None, 3, 4, 5, 6], dtype="Int64")
    frame["city"] = pd.Categorical(["Bern", "Oslo"] * 3)
    frame.loc[2, "age"] = None
    held = Scorer(scorer.store, scorer.ref, scorer.digest, ("account", "city"))(frame)

    assert held.dtypes.astype(str).to_dict() | {"error": ""} == {
        "account": "Int64", "city": "category", "prediction": "Int64", "error": "",
    }  # fmt: skip
    assert held.account[0] == 2**60 + 1
    assert held.prediction.dropna().tolist() == right(registry, frame.drop(2))
    assert str(scorer(customers(3)).prediction.dtype) == "int64"


def test_no_rows_have_the_same_columns(scorer: Scorer) -> None:
    frame = customers(2)
    for empty in (pa.Table.from_pandas(frame).slice(0, 0), pa.Table.from_pandas(frame[:0])):
        assert scorer(empty).column_names == ["id", "prediction", "error"]
    assert list(scorer(frame[:0]).columns) == ["id", "prediction", "error"]


def test_streams_are_scored_batch_by_batch(scorer: Scorer) -> None:
    table = pa.Table.from_pandas(customers(25))
    scored = list(scorer.arrow(table.to_batches(max_chunksize=10)))

    assert [batch.num_rows for batch in scored] == [10, 10, 5]


def test_it_is_small_and_holds_no_model(scorer: Scorer) -> None:
    scorer(customers(3))
    sent = pickle.dumps(scorer)

    assert len(sent) < 500
    assert pickle.loads(sent) == scorer


def _score(scorer: Scorer) -> int:
    return len(scorer(customers(5)))


def test_another_process_loads_it_by_itself(scorer: Scorer) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_score, scorer).result() == 5


def test_threads_load_it_once(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    ready = version_loading.ready

    def counting(registry: Registry, ref: str, sandbox: Any) -> Any:
        loads.append(threading.current_thread().name)
        return ready(registry, ref, sandbox)

    monkeypatch.setattr("holdfast.batch.scorer._CACHE.versions", {})
    monkeypatch.setattr(version_loading, "ready", counting)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(_score, [scorer] * 8)) == [5] * 8
    assert len(loads) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_while_a_thread_loads_does_not_wait_for_it() -> None:
    script = (
        "import os, sys; from holdfast.batch import scorer\n"
        "scorer._CACHE.lock.acquire()\n"
        "if not (child := os.fork()): os._exit(not scorer._CACHE.lock.acquire(timeout=60))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_another_version_under_its_name_is_refused(scorer: Scorer) -> None:
    other = Scorer(scorer.store, scorer.ref, "sha256:" + "ab" * 32)

    with pytest.raises(ConflictError, match=r"fraud@1\.0\.0 is sha256:"):
        other(customers(3))


def test_what_is_not_a_table_is_refused(scorer: Scorer) -> None:
    with pytest.raises(InvalidInputError, match="not dict"):
        scorer({"age": [1]})
    with pytest.raises(InvalidInputError, match="'key' to keep is 0 times"):
        Scorer(scorer.store, scorer.ref, scorer.digest, ("key",))(customers(3))
    with pytest.raises(InvalidInputError, match="has no column 'age'"):
        scorer(customers(3).drop(columns="age"))
