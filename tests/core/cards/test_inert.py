"""Typed text in Markdown: what a renderer shows is what was typed, and nothing is live."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from holdfast.core.cards import inert


class Lenient(MarkdownIt):
    """A renderer that lets every tag and every address through, as the worst one might."""

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - the library's signature
        """Accept `javascript:` too: our escaping is under test, not the renderer's caution."""
        return True


RENDERER = Lenient("commonmark", {"html": True}).enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """Return the text a reader sees, white space joined."""
    return " ".join(html.unescape(re.sub("<[^>]*>", "", RENDERER.render(markdown))).split())


def visible(typed_text: str) -> str:
    """Return *typed_text* with white space joined and control characters marked."""
    return re.sub("[\x00-\x1f\x7f-\x9f]", "\ufffd", " ".join(typed_text.split()))


@given(data=st.data())
def test_a_line_shows_what_was_typed(data: st.DataObject, typed: st.SearchStrategy[str]) -> None:
    text = data.draw(typed)

    assert shown(inert.line(text)) == visible(text)


@given(data=st.data())
def test_paragraphs_show_what_was_typed(data: st.DataObject, typed: st.SearchStrategy[str]) -> None:
    text = "\n".join(data.draw(st.lists(typed, max_size=4)))

    assert shown(inert.paragraphs(text)) == visible(text)


def test_paragraphs_keep_lines_and_paragraphs() -> None:
    rendered = RENDERER.render(inert.paragraphs("\n\none\n  two\n\n\n- three\n"))

    assert rendered == "<p>one<br />\ntwo</p>\n<p>- three</p>\n"


@pytest.mark.parametrize(
    "text", ["n_estimators", "-0.5", "2026-01-31", "1.2.0", "C++", "a = b", "https://a.example/x"]
)
def test_ordinary_words_are_not_spoilt_by_backslashes(text: str) -> None:
    assert inert.line(text) == text


def test_dollars_open_no_formula() -> None:
    assert inert.line(r"$\href{javascript:x}{y}$") == r"\$\\href{javascript:x}{y}\$"


def test_a_delimiter_row_without_pipes_makes_no_table() -> None:
    # GitHub's renderer takes one column without a pipe; the one used here does not.
    assert inert.line(":-") == r"\:-"


@given(data=st.data())
def test_a_table_keeps_every_cell_in_its_place(
    data: st.DataObject, typed: st.SearchStrategy[str]
) -> None:
    cells = data.draw(st.lists(st.tuples(typed, typed), min_size=1, max_size=3))

    rendered = RENDERER.render(inert.table(("One", "Two"), cells))

    rendered_cells = re.findall("<td>(.*?)</td>", rendered, re.DOTALL)
    assert [html.unescape(cell) for cell in rendered_cells] == [
        visible(c) for row in cells for c in row
    ]


@given(data=st.data())
def test_nothing_typed_ends_a_code_block(
    data: st.DataObject, typed: st.SearchStrategy[str]
) -> None:
    content = data.draw(typed).replace("\r", "").replace("\x00", "")

    rendered = RENDERER.render(inert.fenced(content, "json"))

    inside = re.fullmatch(
        '<pre><code class="language-json">(.*)</code></pre>\n', rendered, re.DOTALL
    )
    assert inside is not None
    assert html.unescape(inside[1]) == f"{content}\n"


def test_a_table_without_rows_is_nothing() -> None:
    assert inert.table(("One", "Two"), []) == ""


def test_blank_values_make_no_bullets() -> None:
    assert inert.bullets(["one", " ", "two"]) == "- one\n- two"
