"""Refs: every way to name a version, and which version each names."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.ranges import Range
from holdfast.core.refs import (
    AliasRef,
    Digest,
    Exact,
    Number,
    Selector,
    fixed,
    parse_ref,
    parse_selector,
    resolve,
    selector_in,
    selector_of,
)
from holdfast.core.state import State
from holdfast.core.version import parse
from holdfast.errors import AmbiguousRefError, InvalidInputError, NotFoundError

Play = Callable[..., State]

NINE = tuple(f"register 1.{minor}.0" for minor in range(9))
MANY = (*NINE, "register 1.9.0", "register 1.10.0", "register 2.0.0-rc.1")


@pytest.fixture
def many(play: Play) -> State:
    """Return twelve versions: 1.0.0 to 1.10.0 and a pre-release."""
    return play(*MANY)


def named(state: State, text: str) -> str:
    return resolve(state, parse_selector(text)).version


def missing(state: State, text: str) -> NotFoundError:
    with pytest.raises(NotFoundError) as refusal:
        named(state, text)
    return refusal.value


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("1.2.0", Exact(parse("1.2.0"))),
        ("v1.2.0", Exact(parse("1.2.0"))),
        ("2.0.0-rc.1+b.7", Exact(parse("2.0.0-rc.1+b.7"))),
        ("v3", Number(3)),
        ("v10", Number(10)),
        ("production", AliasRef("production")),
        ("previous", AliasRef("previous")),
        ("staging", AliasRef("staging")),
        ("latest", AliasRef("latest")),
        ("eu-west.1", AliasRef("eu-west.1")),
        ("sha256:ab12", Digest("ab12")),
        ("sha256:" + "0" * 64, Digest("0" * 64)),
    ],
)
def test_each_form_is_told_from_the_others(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector


@pytest.mark.parametrize("text", ["^1.2", "~1.2.0", "1.x", "1.2", ">=1.2 <2", "1 - 2", "*"])
def test_a_range_is_told_from_a_name(text: str) -> None:
    selector = parse_selector(text)

    assert isinstance(selector, Range)
    assert selector.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-x",
        "@1",
        "1.0.0@x",
        "a/b",
        "a;b",
        "a#b",
        "a%2eb",
        "..",
        "é",
        "a\x00",
        "production\n",
        "1.2.3.4",
        "^latest",
        "v1٣",
        "1" * 5000,
        "1.0." + "1" * 5000,
    ],
)
def test_what_names_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_selector(text)


@pytest.mark.parametrize("text", ["0", "1", "12"])
def test_a_bare_number_could_be_a_registration_or_a_range(text: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"write v{text} .* or {text}\.x "):
        parse_selector(text)


@pytest.mark.parametrize(
    "text", ["sha256:", "sha256:abc", "sha256:AB12", "sha256:xyz1", "sha256:" + "0" * 65]
)
def test_a_malformed_digest_is_told_what_one_is(text: str) -> None:
    with pytest.raises(InvalidInputError, match="give 4 to 64 lower-case hex digits"):
        parse_selector(text)


@settings(deadline=None, max_examples=500)
@given(
    st.one_of(
        st.text(max_size=12),
        st.text(st.sampled_from("iris@v1.2x-^~<>=| *sha256:abc/%\\é\n"), max_size=16),
    )
)
def test_any_text_is_a_ref_or_is_refused_politely(text: str) -> None:
    try:
        ref = parse_ref(text)
    except InvalidInputError:
        return

    assert str(ref) == text


def test_a_ref_is_a_model_and_a_selector() -> None:
    ref = parse_ref("team/iris@^1.2")

    assert (ref.model, ref.selector) == ("team/iris", parse_selector("^1.2"))


def test_a_bare_model_has_no_selector() -> None:
    assert parse_ref("iris").selector is None


def test_a_ref_reads_as_it_was_written() -> None:
    assert str(parse_ref("iris@v1.2.0")) == "iris@v1.2.0"


@pytest.mark.parametrize("text", ["@1.0.0", "../iris@1.0.0", "a:b@1.0.0", "iris@", "iris@@1.0.0"])
def test_a_ref_with_a_bad_half_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_ref(text)


def test_what_names_no_version_of_a_model_says_what_would() -> None:
    assert selector_of(parse_ref("iris@v3")) == Number(3)

    with pytest.raises(InvalidInputError, match="write iris@production"):
        selector_of(parse_ref("iris"))


def test_a_version_of_one_model_is_named_alone_or_with_it() -> None:
    assert selector_in("iris", "1.1.0") == selector_in("iris", "iris@1.1.0")
    assert selector_in("iris", "v3") == Number(3)


@pytest.mark.parametrize("text", ["rose@1.0.0", "@1.0.0", "iris@", "iris@rose@1.0.0", ""])
def test_a_version_of_another_model_is_none_of_this(text: str) -> None:
    with pytest.raises(InvalidInputError):
        selector_in("iris", text)


@pytest.mark.parametrize("text", ["1.0.0", "v1", "sha256"])
def test_a_number_or_digest_names_the_same_version_for_ever(play: Play, text: str) -> None:
    state = play("register 1.0.0", "alias eu 1.0.0", "promote 1.0.0")
    whole = f"sha256:{state.record('1.0.0').manifest}" if text == "sha256" else text

    assert fixed(state, parse_selector(whole)) == "1.0.0"


@pytest.mark.parametrize("text", ["eu", "production", "staging", "^1.0"])
def test_what_a_name_or_range_names_moves(play: Play, text: str) -> None:
    state = play("register 1.0.0", "alias eu 1.0.0", "promote 1.0.0")

    assert fixed(state, parse_selector(text)) is None


def test_an_exact_version_names_itself(many: State) -> None:
    assert named(many, "1.10.0") == "1.10.0"


def test_a_leading_v_before_a_version_is_no_number(many: State) -> None:
    assert named(many, "v1.1.0") == "1.1.0"


def test_a_number_names_the_registration_of_that_number(many: State) -> None:
    assert named(many, "v11") == "1.10.0"


def test_a_number_beyond_the_last_says_which_there_are(many: State) -> None:
    assert "the numbers run from v1 to v12" in str(missing(many, "v13"))


def test_a_number_of_thousands_of_digits_names_no_version(many: State) -> None:
    with pytest.raises((InvalidInputError, NotFoundError)):
        named(many, "v" + "1" * 5000)


def test_the_whole_digest_names_its_version(many: State) -> None:
    assert all(
        named(many, f"sha256:{record.manifest}") == record.version
        for record in many.versions.values()
    )


def test_a_short_digest_names_the_one_version_it_fits(many: State) -> None:
    assert named(many, f"sha256:{many.versions['1.4.0'].manifest[:12]}") == "1.4.0"


def test_an_unknown_digest_is_not_found(many: State) -> None:
    assert "`holdfast ls iris` lists digests" in str(missing(many, "sha256:" + "0" * 64))


def test_a_digest_that_fits_two_versions_names_both(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0")
    twin = state.versions["1.1.0"]
    for version in ("1.0.0", "1.1.0"):
        record = type(twin)(
            version, 1, "abcd" + version[2] * 60, 1, {}, twin.registered_at, "ada", 1, "now"
        )
        state.versions[version] = record

    with pytest.raises(AmbiguousRefError) as refusal:
        named(state, "sha256:abcd")

    assert refusal.value.candidates == (
        "1.0.0 (sha256:abcd00000000)",
        "1.1.0 (sha256:abcd11111111)",
    )


def test_production_names_the_live_version(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "promote 1.0.0")

    assert named(state, "production") == "1.0.0"


def test_staging_names_the_staged_version(play: Play) -> None:
    assert named(play("register 1.0.0", "stage 1.0.0"), "staging") == "1.0.0"


def test_previous_names_the_rollback_target(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "promote 1.0.0", "promote 1.1.0")

    assert named(state, "previous") == "1.0.0"


def test_latest_names_the_highest_release_and_no_pre_release(many: State) -> None:
    assert named(many, "latest") == "1.10.0"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("production", "nothing is live; promote a version"),
        ("staging", "nothing is staged; stage a version"),
        ("previous", "nothing that could serve was live before"),
    ],
)
def test_a_name_that_stands_for_nothing_says_what_to_do(
    many: State, name: str, advice: str
) -> None:
    assert str(missing(many, name)) == f"iris@{name} not found; {advice}"


def test_latest_of_a_model_without_bytes_says_what_to_do(play: Play) -> None:
    state = play("register 1.0.0", "delete")

    assert str(missing(state, "latest")) == "iris@latest not found; register a version"


def test_an_alias_names_its_version(play: Play) -> None:
    assert named(play("register 1.0.0", "alias eu 1.0.0"), "eu") == "1.0.0"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("^1", "1.10.0"),
        ("^1.2", "1.10.0"),
        ("~1.2.0", "1.2.0"),
        ("1.x", "1.10.0"),
        ("<1.10", "1.9.0"),
        ("1 - 1.8", "1.8.0"),
        ("*", "1.10.0"),
        (">=2.0.0-rc.0", "2.0.0-rc.1"),
    ],
)
def test_a_range_names_the_highest_version_within(many: State, text: str, version: str) -> None:
    assert named(many, text) == version


def test_a_caret_never_names_a_pre_release(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0-rc.1")

    assert named(state, "^1") == "1.0.0"


def test_a_range_prefers_a_release_to_a_higher_pre_release(play: Play) -> None:
    state = play("register 1.0.0-rc.1", "register 1.0.0", "register 1.1.0-rc.1")

    assert named(state, ">=1.0.0-rc.1") == "1.0.0"


def test_a_range_skips_what_was_purged(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "purge 1.1.0")

    assert named(state, "^1") == "1.0.0"


def test_an_exact_version_a_number_and_a_digest_find_what_was_purged(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "purge 1.1.0")
    digest = state.versions["1.1.0"].manifest

    assert {named(state, text) for text in ("1.1.0", "v2", f"sha256:{digest}")} == {"1.1.0"}


def test_a_version_with_build_metadata_is_found_by_a_range(play: Play) -> None:
    assert named(play("register 1.0.0+cpu"), "^1") == "1.0.0+cpu"


def test_a_misspelt_name_lists_the_nearest(many: State) -> None:
    assert "production" in missing(many, "prodution").nearest


def test_a_misspelt_alias_lists_the_nearest(play: Play) -> None:
    assert missing(play("register 1.0.0", "alias champion 1.0.0"), "champoin").nearest[0] == (
        "champion"
    )


def test_a_version_that_resembles_none_lists_the_newest(many: State) -> None:
    assert missing(many, "^77").nearest == ("2.0.0-rc.1", "1.10.0", "1.9.0")


def test_a_missing_version_lists_the_nearest(many: State) -> None:
    assert "1.10.0" in missing(many, "1.10.1").nearest
