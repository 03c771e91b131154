"""The picture of a simulation."""

import itertools
import re
from xml.etree import ElementTree as ET

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.rollouts import Simulation, SimulationSettings, picture, scenario, simulate

TEXTS = ("1%:1%", "1%:1%,slower=2", "1%:6%", *(f"1%:{rate}%" for rate in range(10, 19)))


def simulated() -> Simulation:
    scenarios = [scenario.parse(text) for text in TEXTS]
    return simulate(Plan(), Analysis(), scenarios, SimulationSettings(requests=500, runs=5))


def test_every_scenario_has_a_line_and_a_label_of_its_own() -> None:
    root = ET.fromstring(picture.svg(simulated()))
    space = {"": "http://www.w3.org/2000/svg"}
    words = [text.text or "" for text in root.findall("text", space)]
    places = [
        float(text.get("y", "0"))
        for text in root.findall("text", space)
        if " – " in (text.text or "")
    ]
    labels = sorted(places)

    assert len(root.findall("polyline", space)) == len(TEXTS)
    assert all(any(word.startswith(f"{text} – ") for word in words) for text in TEXTS)
    assert all(below - above >= 16.9 for above, below in itertools.pairwise(labels))
    assert labels[-1] < 460


def test_healthy_lines_are_dashed_and_colours_follow_the_ground() -> None:
    drawn = picture.svg(simulated())

    assert len(re.findall('<polyline class="run healthy', drawn)) == 1
    assert "prefers-color-scheme: dark" in drawn


def test_points_stay_within_the_axes() -> None:
    drawn = picture.svg(simulated())
    points = [
        tuple(map(float, point.split(",")))
        for line in re.findall('points="([^"]*)"', drawn)
        for point in line.split()
    ]

    assert all(64 <= x <= 650.1 and 64 <= y <= 404.1 for x, y in points)
