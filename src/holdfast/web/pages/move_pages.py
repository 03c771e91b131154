"""Promote, roll back, approve: what speaks for and against it stands before the button."""

from typing import Any, Final

from holdfast.core.compare import Comparison
from holdfast.core.views import Moved
from holdfast.errors import ConflictError, HoldfastError, InvalidInputError, RefusedError
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common, said
from holdfast.web.pages.page_paths import model_url, version_url
from holdfast.web.pages.version_page import verdict
from holdfast.web.pages.visitor import Visitor

CHOICES: Final = 100
"""Versions to choose from, the highest; an address can name any other."""


def promote(visitor: Visitor, asked: Asked) -> Answer:
    """Ask before a version goes live, or do it."""
    model, registry = asked.place.model, visitor.registry
    form, conflict = asked.form, ""
    if form is not None:
        try:
            move = registry.promote(
                f"{model}@{form.get('version', '')}",
                reason=form.get("reason") or None,
                force=form.get("force") == "yes",
                expect=form.get("expect") or None,
                idempotency_key=visitor.key(form.get("idempotency_key", "")),
            )
            return _back(model, move)
        except (ConflictError, RefusedError, InvalidInputError) as error:
            conflict = said(visitor, error)
    newest = registry.version_page(model, count=CHOICES).versions
    present = [info for info in newest if info.status != "purged"]
    live = registry.situation(model).production
    version = (form or asked.query).get("version") or _next(present, live)
    info = registry.resolve(f"{model}@{version}")
    values = {
        "model": model,
        "info": info,
        "live": live,
        "choices": list(dict.fromkeys([info.version, *(other.version for other in present)])),
        "judged": registry.judge(info),
        "comparison": _comparison(visitor, model, live, info.version),
        "needed": registry.policy(model).approvals,
    }
    return Drawn("promote", _asking(visitor, asked, conflict) | values, 409 if conflict else 200)


def roll_back(visitor: Visitor, asked: Asked) -> Answer:
    """Ask before going back, or do it."""
    model, registry = asked.place.model, visitor.registry
    form, conflict = asked.form, ""
    if form is not None:
        try:
            move = registry.rollback(
                model,
                to=form.get("to") or None,
                reason=form.get("reason") or None,
                expect=form.get("expect") or None,
                idempotency_key=visitor.key(form.get("idempotency_key", "")),
            )
            return _back(model, move)
        except HoldfastError as error:
            conflict = said(visitor, error)
    status = registry.status(model)
    live = status.live.version if status.live else None
    values = {
        "model": model,
        "live": live,
        "before": status.before,
        "comparison": _comparison(
            visitor, model, live, status.before.version if status.before else None
        ),
    }
    return Drawn("rollback", _asking(visitor, asked, conflict) | values, 409 if conflict else 200)


def approve(visitor: Visitor, asked: Asked) -> Answer:
    """Ask before approving a version, or do it."""
    model, registry = asked.place.model, visitor.registry
    info = registry.resolve(f"{model}@{asked.place.version}")
    if asked.form is not None:
        registry.approve(info, reason=asked.form.get("reason") or None)
        return Redirect(version_url(model, info.version))
    live = registry.situation(model).production
    values = {
        "model": model,
        "info": info,
        "live": live,
        "judged": verdict(visitor, info) or registry.judge(info),
        "comparison": _comparison(visitor, model, live, info.version),
    }
    return Drawn("approve", common(visitor, asked, "models") | values)


def _asking(visitor: Visitor, asked: Asked, conflict: str) -> dict[str, Any]:
    form = asked.form or {}
    key = asked.new_id if conflict else form.get("idempotency_key") or asked.new_id
    extra = {"conflict": conflict, "reason": form.get("reason", ""), "key": key}
    return common(visitor, asked, "models") | extra


def _back(model: str, move: Moved) -> Redirect:
    entry = (move.head or "").partition(":")[0]
    return Redirect(f"{model_url(model)}?entry={entry}" if entry else model_url(model))


def _next(present: list[Any], live: str | None) -> str:
    """Choose the version that is likely meant: the newest that is not live."""
    return next((info.version for info in present if info.version != live), live or "latest")


def _comparison(visitor: Visitor, model: str, a: str | None, b: str | None) -> Comparison | None:
    if a is None or b is None or a == b:
        return None
    return visitor.registry.compare(f"{model}@{a}", f"{model}@{b}")
