"""The model card of a version, as JSON, Markdown or an ML-BOM."""

from typing import Any, Literal

from holdfast.core import approvals
from holdfast.core.cards import Today, classic, cyclonedx, markdown
from holdfast.core.state import Record, State
from holdfast.core.views import signed_by
from holdfast.registry.provenance import tool_version
from holdfast.registry.session import Session

CardFormat = Literal["json", "markdown", "cyclonedx"]


def today(state: State, record: Record) -> Today:
    """Gather what a card says beyond the manifest."""
    return Today(
        status=record.status,
        updated_at=record.updated_at,
        metrics=record.metrics,
        tags=record.tags,
        aliases=state.aliases_of(record.version),
        notes=record.notes,
        digest=record.manifest,
        signed_by=signed_by(state, record),
        evaluations=record.evaluations,
        approved_by=approvals.shown(record.approvals, approvals.claimed(record)),
    )


def card(session: Session, ref: str, form: CardFormat) -> dict[str, Any] | str:
    """Return a version's model card."""
    state, record = session.find(ref)
    manifest, facts = session.manifest(record), today(state, record)
    match form:
        case "json":
            return classic.render(manifest, facts)
        case "markdown":
            return markdown.render(manifest, facts)
        case "cyclonedx":
            return cyclonedx.render(manifest, facts, tool_version())
