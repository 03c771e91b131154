"""Names of time zones: libraries read them from files, which one of them takes anywhere."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.core.indexes.datetimes import _new_DatetimeIndex

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

    assert any("a time zone of numpy's" in doubt for doubt in doubts)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "dateutil/Europe/Berlin"])
def test_usual_zones_pass(zone: str | None, tmp_path: Path) -> None:
    frame = pd.DataFrame({"at": pd.DatetimeIndex(_DAYS).tz_localize("UTC")})

    assert _doubts(tmp_path / "index.pkl", _Made(zone)) == []
    assert _doubts(tmp_path / "frame.pkl", frame) == []
