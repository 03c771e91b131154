"""`holdfast serve` as a process of its own, models whose parts tell which version they are of, and
callers who hold each answer against that."""

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.servers.running import free_port
from tests.serving.facing import until
from tests.serving.plain import Centred, Raised

import holdfast

MODEL = "sums"
ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 300
"""How long anything may take: a busy machine is no failure."""
_ON_ONE_CONNECTION = 20
_LIMITED = """
import os, resource, sys
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.execv(sys.argv[2], sys.argv[2:])
"""
BODY = json.dumps({"instances": [[0.0]]})


def telling(registry: holdfast.Registry, number: int, **facts: Any) -> str:
    """Register version 1.NUMBER.0, which answers 0 by 999 NUMBER if no other's part is in it.

    Its parts are plain Python: a server that loads scikit-learn takes several times as long to
    begin.
    """
    model = Raised(facts.pop("intercept", 1000.0 * number))
    ref = _registered(
        registry, number, model, Centred(number), trust="these tests wrote it", **facts
    )
    holdfast.open(registry.location, by="ben").approve(ref)
    return ref


def estimating(registry: holdfast.Registry, number: int, **facts: Any) -> str:
    """Register what `telling` does, as estimators of scikit-learn."""
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    preprocessor = StandardScaler(with_std=False).fit(np.array([[float(number)]]))
    model = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 1.0]))
    model.intercept_ = facts.pop("intercept", 1000.0 * number)
    return _registered(registry, number, model, preprocessor, **facts)


def _registered(
    registry: holdfast.Registry, number: int, model: object, preprocessor: object, **facts: Any
) -> str:
    registered = registry.register(
        MODEL,
        model,
        preprocessor,
        version=f"1.{number}.0",
        input_example=[[0.0], [2.0]],
        description=f"number {number}",
        **facts,
    )
    return registered.ref


def due(version: str) -> float:
    """Return what a version answers."""
    return 999.0 * int(version.split(".")[1])


class Serving:
    """A server.

    Attributes:
        port: Where it listens.
        process: It, or the supervisor of its workers.
        log: What it wrote to its standard error.
    """

    def __init__(
        self,
        store: Path | str,
        folder: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
        before: Sequence[str] = (),
    ) -> None:
        """Begin it, by a program *before* it that then runs Python with what follows.

        Nothing is restrained unless an option or the environment says so: a process for trials is
        one more to begin.
        """
        self.port = free_port()
        self.predictions = folder / "predictions"
        self._workers: set[int] = set()
        self._log = folder / f"server-{self.port}.log"
        command = [sys.executable, "-m", "holdfast", "serve", MODEL, "--store", str(store)]
        if descriptors is not None:
            command = [sys.executable, "-c", _LIMITED, str(descriptors), *command]
        if before:
            command = [*before, *command[1:]]
        if "--sandbox" not in options:
            options = ("--sandbox", os.environ.get("HOLDFAST_TESTS_SANDBOX", "off"), *options)
        command += ["--port", str(self.port), "--log", str(self.predictions), *options]
        names = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=names)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> Self:
        try:
            self.wait_for(200)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)

    def get(self, path: str) -> tuple[int, Any]:
        """Ask once, by a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.status, json.loads(raw) if is_json else raw.decode()

    def wait_for(self, status: int, path: str = "/ready") -> None:
        """Wait until a path is answered so."""

        def answered() -> bool:
            assert self.process.poll() is None, self.log
            try:
                return self.get(path)[0] == status
            except OSError:
                return False

        until(answered, 180)  # two processes begin, one after the other, on a busy machine

    def workers(self) -> list[int]:
        """Return the processes that its supervisor has begun and not yet seen end.

        A process that is dying has lost its command line and still has its sockets.
        """
        below = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(pid) for pid in below.read_text().split()]
        self._workers |= {pid for pid in children if _is_worker(pid)}
        return [pid for pid in children if pid in self._workers]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop its workers, as a busy machine may, and let them go on at the end."""
        workers = self.workers()
        assert workers
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)

    def kill_worker(self) -> None:
        """Kill the first worker, and wait until another one has taken its place."""
        before = self.workers()
        os.kill(before[0], signal.SIGKILL)

        def is_replaced() -> bool:
            after = self.workers()
            return len(after) == len(before) and before[0] not in after

        until(is_replaced)


def _is_worker(process: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:  # it has just ended
        return False


class Callers:
    """Threads that ask without a pause, and hold each answer against the version it names.

    Attributes:
        answered: By version and status.
        wrong: Answers that no one version gives, and requests that failed.
    """

    def __init__(self, port: int, count: int = 4) -> None:
        self._port = port
        self.answered: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def more(self, count: int) -> None:
        """Wait until so many more were answered."""
        enough = self.answered.total() + count
        until(lambda: self.answered.total() >= enough)

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        headers = {"content-type": "application/json"}
        for turn in itertools.count():
            if self._over.is_set():
                break
            if turn % _ON_ONE_CONNECTION == 0:
                connection.close()
            try:
                connection.request("POST", "/predict", BODY, headers)
                answer = connection.getresponse()
                document = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.wrong.append(repr(error))
                connection.close()
                continue
            version = answer.headers.get("x-model-version", "")
            self.answered[version, answer.status] += 1
            if answer.status != 200 or document["model_version"] != version:
                self.wrong.append(f"{answer.status}: {document}")
            elif document["predictions"] != [due(version)]:
                self.wrong.append(f"{version} gave {document['predictions']}")
        connection.close()


@contextmanager
def serving(store: Path | str, folder: Path, *options: str, **more: Any) -> Iterator[Serving]:
    """Serve until the end of the block."""
    with Serving(store, folder, *options, **more) as server:
        yield server
