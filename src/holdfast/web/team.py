"""The guard of a team's server, made from its store and its settings."""

import os
import socket
from datetime import UTC, datetime

from holdfast import signing
from holdfast.access.access_journal import MODEL, PREFIX, AccessJournal, AccessKeys
from holdfast.access.refusals import Refusals
from holdfast.access.sessions import Sessions
from holdfast.errors import InvalidInputError
from holdfast.registry import Registry
from holdfast.registry.store_location import JournalSighting
from holdfast.signing import SigningKey
from holdfast.store.journal import Journal
from holdfast.web.below import session_of
from holdfast.web.guard import TeamGuard
from holdfast.web.web_settings import WebSettings

__all__ = ["has_people", "keys_of", "team_guard"]


def has_people(registry: Registry) -> bool:
    """Tell whether a store has an access journal."""
    return Journal(session_of(registry).open_store.store, PREFIX).read(1) is not None


def keys_of(settings: WebSettings, server_key: SigningKey | None) -> AccessKeys:
    """Return the keys that a server believes: those it is told, and its own.

    Raises:
        InvalidInputError: If there are none: whoever can write to the store could then make
            themselves an administrator.
    """
    believed = {server_key.key} if server_key is not None else set()
    for path in settings.believed_keys:
        key = signing.public(path).ed25519
        if key is None:
            raise InvalidInputError(f"key file {str(path)!r}", "has no Ed25519 key")
        believed.add(key)
    if not believed:
        raise InvalidInputError(
            "the server",
            "is told no key to believe about people",
            "give --server-key, or --believe-key of the server that signs",
        )
    return AccessKeys(frozenset(believed), server_key)


def team_guard(
    settings: WebSettings, registry: Registry, server_key: SigningKey | None
) -> TeamGuard:
    """Return the guard; the access journal is read, and must be sound.

    Raises:
        DamagedError: If an entry is missing, changed or signed by no believed key.
        InvalidInputError: If no key is believed.
    """
    opened = session_of(registry).open_store
    keys = keys_of(settings, server_key)
    journal = AccessJournal(opened.store, keys, JournalSighting(opened, MODEL))
    journal.state(max_age_s=0)
    shared = opened.store if server_key is not None and not settings.read_only else None
    server = f"{settings.name}-{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
    store = None if settings.read_only else opened.store
    refusals = Refusals(store, server, lambda: datetime.now(UTC))
    sessions = Sessions(shared, keys)
    return TeamGuard(journal, sessions, refusals, anonymous_read=settings.anonymous_read)
