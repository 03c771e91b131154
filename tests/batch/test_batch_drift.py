"""What a batch held, in the bins of training: the same counts as one value after the other."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.batch.conftest import NAMES, Score, customers

from holdfast.batch.batch_drift import BatchTally
from holdfast.batch.row_checks import CheckedPart
from holdfast.core.drift.drift_reference import CategoryReference, DriftReference, NumberReference
from holdfast.core.drift.feature_values import counted
from holdfast.predictions import Log
from holdfast.registry import Registry

REFERENCE = DriftReference(
    rows=10,
    features={
        "a": NumberReference((1.0, 2.0), (3, 3, 4)),
        "b": CategoryReference({'"x"': 5, "1": 5}),
        "c": NumberReference((0.0,), (5, 5)),
    },
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([0.5, 1.0, None, np.nan, 9]), pa.array(["x", None, "y", "x", "z"])),
        (pa.array([1, 2, 3, None, 2]), pa.array([1.0, 1.0, 2.0, None, np.nan])),
        ([0.5, "x", None, True, 2], [1, "x", True, None, 2.5]),
        (pa.array(["1", "2", None, "x", "y"]), pa.array([1, 1, 1, 1, None])),
    ],
)
@pytest.mark.parametrize("refused", [(), (0, 4)])
def test_counts_are_those_of_single_values(first: Any, second: Any, refused: Any) -> None:
    admitted = np.ones(5, dtype=bool)
    admitted[list(refused)] = False
    part = CheckedPart(
        None,
        admitted if refused else None,
        dict.fromkeys(refused, "no"),
        {"a": first, "b": second},
    )
    tally = BatchTally(REFERENCE)
    tally.add(5, part)
    tally.add(5, part)
    counts = tally.counts("2026-03-03")
    listed = {
        name: [value for row, value in enumerate(_list(array)) if row not in refused]
        for name, array in part.columns.items()
    }

    assert (counts.requests, counts.refused) == (10, 2 * len(refused))
    for name, feature in REFERENCE.features.items():
        values = listed.get(name, [None] * (5 - len(refused)))
        assert counts.features[name] == counted(feature, values * 2)


def _list(array: Any) -> list[Any]:
    return array if isinstance(array, list) else list(array.to_pylist())


def test_a_batch_without_admitted_rows_has_no_features() -> None:
    tally = BatchTally(REFERENCE)
    tally.add(1, CheckedPart(None, np.zeros(1, dtype=bool), {0: "no"}, {"a": pa.array([1.0])}))

    assert tally.counts("2026-03-03").features == {}


def test_a_record_has_the_counts_of_its_rows(
    score: Score, registry: Registry, log: Log, tmp_path: Path
) -> None:
    frame = customers(500)
    frame.loc[3, "age"] = None
    frame.to_parquet(tmp_path / "a.parquet")
    score("fraud@1.0.0", "a.parquet", chunk_rows=90)
    (record,) = log.batches.of_day("2026-03-03", "fraud")
    kept = registry.drift.reference("fraud@1.0.0")

    assert record.drift is not None
    assert record.reference == kept.sha256
    assert (record.drift.requests, record.drift.refused, record.drift.rows) == (500, 1, 499)
    for name in NAMES:
        right = counted(kept.reference.features[name], frame.drop(3)[name])
        assert record.drift.features[name] == right
