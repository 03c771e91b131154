"""Holdfast's errors as MLflow's clients know them: every permanent one is the caller's to solve."""

from collections.abc import Mapping
from typing import Final

INVALID: Final = "INVALID_PARAMETER_VALUE"
ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"
TAKEN: Final = "RESOURCE_ALREADY_EXISTS"
DENIED: Final = "PERMISSION_DENIED"
INTERNAL: Final = "INTERNAL_ERROR"
_CODES: Final[Mapping[str, str]] = {
    "not_found": ABSENT,
    "no_previous_version": ABSENT,
    "refused": DENIED,
    "forbidden": DENIED,
    "unauthenticated": "UNAUTHENTICATED",
    "conflict": "RESOURCE_CONFLICT",
    "changed": "RESOURCE_CONFLICT",
    "version_taken": "RESOURCE_CONFLICT",
    "busy": "TEMPORARILY_UNAVAILABLE",
    "locked": "TEMPORARILY_UNAVAILABLE",
    "outcome_unknown": INTERNAL,
    "damaged": "DATA_LOSS",
    "store": INTERNAL,
    "not_a_store": INTERNAL,
    "read_only": DENIED,
    "store_full": INTERNAL,
    "unfit_store": INTERNAL,
}


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


def code_of(code: str) -> str:
    """Return MLflow's code for one of Holdfast's, by what the caller can do; else a bad argument.

    Args:
        code: Of an error, such as `refused`.
    """
    return _CODES.get(code, INVALID)


def invalid(message: str) -> MlflowProblem:
    """Return the error of an argument that MLflow's own stores refuse as well."""
    return MlflowProblem(message, INVALID)


def missing(message: str) -> MlflowProblem:
    """Return the error of something that does not exist."""
    return MlflowProblem(message, ABSENT)


def taken(message: str) -> MlflowProblem:
    """Return the error of a name that something else has."""
    return MlflowProblem(message, TAKEN)
