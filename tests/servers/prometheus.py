"""Debian's Prometheus, looking at what it is told to five times a second."""

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.servers.running import HOST, free_port, started
from tests.serving.facing import until


@contextlib.contextmanager
def scraping(ports: Sequence[int], folder: Path) -> Iterator[str]:
    """Run it on a free port; yield its address."""
    executable = shutil.which("prometheus")
    if executable is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    targets = [f"{HOST}:{port}" for port in ports]
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [{"job_name": "serve", "static_configs": [{"targets": targets}]}],
    }
    folder.mkdir(exist_ok=True)
    (folder / "prometheus.yml").write_text(json.dumps(config))
    address = f"{HOST}:{free_port()}"
    options = [f"--web.listen-address={address}", f"--storage.tsdb.path={folder / 'data'}"]
    command = [executable, f"--config.file={folder / 'prometheus.yml'}", *options]
    with started(command, folder / "run"):
        until(lambda: _is_ready(f"http://{address}/-/ready"))
        yield f"http://{address}/"


def _is_ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:
        return bool(answer.status == 200)
    return False
