"""Who writes where nobody was named."""

import os
import sys

import pytest

from holdfast.registry.author import author


def test_where_no_user_is_known_the_author_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pwd", None)
    monkeypatch.setattr(os, "getlogin", lambda: "ana")
    known = author()
    monkeypatch.setattr(os, "getlogin", lambda: os.stat("/nothing/here"))

    assert (known, author()) == ("ana", "unknown")
