import pytest

from holdfast.http.content_types import is_json


@pytest.mark.parametrize(
    ("media", "known"),
    [
        (None, True),
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"application/cloudevents+json", True),
        (b"text/plain", False),
        (b"text/plain; a=application/json", False),
        (b"application/x-www-form-urlencoded", False),
        (b"multipart/form-data; boundary=x", False),
        (b"text/json+json", False),
        (b"", False),
    ],
)
def test_a_content_type_says_json_or_does_not(media: bytes | None, known: bool) -> None:  # noqa: FBT001
    assert is_json(media) is known
