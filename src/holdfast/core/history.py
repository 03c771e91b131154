"""The history of a model as people ask for it: sentences, and what was live when."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import assert_never

from msgspec.structs import asdict, replace

from holdfast.core import approvals, events, policy_changes, signers
from holdfast.core.drift import drift_sentences
from holdfast.core.drift.drift_events import DriftEvent
from holdfast.core.entry import Entry
from holdfast.core.evaluation import Evaluation
from holdfast.core.events import Past
from holdfast.core.period import Period
from holdfast.core.rollout import sentences
from holdfast.core.rollout.rollout_events import RolloutEvent
from holdfast.core.state import State
from holdfast.core.wording import span

_NAMED = 3


class Imported(Past, frozen=True):
    """The line of an import.

    Attributes:
        elsewhere: What happened to the version in the registry it came from, oldest first.
    """

    elsewhere: tuple[Past, ...] = ()


def periods(state: State) -> tuple[Period, ...]:
    """List what was live when, oldest first, without gaps between promotions."""
    return tuple(
        Period(
            version=move.version,
            since=move.at,
            until=end.at if end else None,
            by=move.by,
            reason=move.reason,
            how=move.how,
            ended_by=end.by if end else None,
            forced=move.forced,
        )
        for move, end in zip_longest(state.moves, state.moves[1:])
        if move.version is not None
    )


def until(entries: Iterable[Entry], at: str) -> Iterator[Entry]:
    """Pass on the entries written no later than *at* (in the form of entries).

    An entry was written before those behind it, whatever its clock said.
    """
    later: list[Entry] = []
    for entry in entries:
        later.append(entry)
        if entry.at <= at:
            yield from later
            later.clear()


def past(entry: Entry, started: Sequence[int], signer: str | None = None) -> Past:
    """Turn an entry into a line of history.

    Args:
        started: The entries that started the model's rollouts, which number them.
        signer: Whose key signed it, once that is known.
    """
    return Past(
        seq=entry.seq,
        at=entry.at,
        by=entry.by,
        op=events.WORDS[type(entry.event)],
        what=f"{sentence(entry, started)}{_doubt(entry, signer)}",
        reason=entry.reason,
        key=signers.entry_key_id(entry.signature.key) if entry.signature else None,
        signer=signer,
        gate=_gate(entry.event),
        auth=entry.auth,
    )


def _doubt(entry: Entry, signer: str | None) -> str:
    """Mark an approval whose author no key proves and no server authenticated."""
    proven = signer == entry.by or approvals.person(entry) is not None
    doubtful = isinstance(entry.event, events.Approved) and not proven
    return " (claimed)" if doubtful else ""


def _gate(event: events.AnyEvent) -> tuple[str, ...]:
    if isinstance(event, events.Retrained):
        return (*(f"refused: {reason}" for reason in event.refused), *event.remarks)
    if not isinstance(event, events.Promoted):
        return ()
    return (*(f"overridden: {reason}" for reason in event.refused), *event.remarks)


def told(entry: Entry, started: Sequence[int], signer: str | None = None) -> Past:
    """Turn an entry into a line of history, an import into one with all that came before it."""
    line = past(entry, started, signer)
    origin = entry.event.origin if isinstance(entry.event, events.Registered) else None
    return line if origin is None else Imported(**asdict(line), elsewhere=claimed(origin.history))


def claimed(history: Iterable[Past]) -> tuple[Past, ...]:
    """Remove proofs from imported lines: only the entries, left behind, could hold them."""
    return tuple(replace(line, key=None, signer=None, auth=None) for line in history)


def sentence(entry: Entry, started: Sequence[int]) -> str:
    """Say in a few words what an entry did; *started* is as in `past`."""
    event = entry.event
    match event:
        case events.Promoted():
            passed_over = event.refused or event.rollout is None
            forced = " by force" if event.forced and passed_over else ""
            ending = _ending(event.rollout, started)
            return f"promote {_from(event.was)}{event.version}{forced}{ending}"
        case events.RolledBack():
            return f"rollback {event.was} → {event.version}{_ending(event.rollout, started)}"
        case events.Registered():
            verb = "import" if event.origin else "register"
            return f"{verb} {event.version} (v{event.number})"
        case events.Staged():
            return f"stage {event.version}"
        case events.Archived():
            return f"archive {event.version}"
        case events.AliasSet():
            forced = " overriding its protection" if event.forced else ""
            return f"alias {event.alias} → {event.version}{forced}"
        case events.AliasRemoved():
            return f"remove alias {event.alias} (was {event.was})"
        case events.PolicySet() | events.Purged() | events.Deleted() | events.Described():
            return _of_model(event)
        case events.Retrained() | events.TrainingFailed():
            return _trained(event)
        case RolloutEvent() | DriftEvent():
            return _watched(entry.seq, event, started)
        case _:
            return _annotation(event)


def _of_model(
    event: events.PolicySet | events.Purged | events.Deleted | events.Described,
) -> str:
    match event:
        case events.PolicySet():
            return _policy(event)
        case events.Purged():
            return f"purge {_count(tuple(event.reasons))}"
        case events.Deleted():
            return f"delete the model with {_count(event.purged)}"
        case events.Described():
            keys = ", ".join(event.texts)
            return (
                f"describe {event.version or 'the model'}: {keys}" if keys else "create the model"
            )
        case _:
            assert_never(event)


def _trained(event: events.Retrained | events.TrainingFailed) -> str:
    if isinstance(event, events.Retrained):
        return _retrained(event)
    why = f": {event.why}" if event.why else ""
    return f"training failed after {span(event.took_s)}: {event.error}{why}"


def _watched(seq: int, event: events.WatchEvent, started: Sequence[int]) -> str:
    if isinstance(event, DriftEvent):
        return drift_sentences.sentence(event)
    return sentences.sentence(seq, event, started)


def _policy(event: events.PolicySet) -> str:
    if event.was is None:
        return "set policy"
    return (
        f"set policy: {'; '.join(policy_changes.changes(event.was, event.policy)) or 'no change'}"
    )


def _retrained(event: events.Retrained) -> str:
    match event.outcome:
        case "registered":
            result = f"register {_numbered(event.registered)} and stage it"
        case "blocked":
            result = f"register {_numbered(event.registered)}, which the gate refuses"
        case "unchanged":
            result = f"the same model as {event.version}"
        case "failed" | "limit":
            result = f"attempt {event.attempt} failed: {event.why}"
        case "missed":
            result = f"no run in time: {event.why}"
        case "held":
            result = f"held: {event.why}"
        case _:
            assert_never(event.outcome)
    return f"retrain {event.slot}: {result}"


def _numbered(event: events.Registered | None) -> str:
    return f"{event.version} (v{event.number})" if event else "nothing"


def _annotation(
    event: events.Annotation,
) -> str:
    match event:
        case events.Tagged():
            tags = ", ".join(
                f"-{key}" if value is None else f"{key}={value}" if value else key
                for key, value in event.tags.items()
            )
            return f"tag {event.version} {tags}"
        case events.Noted():
            return f"note on {event.version}: {event.text}"
        case events.Evaluated():
            details = ", ".join(f"{name} {value:g}" for name, value in event.metrics.items())
            on = f" on {event.dataset}" if event.dataset else ""
            if event.measured is not None:
                return f"evaluate {event.version}{_measured(event.measured)}: {details}"
            rows = "".join(f", {series.name} of {series.rows} rows" for series in event.losses)
            return f"evaluate {event.version}{on}: {details}{rows}"
        case events.Approved():
            return f"approve {event.version}"
        case events.Trusted():
            details = "; ".join(
                f"{role} names {', '.join(scan.unknown)} (trusted: {scan.trusted})"
                for role, scan in event.scan.items()
            )
            return f"trust {event.version} from another store: {details}"
        case events.Signed():
            key = signers.version_key_id(event.key)
            return f"sign {event.version} with the key {key[:12]}"
        case events.Attached():
            return f"attach {event.kind} sha256:{event.manifest[:12]} to {event.version}"
        case events.Held():
            return f"hold {event.version}"
        case events.Released():
            return f"release {event.version}"
        case _:
            assert_never(event)


def _measured(evaluation: Evaluation) -> str:
    beside = f" beside {evaluation.champion.version}" if evaluation.champion else ""
    return f"{beside}, measured on {evaluation.name} ({evaluation.rows} rows)"


def _from(was: str | None) -> str:
    return f"{was} → " if was else ""


def _ending(rollout: int | None, started: Sequence[int]) -> str:
    return f", ends {sentences.called(rollout, started)}" if rollout else ""


def _count(versions: tuple[str, ...]) -> str:
    if len(versions) > _NAMED:
        return f"{len(versions)} versions ({versions[0]} … {versions[-1]})"
    return ", ".join(versions) or "no versions"
