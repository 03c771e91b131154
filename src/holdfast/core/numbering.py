"""How a version gets its number: the one asked for, or the least that its schemas demand."""

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from holdfast.core import version as versions
from holdfast.core.events import Origin, Registered
from holdfast.core.gate import schema_changes
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest, decode, differing_fields, digest_of, encode
from holdfast.core.schema import rules
from holdfast.core.schema_change import SchemaChange
from holdfast.core.state import Record, State
from holdfast.core.version import Bump, Level, Version
from holdfast.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    RefusedError,
    VersionTakenError,
)

_TOLD: Final = 3
SIDES: Final = ("input_schema", "output_schema")


@dataclass(frozen=True, slots=True)
class Registration:
    """A version to be registered; its manifest's bytes are stored before the event names them.

    Attributes:
        stored: The manifest as its bytes are read.
    """

    manifest: Manifest
    raw: bytes
    event: Registered
    stored: Manifest


def bases_of(state: State, asked: Version | Bump) -> list[Record]:
    """Return the version a new one is measured against, then those whose schemas stand in for its.

    An exact version is measured against the highest one below it, a bump against the highest
    release. Where that one declares no input or output schema, the highest below that does follows.
    Purged versions count: their manifests stay. Empty for the first version.
    """
    top = _top(state, asked)
    if top is None:
        return []
    highest = (
        versions.order(str(asked)) if isinstance(asked, Version) else versions.order(top.version)
    )
    bases = [top]
    absent_sides = [side for side in SIDES if side in state.sides and side not in top.schemas]
    declaring = [r for r in state.versions.values() if r.schemas] if absent_sides else []
    below = [r for r in declaring if versions.order(r.version) <= highest]
    for side in absent_sides:
        ones = (record for record in below if side in record.schemas)
        base = max(ones, key=lambda record: versions.order(record.version), default=None)
        bases += [base] if base is not None else []
    return list({record.number: record for record in bases}.values())


def _top(state: State, asked: Version | Bump) -> Record | None:
    """Return the highest version up to one that is asked for, or the highest release."""
    if not isinstance(asked, Version):
        return state.versions[state.highest] if state.highest else None
    highest = versions.order(str(asked))
    below = (r for r in state.versions.values() if versions.order(r.version) <= highest)
    return max(below, key=lambda record: versions.order(record.version), default=None)


def taken_by(state: State, asked: Version | Bump) -> Record | None:
    """Return the version that already has the exact number asked for.

    Raises:
        ConflictError: If one differs from it in build metadata alone.
    """
    if not isinstance(asked, Version):
        return None
    wanted = str(asked)
    plain = wanted.partition("+")[0]
    for text in state.versions:
        if text != wanted and text.startswith(plain) and text.partition("+")[0] == plain:
            raise ConflictError(
                f"{state.model}@{asked}",
                f"differs from {text} only in build metadata, which has no order",
                "raise the version",
            )
    return state.versions.get(wanted)


def register(
    state: State,
    draft: Manifest,
    asked: Version | Bump,
    base: Manifest | None,
    at: str,
) -> Registration:
    """Give *draft* its version and number.

    Args:
        state: The model.
        draft: All facts; version, number and time are filled in here.
        asked: An exact version that nobody bears, or how far to raise the highest release.
        base: Manifest of the first of `bases_of`, with the last schemas declared below it.
        at: Time of the entry.

    Raises:
        RefusedError: If the version claims less than its schema changes demand.
    """
    version, why = _choose(draft, asked, base)
    if base is None and state.versions:
        why = "asked for; lower than all other versions"
    manifest = replace(draft, version=str(version), number=state.next_number, registered_at=at)
    return record(manifest, why)


def record(manifest: Manifest, why: str) -> Registration:
    """Write *manifest* and the event that names it."""
    raw = encode(manifest)
    digest = digest_of(raw)
    try:
        stored = decode(raw, digest)
    except DamagedError as error:
        raise InvalidInputError(
            f"facts of {manifest.name}@{manifest.version}",
            error.problem,
            "give each the type that the manifest demands",
        ) from error
    event = registered(manifest, manifest.number, digest, why)
    return Registration(manifest, raw, event, stored)


def imported(state: State, manifest: Manifest, digest: str, why: str, origin: Origin) -> Registered:
    """Take over a version of another registry: its manifest stays as it is, its number is ours."""
    return taken_over(registered(manifest, state.next_number, digest, why), origin)


def taken_over(event: Registered, origin: Origin) -> Registered:
    """Return the registration with the place it comes from."""
    return replace(event, origin=origin)


