"""The verbs that only look: the list of models, comparison, status and history."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from msgspec.structs import replace

from holdfast.core import approvals, clocks, history, names, signers
from holdfast.core import compare as comparing
from holdfast.core.compare import Comparison, Side
from holdfast.core.drift_fold import latched
from holdfast.core.entry import Entry, format_time, parse_time
from holdfast.core.evaluation import beside
from holdfast.core.events import Past, PolicySet
from holdfast.core.fleet import Serving, serving
from holdfast.core.heads import Head
from holdfast.core.live_status import Before, Status, served_s
from holdfast.core.moves import Move
from holdfast.core.policy import Policy
from holdfast.core.signers import Signer
from holdfast.core.state import Record, State
from holdfast.core.views import ModelInfo, model_info, version_info
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry.ledger import genuine
from holdfast.registry.opening import NOTHING
from holdfast.registry.session import Session

if TYPE_CHECKING:
    from holdfast.core.stage_matrix import MatrixRow, Trend
    from holdfast.core.standing import ModelSummary
    from holdfast.registry.ahead import Ahead
    from holdfast.registry.incomplete import Incomplete

_SHOWN_MOVES = 5
_SHOWN_PERIODS = 24


def models(session: Session, at: str | None) -> list[ModelInfo]:
    """Show every model there was *at* a time; a journal that cannot be read hides no other."""
    return [
        ModelInfo(name, damage=str(state))
        if isinstance(state, HoldfastError)
        else model_info(state)
        for name, state in all_states(session, at)
    ]


def mistakable(session: Session, name: str) -> tuple[str, ...]:
    """Name the models for which *name* may be a typing error; only their journals are read.

    One whose journal cannot be read may exist, and is named.
    """
    if not session.exists:
        return ()
    near = names.mistakable(name, filter(None, map(partial(_named, session), session.folders())))
    return tuple(other for other in near if _may_exist(session, other))


def _named(session: Session, folder: str) -> str | None:
    """Return the model of a folder; its journal is asked where the folder's name is a cut one."""
    model = unquote(folder)
    try:
        return model if names.escape(model) == folder else session.name_in(folder)
    except HoldfastError:
        return None


def _may_exist(session: Session, model: str) -> bool:
    try:
        return session.ledger(model).state().exists
    except HoldfastError:
        return True


def overview(session: Session, at: str | None) -> "list[ModelSummary]":
    """Summarise every model; those that need attention come first."""
    from holdfast.core.standing import damaged, standing, worst_first

    shown = []
    for name, state in all_states(session, at):
        try:
            if isinstance(state, HoldfastError):
                raise state
            shown.append(standing(state, _serving(session, state) if at is None else None))
        except HoldfastError as error:
            shown.append(damaged(name, str(error)))
    return worst_first(shown)


def matrix(session: Session, at: str | None) -> "list[MatrixRow]":
    """Give a row for every model, by name; one whose journal cannot be read says why."""
    from holdfast.core.stage_matrix import MatrixRow, row
    from holdfast.core.standing import damaged

    rows = []
    for name, state in all_states(session, at):
        try:
            if isinstance(state, HoldfastError):
                raise state
            rows.append(row(state, _serving(session, state) if at is None else None))
        except HoldfastError as error:
            rows.append(MatrixRow(damaged(name, str(error))))
    return rows


def metric_trend(
    session: Session, model: str, metric: str | None, count: int, at: str | None
) -> "Trend":
    """Return one metric's values in the highest versions, and the value that the gate demands."""
    from holdfast.core.gate import demanded
    from holdfast.core.stage_matrix import Trend, leading_metric, trend_of

    state = session.state(model, at)
    shown = metric or leading_metric(state)
    if shown is None:
        return Trend(None)
    live = state.versions[state.production].metrics if state.production else {}
    points = trend_of(state, shown, count)
    return Trend(shown, points, demanded(state.policy, shown, live.get(shown)))


