"""Gives a store that lost its `holdfast.json` the one that fits it, by a copy of the same store."""

from pathlib import Path

import msgspec

from holdfast.errors import InvalidInputError, NotAStoreError
from holdfast.registry.session import Session
from holdfast.store import TakenError, config, layout
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore
from holdfast.store.probe import probe


def put_back(root: Path, copy: Session) -> bool:
    """Write the configuration of a folder whose copy is opened, if it has none.

    Only a person can tell whose copy a folder is, and names it; what journals can show is held
    against it: both have a model in common, and every such model begins with the same entry.

    Returns:
        Whether there was none; nothing is written else.

    Raises:
        InvalidInputError: If the copy is of another store.
        StoreError: If it cannot be written.
    """
    try:
        config.find(root)
    except NotAStoreError:
        if not (root / layout.MODELS).is_dir() or not (root / layout.BLOBS).is_dir():
            raise
    else:
        return False
    _require_same_beginnings(root, copy)
    lost = msgspec.structs.replace(copy.open_store.config, probe=probe(root), sum="")
    try:
        config.local(root, lost).create(layout.CONFIG, config.encode(lost))
    except TakenError:  # somebody else put it back
        return False
    return True


def _require_same_beginnings(root: Path, copy: Session) -> None:
    here, there = LocalStore(root), copy.open_store.store
    folders = {*here.list(layout.MODELS)} & {*there.list(layout.MODELS)}
    firsts = [
        tuple(Journal(store, f"{layout.MODELS}/{folder}").read(1) for store in (here, there))
        for folder in sorted(folders)
    ]
    if not any(one and one == other for one, other in firsts) or any(
        one and other and one != other for one, other in firsts
    ):
        problem = f"is a copy of another store than {root}: their journals begin differently"
        raise InvalidInputError(f"source {str(copy.site.location)!r}", problem, "name another")
