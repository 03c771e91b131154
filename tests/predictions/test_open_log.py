"""Addresses of logs, as they are shown."""

import pytest

from holdfast.predictions import without_credentials


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("predictions", "predictions"),
        ("/var/log/a@b", "/var/log/a@b"),
        ("postgresql://db/predictions", "postgresql://db/predictions"),
        ("postgresql://ana:secret@db:5432/predictions", "postgresql://db:5432/predictions"),
        ("postgresql://ana:se@cret@db/predictions", "postgresql://db/predictions"),
        ("postgresql://db/predictions?user=ana&password=secret", "postgresql://db/predictions"),
        ("postgresql:///predictions?password=se@cret", "postgresql://…"),
        ("postgresql://ana:se/cret@db/predictions", "postgresql://…"),
        ("postgresql://ana:se?cret@db/predictions", "postgresql://…"),
        ("postgresql://ana:se#cret@db/predictions", "postgresql://…"),
    ],
)
def test_an_address_is_shown_without_credentials(location: str, shown: str) -> None:
    assert without_credentials(location) == shown
