"""What the SDK raises, as ours: what, which and what next, without what gives access."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from holdfast.core.redaction import without_credentials
from holdfast.core.wording import inert, shortened
from holdfast.errors import (
    HoldfastError,
    InvalidInputError,
    MissingLibraryError,
    NotFoundError,
    StoreError,
    UnauthenticatedError,
)

__all__ = ["sdk", "shown", "told"]

_MOST: Final = 300
_LIBRARIES: Final = ("wandb", "requests", "urllib3", "graphql", "pydantic", "pydantic_core")
_ABSENT: Final = ("not found", "does not exist", "could not find", "do not have permission")
_UNKNOWN_CALLER: Final = re.compile(r"api[_ ]key|unauthorized|\b401\b|log(?:ged)? ?in\b")


def sdk() -> Any:
    """Return the SDK.

    Raises:
        MissingLibraryError: If it is not installed.
    """
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise MissingLibraryError("wandb", "wandb", "artifacts are reached by it") from error
    return wandb


def shown(error: object) -> str:
    """Return what an error says on one line, without credentials."""
    text = " ".join(inert(without_credentials(str(error))).split())
    return shortened(text, _MOST)


@contextmanager
def told(subject: str) -> Iterator[None]:
    """Turn what the SDK raises about *subject* into what Holdfast raises."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:
        if not isinstance(
            error, OSError | ValueError | RuntimeError | LookupError
        ) and not _is_theirs(error):
            raise
        failure = _failure(subject, error)
    else:
        return
    raise failure  # out here: a cause would be shown as it is


def _is_theirs(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def _failure(subject: str, error: Exception) -> HoldfastError:
    text, said = shown(error), str(error).lower()
    kind = type(error).__name__
    if kind == "AuthenticationError" or _UNKNOWN_CALLER.search(said):
        advice = "set WANDB_API_KEY, or run `wandb login`"
        return UnauthenticatedError("Weights & Biases", f"denied access: {text}", advice)
    if any(word in said for word in _ABSENT):
        return NotFoundError(subject, advice=text)
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return InvalidInputError(subject, f"was refused: {text}", "look at the message")
    problem = f"cannot be reached: {text}"
    return StoreError(subject, problem, "check WANDB_BASE_URL and the network")
