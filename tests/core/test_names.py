"""Names: what is allowed, what is refused, and what a name becomes on a disk."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.core import names
from holdfast.core.names import check_alias, check_model, check_role, escape, mistakable, nearest
from holdfast.core.refs import AliasRef, parse_selector
from holdfast.errors import InvalidInputError

DEVICES = (
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"),
)
# The spellings by which paths were smuggled through other registries, and more.
HOSTILE = (
    "",
    ".",
    "..",
    "...",
    "../etc/passwd",
    "../../x",
    "a/../b",
    "a/..",
    "./a",
    "a/./b",
    "..\\x",
    "a\\..\\b",
    "\\",
    "\\\\server\\share",
    "//server/share",
    "\\\\?\\C:\\x",
    "\\\\.\\PhysicalDrive0",
    "/etc/passwd",
    "a/",
    "a//b",
    "C:",
    "C:x",
    "C:\\x",
    "c:/x",
    "file:///etc/passwd",
    "s3://bucket/x",
    "model.joblib:stream",
    "model::$DATA",
    "%2e%2e",
    "%2e%2e/x",
    "%2e%2e%2fetc",
    "..%2f",
    "%252e%252e%252f",
    "%c0%ae%c0%ae/",
    "..;/x",
    "a;b",
    ";",
    "a#b",
    "#",
    "#/../x",
    "?x=../..",
    "a?b",
    "a&b",
    "a|b",
    "a<b>",
    'a"b',
    "a*",
    "~",
    "~root",
    "$HOME",
    "${HOME}",
    "`id`",
    "$(id)",
    "-rf",
    "--help",
    "a\x00b",
    "\x00",
    "a\x00.joblib",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\x1b[31m",
    "\x7f",
    "a\u200bb",
    "\u202egnp.exe",
    "\ufeffa",
    "\ud800",
    "a\udcff",
    "．．／x",
    "․․/x",
    "a\u2215b",
    "a\u2044b",
    "a\uff0fb",
    "a\uff3cb",
    "Ⅳ",
    "ﬁle",
    "İ",
    "ı",
    "ſ",
    "K",
    "ß",
    "é",
    "e\u0301",
    " a",
    "a ",
    "a.",
    "a. ",
    " ",
    "\u3000",
    "\xa0",
    "a" * 251,
    "a" * 5000,
    "é" * 250,
    "manifest.json",
    ".git",
    ".tmp-x",
    "lock",
    "x@y",
    "@",
    *DEVICES,
    *(f"{device.upper()}.txt" for device in DEVICES),
    "nul ",
    "nul.",
    "nul .txt",
    "aux.tar.gz",
    "COM1:",
    "a/con",
    "con/a",
)
NAMES = ("iris", "Iris", "fraud classifier", "team/churn", "Kundenabwanderung-ä", "東京", "a" * 250)

# Texts that a file system, a server or a careless reader may take for the same.
RELATIVES: dict[str, Callable[[str], str]] = {
    "swapped case": str.swapcase,
    "folded case": str.casefold,
    "upper case": str.upper,
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "compatible": lambda text: unicodedata.normalize("NFKC", text),
    "escaped": escape,
    "decoded": unquote,
    "dotted": lambda text: f"{text}.",
    "spaced": lambda text: f"{text} ",
    "stripped": str.strip,
}

ugly = st.sampled_from("aAbB.-_ ~%/\\:;#*?cCoOnNuUlLpPrRxX019¹²ßſKİıéÉ\u0301\u0345")
any_text = st.one_of(
    st.text(),
    st.text(ugly, max_size=6),
    st.text(ugly, min_size=60, max_size=120),
    st.sampled_from(HOSTILE),
    st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=3),
)
limits = st.integers(40, 255)
many = settings(deadline=None, max_examples=500)


def is_safe_everywhere(folder: str) -> bool:
    """Tell whether every system takes *folder* as one plain name and keeps it as it is."""
    stem = folder.partition(".")[0].rstrip().casefold()
    return (
        re.fullmatch(r"[a-z0-9._%~-]+", folder) is not None
        and not folder.startswith(".")
        and not folder.endswith(".")
        and stem not in DEVICES
        and len(folder.encode()) <= 255
    )


def refused(name: str) -> bool:
    try:
        check_model(name)
    except InvalidInputError:
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_ordinary_names_of_any_alphabet_are_allowed(name: str) -> None:
    assert check_model(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("a" * 251, "has 251 characters, more than 250"),
        ("a\x00b", "has control or unprintable characters"),
        ("a\nb", "has control or unprintable characters"),
        ("\ud800", "has control or unprintable characters"),
        (" iris", "begins or ends with a space"),
        ("iris ", "begins or ends with a space"),
        ("a..b", "contains '..'"),
        ("../iris", "contains '..'"),
        ("iris@2", "contains '@', ':' or a backslash"),
        ("C:iris", "contains '@', ':' or a backslash"),
        ("a\\b", "contains '@', ':' or a backslash"),
        ("/iris", "has an empty part or a part of dots alone"),
        ("iris/", "has an empty part or a part of dots alone"),
        ("a//b", "has an empty part or a part of dots alone"),
        ("a/./b", "has an empty part or a part of dots alone"),
        (".", "has an empty part or a part of dots alone"),
        ("e\u0301", "is not in Unicode's composed form (NFC)"),
    ],
)
def test_a_refused_model_name_is_told_why(name: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_model(name)

    assert refusal.value.problem == problem


def test_a_refusal_does_not_repeat_an_endless_name() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_model("x" * 100_000)

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_or_becomes_a_safe_folder(name: str) -> None:
    assert refused(name) or is_safe_everywhere(escape(name))


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../b", "..\\x", "/etc/passwd", "C:\\x", "\\\\server\\share", "a\x00b", "a:b"],
)
def test_a_name_that_walks_out_of_its_folder_is_refused(name: str) -> None:
    assert refused(name)


@many
@given(any_text, limits)
def test_every_text_becomes_a_safe_folder_within_the_limit(text: str, limit: int) -> None:
    folder = escape(text, limit)

    assert is_safe_everywhere(folder)
    assert len(folder) <= limit


@many
@given(any_text, any_text)
def test_two_texts_never_share_a_folder_even_where_case_does_not_count(
    text: str, other: str
) -> None:
    assume(text != other)

    assert escape(text).casefold() != escape(other).casefold()


@many
@given(any_text, st.sampled_from(sorted(RELATIVES)), limits)
def test_a_text_never_shares_a_folder_with_a_relative(text: str, relative: str, limit: int) -> None:
    other = RELATIVES[relative](text)
    assume(other != text)

    assert escape(text, limit).casefold() != escape(other, limit).casefold()


@many
@given(st.text(ugly, min_size=1, max_size=4), st.integers(0, 3))
def test_two_long_texts_that_differ_at_their_end_never_share_a_folder(end: str, cut: int) -> None:
    stem = "a-rather-long-name." * 5

    assert escape(stem[cut:] + end) != escape(stem)
    assert escape(stem + end, 40) != escape(stem, 40)


def test_names_that_differ_in_case_alone_get_folders_of_their_own(tmp_path: Path) -> None:
    spellings = ("iris", "Iris", "IRIS", "iRIS", "İris", "ırıs")
    for name in spellings:
        (tmp_path / escape(name)).mkdir()

    assert len({folder.name.casefold() for folder in tmp_path.iterdir()}) == len(spellings)


def test_every_hostile_name_can_be_a_folder_here(tmp_path: Path) -> None:
    for name in HOSTILE:
        (tmp_path / escape(name)).mkdir()

    assert len(list(tmp_path.iterdir())) == len(set(HOSTILE))


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("iris", "iris"),
        ("fraud-classifier_v2.1", "fraud-classifier_v2.1"),
        ("Iris", "%49ris"),
        ("a b", "a%20b"),
        ("a/b", "a%2fb"),
        ("é", "%c3%a9"),
        ("%", "%25"),
        ("%2e", "%252e"),
        ("~", "%7e"),
        ("", "%"),
        (".", "%2e"),
        ("..", "%2e%2e"),
        (".git", "%2egit"),
        ("a.", "a%2e"),
        ("con", "%63on"),
        ("CON", "%43%4f%4e"),
        ("nul.txt", "%6eul.txt"),
        ("nul .txt", "%6eul%20.txt"),
        ("com¹", "%63om%c2%b9"),
        ("console", "console"),
        ("\ud800", "%ed%a0%80"),
    ],
)
def test_a_folder_is_named_as_the_format_says(text: str, folder: str) -> None:
    assert escape(text) == folder


def test_a_long_name_is_cut_and_marked_with_its_digest() -> None:
    folder = escape("a" * 250)

    # the digits come from coreutils' sha256sum of 250 letters a
    assert folder == f"{'a' * 63}~3f3e35e0a775d9b1"


def test_a_cut_name_leaves_no_dot_before_its_mark() -> None:
    assert escape("a" * 22 + "." * 40 + "b", 40).startswith("a" * 22 + "~")


@pytest.mark.parametrize("alias", ["champion", "eu", "eu-west.1", "a", "version", "a" * 64])
def test_a_lower_case_word_may_be_an_alias(alias: str) -> None:
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    "alias", ["", "EU", "1", "é", "a b", "a/b", "-a", ".a", "a" * 65, "a\n", "^1", "a@b"]
)
def test_what_is_no_word_is_no_alias(alias: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a valid name"):
        check_alias(alias)


@pytest.mark.parametrize("alias", [*sorted(names.BUILT_IN), "v1", "v0", "v10", "x", "canary"])
def test_an_alias_takes_no_word_that_means_something_already(alias: str) -> None:
    with pytest.raises(InvalidInputError, match="is reserved"):
        check_alias(alias)


@many
@given(
    st.one_of(
        st.from_regex(r"[a-z][a-z0-9._-]{0,6}", fullmatch=True),
        st.from_regex(r"[vx][0-9x]?([.][0-9x]){0,2}(-[a-z0-9]{1,2})?", fullmatch=True),
    )
)
def test_an_alias_is_never_read_as_another_selector(alias: str) -> None:
    try:
        check_alias(alias)
    except InvalidInputError:
        assume(False)  # noqa: FBT003

    assert parse_selector(alias) == AliasRef(alias)


@pytest.mark.parametrize("role", ["model", "preprocessor", "tokenizer", "label_encoder-2"])
def test_a_lower_case_word_may_be_a_role(role: str) -> None:
    assert check_role(role) == role


@pytest.mark.parametrize(
    "role", ["", "Model", "manifest", "a.b", "a/b", "../x", "2nd", "a b", "a" * 65, "model\n"]
)
def test_what_could_clash_or_leave_the_folder_is_no_role(role: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a valid role"):
        check_role(role)


def test_the_nearest_names_come_best_first() -> None:
    assert nearest("prodution", ["production", "previous", "eu"])[0] == "production"


def test_the_nearest_names_do_not_mind_case() -> None:
    assert nearest("IRIS", ["iris", "wine"]) == ("iris",)


def test_no_more_than_three_names_are_near() -> None:
    assert len(nearest("model", [f"model{digit}" for digit in range(9)])) == 3


def test_nothing_is_near_what_resembles_nothing() -> None:
    assert nearest("zzz", ["iris", "wine"]) == ()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("churm", "churn"),
        ("chrun", "churn"),
        ("chun", "churn"),
        ("churnn", "churn"),
        ("Churn", "churn"),
        ("irsi", "iris"),
        ("frauddetection", "fraud-detection"),
        ("fruad-detecton", "fraud-detection"),
    ],
)
def test_a_slip_of_the_keys_is_known_for_one(name: str, other: str) -> None:
    assert mistakable(name, [other, "weather"]) == (other,)
    assert mistakable(other, [name]) == (name,)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("churn", "churn"),
        ("iris", "rose"),
        ("a", "b"),
        ("eu", "us"),
        ("model-1", "model-2"),
        ("m2024", "m2025"),
        ("churn", "churn-eu"),
        ("iris", "irises-x"),
    ],
)
def test_another_name_is_no_slip(name: str, other: str) -> None:
    assert mistakable(name, [other]) == ()


def test_the_nearest_slip_comes_first() -> None:
    assert mistakable("churn", ["chrum", "churm"]) == ("churm", "chrum")
