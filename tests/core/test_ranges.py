"""Ranges: every form of npm's grammar, pre-releases, and the agreement with another reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_version import NpmSpec
from semantic_version import Version as OtherVersion

from holdfast.core.ranges import looks_like_range, parse
from holdfast.core.version import parse as version
from holdfast.errors import InvalidInputError

small = st.sampled_from(("0", "1", "2", "3", "9", "10"))
releases = st.lists(small, min_size=3, max_size=3).map(".".join)
identifiers = st.lists(
    st.sampled_from(("0", "1", "2", "10", "alpha", "beta", "rc", "x-1")), min_size=1, max_size=2
).map(".".join)
prereleases = st.tuples(releases, identifiers).map("-".join)
partials = st.lists(small, min_size=1, max_size=3).map(".".join)
stars = st.tuples(st.lists(small, max_size=2), st.sampled_from("xX*")).map(
    lambda pair: ".".join((*pair[0], pair[1]))
)
operators = st.sampled_from(("", "=", "^", "~", "<", "<=", ">", ">="))
simples = st.one_of(st.tuples(operators, partials).map("".join), stars)
hyphens = st.tuples(partials, partials).map(" - ".join)
alternatives = st.one_of(st.lists(simples, min_size=1, max_size=3).map(" ".join), hyphens)
ranges = st.lists(alternatives, min_size=1, max_size=3).map(" || ".join)
calm = settings(deadline=None, max_examples=300)


def holds(text: str, candidate: str) -> bool:
    return version(candidate) in parse(text)


@calm
@given(ranges, st.lists(releases, min_size=1, max_size=5))
def test_releases_fall_into_the_ranges_that_semantic_version_puts_them_in(
    text: str, candidates: list[str]
) -> None:
    spec = NpmSpec(text)

    assert [holds(text, candidate) for candidate in candidates] == [
        OtherVersion(candidate) in spec for candidate in candidates
    ]


@calm
@given(
    st.sampled_from(("^", ">=", ">")),
    prereleases,
    st.lists(st.one_of(releases, prereleases), min_size=1, max_size=5),
    st.lists(identifiers, max_size=3),
)
def test_a_lower_bound_with_a_pre_release_is_read_as_semantic_version_reads_it(
    operator: str, bound: str, candidates: list[str], siblings: list[str]
) -> None:
    release = bound.partition("-")[0]
    near = [*candidates, release, *(f"{release}-{sibling}" for sibling in siblings)]
    spec = NpmSpec(f"{operator}{bound}")

    assert [holds(f"{operator}{bound}", candidate) for candidate in near] == [
        OtherVersion(candidate) in spec for candidate in near
    ]


@calm
@given(ranges, prereleases)
def test_no_pre_release_falls_into_a_range_that_names_none(text: str, candidate: str) -> None:
    assert not holds(text, candidate)


@calm
@given(ranges, st.one_of(releases, prereleases), identifiers)
def test_build_metadata_counts_for_nothing(text: str, candidate: str, build: str) -> None:
    assert holds(text, f"{candidate}+{build}") == holds(text, candidate)


@given(releases, releases)
def test_an_alternative_only_adds(release: str, other: str) -> None:
    assert holds(f"{release} || {other}", release)
    assert holds(f"{release} || {other}", other)


# What npm's own reader (semver 7.8) holds to be in, and to be out of, each range. semantic_version
# strays: to it 1.0.0 is in `1.0.0-rc` and 2.0.0-rc in `<2.0.0`, and 1.2.1 is not in `~1.2.0-rc`.
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", "1.2.3 1.2.9 1.10.0", "1.2.2 2.0.0 2.0.0-rc.1 1.3.0-rc.1"),
        ("^1.2", "1.2.0 1.10.0", "1.1.9 2.0.0"),
        ("^1", "1.0.0 1.9.9", "0.9.9 2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"),
        ("^0.2", "0.2.0 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.0"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0.0.x", "0.0.0 0.0.9", "0.1.0"),
        ("^0.x", "0.0.0 0.9.9", "1.0.0"),
        ("^0", "0.0.0 0.9.9", "1.0.0"),
        ("^*", "0.0.0 99.0.0", "1.0.0-rc.1"),
        ("^1.x", "1.0.0 1.9.9", "2.0.0"),
        ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.10 1.2.3 1.9.0", "1.2.3-beta.1 1.2.4-beta.2"),
        ("^0.0.3-beta", "0.0.3-beta 0.0.3-pr.2 0.0.3", "0.0.3-alpha 0.0.4-beta"),
        ("~1.2.3", "1.2.3 1.2.10", "1.2.2 1.3.0 1.3.0-rc.1"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.9", "2.0.0"),
        ("~0", "0.0.0 0.9.9", "1.0.0"),
        ("~*", "0.0.0 99.0.0", "1.0.0-rc.1"),
        ("~>1.2.3", "1.2.3 1.2.9", "1.3.0"),
        ("~1.2.3-beta.2", "1.2.3-beta.4 1.2.3 1.2.9", "1.2.4-beta.2 1.3.0"),
        ("~1.2.0-beta", "1.2.0-beta 1.2.0 1.2.4", "1.2.4-beta 1.3.0"),
        ("1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.3-rc.1"),
        ("=1.2.3", "1.2.3", "1.2.2"),
        ("v1.2.3", "1.2.3", "1.2.4"),
        ("1.2.3+build", "1.2.3 1.2.3+other", "1.2.4"),
        ("1.2.3-rc.1", "1.2.3-rc.1", "1.2.3 1.2.3-rc.2"),
        ("1.2", "1.2.0 1.2.9", "1.3.0 1.1.9"),
        ("=1.2", "1.2.0 1.2.9", "1.3.0"),
        ("1", "1.0.0 1.9.9", "2.0.0"),
        ("1.x", "1.0.0 1.9.9", "2.0.0 0.9.9"),
        ("1.2.X", "1.2.0 1.2.9", "1.3.0"),
        ("1.*", "1.0.0", "2.0.0"),
        ("*", "0.0.0 1.2.3", "1.0.0-rc.1"),
        ("x", "0.0.0 1.2.3", "1.0.0-rc.1"),
        ("", "0.0.0 1.2.3", "1.0.0-rc.1"),
        (">1.2.3", "1.2.4 2.0.0", "1.2.3 1.2.3+build"),
        (">1.2", "1.3.0", "1.2.0 1.2.9"),
        (">1", "2.0.0", "1.0.0 1.9.9"),
        (">*", "", "0.0.0 1.0.0"),
        (">=1.2", "1.2.0 2.0.0", "1.1.9"),
        (">=*", "0.0.0 9.0.0", "1.0.0-rc.1"),
        ("<1.2.3", "1.2.2 0.0.0", "1.2.3 1.2.3-rc.1"),
        ("<1.2", "1.1.9", "1.2.0 1.2.0-rc.1"),
        ("<1", "0.9.9", "1.0.0 1.0.0-rc.1"),
        ("<*", "", "0.0.0 1.0.0"),
        ("<=1.2", "1.2.9", "1.3.0"),
        ("<=1.2.3", "1.2.3", "1.2.4 1.2.3-rc.1"),
        ("<=*", "0.0.0 9.0.0", "1.0.0-rc.1"),
        ("<=2.0.0-rc.1", "1.0.0 2.0.0-rc.1 2.0.0-beta", "2.0.0 2.0.0-rc.2 1.0.0-rc.1"),
        (">=1.2.0 <2", "1.2.0 1.9.9", "1.1.9 2.0.0"),
        (">= 1.2.0   < 2", "1.2.0 1.9.9", "1.1.9 2.0.0"),
        (">=1.2.0<2", "1.2.0 1.9.9", "1.1.9 2.0.0"),
        ("1.2.3 - 2.3.4", "1.2.3 2.3.4", "1.2.2 2.3.5"),
        ("1.2 - 2.3.4", "1.2.0 2.3.4", "1.1.9 2.3.5"),
        ("1.2.3 - 2.3", "1.2.3 2.3.9", "2.4.0"),
        ("1.2.3 - 2", "1.2.3 2.9.9", "3.0.0"),
        ("* - 2", "0.0.0 2.9.9", "3.0.0"),
        ("1 - *", "1.0.0 9.0.0", "0.9.9"),
        ("2 - 1", "", "1.0.0 1.5.0 2.0.0"),
        ("1.2.7 || >=1.2.9 <2.0.0", "1.2.7 1.2.9 1.4.6", "1.2.8 2.0.0"),
        ("^1||^3", "1.0.0 3.1.0", "2.0.0"),
        ("^2 ||", "1.0.0 2.0.0", "2.0.0-rc.1"),
        (">1.2.3-alpha.3", "1.2.3-alpha.7 3.4.5 1.2.3", "3.4.5-alpha.9 1.2.3-alpha.3"),
    ],
)
def test_a_range_holds_what_npm_says(text: str, inside: str, outside: str) -> None:
    assert all(holds(text, candidate) for candidate in inside.split())
    assert not any(holds(text, candidate) for candidate in outside.split())


def test_a_number_behind_a_free_part_counts_for_nothing() -> None:
    # The grammar allows it and says of it no more than that the free part stands for any number.
    assert holds("1.x.3", "1.9.0")
    assert not holds("1.x.3", "2.0.3")


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "1.2.3.4",
        "^",
        "~",
        ">=",
        "==1.2",
        "^^1",
        "1 | 2",
        "^1.2.3-",
        "^1.2.3-01",
        "^1.2.3-a..b",
        "^01.2",
        "1.2-rc",
        "1,2",
        "^1.2; rm",
        "../1.2",
        "1.2.3 - ",
        "1 - 2 - 3",
        "^1.2.3+",
        "^1.2.3+..",
        "1٣.2",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is neither a version nor part of one"):
        parse(text)


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        parse("^1." + "1" * 5000)


def test_a_refusal_names_the_part_and_the_whole() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse("^1.2 || bad")

    assert refusal.value.subject == "range '^1.2 || bad'"
    assert "'bad'" in refusal.value.problem


def test_a_range_keeps_its_text() -> None:
    assert parse("^1.2 || 3.x").text == "^1.2 || 3.x"


@pytest.mark.parametrize(
    "text", ["^1.2", "~1", ">=1 <2", "1.x", "1", "1.2", "v1", "x", "*", "1.2 - 2", "^x || y", "<1"]
)
def test_marks_and_partial_versions_look_like_ranges(text: str) -> None:
    assert looks_like_range(text)


@pytest.mark.parametrize("text", ["production", "v", "eu", "rc.1", "champion-2", "sha256:ab12", ""])
def test_words_do_not_look_like_ranges(text: str) -> None:
    assert not looks_like_range(text)
