"""What of a request is kept: how much of its input, which share of them, and what is redacted."""

import functools
import hashlib
import importlib
import zlib
from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from holdfast.errors import InvalidInputError
from holdfast.predictions.columns import json_of
from holdfast.predictions.row import Prediction

Inputs = Literal["full", "hash", "none"]
Redaction = Callable[[Prediction], Prediction]
_WHOLE: Final = 1 << 32


class CaptureOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How a worker keeps its log.

    Attributes:
        inputs: Keep them, or their SHA-256, or nothing of them.
        sampling: Share of the requests to keep, in [0, 1], chosen by request id alone, so that it
            depends on no outcome and both answers of a mirrored request are kept or neither.
        redact: `package.module:function` that takes a `Prediction` and returns what may be kept of
            it: input, output, error, request id and trace id are taken from there.
        when_full: What `record` does while the queue is full: drop the row, and count it, or wait.
        limit: Rows in the queue.
        every_s: Greatest wait before a row is written; what a killed process loses is younger.
    """

    inputs: Inputs = "full"
    sampling: float = 1.0
    redact: str | None = None
    when_full: Literal["drop", "block"] = "drop"
    limit: int = 20_000
    every_s: float = 0.03


def check(recording: CaptureOptions) -> CaptureOptions:
    """Return *recording* if a worker can keep its log so.

    Raises:
        InvalidInputError: If it cannot.
    """
    if not 0 <= recording.sampling <= 1:
        raise InvalidInputError(
            "sampling", f"must be a share from 0 to 1, such as 0.1, not {recording.sampling}"
        )
    if recording.inputs not in ("full", "hash", "none"):
        raise InvalidInputError("inputs", f"must be full, hash or none, not {recording.inputs!r}")
    if recording.when_full not in ("drop", "block"):
        raise InvalidInputError("when_full", f"must be drop or block, not {recording.when_full!r}")
    if recording.limit < 1 or not 0 < recording.every_s <= 1:
        raise InvalidInputError("recording", "needs a limit of 1 or more and every_s in (0, 1]")
    return recording


def is_sampled(row: Prediction, share: float) -> bool:
    """Tell whether a row is among the share that is kept."""
    if share >= 1:
        return True
    chosen_by = row.request_id or row.prediction_id
    return zlib.crc32(chosen_by.encode("utf-8", "surrogatepass")) < share * _WHOLE


def redaction(reference: str | None) -> Redaction | None:
    """Return the function that `package.module:function` names.

    Raises:
        InvalidInputError: If there is none.
    """
    if reference is None:
        return None
    module, _, name = reference.partition(":")
    advice = "write package.module:function, and check that Python finds it"
    if not module or not name:
        raise InvalidInputError(f"redact {reference!r}", "does not name a function", advice)
    try:
        function = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    except Exception as error:  # a module of others may fail as it likes
        raise InvalidInputError(
            f"redact {reference!r}", f"cannot be imported: {error}", advice
        ) from error
    if not callable(function):
        raise InvalidInputError(f"redact {reference!r}", "is not a function", advice)
    return function


def redacted(row: Prediction, redact: Redaction | None) -> Prediction | None:
    """Return what *redact* leaves of a row; `None` if it failed."""
    if redact is None:
        return row
    try:
        if isinstance(row.input, bytes | Raw):
            row = replace(row, input=msgspec.json.decode(row.input))
        if isinstance(row.output, bytes | Raw):
            row = replace(row, output=msgspec.json.decode(row.output))
        left = redact(row)
        return replace(
            row,
            input=left.input,
            output=left.output,
            error=left.error,
            request_id=left.request_id,
            trace_id=left.trace_id,
        )
    except Exception:  # noqa: BLE001 - whatever others' code does, nothing unredacted is kept
        return None


def bared(row: Prediction) -> Prediction:
    """Return a row without anything that a person may have written."""
    return replace(
        row, input=None, output=None, error="redaction failed", request_id=None, trace_id=None
    )


def kept(row: Prediction, inputs: Inputs, share: float) -> Prediction:
    """Return a row as it is to be kept."""
    content = row.input
    if content is not None and inputs != "full":
        content = digest_of(content) if inputs == "hash" else None
    if content is row.input and row.sampling == share:
        return row
    return replace(row, input=content, sampling=share)


def digest_of(content: object) -> str:
    """Return the SHA-256 of an input: of its bytes as they came, else of its JSON."""
    data = content if isinstance(content, bytes) else (json_of(content) or "").encode()
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
