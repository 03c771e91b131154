"""How the author of an entry was known to whoever wrote it, kept beside the author's name."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

FIELD = "auth"
"""The key in an entry's `data`; no event has a field of this name."""

UserKind = Literal["person", "service"]


class Auth(Struct, frozen=True, omit_defaults=True):
    """Who a server authenticated before it wrote an entry.

    It is the server's word, as trustworthy as the right to write to the store is guarded: whoever
    writes entries without a server can write it too.

    Attributes:
        user: Id of the user; a name may come to be another's, an id never.
        how: `session`, `token:<id>`, `ci:<issuer>/<run>` or `local`.
        kind: Whether that is a person; only a person's approval counts.
        claimed: The author that the client named, where that is another than the user.
        via: Name of the server that wrote the entry.
    """

    user: str
    how: str
    kind: UserKind = "service"
    claimed: str | None = None
    via: str | None = None


def read(data: dict[str, Any]) -> Auth | None:
    """Return what an entry's `data` says of its author; what is malformed says nothing."""
    if FIELD not in data:
        return None
    try:
        return msgspec.convert(data[FIELD], Auth)
    except msgspec.ValidationError:
        return None


def shown(by: str, auth: Auth | None) -> str:
    """Name an author for people: `ana (token 1a2b3c4d5e6f, claimed to be bo)`."""
    if auth is None:
        return by
    return f"{by} ({known_by(auth)})"


def known_by(auth: Auth) -> str:
    """Say how an author was known: `token 1a2b3c4d5e6f, claimed to be bo`."""
    kind, _, rest = auth.how.partition(":")
    way = f"{'CI' if kind == 'ci' else kind} {rest}".strip()
    return f"{way}, claimed to be {auth.claimed}" if auth.claimed else way
