"""Measure `holdfast serve` beside its peers, and write docs/benchmarks-serving.md.

All servers run at once, one worker each, and are asked in turn, so that what else the machine does
hits each of them; ratios are of medians over the rounds.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import joblib
import numpy as np
from benchmarks.serving.contenders import contenders
from benchmarks.serving.load import Round, running

HOME = Path(__file__).parent.parent.parent
PAGE = HOME / "docs" / "benchmarks-serving.md"
OURS, HELLO, INLINE = "holdfast serve", "bare ASGI, hello", "bare ASGI, model"
CONNECTIONS = (16, 1)
# against whom, at how many connections, at least how many times their rate
FASTER = (("mlflow models serve", 8.0), ("MLServer", 5.0), ("FastAPI", 4.0))
MOST_P99_US = 15_000
MOST_ALONE = 1.10
Rounds = Mapping[tuple[str, int], Sequence[Round]]

HEAD = """\
# Serving benchmarks

Measured by `make bench-serving`, which writes this page: a StandardScaler and a LogisticRegression
on 30 columns, one row a request, one worker each, all servers up together and asked in turn by wrk
on one thread ({rounds} rounds of {seconds} s). `holdfast serve` is on the first step of a canary
rollout, 5 % of the traffic, with the prediction log on. Medians; ratios are what carries over to
other machines.

{machine}
"""


def main() -> int:
    """Run all, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--others", type=Path, default=HOME / "build")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.stderr.write("wrk is not installed: apt-get install wrk\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        found, call_us = measured(Path(name), given.others, given.rounds, given.seconds)
    PAGE.write_text(page(found, call_us, given.rounds, given.seconds), encoding="utf-8")
    sys.stdout.write(PAGE.read_text(encoding="utf-8"))
    return 0


def measured(folder: Path, others: Path, rounds: int, seconds: int) -> tuple[Rounds, float]:
    """Start all contenders, warm each up, ask them in turn; time the model's call beside them."""
    found: dict[tuple[str, int], list[Round]] = {}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(one, folder / f"{number}.log"))
            for number, one in enumerate(contenders(folder, others))
        ]
        script = folder / "post.lua"
        for server in servers:
            server.round(16, 1, script)
        calls: list[float] = []
        for _ in range(rounds):
            calls += call_times_us(folder, 1000)
            for connections in CONNECTIONS:
                for server in servers:
                    one = server.round(connections, seconds, script)
                    found.setdefault((server.contender.name, connections), []).append(one)
    return found, statistics.median(calls)


def call_times_us(folder: Path, count: int) -> list[float]:
    """Time preprocessor and model on one row, in this process."""
    preprocessor, model = joblib.load(folder / "pair.joblib")
    row = np.zeros((1, model.n_features_in_))
    times = []
    for _ in range(count):
        started = time.perf_counter_ns()
        model.predict(preprocessor.transform(row))
        times.append((time.perf_counter_ns() - started) / 1000)
    return times


def page(found: Rounds, call_us: float, rounds: int, seconds: int) -> str:
    """Write the tables and what was promised."""
    parts = [HEAD.format(machine=machine(), rounds=rounds, seconds=seconds)]
    for connections in CONNECTIONS:
        parts.append(table(found, connections))
    parts.append("\n## Goals\n\n")
    parts += [f"- {line}\n" for line in goals(found, call_us)]
    return "".join(parts)


def machine() -> str:
    """Describe the machine in a line."""
    info = Path("/proc/cpuinfo")
    brand = platform.processor()
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        brand = names[0].partition(": ")[2] if names else brand
    return f"{os.cpu_count()} cores of {brand}, Python {platform.python_version()}."


def table(found: Rounds, connections: int) -> str:
    """Write one table, fastest first."""
    noun = "connection" if connections == 1 else "connections"
    lines = [
        f"\n## {connections} {noun}\n\n",
        "| server | requests/s | p50 | p99 | CPU a request | failed |\n|---|---|---|---|---|---|\n",
    ]
    names = [name for name, count in found if count == connections]
    for name in sorted(names, key=lambda one: -rate(found, one, connections)):
        spells = found[name, connections]
        p50, p99 = (median(spells, word) / 1000 for word in ("p50_us", "p99_us"))
        shown = f"**{name}**" if name == OURS else name
        lines.append(
            f"| {shown} | {rate(found, name, connections):,.0f} | {p50:.2f} ms | {p99:.1f} ms | "
            f"{median(spells, 'cpu_us'):,.0f} µs | {sum(one.failed for one in spells)} |\n"
        )
    return "".join(lines)


def median(spells: Sequence[Round], word: str) -> float:
    """Return the median of one figure over the rounds."""
    return float(statistics.median(getattr(one, word) for one in spells))


def rate(found: Rounds, name: str, connections: int) -> float:
    """Return the median rate."""
    return median(found[name, connections], "rate")


def goals(found: Rounds, call_us: float) -> list[str]:
    """Say what was promised and what came out."""
    lines = []
    for name, least in FASTER:
        if (name, 16) not in found:
            lines.append(f"{least:g} times {name}: not measured, it is not installed")
            continue
        ratio = rate(found, OURS, 16) / rate(found, name, 16)
        told = met(ratio >= least)
        lines.append(f"{ratio:.1f} times {name} at 16 connections, goal {least:g}: {told}")
    p99 = median(found[OURS, 16], "p99_us")
    lines.append(
        f"p99 of {p99 / 1000:.1f} ms at 16 connections, goal {MOST_P99_US / 1000:g} ms: "
        f"{met(p99 <= MOST_P99_US)}"
    )
    alone, bare = (median(found[name, 1], "p50_us") for name in (OURS, INLINE))
    lines.append(
        f"one connection: {alone / bare:.2f} times bare ASGI that calls the model in place, goal "
        f"{MOST_ALONE:g}: {met(alone / bare <= MOST_ALONE)}"
    )
    apart = call_us + median(found[HELLO, 1], "p50_us")
    lines.append(
        f"for comparison: the model's call in a loop that does nothing else ({call_us:.0f} µs) and "
        f"bare ASGI's hello are {apart:.0f} µs; bare ASGI with the model takes "
        f"{bare / apart:.2f} times that, Holdfast {alone / apart:.2f} times"
    )
    failed = sum(one.failed for spells in found.values() for one in spells)
    lines.append(f"{failed} of all requests failed")
    return lines


def met(holds: bool) -> str:  # noqa: FBT001 - a word for a fact
    """Say whether it holds."""
    return "met" if holds else "**missed**"


if __name__ == "__main__":
    sys.exit(main())
