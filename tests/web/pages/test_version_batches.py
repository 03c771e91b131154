"""Batches of a version, on its page and in its lineage, for whoever may look predictions up."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.web.pages.conftest import ALL, NOW

from holdfast.predictions import BatchRecord, open_log
from holdfast.predictions.ids import Mint

PAGE = "/models/risk/fraud@1.3.0"


@pytest.fixture
def scored(tmp_path: Path, person: Any) -> list[str]:
    """Log twelve batches of a version, one a day, and one of another; return their ids."""
    person.log = str(tmp_path / "predictions")
    info = person.registry.resolve("risk/fraud@1.3.0")
    ids = []
    with closing(open_log(person.log)) as log:
        for age in range(13):
            at = datetime.fromisoformat(NOW) - timedelta(days=age)
            at_ms = int(at.timestamp() * 1000)
            batch_id = Mint("a", lambda at_ms=at_ms: at_ms)()  # type: ignore[misc]
            ids.append(batch_id)
            log.batches.add(
                BatchRecord(
                    batch_id=batch_id, model=info.model,
                    version=info.version if age < 12 else "1.2.0",
                    digest=info.digest.removeprefix("sha256:"), input=f"/feeds/{age}.parquet",
                    input_digest="0" * 64, rows=70_000 + age, refused=3, nulls=1,
                    output="s3://scores/<b>.parquet", output_digest="1" * 64,
                    started_us=at_ms * 1000, ended_us=at_ms * 1000, by="ana",
                )
            )  # fmt: skip
    return ids


def test_batches_are_shown_where_a_log_is_known(look: Any, person: Any, scored: list[str]) -> None:
    _, page = look(PAGE)
    _, lineage = look(f"{PAGE}:lineage")

    assert page.count('data-l="Batch"') == 10
    assert scored[0] in page
    assert "70,000" in page
    assert "2 more are in the log" in page
    assert "/feeds/0.parquet" in page
    assert "s3://scores/&lt;b&gt;.parquet" in page
    assert "70000 rows" in lineage
    assert "2 more" in lineage
    assert "/feeds/0.parquet" in lineage
    assert 'aria-label="Batches"' not in look("/models/risk/fraud@1.4.0")[1]
    other = replace(person, verbs=ALL - {"predictions"})
    for path in (PAGE, f"{PAGE}:lineage"):
        _, narrow = look(path, visitor=other)
        assert "70,000" in narrow or "70000 rows" in narrow
        assert "/feeds/" not in narrow
        assert "scores/" not in narrow


def test_a_log_that_cannot_be_read_hides_no_page(look: Any, person: Any, scored: list[str]) -> None:
    for day in Path(person.log).glob("20*"):
        (day / "batches.sqlite").write_bytes(b"damaged, and long enough to be looked at" * 30)
    for path in (PAGE, f"{PAGE}:lineage"):
        answer, page = look(path)
        assert answer.status == 200
        assert "The prediction log cannot be read now." in page
        assert scored[0] not in page


def test_without_a_log_nothing_is_said(look: Any) -> None:
    assert 'aria-label="Batches"' not in look(PAGE)[1]
