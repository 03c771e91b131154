"""A server that speaks Azure's protocol: Azurite."""

import base64
import contextlib
import hashlib
import hmac
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from tests.servers.install import installed
from tests.servers.running import HOST, Endpoint, NoServerError, free_port, new_name, running

ACCOUNT = "devstoreaccount1"
KEY = (  # the one that every emulator has, by its documentation
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_VERSION = "2021-08-06"


@dataclass(frozen=True)
class Azure(Endpoint):
    """A server that speaks Azure's protocol."""

    def make_bucket(self) -> str:
        name = new_name()
        date = formatdate(usegmt=True)
        headers = f"x-ms-date:{date}\nx-ms-version:{_VERSION}\n"
        resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        text = "PUT" + "\n" * 12 + headers + resource
        digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        request = urllib.request.Request(
            f"{self.address}/{name}?restype=container",
            method="PUT",
            headers={
                "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
                "x-ms-date": date,
                "x-ms-version": _VERSION,
            },
        )
        with urllib.request.urlopen(request):
            return name


def endpoint(name: str, port: int) -> Azure:
    """Describe a server at a port."""
    address = f"http://{HOST}:{port}/{ACCOUNT}"
    options = {"endpoint": address, "account_name": ACCOUNT, "account_key": KEY}
    return Azure(name, "az", address, options)


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[Azure]:
    """Run Azurite, in memory.

    Raises:
        NoServerError: If it is not installed.
    """
    home, node = installed("azurite"), shutil.which("node")
    if home is None or node is None:
        raise NoServerError("Azurite is not installed: `make servers` does it where npm is")
    port = free_port()
    program = home / "node_modules/azurite/dist/src/blob/main.js"
    command = [node, str(program), "--blobHost", HOST, "--blobPort", str(port)]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with running(command, port, folder):
        yield endpoint("azurite", port)
