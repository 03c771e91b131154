"""Errors of the plugin as MLflow's own class, which its clients catch.

MLflow is imported when an error comes: whoever imports it first has it import the plugin, which
needs this module whole.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.gateways.mlflow.mlflow_errors import MlflowProblem, code_of

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def translated(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Have *function* raise `MlflowException` in place of Holdfast's errors, with their words."""

    @functools.wraps(function)
    def call(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except MlflowProblem as problem:
            raise _theirs(problem.message, problem.code) from problem
        except HoldfastError as error:
            raise _theirs(str(error), code_of(error.code)) from error

    return call


def _theirs(message: str, code: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    error: Exception = MlflowException(message, ErrorCode.Value(code))
    return error


def understood(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Have *function* raise Holdfast's errors in place of `MlflowException`, with its words."""

    @functools.wraps(function)
    def call(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        from mlflow.exceptions import MlflowException

        try:
            return function(*args, **kwargs)
        except MlflowException as error:
            said = next(iter(str(error).splitlines()), error.error_code)
            problem = f"refused this: {said}"
            raise InvalidInputError("MLflow", problem, "check names and --tracking") from error

    return call
