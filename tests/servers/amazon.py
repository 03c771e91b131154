"""Servers that speak S3: moto, LocalStack, and s3rver, which ignores conditions."""

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.install import installed
from tests.servers.running import HOST, Endpoint, NoServerError, free_port, new_name, running

KEY_ID = "holdfasttests"
SECRET = "not-a-secret-but-looked-for-in-every-message"


@dataclass(frozen=True)
class Amazon(Endpoint):
    """A server that speaks S3."""

    @functools.cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name=self.options["region"],
            aws_access_key_id=self.options["access_key_id"],
            aws_secret_access_key=self.options["secret_access_key"],
        )

    def make_bucket(self) -> str:
        name = new_name()
        self._client.create_bucket(Bucket=name)
        self._client.close()  # its connections: it can be used again
        return name


def endpoint(name: str, port: int, key_id: str = KEY_ID, secret: str = SECRET) -> Amazon:
    """Describe a server at a port."""
    address = f"http://{HOST}:{port}"
    options: Mapping[str, str] = {
        "endpoint": address,
        "region": "us-east-1",
        "access_key_id": key_id,
        "secret_access_key": secret,
    }
    return Amazon(name, "s3", address, options)


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Amazon]:
    """Run moto: S3's answers, in memory."""
    port = free_port()
    command = [
        sys.executable,
        "-P",
        str(Path(__file__).with_name("serial_moto.py")),
        HOST,
        str(port),
    ]
    with running(command, port, folder):
        yield endpoint("moto", port)


@contextlib.contextmanager
def localstack(folder: Path) -> Iterator[Amazon]:
    """Run LocalStack's S3: the last release that starts without a container or an account.

    Raises:
        NoServerError: If it is not installed.
    """
    home = installed("localstack")
    if home is None:
        raise NoServerError(
            "LocalStack is not installed: `make all-servers` does it for Python 3.13"
        )
    port = free_port()
    environment = {
        **os.environ,
        "SERVICES": "s3",
        "GATEWAY_SERVER": "twisted",
        "GATEWAY_LISTEN": f"{HOST}:{port}",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }
    command = [str(home / "bin" / "python"), "-m", "localstack.runtime.main"]
    with running(command, port, folder, environment):
        yield endpoint("localstack", port)


@contextlib.contextmanager
def s3rver(folder: Path) -> Iterator[Amazon]:
    """Run s3rver, which answers 200 to every conditional put.

    Raises:
        NoServerError: If it is not installed.
    """
    home, node = installed("s3rver"), shutil.which("node")
    if home is None or node is None:
        raise NoServerError("s3rver is not installed: `make all-servers` does it where npm is")
    port = free_port()
    program = home / "node_modules/s3rver/bin/s3rver.js"
    command = [node, str(program), "-a", HOST, "-p", str(port), "-d", str(folder), "-s"]
    with running(command, port, folder):
        yield endpoint("s3rver", port, "S3RVER", "S3RVER")
