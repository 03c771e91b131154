"""Processes of Python that begin without the current folder on their path."""

import os

import pytest

from holdfast.sandbox.clean_path import apart_from_the_current_folder


@pytest.mark.parametrize("before", [None, "", "yes"])
def test_the_environment_is_as_it_was_afterwards(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", before)

    with apart_from_the_current_folder():
        assert os.environ["PYTHONSAFEPATH"] == "1"

    assert os.environ.get("PYTHONSAFEPATH") == before
