import json

import pytest

from holdfast.http.json_bodies import decode, is_json


@pytest.mark.parametrize(
    "body",
    [
        '{"a": 1, "a": 2}',
        '{"instances": [[1]], "instances": [[2]]}',
        '[{"a": 1}, {"b": {"c": 1, "c": 1}}]',
        '{"a": 1, "\\u0061": 2}',
        '{"a\\\\": 1, "a\\\\": 2}',
        '{"at": "10:00", "a" : 1, "a"\n: 2}',
        '{"a": {"b": ":"}, "c": "\\":", "a": 1}',
        '{"": 1, "": 2}',
    ],
)
def test_a_key_that_stands_twice_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        decode(body.encode())


@pytest.mark.parametrize(
    "value",
    [
        {"instances": [[1, 2], [3, 4]]},
        {"instances": [{"at": "10:00:00", "b": ":"}, {"at": '":', "b\\": 1.5}]},
        {"instances": [{"a": 1}], "parameters": {"a": [":", '"', {"c": None}]}},
        [{"a": "x:y"}, {"a": "\\:"}],
        {":": ":", "a:b": '"a":'},
        [],
    ],
)
def test_a_body_without_twins_is_read_as_it_is(value: object) -> None:
    assert decode(json.dumps(value).encode()) == value


def test_numbers_beyond_what_python_reads_are_no_fault_of_ours() -> None:
    digits = "1" * 5000
    with pytest.raises(ValueError, match=r"."):
        decode(f'{{"a": {digits}, "a": 1, "b": ":"}}'.encode())


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_deep_body_is_refused(opening: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(opening.encode() * 100_000)


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
