"""Dates and spans go out as ISO 8601, whatever unit and class a model keeps them in."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from holdfast.rows.outcome import listed
from holdfast.serving.protocols import predict

DAY = "2024-01-02T03:04:05"
ZONED = pd.to_datetime([DAY, None]).tz_localize("Europe/Berlin")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (np.array([DAY, "NaT"], "M8[ns]"), [DAY, None]),
        (np.array([DAY, "NaT"], "M8[us]"), [DAY, None]),
        (np.array([DAY, "NaT"], "M8[s]"), [DAY, None]),
        (np.array(["2024-01-02"], "M8[D]"), ["2024-01-02"]),
        (np.array([f"{DAY}.000000007", "NaT"], "M8[ns]"), [f"{DAY}.000000007", None]),
        (np.array([[DAY]], "M8[ns]"), [[DAY]]),
        (pd.Series(pd.to_datetime([DAY, None])), [DAY, None]),
        (pd.Series(ZONED), [f"{DAY}+01:00", None]),
        (list(ZONED), [f"{DAY}+01:00", None]),
        ([np.datetime64(DAY, "ns")], [DAY]),
        ([np.datetime64(f"{DAY}.000000007", "ns")], [f"{DAY}.000000007"]),
        ({"due": np.array([DAY], "M8[ns]"), "sure": np.array([0.5])}, [{"due": DAY, "sure": 0.5}]),
        ([{"due": np.datetime64(DAY, "ns")}, {"due": pd.Timestamp(DAY)}], [{"due": DAY}] * 2),
        (np.array([5_000_000_000], "m8[ns]"), ["PT5S"]),
        ([pd.Timedelta("1h"), timedelta(hours=1)], ["PT3600S"] * 2),
    ],
)
def test_moments_are_iso_8601(output: Any, told: list[Any]) -> None:
    assert json.loads(predict.encode(listed(output))) == told
