"""Names of time zones: libraries read them from files, which one of them takes anywhere."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.core.indexes.base import _new_Index
from pandas.core.indexes.datetimes import _new_DatetimeIndex
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.utils.validation import check_array

from holdfast import formats

_DAYS = np.array([0, 1], "M8[ns]")


class _Made:
    """Pickled as a call."""

    def __init__(self, zone: object) -> None:
        self.zone = zone

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {"data": _DAYS, "tz": self.zone, "freq": None}
        return _new_DatetimeIndex, (pd.DatetimeIndex, facts)


def _doubts(path: Path, what: object) -> list[str]:
    path.write_bytes(pickle.dumps(what))
    return list(formats.scan(path).unknown)


@pytest.mark.parametrize("form", ["dateutil/{}", "dateutil//{}", "dateutil/../../../../../..{}"])
def test_a_file_is_opened_as_a_time_zone_and_is_refused(form: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not a zone")
    name = _Made(form.format(tmp_path / "secret"))
    path = tmp_path / "index.pkl"

    doubts = _doubts(path, name)

    if ".." not in form:
        with pytest.raises(ValueError, match="magic not found"):
            pickle.loads(path.read_bytes())
    assert any("a file's path as a time zone" in doubt for doubt in doubts)


def test_a_zone_by_a_text_of_numpy_s_is_refused(tmp_path: Path) -> None:
    doubts = _doubts(tmp_path / "index.pkl", _Made(np.str_("dateutil//etc/hostname")))

    assert any("sets tz to a text" in doubt for doubt in doubts)


class _Call:
    """Pickled as a call of an allowed function."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts[0], self.parts[1:]


def _typed(dtype: object) -> object:
    return _Call(_new_Index, pd.Index, {"data": [1, 2], "dtype": dtype})


def _checked(dtype: object) -> object:
    return FunctionTransformer(check_array, kw_args={"dtype": dtype})


def _grown(text: str) -> object:
    """Hold a list that is filled once the transformer was made."""
    late: list[object] = []
    model = _checked(late)
    late.append(text)
    return [model, late]


TYPES: dict[str, Callable[[str], object]] = {
    "of an index": _typed,
    "of an index, by a call": lambda text: _typed(_Call(str, text.encode(), "ascii")),
    "of an index, by numpy": lambda text: _typed(np.str_(text)),
    "of an index, behind a bracket": lambda text: _typed(
        text.replace("dateutil", "dateutil/x]/..")
    ),
    "of a period": lambda text: _Call(pd.PeriodDtype, text),
    "of what is checked": _checked,
    "of what is checked, in a tuple": lambda text: _checked((text,)),
    "of what is checked, in a list": lambda text: _checked([text]),
    "of what is checked, in a list filled later": _grown,
    "of what is checked, too long to be kept": lambda text: _checked(
        text.replace("//", "/" * 2000)
    ),
    "of what is checked, in a list, too long": lambda text: _checked(
        [text.replace("//", "/" * 2000)]
    ),
    "of what is checked, by a colon": lambda text: _checked(text.replace("//", "/:/")),
    "of what is checked, by dots": lambda text: _checked(text.replace("//", "/a/../../../../..//")),
}


@pytest.mark.parametrize("write", TYPES.values(), ids=TYPES)
def test_a_type_that_names_a_file_s_zone_is_refused(
    write: Callable[[str], object], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("not a zone")
    text = f"datetime64[ns, dateutil/{tmp_path / 'secret'}]"

    assert _doubts(tmp_path / "model.pkl", write(text)) != []


def test_such_a_type_does_open_the_file(tmp_path: Path) -> None:
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    (tmp_path / "zone").write_bytes(
        b"TZif" + bytes(16) + counts + struct.pack(">lbb", 7200, 0, 0) + b"own\0"
    )
    name = f"datetime64[ns, dateutil/{tmp_path / 'zone'}]"
    frame = pd.DataFrame({"a": pd.array([1], dtype="Int64")})

    index = pickle.loads(pickle.dumps(_typed(name)))
    answer = pickle.loads(pickle.dumps(_checked(name))).transform(frame)

    assert index[0].tzname() == "own"
    assert answer[0][0].tzname() == "own"


@pytest.mark.parametrize(
    "model",
    [
        FunctionTransformer(check_array, kw_args={"dtype": "float32"}),
        {"words": ["dateutil/parser.py", "dateutil"], "dtype": np.dtype("M8[ns]")},
        _typed("datetime64[ns, dateutil/Europe/Berlin]"),
        OrdinalEncoder(dtype=np.float32).fit([["a"], ["b"]]),
    ],
)
def test_usual_types_and_texts_pass(model: object, tmp_path: Path) -> None:
    assert _doubts(tmp_path / "model.pkl", model) == []


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "dateutil/Europe/Berlin"])
def test_usual_zones_pass(zone: str | None, tmp_path: Path) -> None:
    frame = pd.DataFrame({"at": pd.DatetimeIndex(_DAYS).tz_localize("UTC")})

    assert _doubts(tmp_path / "index.pkl", _Made(zone)) == []
    assert _doubts(tmp_path / "frame.pkl", frame) == []
