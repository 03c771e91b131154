"""The store's folder as an OCI image layout: `oci-layout` and `index.json` beside the blobs.

A folder is one once it was asked to be (`holdfast link oci`), and is kept so by every change. Both
files derive from the journals; so do the small documents that stand among the blobs.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from holdfast.core import strict_json
from holdfast.core.manifest import Manifest, digest_of
from holdfast.core.model_pack import ARTIFACT_TYPE, MANIFEST_TYPE, Pack, pack, pushed_file
from holdfast.core.names import BUILT_IN
from holdfast.core.oci_names import is_repository, tag_of
from holdfast.core.state import Record, State
from holdfast.errors import StoreError
from holdfast.store import layout, locks
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
from holdfast.store.locks import Limit

__all__ = [
    "begin",
    "entries_of",
    "held",
    "is_kept",
    "keep",
    "keep_all",
    "names_of",
    "pack_of",
    "packed_digests",
    "problems",
]

_VERSION: Final = b'{"imageLayoutVersion":"1.0.0"}'
_NAME: Final = "org.opencontainers.image.ref.name"
_FACTS: Final = "holdfast.manifest"
_MEDIA: Final = "application/vnd.oci.image.index.v1+json"
Descriptor = dict[str, Any]


def is_kept(store: LocalStore) -> bool:
    """Tell whether a folder is kept as a layout."""
    return store.size(layout.OCI_LAYOUT) is not None


def begin(store: LocalStore) -> None:
    """Have a folder kept as a layout from here on; its index is still to be written."""
    store.replace(layout.OCI_LAYOUT, _VERSION)


def held(state: State) -> Iterator[Record]:
    """Go through the versions that have bytes here: neither purged nor mere references."""
    return (record for record in state.present() if record.reference is None)


def names_of(state: State) -> dict[str, str]:
    """Map the tags of a model to versions that have their bytes: versions, stages and aliases."""
    if not state.exists:
        return {}
    present = {record.version for record in held(state)}
    moving = {name: getattr(state, name) for name in BUILT_IN - {"latest"}}
    tags = {"latest": state.latest(), **moving, **state.aliases}
    tags |= {tag: version for version in sorted(present) if (tag := tag_of(version))}
    return {tag: version for tag, version in sorted(tags.items()) if version in present}


def pack_of(blobs: Blobs, record: Record, manifest: Manifest) -> Pack:
    """Return a version's artifact: what was pushed, else what is made of its manifest."""
    pushed = pushed_file(manifest)
    if pushed is not None:
        return Pack(blobs.read(pushed.sha256), b"")
    return pack(manifest, record.manifest, len(blobs.read(record.manifest)))


def packed_digests(blobs: Blobs, record: Record, manifest: Manifest) -> tuple[str, ...]:
    """Return the digests of documents that a layout has of a version besides its own blobs."""
    if pushed_file(manifest) is not None:
        return ()
    made = pack_of(blobs, record, manifest)
    return made.digest, digest_of(made.config)


def keep(
    store: LocalStore, blobs: Blobs, state: State, anew: Iterable[str], limit: Limit | None
) -> None:
    """Bring what the index says of a model to what its state says, where the folder is a layout.

    Args:
        anew: Versions whose documents are to be made anew; what the index says of others is
            believed.
        limit: How long others that write it are waited for; `None` where locks do not reach all.
    """
    if not is_kept(store) or not is_repository(state.model):
        return
    with _turn(store, limit):
        before = _read(store)
        others = [entry for entry in before if _model(entry) != state.model]
        own = entries_of(blobs, state, _known(before, state, anew), store)
        after = sorted(others + own, key=_ref_name)
        if after != before or store.size(layout.OCI_INDEX) is None:
            store.replace(layout.OCI_INDEX, _encoded(after))


