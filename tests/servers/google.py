"""A server that speaks Google's protocol: gcp-storage-emulator, which ignores conditions."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.install import installed
from tests.servers.running import HOST, Endpoint, NoServerError, free_port, new_name, running


@dataclass(frozen=True)
class Google(Endpoint):
    """A server that speaks Google's protocol."""

    def make_bucket(self) -> str:
        name = new_name()
        request = urllib.request.Request(
            f"{self.address}/storage/v1/b?project=tests",
            data=json.dumps({"name": name}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request):
            return name


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[Google]:
    """Run gcp-storage-emulator, in memory.

    Raises:
        NoServerError: If it is not installed.
    """
    home = installed("gcs-emulator")
    if home is None:
        raise NoServerError("gcp-storage-emulator is not installed: `make all-servers` does it")
    port = free_port()
    program = str(home / "bin" / "gcp-storage-emulator")
    command = [program, "start", f"--host={HOST}", f"--port={port}", "--in-memory"]
    with running(command, port, folder):
        address = f"http://{HOST}:{port}"
        options = {"endpoint": address, "bearer_token": "none"}
        yield Google("gcs-emulator", "gs", address, options)
