"""What a bundle has for people: cards, and links that give the blobs of a version their names.

The folder `model` of a version is what `checkout` writes, so that its signature can be verified
there with other tools.
"""

import json
from dataclasses import dataclass, field

import msgspec

from holdfast.core.cards import classic, cyclonedx, markdown
from holdfast.core.names import escape
from holdfast.core.state import Record, State
from holdfast.registry import model_cards, signatures
from holdfast.registry.bundles import CARDS, FILES
from holdfast.registry.provenance import tool_version
from holdfast.registry.session import Session
from holdfast.signing.bundle import MANIFEST, SIGNATURE


@dataclass(frozen=True, slots=True)
class Readable:
    """Members by name: small ones with their bytes, links with the digest of their blob."""

    small: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def of(session: Session, state: State, records: list[Record]) -> Readable:
    """Return what people find of these versions; of a purged one its cards and manifest."""
    readable = Readable()
    for record in records:
        folder = f"{escape(state.model)}-{escape(record.version)}"
        readable.small.update(
            (f"{folder}/{name}", data)
            for name, data in zip(CARDS, _cards(session, state, record), strict=True)
        )
        if record.status != "purged":
            files = session.manifest(record).files
            readable.links.update((f"{folder}/{FILES}/{file.path}", file.sha256) for file in files)
        readable.links[f"{folder}/{FILES}/{MANIFEST}"] = record.manifest
        signature = signatures.shown(session, state, record)
        if signature is not None:
            readable.small[f"{folder}/{FILES}/{SIGNATURE}"] = signature
    return readable


def _cards(session: Session, state: State, record: Record) -> tuple[bytes, bytes, bytes]:
    manifest, today = session.manifest(record), model_cards.today(state, record)
    return (
        markdown.render(manifest, today).encode(),
        _json(classic.render(manifest, today)),
        _json(cyclonedx.render(manifest, today, tool_version())),
    )


def _json(document: object) -> bytes:
    """Write JSON of ASCII alone: nothing in it steers the terminal of whoever looks at it."""
    return json.dumps(msgspec.to_builtins(document), indent=2).encode() + b"\n"
