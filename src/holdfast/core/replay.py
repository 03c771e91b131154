"""Checks imported entries and manifests by the rules that everything written here obeys.

The fold of a registry's own journal judges nothing again, because each entry was decided before it
was written. Nobody we know decided a bundle's entries and manifests: each must be what the commands
would have written. The gate's verdicts and the schema rules are not checked again, because policies
and rules may have been different then.
"""

from typing import assert_never

from msgspec.structs import replace

from holdfast.core import (
    attachment_commands,
    commands,
    descriptions,
    drift_commands,
    entry,
    events,
    idempotency,
    numbering,
    retraining_commands,
    schema,
    signers,
    training_commands,
)
from holdfast.core import rollout_commands as rollouts
from holdfast.core.approvals import Mover
from holdfast.core.drift.drift_events import DriftEvent
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent
from holdfast.core.gate import Verdict
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest, check, clean_metrics, is_digest
from holdfast.core.retention import PurgeDecision, PurgePlan
from holdfast.core.rollout.rollout_events import RolloutEvent
from holdfast.core.signers import Signer
from holdfast.core.state import Record, State
from holdfast.core.version import parse
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError

_ADVICE = "copy the bundle again"


def check_manifest(manifest: Manifest, model: str) -> None:
    """Check that a registration could have written *manifest*.

    Raises:
        DamagedError: If it is of another model, or a version, role, path, digest, metric or schema
            in it is invalid.
    """
    subject = f"manifest of {manifest.name}@{manifest.version}"
    if manifest.name != model:
        raise DamagedError(subject, f"does not belong to {model}", _ADVICE)
    try:
        check(manifest)
        clean_metrics(manifest.metrics)
        schema.parse(manifest.input_schema, "input_schema")
        schema.parse(manifest.output_schema, "output_schema")
    except InvalidInputError as error:
        raise DamagedError(subject, f"cannot come from a registration: {error}", _ADVICE) from error


def check_entry(state: State, next_entry: Entry, manifest: Manifest | None) -> None:
    """Check that the commands would have written an entry right behind *state*.

    Args:
        state: The model before it.
        next_entry: The entry, read at its place.
        manifest: The one a registration names, checked; `None` for every other event.

    Raises:
        DamagedError: If they would not.
    """
    subject = f"entry {next_entry.seq} of {state.model}"
    if not entry.follows(next_entry.at, state.at):
        raise DamagedError(
            subject, f"has the time {next_entry.at!r}, which does not follow {state.at}", _ADVICE
        )
    missing = [version for version in _presumed(next_entry.event) if version not in state.versions]
    if missing:
        raise DamagedError(
            subject, f"names the version {missing[0]!r}, which does not exist", _ADVICE
        )
    try:
        repeated = idempotency.repeated(state, next_entry.key, type(next_entry.event))
        decided = repeated or _decided(state, next_entry, manifest)
    except HoldfastError as error:
        raise DamagedError(
            subject, f"cannot have been written by Holdfast: {error}", _ADVICE
        ) from error
    if decided != next_entry.event:
        why = (
            decided.why
            if isinstance(decided, Unchanged)
            else "its facts differ from those it would have had"
        )
        raise DamagedError(subject, f"cannot have been written by Holdfast: {why}", _ADVICE)


def _presumed(event: AnyEvent) -> tuple[str, ...]:
    """Name the versions that must be there before an event."""
    registered = events.registration(event)
    new = registered.version if registered else None
    return tuple(version for version in event.versions() if version != new)


def _decided(state: State, next_entry: Entry, manifest: Manifest | None) -> AnyEvent | Unchanged:
    event = next_entry.event
    match event:
        case events.Registered():
            return _registered(state, event, manifest)
        case events.Retrained():
            return _retrained(state, event, manifest)
        case events.TrainingFailed() | events.Described():
            return _told(state, event)
        case events.PolicySet():
            decided = commands.set_policy(state, event.policy)
            if isinstance(decided, Unchanged) or event.was is not None:
                return decided
            return replace(decided, was=None)  # written before this was kept
        case events.AliasRemoved():
            return commands.remove_alias(state, event.alias, by_force=event.forced)
        case events.Purged():
            rows = tuple(
                PurgeDecision(version, purge=True, reason=reason, size_bytes=0)
                for version, reason in event.reasons.items()
            )
            return commands.purge(state, PurgePlan(state.model, rows, "purged"))
        case events.Deleted():
            return commands.delete(state, by_force=True)
        case events.Promoted() | events.RolledBack() | events.Staged() | events.Archived():
            return _moved(state, event)
        case RolloutEvent():
            return rollouts.again(state, event)
        case DriftEvent():
            return drift_commands.again(state, event)
        case _:
            return _annotated(state, next_entry, event)


