"""The face that MLflow, SageMaker and Vertex share: `/invocations`, JSON or CSV."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from holdfast.rows.refusal import Refusal
from holdfast.rows.request_rows import Given, NamedRows
from holdfast.serving.protocols import predict
from holdfast.serving.protocols.codec import DecodedRequest

__all__ = ["Invocations"]

_FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")


class Invocations(predict.PredictCodec):
    """The face of `/invocations`; answers as `/predict` does."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:
        """Read rows in the form that the content type says; JSON if it says none."""
        media = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
        if media == b"text/csv":
            return DecodedRequest(_csv(body), is_json=False)
        predict.check_media(headers)
        fields = predict.decode(body)
        payload = predict.rows_of(fields, *_FORMS)
        rows = _split(payload) if "dataframe_split" in fields else payload
        return DecodedRequest(rows, fields, params=fields.get("params"))


def _split(frame: Any) -> Given:
    columns = frame.get("columns") if isinstance(frame, dict) else None
    rows = frame.get("data") if isinstance(frame, dict) else None
    if not isinstance(rows, list):
        raise Refusal(
            422, 'dataframe_split has no data; send {"columns": [...], "data": [[...]]}', "data"
        )
    if columns is None:
        return rows
    if not isinstance(columns, list) or not all(type(name) in (str, int) for name in columns):
        raise Refusal(422, "columns must be a list of names", "columns")
    return NamedRows(tuple(map(str, columns)), rows)  # a frame without names numbers its columns


def _csv(body: bytes) -> NamedRows:
    try:
        text = body.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(400, f"the body is not a CSV file: {error}") from error
    return NamedRows((), rows, texts=True)
