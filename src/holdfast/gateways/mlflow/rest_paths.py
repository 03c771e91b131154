"""The paths of MLflow's REST interface, and those under which the files of versions are there."""

import re
from typing import Final
from urllib.parse import unquote

ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
"""Where clients get files; `/<path>` behind it is what `files` makes."""
GET_ARTIFACT: Final = "/model-versions/get-artifact"
_PREFIXES: Final = (
    b"/api/2.0/mlflow/",
    b"/ajax-api/2.0/mlflow/",
    b"/api/2.0/mlflow-artifacts/",
    b"/ajax-api/2.0/mlflow-artifacts/",
    b"/api/3.0/mlflow/",
    b"/ajax-api/3.0/mlflow/",
)
_VERSIONS: Final = "models"
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]")
_ESCAPED: Final = re.compile(r"(?:~[0-9a-f]{2})+")
_PARTS: Final = 3
UPLOADS: Final = "uploads/"
"""Behind `ARTIFACTS`, where a client puts files that it will register."""
_UPLOAD: Final = f"{ARTIFACTS}/{UPLOADS}".encode()


def claims(path: bytes) -> bool:
    """Tell whether a path, as it was sent, is one of MLflow's."""
    return path.startswith(_PREFIXES) or path == GET_ARTIFACT.encode()


def is_upload(path: bytes) -> bool:
    """Tell whether a path, as it was sent, is of a file that comes to be registered."""
    return path.removeprefix(b"/ajax-").removeprefix(b"/").startswith(_UPLOAD[1:])


def files(model: str, version: str) -> str:
    """Return the path of a version's files, of characters that no client escapes.

    Args:
        model: By Holdfast's name.
        version: Its SemVer, which no other version ever has.
    """
    return f"{_VERSIONS}/{_escaped(model)}/{_escaped(version)}"


def parse_files(path: str) -> tuple[str, str, str] | None:
    """Return model, version and file of a path below `ARTIFACTS`, `None` if it is another."""
    parts = path.split("/")
    if len(parts) < _PARTS or parts[0] != _VERSIONS or "" in parts:
        return None
    model, version = _unescaped(parts[1]), _unescaped(parts[2])
    if model is None or version is None or files(model, version) != "/".join(parts[:_PARTS]):
        return None
    return model, version, "/".join(parts[_PARTS:])


def _escaped(text: str) -> str:
    return "".join(
        char if _PLAIN.match(char) else "".join(f"~{byte:02x}" for byte in char.encode())
        for char in text
    )


def _unescaped(text: str) -> str | None:
    try:
        return _ESCAPED.sub(
            lambda match: unquote(match[0].replace("~", "%"), errors="strict"), text
        )
    except UnicodeDecodeError:
        return None
