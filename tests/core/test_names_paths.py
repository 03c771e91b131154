"""Paths of an artifact's files: none leaves its folder, and all exist on every system."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.core.names import check_paths
from holdfast.errors import InvalidInputError

DEVICES = (
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"),
)

ugly = st.sampled_from("aAbB.-_ ~%/\\:;#*?cCoOnNuUlLpPrRxX019¹²ßſKİıéÉ\u0301\u0345")
many = settings(deadline=None, max_examples=500)


@pytest.mark.parametrize(
    "paths",
    [
        ("model.joblib",),
        ("model/saved_model.pb", "model/variables/variables.index"),
        ("a b/c d.bin", ".hidden", "~x", "-rf", "a;b", "a#b", "%2e%2e"),
        ("東京.bin", "ä/é"),
        (),
    ],
)
def test_plain_relative_paths_are_allowed(paths: Sequence[str]) -> None:
    check_paths(paths)

    assert not any({"..", "."} & set(path.split("/")) for path in paths)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "a/./b",
        "./a",
        "/a",
        "//server/share",
        "a/",
        "a//b",
        "a\\b",
        "..\\x",
        "\\\\server\\share",
        "C:",
        "C:/x",
        "C:x",
        "a:stream",
        "a*",
        "a?",
        'a"',
        "a<",
        "a>",
        "a|",
        "a.",
        "a ",
        "a./b",
        "a\x00b",
        "a\nb",
        "\x1b[2J",
        "a\u202eb",
        "\ud800",
        " ",
        "...",
        "a/..../b",
        *DEVICES,
        *(f"x/{device.upper()}.bin" for device in DEVICES),
        "nul .txt",
        "aux/x",
        "a" * 256,
        "é" * 128,
    ],
)
def test_a_path_that_could_leave_its_folder_or_not_exist_somewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a file name on every system"):
        check_paths([path])


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("model.bin", "Model.bin"),
        ("a/B/c", "A/b/C"),
        ("é.bin", "e\u0301.bin"),
        ("É.bin", "e\u0301.bin"),
        ("straße", "STRASSE"),
        ("ſ", "S"),
        ("\u212a", "k"),
        ("ﬁle", "FILE"),
        ("x", "x"),
    ],
)
def test_paths_that_are_one_file_where_case_does_not_count_are_refused(
    path: str, other: str
) -> None:
    with pytest.raises(InvalidInputError, match="on file systems that ignore case"):
        check_paths([path, other])


@pytest.mark.parametrize(
    "paths", [("data", "data/x"), ("data/x", "data"), ("Data", "data/x"), ("a/b/c", "a/B")]
)
def test_a_file_in_the_place_of_a_folder_is_refused(paths: Sequence[str]) -> None:
    with pytest.raises(InvalidInputError):
        check_paths(paths)


@many
@given(st.lists(st.text(ugly, min_size=1, max_size=5), max_size=4))
def test_allowed_paths_can_all_be_written_below_one_folder_and_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    try:
        check_paths(paths)
    except InvalidInputError:
        assume(False)  # noqa: FBT003
    root = tmp_path_factory.mktemp("paths")
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)

    written_paths = {
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
    }
    assert written_paths == set(paths)
