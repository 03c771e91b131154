"""A look as a picture: whole SVG, safe names, the alarm where it is."""

from datetime import timedelta
from xml.etree import ElementTree as ET

from msgspec.structs import replace
from tests.monitoring.conftest import LIVE, World

from holdfast.monitoring.drift_picture import svg


def test_the_evidence_of_each_day_is_a_line_and_the_alarm_a_point(world: World) -> None:
    bad = world.days(LIVE, 10)
    end = world.days(bad, 5, change=lambda row: row | {"age": None})

    picture = svg(replace(world.look(end), model="<churn>"))

    root = ET.fromstring(picture)
    assert root.get("aria-label", "").startswith("Evidence of drift: <churn>")
    line = next(item for item in root.iter() if item.tag.endswith("polyline"))
    assert len(line.get("points", "").split()) == 15 - 6
    assert any(item.tag.endswith("circle") for item in root.iter())


def test_a_look_without_days_is_drawn_empty(world: World) -> None:
    picture = svg(world.look(LIVE + timedelta(days=0)))

    ET.fromstring(picture)
    assert "too early" in picture
