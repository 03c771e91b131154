"""The last step of a registration with a server: it decides the number, and is held to the rest."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.entry import Entry
from holdfast.core.events import Registered
from holdfast.core.manifest import Manifest, decode, differing_fields, digest_of
from holdfast.core.version import Bump, Version
from holdfast.core.views import RegistrationResult, version_info
from holdfast.errors import DamagedError
from holdfast.registry import registration
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session
from holdfast.store.remote.problem_answers import shown
from holdfast.store.remote_store import RemoteStore


class Wish(Struct, frozen=True):
    """How a version is to be registered, beside the draft of its manifest.

    Attributes:
        asked: An exact version, or how far to raise the highest release.
        trust: Why files that run code outside the allow-list are accepted.
        labels: Its first tags and texts, and the last entry that they were decided after.
    """

    asked: Version | Bump
    options: CommitOptions
    trust: str | None = None
    labels: dict[str, Any] = {}


def publish(
    session: Session,
    verbs: ServerVerbs,
    draft: Manifest,
    wish: Wish,
) -> RegistrationResult:
    """Have a server register a version whose blobs it has, and check what came of it.

    Raises:
        DamagedError: If what it registered is not what was asked.
    """
    asked, labels = wish.asked, wish.labels
    exact = isinstance(asked, Version)
    arguments = {
        "draft": msgspec.to_builtins(draft),
        "version": str(asked) if exact else None,
        "bump": None if exact else str(asked),
        "trust": wish.trust,
        "labels": labels or None,
        "shares": _lenders(session, draft) or None,
    }
    expected: dict[str, Any] = {"version": str(asked)} if exact else {}
    expected |= {name: labels[name] for name in ("tags", "texts") if name in labels}

    def check_prepared(entry: Entry, prepared: Mapping[str, Any]) -> None:
        assert isinstance(entry.event, Registered)  # noqa: S101 - looked at before
        manifest = prepared_manifest(verbs, draft, entry.event.manifest, prepared)
        _require_same(manifest, verbs, draft, entry)

    verb = ServerVerb("register", (Registered,), arguments, expected, check_prepared)
    outcome = verbs.post(draft.name, verb, wish.options)
    if outcome.entry is None:
        result = verbs.result(outcome.result, RegistrationResult)
        done = outcome.unchanged
        record = outcome.state.versions.get((done and done.version) or result.version.version)
        if record is None or (result.created and done is None):
            raise _other(verbs, draft, "says that it registered a version, but wrote no entry")
        existing = session.open_store.blobs.manifest(record.manifest)
        if differing_fields(existing, draft):
            raise _other(verbs, draft, f"says that {result.ref} is what was sent, which it is not")
        info = version_info(outcome.state, record)
        return RegistrationResult(info, created=False, why=done.why if done else shown(result.why))
    event = outcome.entry.event
    assert isinstance(event, Registered)  # noqa: S101 - `post` has checked it
    _require_same(session.open_store.blobs.manifest(event.manifest), verbs, draft, outcome.entry)
    return registration.registered(session, outcome.state, event, draft)


def _lenders(session: Session, draft: Manifest) -> list[str]:
    """Name other models that files of a draft were found in, and so not sent."""
    store = session.open_store.store
    assert isinstance(store, RemoteStore)  # noqa: S101 - it is the store of a server
    return sorted(store.lenders((file.sha256 for file in draft.files), draft.name))


def prepared_manifest(
    verbs: ServerVerbs, draft: Manifest, digest: str, prepared: Mapping[str, Any]
) -> Manifest:
    """Read the manifest whose digest is to be signed, which came with the entry.

    Raises:
        DamagedError: If it did not, or has another digest.
    """
    text = prepared.get("manifest")
    try:
        raw = base64.b64decode(
            text.encode("ascii") if isinstance(text, str) else b"?", validate=True
        )
    except (binascii.Error, ValueError):
        raise _other(verbs, draft, "prepared an entry without its manifest") from None
    if digest_of(raw) != digest:
        raise _other(verbs, draft, "prepared an entry of another manifest than it sent")
    return decode(raw, digest)


def _require_same(manifest: Manifest, verbs: ServerVerbs, draft: Manifest, entry: Entry) -> None:
    event = entry.event
    assert isinstance(event, Registered)  # noqa: S101 - looked at before
    require_same(manifest, verbs, draft, event, entry.by)


def require_same(
    manifest: Manifest, verbs: ServerVerbs, draft: Manifest, event: Registered, by: str
) -> None:
    """Refuse a manifest that says other than the draft in what is the caller's to say.

    What the server decides must stand in the entry too: it names nobody else as the author, and no
    other version. Of the time and the scan the server's word is taken.

    Raises:
        DamagedError: Naming the field.
    """
    ours = replace(
        draft,
        version=event.version,
        number=event.number,
        registered_at=manifest.registered_at,
        registered_by=by,
        scan=manifest.scan,
    )
    for field in manifest.__struct_fields__:
        if getattr(ours, field) != getattr(manifest, field):
            raise _other(verbs, draft, f"registered {draft.name} with another {field}")


def _other(verbs: ServerVerbs, draft: Manifest, problem: str) -> DamagedError:
    advice = f"look at `holdfast history {draft.name}`, and ask its admin"
    return DamagedError(f"server {verbs.url}", problem, advice)
