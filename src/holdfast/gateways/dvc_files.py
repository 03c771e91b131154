"""Files of DVC that name a version's files at a server, each with its checksum.

DVC takes the `ETag` of an address, quotes included, for the checksum of what it imports; here that
is the SHA-256 of the bytes. An address names an exact version, so that what it leads to stays.
"""

import json
from typing import Final
from urllib.parse import quote

from holdfast.core.manifest import File, Manifest
from holdfast.core.shown_paths import shown_files
from holdfast.errors import InvalidInputError
from holdfast.gateways.hf import hub_paths

__all__ = ["dvc_files"]

_SCHEMES: Final = ("http://", "https://", "remote://")


def dvc_files(manifest: Manifest, url: str) -> dict[str, str]:
    """Return the text of a `.dvc` file by its path, one for each file of a version.

    Args:
        manifest: Of the version.
        url: Address of the server, or `remote://NAME` for one that DVC knows with its credentials.

    Raises:
        InvalidInputError: If the address is invalid, or clients cannot name the model.
    """
    if not url.startswith(_SCHEMES) or url.endswith("://"):
        raise InvalidInputError(
            f"address {url!r}", "must begin with http://, https:// or remote://"
        )
    repo = hub_paths.repo_of(manifest.name)
    if repo is None:
        problem = "cannot be part of an address: it is not NAME or NAMESPACE/NAME"
        raise InvalidInputError(f"model {manifest.name!r}", problem, "copy it under another name")
    base = f"{url.rstrip('/')}/{repo}/resolve/{quote(manifest.version, safe='')}"
    return {
        f"{path}.dvc": _text(path, file, f"{base}/{quote(path)}")
        for path, file in shown_files(manifest).items()
    }


def _text(path: str, file: File, address: str) -> str:
    """Write a file of DVC; texts in quotes are the same in JSON and YAML."""
    name = path.rpartition("/")[2]
    checksum = f'"{file.sha256}"'
    return (
        "frozen: true\n"
        "deps:\n"
        f"- checksum: {json.dumps(checksum)}\n"
        f"  size: {file.size_bytes}\n"
        "  hash: md5\n"
        f"  path: {json.dumps(address)}\n"
        "outs:\n"
        "- hash: md5\n"
        f"  path: {json.dumps(name)}\n"
    )