def all_states(session: Session, at: str | None) -> Iterator[tuple[str, State | HoldfastError]]:
    """Go through the models that exist, or did *at* a time, with state or damage.

    Raises:
        InvalidInputError: If *at* is not a time; no model is to look damaged for that.
    """
    if at is not None:
        parse_time(at)
    if at is None and session.exists and not session.open_store.store.traits.is_local:
        from holdfast.registry import listing

        for one in listing.states(session):
            if isinstance(one.state, HoldfastError) or one.state.exists:
                yield one.model, one.state
        return
    for name in session.ever_named() if at is None else sorted(session.journals()):
        try:
            yield name, session.state(name, at)
        except NotFoundError:  # registered later, or deleted before
            continue
        except HoldfastError as error:
            yield name, error


def compare(session: Session, a: str, b: str) -> Comparison:
    """Put two versions side by side, *b* against *a*."""
    state, record = session.find(a)
    other_state, other = session.find(b)
    if state.model != other_state.model:
        raise InvalidInputError(
            f"{a} and {b}", "are versions of different models", "compare two versions of one model"
        )
    from holdfast.registry import losses
    from holdfast.registry.training_verbs import Trainings

    paired, unpaired = losses.pair(session, record, other, state.policy.directions)
    compared = _compared(session, state, record, other)
    measured = beside(record.evaluations, other.evaluations)
    last = Trainings(session).last_values
    curves = comparing.curve_rows(
        last(record.manifest), last(other.manifest), state.policy.directions
    )
    return replace(compared, paired=paired, unpaired=unpaired, measured=measured, curves=curves)


def _compared(session: Session, state: State, a: Record, b: Record) -> Comparison:
    return comparing.compare(
        Side(session.manifest(a), a.metrics),
        Side(session.manifest(b), b.metrics),
        state.policy.directions,
    )


def status(session: Session, model: str, at: str | None) -> Status:
    """Gather the screen for whoever is on call."""
    if at is not None or not session.exists or session.open_store.store.traits.is_local:
        return _status(session, model, at, None)
    from holdfast.registry import ahead

    with ahead.asking(session, model) as asked:
        return _status(session, model, None, asked)


def _status(session: Session, model: str, at: str | None, asked: "Ahead | None") -> Status:
    try:
        state = session.state(model, at, asked.about if asked else NOTHING)
    except DamagedError:
        from holdfast.registry import incomplete

        incomplete_journal = incomplete.read(session, model) if at is None else None
        if incomplete_journal is None:
            raise
        return _incomplete_status(session, incomplete_journal)
    if asked is None:
        session.require_same()
    else:
        asked.settle()
    from shlex import quote

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
        moves=_last_moves(session, state, at),
        command=f'holdfast rollback {quote(model)} --expect {state.production} --reason "…"'
        if before and at is None
        else None,
        rollout=state.rollout,
        findings=latched(state.findings, state.production),
        serving=_serving(session, state, asked) if at is None else None,
        undo=_undo(state) if at is None else None,
        remarks=tuple(clocks.remarks(state, now)) if at is None else (),
        served=history.periods(state)[-_SHOWN_PERIODS:],
    )


def _incomplete_status(session: Session, incomplete_journal: "Incomplete") -> Status:
    """Gather what the entries behind a damaged one still prove."""
    state = incomplete_journal.state
    live = state.live if incomplete_journal.live_known else None
    version = live.version if live else None
    record = state.versions.get(version or "") if incomplete_journal.holds(version) else None
    return Status(
        model=state.model,
        at=format_time(session.clock()),
        live=version_info(state, record) if record else None,
        **_moved(live),
        before=None,
        comparison=None,
        staging=None,
        latest=None,
        versions=len(incomplete_journal.known),
        moves=tuple(
            history.past(entry, state.rollouts) for entry in reversed(incomplete_journal.newest)
        ),
        command=None,
        damage=str(incomplete_journal.damage),
    )


def _moved(live: Move | None) -> dict[str, Any]:
    """Tell how a version went live, by the fields of `Status`."""
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
    from shlex import quote

    return f'holdfast rollback {quote(state.model)} --to {live.was} --reason "…"'


