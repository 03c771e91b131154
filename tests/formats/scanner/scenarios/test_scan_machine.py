import pickle
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest

from holdfast.core.manifest import Scan
from holdfast.formats import scan

Scanner = Callable[[bytes], Scan]
ESTIMATOR = b"csklearn.linear_model._base\nLinearRegression\n"
DTYPE = b"cnumpy\ndtype\nU\x02u1\x85R"


@pytest.fixture
def scanned(tmp_path: Path) -> Scanner:
    def of(content: bytes) -> Scan:
        (tmp_path / "model.pkl").write_bytes(content)
        return scan(tmp_path / "model.pkl")

    return of


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def test_a_pickle_of_plain_data_names_nothing(scanned: Scanner) -> None:
    plain = {"a": [1, 2.5, None, True], "b": (b"x" * 5000, "y" * 5000, 2**900), 3: {1, 2}}

    for protocol in range(6):
        result = scanned(pickle.dumps(plain, protocol))
        names = () if protocol > 3 else result.globals  # older ones spell sets and bytes by name
        assert result == Scan("pickle", executes_code=True, globals=names)


def test_names_are_sorted_and_each_is_told_once(scanned: Scanner) -> None:
    values = [deque([1]), deque([2]), Counter("a"), OrderedDict(a=1), defaultdict(list, a=[1])]

    assert scanned(pickle.dumps(values)).globals == (
        "builtins.list",
        "collections.Counter",
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.deque",
    )


def test_names_of_python_2_are_read_as_python_3_reads_them(scanned: Scanner) -> None:
    assert scanned(b"\x80\x02c__builtin__\nset\n]\x85R.").globals == ("builtins.set",)
    assert scanned(b"\x80\x02ccopy_reg\n_reconstructor\n.").globals == ("copyreg._reconstructor",)
    assert scanned(b"\x80\x04c__builtin__\nset\n]\x85R.").unknown == ("__builtin__.set",)


def test_a_name_is_shown_without_signs_that_could_hide_something(scanned: Scanner) -> None:
    result = scanned(b"\x80\x04" + _text("os\u202e\x1b[2K") + _text("x" * 900) + b"\x93.")

    assert len(result.unknown) == 1
    assert result.unknown[0].startswith("os\\u202e\\x1b[2K.xxx")
    assert len(result.unknown[0]) == 300


def test_no_more_than_200_names_are_listed(scanned: Scanner) -> None:
    names = b"".join(f"cshop\nClass{number:03}\n0".encode() for number in range(250))
    result = scanned(b"\x80\x02" + names + b"N.")

    assert len(result.unknown) == 201
    assert result.unknown[0] == "shop.Class000"
    assert result.unknown[-1] == "... and 50 more"
    assert result.globals == result.unknown


_GOING_ON = b"\x80\x04N0N0"
"""Instructions enough that what follows is taken for a pickle even if it breaks."""


@pytest.mark.parametrize(
    ("rest", "finding"),
    [
        (b"", "pickle stream broken at byte 6: ends early, at byte 6"),
        (b"\xff.", "no instruction b'\\xff'"),
        (b"\x80\x09N.", "protocol 9"),
        (b"R.", "nothing on the stack"),
        (b"(R.", "nothing on the stack"),
        (b"Nt.", "no mark on the stack"),
        (b"(o.", "nothing on the stack"),
        (b"h\x05.", "nothing remembered under 5"),
        (b"g5\n.", "nothing remembered under 5"),
        (b"gx\n.", "an index that is not a number"),
        (b"}(Nu.", "a key without a value"),
        (b"X\x02\0\0\0\xff\xff.", "text that is not utf-8"),
        (b"cm\xff\nx\n.", "text that is not utf-8"),
        (b"T\xff\xff\xff\xff.", "ends early: -1 bytes announced"),
        (b"\x97.", "a buffer that is kept elsewhere"),
        (b"B\xff\xff\xff\x7f.", "ends early: 2,147,483,647 bytes announced"),
        (b"\x8e" + b"\xff" * 8 + b".", "ends early: 18,446,744,073,709,551,615 bytes"),
        (b"\x8b\xff\xff\xff\x7f.", "ends early"),
        (b"Px\n.", "a persistent id, which only a special loader understands (byte 6)"),
        (b"Stext\n.", "text without quotes"),
        (b"K\x01K\x02\x93.", "a global named by something other than text"),
        (b"Nq\x00\x82\x05h\x00\x93.", "a global named by something other than text"),
        (b"\x82\x00.", "extension 0"),
        (b"\x84\xff\xff\xff\xff.", "extension -1"),
        (b"\x82\x05Na.", "what another program registered is not a container"),
    ],
)
def test_what_breaks_a_stream_is_told_with_its_byte(
    rest: bytes, finding: str, scanned: Scanner
) -> None:
    assert any(finding in doubt for doubt in scanned(_GOING_ON + rest).unknown)


