"""From a prediction back to rows and commit, and the model made again: `make demo-lineage`.

Real handwritten digits are recorded as data by name. Two versions are trained on them in a
repository; the second goes live by a canary in front of a real server. One of its predictions leads
back to its version, to the digest of the rows it was trained on, and to the commit. The version is
made once more, and is identical; then somebody touches the data. All of it stays in ./demo-lineage.
"""

import http.client
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
from pathlib import Path
from typing import Any, Self

import pandas as pd
from sklearn.datasets import load_digits

import holdfast

HERE = Path("demo-lineage")
WORK = HERE / "work"
NAME = "digits"
JOB = Path(__file__).with_name("digits_job.py")
PROGRAM = [str(Path(sys.executable).absolute().with_name("holdfast"))]
TOKEN = "hunter2"  # noqa: S105 - shows that it is not kept
CHANGED, MISSING = 1, 3
"""Exit statuses of `data verify` where a digest differs, and of `reproduce` where data is gone."""


def main() -> int:
    """Play the story; return 0 if each chapter ended as it should."""
    shutil.rmtree(HERE, ignore_errors=True)  # what the last run left
    WORK.mkdir(parents=True)
    store, log = (HERE / "store").absolute(), (HERE / "predictions").absolute()
    os.environ |= {"HOLDFAST_STORE": str(store), "HOLDFAST_LOG": str(log)}
    rows = written_rows()
    commit = committed()
    ended = [two_versions(), *came_from(live_by_a_canary(rows), commit), made_again(), touched()]
    print(f"\n{'All ended as it should' if all(ended) else 'This should have ended otherwise'}.")
    print(f"To look further, in {WORK}:\n")
    print(f"  export HOLDFAST_STORE={store}")
    print(f"  holdfast lineage {NAME}@production --plot lineage.svg")
    return 0 if all(ended) else 1


def two_versions() -> bool:
    """Record data by name, and train a version on each of two versions of it."""
    say("Data has a name and two digests: one of its bytes, one of its rows")
    holdfast_("data", "add", "rows", "../week1.csv", "--window", "2026-10-26/2026-11-02")
    holdfast_("data", "add", "held-back", "../held_back.csv", "--keep")

    say("A version records what it was trained on, by which commit, with which seed")
    trained("2026-11-02T02:00Z", "rows@v1")
    holdfast_("promote", f"{NAME}@staging", "--reason", "first release")
    holdfast_("data", "add", "rows", "../week2.csv", "--window", "2026-11-02/2026-11-09")
    holdfast_("data", "ls")
    return registry().resolve(f"{NAME}@production").version == "1.0.0"


def live_by_a_canary(rows: pd.DataFrame) -> str:
    """Train on the second week, let a canary decide, and return the id of one prediction."""
    say("The second week's version goes live by a canary")
    holdfast_("policy", "set", NAME, "--steps", "25,100", "--every", "1s", "--alpha", "0.1%")
    with Server(rows) as server:
        trained("2026-11-09T02:00Z", "rows@v2", "--then", "rollout")
        holdfast_("rollout", "status", NAME, "--watch")
        prediction = server.ask(0)
        print(f"\n  {server.count:,} requests were answered; the last one is {prediction}")
    return prediction


def came_from(prediction: str, commit: str) -> list[bool]:
    """Go back from a prediction to the rows and to the commit."""
    say("From the prediction back to its version, the rows and the commit")
    holdfast_("predictions", "show", prediction)
    holdfast_("lineage", f"{NAME}@production", "--log", os.environ["HOLDFAST_LOG"])
    lineage = registry().manifest(f"{NAME}@production").lineage
    used = lineage.used_data["rows"]

    say("And from the rows to every version that was trained on them")
    holdfast_("lineage", "--data", used.rows or "")
    users = registry().lineage.users_of_data(used.rows or "").versions
    stored = (path for path in (HERE / "store").rglob("*") if path.is_file())
    return [
        used.rows == registry().data.find("rows@v2").added.rows,
        lineage.git_commit == commit,
        [user.info.ref for user in users] == [f"{NAME}@1.1.0"],
        not any(TOKEN.encode() in path.read_bytes() for path in stored),
    ]


def made_again() -> bool:
    """Make the live version once more."""
    say("Made once more from its commit and its rows, it is identical")
    (WORK / "digits_job.py").write_text("raise SystemExit('other code lies here now')\n")
    answer = answered("reproduce", f"{NAME}@production", "--run")
    return answer.returncode == 0 and "verdict: identical" in answer.stdout


