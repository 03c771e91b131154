"""What became of the keys of an A/B test: the log's rows and labels, put together by key.

Rows and labels are laid down in a temporary database on the disk, so that any number of them takes
the same memory; keys are then read from it in the order in which they mature.
"""

import contextlib
import itertools
import math
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from holdfast.core.rollout.outcome_tally import OutcomeTally
from holdfast.core.rollout.outcomes import Outcomes, OutcomeTest
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.errors import StoreError
from holdfast.predictions.filters import Filter
from holdfast.predictions.log import Label, Log
from holdfast.predictions.stats import flat, is_number, is_plain

_SECOND_US: Final = 1_000_000
_MARGIN_US: Final = 86_400 * _SECOND_US
_ON_THE_WAY_S: Final = 60.0
_FAILED: Final = 500
_SIDES: Final = {"canary": 1, "active": 0}
_ROWS: Final = """
SELECT CAST(prediction_id AS text), key, role, at_us, status, {} FROM rows
WHERE key IS NOT NULL AND weight = $share AND role IN ('active', 'canary')
"""
_KEYLESS: Final = """
SELECT count(*) FROM rows
WHERE key IS NULL AND weight = $share AND role IN ('active', 'canary')
"""
_CREATE: Final = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -16384",
    (
        "CREATE TABLE answers (prediction_id TEXT PRIMARY KEY, key TEXT, side INTEGER, "
        "at_us INTEGER, status INTEGER, output TEXT) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE labels (number INTEGER PRIMARY KEY, prediction_id TEXT, told_us INTEGER, "
        "label TEXT)"
    ),
)
_INDEX: Final = (
    "CREATE INDEX by_key ON answers (key, at_us)",
    "CREATE INDEX by_prediction ON labels (prediction_id, told_us, number)",
)
_MATURED: Final = """
WITH matured AS (
    SELECT key, min(at_us) + :within_us AS ripe_us FROM answers
    GROUP BY key HAVING min(at_us) + :within_us <= :until_us
)
SELECT matured.key, answers.prediction_id, side, status, output, label
FROM matured
JOIN answers ON answers.key = matured.key AND answers.at_us <= ripe_us
LEFT JOIN labels ON labels.prediction_id = answers.prediction_id AND told_us <= ripe_us
ORDER BY ripe_us, matured.key, answers.prediction_id, told_us, labels.number
"""


def key_outcomes(
    log: Log, model: str, rollout: Rollout, test: OutcomeTest, now: datetime
) -> Outcomes:
    """Count the keys of an A/B test that have matured by *now*.

    A key is looked at a little after it matured, a minute at most: its rows may still be on their
    way. Of several labels of a prediction the last one that was told until then counts; of a field,
    the last one that has it. Rows under another share do not count, nor do pinned ones.

    Raises:
        StoreError: If the log cannot be read, or there is no room for what is read.
    """
    started = datetime.fromisoformat(rollout.started_at)
    since_us = int(started.timestamp() * _SECOND_US) - _MARGIN_US
    criteria = Filter(model=model, rollout=rollout.number, since_us=max(since_us, 0))
    settled_s = now.timestamp() - min(_ON_THE_WAY_S, test.within_s)
    window = {
        "within_us": int(test.within_s * _SECOND_US),
        "until_us": int(settled_s * _SECOND_US),
    }
    share = rollout.plan.steps[0]
    tally = OutcomeTally(test, share)
    parameters = {"share": share}
    tally.keyless = sum(int(count) for (count,) in log.select(_KEYLESS, criteria, parameters))
    with _database() as database:
        output = "output" if test.field is None else "NULL"
        answers = log.select(_ROWS.format(output), criteria, parameters)
        _lay_down(database, answers, log.feedback.arrivals(criteria))
        rows = database.execute(_MATURED, window)
        for _, of_key in itertools.groupby(rows, lambda row: row[0]):
            _count(tally, test, of_key)
    return tally.found()


