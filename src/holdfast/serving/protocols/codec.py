"""What a face is: one way to write a request and its answer."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from holdfast.rows.loaded_version import Loaded
from holdfast.rows.request_rows import Given

__all__ = ["JSON", "Codec", "DecodedRequest", "EncodedBody", "PredictionResult"]

JSON = b"application/json"


class DecodedRequest(Struct, frozen=True):
    """A request that was read.

    Attributes:
        given: Its rows.
        fields: Its body, where a sticky key may stand; None if it has no names.
        is_json: Whether the body is JSON as it came.
        echo: What the codec needs to write the answer.
        params: Of the call, beside its rows, as they came; all of them must be known.
        offered: What may be such parameters, of which those that are known are taken.
    """

    given: Given
    fields: Mapping[str, Any] | None = None
    is_json: bool = True
    echo: Any = None
    params: Any = None
    offered: Any = None


class PredictionResult(Struct, frozen=True):
    """What a version gave.

    Attributes:
        predictions: The output as JSON, one value for each row.
    """

    loaded: Loaded
    output: Any
    predictions: bytes
    prediction_id: str


class EncodedBody(Struct, frozen=True):
    """The body of an answer and what its headers must say of it."""

    content: bytes
    media: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Codec(Protocol):
    """Reads requests and writes answers of one form."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:
        """Read a request.

        Raises:
            Refusal: 400 if it is malformed, 415 if of no known type, 422 if parts are missing.
        """
        ...

    def write(self, decoded: DecodedRequest, answer: PredictionResult) -> EncodedBody:
        """Write an answer.

        Raises:
            Refusal: 400 if *decoded* asks for an output that is not there.
        """
        ...
