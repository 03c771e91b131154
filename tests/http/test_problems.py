"""Errors as problems of RFC 9457, and back."""

import json
from collections.abc import Iterator

import pytest

from holdfast import errors
from holdfast.core.error_facts import facts, rebuilt
from holdfast.errors import HoldfastError
from holdfast.http.problems import STATUSES, problem_of, retry_after

EXAMPLES: list[HoldfastError] = [
    errors.InvalidInputError("version 'x'", "is not a version", "write 1.2.0"),
    errors.NotFoundError("model irs", ["iris"]),
    errors.NoPreviousVersionError("iris", "1.2.0"),
    errors.AmbiguousRefError("iris@sha256:ab", ["1.0.0", "1.1.0"]),
    errors.ConflictError("iris", "is at 1.2.0", "look again"),
    errors.VersionTakenError("iris@1.0.0", "bytes", "aa", "bb"),
    errors.RefusedError("iris@1.1.0", "production", ["recall: 0.5", "no card"], "--force"),
    errors.UntrustedError("model.pkl", ["os.system"]),
    errors.DamagedError("entry 3", "has changed"),
    errors.NewerFormatError("entry 3", "format 9", "up to 1"),
    errors.StoreError("/srv/store", "is gone"),
    errors.NotAStoreError("/srv/store", "holds something else"),
    errors.ReadOnlyStoreError("/srv/store", "cannot be written"),
    errors.StoreFullError("/srv/store", "has no space left"),
    errors.UnfitStoreError("/srv/store", "has no links"),
    errors.BusyError("iris", "was written by others"),
    errors.LockedError("/srv/store/lock", ["gc (pid 4)"], 10.0, "wait"),
    errors.OutcomeUnknownError("models/iris/journal/0000000003.json", "ab" * 16),
    errors.MissingLibraryError("onnx", "onnx", "loading needs it"),
    errors.UnsupportedError("tensors", "have no predict"),
]


def kinds(root: type[HoldfastError] = HoldfastError) -> Iterator[type[HoldfastError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)
def test_an_error_comes_back_as_it_went(error: HoldfastError) -> None:
    status, document = problem_of(error)
    told = json.loads(json.dumps(document))
    back = rebuilt(told["code"], told["detail"], told)

    assert status == STATUSES[error.code]
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert facts(back) == facts(error)


def test_every_code_has_a_status() -> None:
    codes = {kind.code for kind in kinds() if kind.__module__ == errors.__name__}

    assert codes <= STATUSES.keys()


def test_a_problem_names_its_code_its_status_and_what_to_do() -> None:
    status, document = problem_of(errors.NotFoundError("model irs", ["iris"]))

    assert status == 404
    assert document["code"] == "not_found"
    assert document["type"] == "urn:holdfast:problem:not_found"
    assert document["status"] == 404
    assert document["detail"] == "model irs not found; nearest: iris"
    assert document["nearest"] == ["iris"]


def test_only_what_may_pass_is_to_be_asked_again() -> None:
    assert retry_after(503) == {"Retry-After": "1"}
    assert retry_after(409) == {}