@pytest.mark.parametrize(
    "stream",
    [b"\x80\x04", b"\x80\x04\xff.", b"\x80\x02R.", b"\x80\x04N0N\xff", b"Stext\n.", b"(NNt\xff"],
)
def test_what_breaks_before_it_acts_and_has_hardly_begun_is_no_pickle(
    stream: bytes, scanned: Scanner
) -> None:
    assert scanned(stream + b"\x00\xff") == Scan("unknown")


@pytest.mark.parametrize(
    ("stream", "finding"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "remembers under 2147483647, far out of order (byte 3)"),
        (b"\x80\x04\x95\x01\0\0\0\0\0\0\0K\x05.", "crosses its frame's end (byte 11)"),
        (b"\x80\x04\x95\x05\0\0\0\0\0\0\0N.NN", "stops inside a frame (byte 12)"),
        (b"\x80\x04" + (b"\x95\x20" + b"\0" * 7) * 2 + b"N.", "a frame inside a frame (byte 11)"),
        (b"\x80\x02)\x85.N", "other bytes follow the pickle, at byte 5"),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_its_byte(stream: bytes, finding: str, scanned: Scanner) -> None:
    assert any(finding in doubt for doubt in scanned(stream).unknown)


_LIST = b"cbuiltins\nlist\n"


@pytest.mark.parametrize(
    ("stream", "finding"),
    [
        (_LIST + b")R)R", "calls something that is not named"),
        (_LIST + b")R)\x81", "makes an instance of something that is not named"),
        (_LIST + b"]R", "hands builtins.list arguments that cannot be read"),
        (_LIST + b"(" + b"N" * 1025 + b"tR", "hands builtins.list arguments that cannot be read"),
        (ESTIMATOR + b")R", "calls sklearn.linear_model._base.LinearRegression"),
        (ESTIMATOR + b"K\x01\x85\x81", "LinearRegression with arguments"),
        (ESTIMATOR + b")}(U\x01aNu\x92", "LinearRegression with arguments"),
        (ESTIMATOR + b"))\x92", "LinearRegression arguments that cannot be read"),
        (b"cnumpy\nlog1p\nK\x01\x85R", "calls numpy.log1p"),
        (b"cnumpy\nlog1p\n)\x81", "makes an instance of numpy.log1p"),
        (b"cnumpy\nmemmap\n)\x81", "makes an instance of numpy.memmap"),
        (_LIST + b"cnumpy\nlog1p\n\x85R", "hands numpy.log1p to builtins.list"),
        (_LIST + ESTIMATOR + b"\x85R", "LinearRegression to builtins.list"),
        (b"cpandas.core.indexes.base\n_new_Index\n" + ESTIMATOR + b"}\x86R",
         "LinearRegression to pandas.core.indexes.base._new_Index"),
        (ESTIMATOR + b"}b", "sets the state of sklearn.linear_model._base.LinearRegression"),
        (b"]}b", "sets the state of something that is not an object"),
        (ESTIMATOR + b")\x81}b}b", "sets the state of one object twice"),
        (ESTIMATOR + b")\x81cnumpy\nlog1p\nb", "hands numpy.log1p to sklearn"),
        (ESTIMATOR + b")\x81}U\x01acnumpy\nmemmap\nsb", "holds numpy.memmap"),
        (ESTIMATOR + b")\x81U\x01aNs", "adds items to sklearn.linear_model._base.LinearRegression"),
        (ESTIMATOR + b")\x81Na", "adds items to sklearn.linear_model._base.LinearRegression"),
        (ESTIMATOR + b")\x81(N\x90", "adds items to sklearn.linear_model._base.LinearRegression"),
        (ESTIMATOR + b"(Ne", "adds items to sklearn.linear_model._base.LinearRegression"),
        (b"N(Ne", "adds items to something that is not a container"),
        (b"ccollections\ndeque\n)R}b(Ne", "adds items to collections.deque"),
        (b"]cjoblib.numpy_pickle\nNumpyArrayWrapper\na", "holds joblib.numpy_pickle."),
        (b"ccopyreg\n_reconstructor\n" + ESTIMATOR + b"N\x86R", "arguments that cannot be read"),
        (b"ccopyreg\n_reconstructor\ncnumpy\nlog1p\ncbuiltins\nobject\nN\x87R",
         "hands numpy.log1p to copyreg._reconstructor"),
        (b"ccopyreg\n_reconstructor\n" + ESTIMATOR * 2 + b"N\x87R", "that cannot be read"),
        (b"cfunctools\npartial\n" + ESTIMATOR + b"\x85R", "a function that is not on the list"),
        (b"cfunctools\npartial\n)R", "a function that is not on the list"),
        (b"cfunctools\npartial\ncnumpy\nmemmap\n\x85R", "a function that is not on the list"),
        (b"cfunctools\npartial\ncnumpy\nclip\n\x85\x81", "makes an instance of functools.partial"),
        (b"cfunctools\npartial\ncnumpy\nclip\n\x85R(cnumpy\nround\n)}Ntb",
         "changes the function that functools.partial holds"),
        (b"cfunctools\npartial\ncnumpy\nclip\n\x85R}b", "changes the function that"),
        (b"ccollections\ndefaultdict\ncfunctools\npartial\ncnumpy\nclip\n\x85R\x85R",
         "hands functools.partial to collections.defaultdict"),
        (b"cnumpy\nndarray\n(K\x01\x85" + DTYPE + b"U\x01atR", "calls numpy.ndarray"),
        (b"cnumpy\nndarray\n(K\x01\x85" + DTYPE + b"U\x01at\x81", "numpy.ndarray with arguments"),
        (b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02O8\x85RU\x08aaaaaaaa\x86R",
         "makes a numpy scalar of"),
        (b"cnumpy.core.multiarray\nscalar\n)R", "makes a numpy scalar of"),
        (b"cnumpy.core.multiarray\nscalar\n(NNtR", "makes a numpy scalar of"),
        (DTYPE + b"2(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
         "changes a numpy type in use"),
        (b"\x82\x01", "calls what another program registered as extension 1"),
        (b"U\x02osT\x01\x04\0\0" + b"x" * 1025 + b"\x93", "names a global that cannot be"),
    ],
)  # fmt: skip
def test_the_ways_around_the_list_are_findings(
    stream: bytes, finding: str, scanned: Scanner
) -> None:
    assert any(finding in doubt for doubt in scanned(b"\x80\x02" + stream + b".").unknown)


def test_a_policy_may_vouch_for_its_own_classes(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02cshop.data\nBasket\n)\x81(NNeU\x01aNs}b.")

    assert scan(path).unknown[-1] == "shop.data.Basket"
    assert scan(path, ["shop.data.Basket"]).unknown == ()


def test_fields_of_a_type_cannot_be_changed_behind_its_back(scanned: Scanner) -> None:
    made = b"cnumpy\ndtype\nU\x02V1\x85R"
    state = b"(K\x03U\x01|N(U\x01at}q\x05U\x01a" + DTYPE + b"K\x00\x86sK\x01K\x01K\x00tb"
    later = b"0h\x05U\x01a" + b"cnumpy\ndtype\nU\x02O8\x85RK\x00\x86s"

    assert scanned(b"\x80\x02" + made + state + b".").unknown == ()
    (finding,) = scanned(b"\x80\x02" + made + state + later + b".").unknown
    assert finding.startswith("changes a numpy type in use")


def test_what_unpicklers_take_for_numbers_in_different_ways_stops_nothing(scanned: Scanner) -> None:
    for number in (b"I0777\n", b"I1" + b"0" * 99 + b"\n", b"Fpi\n", b"L1_0L\n", b"T\x01\0\0\0\xe9"):
        assert scanned(b"\x80\x02" + number + b"0cos\nsystem\n.").unknown == ("os.system",)


def test_an_import_is_a_finding_even_if_the_stream_breaks(scanned: Scanner) -> None:
    """Importing runs a module, and the folder of the program is searched first."""
    for stream in (
        b"\x8c\x04shop\x8c\x01x\x93\xff",
        b"Vshop\nVx\n\x93",
        b"cnumpy.f2py.__main__\nx\n\xff",
    ):
        assert len(scanned(stream).unknown) == 2


def test_texts_that_name_nothing_break_off_by_chance(scanned: Scanner) -> None:
    for stream in (
        b"U\x01\xe9U\x01\xe8\x93\xff",
        b"\x8c\x01 \x8c\x01x\x93\xff",
        b"U\x00U\x00\x93\xff",
    ):
        assert scanned(stream) == Scan("unknown")


def test_a_mark_may_be_taken_back(scanned: Scanner) -> None:
    assert scanned(b"\x80\x02N(0.").unknown == ()


def test_an_empty_frame_is_nothing(scanned: Scanner) -> None:
    assert scanned(b"\x80\x04\x95" + b"\0" * 8 + b"N.").unknown == ()


def test_stray_text_that_starts_like_a_pickle_is_text(scanned: Scanner) -> None:
    for words in (b"cat\ndog\nbird\n", b"city\nparis\nlondon\n", b"Verb\nNoun\n", b"(a)\n", b"I\n"):
        assert scanned(words) == Scan("text")


def test_bytes_that_start_like_a_pickle_by_chance_are_unknown(scanned: Scanner) -> None:
    assert scanned(b"N.\x00\xff\xfe" * 9) == Scan("unknown")


def test_array_bytes_are_passed_over_however_many(tmp_path: Path) -> None:
    """A file of a tebibyte, all hole, would never be read through."""
    path = tmp_path / "model.joblib"
    joblib.dump({"small": np.zeros(3)}, path)
    content = path.read_bytes().replace(b"K\x03\x85\x94", b"\x8a\x05\0\0\0\0\x20\x85\x94")
    start, rest = content[: -24 - 2], content[-2:]
    with path.open("wb") as stream:
        stream.write(start)
        stream.seek(len(start) + 8 * (1 << 37))
        stream.write(rest)

    result = scan(path)

    assert path.stat().st_size > 1 << 40
    assert result.kind == "joblib"
    assert result.unknown == ()


def test_a_random_file_is_not_read_through(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    with path.open("wb") as stream:
        stream.write(b"\xfe\xed" + bytes(range(256)))
        stream.seek(1 << 40)
        stream.write(b"end")

    assert scan(path) == Scan("unknown")


@pytest.mark.sweep  # ten million of them take seconds
def test_a_flood_of_instructions_is_given_up(scanned: Scanner) -> None:
    result = scanned(b"\x80\x02" + b"(" * 10_000_001)

    assert result.unknown == ("given up: more pickle instructions than any honest model has",)
