"""Semantic versions: reading, order, the next one, and what one claims against another."""

import itertools
from typing import Any

import pytest
import semantic_version
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from semver import Version as Reference

from holdfast.core.version import (
    Level,
    Version,
    bump,
    check_bump,
    is_stored,
    level_between,
    newest,
    order,
    parse,
    stronger,
)
from holdfast.errors import InvalidInputError

numbers = st.one_of(st.integers(0, 12), st.integers(0, 10**20)).map(str)
words = st.from_regex(r"[0-9]{0,2}[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True)
identifiers = st.lists(st.one_of(numbers, words), min_size=1, max_size=3).map(".".join)
builds = st.from_regex(r"[0-9A-Za-z-]{1,4}(\.[0-9A-Za-z-]{1,3})?", fullmatch=True)
releases = st.tuples(numbers, numbers, numbers).map(".".join)
prereleases = st.tuples(releases, identifiers).map("-".join)
texts = st.one_of(
    releases, prereleases, st.tuples(st.one_of(releases, prereleases), builds).map("+".join)
)
levels: st.SearchStrategy[Level] = st.sampled_from(("major", "minor", "patch"))
calm = settings(deadline=None)


def compared(version: str, other: str) -> int:
    return (order(version) > order(other)) - (order(version) < order(other))


@given(texts)
def test_a_version_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text


@given(releases, builds)
def test_versions_of_the_same_precedence_are_one_key(release: str, build: str) -> None:
    assert {parse(release): "kept"}[parse(f"{release}+{build}")] == "kept"


@calm
@given(texts, texts)
def test_the_order_is_that_of_semantic_version(version: str, other: str) -> None:
    first, second = (
        semantic_version.Version(text).truncate("prerelease").precedence_key
        for text in (version, other)
    )

    assert compared(version, other) == (first > second) - (first < second)


@calm
@given(texts, texts)
def test_the_order_is_that_of_semver(version: str, other: str) -> None:
    assert compared(version, other) == Reference.parse(version).compare(other)


def test_the_order_is_the_one_of_the_standard() -> None:
    # semver.org 2.0.0, section 11
    chain = (
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "2.0.0",
        "2.1.0",
        "2.1.1",
    )

    assert all(parse(low) < parse(high) for low, high in itertools.pairwise(chain))


def test_ten_comes_after_nine() -> None:
    versions = sorted(("1.10.0", "1.9.0", "10.0.0", "9.0.0"), key=parse)

    assert versions == ["1.9.0", "1.10.0", "9.0.0", "10.0.0"]


@given(prereleases)
def test_a_pre_release_comes_before_its_release(text: str) -> None:
    version = parse(text)

    assert version < parse(version.release)


@given(st.one_of(releases, prereleases), builds)
def test_build_metadata_has_no_order(text: str, build: str) -> None:
    assert parse(f"{text}+{build}") == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.02.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+",
        "-1.2.3",
        "1.2.3\n",
        " 1.2.3",
        "1.2.3 ",
        "1.2.x",
        "latest",
        "١.٢.٣",
        "1.2.3-é",
        "1.2.3-a..b",
        "1.2.3/..",
        "1.0." + "9" * 5000,
    ],
)
def test_what_is_not_semver_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is not SemVer|more than 200"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [("v1.2.0", "1.2.0"), ("V2.0.0-rc.1", "2.0.0-rc.1"), ("1", "1.0.0"), (" 1.2 ", "1.2.0")],
)
def test_a_refusal_says_what_was_probably_meant(text: str, written: str) -> None:
    with pytest.raises(InvalidInputError, match=f"write {written}$"):
        parse(text)


def test_a_refusal_of_nonsense_shows_the_form() -> None:
    with pytest.raises(InvalidInputError, match=r"write MAJOR\.MINOR\.PATCH, such as 1\.2\.0"):
        parse("final_v2")


def test_the_newest_is_a_release_even_where_a_pre_release_is_higher() -> None:
    assert newest(("1.9.0", "1.10.0", "2.0.0-rc.1")) == "1.10.0"


def test_the_newest_is_a_pre_release_where_there_is_no_release() -> None:
    assert newest(("1.0.0-rc.9", "1.0.0-rc.10")) == "1.0.0-rc.10"


def test_the_newest_of_none_is_none() -> None:
    assert newest(()) is None