def touched() -> bool:
    """Touch the data, and see which digest tells of it."""
    say("Other bytes of the same rows are told from other rows")
    path = HERE / "week2.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    same = answered("data", "verify", "rows@v2")
    with path.open("a") as file:
        file.write(",".join(["0"] * 65) + "\r\n")
    verified = answered("data", "verify", "rows@v2")
    again = answered("reproduce", f"{NAME}@production", "--run")
    return (
        (same.returncode, verified.returncode, again.returncode) == (CHANGED, CHANGED, MISSING)
        and "rows: the same, in other bytes" in same.stdout
        and "rows: sha256:" in verified.stdout
    )


def written_rows() -> pd.DataFrame:
    """Write what came in, and rows that no training reads; return all others."""
    table = load_digits(as_frame=True)
    rows = table.data.rename(columns=lambda name: name.removeprefix("pixel_"))
    rows["label"] = table.target
    rows = rows.sample(frac=1, random_state=3).reset_index(drop=True)
    rows[rows.columns[:-1]] /= 16
    for name, part in (("held_back", rows[:500]), ("week1", rows[500:800]), ("week2", rows[500:])):
        part.to_csv(HERE / f"{name}.csv", index=False)
    return rows[500:]


def committed() -> str:
    """Commit the training in a repository whose remote has a token in its address."""
    shutil.copy(JOB, WORK)
    git("init", "-q")
    git("remote", "add", "origin", f"https://me:{TOKEN}@example.com/team/digits.git")
    git("add", "-A")
    git("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-qm", "Fit digits")
    return git("rev-parse", "HEAD")


def git(*words: str) -> str:
    """Run git in the repository."""
    command = [shutil.which("git") or "git", *words]
    done = subprocess.run(command, check=True, cwd=WORK, capture_output=True, text=True)
    return done.stdout.strip()


def trained(slot: str, rows: str, *words: str) -> None:
    """Train a version for a slot on data by name."""
    holdfast_("retrain", NAME, "--entry", "digits_job:train", "--slot", slot, "--seed", "7",
              "--data", f"rows={rows}", "--data", "evaluation=held-back@v1", *words)  # fmt: skip


def registry() -> holdfast.Registry:
    """Open the store."""
    return holdfast.open(HERE / "store", by="demo")


class Server:
    """`holdfast serve`, as a process of its own, and a caller that asks it all the time."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.count = 0
        self._records = rows.drop(columns="label").to_dict("records")
        self._over = threading.Event()
        self._caller = threading.Thread(target=self._call)

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        self._port = 20_000 + os.getpid() % 10_000  # below those that systems hand out
        command = [*PROGRAM, "serve", NAME, "--port", str(self._port)]
        with (HERE / "server.log").open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, cwd=HERE)
        for _ in range(2_400):  # two minutes, for a machine that is busy
            try:
                if self._requested("GET", "/ready", None)[0] == http.client.OK:
                    self._caller.start()
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the server is not ready; see {HERE / 'server.log'}")

    def __exit__(self, *_: object) -> None:
        """Stop asking, then stop it in order: the log is written then."""
        self._over.set()
        self._caller.join()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def ask(self, row: int) -> str:
        """Ask about one row; return the id of the prediction."""
        body = json.dumps({"instances": [self._records[row]]})
        _, answer = self._requested("POST", "/predict", body)
        self.count += 1
        return str(answer["prediction_id"])

    def _call(self) -> None:
        chance = random.Random(1)  # noqa: S311 - a made-up caller
        while not self._over.is_set():
            self.ask(chance.randrange(len(self._records)))

    def _requested(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        headers = {"content-type": "application/json", "x-customer": str(self.count)}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        return answer.status, json.loads(raw) if body else None


def answered(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in the repository, show it and what it says, and return both."""
    print(f"\n$ holdfast {shlex.join(words)}", flush=True)
    command = [*PROGRAM, *words]
    done = subprocess.run(command, check=False, cwd=WORK, capture_output=True, text=True)
    print(done.stdout + done.stderr, end="", flush=True)
    return done


def holdfast_(*words: str) -> None:
    """Run a command in the repository and show it; it must succeed."""
    print(f"\n$ holdfast {shlex.join(words)}", flush=True)
    subprocess.run([*PROGRAM, *words], check=True, cwd=WORK)


def say(what: str) -> None:
    """Begin a chapter."""
    print(f"\n── {what} {'─' * max(0, 96 - len(what))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
