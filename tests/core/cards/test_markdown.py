"""The README: its sections, its snippet, and what typed text cannot do to it."""

import ast
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec import structs

from holdfast.core.cards import Today, markdown
from holdfast.core.evaluation import PastEvaluation
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Manifest, Scan

SECTIONS = [
    "Summary",
    "Intended use",
    "Performance",
    "Training data",
    "Hyperparameters",
    "Input and output",
    "Limitations",
    "Lineage",
    "Files",
    "Environment",
    "How to load",
    "Notes",
]
OURS = {"h1", "h2", "p", "br", "ul", "li", "pre", "code"} | {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


class Lenient(MarkdownIt):
    """A renderer that lets every tag and every address through, as the worst one might."""

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - the library's signature
        """Accept `javascript:` too: our escaping is under test, not the renderer's caution."""
        return True


RENDERER = Lenient("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Page(HTMLParser):
    """What a browser finds: tags, attributes, and the headings of sections."""

    def __init__(self, card: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.headings: list[str] = []
        self._open = ""
        self.feed(RENDERER.render(ModelCard(card).text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open == "h2" and data.strip():
            self.headings.append(data)


def section(card: str, heading: str) -> str:
    """Return the body of one section, empty if the card has none."""
    match = re.search(rf"^## {heading}\n\n(.*?)\n(?=\n## |\Z)", card, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


def test_a_full_card_has_every_section_in_order(iris: Manifest, iris_today: Today) -> None:
    assert Page(markdown.render(iris, iris_today)).headings == SECTIONS


def test_a_bare_card_has_only_the_sections_it_can_fill(bare: Manifest, bare_today: Today) -> None:
    assert Page(markdown.render(bare, bare_today)).headings == ["Summary", "Files", "How to load"]


def test_a_version_without_files_has_no_files_section(bare: Manifest, bare_today: Today) -> None:
    card = markdown.render(structs.replace(bare, artifacts={}), bare_today)

    assert Page(card).headings == ["Summary", "How to load"]


def test_no_card_asks_for_more_information(bare: Manifest, bare_today: Today) -> None:
    assert "more information" not in markdown.render(bare, bare_today).lower()


def test_the_summary_tells_what_is_live_and_how_complete_the_card_is(
    iris: Manifest, iris_today: Today
) -> None:
    summary = section(markdown.render(iris, iris_today), "Summary")

    assert "| Status | production |" in summary
    assert f"| Digest | sha256:{iris_today.digest} |" in summary
    assert summary.endswith("Card 14 of 14 facts filled")


def test_the_summary_names_what_is_missing(iris: Manifest, iris_today: Today) -> None:
    poorer = structs.replace(
        iris, author=None, lineage=Lineage(), metadata={"intended_use": "Teaching."}
    )

    summary = section(markdown.render(poorer, iris_today), "Summary")

    assert summary.endswith(
        "Card 11 of 14 facts filled; missing: author, lineage.git_commit, metadata.license"
    )


def test_a_later_evaluation_fills_the_metrics(iris: Manifest, iris_today: Today) -> None:
    unmeasured = structs.replace(iris, metrics={})

    card = markdown.render(unmeasured, iris_today)

    assert "Card 14 of 14 facts filled" in card
    assert "| accuracy | 0.968 |" in section(card, "Performance")


def test_measured_metrics_are_told_from_others(iris: Manifest, iris_today: Today) -> None:
    june = PastEvaluation(
        name="june",
        data="a" * 64,
        label="species",
        rows=150,
        task="classification",
        metrics={"accuracy": 0.968},
        by="ann",
        at=iris_today.updated_at,
        seq=7,
    )
    told = section(markdown.render(iris, iris_today), "Performance")
    body = section(markdown.render(iris, replace(iris_today, evaluations=(june,))), "Performance")

    assert "| accuracy | 0.968 | measured (june) |" in body
    assert "| told |" in body
    assert "june: measured on 150 rows" in body
    assert "measured" not in told


def test_files_are_listed_with_role_path_size_and_digest(iris: Manifest, iris_today: Today) -> None:
    files = section(markdown.render(iris, iris_today), "Files")

    assert files.splitlines()[2:] == [
        f"| {role} | {role}.joblib | {size} B | {iris.artifacts[role].digest} |"
        for role, size in (("model", "177,312"), ("preprocessor", "1,011"))
    ]


@pytest.mark.parametrize(
    ("git_dirty", "cell"),
    [(None, "abc |"), (True, "abc (with uncommitted changes) |"), (False, "abc (clean work tree)")],
)
def test_the_lineage_says_whether_the_work_tree_was_clean(
    git_dirty: bool | None,  # noqa: FBT001 - a fact of the manifest
    cell: str,
    bare: Manifest,
    bare_today: Today,
) -> None:
    lineage = Lineage(git_commit="abc", git_dirty=git_dirty)

    card = markdown.render(structs.replace(bare, lineage=lineage), bare_today)

    assert f"| Git commit | {cell}" in section(card, "Lineage")


def test_several_intended_uses_become_a_list(bare: Manifest, bare_today: Today) -> None:
    manifest = structs.replace(bare, metadata={"intended_use": ["teach", "show"]})

    assert section(markdown.render(manifest, bare_today), "Intended use") == "- teach\n- show"


def test_loading_code_is_announced_with_the_reason_for_trust(
    iris: Manifest, iris_today: Today
) -> None:
    scan = {
        "model": Scan(kind="pickle", executes_code=True, trusted="built by us"),
        "preprocessor": Scan(kind="pickle", executes_code=True),
        "weights": Scan(kind="safetensors"),
    }

    card = markdown.render(structs.replace(iris, scan=scan), iris_today)

    assert section(card, "How to load").splitlines()[:3] == [
        "- Loading the model runs code from its file (pickle); trusted because: built by us",
        "- Loading the preprocessor runs code from its file (pickle)",
        "",
    ]


def test_a_purged_version_is_not_offered_for_loading(iris: Manifest, iris_today: Today) -> None:
    card = markdown.render(iris, replace(iris_today, status="purged"))

    assert "How to load" not in Page(card).headings
    assert section(card, "Files").startswith("The bytes are purged; this is what they were.")


def test_short_json_stays_on_one_line_and_long_json_does_not(
    bare: Manifest, bare_today: Today
) -> None:
    wide = {"rows": [[1.0, 2.0], [3.0, 4.0]], "text": "x" * 90}

    card = markdown.render(structs.replace(bare, input_example=wide), bare_today)

    assert section(card, "Input and output").splitlines()[2:] == [
        "```json",
        "{",
        '  "rows": [[1.0, 2.0], [3.0, 4.0]],',
        f'  "text": "{"x" * 90}"',
        "}",
        "```",
    ]


@given(data=st.data())
def test_the_example_in_a_card_is_the_example_of_the_manifest(
    data: st.DataObject, manifests: st.SearchStrategy[Manifest], bare_today: Today
) -> None:
    manifest = data.draw(manifests.filter(lambda drawn: drawn.input_example is not None))
    only = structs.replace(manifest, input_schema=None, output_schema=None)

    shown = _code_block(markdown.render(only, bare_today), "json")

    assert json.loads(shown) == manifest.input_example


@given(data=st.data())
def test_the_snippet_is_python_and_names_the_version(
    data: st.DataObject, typed: st.SearchStrategy[str], bare: Manifest, bare_today: Today
) -> None:
    manifest = structs.replace(bare, name=data.draw(typed))

    statements = ast.parse(_code_block(markdown.render(manifest, bare_today), "python")).body

    assert isinstance(statements[1], ast.Assign)
    assert isinstance(statements[1].value, ast.Call)
    assert ast.literal_eval(statements[1].value.args[0]) == f"{manifest.name}@1.0.0"


def _code_block(card: str, language: str) -> str:
    tokens = MarkdownIt().parse(ModelCard(card).text)
    return next(token.content for token in tokens if token.info == language)


@pytest.mark.parametrize(
    "vector",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "[click](javascript:alert(1))",
        "![click](javascript:alert(1))",
        "[click][a]\n\n[a]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "&#x3c;script&#x3e;",
        "\\<script>",
        "`\n<script>alert(1)</script>",
        "```\n\n<script>alert(1)</script>",
        "-->\n<script>alert(1)</script>",
        "]]><iframe src=//evil.example>",
        "| <script>alert(1)</script> |",
        "---\n---\n<script>alert(1)</script>",
    ],
)
def test_a_hostile_text_is_inert_wherever_it_is_typed(
    vector: str, iris: Manifest, iris_today: Today
) -> None:
    manifest, today = _everywhere(vector, iris, iris_today)

    page = Page(markdown.render(manifest, today))

    assert page.tags <= OURS
    assert page.attributes <= {("class", "language-json"), ("class", "language-python")}
    assert page.headings == SECTIONS


def _everywhere(text: str, manifest: Manifest, today: Today) -> tuple[Manifest, Today]:
    facts: dict[str, Any] = {text: text}
    lineage = Lineage(text, None, text, text, (text,), text)
    hostile = structs.replace(
        manifest,
        name=text,
        version=text,
        registered_by=text,
        description=text,
        author=text,
        framework=text,
        algorithm=text,
        hyperparameters=facts,
        training_data=facts,
        input_schema=facts,
        output_schema=facts,
        input_example=facts,
        limitations=(text,),
        lineage=lineage,
        environment=structs.replace(manifest.environment, python=text, packages=facts),
        metadata={"license": text, "intended_use": [text, text], "tags": text, "datasets": text},
        scan={text: Scan(kind=text, executes_code=True, trusted=text)},
    )
    learnt = replace(today, metrics={text: 1.0}, tags=facts, aliases=(text,), notes=(text,))
    return hostile, learnt


@given(data=st.data())
def test_no_manifest_makes_a_live_tag_or_a_section_of_its_own(
    data: st.DataObject,
    manifests: st.SearchStrategy[Manifest],
    todays: st.SearchStrategy[Today],
) -> None:
    page = Page(markdown.render(data.draw(manifests), data.draw(todays)))

    assert page.tags <= OURS
    assert page.attributes <= {("class", "language-json"), ("class", "language-python")}
    assert page.headings == [heading for heading in SECTIONS if heading in page.headings]


def test_equal_facts_give_the_same_card_in_whatever_order(
    iris: Manifest, iris_today: Today
) -> None:
    scan = {"preprocessor": Scan("pickle", executes_code=True), **iris.scan}
    scanned = structs.replace(iris, scan=scan)
    today = replace(iris_today, aliases=("eu", "champion"))

    shuffled = structs.replace(
        scanned,
        artifacts=dict(reversed(iris.artifacts.items())),
        hyperparameters=dict(reversed(iris.hyperparameters.items())),
        input_schema=dict(reversed((iris.input_schema or {}).items())),
        scan=dict(reversed(scan.items())),
    )
    later = replace(
        today, metrics=dict(reversed(list(today.metrics.items()))), aliases=("champion", "eu")
    )

    assert markdown.render(shuffled, later) == markdown.render(scanned, today)
