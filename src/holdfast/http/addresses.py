"""The address of a server, taken so that no second server can take it as well."""

import os
import socket
from typing import Any, Final

from holdfast.errors import InvalidInputError, UnsupportedError

__all__ = ["joined", "lent", "listen", "require_joining", "taken"]

_POSIX: Final = os.name == "posix"


def taken(host: str, port: int) -> socket.socket:
    """Take an address for this server alone; nothing listens on it yet.

    Raises:
        InvalidInputError: If it cannot be: the port is taken, the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return _taken((host, port), family)
    except OSError as error:
        raise InvalidInputError(
            f"address {host}:{port}", f"cannot be listened on: {error.strerror}", "name another"
        ) from error


def _taken(address: Any, family: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        try:
            opened.bind(address)
        except OSError:
            if not _POSIX:
                raise
            # Connections of a server that has ended may hold the port for a minute. SO_REUSEADDR
            # gets past them, and past nobody who holds the address or listens on it.
            _set(opened, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            _set(opened, socket.SO_REUSEADDR, 0)
    except BaseException:
        opened.close()
        raise
    return opened


def listen(bound_socket: socket.socket, backlog: int) -> None:
    """Listen on an address that was taken, with no other process beside this one."""
    if _POSIX:  # the next server must get past this one's last connections
        _set(bound_socket, socket.SO_REUSEADDR, 1)
    bound_socket.listen(backlog)


def require_joining() -> None:
    """Check that several processes can listen at one address here.

    Raises:
        UnsupportedError: If they cannot, as on Windows.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise UnsupportedError(
            "holdfast serve",
            "cannot run here: on Windows no two processes listen at one address",
            "run it on Linux, macOS or in WSL; the store may stay where it is",
        )


def joined(bound_socket: socket.socket) -> socket.socket:
    """Return a socket of a worker's own at an address that its supervisor holds.

    The system deals connections out among the workers that listen. The holding socket never
    listens. It was bound without SO_REUSEPORT, which no other server had then, and has it from now
    on without SO_REUSEADDR: so only those who ask for SO_REUSEPORT get in, and `taken` never does.
    """
    if bound_socket.family not in (socket.AF_INET, socket.AF_INET6):
        return bound_socket.dup()  # a Unix socket listens already, and all accept from it
    _set(bound_socket, socket.SO_REUSEPORT, 1)
    opened = socket.socket(bound_socket.family, socket.SOCK_STREAM)
    try:
        _set(opened, socket.SO_REUSEADDR, 1)
        _set(opened, socket.SO_REUSEPORT, 1)
        opened.bind(bound_socket.getsockname())
    except BaseException:
        opened.close()
        raise
    return opened


def lent(bound_socket: socket.socket) -> str:
    """Let a library of this process listen at an address that its supervisor holds, as `joined`.

    The library must ask for SO_REUSEPORT.

    Returns:
        The address as gRPC writes it.
    """
    _set(bound_socket, socket.SO_REUSEPORT, 1)
    host, port = bound_socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _set(opened: socket.socket, option: int, value: int) -> None:
    opened.setsockopt(socket.SOL_SOCKET, option, value)
