"""What a version keeps of its training, as it is shown."""

from holdfast.core.curves import Curve
from holdfast.core.training_record import FigureFile, TrainingRecord, drawings

STEPS = (1.0, 2.0, 3.0)
CURVES = {
    "auc": Curve(STEPS, (0.5, 0.7, 0.8), 3),
    "train/loss": Curve(STEPS, (0.5, 0.25, 0.125), 3),
    "validation/loss": Curve(STEPS, (0.5, 0.375, None), 3),
}


def test_curves_of_one_name_are_drawn_together() -> None:
    shown = dict(drawings(CURVES))

    assert list(shown) == ["auc", "loss"]
    assert "train" in shown["loss"]
    assert "validation" in shown["loss"]


def test_more_lines_than_can_be_told_apart_take_several_pictures() -> None:
    many = {f"fold {index}/loss": Curve((1.0,), (0.5,), 1) for index in range(9)}

    assert [name for name, _ in drawings(many)] == ["loss"] * 3


def test_what_never_had_a_value_is_not_drawn() -> None:
    assert list(drawings({"loss": Curve(STEPS, (None, None, None), 3)})) == []


def test_a_notebook_shows_curves_and_names_figures() -> None:
    figure = FigureFile("<confusion>", "png", "a" * 64, 100)
    html = TrainingRecord("iris@1.0.0", {"took_s": 2.5}, CURVES, (figure,))._repr_html_()

    assert html.count("<svg") == 2
    assert "&lt;confusion&gt;" in html
    assert "took_s" in html
    assert "<table" not in TrainingRecord("iris@1.0.0")._repr_html_().replace("<table><tbody>", "")
