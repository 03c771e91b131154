"""One version's page: what was told of it, and what was measured."""

from pathlib import Path

from tests.web.pages.conftest import Look, Person


def test_told_metrics_are_told_apart_from_measured_ones(
    look: Look, person: Person, tmp_path: Path
) -> None:
    _, before = look("/models/risk/fraud@1.4.0")
    rows = "".join(f"{index % 2},{index % 2}\n" for index in range(40))
    (tmp_path / "june.csv").write_text(f"x,y\n{rows}")
    person.registry.evaluate(
        "risk/fraud@1.4.0", data=tmp_path / "june.csv", label="y", alone=True, sandbox="off"
    )
    _, after = look("/models/risk/fraud@1.4.0")

    assert before.count('class="origin">told') == 2
    assert "nothing here measured them" in before
    assert after.count('class="origin">told') == 1  # recall was measured, latency_ms was not
    assert 'class="origin">measured (june)' in after
    assert "nothing here checked it" in after
