"""Measure downloads and uploads through real clients, and write docs/benchmarks-clients.md.

`python -m benchmarks.web.clients` downloads one file of 200 MiB through huggingface_hub and skopeo,
from `holdfast web` and from nginx that serves the same bytes as plain files, in turn in one run.
Then it uploads as much through both, beside what reading, hashing, writing and syncing it once
takes here. It needs nginx, skopeo and huggingface_hub.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.web.run import TOKEN, Server, _copy_hashed, ours, started

import holdfast

HOME = Path(__file__).parent.parent.parent
PAGE = HOME / "docs" / "benchmarks-clients.md"
SIZE_BYTES = int(os.environ.get("SIZE_MIB", "200")) << 20
REPO, FILE, TAG = "team/big", "model.bin", "1.0.0"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_DOWNLOAD = f"""
import sys, time
from huggingface_hub import hf_hub_download
begun = time.perf_counter()
path = hf_hub_download({REPO!r}, {FILE!r}, revision=sys.argv[1], cache_dir=sys.argv[2])
print(time.perf_counter() - begun, path)
"""
_UPLOAD = """
import sys, time
from huggingface_hub import HfApi
begun = time.perf_counter()
HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo="model.bin", repo_id=sys.argv[2])
print(time.perf_counter() - begun, "")
"""


def nginx(folder: Path, layout: Path, commit: str, digest: str) -> Callable[[int], list[str]]:
    """Return how nginx is started over files as both clients ask for them."""

    def command(port: int) -> list[str]:
        config = folder / "nginx.conf"
        config.write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; etag off; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {layout}; default_type application/octet-stream;
    location = /v2/ {{ return 200 "{{}}"; }}
    location /v2/{REPO}/manifests/ {{ default_type {MANIFEST}; }}
    location /{REPO}/resolve/ {{
      add_header ETag '"{digest}"'; add_header X-Repo-Commit {commit};
    }}
  }}
}}
""")
        return [str(shutil.which("nginx")), "-p", str(folder), "-c", str(config)]

    return command


