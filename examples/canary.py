"""A canary that goes well, one that halts by itself, and an audit. Run it with `make demo-canary`.

Three versions of one model: the first is live, the second is as good, and in the third somebody
left the imputer out of the preprocessor, so that it fails on every row with a missing value, which
the example it was registered with has not. A server answers a steady stream of requests while
both newcomers are rolled out beside the live version. The store stays in ./demo-canary.
"""

import http.client
import itertools
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import holdfast

HERE = Path("demo-canary")
STORE, LOG = HERE / "store", HERE / "predictions"
NAME = "tumours"
PROGRAM = [str(Path(sys.executable).with_name("holdfast"))]
CALLERS = 6
MISSING = 0.04
"""Share of the rows that have a missing value."""

STEPS = ["--steps", "5,25,50,100", "--every", "2s", "--sticky", "header:X-Patient"]
STEPS += ["--alpha", "0.1%"]  # one healthy version in a thousand is halted, not one in twenty


def main() -> int:
    """Roll a good version out, then a broken one; return 0 if both ended as they should."""
    shutil.rmtree(HERE, ignore_errors=True)  # what the last run left
    os.environ["HOLDFAST_STORE"], os.environ["HOLDFAST_LOG"] = str(STORE), str(LOG)
    registry = holdfast.open(STORE)

    say("Register three versions, and promote the first")
    for version, note in register(registry):
        print(f"  {version}  {note}")
    registry.promote(f"{NAME}@1.0.0", reason="first release")

    with Server() as server, Callers(server.port) as callers:
        say("Serve, and let callers in: 2,000 requests show how fast the live version is")
        callers.wait(2_500)
        print(f"  {callers.told()}")

        say("Roll 1.1.0 out, step by step, until it is live")
        holdfast_("rollout", "start", f"{NAME}@1.1.0", *STEPS, "--reason", "retrained")
        holdfast_("rollout", "status", NAME, "--watch")

        say("Roll 1.2.0 out: it has not the imputer any more")
        holdfast_("rollout", "start", f"{NAME}@1.2.0", *STEPS, "--reason", "simpler pipeline")
        holdfast_("rollout", "status", NAME, "--watch")
        failure = callers.failed()
        print(f"  {callers.told()}")

        say("What is live now, and why: the screen for whoever is on call")
        holdfast_("status", NAME)

        say("Which version failed this request, what was it then, and who had let it in?")
        holdfast_("predictions", "show", failure)

    live = registry.resolve(f"{NAME}@production").version
    last = registry.rollout(NAME)
    went_well = live == "1.1.0" and last is not None and last.outcome == "halted"
    print(f"\n{'Both ended as they should' if went_well else 'This should have ended otherwise'}.")
    print("To look further:\n")
    for words in (["rollout", "status", NAME], ["history", NAME], ["predictions", "stats"]):
        print(f"  HOLDFAST_STORE={STORE} HOLDFAST_LOG={LOG} holdfast {shlex.join(words)}")
    return 0 if went_well else 1


def register(registry: holdfast.Registry) -> list[tuple[str, str]]:
    """Fit and register the versions; return each with what it is."""
    data = load_breast_cancer()
    imputed = make_pipeline(SimpleImputer(), StandardScaler()).fit(data.data)
    scaled = StandardScaler().fit(data.data)
    rows = {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}}
    made = []
    for version, preprocessor, regularisation, note in (
        ("1.0.0", imputed, 1.0, "imputer, scaler, logistic regression"),
        ("1.1.0", imputed, 0.5, "the same, regularised more"),
        ("1.2.0", scaled, 0.5, "the imputer was left out"),
    ):
        model = LogisticRegression(C=regularisation, random_state=42)
        model.fit(preprocessor.transform(data.data), data.target)
        registry.register(
            NAME,
            model,
            preprocessor,
            version=version,
            description=note,
            input_schema=rows,
            input_example=data.data[:2].tolist(),
        )
        made.append((version, note))
    return made


class Server:
    """`holdfast serve`, as a process of its own."""

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        self.port = 20_000 + os.getpid() % 10_000  # below those that systems hand out
        command = [*PROGRAM, "serve", NAME, "--port", str(self.port)]
        with (HERE / "server.log").open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log)
        for _ in range(2_400):  # two minutes, for a machine that is busy
            try:
                if ask(self.port, "GET", "/ready")[0] == http.client.OK:
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the server is not ready; see {HERE / 'server.log'}")

    def __exit__(self, *_: object) -> None:
        """Stop it in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


class Callers:
    """Threads that ask for predictions, one after the other, until they are stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._rows = load_breast_cancer().data.round(3).tolist()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._failures: dict[str, str] = {}
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)
        ]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, once each has its last answer."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait(self, count: int) -> None:
        """Wait until so many were answered."""
        while self._answers.total() < count and not self._over.wait(0.05):
            pass

    def failed(self) -> str:
        """Return the id of a request that the last version failed."""
        return self._failures["1.2.0"]

    def told(self) -> str:
        """Say who answered how many."""
        answered, failed = Counter[str](), Counter[str]()
        for (version, status), count in self._answers.items():
            answered[version] += count
            failed[version] += count if status != http.client.OK else 0
        parts = [
            f"{version} answered {answered[version]:,}, {failed[version]:,} failed"
            for version in sorted(answered)
        ]
        return "; ".join(parts)

    def _call(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - made-up callers
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for turn in itertools.count():
            if self._over.is_set():
                break
            row = list(chance.choice(self._rows))
            if chance.random() < MISSING:
                row[chance.randrange(len(row))] = None
            headers = {"content-type": "application/json", "x-patient": f"{number}-{turn}"}
            connection.request("POST", "/predict", json.dumps({"instances": [row]}), headers)
            answer = connection.getresponse()
            answer.read()
            version = answer.headers["x-model-version"]
            self._answers[version, answer.status] += 1
            if answer.status != http.client.OK:
                self._failures[version] = answer.headers["x-prediction-id"]
        connection.close()


def ask(port: int, method: str, path: str) -> tuple[int, Any]:
    """Ask the server once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def holdfast_(*words: str) -> None:
    """Run a command and show it."""
    print(f"\n$ holdfast {shlex.join(words)}", flush=True)
    subprocess.run([*PROGRAM, *words], check=True)


def say(what: str) -> None:
    """Begin a chapter."""
    print(f"\n── {what} {'─' * max(0, 96 - len(what))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
