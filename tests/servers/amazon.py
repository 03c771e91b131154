"""Servers that speak S3: moto."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.running import HOST, Endpoint, free_port, new_name, running

KEY_ID = "holdfasttests"
SECRET = "not-a-secret-but-looked-for-in-every-message"


@dataclass(frozen=True)
class Amazon(Endpoint):
    """A server that speaks S3."""

    def make_bucket(self) -> str:
        import boto3

        name = new_name()
        client = boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name=self.options["region"],
            aws_access_key_id=self.options["access_key_id"],
            aws_secret_access_key=self.options["secret_access_key"],
        )
        client.create_bucket(Bucket=name)
        client.close()
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
    """Run moto: S3's answers, in memory, without its guarantees against races."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with running(command, port, folder):
        yield endpoint("moto", port)
