"""Paths of the OCI distribution API: what a request is about.

A repository's name may have slashes, so that a path is read from its end.
"""

import re
from typing import Final

from msgspec import Struct

from holdfast.core.oci_names import is_repository

__all__ = ["TOKEN", "OciTarget", "claims", "digest_in", "parse"]

ROOT: Final = "/v2/"
TOKEN: Final = "/v2/_token"  # noqa: S105 - a path, and no name of a repository
_TARGET: Final = re.compile(
    r"/v2/(?P<name>.+)/"
    r"(?:(?P<tags>tags/list)|(?P<upload>blobs/uploads)/?(?P<session>[^/]*)"
    r"|(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+))"
)
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


class OciTarget(Struct, frozen=True):
    """What a request is about.

    Attributes:
        kind: `root`, `token`, `tags`, `uploads`, `manifests`, `blobs` or `referrers`.
        model: The repository, empty where it is about none.
        reference: A tag, a digest or an upload.
    """

    kind: str
    model: str = ""
    reference: str = ""

    @property
    def template(self) -> str:
        """The path with names left out, for logs and figures."""
        return f"/v2/{{name}}/{self.kind}" if self.model else f"/v2/{self.kind}"


def claims(raw: bytes) -> bool:
    """Tell whether a path, as it was sent, is one of the distribution API's."""
    return raw == b"/v2" or raw.startswith(b"/v2/")


def parse(path: str) -> OciTarget | None:
    """Read a path that is claimed; `None` if the API has no such path, or nobody such a name."""
    if path in ("/v2", ROOT):
        return OciTarget("root")
    if path == TOKEN:
        return OciTarget("token")
    match = _TARGET.fullmatch(path)
    if match is None or not is_repository(match["name"]):
        return None
    if match["tags"]:
        return OciTarget("tags", match["name"])
    if match["upload"]:
        return OciTarget("uploads", match["name"], match["session"])
    return OciTarget(match["kind"], match["name"], match["reference"])


def digest_in(reference: str) -> str | None:
    """Return the 64 hex digits of a digest, `None` if it is anything else."""
    match = _DIGEST.fullmatch(reference)
    return match[1] if match else None
