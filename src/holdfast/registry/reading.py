"""The verbs that only look: the list of models, comparison, status and history."""

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from holdfast.core import clocks, history, signers
from holdfast.core import compare as comparing
from holdfast.core.compare import Comparison, Side
from holdfast.core.entry import Entry, format_time, parse_time
from holdfast.core.events import Past, PolicySet
from holdfast.core.fleet import Serving, serving
from holdfast.core.heads import Head
from holdfast.core.policy import Policy
from holdfast.core.signers import Signer
from holdfast.core.state import Move, Record, State
from holdfast.core.views import (
    Before,
    ModelInfo,
    Status,
    model_info,
    served_s,
    version_info,
)
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry.session import Session

if TYPE_CHECKING:
    from holdfast.core.standing import Standing
    from holdfast.registry.incomplete import Incomplete

_SHOWN_MOVES = 5


def models(session: Session, at: str | None) -> list[ModelInfo]:
    """Show every model there was *at* a time; a journal that cannot be read hides no other."""
    shown = []
    for name in session.models() if at is None else sorted(session.journals()):
        try:
            shown.append(model_info(session.state(name, at)))
        except NotFoundError:  # registered later, or deleted before
            continue
        except HoldfastError as error:
            shown.append(ModelInfo(name, damage=str(error)))
    return shown


def overview(session: Session, at: str | None) -> "list[Standing]":
    """Tell where every model stands, those that ask for a look first."""
    from holdfast.core.standing import damaged, standing, worst_first

    shown = []
    for name in session.models() if at is None else sorted(session.journals()):
        try:
            state = session.state(name, at)
            shown.append(standing(state, _serving(session, state) if at is None else None))
        except NotFoundError:  # registered later, or deleted before
            continue
        except HoldfastError as error:
            shown.append(damaged(name, str(error)))
    return worst_first(shown)


def compare(session: Session, a: str, b: str) -> Comparison:
    """Put two versions side by side, *b* against *a*."""
    state, one = session.find(a)
    other_state, other = session.find(b)
    if state.model != other_state.model:
        raise InvalidInputError(
            f"{a} and {b}", "are versions of two models", "compare two versions of one"
        )
    from holdfast.registry import losses

    paired, unpaired = losses.pair(session, one, other, state.policy.directions)
    compared = _compared(session, state, one, other)
    return replace(compared, paired=paired, unpaired=unpaired)


def _compared(session: Session, state: State, a: Record, b: Record) -> Comparison:
    return comparing.compare(
        Side(session.manifest(a), a.metrics),
        Side(session.manifest(b), b.metrics),
        state.policy.directions,
    )


def status(session: Session, model: str, at: str | None) -> Status:
    """Gather the screen for whoever is on call."""
    try:
        state = session.state(model, at)
    except DamagedError:
        from holdfast.registry import incomplete

        found = incomplete.read(session, model) if at is None else None
        if found is None:
            raise
        return _incomplete_status(session, found)
    session.require_same()
    now = parse_time(at) if at else format_time(session.clock())
    live = state.live
    record = state.versions[state.production] if state.production else None
    before = state.versions[state.previous] if state.previous else None
    return Status(
        model=model,
        at=now,
        live=version_info(state, record) if record else None,
        **_moved(live),
        before=_before(session, state, before, now) if before else None,
        comparison=_comparison(session, state, before, record) if before and record else None,
        staging=state.staging,
        latest=state.latest(),
        versions=sum(1 for _ in state.present()),
        moves=_last_moves(session, model, at),
        command=f'holdfast rollback {quote(model)} --expect {state.production} --reason "…"'
        if before and at is None
        else None,
        rollout=state.rollout,
        serving=_serving(session, state) if at is None else None,
        undo=_undo(state) if at is None else None,
        remarks=tuple(clocks.remarks(state, now)) if at is None else (),
    )


def _incomplete_status(session: Session, found: "Incomplete") -> Status:
    """Gather what the entries behind a damaged one still prove."""
    state = found.state
    live = state.live if found.live_known else None
    version = live.version if live else None
    record = state.versions.get(version or "") if found.holds(version) else None
    return Status(
        model=state.model,
        at=format_time(session.clock()),
        live=version_info(state, record) if record else None,
        **_moved(live),
        before=None,
        comparison=None,
        staging=None,
        latest=None,
        versions=len(found.known),
        moves=tuple(history.past(entry) for entry in reversed(found.newest)),
        command=None,
        damage=str(found.damage),
    )


def _moved(live: Move | None) -> dict[str, Any]:
    """Tell how a version came to be live, by the fields of `Status`."""
    return {
        "since": live.at if live else None,
        "by": live.by if live else None,
        "reason": live.reason if live else None,
        "how": live.how if live else None,
        "forced": live.forced if live else False,
    }


def _undo(state: State) -> str | None:
    """Return the way forward again after a rollback, as long as the version has its bytes."""
    live = state.live
    if live is None or live.was is None or live.how != "rolled_back":
        return None
    if state.versions[live.was].status == "purged":
        return None
    return f'holdfast rollback {quote(state.model)} --to {live.was} --reason "…"'


def _serving(session: Session, state: State) -> Serving | None:
    from holdfast.registry.fleet import Fleet

    found = serving(Fleet(session).servers(state.model), state.production, session.clock())
    return found if found.workers or found.lagging else None


def _comparison(session: Session, state: State, a: Record, b: Record) -> Comparison | None:
    try:
        return _compared(session, state, a, b)
    except HoldfastError:  # what is live and how to go back is told without it
        return None


def _before(session: Session, state: State, record: Record, now: str) -> Before:
    from holdfast.registry.verifying import version_damages

    damages = version_damages(session, state.model, record)
    return Before(record.version, served_s(state.moves, record.version, now), damages)


def _last_moves(session: Session, model: str, at: str | None) -> tuple[Past, ...]:
    if at is None:
        entries = session.ledger(model).last(_SHOWN_MOVES)
    else:
        past = history.until(session.ledger(model).entries(), parse_time(at))
        entries = list(past)[-_SHOWN_MOVES:]
    return tuple(history.past(entry) for entry in reversed(entries))


def history_of(session: Session, model: str, at: str | None) -> list[Past]:
    """List everything that happened to a model, deleted or not, oldest first, up to *at*.

    A signer is named where the policy then in force, or today's, lists the key and the signature
    holds.
    """
    session.require_known(model)
    session.require_same()
    today = session.ledger(model).state().policy
    entries = session.ledger(model).entries()
    wanted = entries if at is None else history.until(entries, parse_time(at))
    told, then = [], Policy()
    for entry in wanted:
        told.append(history.told(entry, _signer(entry, today.signers | then.signers)))
        then = entry.event.policy if isinstance(entry.event, PolicySet) else then
    return told


def entries(session: Session, model: str, after: int) -> list[Entry]:
    """Return a model's entries behind number *after*, oldest first, deleted or not."""
    session.require_known(model)
    ledger = session.ledger(model)
    return ledger.last(max(0, ledger.state().seq - after))


def _signer(entry: Entry, listed: Mapping[str, Signer]) -> str | None:
    name = signers.name_of(listed, entry.signature.key) if entry.signature else None
    if name is not None:
        from holdfast.signing import require_genuine

        require_genuine(entry)
    return name


def heads(session: Session, model: str | None) -> list[Head]:
    """Return the number and digest of the last entry of one model, or of all that exist."""
    names = session.models() if model is None else [model]
    states = (session.state(name) for name in names)
    return [Head(state.model, state.seq, state.head or "") for state in states]
