"""Errors that go from one machine to another and come out as they were."""

from typing import Any

import msgspec
import pytest

from holdfast import errors
from holdfast.core import error_facts
from holdfast.errors import HoldfastError, RefusedError

RAISED: list[HoldfastError] = [
    errors.InvalidInputError("reason", "must be text, not 5", "give text"),
    errors.NotFoundError("model irs", ["iris"]),
    errors.NoPreviousVersionError("iris", "1.2.0"),
    errors.AmbiguousRefError("iris@sha256:ab", ["1.0.0", "1.1.0"]),
    errors.ConflictError("iris", "moved"),
    errors.ChangedError("iris", "has entry 5"),
    errors.VersionTakenError("iris@1.0.0", "bytes", "aa", "bb"),
    errors.RefusedError("iris@1.0.0", "production", ["auc fell", "no approval"]),
    errors.UntrustedError("model.pkl", ["os.system"]),
    errors.DamagedError("entry 3 of iris", "was truncated"),
    errors.NewerFormatError("entry 3 of iris", "entry format 9", "up to 1"),
    errors.StoreError("store", "is gone"),
    errors.NotAStoreError("store", "has files"),
    errors.ReadOnlyStoreError("store", "is read-only"),
    errors.StoreFullError("store", "is full"),
    errors.UnfitStoreError("store", "has no links"),
    errors.BusyError("iris", "was written by others"),
    errors.LockedError("lock", ["pid 7"], 1.5, "wait"),
    errors.OutcomeUnknownError("models/iris/journal/0000000007.json", "ab12"),
    errors.UnauthenticatedError("token", "has expired"),
    errors.ForbiddenError("ana", "may not promote iris", ["promoter"], "ask an admin"),
    errors.MissingLibraryError("torch", "torch", "the format needs it"),
    errors.UnsupportedError("tensors", "have no predict"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_the_same_class_with_the_same_facts(error: HoldfastError) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(error_facts.facts(error)))

    came = error_facts.rebuilt(error.code, str(error), sent)

    assert type(came) is type(error)
    assert str(came) == str(error)
    assert {name: getattr(came, name) for name in vars(came)} == vars(error)


def test_every_class_of_error_is_sent_with_its_facts() -> None:
    own = {kind for kind in error_facts.classes() if kind.__module__ == "holdfast.errors"}

    assert own == set(error_facts.FACTS)
    assert own == {type(error) for error in RAISED}


def test_a_code_that_is_unknown_here_makes_no_error() -> None:
    assert error_facts.rebuilt("teapot", "I am one", {}) is None


@pytest.mark.parametrize("lie", [None, 5, "text", [1, 2], {"a": 1}, True])
def test_facts_of_another_kind_are_not_believed(lie: Any) -> None:
    told = {"reasons": lie, "subject": lie, "args": lie, "code": "x", "with_traceback": lie}

    came = error_facts.rebuilt("refused", "production refused iris@1.0.0", told)

    assert isinstance(came, RefusedError)
    assert came.reasons == ()
    assert came.subject == (lie if isinstance(lie, str) else "")
    assert came.code == "refused"
    assert str(came) == "production refused iris@1.0.0"


def test_a_number_that_is_none_is_zero() -> None:
    for lie in ("soon", True):
        came = error_facts.rebuilt("locked", "lock is held", {"waited_s": lie})

        assert isinstance(came, errors.LockedError)
        assert came.waited_s == 0.0
