"""The truth about predictions, told later."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from holdfast.core import strict_json
from holdfast.rows.refusal import Refusal

__all__ = ["MOST", "Keep", "Truth", "read"]

MOST: Final = 10_000
"""Truths that one request may bring."""


class Truth(Struct, frozen=True, forbid_unknown_fields=True):
    """What a prediction should have been.

    Attributes:
        prediction_id: That its answer carried.
        label: Any JSON value, as the model's output has it.
        at: When it became known, RFC 3339 with its offset; None for now.
    """

    prediction_id: str
    label: Any
    at: Annotated[datetime, Meta(tz=True)] | None = None


Keep = Callable[[Sequence[Truth]], Awaitable[list[str]]]
"""Keeps truths beside the prediction log; returns the ids of which no prediction is kept."""


def read(body: bytes) -> list[Truth]:
    """Read one truth, or a list of them.

    Raises:
        Refusal: 400 if it is not JSON, 413 if it holds more than `MOST`, 422 if it is of
            another form.
    """
    try:
        fields = strict_json.decode(body)
        if isinstance(fields, list) and len(fields) > MOST:
            raise Refusal(
                413, f"the body has {len(fields):,} labels; send at most {MOST:,} at a time"
            )
        truths = msgspec.convert(fields, type=Truth | list[Truth])
    except msgspec.ValidationError as error:
        raise Refusal(422, f'{error}; give {{"prediction_id": …, "label": …}}') from error
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    return truths if isinstance(truths, list) else [truths]
