"""What labels say of each version: measured with a range, or said not to be."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.predictions import Label, Prediction, open_log
from holdfast.predictions.ids import Mint

PATH = "/models/risk/fraud:accuracy"
AT = "2026-03-01T00:00:00"


def answer(version: str, output: Any, at: str = AT, role: Any = "active") -> Prediction:
    at_us = int(datetime.fromisoformat(f"{at}+00:00").timestamp()) * 1_000_000
    prediction_id = Mint("host-1", lambda: at_us // 1000)()
    return Prediction(
        prediction_id, at_us, "risk/fraud", version, "0" * 64, role, 200, 1500, "host-1",
        output=output,
    )  # fmt: skip


@pytest.fixture
def log(person: Any, tmp_path: Path) -> Any:
    person.log = str(tmp_path / "predictions")

    def write(rows: list[tuple[Prediction, Any]]) -> None:
        opened = open_log(person.log)
        opened.write([row for row, _ in rows])
        labels = [(row, true) for row, true in rows if true is not None]
        opened.feedback.add(
            [Label(r.prediction_id, true, r.at_us + 1, "desk") for r, true in labels]
        )
        opened.close()

    return write


def test_the_share_that_was_right_comes_with_its_range_and_count(look: Any, log: Any) -> None:
    log(
        [(answer("1.3.0", [1]), int(right)) for right in (1, 1, 1, 0)]
        + [(answer("1.3.0", [1]), None)]
    )
    shown, page = look(PATH)
    (row,) = shown.values["rows"]
    assert (row.version, row.served.requests, row.served.accuracy.labelled) == ("1.3.0", 5, 4)
    (measured,) = row.measured
    assert measured.value == 0.75
    assert 0 < measured.low < 0.75 < measured.high < 1
    assert "75 %" in page
    assert "accuracy of 4" in page


def test_an_error_of_numbers_comes_with_its_range(look: Any, log: Any) -> None:
    log([(answer("1.3.0", [1.5]), true) for true in (1.0, 2.5)] + [(answer("1.2.0", [1.5]), 1.0)])
    shown, page = look(PATH)
    first, second = shown.values["rows"]
    assert first.measured[0].value == pytest.approx(0.75)
    assert first.measured[0].low == pytest.approx(0.75 - 1.96 * 0.25 / 2**0.5)
    assert second.version == "1.2.0"
    assert "unknown from one answer" in page


def test_what_has_no_label_is_said_not_to_be_measured(look: Any, log: Any) -> None:
    log([(answer("1.3.0", [1]), None), (answer("1.2.0", [1], role="shadow"), ["a", "b"])])
    _, page = look(PATH)
    assert "not measured: none of its answers has a label" in page
    assert "not measured: its labels have another shape" in page
    assert "%" not in page.partition("<tbody>")[2].partition("</tbody>")[0]


def test_a_live_version_that_answered_nothing_is_named(look: Any, log: Any) -> None:
    log([(answer("1.2.0", [1]), 1)])
    shown, page = look(PATH)
    assert [row.version for row in shown.values["rows"]] == ["1.3.0", "1.2.0"]
    assert "not measured: it answered nothing that is kept of this time" in page


def test_the_address_names_the_time(look: Any, log: Any) -> None:
    log([(answer("1.3.0", [1], "2026-01-10T00:00:00"), 1)])
    assert look(PATH)[0].values["rows"][0].served is None
    assert look(PATH, days="all")[0].values["rows"][0].served.requests == 1
    assert look(PATH, days="90")[0].values["rows"][0].served.requests == 1
    assert look(PATH, days="-1")[0].values["span"] == "30"


def test_without_a_log_nothing_is_measured_and_no_tab_leads_here(look: Any) -> None:
    _, page = look(PATH)
    assert "nothing is measured here" in page
    assert 'fraud:accuracy"' not in look("/models/risk/fraud")[1]


def test_with_a_log_a_tab_leads_here(look: Any, log: Any) -> None:
    log([(answer("1.3.0", [1]), 1)])
    assert 'fraud:accuracy"' in look("/models/risk/fraud")[1]


def test_a_log_that_cannot_be_read_is_told_without_its_place(
    look: Any, log: Any, person: Any
) -> None:
    log([(answer("1.3.0", [1]), 1)])
    for path in Path(person.log).rglob("*.sqlite"):
        path.write_bytes(b"\0" * 8192)
    shown, page = look(PATH)
    assert shown.status == 503
    assert person.log not in page


def test_a_model_without_anything_live_is_told_so(look: Any, log: Any, person: Any) -> None:
    log([(answer("1.3.0", [1]), 1)])
    file = Path(person.log).parent / "m.txt"
    file.write_text("1")
    person.registry.register("other", file)
    _, page = look("/models/other:accuracy")
    assert "Nothing is live" in page


@pytest.mark.parametrize(
    "rows",
    [
        [(1e308, -1e308), (1.5, 1e308)],
        [(1e200, 0.0), (1.5, 2.5)],
        [(10**400, 1), (1.5, 2)],
        [(1.5, 10**400)],
        [(float("inf"), 1.0), (1.5, 2.5)],
        [(1.5, float("nan")), (1.5, 2.5)],
    ],
)
def test_answers_beyond_all_bounds_leave_a_page_that_can_be_drawn(
    look: Any, log: Any, rows: list[tuple[float, float]]
) -> None:
    log([(answer("1.3.0", [output]), true) for output, true in rows])
    shown, page = look(PATH)
    assert shown.status == 200
    drawn = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "nan" not in drawn
    assert "inf" not in drawn
