"""Which host names and origins are answered: the wall against web pages that reach a server.

A page in a browser can send requests to a server of this machine or network, and where its own
name is made to lead there (DNS rebinding) it can read the answers too. Such a request bears the
page's name as `Host`, or the page as `Origin`.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

__all__ = ["HostRules", "name_of"]

_LOCAL: Final = "localhost"


@dataclass(frozen=True, slots=True)
class HostRules:
    """Rules for `Host` and `Origin`.

    Attributes:
        names: Host names that are answered besides addresses and `localhost`; lower case.
        any_host: Answer whatever name a request bears; a foreign origin is refused all the same.
        links: Let pages of other sites lead a browser here, by GET and without an origin: what is
            answered is for people to look at, and no GET changes anything.
    """

    names: frozenset[str] = frozenset()
    any_host: bool = False
    links: bool = False

    def admits(self, host: str) -> bool:
        """Tell whether requests for *host*, with or without a port, are answered."""
        if self.any_host:
            return True
        name = name_of(host)
        if name is None:
            return False
        local = name == _LOCAL or name.endswith(f".{_LOCAL}")
        return local or name in self.names or _is_address(name)

    def admits_origin(self, origin: str, host: str) -> bool:
        """Tell whether a page of *origin* may ask the server that it calls *host*."""
        scheme, separator, authority = origin.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            return False
        return authority.lower() == host.lower() or name_of(authority) in self.names


def name_of(host: str) -> str | None:
    """Return the name or address in a `Host`, lower case and without port; None if malformed."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        name, _, port = host.partition(":")
    if not name or (port and not (port.isascii() and port.isdigit())):
        return None
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
