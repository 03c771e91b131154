"""The front page: every model by stage, and what asks for attention."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from msgspec import Struct, structs

from holdfast.core.drawing.trend import spark
from holdfast.core.entry import parse_time
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.stage_matrix import MatrixRow
from holdfast.registry.ways_back import WayBack, ways_back
from holdfast.web.below import session_of
from holdfast.web.pages.drawing import markup, standing
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.page_paths import model_url, version_url
from holdfast.web.pages.visitor import Visitor

_ASKS: Final = 4
_PAGE: Final = 100
_EXAMPLE: Final = "holdfast register iris model.joblib scaler.joblib --metric accuracy=0.95"
_SHOW: Final = {
    "": "All",
    "rolling": "Rolling out",
    "staged": "Staged",
    "empty": "Nothing live",
    "attention": "Attention",
}


class Ask(Struct, frozen=True):
    """Something that wants a person: one line, and where to go."""

    icon: str
    title: str
    text: str
    action: str
    url: str


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw the front page."""
    at = parse_time(asked.query["at"]) if asked.query.get("at") else None
    rows = [row for row in visitor.registry.matrix(at=at) if visitor.may("read", row.model)]
    show, text = asked.query.get("show", ""), asked.query.get("q", "")
    after = asked.query.get("after", "")
    shown = [row for row in rows if _is_shown(row, show) and _fits(row, text)]
    start = next((i for i, row in enumerate(shown) if row.model > after), len(shown))
    here = {name: value for name, value in (("q", text), ("show", show), ("at", at or "")) if value}
    more = here | {"after": shown[min(start + _PAGE, len(shown)) - 1].model} if shown else here
    drawn = shown[start : start + _PAGE]
    backs = {} if at else _ways_back(visitor, drawn)
    values = {
        "query": {"q": text, "show": show, "at": at},
        "rows": [_row(row, backs) for row in drawn],
        "has_backs": bool(backs),
        "fitting": len(shown),
        "more": f"/?{urlencode(more)}" if start + _PAGE < len(shown) else "",
        "total": len(rows),
        "asks": list(_asks(rows))[:_ASKS],
        "chips": [_chip(rows, key, name, show, text) for key, name in _SHOW.items()],
        "example": _EXAMPLE,
    }
    return Drawn("front", common(visitor, asked, "models") | values)


def _ways_back(visitor: Visitor, rows: Sequence[MatrixRow]) -> dict[str, WayBack]:
    """Look for the files that a rollback would need; nothing is hashed for a page."""
    digests = [row.previous_digest for row in rows if row.previous_digest is not None]
    return ways_back(session_of(visitor.registry), digests)


def _row(row: MatrixRow, backs: Mapping[str, WayBack]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in structs.asdict(row)}
    last = next((point.value for point in reversed(row.trend) if point.value is not None), None)
    drawing = spark(row.metric, row.trend, 60, 18) if row.metric else ""
    return values | {
        "model": row.model,
        "trend_drawing": markup(drawing),
        "last": last,
        "back": backs.get(row.previous_digest or ""),
    }


def _is_shown(row: MatrixRow, show: str) -> bool:
    match show:
        case "rolling":
            return row.rollout is not None
        case "staged":
            return row.staging is not None
        case "empty":
            return row.summary.production is None
        case "attention":
            return bool(row.summary.concerns)
        case _:
            return True


def _fits(row: MatrixRow, text: str) -> bool:
    tags = (f"{key}:{value}" for key, value in row.tags.items())
    return all(
        any(word in where for where in (row.model.lower(), *map(str.lower, tags)))
        for word in text.lower().split()
    )


def _chip(
    rows: Sequence[MatrixRow], key: str, name: str, show: str, text: str
) -> Mapping[str, Any]:
    query = urlencode({name: value for name, value in (("show", key), ("q", text)) if value})
    count = sum(_is_shown(row, key) and _fits(row, text) for row in rows)
    return {
        "name": name,
        "count": count,
        "current": key == show,
        "url": f"/?{query}" if query else "/",
    }


def _judged(rollout: Rollout) -> str:
    """Say a verdict by its first reason; the rollout's page has all."""
    verdict = rollout.verdict
    if verdict is None:
        return "not judged yet"
    first = next((reason.sentence for reason in verdict.reasons), "")
    return f"{verdict.outcome}: {first}" if first else verdict.outcome


def _asks(rows: Sequence[MatrixRow]) -> Iterator[Ask]:
    """Go through what needs a person: damage, then drift, rollouts, and what waits for approval."""
    for row in rows:
        if row.summary.gravity == 0:
            yield Ask(
                "bad",
                f"{row.model} is damaged",
                row.summary.concerns[0],
                "See",
                model_url(row.model),
            )
    for row in rows:
        if row.summary.drift:
            text = "; ".join(row.summary.drift)
            yield Ask("bad", f"{row.model} drifts", text, "See", model_url(row.model))
    for row in rows:
        rollout = row.rollout
        if rollout is not None:
            text = f"{standing(rollout)} · {_judged(rollout)}"
            title = f"{row.model} {rollout.version} is rolling out"
            yield Ask("canary", title, text, "Watch", model_url(row.model, "rollout"))
    for row in rows:
        if row.staging and row.approvals < row.approvals_needed:
            text = f"{row.approvals} of {row.approvals_needed} approvals"
            url = version_url(row.model, row.staging, "approve")
            yield Ask(
                "staging", f"{row.model} {row.staging} waits for approval", text, "Review", url
            )
