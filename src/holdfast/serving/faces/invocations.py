"""The face that MLflow, SageMaker and Vertex share: `/invocations`, JSON or CSV."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from holdfast.serving.faces import wire
from holdfast.serving.faces.face import Question
from holdfast.serving.refusal import Refusal
from holdfast.serving.rows.given import Given, Named

__all__ = ["Invocations"]

_FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")


class Invocations(wire.Predict):
    """The face of `/invocations`; answers as `/predict` does."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Question:
        """Read rows in the form that the content type says; JSON if it says none."""
        media = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if media == b"text/csv":
            return Question(_csv(body), is_json=False)
        wire.check_media(headers)
        fields = wire.decode(body)
        given = wire.rows_of(fields, *_FORMS)
        return Question(_split(given) if "dataframe_split" in fields else given, fields)


def _split(given: Any) -> Given:
    columns = given.get("columns") if isinstance(given, dict) else None
    rows = given.get("data") if isinstance(given, dict) else None
    if not isinstance(rows, list):
        raise Refusal(422, 'dataframe_split: give {"columns": [...], "data": [[...]]}', "data")
    if columns is None:
        return rows
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        raise Refusal(422, "columns: is no list of names", "columns")
    return Named(tuple(columns), rows)


def _csv(body: bytes) -> Named:
    try:
        text = body.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(400, f"the body is no CSV file: {error}") from error
    return Named((), rows, texts=True)
