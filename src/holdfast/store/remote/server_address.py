"""The address of a server: `https://host`, `https://host:8443/prefix`, `http://localhost:8080`."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from holdfast.errors import InvalidInputError
from holdfast.store.remote import SCHEMES

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is.

    Attributes:
        host: Lower case, an IPv6 address without brackets.
        path: What stands before `/api/v1`, such as `/holdfast`; empty for none.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, which a token is for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        )

    @property
    def url(self) -> str:
        """The address as it is shown, without secrets."""
        return self.origin + self.path

    @property
    def is_here(self) -> bool:
        """True if it is this machine: nobody is on the way."""
        return _is_loopback(self.host)


def parse(text: str, *, allow_http: bool = False) -> ServerAddress:
    """Read an address.

    Args:
        text: What a person wrote.
        allow_http: Whether `http://` may lead to another machine.

    Raises:
        InvalidInputError: If it is malformed, holds a secret, or would send a token in the open.
    """
    parts, port = _taken_apart(text)
    host = (parts.hostname or "").lower()
    path = parts.path.rstrip("/")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInputError(
            "server address",
            "must not hold a name, a token or a query, which would show wherever it is written",
            "write https://host and give the token by `holdfast login`",
        )
    if parts.scheme not in SCHEMES or not _is_host(host) or not _PATH.fullmatch(path):
        raise InvalidInputError(
            f"server address {text!r}", "is malformed", "write https://host or https://host/prefix"
        )
    address = ServerAddress(parts.scheme, host, port or _PORTS[parts.scheme], path)
    if address.scheme == "http" and not (allow_http or address.is_here):
        raise InvalidInputError(
            f"server address {address.url}",
            "is http://, which lets anyone on the way read the token and change the traffic",
            "use https://, or set HOLDFAST_INSECURE_HTTP=1 if you want that",
        )
    return address


def _taken_apart(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return urlsplit(""), None
    return parts, port


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
