"""Searching for versions: by the folded journals, and by manifests only where they must decide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast.core import search as language
from holdfast.core.search import Condition, OrderTerm, SearchedVersion
from holdfast.core.state import State
from holdfast.core.version import Order, order
from holdfast.core.views import Damage, SearchResult, version_info
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, NewerFormatError
from holdfast.registry.queries import all_states
from holdfast.registry.session import Session
from holdfast.store import concurrent


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked: which versions, in which order, how many at most."""

    condition: Condition
    terms: tuple[OrderTerm, ...]
    limit: int | None

    @property
    def sorts_by_manifest(self) -> bool:
        """True if the order needs what only manifests tell."""
        return any(term.field.in_manifest for term in self.terms)


@dataclass(frozen=True, slots=True)
class _Match:
    """A version that matches, by what it is sorted; its manifest is let go of."""

    searched: SearchedVersion
    place: tuple[str, Order, int]
    cells: tuple[Any, ...]


def inquiry(where: str | Sequence[str], order_by: str | None, limit: int | None) -> Inquiry:
    """Read what is asked, before anything is looked at.

    Raises:
        InvalidInputError: If it is malformed.
    """
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidInputError("limit", f"must be a whole number of 1 or more, not {limit!r}")
    conditions = tuple(map(language.parse, [where] if isinstance(where, str) else where))
    terms = () if order_by is None else language.parse_order(order_by)
    return Inquiry(language.Every(conditions), terms, limit)


def search(
    session: Session, inquiry: Inquiry, model: str | Sequence[str] | None, at: str | None
) -> SearchResult:
    """Find the versions that match.

    Raises:
        InvalidInputError: If a name without a family is neither a field nor any version's metric.
        NotFoundError: If a model that was named does not exist.
    """
    states, damages = [], []
    for name, state in _states(session, model, at):
        if isinstance(state, HoldfastError):
            damages.append(_damage(name, None, state))
        else:
            states.append(state)
    _check_metrics(inquiry, states)
    matches, unread = _matches(session, inquiry, states)
    ordered = _ordered(matches, inquiry.terms)[: inquiry.limit]
    return SearchResult(
        versions=tuple(
            version_info(match.searched.state, match.searched.record) for match in ordered
        ),
        total=len(matches),
        damages=(*damages, *unread),
    )


def _states(
    session: Session, model: str | Sequence[str] | None, at: str | None
) -> Iterator[tuple[str, State | HoldfastError]]:
    if model is None:
        yield from all_states(session, at)
        return
    for name in [model] if isinstance(model, str) else sorted(set(model)):
        yield name, session.state(name, at)


def _check_metrics(inquiry: Inquiry, states: Sequence[State]) -> None:
    """Refuse a name that may be a typing error; where there are no versions, nothing tells."""
    asked = [*language.predicates(inquiry.condition)]
    fields = [predicate.field for predicate in asked] + [term.field for term in inquiry.terms]
    if not any(field.metric for field in fields):
        return
    records = [record for state in states for record in state.versions.values()]
    known = {name for record in records for name in record.metrics}
    if records:
        language.check_metrics(asked, known, "where")
        language.check_metrics(inquiry.terms, known, "order_by")


def _matches(
    session: Session, inquiry: Inquiry, states: Sequence[State]
) -> tuple[list[_Match], list[Damage]]:
    matches: list[_Match] = []
    undecided: list[SearchedVersion] = []
    for state in states:
        for record in state.versions.values():
            searched = SearchedVersion(state, record)
            outcome = language.holds(inquiry.condition, searched)
            if outcome is None or (outcome and inquiry.sorts_by_manifest):
                undecided.append(searched)
            elif outcome:
                matches.append(_match(inquiry, searched))
    damages: list[Damage] = []
    if not undecided:
        return matches, damages
    at_once = session.open_store.store.traits.concurrency
    for decided in concurrent.map_ordered(partial(_decided, session, inquiry), undecided, at_once):
        if isinstance(decided, Damage):
            damages.append(decided)
        elif decided is not None:
            matches.append(decided)
    return matches, damages


def _decided(
    session: Session, inquiry: Inquiry, searched: SearchedVersion
) -> _Match | Damage | None:
    """Read a manifest; return the version if it matches, or why nobody knows."""
    model, record = searched.state.model, searched.record
    try:
        manifest = session.manifest(record)
    except (DamagedError, NewerFormatError) as error:
        return _damage(model, record.version, error)
    whole = SearchedVersion(searched.state, record, manifest)
    return _match(inquiry, whole) if language.holds(inquiry.condition, whole) else None


def _match(inquiry: Inquiry, searched: SearchedVersion) -> _Match:
    cells = tuple(
        None if cell is None else language.rank(term.field, cell)
        for term in inquiry.terms
        for cell in (term.field.read(searched),)
    )
    record = searched.record
    position = (searched.state.model, order(record.version), record.number)
    return _Match(SearchedVersion(searched.state, record), position, cells)


def _ordered(matches: list[_Match], terms: Sequence[OrderTerm]) -> list[_Match]:
    """Sort by the last term first: each sort leaves in order what it finds equal."""
    ordered = sorted(matches, key=lambda match: match.place)
    for index in reversed(range(len(terms))):
        having = [match for match in ordered if match.cells[index] is not None]
        lacking = [match for match in ordered if match.cells[index] is None]
        having.sort(key=lambda match: match.cells[index], reverse=terms[index].descending)
        ordered = having + lacking
    return ordered


def _damage(model: str, version: str | None, error: HoldfastError) -> Damage:
    if isinstance(error, DamagedError):
        return Damage(model, version, error.subject, error.problem)
    return Damage(model, version, model, str(error))
