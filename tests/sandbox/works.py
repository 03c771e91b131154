"""What children do in tests."""

import contextlib
import os
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from holdfast.sandbox import Trial, Trials


def unpickle(argument: dict[str, Any]) -> str:
    """Name the type of what a file holds."""
    return type(pickle.loads(Path(argument["path"]).read_bytes())).__name__


def scratch(_argument: dict[str, Any]) -> str:
    """Name the scratch folder."""
    return str(Path.cwd())


def wait_for(argument: dict[str, Any]) -> str:
    """Wait until a file is there."""
    while not os.path.exists(argument["path"]):
        os.sched_yield()
    return "it is there"


def die_once(argument: dict[str, Any]) -> None:
    """Die."""
    os.kill(os.getpid(), argument["signal"])


def open_all(argument: dict[str, Any]) -> None:
    """Read a file in every way that may run what it holds, and have it predict."""
    import joblib
    import numpy as np

    path = Path(argument["path"])
    ways: tuple[Callable[[], Any], ...] = (
        lambda: pickle.loads(path.read_bytes()),
        lambda: joblib.load(path),
        lambda: np.load(path, allow_pickle=True)["arr_0"],
    )
    for reader in ways:
        with contextlib.suppress(BaseException):
            reader().predict([[0.0, 1.0, 2.0]])


def ask(trials: Trials, answers: Connection) -> None:
    """Have something tried out by a process that another one began."""
    outcome = trials.run(Trial("tests.sandbox.works:scratch", {}, []))
    answers.send((outcome.problem, outcome.result))