@pytest.mark.parametrize(
    ("level", "other", "greater"),
    [
        ("patch", "minor", "minor"),
        ("minor", "patch", "minor"),
        ("major", "minor", "major"),
        ("patch", "major", "major"),
        ("patch", "patch", "patch"),
    ],
)
def test_major_is_stronger_than_minor_and_minor_than_patch(
    level: Level, other: Level, greater: Level
) -> None:
    assert stronger(level, other) == greater


@pytest.mark.parametrize(
    ("base", "level", "then"),
    [
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.9.0", "minor", "1.10.0"),
        ("9.0.0", "major", "10.0.0"),
        ("1.2.3+build.7", "patch", "1.2.4"),
        ("2.0.0-rc.1", "major", "2.0.0"),
        ("2.0.0-rc.1", "minor", "2.0.0"),
        ("2.0.0-rc.1", "patch", "2.0.0"),
        ("2.1.0-rc.1", "minor", "2.1.0"),
        ("2.1.0-rc.1", "major", "3.0.0"),
        ("2.0.1-rc.1", "patch", "2.0.1"),
        ("2.0.1-rc.1", "minor", "2.1.0"),
        ("2.0.1-rc.1", "major", "3.0.0"),
        ("0.2.3", "minor", "0.3.0"),
        ("0.2.3", "major", "1.0.0"),
    ],
)
def test_a_bump_raises_its_part_or_finishes_the_pre_release(
    base: str, level: Level, then: str
) -> None:
    assert str(bump(parse(base), level)) == then


@given(texts, levels)
def test_a_bump_always_gives_a_higher_release(base: str, level: Level) -> None:
    version = bump(parse(base), level)

    assert version > parse(base)
    assert version.prerelease is None


@given(texts, levels)
def test_a_bump_claims_at_least_its_level(base: str, level: Level) -> None:
    claimed = level_between(parse(base), bump(parse(base), level))

    assert stronger(claimed, level) == claimed


@pytest.mark.parametrize(
    ("base", "version", "level"),
    [
        ("1.2.3", "2.0.0", "major"),
        ("1.2.3", "2.0.0-rc.1", "major"),
        ("1.2.3", "1.3.0", "minor"),
        ("1.2.3", "1.2.4", "patch"),
        ("0.2.3", "0.3.0", "major"),
        ("0.2.3", "0.2.4", "patch"),
        ("0.2.3", "1.0.0", "major"),
        ("2.0.0-rc.1", "2.0.0-rc.2", "major"),
        ("2.0.0-rc.1", "2.0.0", "major"),
        ("2.1.0-rc.1", "2.1.0", "minor"),
        ("2.1.1-rc.1", "2.1.1", "patch"),
    ],
)
def test_a_version_claims_the_highest_part_that_it_raises(
    base: str, version: str, level: Level
) -> None:
    assert level_between(parse(base), parse(version)) == level


@given(texts, texts)
def test_outside_a_caret_range_a_major_change_is_claimed(text: str, other: str) -> None:
    base, version = sorted((parse(text), parse(other)))
    assume(base.prerelease is None)
    assume(base < version)
    caret = semantic_version.NpmSpec(f"^{Version(base.major, base.minor, base.patch)}")
    within = semantic_version.Version(version.release) in caret
    assume(base.major or base.minor)  # below 0.1.0 a caret holds one version

    assert (level_between(base, version) == "major") is not within


@pytest.mark.parametrize("word", ["auto", "major", "minor", "patch"])
def test_a_bump_says_how_far(word: str) -> None:
    assert check_bump(word) == word


@pytest.mark.parametrize("word", ["huge", "", "Major", None, 1, ["minor"]])
def test_any_other_word_is_no_bump(word: Any) -> None:
    with pytest.raises(InvalidInputError, match="use auto, major, minor or patch"):
        check_bump(word)


@pytest.mark.parametrize("version", [None, 1, 1.2, ["1.2.0"]])
def test_what_is_no_text_is_no_version(version: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not SemVer"):
        parse(version)


LONG = ("1.0.0-" + "9" * 5000, "9" * 5000 + ".0.0", "1.0.0+" + "a" * 195, "1.0.0-" + "a." * 99)


@pytest.mark.parametrize("text", LONG)
def test_a_version_that_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"version '.{33}' has [0-9,]+ characters, more"):
        parse(text)
    assert not is_stored(text)


@pytest.mark.parametrize("text", ["x", "", "1.0", "../../x", "1.0.0/../..", "v1.0.0", "1.0.0\n"])
def test_what_cannot_have_been_registered_is_not_stored(text: str) -> None:
    assert not is_stored(text)
    assert is_stored("1.0.0-" + "9" * 194)
    assert parse("1.0.0-" + "9" * 194).major == 1
