"""Holdfast's errors as MLflow's clients know them: every permanent one is a 4xx."""

import functools
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

from holdfast import errors
from holdfast.errors import HoldfastError

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")

_CODES: Final[tuple[tuple[type[HoldfastError], int], ...]] = (
    (errors.NotFoundError, codes.RESOURCE_DOES_NOT_EXIST),
    (errors.RefusedError, codes.PERMISSION_DENIED),
    (errors.ForbiddenError, codes.PERMISSION_DENIED),
    (errors.UnauthenticatedError, codes.UNAUTHENTICATED),
    (errors.ConflictError, codes.RESOURCE_CONFLICT),
    (errors.BusyError, codes.TEMPORARILY_UNAVAILABLE),
    (errors.OutcomeUnknownError, codes.INTERNAL_ERROR),
    (errors.DamagedError, codes.DATA_LOSS),
    (errors.StoreError, codes.INTERNAL_ERROR),
)


def code_of(error: HoldfastError) -> int:
    """Return the code of MLflow's that says what the caller can do; a bad argument if none does."""
    matches = (code for kind, code in _CODES if isinstance(error, kind))
    return next(matches, codes.INVALID_PARAMETER_VALUE)


def translated(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Have *function* raise `MlflowException` in place of Holdfast's errors, with their words."""

    @functools.wraps(function)
    def call(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except HoldfastError as error:
            raise MlflowException(str(error), code_of(error)) from error

    return call


def understood(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Have *function* raise Holdfast's errors in place of `MlflowException`, with its words."""

    @functools.wraps(function)
    def call(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except MlflowException as error:
            problem = f"refused this: {str(error).splitlines()[0]}"
            raise errors.InvalidInputError(
                "MLflow", problem, "check names and --tracking"
            ) from error

    return call


def invalid(message: str) -> MlflowException:
    """Return the error of an argument that MLflow's own stores refuse as well."""
    return MlflowException(message, codes.INVALID_PARAMETER_VALUE)


def missing(message: str) -> MlflowException:
    """Return the error of something that does not exist."""
    return MlflowException(message, codes.RESOURCE_DOES_NOT_EXIST)
