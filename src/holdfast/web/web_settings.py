"""How a team's server is to run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast.gateways.mlflow import rest_paths
from holdfast.http.connection_limits import BodyLimit, ConnectionLimits, connections_allowed
from holdfast.http.hosts import HostRules
from holdfast.registry import Registry

__all__ = ["API", "WebSettings", "body_limit"]

API: Final = "/api/v1"
"""Where the API is."""

_VERB: Final = BodyLimit(64 << 10)
_FACTS: Final = BodyLimit(16 << 20)
_COUNTS: Final = BodyLimit(4 << 20)
_UPLOAD: Final = BodyLimit(1 << 50, least_bytes=64 << 10)
_UPLOADS: Final = (f"{API}/blobs/".encode(), f"{API}/uploads/".encode())
_LONG: Final = tuple(
    f":{verb}".encode()
    for verb in ("register", "evaluate", "tag", "describe", "prepare", "commit", "retrained")
)
_BODY_S: Final = 30.0
_COMMIT: Final = BodyLimit(256 << 20, least_bytes=64 << 10)
_XORB: Final = BodyLimit(72 << 20, least_bytes=64 << 10)
_HUB: Final = (
    (b"/api/hub/lfs/", b"", _UPLOAD),
    (b"/api/hub/xet/", b"", _XORB),
    (b"/api/models/", b"/commit/", _COMMIT),
    (b"/api/models/", b"/preupload/", _COUNTS),
    (b"/api/models/", b"/paths-info/", _COUNTS),
    (b"/", b".git/info/lfs/objects/batch", _COUNTS),
    (b"/api/validate-yaml", b"", _COUNTS),
)
"""Paths of the Hub's clients by how they begin and what they contain; else a body is short."""


@dataclass(frozen=True)
class WebSettings:
    """Settings of one server.

    Attributes:
        open_registry: Opens the registry that is served.
        name: What entries call this server.
        read_only: Refuse whatever writes.
        anonymous_read: Let everybody read, signed in or not.
        host_names: Names it is known by, besides addresses and `localhost`.
        proxies: Addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        tls: Certificate and private key, where the server speaks TLS itself.
        secure: Whether browsers reach it by https, so that cookies are for https alone.
        token: In local mode, what programs present; None to make one up.
        access_log: Print a line of JSON for each answer.
        server_key: Private key that signs entries of the access journal.
        log: Where predictions are logged that are looked up here: a folder or an address.
        provider_secrets: This server's secret at each provider, where it has one.
        redirect: Send callers who follow to the bucket for long files.
        believed_keys: Public keys whose entries of the access journal are believed.
    """

    open_registry: Callable[[], Registry]
    name: str = "holdfast"
    read_only: bool = False
    anonymous_read: bool = False
    host_names: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    tls: tuple[Path, Path] | None = None
    secure: bool = False
    token: str | None = None
    access_log: bool = False
    redirect: bool = False
    server_key: Path | None = None
    believed_keys: tuple[Path, ...] = ()
    log: str | None = field(default=None, repr=False)
    provider_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)

    def connection(self) -> ConnectionLimits:
        """Return the limits of each connection."""
        return ConnectionLimits(
            header_bytes=self.limits.header_bytes,
            header_s=self.limits.header_s,
            body_bytes=_VERB.size_bytes,
            body_s=min(self.limits.body_s, _BODY_S),
            connections=connections_allowed(),
            hosts=HostRules(frozenset(self.host_names), links=True),
            body_limit=body_limit,
        )


def body_limit(target: bytes) -> BodyLimit:
    """Return what the body of a request may be, by its target as it was sent.

    Another spelling of a path that may have a long body is a path whose body must be short.
    """
    path = target.partition(b"?")[0]
    if rest_paths.claims(path):
        return _UPLOAD if rest_paths.is_upload(path) else _COUNTS
    if path.startswith(_UPLOADS):
        return _UPLOAD
    if path.startswith(b"/v2/") and b"/blobs/uploads/" in path:
        return _UPLOAD
    if b":counts/" in path or (path.startswith(b"/v2/") and b"/manifests/" in path):
        return _COUNTS
    if path.endswith(_LONG):
        return _FACTS
    for beginning, part, limit in _HUB:
        if path.startswith(beginning) and part in path:
            return limit
    return _VERB
