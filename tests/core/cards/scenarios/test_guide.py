"""The guide shows what the code gives."""

import json
import re
from pathlib import Path

import pytest

from holdfast.core.cards import Today, classic, cyclonedx, markdown
from holdfast.core.cards.fields import FACTS
from holdfast.core.manifest import Manifest

GUIDE = (Path(__file__).parents[4] / "docs/guides/model-card.md").read_text(encoding="utf-8")
EXCERPTS = re.findall(r"```(?:json|yaml|text)\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def views(iris: Manifest, iris_today: Today) -> str:
    """Return all three views, one after the other."""
    return "\n".join(
        (
            json.dumps(classic.render(iris, iris_today), indent=2),
            markdown.render(iris, iris_today),
            json.dumps(cyclonedx.render(iris, iris_today, "0.1.0"), indent=2),
        )
    )


def test_the_guide_shows_excerpts_of_every_view() -> None:
    assert len(EXCERPTS) == 4


@pytest.mark.parametrize("excerpt", EXCERPTS)
def test_every_excerpt_in_the_guide_is_what_the_code_gives(excerpt: str, views: str) -> None:
    parts = re.split(r"^ *…\n", excerpt, flags=re.MULTILINE)

    assert [part for part in parts if part not in views] == []


def test_the_guide_names_every_fact_of_a_complete_card() -> None:
    assert [fact for fact in FACTS if f"`{fact}`" not in GUIDE] == []
