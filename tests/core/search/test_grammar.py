"""What is a condition, and how what is none is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.search import MAX_DEPTH, MAX_LENGTH, parse, parse_order, predicates
from holdfast.core.search.conditions import Every, Moments, Not, Predicate, Some
from holdfast.errors import InvalidInputError


def lone(text: str) -> Predicate:
    condition = parse(text)
    assert isinstance(condition, Predicate)
    return condition


def refused(text: str, read: Any = parse) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    return str(caught.value)


def test_and_binds_before_or_and_not_before_both() -> None:
    condition = parse("a = 1 or not b = 2 and c = 3")

    assert isinstance(condition, Some)
    first, second = condition.parts
    assert isinstance(first, Predicate)
    assert isinstance(second, Every)
    assert isinstance(second.parts[0], Not)


def test_brackets_bind_first() -> None:
    condition = parse("(a = 1 or b = 2) and c = 3")

    assert isinstance(condition, Every)
    assert isinstance(condition.parts[0], Some)


def test_words_of_the_language_may_be_in_upper_case() -> None:
    assert parse("a = 1 AND NOT b IS NULL") == parse("a = 1 and not b is null")


@pytest.mark.parametrize(
    ("text", "name", "literals"),
    [
        ("recall>0.9", "recall", (0.9,)),
        ("recall > -1e-3", "recall", (-0.001,)),
        ('metric."f1 score" < 1', 'metric."f1 score"', (1,)),
        ('"f1 score" < 1', "f1 score", (1,)),
        ("val/loss <= 2", "val/loss", (2,)),
        ("recall@5 = 1", "recall@5", (1,)),
        ("tag.team = risk", "tag.team", ("risk",)),
        ("tag.team = 'it''s'", "tag.team", ("it's",)),
        ("tag.year = 2026", "tag.year", ("2026",)),
        ("parameter.lr in (0.1, 1, 'x', true)", "parameter.lr", (0.1, 1, "x", True)),
        ('parameter.depth = "3"', "parameter.depth", ("3",)),
        ("served = TRUE", "served", (True,)),
        ("status in (archived, purged)", "status", ("archived", "purged")),
        ("model like '%a%b'", "model", (("", "a", "b"),)),
    ],
)
def test_a_literal_has_the_type_of_its_field(text: str, name: str, literals: tuple[Any]) -> None:
    predicate = lone(text)

    assert predicate.field.name == name
    assert predicate.literals == literals
    assert [*map(type, predicate.literals)] == [*map(type, literals)]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-03-03", "2026-03-03T00:00:00.000000Z", "2026-03-03T23:59:59.999999Z"),
        ("2026-03-03T14:05Z", "2026-03-03T14:05:00.000000Z", "2026-03-03T14:05:59.999999Z"),
        ("'2026-03-03 14:05:07'", "2026-03-03T14:05:07.000000Z", "2026-03-03T14:05:07.999999Z"),
        ("2026-03-03T14:05:07.5Z", "2026-03-03T14:05:07.500000Z", "2026-03-03T14:05:07.500000Z"),
        ("2026-03-03T01:00+02:00", "2026-03-02T23:00:00.000000Z", "2026-03-02T23:00:59.999999Z"),
    ],
)
def test_a_time_is_all_that_it_leaves_open(text: str, first: str, last: str) -> None:
    assert lone(f"registered_at = {text}").literals == (Moments(first, last),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "end of where must be the name of a field"),
        ("recall >", "end of where must be the value that recall is compared with"),
        ("recall > )", "where at character 10 ()) must be the value that recall is compared with"),
        ("recall > and", "where at character 10 (and) must be the value that recall is"),
        ("recall > high", "where at character 10 (high) must be a number, as recall is"),
        ("metric.recall > '0.9'", "where at character 17 (0.9) must be a number"),
        ("recall > 1e999", "where at character 10 (1e999) must be a number"),
        ("recall > 0x10", "where at character 10 (0x10) must be a number"),
        ("recall > ٣", "where at character 10 (٣) must be a number"),
        ("x == 1", "where at character 3 (==) is not a comparison; write ="),
        ("x <> 1", "write !="),
        ("x !< 1", "use one of = != < <= > >="),
        ('tag.a = "b and c = 1', 'where at character 9 ("b and c = 1) has no closing quote'),
        ("tag.'a = 1", "where at character 5 ('a = 1) has no closing quote"),
        ("(a > 1 and (b > 2)", "end of where must be ), which closes the ( at character 1"),
        ("a > 1)", "where at character 6 ()) follows a complete condition; join"),
        ("a > 1 b > 2", "where at character 7 (b) follows a complete condition"),
        ("served", "end of where must be a comparison with served; write served = true"),
        ("served = 1", "where at character 10 (1) must be true or false, as served is"),
        ("a not = 1", "where at character 7 (=) must be a comparison with a"),
        ("status = archive", "(archive) must be a status; nearest: archived"),
        ("status = zzz", "(zzz) must be a status; use registered or staging or production"),
        ("status > archived", "(>) cannot be asked of status, which is a choice; write = or !="),
        ("tag.year > 2025", "(>) cannot be asked of tag.year, which is a text"),
        ("recall like '%9'", "(like) cannot be asked of recall, which is a number"),
        ("served in (true)", "(in) cannot be asked of served, which is true or false"),
        ("parameter.x > a", "(a) must be a number, as only numbers are more or less"),
        ("statu = archived", "as no field is called statu, it is taken for a metric; nearest: st"),
        ("tags.team = risk", "it is taken for a metric; nearest: tag.team"),
        ("tag = risk", "where at character 1 (tag) names nothing; write tag.NAME"),
        ("tag. = risk", "where at character 1 (tag.) names nothing; write tag.NAME"),
        ("tag.a..b = c", "where at character 1 (tag.a..b) names nothing; write tag.NAME"),
        ("a. = 1", "where at character 1 (a.) names nothing"),
        ("and > 1", "where at character 1 (and) must be the name of a field"),
        ("> 1", "where at character 1 (>) must be the name of a field"),
        ("a = null", "(null) cannot be compared with; write `a is null` or `a is not null`"),
        ("a is 1", "where at character 6 (1) must be null"),
        ("a in 1", "where at character 6 (1) must be ( and values with commas between them"),
        ("a in ()", "where at character 7 ()) must be the value"),
        ("a in (1 2)", "where at character 9 (2) must be , or )"),
        ("version = 1.2", "(1.2) must be a version; write MAJOR.MINOR.PATCH, such as 1.2.0"),
        ("registered_at > tomorrow", "(tomorrow) must be a date or time, as registered_at is"),
        ("registered_at > 2026-02-30", "(2026-02-30) must be a date or time"),
        ("registered_at > 2026-03", "(2026-03) must be a date or time"),
        ("registered_at > 9999-12-31T23:59-12:00", "must be a date or time"),
        ("a" * 40 + " = x", f"where at character {44} (x) must be a number"),
        ("x = " + "a" * 40, f"({'a' * 31}…) must be a number"),
        ("a = " + "1" * MAX_LENGTH, "where has 4,004 characters, more than 4,000"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, message: str) -> None:
    assert message in refused(text)


def test_what_is_not_text_is_refused() -> None:
    assert refused(5) == "where must be text, not 5"  # type: ignore[arg-type]


@pytest.mark.parametrize("opening", ["(", "not ", "not ("])
def test_depth_is_bounded(opening: str) -> None:
    closing = ")" * opening.count("(")
    levels = MAX_DEPTH // len(opening.split(" ")[:2]) if opening == "not (" else MAX_DEPTH
    parse(f"{opening * levels}a = 1{closing * levels}")

    assert f"is nested over {MAX_DEPTH} deep" in refused(opening * 60 + "a = 1" + closing * 60)


def test_a_condition_of_the_greatest_length_is_read() -> None:
    text = " or ".join(["a=1"] * (MAX_LENGTH // 7))

    assert len([*predicates(parse(text))]) == MAX_LENGTH // 7


WORDS = """( ) , and or not in is null like contains = != < >= recall tag.x served status version
registered_at parameter.a 0.5 'text' " 1.0.0 2026-03-03 true archived""".split()
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@given(st.text(max_size=80) | SENTENCES)
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        read = [*predicates(parse(text))]
    except InvalidInputError:
        return
    assert read


def test_an_order_has_fields_and_directions() -> None:
    terms = parse_order("metric.recall desc, version asc, registered_at")

    assert [(term.field.name, term.descending, term.position) for term in terms] == [
        ("metric.recall", True, 1),
        ("version", False, 21),
        ("registered_at", False, 34),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "end of order_by must be the name of a field"),
        ("version down", "order_by at character 9 (down) follows a field; write FIELD asc, FIELD"),
        ("version,", "end of order_by must be the name of a field"),
        ("alias", "order_by at character 1 (alias) has several values, so nothing sorts by it"),
        (",".join("abcdefghi"), "order_by has 9 fields, more than 8"),
    ],
)
def test_what_is_no_order_is_refused(text: str, message: str) -> None:
    assert message in refused(text, parse_order)
