"""Where rollouts stand, with the evidence, and the buttons of those who may."""

from typing import Final

from holdfast.core.drift.drift_sentences import standing
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common, said
from holdfast.web.pages.page_paths import model_url
from holdfast.web.pages.visitor import Visitor

_DEEDS: Final = ("pause", "resume", "advance", "abort")


def of_model(visitor: Visitor, asked: Asked) -> Answer:
    """Draw a model's rollout, or steer it."""
    model, registry = asked.place.model, visitor.registry
    notice = ""
    if asked.form is not None:
        try:
            _steer(visitor, model, asked.form.get("do", ""), asked.form.get("reason", ""))
        except HoldfastError as error:
            notice = said(visitor, error)
        else:
            return Redirect(model_url(model, "rollout"))
    rollout = registry.rollout(model)
    status = registry.resolve(f"{model}@latest").version if rollout is None else None
    values = {
        "model": model,
        "rollout": rollout,
        "verdict": rollout.verdict if rollout else None,
        "latest": status,
        "events": f"{model_url(model)}:events",
        "notice": notice,
        "findings": [standing(finding) for finding in registry.situation(model).findings],
    }
    return Drawn("rollout", common(visitor, asked, "rollouts") | values, 409 if notice else 200)


def _steer(visitor: Visitor, model: str, deed: str, reason: str) -> None:
    rollouts = visitor.registry.rollouts
    match deed:
        case "pause":
            rollouts.pause(model, reason=reason)
        case "resume":
            rollouts.resume(model, reason=reason)
        case "advance":
            rollouts.advance(model, reason=reason)
        case "abort":
            rollouts.abort(model, reason=reason)
        case _:
            raise InvalidInputError(
                f"button {deed!r}", "is unknown", "press pause, resume, advance or abort"
            )


def verb(form: dict[str, str]) -> str:
    """Return the verb that a form of this page asks for, as roles name it."""
    deed = form.get("do", "")
    return f"rollout-{deed}" if deed in _DEEDS else "rollout-advance"


def of_all(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw all rollouts that go on."""
    rows = [
        (row.model, row.rollout)
        for row in visitor.registry.matrix()
        if row.rollout is not None and visitor.may("read", row.model)
    ]
    return Drawn("rollouts", common(visitor, asked, "rollouts") | {"rows": rows})
