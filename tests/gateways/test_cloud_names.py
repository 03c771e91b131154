import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.gateways.cloud_names import name_within, text_of


@given(st.text(min_size=1), st.integers(20, 63))
def test_every_model_has_a_name_that_clouds_take(model: str, most: int) -> None:
    name = name_within(model, most)

    assert re.fullmatch(r"[a-zA-Z](-?[a-zA-Z0-9])*", name)
    assert len(name) <= most


def test_readable_names_stay_readable_and_others_stay_distinct() -> None:
    assert name_within("team/iris", 63) == "team-iris"
    assert name_within("Größe", 63) == "Groe"
    assert name_within("模型", 63) != name_within("模形", 63)
    assert name_within("x" * 100, 63) != name_within("x" * 101, 63)


@given(st.text(), st.integers(1, 50))
def test_a_text_is_one_line_without_controls(text: str, most: int) -> None:
    line = text_of(text, most)

    assert len(line) <= most
    assert line.isprintable()
