"""What every kind of log keeps to."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from tests.predictions.rows import DAY, NOON, Rows, batch, moment_us

from holdfast.core.drift.drift_counts import DayCounts
from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.predictions import ALL, Filter, Label, Log, Prediction, ids
from holdfast.predictions.ids import Mint

FULL: dict[str, Any] = {
    "request_id": "r-1",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "role": "canary",
    "rollout": 42,
    "weight": 0.25,
    "key": "00ff00ff00ff00ff",
    "status": 500,
    "batch": 7,
    "input": {"instances": [[1.5, None, "ä", True]]},
    "output": {"predictions": [0]},
    "error": "ValueError: no",
    "sampling": 0.5,
}


class LogContract:
    """Inherit it, and give a fixture `log` and a fixture `again` that opens the same log anew."""

    over: ClassVar = "closed"

    def test_a_row_comes_back_as_it_was(self, log: Log, row: Rows) -> None:
        full, bare = row(**FULL), row()
        log.write([full, bare])

        assert log.get(full.prediction_id) == full
        assert log.get(bare.prediction_id.upper()) == bare

    def test_what_is_committed_another_process_sees(self, log: Log, again: Log, row: Rows) -> None:
        prediction = row()
        log.write([prediction])

        assert again.get(prediction.prediction_id) == prediction

    def test_bytes_are_kept_as_the_json_they_are(self, log: Log, row: Rows) -> None:
        json, binary = row(input=b' {"a": [1, 2.50]}'), row(input=b"\xff\x00")
        log.write([json, binary])

        assert log.get(json.prediction_id).input == {"a": [1, 2.5]}
        assert log.get(binary.prediction_id).input == {"base64": "/wA="}

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", "💥", "'; DROP TABLE x; --", "%s $1", ""])
    def test_any_text_can_be_written(self, log: Log, row: Rows, text: str) -> None:
        prediction = row(
            request_id=text, error=text, model=f"m{text}", input=[text], output={text: text}
        )
        log.write([prediction])
        stored_prediction = log.get(prediction.prediction_id)

        assert stored_prediction.request_id == text.replace("\0", "\ufffd").replace("\ud800", "?")
        assert "\ud800" in text or (stored_prediction.input, stored_prediction.output) == (
            [text],
            {text: text},
        )

    def test_an_id_that_was_never_written_is_not_found(self, log: Log, row: Rows) -> None:
        log.write([row()])

        with pytest.raises(NotFoundError, match="never kept"):
            log.get(row().prediction_id)
        with pytest.raises(NotFoundError):
            log.get("7fffffff-0000-7000-8000-000000000000")

    def test_what_is_no_id_is_refused(self, log: Log) -> None:
        with pytest.raises(InvalidInputError, match="is not a UUIDv7"):
            log.get("../secret")

    def test_the_same_rows_twice_are_kept_once(self, log: Log, row: Rows) -> None:
        rows = [row() for _ in range(3)]
        log.write(rows[:2])
        log.write(rows)

        assert list(log.scan(ALL)) == rows

    def test_a_scan_goes_by_id_over_days_and_workers(self, log: Log) -> None:
        first, second = Rows("a"), Rows("b", moment_us("2026-03-04T01:00"))
        rows = [first(), Rows("c", NOON + 1)(), second(), first(), second()]
        log.write(rows)
        expected = sorted(rows, key=lambda prediction: prediction.prediction_id)

        assert list(log.scan(ALL)) == expected
        assert list(log.scan(Filter(order="newest"))) == expected[::-1]
        assert list(log.scan(Filter(order="newest", limit=2))) == expected[:-3:-1]
        assert list(log.scan(Filter(limit=3))) == expected[:3]

    @pytest.mark.parametrize(
        ("criteria", "matching"),
        [
            (Filter(model="iris"), [0, 1, 2, 3]),
            (Filter(version="1.1.0"), [1]),
            (Filter(role="shadow"), [2]),
            (Filter(key="00ff00ff00ff00ff"), [3]),
            (Filter(status=422), [3]),
            (Filter(errors=True), [3, 5]),
            (Filter(rollout=7), [2]),
            (Filter(since_us=NOON + 3000), [3, 4, 5]),
            (Filter(until_us=NOON + 2000), [0, 1]),
            (Filter(model="iris", since_us=NOON + 1000, until_us=NOON + 3000), [1, 2]),
            (Filter(model="' OR 1=1 --"), []),
        ],
    )
    def test_a_filter_takes_what_matches(
        self, log: Log, row: Rows, criteria: Filter, matching: list[int]
    ) -> None:
        rows = [
            row(),
            row(version="1.1.0"),
            row(role="shadow", rollout=7),
            row(status=422, key="00ff00ff00ff00ff"),
            row(model="other"),
            row(model="other", error="timeout"),
        ]
        log.write(rows)

        assert list(log.scan(criteria)) == [rows[number] for number in matching]

    def test_a_query_reaches_every_row_that_is_wanted(self, log: Log) -> None:
        for start_us in (NOON, moment_us("2026-03-04T01:00")):
            for worker in ("a", "b"):
                make = Rows(worker, start_us)
                log.write([make(), make(version="1.1.0"), make(model="other")])
        sql = "SELECT version, count(*), min(latency_us) FROM rows WHERE status < $limit GROUP BY 1"
        counts: dict[str, int] = {}
        for version, count, _ in log.select(sql, Filter(model="iris"), {"limit": 300}):
            counts[version] = counts.get(version, 0) + count

        assert counts == {"1.0.0": 4, "1.1.0": 4}

    def test_days_are_counted_and_dropped(self, log: Log) -> None:
        old, new = Rows(), Rows("b", moment_us("2026-03-04T01:00"))
        rows = [old(), old(), new()]
        log.write(rows)
        assert log.get(rows[0].prediction_id) == rows[0]
        log.feedback.add([Label(rows[0].prediction_id, 1, NOON, "ana")])

        assert [(day.day, day.rows, day.state) for day in log.days()] == [
            (DAY, 2, self.over),
            ("2026-03-04", 1, self.over),
        ]
        log.drop(DAY)
        log.drop("2026-01-01")
        assert list(log.scan(ALL)) == [rows[2]]
        assert log.feedback.of(rows[0].prediction_id) == []
        with pytest.raises(NotFoundError):
            log.get(rows[0].prediction_id)

    def test_today_is_live(self, log: Log) -> None:
        log.write([Prediction(Mint("a")(), NOON, "iris", "1.0.0", "ab", "active", 200, 1, "a")])

        assert [day.state for day in log.days()] == ["live"]

    def test_an_empty_log_answers(self, log: Log) -> None:
        assert list(log.scan(ALL)) == []
        assert log.days() == []
        assert sum(count for (count,) in log.select("SELECT count(*) FROM rows", ALL, {})) == 0

    def test_of_labels_the_last_one_counts_and_all_are_kept(self, log: Log, row: Rows) -> None:
        prediction, other = row(), row()
        log.write([prediction, other])
        early = Label(prediction.prediction_id, "cat", NOON + 5, "ana")
        late = Label(prediction.prediction_id, "dog", NOON + 9, "ben")
        log.feedback.add([late, Label(other.prediction_id, [1.5], NOON, "ana")])
        log.feedback.add([early])
        same_time = Label(prediction.prediction_id, "cow", NOON + 9, "ben")
        log.feedback.add([same_time])

        assert log.feedback.of(prediction.prediction_id) == [early, late, same_time]
        assert [
            label
            for labelled_prediction, label in log.feedback.joined(ALL)
            if labelled_prediction == prediction
        ] == [same_time]

    def test_all_labels_of_wanted_rows_are_told_the_one_that_counts_last(
        self, log: Log, row: Rows
    ) -> None:
        rows = [row(), row(model="other"), row()]
        log.write(rows)
        first, other, second = (made.prediction_id for made in rows)
        late, early = Label(first, 1, NOON + 2, "ana"), Label(first, 0, NOON + 1, "ana")
        again = Label(first, 2, NOON + 2, "ben")
        log.feedback.add([late, Label(other, 1, NOON, "ana"), Label(second, [1], NOON, "ana")])
        log.feedback.add([early])
        log.feedback.add([again])
        arrivals = list(log.feedback.arrivals(Filter(model="iris")))
        labels = [label for label, _ in arrivals]

        assert [label for label in labels if label.prediction_id == first] == [early, late, again]
        assert [label.label for label in labels if label.prediction_id == second] == [[1]]
        assert all(abs(kept_us - time.time_ns() // 1000) < 3_600_000_000 for _, kept_us in arrivals)
        assert list(log.feedback.arrivals(Filter(until_us=1))) == []

    def test_labels_are_joined_to_the_rows_that_are_wanted(self, log: Log, row: Rows) -> None:
        rows = [row(), row(version="1.1.0"), row()]
        log.write(rows)
        labels = [Label(prediction.prediction_id, 1, NOON, "ana") for prediction in rows[:2]]
        unknown = Label(row().prediction_id, 1, NOON, "ana")
        log.feedback.add([*labels, unknown])

        assert list(log.feedback.joined(Filter(version="1.1.0"))) == [(rows[1], labels[1])]
        assert len(list(log.feedback.joined(ALL))) == 2

    def test_a_label_of_a_day_that_is_not_kept_is_refused(self, log: Log, row: Rows) -> None:
        prediction = row()
        log.write([prediction])
        stray = Rows("a", moment_us("2020-01-01"))()
        labels = [
            Label(prediction.prediction_id, 1, NOON, "a"),
            Label(stray.prediction_id, 1, NOON, "a"),
        ]

        with pytest.raises(NotFoundError, match="the log has nothing of 2020-01-01"):
            log.feedback.add(labels)
        assert log.feedback.of(prediction.prediction_id) == []

    def test_labels_of_predictions_that_are_not_kept_are_told(self, log: Log, row: Rows) -> None:
        prediction, never = row(), row()
        log.write([prediction])
        ids = [prediction.prediction_id, never.prediction_id, never.prediction_id]
        unknown_ids = log.feedback.add([Label(one_id, 1, NOON, "a") for one_id in ids])

        assert unknown_ids == [never.prediction_id]
        assert len(log.feedback.of(never.prediction_id)) == 2

    def test_a_label_may_come_before_its_row(self, log: Log, row: Rows) -> None:
        log.write([row()])
        now_us = time.time_ns() // 1000
        late = Rows("late", now_us)()
        unknown_ids = log.feedback.add([Label(late.prediction_id, 7, now_us, "a")])
        log.write([late])

        assert unknown_ids == []
        assert [label.label for _, label in log.feedback.joined(Filter(since_us=now_us))] == [7]

    def test_a_label_dated_later_than_now_is_refused(self, log: Log, row: Rows) -> None:
        prediction = row()
        log.write([prediction])
        later_us = time.time_ns() // 1000 + 3_600_000_000

        with pytest.raises(
            InvalidInputError, match="dated in the future; give the time at which it became known"
        ):
            log.feedback.add([Label(prediction.prediction_id, 1, later_us, "a")])
        assert log.feedback.of(prediction.prediction_id) == []

    @pytest.mark.parametrize("at", ["2999-01-01", "2026-03-01"])
    def test_only_a_present_prediction_may_be_on_its_way(self, log: Log, at: str) -> None:
        stray = Rows("a", moment_us(at))()

        with pytest.raises(NotFoundError, match=f"the log has nothing of {at}"):
            log.feedback.add([Label(stray.prediction_id, 1, NOON, "a")])

    def test_a_batch_is_found_by_its_id_and_by_those_of_its_rows(
        self, log: Log, again: Log
    ) -> None:
        record = batch(rows=1000, drift=DayCounts(day=DAY, requests=5))
        log.batches.add(record)
        log.batches.add(batch(model="other", at_us=NOON + 1000))
        row_id = ids.of_row(record.batch_id, 999)

        assert again.batches.find(record.batch_id) == record
        assert again.batches.find(f" {record.batch_id.upper()}:999 ") == record
        assert again.batches.find(row_id) == record
        for absent in (f"{record.batch_id}:1000", f"{batch().batch_id}:0"):
            with pytest.raises(NotFoundError, match="no record of a batch has it"):
                again.batches.find(absent)
        with pytest.raises(InvalidInputError, match="is not a UUIDv7"):
            again.batches.find("x:1")

    def test_batches_are_listed_by_day_and_go_with_it(self, log: Log) -> None:
        first, other = batch(), batch(model="other", at_us=NOON + 1000)
        later = batch(at_us=moment_us("2026-03-04T00:00"))
        for record in (other, later, first):
            log.batches.add(record)

        assert log.batches.of_day(DAY) == [first, other]
        assert log.batches.of_day(DAY, "iris") == [first]
        assert [(day.day, day.rows) for day in log.days()] == [(DAY, 0), ("2026-03-04", 0)]
        log.drop(DAY)
        assert log.batches.of_day(DAY) == []
        assert log.batches.of_day("2026-03-04") == [later]

    def test_a_row_of_a_batch_has_labels(self, log: Log) -> None:
        record = batch(rows=10)
        log.batches.add(record)
        labels = [Label(f"{record.batch_id}:{row}", 1, NOON, "ana") for row in (9, 10)]
        unknown_ids = log.feedback.add(labels)

        assert unknown_ids == [ids.of_row(record.batch_id, 10)]
        assert [label.label for label in log.feedback.of(f"{record.batch_id}:9")] == [1]
        assert log.feedback.of(f"{record.batch_id}:8") == []

    def test_threads_write_and_read_together(self, log: Log) -> None:
        def work(number: int) -> bool:
            make = Rows(f"worker-{number}")
            rows = [make() for _ in range(10)]
            for prediction in rows:
                log.write([prediction])
            return [log.get(prediction.prediction_id) for prediction in rows] == rows

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(4))) == [True] * 4
        assert len(list(log.scan(ALL))) == 40
