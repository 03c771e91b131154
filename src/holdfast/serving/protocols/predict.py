"""Our own face, `/predict`: `instances` or `inputs` in, `predictions` out."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from holdfast.core import strict_json
from holdfast.http import content_types
from holdfast.rows import moments
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols.codec import DecodedRequest, EncodedBody, PredictionResult

__all__ = ["PredictCodec", "check_media", "decode", "encode"]


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # a number or an array of numpy's within a record
        return moments.plain(value) if moments.is_of_moments(value) else value.tolist()
    if isinstance(value, datetime | timedelta):
        return moments.plain_one(value)
    raise TypeError(f"the output holds a {type(value).__name__}, which JSON cannot")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
encode = _encoder.encode
"""Write plain values, and numpy's among them, as JSON; NaN becomes null."""


def decode(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Refusal: 400 if it is not one.
    """
    try:
        document = strict_json.decode(body)
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refusal(400, 'the body is not a JSON object such as {"instances": [[1, 2]]}')
    return document


def check_media(headers: Mapping[bytes, bytes], *others: bytes) -> None:
    """Refuse a body that is said to be neither JSON nor of one of *others*.

    Raises:
        Refusal: 415 if it is; web pages send other types to any server without asking it.
    """
    media = headers.get(b"content-type")
    if not content_types.is_json(media) and media not in others:
        media_type = (media or b"").decode("latin-1")
        raise Refusal(415, f"content type {media_type!r} cannot be read; send application/json")


def rows_of(fields: Mapping[str, Any], *names: str) -> Any:
    """Return the rows under the one of *names* that is there.

    Raises:
        Refusal: 422 if none is or several are, or no rows are under it.
    """
    matches = [name for name in names if name in fields]
    if len(matches) != 1:
        listed = ", ".join(map(repr, names))
        raise Refusal(422, f"the body needs one of {listed}, but has {matches or 'none'}", names[0])
    rows = fields[matches[0]]
    if not isinstance(rows, list | dict):
        raise Refusal(
            422, f"{matches[0]} is neither a list of rows nor columns by name", matches[0]
        )
    return rows


class PredictCodec:
    """The face of `/predict` and `/models/{model}/predict`; the V1 protocol's is within it."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:
        """Read rows: lists, objects, or columns by name."""
        check_media(headers)
        fields = decode(body)
        rows = rows_of(fields, "instances", "inputs")
        return DecodedRequest(
            rows, fields, params=fields.get("params"), offered=fields.get("parameters")
        )

    def write(self, decoded: DecodedRequest, answer: PredictionResult) -> EncodedBody:  # noqa: ARG002
        """Write predictions, and who made them under which id."""
        content = b'{"predictions":%b,"model_version":"%b","prediction_id":"%b"}' % (
            answer.predictions,
            answer.loaded.version.encode(),
            answer.prediction_id.encode(),
        )
        return EncodedBody(content)
