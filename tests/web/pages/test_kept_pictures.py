"""Curves and figures on pages."""

from pathlib import Path

import pytest
from tests.core.test_figure_content import DRAWN, SVG, png
from tests.web.pages.conftest import Look, Person

from holdfast.core import curves
from holdfast.core.curves import Curve, Curves
from holdfast.registry.training_verbs import CURVES_FILE
from holdfast.web.pages.page import Drawn, Picture

PAGE = "/models/iris@1.1.0"


@pytest.fixture
def trained(person: Person, tmp_path: Path) -> Person:
    """Have two versions that keep curves, figures and facts of their run."""
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "roc.png").write_bytes(png())
    (figures / "a%2Fb.svg").write_bytes(DRAWN)
    (figures / "live.svg").write_bytes(SVG % b"<script>alert(1)</script>")
    for index in (1, 2):
        kept = {"train/loss": Curve((1.0, 2.0), (1.0, 1 / index), 2)}
        (tmp_path / CURVES_FILE).write_bytes(curves.packed(Curves(curves=kept)))
        (tmp_path / "model.txt").write_text(f"weights {index}")
        person.registry.register(
            "iris",
            tmp_path / "model.txt",
            artifacts={"curves": tmp_path / CURVES_FILE, "figures": figures},
            metadata={"training": {"took_s": 65.2, "peak_rss_bytes": 2e9, "processors": 2}},
        )
    return person


def test_a_version_shows_curves_figures_and_its_run(trained: Person, look: Look) -> None:
    _, html = look(PAGE, visitor=trained)

    assert "took 1 m 5 s" in html
    assert "2.0 GB of memory at most" in html
    assert "2 processors" in html
    assert html.count('class="drawing curves"') == 1
    assert f'src="{PAGE}:figure?name=roc"' in html
    assert f'src="{PAGE}:figure?name=a%2Fb"' in html
    assert "<script>alert" not in html


def test_a_figure_is_sent_as_what_it_is(trained: Person, look: Look) -> None:
    bitmap, _ = look(f"{PAGE}:figure", visitor=trained, name="roc")
    drawn, _ = look(f"{PAGE}:figure", visitor=trained, name="a/b")

    assert bitmap == Picture("image/png", png())
    assert drawn == Picture("image/svg+xml", DRAWN)


@pytest.mark.parametrize(("name", "status"), [("nothing", 404), ("", 404), ("live", 409)])
def test_what_is_no_figure_is_not_sent(trained: Person, look: Look, name: str, status: int) -> None:
    answer, _ = look(f"{PAGE}:figure", visitor=trained, name=name)

    assert isinstance(answer, Drawn)
    assert answer.status == status


def test_whoever_may_not_read_the_model_gets_no_figure(trained: Person, look: Look) -> None:
    trained.verbs = frozenset()
    answer, _ = look(f"{PAGE}:figure", visitor=trained, name="roc")

    assert isinstance(answer, Drawn)
    assert answer.status == 404


def test_a_comparison_draws_curves_over_each_other(trained: Person, look: Look) -> None:
    _, html = look("/models/iris:compare", visitor=trained, a="1.0.0", b="1.1.0")

    assert "Learning curves" in html
    assert html.count('class="drawing curves"') == 1
    assert "1.0.0  1" in html
    assert "1.1.0  0.5" in html


def test_curves_that_cannot_be_read_are_told_and_hide_nothing(
    person: Person, look: Look, tmp_path: Path
) -> None:
    (tmp_path / CURVES_FILE).write_bytes(b"no curves")
    (tmp_path / "model.txt").write_text("weights")
    artifacts = {"curves": tmp_path / CURVES_FILE}
    for _ in range(2):
        person.registry.register("iris", tmp_path / "model.txt", artifacts=artifacts)
    _, html = look(PAGE, visitor=person)
    _, compared = look("/models/iris:compare", visitor=person, a="1.0.0", b="1.1.0")

    assert "are not learning curves" in html
    assert "model.txt" in html
    assert "Learning curves" not in compared


def test_a_version_without_a_record_has_no_such_section(look: Look) -> None:
    _, html = look("/models/risk/fraud@1.4.0")

    assert 'aria-label="Training"' not in html


def test_facts_that_are_nonsense_are_shown_as_they_are(
    person: Person, look: Look, tmp_path: Path
) -> None:
    (tmp_path / "model.txt").write_text("weights")
    facts = {"training": {"took_s": "<b>long</b>", "peak_rss_bytes": None, "script": "train.py"}}
    person.registry.register("iris", tmp_path / "model.txt", metadata=facts)
    _, html = look("/models/iris@1.0.0", visitor=person)

    assert "train.py" in html
    assert "<b>long" not in html