def lay_out(folder: Path, store: Path, manifest: bytes, commit: str) -> Path:
    """Lay the same bytes out as plain files; return where."""
    root = folder / "root"
    blobs = root / "v2" / REPO / "blobs"
    blobs.mkdir(parents=True)
    (root / "v2" / REPO / "manifests").mkdir()
    (root / "v2" / REPO / "manifests" / TAG).write_bytes(manifest)
    document = json.loads(manifest)
    for descriptor in (document["config"], *document["layers"]):
        source = store / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")
        if source.exists():
            os.link(source, blobs / descriptor["digest"])
    resolved = root / REPO / "resolve" / commit
    resolved.mkdir(parents=True)
    weights = next(layer for layer in document["layers"] if layer["size"] == SIZE_BYTES)
    sha256 = weights["digest"].removeprefix("sha256:")
    os.link(store / "blobs" / "sha256" / sha256, resolved / FILE)
    for path in (folder, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # nginx's worker is another user
    return root


def hub(server: Server, program: str, *words: str, xet: bool = True) -> float:
    """Run the Hub's client in a process of its own; return the seconds that it took inside."""
    named = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    named |= {} if xet else {"HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, env=named, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def skopeo(server: Server, source: str, target: str) -> float:
    """Copy with skopeo; return the seconds of the whole command."""
    at = f"docker://127.0.0.1:{server.port}/"
    side = "src" if source.startswith("/") else "dest"
    command = [
        str(shutil.which("skopeo")),
        "--insecure-policy",
        "copy",
        f"--{side}-tls-verify=false",
    ]
    command += [f"--{side}-creds=me:{TOKEN}"]
    begun = time.perf_counter()
    places = [at + one[1:] if one.startswith("/") else one for one in (source, target)]
    subprocess.run([*command, *places], check=True, capture_output=True)
    return time.perf_counter() - begun


def downloads(
    servers: dict[str, Server], folder: Path, commit: str, rounds: int
) -> dict[str, dict[str, float]]:
    """Return median seconds by client and server, asked in turn."""
    spent: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds + 1):
        for name, server in servers.items():
            out = folder / "out"
            took = {
                "huggingface_hub": hub(server, _DOWNLOAD, commit, str(out / "cache")),
                "skopeo": skopeo(server, f"/{REPO}:{TAG}", f"dir:{out / 'dir'}"),
            }
            shutil.rmtree(out)
            for client, seconds in took.items() if number else ():  # the first one warms up
                spent.setdefault(client, {}).setdefault(name, []).append(seconds)
    return {
        client: {name: statistics.median(times) for name, times in by_server.items()}
        for client, by_server in spent.items()
    }


def uploads(server: Server, folder: Path, rounds: int) -> dict[str, float]:
    """Return median seconds of each way in, of its one-pass limit, and of hashing alone."""
    spent: dict[str, list[float]] = {}
    for number in range(rounds):
        source = folder / "upload.bin"
        for name, send in _ways(server, folder, source, number).items():
            written(source)
            spent.setdefault(name, []).append(send())
    return {name: statistics.median(times) for name, times in spent.items()}


def written(path: Path) -> None:
    """Write other bytes of the size, and wait until they are on the disk: only those of the file.

    What else the machine writes would be waited for, too, if all of it were synced.
    """
    with path.open("wb") as file:
        file.write(os.urandom(SIZE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _ways(
    server: Server, folder: Path, source: Path, number: int
) -> dict[str, Callable[[], float]]:
    def limit() -> float:
        begun = time.perf_counter()
        _copy_hashed(source, folder / "copy")
        took = time.perf_counter() - begun
        (folder / "copy").unlink()
        return took

    def hashed() -> float:
        begun = time.perf_counter()
        with source.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return time.perf_counter() - begun

    def plain() -> float:
        return _lfs(server, source)

    return {
        "one pass": limit,
        "hashing": hashed,
        "Git LFS address, plain PUT": plain,
        "huggingface_hub, Git LFS": lambda: hub(
            server, _UPLOAD, str(source), "team/lfs", xet=False
        ),
        "huggingface_hub, Xet": lambda: hub(server, _UPLOAD, str(source), "team/xet"),
        "skopeo": lambda: skopeo(server, _as_dir(folder, source), f"/team/oci:{number + 1}.0.0"),
    }


def _lfs(server: Server, source: Path) -> float:
    with source.open("rb") as file:
        oid = hashlib.file_digest(file, "sha256").hexdigest()
    asked = {"operation": "upload", "objects": [{"oid": oid, "size": SIZE_BYTES}]}
    path = "/team/plain.git/info/lfs/objects/batch"
    told = json.loads(server.ask(server.connect(), "POST", path, asked))
    address = urlsplit(told["objects"][0]["actions"]["upload"]["href"])
    connection = server.connect()
    begun = time.perf_counter()
    with source.open("rb") as file:
        headers = {"Content-Length": str(SIZE_BYTES)}
        connection.request("PUT", f"{address.path}?{address.query}", file, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201
    return time.perf_counter() - begun


def _as_dir(folder: Path, source: Path) -> str:
    """Lay a file out as skopeo's `dir:` has an artifact."""
    place = folder / "dir"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    os.link(source, place / sha256)
    empty = hashlib.sha256(b"{}").hexdigest()
    (place / empty).write_bytes(b"{}")
    (place / "version").write_text("Directory Transport Version: 1.1\n")
    title = {"org.opencontainers.image.title": FILE}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2}
    layer = {"mediaType": "application/octet-stream", "size": SIZE_BYTES, "annotations": title}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config | {"digest": f"sha256:{empty}"},
        "layers": [layer | {"digest": f"sha256:{sha256}"}],
    }
    (place / "manifest.json").write_text(json.dumps(document))
    return f"dir:{place}"


@contextmanager
def served(folder: Path) -> Iterator[tuple[dict[str, Server], str]]:
    """Run both servers over the same bytes; give them and the commit of the version."""
    store, bearer = folder / "store", {"Authorization": f"Bearer {TOKEN}"}
    registry = holdfast.open(store, by="bench")
    (folder / FILE).write_bytes(os.urandom(SIZE_BYTES))
    registry.register(REPO, folder / FILE, version=TAG)
    with started("holdfast web", ours(store), "/ready", bearer) as (server, _):
        path = f"/v2/{REPO}/manifests/{TAG}"
        manifest = server.ask(server.connect(), "GET", path)
        info = json.loads(server.ask(server.connect(), "GET", f"/api/models/{REPO}"))
        layout = lay_out(folder, store, manifest, info["sha"])
        document = json.loads(manifest)
        for one in (document["config"], *document["layers"]):
            place = layout / "v2" / REPO / "blobs" / one["digest"]
            if not place.exists():  # made when it is asked for: no file of the store
                blob = f"/v2/{REPO}/blobs/{one['digest']}"
                place.write_bytes(server.ask(server.connect(), "GET", blob))
        weights = next(one for one in document["layers"] if one["size"] == SIZE_BYTES)
        digest = weights["digest"].removeprefix("sha256:")
        peer_command = nginx(folder, layout, info["sha"], digest)
        with started("nginx", peer_command, "/v2/", {}) as (peer, _):
            yield {"holdfast web": server, "nginx": peer}, info["sha"]


def page(folder: Path, rounds: int) -> str:
    """Measure everything and say it."""
    with served(folder) as (servers, commit):
        down = downloads(servers, folder, commit, rounds)
        up = uploads(servers["holdfast web"], folder, rounds)
    size, limit, hashing = SIZE_BYTES >> 20, up.pop("one pass"), up.pop("hashing")
    lines = [
        "# Benchmarks of other registries' clients",
        "",
        f"Measured by `python -m benchmarks.web.clients`, which writes this page: {size} MiB,",
        f"medians of {rounds} rounds in turn, one worker each, everything over loopback.",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} processors.",
        "",
        f"| Download of {size} MiB by | `holdfast web` | nginx, plain files | ratio | goal |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for client, by_server in down.items():
        here, there = by_server["holdfast web"], by_server["nginx"]
        lines.append(f"| {client} | {here:.2f} s | {there:.2f} s | {there / here:.2f} | ≥ 0.8 |")
    lines += [
        "",
        "nginx checks nothing; Holdfast hashes every byte on its way out.",
        "",
        f"| Upload of {size} MiB by | took | one pass here / that | goal |",
        "| --- | ---: | ---: | ---: |",
    ]
    for way, seconds in up.items():
        goal = "≥ 0.7" if "plain" in way else ""
        lines.append(f"| {way} | {seconds:.2f} s | {limit / seconds:.2f} | {goal} |")
    lines += [
        "",
        f"One pass (reading, hashing, writing and syncing the same file) takes {limit:.2f} s here,",
        f"hashing alone {hashing:.2f} s. The clients hash a file before they send it, on the same",
        "processors, and a commit or manifest has its files judged before it is a version.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run all, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    missing = [name for name in ("nginx", "skopeo") if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"not installed: {', '.join(missing)}\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(page(Path(name), asked.rounds))
    sys.stdout.write(PAGE.read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
