"""Which page answers a path."""

from collections.abc import Callable
from typing import Final

from holdfast.core.entry import parse_time
from holdfast.errors import HoldfastError, NotFoundError
from holdfast.web.pages import (
    access_page,
    accuracy_page,
    comparison_page,
    front_page,
    history_pages,
    kept_pictures,
    lineage_page,
    model_page,
    move_pages,
    policy_page,
    prediction_page,
    rollout_pages,
    settings_page,
    version_page,
)
from holdfast.web.pages.page import Answer, Asked, Drawn, common, said
from holdfast.web.pages.page_paths import Place, model_url
from holdfast.web.pages.visitor import Visitor

Page = Callable[[Visitor, Asked], Answer]

_PLAIN: Final[dict[str, Page]] = {
    "/": front_page.page,
    "/rollouts": rollout_pages.of_all,
    "/predictions": prediction_page.page,
    "/history": history_pages.of_all,
    "/access": access_page.page,
    "/settings": settings_page.page,
}
_NEEDED: Final = {"/predictions": "predictions", "/access": "access"}
"""What one must be granted to see a page that is of no model."""

_OF_MODEL: Final[dict[str | None, Page]] = {
    None: model_page.page,
    "compare": comparison_page.page,
    "history": history_pages.of_model,
    "rollout": rollout_pages.of_model,
    "lineage": lineage_page.of_model,
    "accuracy": accuracy_page.page,
    "policy": policy_page.page,
    "promote": move_pages.promote,
    "rollback": move_pages.roll_back,
}
_OF_VERSION: Final[dict[str | None, Page]] = {
    None: version_page.page,
    "lineage": lineage_page.page,
    "approve": move_pages.approve,
    "figure": kept_pictures.figure,
}
_WRITING: Final = ("promote", "rollback", "rollout", "approve")
_PLAIN_WRITING: Final = ("/predictions", "/access", "/settings")


def answer(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the page of a path, or do what its form says.

    Whether the visitor may is asked here, whatever a page shows: a form can be made by hand.
    """
    page = _page(asked)
    if page is None:
        return refusal(visitor, asked, 404, "No such page", f"{asked.path} names no page.")
    needed = _verbs(asked)
    for verb in needed:
        model = asked.place.model or None
        if not visitor.may(verb, model):
            if model is not None and not visitor.may("read", model):
                return _missing(visitor, asked, NotFoundError(f"model {model}"))
            text = visitor.who_may(verb, model)
            return refusal(visitor, asked, 403, "Not allowed", text)
    try:
        if asked.query.get("at"):
            parse_time(asked.query["at"])
        return page(visitor, asked)
    except NotFoundError as error:
        return _missing(visitor, asked, error)
    except HoldfastError as error:
        return refusal(visitor, asked, 409, "That did not work", said(visitor, error))


def has_page(path: str, place: Place) -> bool:
    """Tell whether a path has the form of one of a page, whatever model it names."""
    return _named(path, place) is not None


def _named(path: str, place: Place) -> Page | None:
    if not place.model:
        return _PLAIN.get(path)
    return (_OF_MODEL if place.version is None else _OF_VERSION).get(place.verb)


def _page(asked: Asked) -> Page | None:
    page = _named(asked.path, asked.place)
    if asked.form is None or asked.place.verb in _WRITING or asked.path in _PLAIN_WRITING:
        return page
    return None


def _verbs(asked: Asked) -> list[str]:
    place, form = asked.place, asked.form
    if not place.model:
        return [_NEEDED[asked.path]] if asked.path in _NEEDED else []
    if form is None:
        return ["read", *([place.verb] if place.verb in ("promote", "rollback", "approve") else [])]
    if place.verb == "rollout":
        return ["read", rollout_pages.verb(dict(form))]
    force = ["force"] if form.get("force") == "yes" else []
    return ["read", place.verb or "read", *force]


def _missing(visitor: Visitor, asked: Asked, error: NotFoundError) -> Drawn:
    near = [name for name in error.nearest if visitor.may("read", name)]
    links = [(name, model_url(name)) for name in near] if not asked.place.version else []
    subject = error.subject[:1].upper() + error.subject[1:]
    return refusal(visitor, asked, 404, "Not found", f"{subject} does not exist.", links)


def refusal(
    visitor: Visitor,
    asked: Asked,
    status: int,
    title: str,
    detail: str,
    near: list[tuple[str, str]] | None = None,
) -> Drawn:
    """Draw a page that says why there is no other."""
    values = {"title": title, "detail": detail, "near": near or [], "request_id": asked.request_id}
    return Drawn("error", common(visitor, asked, "models") | values, status)