def _told(state: State, event: events.TrainingFailed | events.Described) -> AnyEvent | Unchanged:
    if isinstance(event, events.TrainingFailed):
        return training_commands.training_failed(event)
    return descriptions.describe(state, event.version, event.texts)


def _registered(
    state: State, event: events.Registered, manifest: Manifest | None
) -> AnyEvent | Unchanged:
    if manifest is None or manifest.version != event.version:
        raise InvalidInputError(f"version {event.version}", "names a manifest of another version")
    if numbering.taken_by(state, parse(event.version)) is not None:
        return Unchanged(f"{event.version} is already registered", event.version)
    number = manifest.number if event.origin is None else state.next_number
    if number != state.next_number:
        return Unchanged(f"its manifest has the number {number}", event.version)
    made = numbering.registered(manifest, number, event.manifest, event.why)
    descriptions.check_texts(event.texts)
    descriptions.check_texts(event.tags)
    made = replace(made, tags=event.tags, texts=event.texts)
    return made if event.origin is None else numbering.taken_over(made, event.origin)


def _retrained(
    state: State, event: events.Retrained, manifest: Manifest | None
) -> AnyEvent | Unchanged:
    decided = retraining_commands.retrained(state, event)
    if isinstance(decided, Unchanged) or event.registered is None:
        return decided
    registered = _registered(state, event.registered, manifest)
    if isinstance(registered, events.Registered):
        return replace(decided, registered=registered)
    return registered


def _moved(
    state: State, event: events.Promoted | events.RolledBack | events.Staged | events.Archived
) -> AnyEvent | Unchanged:
    record = state.versions[event.version]
    match event:
        case events.Promoted():
            verdict = Verdict(event.refused, (), event.remarks)
            return commands.promote(state, record, verdict, by_force=event.forced)
        case events.RolledBack():
            return commands.rollback(state, record, event.undoes)
        case events.Staged():
            return commands.stage(state, record)
        case events.Archived():
            return commands.archive(state, record)
        case _:
            assert_never(event)


def _mover(next_entry: Entry) -> Mover:
    key = next_entry.signature.key if next_entry.signature else None
    return Mover(next_entry.by, key, next_entry.auth)


def _annotated(
    state: State, next_entry: Entry, event: events.Annotation | events.AliasSet
) -> AnyEvent | Unchanged:
    record: Record = state.versions[event.version]
    match event:
        case events.AliasSet():
            return commands.set_alias(
                state, event.alias, record, _mover(next_entry), by_force=event.forced
            )
        case events.Tagged():
            return commands.tag(state, record, event.tags)
        case events.Noted():
            return commands.note(record, event.text)
        case events.Evaluated():
            return _evaluated(state, record, event)
        case events.Approved():
            return commands.approve(state, record, _mover(next_entry))
        case events.Trusted():
            return commands.trust(state, record, event.scan)
        case events.Signed():
            if not is_digest(event.signature):
                raise InvalidInputError("signature", "has no digest")
            signers.check({next_entry.by: Signer(ec=event.key)})
            return commands.sign(state, record, event.key, event.signature)
        case events.Attached():
            return attachment_commands.attach(state, record, event)
        case events.Held():
            return commands.hold(state, record)
        case events.Released():
            return commands.release(record)
        case _:
            assert_never(event)


def _evaluated(state: State, record: Record, event: events.Evaluated) -> AnyEvent:
    champion = event.measured.champion if event.measured else None
    if champion is not None and champion.version not in state.versions:
        raise InvalidInputError(f"champion {champion.version}", "is not a version of the model")
    return commands.evaluate(record, event.metrics, event.dataset, event.losses, event.measured)
