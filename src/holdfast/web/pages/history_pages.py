"""What happened: entries or what served when, of one model or all, also as a file."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlencode

from holdfast.core.auth import known_by
from holdfast.core.events import Past
from holdfast.core.period import Period
from holdfast.errors import HoldfastError
from holdfast.web.pages.page import Answer, Asked, Download, Drawn, common
from holdfast.web.pages.page_paths import model_url
from holdfast.web.pages.spreadsheet import csv_text
from holdfast.web.pages.visitor import Visitor

_PAGE: Final = 100
_MOST_DIGITS: Final = 18
_FIELDS: Final = ("model", "entry", "at", "by", "what", "reason", "key", "signer", "known_by")


def of_model(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the history of one model."""
    model, registry, query = asked.place.model, visitor.registry, asked.query
    at = query.get("at") or None
    text, is_file = query.get("q", ""), query.get("form") == "csv"
    below = _seq(query.get("below", ""))
    past = [line for line in _read(visitor, asked, below, is_file=is_file) if _fits(line, text)]
    if is_file:
        name = f"{model.replace('/', '-')}-history.csv"
        return Download(name, "text/csv; charset=utf-8", table((model, line) for line in past))
    shown = past[: _PAGE + 1]
    parameters = {
        name: value for name, value in query.items() if name in ("q", "at", "view") and value
    }
    more = {"below": shown[_PAGE - 1].seq} if len(shown) > _PAGE else None
    head = next(iter(registry.heads(model)), None) if at is None else None
    values = {
        "model": model,
        "action": model_url(model, "history"),
        "lines": [(model, line) for line in shown[:_PAGE]],
        "signed": any(line.key for line in shown[:_PAGE]),
        "more": f"{model_url(model, 'history')}?{urlencode(parameters | more)}" if more else "",
        "csv": f"{model_url(model, 'history')}?{urlencode(parameters | {'form': 'csv'})}",
        "periods": [
            period for period in registry.served(model, at=at)[::-1] if _names(period, text)
        ],
        "head": str(head) if head else "",
        "identity": registry.identity,
        "query": {"q": query.get("q", ""), "at": at or "", "view": query.get("view", "")},
    }
    return Drawn("history", common(visitor, asked, "models") | values)


def _seq(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _read(visitor: Visitor, asked: Asked, below: int | None, *, is_file: bool) -> list[Past]:
    """Return the lines that may be shown, newest first; no more are read than it takes."""
    model, registry, query = asked.place.model, visitor.registry, asked.query
    at = query.get("at") or None
    last = None
    if at is None and not query.get("q") and not is_file:
        seq = registry.situation(model).seq
        last = _PAGE + 1 + (0 if below is None else max(0, seq - below + 1))
    lines = reversed(registry.history(model, at=at, last=last))
    return [line for line in lines if below is None or line.seq < below]


def of_all(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the last entries of all models, newest first."""
    registry, query = visitor.registry, asked.query
    at = query.get("at") or None
    lines = [
        (model, line)
        for model, line in _newest(visitor, at)
        if _fits(line, query.get("q", ""), model)
    ]
    lines.sort(key=lambda pair: (pair[1].at, pair[0]), reverse=True)
    values = {
        "model": "",
        "action": "/history",
        "lines": lines[:_PAGE],
        "signed": any(line.key for _, line in lines[:_PAGE]),
        "more": "",
        "csv": "",
        "periods": (),
        "head": "",
        "identity": registry.identity,
        "query": {"q": query.get("q", ""), "at": at or "", "view": ""},
    }
    return Drawn("history", common(visitor, asked, "history") | values)


def _newest(visitor: Visitor, at: str | None) -> Iterator[tuple[str, Past]]:
    for info in visitor.registry.models(at=at):
        if not visitor.may("read", info.model):
            continue
        try:
            past = visitor.registry.history(info.model, at=at, last=_PAGE)
        except HoldfastError:  # the model's own page tells of the damage
            continue
        yield from ((info.model, line) for line in past)


def _fits(line: Past, text: str, model: str = "") -> bool:
    where = " ".join((model, line.at, line.by, line.what, line.reason or "")).lower()
    return all(word in where for word in text.lower().split())


def _names(period: Period, text: str) -> bool:
    how = period.how.replace("_", " ")
    where = " ".join((period.version, period.since, period.by, how, period.reason or "")).lower()
    return all(word in where for word in text.lower().split())


def table(lines: Iterable[tuple[str, Past]]) -> str:
    """Write lines of history as CSV."""
    return csv_text(_FIELDS, ((model, *_cells(line)) for model, line in lines))


def _cells(line: Past) -> tuple[str | None, ...]:
    known = known_by(line.auth) if line.auth is not None else None
    return (
        str(line.seq), line.at, line.by, line.what, line.reason, line.key, line.signer, known,
    )  # fmt: skip
