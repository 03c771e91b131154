"""Measure the pages of `holdfast web` beside MLflow's, and write docs/benchmarks-pages.md.

`python -m benchmarks.web.pages --mlflow BIN` with the `mlflow` of an environment that has it, and
Playwright with the machine's own Chromium (`make e2e` installs the former).
"""

import argparse
import gzip
import http.client
import importlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.web.run import HOME, Server, mlflows, started
from msgspec.structs import replace

import holdfast
from holdfast.core import entry as entries
from holdfast.core import events
from holdfast.core.entry import Stamp

PAGE = HOME / "docs" / "benchmarks-pages.md"
STATIC = HOME / "src" / "holdfast" / "web" / "pages" / "static"
MODELS = 500
FEW, MANY = 100, int(os.environ.get("VERSIONS", "10000"))
PEER_MODELS = 50
_REAL = 30
"""Versions at either end of many that are registered as any other."""
CHROMIUM = "/usr/bin/chromium"


@dataclass(frozen=True)
class Shown:
    """What a page took.

    Attributes:
        seconds: Median from the request to the last byte.
        first_s: Of the first request of a server that has just begun.
        size_bytes: Of the page.
        sent_bytes: Of the page as gzip makes it.
    """

    seconds: float
    first_s: float
    size_bytes: int
    sent_bytes: int


def fill(store: Path, models: int, versions: int) -> None:
    """Make models of two versions, and one of many."""
    holdfast.open(store, by="bench").init()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        at_once = os.cpu_count() or 1
        shares = [range(first, models, at_once) for first in range(at_once)]
        list(processes.map(_fill_models, repeat(store), shares))
    if versions:
        _fill_versions(store, versions)


def _fill_models(store: Path, numbers: Iterable[int]) -> None:
    with _outside_git() as folder:
        registry = holdfast.open(store, by="bench")
        for number in numbers:
            for version in (1, 2):
                registry.register(
                    f"model{number}",
                    _written(folder, [number, version]),
                    version=f"{version}.0.0",
                    metrics={"auc": 0.8},
                )
            registry.promote(f"model{number}@1.0.0")


def _fill_versions(store: Path, count: int) -> None:
    """Register the first versions and the last ones, which pages open, by the registry.

    Those between are written as its core writes them, entry by entry, without a file of their own:
    what reads them cannot tell, and 10,000 take seconds in place of a quarter of an hour.
    """
    between = max(0, count - 2 * _REAL)
    with _outside_git() as folder:
        registry = holdfast.open(store, by="bench")
        for number in (*range(_REAL), *range(_REAL + between, count)):
            if number == _REAL + between:
                _write_entries(store, between)
                registry = holdfast.open(store, by="bench")
            metrics = {"auc": 0.8 + number % 10 / 100}
            file = _written(folder, [number])
            registry.register("many", file, version=f"1.{number}.0", metrics=metrics)
        registry.promote(f"many@v{count - 1}")
        registry.promote("many@latest")


def _write_entries(store: Path, count: int) -> None:
    journal = store / "models" / "many" / "journal"
    (last,) = sorted(journal.glob("*.json"))[-1:]
    raw, seq = last.read_bytes(), int(last.stem)
    before = entries.read(raw, "many", seq, entries.prev_of(raw))
    registered, at = before.event, before.at
    assert isinstance(registered, events.Registered)
    for number in range(registered.number + 1, registered.number + count + 1):
        seq += 1
        metrics = {"auc": 0.8 + number % 10 / 100}
        event = replace(registered, version=f"1.{number - 1}.0", number=number, metrics=metrics)
        stamp = Stamp(at=datetime.now(UTC), by="bench", commit=f"{seq:032x}")
        at = entries.next_time(datetime.now(UTC), at)
        raw, _ = entries.write("many", seq, entries.digest(raw), at, stamp, event)
        (journal / f"{seq:010}.json").write_bytes(raw)


def _written(folder: Path, weights: list[int]) -> Path:
    file = folder / "model.json"
    file.write_text(json.dumps({"weights": weights}))
    return file


@contextmanager
def _outside_git() -> Iterator[Path]:
    """Give a folder for files, and stay outside of any git checkout: its commit is asked for."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        yield Path(name)


@contextmanager
def served(store: Path) -> Iterator[tuple[int, str]]:
    """Serve a store; give the port and the cookie of who signed in by the link."""
    command = [sys.executable, "-m", "holdfast", "web", "--store", str(store), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        link = next(line for line in server.stderr if "sign in once" in line).split()[-1]
        threading.Thread(target=server.stderr.read, daemon=True).start()
        port, _, code = link.rpartition("/login/")
        number = int(port.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", number, timeout=60)
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login/link", urlencode({"link": code}), head)
        answer = connection.getresponse()
        answer.read()
        yield number, str(answer.headers["Set-Cookie"]).partition(";")[0]
    finally:
        server.terminate()
        server.wait(60)


def shown(port: int, cookie: str, path: str, count: int) -> Shown:
    """Ask for a page again and again over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    spent, body = [], b""
    for _ in range(count + 1):
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
        answer = connection.getresponse()
        body = answer.read()
        spent.append(time.perf_counter() - begun)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
    return Shown(statistics.median(spent[1:]), spent[0], len(body), len(gzip.compress(body)))


