"""What ordinary models and workers do goes on under restraint."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import holdfast
from holdfast.registry.trial_runs import try_load
from holdfast.sandbox import Nursery, chosen

RESTRAINT = chosen("auto")
pytestmark = pytest.mark.skipif(RESTRAINT is None, reason="this system restrains nothing")
CHANCE = np.random.default_rng(0)
ROWS = CHANCE.normal(size=(200, 4))
LABELS = (ROWS[:, 0] > 0).astype(int)


def _neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(3, algorithm="brute").fit(ROWS, LABELS)


def _means() -> Any:
    from sklearn.cluster import KMeans

    return KMeans(2, n_init=1, random_state=0).fit(ROWS)


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(8, n_jobs=2, random_state=0).fit(ROWS, LABELS)


def _xgboost() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=3, n_jobs=2).fit(ROWS, LABELS)


def _lightgbm() -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=3, n_jobs=2, verbose=-1).fit(ROWS, LABELS)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    assert RESTRAINT is not None
    with Nursery(RESTRAINT) as nursery:
        yield nursery


@pytest.mark.parametrize("make", [_neighbours, _means, _forest, _xgboost, _lightgbm])
def test_a_model_predicts_there_as_it_does_here(
    nursery: Nursery, tmp_path: Path, make: Callable[[], Any]
) -> None:
    model = make()
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.register("m", model)
    answer = try_load(registry, "m@1.0.0", nursery, ROWS[:5].tolist())

    assert answer["predictions"] == model.predict(ROWS[:5]).tolist()


def test_a_graph_predicts_there_as_it_does_here(nursery: Nursery, tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(ROWS, LABELS)
    graph = skl2onnx.to_onnx(model, ROWS[:1].astype(np.float32))
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    registry = holdfast.open(tmp_path / "store", by="ana")
    registry.register("m", tmp_path / "model.onnx")

    assert try_load(registry, "m@1.0.0", nursery)["parts"].keys() == {"model"}


WORKER = """
import contextlib, json, os, socket, sqlite3, sys, tempfile, threading
from pathlib import Path
import numpy as np
from holdfast.sandbox import chosen, on_worker

own, other = Path(sys.argv[1]), Path(sys.argv[2])
on_worker(chosen("auto"), [own, Path(tempfile.gettempdir()), Path("/dev/shm")])
found = {}

@contextlib.contextmanager
def feature(name):
    try:
        yield
        found[name] = "works"
    except ImportError:
        found[name] = "works"
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"

with feature("sockets"):
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: listener.accept()[0].sendall(b"taken"))
    thread.start()
    with socket.create_connection(listener.getsockname()) as connection:
        assert connection.recv(5) == b"taken"
    thread.join()
    listener.close()
with feature("a prediction log in SQLite"):
    with contextlib.closing(sqlite3.connect(own / "log.sqlite")) as log:
        log.execute("pragma journal_mode = wal")
        log.execute("create table rows (id)")
        log.commit()
with feature("temporary files"):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x").write_text("x")
with feature("linear algebra on several threads"):
    square = np.ones((600, 600))
    assert (square @ square)[0, 0] == 600
with feature("shared memory"):
    from multiprocessing import resource_tracker
    from multiprocessing.shared_memory import SharedMemory
    resource_tracker.register = resource_tracker.unregister = lambda *_: None  # a program
    memory = SharedMemory(create=True, size=4096)
    memory.close()
    memory.unlink()
with feature("processors of its own choice"):
    os.sched_setaffinity(0, os.sched_getaffinity(0))
with feature("an ONNX session with pinned threads"):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op_thread_affinities", "1")
    onnxruntime.InferenceSession(Path(sys.argv[3]).read_bytes(), options)
with feature("what it is denied: other places"):
    try:
        (other / "x").write_text("x")
    except PermissionError:
        pass
    else:
        raise LookupError("written")
with feature("what it is denied: programs"):
    try:
        os.posix_spawn("/bin/true", ["true"], {})
    except PermissionError:
        pass
    else:
        raise LookupError("started")
print(json.dumps(found))
"""


def test_what_a_worker_needs_works_under_its_restraint(tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    graph = skl2onnx.to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS[:1].astype(np.float32))
    own, model = tmp_path / "own", tmp_path / "model.onnx"
    own.mkdir()
    model.write_bytes(graph.SerializeToString())
    other = Path(__file__).parent  # not among temporary files, whose folder is its own
    if other.is_relative_to(tempfile.gettempdir()):
        other = Path("/var/tmp")
    command = [sys.executable, "-c", WORKER, str(own), str(other), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    outcomes = json.loads(done.stdout)

    assert len(outcomes) == 9
    assert [f"{name}: {what}" for name, what in outcomes.items() if what != "works"] == []


TORCH = """
import sys, tempfile
from pathlib import Path
import torch
from holdfast.sandbox import chosen, on_worker

on_worker(chosen("auto"), [Path(tempfile.gettempdir()), Path("/dev/shm")])
torch.set_num_threads(2)
found = torch.nn.Linear(300, 300)(torch.ones(64, 300)).sum().item()
assert found == found
shared = torch.ones(10).share_memory_()
assert shared.is_shared()
print("works")
"""


def test_torch_works_under_a_worker_s_restraint() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-c", TORCH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout == "works\n", done.stderr
