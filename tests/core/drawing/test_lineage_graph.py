"""Lineage drawn in layers: what texts may not do to it, and what is left out is counted."""

from holdfast.core.drawing.lineage_graph import LineageNode, graph


def test_a_graph_stays_within_its_width_whatever_texts_say() -> None:
    long = LineageNode("parent", "<b>" + "x" * 300 + "\u202e", "y" * 300)
    picture = graph(
        LineageNode("version", "m@1.0.0", "", "", (long,) * 20), (LineageNode("live", "live"),) * 20
    )
    assert "<b>" not in picture
    assert "\u202e" not in picture
    assert f">{'y' * 33}" not in picture
    assert picture.count("more") >= 2
    assert picture.count("<rect") == 17


def test_a_version_alone_is_one_box() -> None:
    picture = graph(LineageNode("version", "m@1.0.0"), ())

    assert picture.count("<rect") == 1
    assert "was made from nothing known; it became nothing yet" in picture


def test_two_generations_stand_before_a_version_and_lead_to_it() -> None:
    first = LineageNode("parent", "a@1.0.0", sources=(LineageNode("data", "rows"),))
    here = LineageNode("version", "c@1.0.0", sources=(first, LineageNode("code", "commit ab")))
    picture = graph(here, (LineageNode("alias", "eu", "names it now"),))

    assert picture.count("<rect") == 5
    assert picture.count('class="edge"') == 4
    assert "data: rows" in picture