def keep_all(store: LocalStore, blobs: Blobs, states: Iterable[State], limit: Limit | None) -> None:
    """Write the whole index anew, in one go."""
    with _turn(store, limit):
        named = (state for state in states if is_repository(state.model))
        entries = [entry for state in named for entry in entries_of(blobs, state, {}, store)]
        store.replace(layout.OCI_INDEX, _encoded(sorted(entries, key=_ref_name)))


@contextlib.contextmanager
def _turn(store: LocalStore, limit: Limit | None) -> Iterator[None]:
    if limit is None:
        yield
        return
    with locks.exclusive(store.path(layout.OCI_LOCK), "writing index.json", limit):
        yield


def entries_of(
    blobs: Blobs, state: State, known: dict[str, Descriptor], store: LocalStore | None = None
) -> list[Descriptor]:
    """Return what an index says of a model.

    Args:
        known: Descriptors by manifest that are right already.
        store: Where documents that are new are put; `None` puts them nowhere.
    """
    by_version: dict[str, Descriptor] = {}
    entries = []
    for tag, version in names_of(state).items():
        if version not in by_version:
            record = state.versions[version]
            by_version[version] = known.get(record.manifest) or _described(blobs, record, store)
        described = by_version[version]
        annotations = described["annotations"] | {_NAME: f"{state.model}:{tag}"}
        entries.append(described | {"annotations": annotations})
    return entries


def _described(blobs: Blobs, record: Record, store: LocalStore | None) -> Descriptor:
    manifest = blobs.manifest(record.manifest)
    made = pack_of(blobs, record, manifest)
    if store is not None and pushed_file(manifest) is None:
        blobs.add_bytes(made.config)
        blobs.add_bytes(made.manifest)
    return {
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "digest": f"sha256:{made.digest}",
        "size": len(made.manifest),
        "annotations": {_FACTS: f"sha256:{record.manifest}"},
    }


def _known(before: list[Descriptor], state: State, anew: Iterable[str]) -> dict[str, Descriptor]:
    """Return the descriptors that an index has of versions that did not change, by manifest."""
    wanted = {f"sha256:{state.versions[version].manifest}" for version in anew}
    known = {}
    for entry in before:
        facts = entry["annotations"].get(_FACTS, "")
        if _model(entry) == state.model and facts not in wanted:
            known[facts.removeprefix("sha256:")] = entry | {"annotations": {_FACTS: facts}}
    return known


def _ref_name(entry: Descriptor) -> str:
    return str(entry["annotations"][_NAME])


def _model(entry: Descriptor) -> str:
    return _ref_name(entry).rpartition(":")[0]


def _read(store: LocalStore) -> list[Descriptor]:
    """Read the index; what is broken counts as empty, and is made anew."""
    try:
        index = strict_json.decode(store.read(layout.OCI_INDEX) or b"", dict[str, Any])
        entries: list[Descriptor] = index["manifests"]
        return entries if all(_model(entry) for entry in entries) else []
    except (ValueError, KeyError, TypeError, StoreError):
        return []


def _encoded(entries: list[Descriptor]) -> bytes:
    index = {"schemaVersion": 2, "mediaType": _MEDIA, "manifests": entries}
    return msgspec.json.encode(index, order="sorted") + b"\n"


def problems(store: LocalStore, blobs: Blobs, state: State) -> Iterator[tuple[str, str]]:
    """Go through what a layout should say of a model and does not: key and problem."""
    if not is_kept(store) or not is_repository(state.model):
        return
    stored = [entry for entry in _read(store) if _model(entry) == state.model]
    wanted = entries_of(blobs, state, {})
    if stored != sorted(wanted, key=_ref_name):
        yield layout.OCI_INDEX, f"says something else of {state.model} than the journal"
    for record in held(state):
        for digest in packed_digests(blobs, record, blobs.manifest(record.manifest)):
            damage = blobs.check(digest)
            if damage is not None:
                yield layout.blob(digest), f"{damage.predicate}, and index.json leads to it"
