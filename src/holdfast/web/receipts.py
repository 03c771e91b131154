"""Who sent which bytes: a digest alone must not make a stranger's bytes part of one's own model.

Stored bytes are shared by all models. Whoever may register in one model could otherwise name the
digest of another's file, which they may not read, and then read it as their own.
"""

import time
from typing import Final

from holdfast.access.permissions import Identity
from holdfast.core.names import escape
from holdfast.errors import InvalidInputError
from holdfast.registry.session import Session
from holdfast.store import AbsentError
from holdfast.store.open_store import GRACE_S
from holdfast.web.rights import Rights

__all__ = ["Receipts"]

_FOLDER: Final = "access/receipts"


class Receipts:
    """Notes in the store, so that every server at it knows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def give(self, rights: Rights, sha256: str) -> None:
        """Note that somebody sent these bytes; whoever may read all models needs no note."""
        if rights.reads_all:
            return
        store = self._session.writable().store
        store.replace(_key(rights.identity, sha256), b'{"at":%d}\n' % time.time())

    def prune(self, now_s: float) -> int:
        """Remove notes of bytes that a collector may have taken by now; return how many.

        Args:
            now_s: Seconds since the epoch.
        """
        if not self._session.exists:
            return 0
        store, count = self._session.open_store.store, 0
        for user in list(store.list(_FOLDER)):
            for item in list(store.items(f"{_FOLDER}/{user}")):
                if item.modified + GRACE_S < now_s:
                    store.delete(f"{_FOLDER}/{user}/{item.name}")
                    count += 1
        return count

    def require(self, rights: Rights, sha256: str) -> None:
        """Check that somebody may name these bytes in a registration.

        Raises:
            InvalidInputError: If they did not send them.
        """
        if rights.reads_all:
            return
        store = self._session.open_store.store
        try:
            with store.open(_key(rights.identity, sha256)) as file:
                if file.read(1):
                    return
        except (AbsentError, OSError):
            pass
        raise InvalidInputError(f"blob sha256:{sha256}", "was not sent by you", "send it first")


def _key(identity: Identity, sha256: str) -> str:
    return f"{_FOLDER}/{escape(identity.user.id)}/{sha256}"
