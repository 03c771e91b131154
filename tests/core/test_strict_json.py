import json
from typing import Any

import msgspec
import pytest

from holdfast.core.strict_json import RepeatedKeyError, decode, distinct


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
    with pytest.raises(RepeatedKeyError, match="twice"):
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


@pytest.mark.parametrize(
    "body",
    [
        b'{"at":"10:00","a":{"b":"c:d"}}\n',
        b' {"at": "10:00", "a": {"b": "c:d"}} ',
        b'{"at":"10:00","a":18446744073709551616}',
        b'{"at":"10:00","a":1.50,"b":"\\u0061:"}',
        b'{"at":"10:00","a":"' + b"x" * 70_000 + b'"}',
    ],
)
def test_a_body_is_read_alike_however_it_is_written(body: bytes) -> None:
    assert decode(body) == json.loads(body)


@pytest.mark.parametrize("end", ["", "x" * 70_000])
def test_keys_that_stand_twice_are_found_in_canonical_bodies_too(end: str) -> None:
    for body in ('{"at":"10:00","a":1,"a":1}', '{"a":{"at":"10:00","at":"10:00"}}'):
        with pytest.raises(RepeatedKeyError):
            decode(body[:-1] + f',"z":"{end}"}}')


def test_numbers_beyond_what_python_reads_are_no_fault_of_ours() -> None:
    digits = "1" * 5000
    with pytest.raises(ValueError, match=r"."):
        decode(f'{{"a": {digits}, "a": 1, "b": ":"}}'.encode())


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_deep_body_is_refused(opening: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(opening.encode() * 100_000)


class Point(msgspec.Struct):
    x: int


def test_a_value_of_a_kind_is_read_as_that_kind() -> None:
    assert decode('{"x": 1, "unknown": {"y": 2}}', Point) == Point(1)


@pytest.mark.parametrize("text", ['{"x": "1"}', "[1]", "", "NaN", "\ufeff1", '"\\ud800"', "1 2"])
def test_what_is_of_another_kind_or_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text, Point)


@pytest.mark.parametrize(
    "text",
    [
        '{"x": 1, "x": 1}',
        '{"x": 1, "nobody asks": 1, "nobody asks": 2}',
        '{"x": 1, "inner": [{"a": 1, "\\u0061": 2}]}',
    ],
)
def test_a_key_stands_twice_even_where_the_kind_does_not_ask_for_it(text: str) -> None:
    with pytest.raises(RepeatedKeyError, match="appears twice in one object"):
        decode(text, Point)


def test_the_hook_of_another_reader_refuses_as_well() -> None:
    def load(text: str) -> Any:
        return json.loads(text, object_pairs_hook=distinct)

    with pytest.raises(RepeatedKeyError, match="the key 'a' appears twice"):
        load('{"a": NaN, "b": {"a": 1, "a": 2}}')

    assert load('{"b": {"a": 1}, "a": 2}') == {"b": {"a": 1}, "a": 2}
