"""Views for a notebook: escaped, with styles that stay within."""

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import notebook
from holdfast.core.drawing import svg


def test_styles_stay_within_the_view() -> None:
    view = notebook.view(notebook.line("x"))
    style = re.search(r"<style>(.*)</style>", view)
    assert style is not None
    selectors = re.findall(r"([^{}]+)\{", style[1])
    assert selectors
    assert all("div.holdfast-view" in selector for selector in selectors)
    assert not re.search(r"url\(|@import|http", style[1])


def test_a_dark_notebook_has_colours_of_its_own() -> None:
    assert "[data-jp-theme-light=false] div.holdfast-view" in notebook.view()


@given(st.text())
def test_text_shows_as_it_is_wherever_it_stands(words: str) -> None:
    parts = [
        notebook.heading(words, words), notebook.line(words, "b"), notebook.code(words),
        notebook.table((words,), [(words,)]), notebook.facts([(words, words)]),
    ]  # fmt: skip
    tags = set(re.findall(r"<[^>]*>", "".join(parts)))
    bare = {re.sub(r'^</?([a-z]+)(?: class="[a-z]")?>$', r"\1", tag) for tag in tags}
    assert bare <= {"p", "span", "code", "table", "thead", "tbody", "tr", "th", "td"}


def test_markup_of_ours_and_pictures_are_not_escaped_again() -> None:
    drawing = svg.picture(9, 9, "x", [], "x")
    shown = notebook.table(("a", "b"), [(drawing, notebook.code("x"))])
    assert drawing in shown
    assert "<td><code>x</code></td>" in shown


def test_numbers_are_rounded_and_aligned_and_what_is_missing_is_a_dash() -> None:
    shown = notebook.table(("a", "b"), [(0.123456789, None), (None, "x")])
    assert '<td class="n">0.123457</td><td>–</td>' in shown
    assert '<td class="n">–</td>' in shown


def test_facts_leave_out_what_is_empty() -> None:
    shown = notebook.facts([("a", None), ("b", ""), ("c", ()), ("d", 0.5)])
    assert shown == "<table><tbody><tr><th>d</th><td>0.5</td></tr></tbody></table>"


def test_times_and_changes_are_short() -> None:
    assert notebook.moment("2026-03-01T12:00:00.123456Z") == "2026-03-01 12:00 UTC"
    assert notebook.when("2026-03-01T12:00:00.123456Z") == "2026-03-01\N{NO-BREAK SPACE}12:00"
    assert notebook.moment(None) is notebook.change(None) is notebook.when(None) is None
    assert notebook.change(-0.18439999) == "-0.1844"
