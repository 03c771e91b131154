"""What a promotion or a rollback does to those who are being answered; adds to the serving page.

Callers in a process of their own ask without a pause, first while nothing moves, then while
versions are promoted and rolled back twice a second; every answer is noted with its time.
"""

import argparse
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
from benchmarks.serving.contenders import MODEL, holdfast, trained
from benchmarks.serving.load import running
from benchmarks.serving.run import PAGE, met

import holdfast as product

CALLERS = 4
MOST_LATE_S, MOST_TIMES = 0.1, 2.0
_BEGIN, _END = "\n## While versions are swapped\n", "\n## Goals"


class Answer(msgspec.Struct, array_like=True):
    """One answer: when it was there, by the monotonic clock, how long it took, and from whom."""

    at_s: float
    took_s: float
    version: str
    status: int


def main() -> int:
    """Measure, and write the section into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--call", nargs=2, metavar=("PORT", "FILE"), help="Be the callers.")
    given = parser.parse_args()
    if given.call:
        called(int(given.call[0]), Path(given.call[1]))
        return 0
    with tempfile.TemporaryDirectory() as name:
        text = section(*measured(Path(name), given.moves))
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2] if rest else ""
    head, _, goals = before.partition(_END)
    PAGE.write_text(head + _BEGIN + text + _END + (after or goals), encoding="utf-8")
    sys.stdout.write(text)
    return 0


def measured(folder: Path, moves: int) -> tuple[list[Answer], list[Answer], list[float]]:
    """Return the answers of the quiet and of the moving half, and the moments of each way back."""
    preprocessor, model, row = trained(folder)
    body = json.dumps({"instances": [row]}).encode()
    contender = replace(holdfast(folder, preprocessor, model, body), after=None)
    registry = product.open(folder / "store", by="bench")
    (folder / "body").write_bytes(body)
    with running(contender, folder / "server.log") as server:
        command = [sys.executable, "-m", "benchmarks.serving.swap"]
        command += ["--call", str(server.port), str(folder / "answers")]
        callers = subprocess.Popen(command)
        time.sleep(moves / 2 + 1)
        moving_from = time.monotonic()
        returned = []
        for _ in range(moves // 2):
            registry.promote(f"{MODEL}@1.1.0")
            time.sleep(0.5)
            registry.rollback(MODEL)
            returned.append(time.monotonic())
            time.sleep(0.5)
        callers.send_signal(signal.SIGTERM)
        callers.wait(20)
    answers = msgspec.json.decode((folder / "answers").read_bytes(), type=list[Answer])
    quiet = [one for one in answers if one.at_s < moving_from]
    return quiet, [one for one in answers if one.at_s >= moving_from], returned


def called(port: int, file: Path) -> None:
    """Ask from some threads until told to stop; leave every answer in *file*."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    body = file.with_name("body").read_bytes()
    found: list[Answer] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not over.is_set():
            started = time.monotonic()
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            now = time.monotonic()
            version = answer.headers.get("x-model-version", "")
            found.append(Answer(now, now - started, version, answer.status))

    threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.write_bytes(msgspec.json.encode(found))


def section(quiet: list[Answer], moving: list[Answer], returned: list[float]) -> str:
    """Say what was found, and what was promised."""
    late = [lateness_s(moving, at) for at in returned]
    before, during = (_p99([one.took_s for one in half]) for half in (quiet, moving))
    failed = sum(one.status != 200 for one in (*quiet, *moving))
    ratio = during / before
    worst = _p99(late)
    return f"""
{len(moving):,} answers to {CALLERS} callers while a version was promoted and rolled back
{len(returned)} times (`python -m benchmarks.serving.swap`).

- a rollback had returned {1000 * statistics.median(late):.0f} ms (median), {1000 * worst:.0f} ms (p99) before the last answer of the version
  it took away, goal {1000 * MOST_LATE_S:.0f} ms: {met(worst <= MOST_LATE_S)}
- p99 of {1000 * during:.1f} ms while they moved, {1000 * before:.1f} ms before: {ratio:.2f} times, goal {MOST_TIMES:g}: {met(ratio <= MOST_TIMES)}
- {failed} requests failed, goal 0: {met(failed == 0)}
"""  # noqa: E501 - the page's lines


def lateness_s(answers: list[Answer], returned: float) -> float:
    """Return how long after a rollback had returned the version it took away still answered."""
    window = [one.at_s for one in answers if returned < one.at_s < returned + 0.4]
    old = [
        one.at_s
        for one in answers
        if one.version == "1.1.0" and returned < one.at_s < returned + 0.4
    ]
    assert window, "nobody was answered"
    return max(old) - returned if old else 0.0


def _p99(figures: list[float]) -> float:
    return sorted(figures)[int(0.99 * (len(figures) - 1))]


if __name__ == "__main__":
    sys.exit(main())
