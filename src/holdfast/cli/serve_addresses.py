"""The addresses that `serve` listens on."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.tables import inert
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.serving.settings import Addresses

__all__ = ["is_loopback", "taken"]

_MOST_PORT = 65_535


@contextlib.contextmanager
def taken(options: dict[str, Any]) -> "Iterator[tuple[Addresses, str]]":
    """Take the addresses to listen on, and tell how they are written."""
    from holdfast.http import addresses
    from holdfast.serving.settings import Addresses

    with contextlib.ExitStack() as stack:
        http, where = stack.enter_context(_http(options))
        if options["grpc_port"] is None:
            yield Addresses(http), where
            return
        grpc = stack.enter_context(addresses.taken(options["host"], options["grpc_port"]))
        grpc_address = f"grpc://{_bracketed(options['host'])}:{grpc.getsockname()[1]}"
        yield Addresses(http, grpc), f"{where} and {grpc_address}"


@contextlib.contextmanager
def _http(options: dict[str, Any]) -> Iterator[tuple[socket.socket, str]]:
    from holdfast.http import addresses, unix_sockets

    if options["uds"] is not None:
        if options["port"] is not None:
            raise InvalidInputError("--uds", "cannot be combined with --port", "give one of them")
        mode = int(options["uds_mode"], 8)
        with unix_sockets.at_path(Path(options["uds"]), mode) as opened:
            yield opened, f"unix:{inert(options['uds'])}"
        return
    port = options["port"] if options["port"] is not None else _port()
    with addresses.taken(options["host"], port) as opened:
        yield opened, f"http://{_bracketed(options['host'])}:{opened.getsockname()[1]}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Tell whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port() -> int:
    text = os.environ.get("AIP_HTTP_PORT", "8080")  # Vertex says where it asks
    if not text.isdecimal() or int(text) > _MOST_PORT:
        raise InvalidInputError(f"AIP_HTTP_PORT {text!r}", "is not a port", "give --port N")
    return int(text)
