"""Retraining by slots, a gate that blocks, a canary, drift and its one answer: `make demo-retrain`.

Real handwritten digits come in week by week. The first week's model is live. A scheduled run makes
the next version; one on a week whose labels were entered wrongly is blocked, and a webhook is told;
one on the corrected week goes live by a canary in front of a real server. Then the days are played:
thirty of ordinary requests, and some on which hardly anything but zeros and ones is asked. The
store stays in ./demo-retrain.
"""

import contextlib
import functools
import http.client
import http.server
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
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import pandas as pd
from sklearn.datasets import load_digits

import holdfast
from holdfast.monitoring.drift_check import DriftLook, look
from holdfast.predictions import Log, Prediction, open_log
from holdfast.predictions.ids import Mint

HERE = Path("demo-retrain")
NAME = "digits"
JOB = Path(__file__).with_name("digits_job.py")
PROGRAM = [str(Path(sys.executable).absolute().with_name("holdfast"))]
SLOTS = ("2026-11-01T02:00Z", "2026-11-08T02:00Z", "2026-11-15T02:00Z")
QUIET_DAYS = 30
REQUESTS_A_DAY = 150
MOST_DAYS = 30
"""Within so many days the change has to be found."""
CALLERS = 4
BLOCKED = 4
"""Exit status of a run whose version the gate refuses."""


def main() -> int:
    """Play the story; return 0 if each chapter ended as it should."""
    shutil.rmtree(HERE, ignore_errors=True)  # what the last run left
    HERE.mkdir()
    shutil.copy(JOB, HERE)
    weeks = written_weeks()
    with Webhook() as webhook:
        (HERE / "notices.toml").write_text(
            f'outbox = "outbox"\n\n[[targets]]\nname = "on-call"\nurl = "{webhook.url}"\n'
        )
        os.environ |= {"HOLDFAST_STORE": "store", "HOLDFAST_LOG": "predictions"}
        ended = [
            scheduled(),
            blocked(webhook),
            rolled_out(weeks),
            answered_once(weeks, webhook),
        ]
    print(f"\n{'All ended as it should' if all(ended) else 'This should have ended otherwise'}.")
    print(f"To look further, in {HERE}:\n")
    print(f"  holdfast retrain history {NAME}\n  holdfast history {NAME}")
    return 0 if all(ended) else 1


def scheduled() -> bool:
    """Register the first model as people do, and let the schedule make the next."""
    say("The first week's model is live, and a policy says what trains the next ones")
    holdfast_("retrain", NAME, "--entry", "digits_job:train", "--slot", "2026-10-25T02:00Z",
              "--data", "rows=week0.csv", "--data", "evaluation=held_back.csv")  # fmt: skip
    holdfast_("promote", f"{NAME}@staging", "--reason", "first release")
    holdfast_("policy", "set", NAME, "--retrain-entry", "digits_job:train", "--retrain-every", "7d",
              "--retrain-cooldown", "0s", "--retrain-most-runs", "9",
              "--steps", "25,100", "--every", "1s", "--alpha", "0.1%")  # fmt: skip

    say("A week later the schedule's run scores its version beside the live one, and stages it")
    retrain(SLOTS[0], "week1.csv")
    holdfast_("promote", f"{NAME}@staging", "--reason", "more digits")
    return live() == "1.1.0"


def blocked(webhook: "Webhook") -> bool:
    """Train on wrong labels."""
    say("In the second week somebody entered wrong labels: the gate blocks what comes of them")
    status = retrain(SLOTS[1], "wrong.csv")
    print(f"  exit status {status}; the webhook was told: {', '.join(webhook.events())}")
    return status == BLOCKED and live() == "1.1.0" and "retrain.blocked" in webhook.events()


def rolled_out(weeks: pd.DataFrame) -> bool:
    """Train on the corrected week, and let a canary decide."""
    say("With corrected labels the next slot's version passes, and goes live by a canary")
    with Server() as server, Callers(server.port, weeks) as callers:
        retrain(SLOTS[2], "week2.csv", "--then", "rollout")
        holdfast_("rollout", "status", NAME, "--watch")
        print(f"  {callers.count:,} requests were answered")
    return live() == "1.3.0"


def answered_once(weeks: pd.DataFrame, webhook: "Webhook") -> bool:
    """Play the days that follow: ordinary ones, and then others."""
    today = datetime.now(UTC).date() + timedelta(days=1)
    registry = holdfast.open(HERE / "store", by="cron", clock=lambda: noon(today))
    pixels = weeks.drop(columns="label")
    simple = pixels[weeks["label"].isin((0, 1))]
    chance = random.Random(5)  # noqa: S311 - made-up callers
    with contextlib.closing(open_log(HERE / "predictions")) as log:
        say(f"{QUIET_DAYS} days of ordinary requests, looked at each morning")
        verdicts = []
        for _ in range(QUIET_DAYS):
            asked(log, today, pixels, chance)
            today += timedelta(days=1)
            verdicts.append(looked(registry, log, today))
        print(
            f"  {', '.join(f'{verdicts.count(word)} × {word}' for word in dict.fromkeys(verdicts))}"
        )

        say("From then on hardly anything but zeros and ones is asked")
        alarm = ""
        for number in range(1, MOST_DAYS + 1):
            asked(log, today, simple, chance)
            today += timedelta(days=1)
            alarm = looked(registry, log, today)
            print(f"  day {number}: {alarm}")
            if alarm == "alarm":
                break
    if alarm != "alarm" or "alarm" in verdicts:
        return False
    holdfast_("notify", "once")
    print(f"  the webhook was told: {', '.join(webhook.events())}")

    say("The finding asks for a retraining, once")
    before = len(registry.versions(NAME))
    for _ in range(2):
        holdfast_("retrain", NAME, "--if", "drift", "--data", "rows=all.csv",
                  "--data", "evaluation=held_back.csv", check=False)  # fmt: skip
    holdfast_("history", NAME, "--limit", "1")
    after = len(holdfast.open(HERE / "store").versions(NAME))
    return "drift.detected" in webhook.events() and after == before + 1


