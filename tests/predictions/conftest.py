"""Logs of every kind."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.predictions.rows import Rows

from holdfast.predictions import Log, Prediction, open_log
from holdfast.predictions.compaction import compact

Filled = Callable[[Sequence[Prediction]], Log]


@pytest.fixture
def row() -> Rows:
    return Rows()


@pytest.fixture(params=["folder", "compacted", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filled]:
    """Return a function that makes a log of these rows, in each kind of place."""
    logs: list[Log] = []

    def fill(rows: Sequence[Prediction]) -> Log:
        where: str | Path = tmp_path / "log"
        if request.param == "postgres":
            where = request.getfixturevalue("database_server").new_database()
        log = open_log(where)
        logs.append(log)
        log.write(rows)
        if request.param == "compacted":
            for day in log.days():
                compact(tmp_path / "log", day.day)
        return log

    yield fill
    for log in logs:
        log.close()
