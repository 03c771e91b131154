"""Paths: which route one takes, and what it names.

A model's name has neither `@` nor `:`, so that the name, a ref and a verb follow each other without
reserved words: `/models/risk/iris@1.2.0:card`. Only the decoded path is looked at, by routing and
by those who decide what is allowed alike, so that no second spelling means something else to one.
"""

from typing import Final

from holdfast.http.problems import Problem

__all__ = ["parse"]

_MODELS: Final = "/models/"
_DATA: Final = "/data/"
_DIGEST: Final = "sha256:"
_OF_MODEL: Final = {"blobs": "sha256", "servers": "worker", "counts": "worker"}
"""What a model has many of, whose members are named behind a slash."""
_COLLECTIONS: Final = {
    "blobs": "sha256", "uploads": "upload", "users": "user", "groups": "group",
    "services": "service", "grants": "grant", "tokens": "token", "rules": "rule",
    "providers": "provider",
}  # fmt: skip
"""Collections whose members are named by one segment."""
_MOST: Final = 4096


def parse(path: str) -> tuple[str, dict[str, str]]:
    """Return the template of a path below the API, and what it names.

    Raises:
        Problem: 400 if it is not valid UTF-8, or is too long.
    """
    if "\ufffd" in path or "\0" in path:
        raise Problem(400, "malformed", "the path is not valid UTF-8")
    if len(path) > _MOST:
        raise Problem(400, "malformed", "the path is too long")
    if path.startswith(_MODELS):
        return _of_model(path.removeprefix(_MODELS))
    if path.startswith(_DATA):
        return _of_data(path.removeprefix(_DATA))
    collection, slash, member = path.removeprefix("/").partition("/")
    name = _COLLECTIONS.get(collection)
    if slash and name and member and "/" not in member:
        return f"/{collection}/{{{name}}}", {name: member}
    return path, {}


def _of_model(rest: str) -> tuple[str, dict[str, str]]:
    model, at, ref = rest.partition("@")
    if not at:
        model, colon, verb = rest.partition(":")
        collection, slash, member = verb.partition("/")
        if slash and (name := _OF_MODEL.get(collection)):
            return f"/models/{{model}}:{collection}/{{{name}}}", {"model": model, name: member}
        return f"/models/{{model}}{colon}{verb}", {"model": model}
    digest = ref.startswith(_DIGEST)
    ref, colon, verb = ref.removeprefix(_DIGEST).partition(":")
    ref = f"{_DIGEST}{ref}" if digest else ref
    return f"/models/{{model}}@{{ref}}{colon}{verb}", {"model": model, "ref": ref}


def _of_data(rest: str) -> tuple[str, dict[str, str]]:
    name, colon, verb = rest.partition(":")
    collection, slash, member = verb.partition("/")
    if slash and collection == "blobs":
        return "/data/{data}:blobs/{sha256}", {"data": name, "sha256": member}
    return f"/data/{{data}}{colon}{verb}", {"data": name}