def registered(manifest: Manifest, number: int, digest: str, why: str) -> Registered:
    """Write the event that names a manifest by its *digest*.

    Raises:
        InvalidInputError: If its version has become too long to be read again.
    """
    versions.parse(manifest.version)
    return Registered(
        version=manifest.version,
        number=number,
        manifest=digest,
        size_bytes=manifest.size_bytes,
        metrics=manifest.metrics,
        why=why,
        schemas=tuple(side for side in SIDES if getattr(manifest, side) is not None),
        reference=None if manifest.reference is UNSET else manifest.reference,
    )


def again(state: State, record: Record, existing: Manifest, draft: Manifest) -> Unchanged:
    """Answer a registration under a version that is taken: the same content is a repetition.

    Raises:
        VersionTakenError: If the bytes or the facts differ; both digests are shown.
        ConflictError: If the version was purged.
    """
    ref = f"{state.model}@{record.version}"
    if record.status == "purged":
        raise ConflictError(
            ref, "was purged, and a version is never used twice", "raise the version"
        )
    differing = differing_fields(existing, draft)
    if not differing:
        return Unchanged(f"the same bytes and facts are registered as {ref}", record.version)
    for role in sorted(existing.artifacts.keys() | draft.artifacts.keys()):
        theirs, ours = _digest(existing, role), _digest(draft, role)
        if theirs != ours:
            raise VersionTakenError(ref, f"bytes of {role}", theirs, ours)
    placed = replace(
        draft,
        version=record.version,
        number=record.number,
        registered_at=existing.registered_at,
        registered_by=existing.registered_by,
    )
    ours = digest_of(encode(placed))
    raise VersionTakenError(
        ref, f"facts ({', '.join(differing)})", f"sha256:{record.manifest}", f"sha256:{ours}"
    )


def require_same_deed(key: str, ref: str, existing: Manifest, draft: Manifest) -> None:
    """Check that a registration under a used idempotency key is the one it was used for.

    Raises:
        ConflictError: If bytes or facts differ; the fields are named, and both digests of bytes.
    """
    differing = differing_fields(existing, draft)
    if not differing:
        return
    for role in sorted(existing.artifacts.keys() | draft.artifacts.keys()):
        before, now = _digest(existing, role), _digest(draft, role)
        if before != now:
            raise _reused(key, ref, f"other bytes of {role} ({before}, not {now})")
    raise _reused(key, ref, f"other facts ({', '.join(differing)})")


def _reused(key: str, ref: str, what: str) -> ConflictError:
    return ConflictError(f"key {key!r}", f"registered {ref} with {what}", "use another key")


def _digest(manifest: Manifest, role: str) -> str:
    artifact = manifest.artifacts.get(role)
    return f"sha256:{artifact.digest}" if artifact else "nothing"


def _choose(draft: Manifest, asked: Version | Bump, base: Manifest | None) -> tuple[Version, str]:
    if base is None:
        first = asked if isinstance(asked, Version) else versions.FIRST
        return first, "the first version"
    below = versions.parse(base.version)
    changes = schema_changes(base, draft)
    demanded = _demanded(rules.demanded(changes), below)
    if not isinstance(asked, Version) and asked == "auto":  # a version equals no other text
        level: Level = versions.stronger(demanded or "minor", "minor")
        return versions.bump(below, level), _reason(level, changes, base)
    version = asked if isinstance(asked, Version) else versions.bump(below, asked)
    claimed = versions.level_between(below, version)
    if demanded is not None and versions.stronger(claimed, demanded) != claimed:
        raise RefusedError(
            f"{draft.name}@{version}",
            f"a {demanded} change of the schema since {base.version}",
            [change.sentence for change in changes if _demanded(change.level, below) == demanded],
            f"register it as {versions.bump(below, demanded)}",
        )
    return version, f"asked for; {_reason(claimed, changes, base)}"


def _demanded(level: Level | None, below: Version) -> Level | None:
    """Before 1.0.0 a raised minor part says that callers break."""
    return "minor" if level == "major" and below.major == 0 else level


def _reason(level: Level, changes: tuple[SchemaChange, ...], base: Manifest) -> str:
    if changes:
        sentences = [change.sentence for change in changes[:_TOLD]]
        more = f" and {len(changes) - _TOLD} more changes" if len(changes) > _TOLD else ""
        return f"{level}: {'; '.join(sentences)}{more} (since {base.version})"
    if base.input_schema is None and base.output_schema is None:
        return f"{level}: no schema is declared, so nothing shows that callers break"
    return f"{level}: the schemas are those of {base.version}"
