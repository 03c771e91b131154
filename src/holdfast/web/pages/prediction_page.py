"""Which version answered: a prediction by its id, and who had put that version live.

What was asked and answered may be people's data: it is shown to those who press for it, and that
they did is kept before they see it.
"""

import logging
from contextlib import closing
from typing import Any, Final

from msgspec import Struct

from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.predictions import Label, Prediction, open_log
from holdfast.predictions.columns import json_of
from holdfast.predictions.export import time_of
from holdfast.registry.answer_origin import AnswerOrigin, origin_of
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.visitor import Visitor

_log = logging.getLogger(__name__)
_MOST: Final = 64 << 10
_ID_LENGTH: Final = 36


class NotShown(Struct, frozen=True):
    """Why nothing is shown, in a sentence."""

    status: int
    text: str


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw the look-up, and what was found; a form asks for input and output too."""
    sent = asked.query if asked.form is None else asked.form
    prediction_id = sent.get("id", "").strip()
    shows = asked.form is not None
    values: dict[str, Any] = {"wanted": prediction_id[:_ID_LENGTH], "row": None, "problem": None}
    status = 200
    if prediction_id and visitor.log is not None:
        prediction = _found(visitor, prediction_id, shows=shows)
        if isinstance(prediction, NotShown):
            values["problem"], status = prediction.text, prediction.status
        else:
            values |= prediction
    return Drawn("predictions", common(visitor, asked, "predictions") | values, status)


def _found(visitor: Visitor, prediction_id: str, *, shows: bool) -> dict[str, Any] | NotShown:
    try:
        row, labels = _read(visitor.log or "", prediction_id)
    except InvalidInputError as error:
        return NotShown(422, f"{error}.")
    except NotFoundError:
        return _absent(visitor, prediction_id)
    except HoldfastError as error:
        _log.warning("the prediction log cannot be read: %s", error)
        return NotShown(503, "The prediction log cannot be read now; the server's log says why.")
    if not (visitor.may("read", row.model) and visitor.may("predictions", row.model)):
        return _absent(visitor, prediction_id)
    try:
        visitor.note(
            "saw_contents" if shows else "looked_up", f"prediction {row.prediction_id}", row.model
        )
    except HoldfastError as error:
        _log.warning("a look-up of a prediction cannot be recorded: %s", error)
        return NotShown(503, "Nothing is shown, because the look-up cannot be recorded now.")
    values = {"row": row, "at": time_of(row.at_us), "origin": _origin(visitor, row)}
    return values | {"contents": _contents(row, labels) if shows else None}


def _read(location: str, prediction_id: str) -> tuple[Prediction, list[Label]]:
    with closing(open_log(location)) as log:
        return log.get(prediction_id), log.feedback.of(prediction_id)


def _absent(visitor: Visitor, prediction_id: str) -> NotShown:
    """Say the same of what is not there and of what is not theirs to see; the look-up is kept."""
    try:
        visitor.note("looked_up", f"prediction {prediction_id}, not found", None)
    except HoldfastError as error:
        _log.warning("a look-up of a prediction cannot be recorded: %s", error)
    text = "No such prediction is kept: it was left out by sampling, has expired, or is of a model"
    return NotShown(404, f"{text} that you may not look up.")


def _origin(visitor: Visitor, row: Prediction) -> AnswerOrigin:
    """Return what the store knows; nothing of a model that it does not have any more."""
    try:
        return origin_of(visitor.registry, row)
    except NotFoundError:
        return AnswerOrigin()


def _contents(row: Prediction, labels: list[Label]) -> list[tuple[str, str]]:
    shown = [
        ("input", json_of(row.input) or "not kept"),
        ("output", json_of(row.output) or "not kept"),
        *([("error", row.error)] if row.error else []),
    ]
    for label in labels:
        told = f"{json_of(label.label)}, told by {label.by} at {time_of(label.at_us)}"
        shown.append(("truth", told))
    return [(name, _cut(text)) for name, text in shown]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text):,} characters)"
