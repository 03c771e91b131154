"""What others wrote into a store, shown in a notebook or a picture: text, never markup."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import holdfast
from holdfast.core import plots
from holdfast.core.compare import Side, compare
from holdfast.core.manifest import Manifest

MARKUP = "<img src=x onerror=alert(1)>\"'><script>x</script><!--"
TABLES = {
    "div", "style", "p", "span", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
}  # fmt: skip
PICTURES = {"svg", "title", "text", "rect", "circle", "line", "path"}
ATTRIBUTES = {
    "class", "xmlns", "viewbox", "width", "height", "role", "aria-label", "text-anchor", "rx", "r",
    "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "d",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects the tags and attributes of a page as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[Any] = []
        self.comments: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def test_views_of_a_notebook_show_markup_as_text(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("words")
    (tmp_path / "other.txt").write_text("other words")
    registry = holdfast.open(tmp_path / "store", by=MARKUP)
    facts: dict[str, Any] = {
        "description": MARKUP, "hyperparameters": {MARKUP: MARKUP},
        "training_data": {"source": MARKUP}, "lineage": {"git_commit": "ab" * 20, "entry": MARKUP},
    }  # fmt: skip
    registry.register("iris", tmp_path / "model.txt", metrics={"auc": 0.5}, **facts)
    registry.register("iris", tmp_path / "other.txt", metrics={"auc": 0.6}, **facts)
    registry.tag("iris@1.0.0", {"note": MARKUP})
    registry.note("iris@1.0.0", MARKUP)
    registry.promote("iris@1.0.0", reason=MARKUP)
    registry.rollouts.start("iris@1.1.0", reason=MARKUP)
    shown = [
        registry, registry.models(), registry.versions("iris"), registry.history("iris"),
        registry.status("iris"), registry.resolve("iris@1.0.0"), registry.load("iris@1.0.0"),
        registry.compare("iris@1.0.0", "iris@1.1.0"), registry.overview(), registry.verify(),
        registry.trend("iris"), registry.search(), registry.models()[0], registry.rollout("iris"),
        registry.lineage.of("iris@1.0.0"), registry.lineage.users_of_commit("ab" * 20),
    ]  # fmt: skip
    pages = [item._repr_html_() for item in shown if hasattr(item, "_repr_html_")]
    found = Tags("".join(pages))

    assert len(pages) >= 8
    assert any("&lt;img" in page for page in pages)
    assert found.tags <= TABLES | PICTURES
    assert {name for name, _ in found.attributes} <= ATTRIBUTES
    assert found.comments == []
    assert {re.sub(r"<style>.*?</style>", "", page).count("<style") for page in pages} == {0}
    assert len({re.search(r"<style>.*?</style>", page)[0] for page in pages}) == 1  # type: ignore[index]


def test_pictures_in_files_show_markup_as_text(tmp_path: Path) -> None:
    first, other = (
        Manifest(
            name=MARKUP, version=version, number=1, registered_at="now", registered_by=MARKUP,
            artifacts={},
        )
        for version in ("1.0.0", "1.1.0<b>")
    )  # fmt: skip
    comparison = compare(Side(first, {f"{MARKUP}\u202e\x1b": 0.5}), Side(other, {}), {})
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(tmp_path / "store", by=MARKUP)
    registry.register("iris", tmp_path / "model.txt", metrics={"auc": 0.5})
    registry.promote("iris@1.0.0", reason=MARKUP)
    (tmp_path / "model.txt").write_text("other words")
    registry.register("iris", tmp_path / "model.txt")
    registry.rollouts.start("iris@1.1.0", reason=MARKUP)
    trend, served = registry.trend("iris"), registry.served("iris")
    pictures = [
        plots.comparison(comparison),
        plots.history(MARKUP, served, trend, registry.status("iris").at),
        plots.rollout(MARKUP, registry.rollout("iris"), None),
    ]
    elements = [element for picture in pictures for element in ET.fromstring(picture).iter()]
    names = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in elements}

    assert all("&lt;img" in picture for picture in pictures)
    assert names <= PICTURES | {"style"}
    assert not any("\u202e" in picture or "\x1b" in picture for picture in pictures)
    assert {key.lower() for element in elements for key in element.attrib} <= ATTRIBUTES | {
        "font-size", "fill",
    }  # fmt: skip
