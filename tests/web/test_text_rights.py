"""What setting a text takes: as much as the move that MLflow's clients would take it for."""

import pytest

from holdfast.errors import InvalidInputError
from holdfast.web import text_rights


@pytest.mark.parametrize(
    ("version", "texts", "verbs"),
    [
        (None, {"description": "x", "updated": "1"}, ["note"]),
        (None, {"tag.team": "risk", "updated": "1"}, ["note", "tag"]),
        (None, {"alias.staging": ""}, ["alias"]),
        (None, {"name": "x", "being made from": "y", "created": "1"}, ["register"]),
        ("1.0.0", {"description": None}, ["note"]),
        ("1.0.0", {"stage": "Production while archived"}, ["promote"]),
        ("1.0.0", {"stage": "Staging while registered"}, ["stage"]),
        ("1.0.0", {"stage": None}, ["archive"]),
    ],
)
def test_each_text_takes_a_right(
    version: str | None, texts: dict[str, str | None], verbs: list[str]
) -> None:
    assert text_rights.needed(version, texts) == verbs


@pytest.mark.parametrize("key", ["source", "location", "run_id", "user_id", "created", "tag.x"])
def test_what_a_registration_says_is_not_said_anew(key: str) -> None:
    with pytest.raises(InvalidInputError, match="is set when a version is registered"):
        text_rights.needed("1.0.0", {key: "s3://elsewhere"})
