"""What comes from elsewhere, held against the rules that everything written here obeys.

The fold of a registry's own journal judges nothing again, for each entry was decided before it was
written. A bundle's entries and manifests were decided by nobody we know: each must be what the
commands would have written. The gate's verdicts and the schema rules are taken as told, for a
policy or a rule may have been another then.
"""

from typing import assert_never

from msgspec.structs import replace

from holdfast.core import commands, entry, events, registration, schema, signers
from holdfast.core.commands import Unchanged
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent
from holdfast.core.manifest import Manifest, check, clean_metrics, is_digest
from holdfast.core.policy import Verdict
from holdfast.core.retention import Plan, Row
from holdfast.core.rollout import commands as rollouts
from holdfast.core.rollout.events import RolloutEvent
from holdfast.core.signers import Signer
from holdfast.core.state import Record, State
from holdfast.core.version import parse
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError

_ADVICE = "copy the bundle again"


def check_manifest(manifest: Manifest, model: str) -> None:
    """Check that a registration could have written *manifest*.

    Raises:
        DamagedError: If it is of another model, or a version, role, path, digest, metric or schema
            in it is none.
    """
    subject = f"manifest of {manifest.name}@{manifest.version}"
    if manifest.name != model:
        raise DamagedError(subject, f"is not of {model}", _ADVICE)
    try:
        check(manifest)
        clean_metrics(manifest.metrics)
        schema.parse(manifest.input_schema, "input_schema")
        schema.parse(manifest.output_schema, "output_schema")
    except InvalidInputError as error:
        raise DamagedError(subject, f"no registration wrote it: {error}", _ADVICE) from error


def check_entry(state: State, told: Entry, manifest: Manifest | None) -> None:
    """Check that the commands would have written an entry right behind *state*.

    Args:
        state: The model before it.
        told: The entry, read at its place.
        manifest: The one a registration names, checked; `None` for every other event.

    Raises:
        DamagedError: If they would not.
    """
    subject = f"entry {told.seq} of {state.model}"
    if not entry.follows(told.at, state.at):
        raise DamagedError(subject, f"its time {told.at!r} does not follow {state.at}", _ADVICE)
    missing = [version for version in _presumed(told.event) if version not in state.versions]
    if missing:
        raise DamagedError(subject, f"there is no version {missing[0]!r}", _ADVICE)
    try:
        repeated = commands.repeated(state, told.key, type(told.event))
        decided = repeated or _decided(state, told, manifest)
    except HoldfastError as error:
        raise DamagedError(subject, f"nobody could have written it: {error}", _ADVICE) from error
    if decided != told.event:
        why = decided.why if isinstance(decided, Unchanged) else "its facts were others"
        raise DamagedError(subject, f"nobody could have written it: {why}", _ADVICE)


def _presumed(event: AnyEvent) -> tuple[str, ...]:
    """Name the versions that must be there before an event."""
    return () if isinstance(event, events.Registered) else event.versions()


def _decided(state: State, told: Entry, manifest: Manifest | None) -> AnyEvent | Unchanged:
    event = told.event
    match event:
        case events.Registered():
            return _registered(state, event, manifest)
        case events.PolicySet():
            decided = commands.set_policy(state, event.policy)
            if isinstance(decided, Unchanged) or event.was is not None:
                return decided
            return replace(decided, was=None)  # written before this was kept
        case events.AliasRemoved():
            return commands.remove_alias(state, event.alias, by_force=event.forced)
        case events.Purged():
            rows = tuple(
                Row(version, purge=True, reason=reason, size_bytes=0)
                for version, reason in event.reasons.items()
            )
            return commands.purge(state, Plan(state.model, rows, "purged"))
        case events.Deleted():
            return commands.delete(state, by_force=True)
        case events.Promoted() | events.RolledBack() | events.Staged() | events.Archived():
            return _moved(state, event)
        case RolloutEvent():
            return rollouts.again(state, event)
        case _:
            return _annotated(state, told, event)


def _registered(
    state: State, event: events.Registered, manifest: Manifest | None
) -> AnyEvent | Unchanged:
    if manifest is None or manifest.version != event.version:
        raise InvalidInputError(f"version {event.version}", "its manifest is of another")
    if registration.taken_by(state, parse(event.version)) is not None:
        return Unchanged(f"{event.version} is registered already", event.version)
    number = manifest.number if event.origin is None else state.next_number
    if number != state.next_number:
        return Unchanged(f"its manifest has the number {number}", event.version)
    made = registration.registered(manifest, number, event.manifest, event.why)
    return made if event.origin is None else registration.taken_over(made, event.origin)


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


def _annotated(
    state: State, told: Entry, event: events.Annotation | events.AliasSet
) -> AnyEvent | Unchanged:
    record: Record = state.versions[event.version]
    match event:
        case events.AliasSet():
            return commands.set_alias(state, event.alias, record, told.by, by_force=event.forced)
        case events.Tagged():
            return commands.tag(state, record, event.tags)
        case events.Noted():
            return commands.note(record, event.text)
        case events.Evaluated():
            return commands.evaluate(record, event.metrics, event.dataset, event.losses)
        case events.Approved():
            return commands.approve(state, record, told.by)
        case events.Trusted():
            return commands.trust(state, record, event.scan)
        case events.Signed():
            if not is_digest(event.signature):
                raise InvalidInputError("signature", "has no digest")
            signers.check({told.by: Signer(ec=event.key)})
            return commands.sign(state, record, event.key, event.signature)
        case events.Held():
            return commands.hold(state, record)
        case events.Released():
            return commands.release(record)
        case _:
            assert_never(event)
