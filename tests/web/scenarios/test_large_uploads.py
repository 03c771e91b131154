"""A gibibyte on its way into a server: the memory of the server does not grow with it."""

import hashlib
import http.client
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.facing import TOKEN, Process, process, register

import holdfast
from holdfast.store.remote.http_client import HttpClient
from holdfast.store.remote.server_address import parse
from holdfast.store.remote_uploads import Uploads

SIZE = 1 << 30
GROWTH = 48 << 20
"""More than a few pieces on their way, and far less than the file."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are Linux's"),
]


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """Return a file, most of which takes no room of the disk."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        for number in range(4):
            file.seek(number * SIZE // 4)
            file.write(os.urandom(1 << 20))
        file.truncate(SIZE)
    yield path
    path.unlink()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with process(tmp_path / "store") as server:
        small = os.urandom(3 << 20)  # whatever is loaded for an upload is loaded
        sha256 = hashlib.sha256(small).hexdigest()
        assert server.ask("PUT", f"/api/v1/blobs/{sha256}", small).status == 201
        yield server


def peak_bytes(server: Process) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) << 10


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("how", ["whole", "in parts"])
def test_a_gibibyte_comes_in_with_memory_flat(
    server: Process, large: Path, tmp_path: Path, how: str
) -> None:
    sha256 = digest_of(large)
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # peaks are counted from here
    before = peak_bytes(server)
    if how == "whole":
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Length": str(SIZE)}
        with large.open("rb") as file:
            line.request("PUT", f"/api/v1/blobs/{sha256}", file, headers)
            assert line.getresponse().status == 201
        line.close()
    else:
        client = HttpClient(parse(server.url), lambda: TOKEN)
        Uploads(client).send(large, sha256, SIZE)
    after = peak_bytes(server)

    assert digest_of(tmp_path / "store/blobs/sha256" / sha256) == sha256
    assert after - before < GROWTH