def written_weeks() -> pd.DataFrame:
    """Write what came in, week by week, and rows that no training ever reads; return all others."""
    table = load_digits(as_frame=True)
    rows = table.data.rename(columns=lambda name: name.removeprefix("pixel_"))
    rows["label"] = table.target
    rows = rows.sample(frac=1, random_state=3).reset_index(drop=True)
    rows[rows.columns[:-1]] /= 16
    held_back, rows = rows[:500], rows[500:]
    held_back.to_csv(HERE / "held_back.csv", index=False)
    for name, count in (("week0", 60), ("week1", 300), ("week2", 1200), ("all", 1297)):
        rows[:count].to_csv(HERE / f"{name}.csv", index=False)
    wrong = rows[:600].copy()
    wrong.loc[wrong.index[::2], "label"] = (wrong["label"][::2] + 1) % 10
    wrong.to_csv(HERE / "wrong.csv", index=False)
    return rows


def asked(log: Log, day: date, pixels: pd.DataFrame, chance: random.Random) -> None:
    """Write a day's requests into the log, as a server that answered them would have."""
    start_us = int(noon(day).timestamp()) * 1_000_000
    records = pixels.to_dict("records")
    made = []
    for number in range(REQUESTS_A_DAY):
        at_us = start_us + number * 1_000_000
        body = msgspec.json.encode({"instances": [chance.choice(records)]})
        made.append(
            Prediction(
                prediction_id=Mint("played", functools.partial(int, at_us // 1000))(),
                at_us=at_us,
                model=NAME,
                version="1.3.0",
                digest="0" * 64,
                role="active",
                status=200,
                latency_us=900,
                worker="played",
                input=msgspec.Raw(body),
            )
        )
    log.write(made)


def looked(registry: holdfast.Registry, log: Log, today: date) -> str:
    """Look for drift as `holdfast drift` does every morning; return its verdict."""
    return look(registry, log, HERE / "predictions", NAME, DriftLook(), noon(today)).verdict


def noon(day: date) -> datetime:
    """Return the middle of a day."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def live() -> str:
    """Return which version is live."""
    return holdfast.open(HERE / "store").resolve(f"{NAME}@production").version


def retrain(slot: str, rows: str, *words: str) -> int:
    """Run a slot of the schedule."""
    return holdfast_("retrain", NAME, "--slot", slot, "--data", f"rows={rows}",
                     "--data", "evaluation=held_back.csv", *words, check=False)  # fmt: skip


class Webhook:
    """Takes notices, as a pager would."""

    def __init__(self) -> None:
        self._events: list[str] = []
        events = self._events

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                notice = json.loads(self.rfile.read(int(self.headers["content-length"])))
                events.append(notice["type"].removeprefix("dev.holdfast."))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        """Begin."""
        os.environ["HOLDFAST_NOTIFY"] = "notices.toml"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()

    def events(self) -> list[str]:
        """Return what came so far."""
        return list(self._events)


class Server:
    """`holdfast serve`, as a process of its own."""

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        self.port = 20_000 + os.getpid() % 10_000  # below those that systems hand out
        command = [*PROGRAM, "serve", NAME, "--port", str(self.port)]
        with (HERE / "server.log").open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, cwd=HERE)
        for _ in range(2_400):  # two minutes, for a machine that is busy
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/ready")
                if connection.getresponse().status == http.client.OK:
                    return self
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        raise RuntimeError(f"the server is not ready; see {HERE / 'server.log'}")

    def __exit__(self, *_: object) -> None:
        """Stop it in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


class Callers:
    """Threads that ask for predictions, one after the other, until they are stopped."""

    def __init__(self, port: int, weeks: pd.DataFrame) -> None:
        self.count = 0
        self._port = port
        self._rows = weeks.drop(columns="label").to_dict("records")
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

    def _call(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - made-up callers
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for turn in itertools.count():
            if self._over.is_set():
                break
            body = json.dumps({"instances": [chance.choice(self._rows)]})
            headers = {"content-type": "application/json", "x-customer": f"{number}-{turn}"}
            connection.request("POST", "/predict", body, headers)
            connection.getresponse().read()
            self.count += 1
        connection.close()


def holdfast_(*words: str, check: bool = True) -> int:
    """Run a command in the demo's folder and show it; return its exit status."""
    print(f"\n$ holdfast {shlex.join(words)}", flush=True)
    return subprocess.run([*PROGRAM, *words], check=check, cwd=HERE).returncode


def say(what: str) -> None:
    """Begin a chapter."""
    print(f"\n── {what} {'─' * max(0, 96 - len(what))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