def _serving(session: Session, state: State, asked: "Ahead | None" = None) -> Serving | None:
    from holdfast.registry.fleet_reports import Fleet

    reports = Fleet(session).servers(state.model) if asked is None else asked.reports()
    serving_state = serving(reports, state.production, session.clock())
    return serving_state if serving_state.workers or serving_state.lagging else None


def _comparison(session: Session, state: State, a: Record, b: Record) -> Comparison | None:
    try:
        return _compared(session, state, a, b)
    except HoldfastError:  # what is live and how to go back is shown without it
        return None


def _before(session: Session, state: State, record: Record, now: str) -> Before:
    from holdfast.registry.damage_search import version_damages

    damages = version_damages(session, state.model, record)
    return Before(record.version, served_s(state.moves, record.version, now), damages)


def _last_moves(session: Session, state: State, at: str | None) -> tuple[Past, ...]:
    ledger = session.ledger(state.model)
    if at is None:
        entries = ledger.last(_SHOWN_MOVES, state)
    else:
        past = history.until(ledger.entries(), parse_time(at))
        entries = list(past)[-_SHOWN_MOVES:]
    return tuple(
        history.past(entry, state.rollouts, _approver(state, entry)) for entry in reversed(entries)
    )


def _approver(state: State, entry: Entry) -> str | None:
    """Return who approved by an entry, where a key listed today proves it."""
    return entry.by if approvals.proof(state.policy, entry, genuine) else None


def history_of(session: Session, model: str, at: str | None, last: int | None) -> list[Past]:
    """List what happened to a model, deleted or not, oldest first, up to *at*.

    A signer is named where the policy then in force, or today's, lists the key and the signature
    holds.

    Args:
        last: How many of the newest lines are wanted, `None` for all.
    """
    if last is not None and last < 0:
        raise InvalidInputError("last", f"must be 0 or more, not {last}")
    past_events = None if last is None or at is not None else _newest(session, model, last)
    if past_events is None:
        past_events = _all_of(session, model, at)
    return past_events if last is None else past_events[max(0, len(past_events) - last) :]


def _newest(session: Session, model: str, count: int) -> list[Past] | None:
    """List the last entries alone; `None` where it takes earlier ones to name who signed."""
    session.require_known(model)
    session.require_same()
    ledger = session.ledger(model)
    state = ledger.state()
    page = ledger.last(count, state)
    listed = state.policy.signers
    if any(one.signature and not signers.name_of(listed, one.signature.key) for one in page):
        return None
    return [history.told(entry, state.rollouts, _signer(entry, listed)) for entry in page]


def _all_of(session: Session, model: str, at: str | None) -> list[Past]:
    session.require_known(model)
    session.require_same()
    today = session.ledger(model).state()
    entries = session.ledger(model).entries()
    selected = entries if at is None else history.until(entries, parse_time(at))
    lines, then = [], Policy()
    for entry in selected:
        signer = _signer(entry, today.policy.signers | then.signers)
        lines.append(history.told(entry, today.rollouts, signer))
        then = entry.event.policy if isinstance(entry.event, PolicySet) else then
    return lines


def entries(session: Session, model: str, after: int) -> list[Entry]:
    """Return a model's entries behind number *after*, oldest first, deleted or not."""
    session.require_known(model)
    ledger = session.ledger(model)
    state = ledger.state()
    return ledger.last(max(0, state.seq - after), state)


def rollout_entries(session: Session, model: str) -> tuple[int, ...]:
    """Return the entries that started a model's rollouts, deleted or not."""
    session.require_known(model)
    return tuple(session.ledger(model).state().rollouts)


def _signer(entry: Entry, listed: Mapping[str, Signer]) -> str | None:
    name = signers.name_of(listed, entry.signature.key) if entry.signature else None
    if name is not None:
        from holdfast.signing import require_genuine

        require_genuine(entry)
    return name


def heads(session: Session, model: str | None) -> list[Head]:
    """Return the number and digest of the last entry of one model, or of all that exist."""
    if model is None:
        found = [state for _name, state in all_states(session, None)]
    else:
        found = [session.state(model)]
    states = []
    for state in found:
        if isinstance(state, HoldfastError):
            raise state
        states.append(state)
    return [Head(state.model, state.seq, state.head or "") for state in states]
