"""Holdfast's errors as MLflow's clients know them: every permanent one is the caller's to solve."""

from typing import Final

from holdfast import errors
from holdfast.errors import HoldfastError

INVALID: Final = "INVALID_PARAMETER_VALUE"
ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"
TAKEN: Final = "RESOURCE_ALREADY_EXISTS"
DENIED: Final = "PERMISSION_DENIED"
INTERNAL: Final = "INTERNAL_ERROR"
_CODES: Final[tuple[tuple[type[HoldfastError], str], ...]] = (
    (errors.NotFoundError, ABSENT),
    (errors.RefusedError, DENIED),
    (errors.ForbiddenError, DENIED),
    (errors.UnauthenticatedError, "UNAUTHENTICATED"),
    (errors.ConflictError, "RESOURCE_CONFLICT"),
    (errors.BusyError, "TEMPORARILY_UNAVAILABLE"),
    (errors.OutcomeUnknownError, INTERNAL),
    (errors.DamagedError, "DATA_LOSS"),
    (errors.StoreError, INTERNAL),
)


class MlflowProblem(Exception):  # noqa: N818 - an answer in MLflow's words, for its clients alone
    """What MLflow's own stores would raise.

    Attributes:
        message: In MLflow's words, where it has any.
        code: One of MLflow's error codes, by name.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def code_of(error: HoldfastError) -> str:
    """Return the code of MLflow's that says what the caller can do; a bad argument if none does."""
    matches = (code for kind, code in _CODES if isinstance(error, kind))
    return next(matches, INVALID)


def invalid(message: str) -> MlflowProblem:
    """Return the error of an argument that MLflow's own stores refuse as well."""
    return MlflowProblem(message, INVALID)


def missing(message: str) -> MlflowProblem:
    """Return the error of something that does not exist."""
    return MlflowProblem(message, ABSENT)


def taken(message: str) -> MlflowProblem:
    """Return the error of a name that something else has."""
    return MlflowProblem(message, TAKEN)
