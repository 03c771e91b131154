"""Whether an endpoint keeps what a journal in a bucket stands on, tried out before it is trusted.

Some servers take the header that says "only if there is none", answer 200 and ignore it: there
every rival believes it has won.
"""

import contextlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from holdfast.errors import StoreError, UnfitStoreError
from holdfast.store import InDoubtError, TakenError, reserved
from holdfast.store.objects.object_store import ObjectStore

_RIVALS: Final = 8
_ADVICE: Final = (
    "it cannot hold a journal; use a service that honours conditional writes, "
    "such as S3, GCS, Azure, Ceph or MinIO"
)


def probe(store: ObjectStore) -> None:
    """Try an endpoint out: a taken name must refuse, and of rivals exactly one must win.

    Raises:
        UnfitStoreError: If it does not keep that.
        StoreError: If it cannot be reached, or refuses the caller.
    """
    prefix = f"{reserved.TEMPORARY}probe-{secrets.token_hex(16)}"
    keys = [f"{prefix}/twice", f"{prefix}/race"]
    try:
        _refuses(store, keys[0])
        _elects_one(store, keys[1])
    finally:
        for key in keys:
            with contextlib.suppress(StoreError):  # who may not delete leaves two tiny objects
                store.delete(key)


def _refuses(store: ObjectStore, key: str) -> None:
    store.create(key, b"first")
    try:
        store.create(key, b"second")
    except TakenError:
        pass
    else:
        raise _unfit(store, "overwrote an object that a write was not to replace")
    if store.read(key) != b"first":
        raise _unfit(store, "refused to overwrite an object, but did")


def _elects_one(store: ObjectStore, key: str) -> None:
    def rival(number: int) -> bytes | None:
        mine = b"rival %d" % number
        try:
            store.create(key, mine)
        except (TakenError, InDoubtError):
            return None
        return mine

    with ThreadPoolExecutor(_RIVALS) as threads:
        winners = [mine for mine in threads.map(rival, range(_RIVALS)) if mine is not None]
    if len(winners) != 1:
        raise _unfit(store, f"told {len(winners)} of {_RIVALS} writers of one name that they won")
    if store.read(key) != winners[0]:
        raise _unfit(store, "told one writer that it won, but kept the bytes of another")


def _unfit(store: ObjectStore, problem: str) -> UnfitStoreError:
    return UnfitStoreError(store.url, problem, _ADVICE)