@contextlib.contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    """Lend a database that is on the disk, has no name, and goes with the connection."""
    try:
        with contextlib.closing(sqlite3.connect("")) as database:
            for statement in _CREATE:
                database.execute(statement)
            yield database
    except sqlite3.Error as error:
        raise StoreError(
            "temporary files", f"cannot be used: {error}", "free some space, or set TMPDIR"
        ) from error


def _lay_down(
    database: sqlite3.Connection, answers: Iterable[Any], labels: Iterable[tuple[Label, int]]
) -> None:
    database.executemany(
        "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
        (
            (str(prediction_id), key, _SIDES[role], at_us, status, output)
            for prediction_id, key, role, at_us, status, output in answers
        ),
    )
    database.executemany(
        "INSERT INTO labels (prediction_id, told_us, label) SELECT ?1, ?2, ?3 "
        "WHERE EXISTS (SELECT 1 FROM answers WHERE prediction_id = ?1)",
        (
            (
                label.prediction_id,
                max(label.at_us, arrived_us),  # dated back, it would change what was counted
                msgspec.json.encode(label.label).decode(),
            )
            for label, arrived_us in labels
        ),
    )
    for statement in _INDEX:
        database.execute(statement)


def _count(tally: OutcomeTally, test: OutcomeTest, rows: Iterable[Any]) -> None:
    """Count one key by its rows: one for each of its labels, and one where there is none."""
    sides, known, total = set(), 0, 0.0
    for _, of_prediction in itertools.groupby(rows, lambda row: row[1]):
        last = None
        for _, _, side, status, output, text in of_prediction:
            sides.add(side)
            label = None if text is None else msgspec.json.decode(text)
            if text is not None and _tells(test, label):
                last = (status, output, label)
        if last is None:
            continue
        value = outcome_of(test, *last)
        if value is None:
            tally.unusable += 1
        else:
            known += 1
            total += value
    if len(sides) > 1:
        tally.crossed += 1
        return
    tally.add(of_candidate=sides == {1}, outcome=min(total / known, 1.0) if known else None)


def _tells(test: OutcomeTest, label: Any) -> bool:
    """Tell whether a label is about the outcome at all."""
    if test.field is None:
        return True
    parts = label if isinstance(label, list) else [label]
    return any(isinstance(part, dict) and test.field in part for part in parts)


def outcome_of(test: OutcomeTest, status: int, output: str | None, label: Any) -> float | None:
    """Return the outcome of one request, as a part of the way from the least to the greatest.

    Of a request with several rows it is their mean. A request that failed was not answered right.

    Args:
        test: What is compared.
        status: Of the answer.
        output: The answer as JSON.
        label: What turned out to be true.

    Returns:
        `None` if the label is not such an outcome.
    """
    if test.field is not None:
        parts = label if isinstance(label, list) else [label]
        values = [_number(test, part) for part in parts]
    elif output is None:
        return 0.0 if status >= _FAILED else None
    else:
        values = _compared(output, label)
    usable = [value for value in values if value is not None]
    return math.fsum(usable) / len(values) if values and len(usable) == len(values) else None


def _compared(output: str, label: Any) -> list[float | None]:
    try:
        answers, truths = flat(msgspec.json.decode(output)), flat(label)
    except (msgspec.DecodeError, RecursionError):  # another hand's row; a label without end
        return []
    if len(answers) != len(truths):
        return []
    return [_right(answer, truth) for answer, truth in zip(answers, truths, strict=True)]


def _number(test: OutcomeTest, part: Any) -> float | None:
    value: Any = part.get(test.field) if isinstance(part, dict) else None
    if not (isinstance(value, bool) or is_number(value)) or value != value:  # noqa: PLR0124 - NaN
        return None
    return test.unit(value)


def _right(answer: Any, truth: Any) -> float | None:
    """Compare two classes; a number with a fraction is not one."""
    for value in (answer, truth):
        if not is_plain(value) or (isinstance(value, float) and not value.is_integer()):
            return None
    return float(answer == truth)
