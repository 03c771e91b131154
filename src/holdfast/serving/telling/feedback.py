"""The truth about predictions, told later."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from holdfast.serving.refusal import Refusal

__all__ = ["Keep", "Truth", "read"]


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


Keep = Callable[[Sequence[Truth]], Awaitable[None]]
"""Keeps truths beside the prediction log."""


def read(body: bytes) -> list[Truth]:
    """Read one truth, or a list of them.

    Raises:
        Refusal: 400 if it is no JSON, 422 if it is of another form.
    """
    try:
        found = msgspec.json.decode(body, type=Truth | list[Truth])
    except msgspec.ValidationError as error:
        raise Refusal(422, f'{error}; give {{"prediction_id": …, "label": …}}') from error
    except msgspec.DecodeError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    return found if isinstance(found, list) else [found]
