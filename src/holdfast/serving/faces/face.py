"""What a face is: one way to write a request and its answer."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from holdfast.serving.lineup import Loaded
from holdfast.serving.rows.given import Given

__all__ = ["JSON", "Answer", "Body", "Face", "Question"]

JSON = b"application/json"


class Question(Struct, frozen=True):
    """A request that was read.

    Attributes:
        given: Its rows.
        fields: Its body, where a sticky key may stand; None if it has no names.
        is_json: Whether the body is JSON as it came.
        echo: What the face needs to write the answer.
    """

    given: Given
    fields: Mapping[str, Any] | None = None
    is_json: bool = True
    echo: Any = None


class Answer(Struct, frozen=True):
    """What a version gave.

    Attributes:
        predictions: The output as JSON, one value for each row.
    """

    loaded: Loaded
    output: Any
    predictions: bytes
    prediction_id: str


class Body(Struct, frozen=True):
    """The body of an answer and what its headers must say of it."""

    content: bytes
    media: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Face(Protocol):
    """Reads requests and writes answers of one form."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Question:
        """Read a request.

        Raises:
            Refusal: 400 if it is malformed, 415 if of no known type, 422 if parts are missing.
        """
        ...

    def write(self, question: Question, answer: Answer) -> Body:
        """Write an answer.

        Raises:
            Refusal: 400 if *question* asks for an output that is not there.
        """
        ...