def measured(folder: Path, count: int) -> dict[str, Shown]:
    """Measure the front page and the pages of models with few and with many versions."""
    pages = {}
    for name, models, versions in (("few", 0, FEW), ("many", MODELS, MANY)):
        store = folder / name / "store"
        store.mkdir(parents=True)
        fill(store, models, versions)
        with served(store) as (port, cookie):
            if models:
                pages[f"front page, {models + 1} models"] = shown(port, cookie, "/", count)
            path = "/models/many"
            pages[f"page of a model, {versions:,} versions"] = shown(port, cookie, path, count)
            path = "/models/many:history"
            pages[f"its history, {versions:,} versions"] = shown(port, cookie, path, count)
    return pages


def painted(folder: Path, mlflow: str, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds until both fronts can be read, each in a fresh context."""
    sync_playwright = importlib.import_module("playwright.sync_api").sync_playwright

    store = folder / "painted" / "store"
    store.mkdir(parents=True)
    fill(store, PEER_MODELS, 0)
    own: list[float] = []
    peers: list[float] = []
    command = mlflows(mlflow, folder)
    with (
        started("mlflow server", command, "/health", {}) as (peer, _),
        served(store) as (port, cookie),
        sync_playwright() as playwright,
    ):
        _fill_peer(peer)
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        name, _, value = cookie.partition("=")
        session = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
        for _ in range(rounds):
            context = browser.new_context()
            context.add_cookies([session])
            own.append(_read(context, f"http://127.0.0.1:{port}/", "model0"))
            peers.append(
                _read(browser.new_context(), f"http://127.0.0.1:{peer.port}/#/models", "model0")
            )
        browser.close()
    return own, peers


def _fill_peer(peer: Server) -> None:
    connection = peer.connect()
    api = "/api/2.0/mlflow"
    for number in range(PEER_MODELS):
        name = f"model{number}"
        peer.ask(connection, "POST", f"{api}/registered-models/create", {"name": name})
        body = {"name": name, "source": "s3://nowhere/model"}
        peer.ask(connection, "POST", f"{api}/model-versions/create", body)


def _read(context: Any, address: str, text: str) -> float:
    """Return the seconds until *text* can be read; an empty frame that is painted says nothing."""
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_text(text, exact=True).first.wait_for(state="visible", timeout=120_000)
    took_s = time.perf_counter() - begun
    context.close()
    return took_s


def main() -> int:
    """Measure all, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", default=shutil.which("mlflow"))
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    if asked.mlflow is None:
        sys.stderr.write("mlflow is not installed: give --mlflow the program of another place\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        pages = measured(Path(name), asked.count)
        own, peers = painted(Path(name), asked.mlflow, asked.rounds)
    PAGE.write_text(_text(pages, own, peers, asked.count))
    sys.stdout.write(PAGE.read_text())
    return 0


def _text(pages: dict[str, Shown], own: list[float], peers: list[float], count: int) -> str:
    sizes = {
        kind: sum(path.stat().st_size for path in STATIC.rglob(f"*.{kind}"))
        for kind in ("css", "js")
    }
    ours_s, theirs_s = statistics.median(own), statistics.median(peers)
    lines = [
        "# Benchmarks of the pages",
        "",
        f"Measured by `python -m benchmarks.web.pages`, which writes this page: medians of {count}",
        "requests over one connection; each page is drawn anew. Goal: below 300 ms and 300 kB, and",
        "as much for few versions as for many.",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} processors.",
        "",
        "| page | median | first after start | size | as gzip |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {page.seconds * 1e3:.0f} ms | {page.first_s * 1e3:.0f} ms "
            f"| {page.size_bytes / 1e3:.0f} kB | {page.sent_bytes / 1e3:.0f} kB |"
            for name, page in pages.items()
        ),
        "",
        f"Style sheets {sizes['css'] / 1e3:.1f} kB, scripts {sizes['js'] / 1e3:.1f} kB (goal 25).",
        "",
        f"In Chromium with an empty cache, the name of the first of {PEER_MODELS} models is shown",
        f"after {ours_s * 1e3:.0f} ms, on MLflow's page after {theirs_s * 1e3:.0f} ms:",
        f"{theirs_s / ours_s:.1f} times as fast (goal 5; medians of {len(own)}, in turn).",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
