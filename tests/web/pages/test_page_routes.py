"""Pages, as a registry and a visitor make them: what they show, and what they let happen."""

import html.parser
from dataclasses import replace
from typing import Any

import pytest

from holdfast import open as open_registry
from holdfast.web.pages.page import Download, Drawn, Redirect

LOOKS = (
    "/",
    "/rollouts",
    "/history",
    "/predictions",
    "/access",
    "/settings",
    "/models/risk/fraud",
    "/models/risk/fraud@1.4.0",
    "/models/risk/fraud:compare",
    "/models/risk/fraud:history",
    "/models/risk/fraud:rollout",
    "/models/risk/fraud:accuracy",
    "/models/risk/fraud@1.4.0:lineage",
    "/models/risk/fraud:policy",
    "/models/risk/fraud:promote",
    "/models/risk/fraud:rollback",
    "/models/risk/fraud@1.4.0:approve",
)
OF_MODEL = tuple(path for path in LOOKS if path.startswith("/models/"))
VOID = {"meta", "link", "input", "br", "path", "circle", "line", "rect", "use"}


class Balanced(html.parser.HTMLParser):
    """Holds each end tag against its start, and collects what scripts and styles would need."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.inline: list[str] = []
        self.headings = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.headings += tag == "h1"
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, _tag: str, attrs: Any) -> None:
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("path", LOOKS)
def test_every_page_is_sound_html_without_inline_script_or_style(look: Any, path: str) -> None:
    answer, page = look(path)
    assert isinstance(answer, Drawn)
    assert answer.status == 200
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.inline == []
    assert parser.headings == 1
    assert "None" not in page


def test_the_front_page_says_what_is_live_and_what_wants_a_person(look: Any) -> None:
    _, page = look("/")
    assert 'href="/models/risk/fraud"' in page
    assert "1.3.0" in page
    assert "forced" in page
    assert "1.4.0" in page


@pytest.mark.parametrize(
    ("query", "count"),
    [({}, 1), ({"show": "staged"}, 1), ({"show": "empty"}, 0), ({"show": "rolling"}, 0),
     ({"show": "attention"}, 1), ({"q": "FRAUD"}, 1), ({"q": "churn"}, 0)],
)  # fmt: skip
def test_filters_are_addresses(look: Any, query: dict[str, str], count: int) -> None:
    answer, _ = look("/", **query)
    assert len(answer.values["rows"]) == count


def test_the_front_page_looks_back(look: Any) -> None:
    _, page = look("/", at="2026-02-03T00:00")
    assert "as of 2026-02-03 00:00" in page
    assert 'href="/">now</a>' in page
    assert "1.3.0" not in page
    assert 'name="at"' in look("/")[1]


def test_an_empty_store_teaches_one_command(look: Any, person: Any, tmp_path: Any) -> None:
    nobody = replace(person, registry=open_registry(tmp_path / "new", by="ana"))
    _, page = look("/", visitor=nobody)
    assert "holdfast register" in page


def test_the_model_page_shows_live_the_way_back_and_the_difference(look: Any) -> None:
    _, page = look("/models/risk/fraud")
    assert "by force" in page
    assert "the new feed needs it" in page
    assert "every byte verified" in page
    assert "\N{MINUS SIGN}0.2" in page
    assert "holdfast rollback risk/fraud" in page
    assert 'aria-label="recall from' in page
    assert 'aria-label="Live in order: 1.0.0' in page


def test_versions_come_in_pages_that_an_address_names(look: Any) -> None:
    answer, _ = look("/models/risk/fraud", below="1.2.0")
    assert [info.version for info in answer.values["versions"]] == ["1.1.0", "1.0.0"]
    assert answer.values["newer"]


def test_an_alias_leads_to_the_version_that_it_names_now(look: Any) -> None:
    answer, _ = look("/models/risk/fraud@staging")
    assert answer == Redirect("/models/risk/fraud@1.4.0")


def test_a_promotion_is_asked_for_with_the_verdict_and_done_by_its_form(
    look: Any, person: Any
) -> None:
    _, page = look("/models/risk/fraud:promote", version="1.4.0")
    assert "The gate lets it pass" in page
    form = {"version": "1.4.0", "expect": "1.3.0", "reason": "better", "idempotency_key": "k1"}
    answer, _ = look("/models/risk/fraud:promote", form)
    assert isinstance(answer, Redirect)
    assert person.registry.resolve("risk/fraud@production").version == "1.4.0"
    _, after = look("/models/risk/fraud", entry=answer.location.rpartition("=")[2])
    assert "Done: promote 1.3.0 → 1.4.0" in after


def test_the_live_version_has_nothing_to_be_promoted(look: Any) -> None:
    _, page = look("/models/risk/fraud:promote", version="1.3.0")
    assert "1.3.0 is live already" in page
    assert "<textarea" not in page


def test_the_same_form_twice_does_it_once(look: Any, person: Any) -> None:
    form = {"version": "1.4.0", "expect": "1.3.0", "reason": "better", "idempotency_key": "k1"}
    look("/models/risk/fraud:promote", form)
    entries = len(person.registry.entries("risk/fraud"))
    answer, _ = look("/models/risk/fraud:promote", form)
    assert isinstance(answer, Redirect)
    assert len(person.registry.entries("risk/fraud")) == entries


def test_who_comes_late_is_told_and_keeps_the_reason(look: Any) -> None:
    form = {"version": "1.2.0", "expect": "1.0.0", "reason": "mine"}
    answer, page = look("/models/risk/fraud:promote", form)
    assert answer.status == 409
    assert "1.3.0" in page
    assert ">mine</textarea>" in page


def test_a_refused_version_has_a_button_only_for_those_who_may_force(
    look: Any, person: Any
) -> None:
    _, page = look("/models/risk/fraud:promote", version="1.4.0")
    person.registry.promote("risk/fraud@1.4.0", reason="better")
    _, page = look("/models/risk/fraud:promote", version="1.3.0")
    assert "Promote by force" in page
    weaker = replace(person, verbs=person.verbs - {"force"})
    _, page = look("/models/risk/fraud:promote", visitor=weaker, version="1.3.0")
    assert "<textarea" not in page
    assert "may force" in page
    form = {"version": "1.3.0", "force": "yes", "reason": "sneaky"}
    answer, _ = look("/models/risk/fraud:promote", form, weaker)
    assert answer.status == 403
    assert person.registry.resolve("risk/fraud@production").version == "1.4.0"


def test_a_rollback_is_asked_for_with_verified_bytes_and_done(look: Any, person: Any) -> None:
    answer, page = look("/models/risk/fraud:rollback")
    before = answer.values["before"].version
    assert "every byte was verified just now" in page
    look("/models/risk/fraud:rollback", {"to": before, "expect": "1.3.0", "reason": "recall"})
    assert person.registry.resolve("risk/fraud@production").version == before


def test_a_damaged_way_back_has_no_button(look: Any, store: Any, person: Any) -> None:
    before = person.registry.status("risk/fraud").before.version
    digest = person.registry.manifest(f"risk/fraud@{before}").files[0].sha256
    blob = store / "blobs" / "sha256" / digest
    blob.chmod(0o600)
    blob.write_bytes(b"other")
    _, page = look("/models/risk/fraud:rollback")
    assert "is damaged" in page
    assert "<textarea" not in page


def test_an_approval_is_recorded_in_the_visitor_s_name(look: Any, person: Any) -> None:
    answer, _ = look("/models/risk/fraud@1.4.0:approve", {"reason": "looked at the slices"})
    assert answer == Redirect("/models/risk/fraud@1.4.0")
    assert person.registry.resolve("risk/fraud@1.4.0").approvals == ("ana",)


def test_a_rollout_is_steered_and_a_made_up_button_refused(look: Any, person: Any) -> None:
    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    _, page = look("/models/risk/fraud:rollout")
    assert "Pause" in page
    assert "Advance" not in page
    look("/models/risk/fraud:rollout", {"do": "pause", "reason": "lunch"})
    assert person.registry.rollout("risk/fraud").phase == "paused"
    answer, _ = look("/models/risk/fraud:rollout", {"do": "advance", "reason": "no right"})
    assert answer.status == 403
    answer, _ = look("/models/risk/fraud:rollout", {"do": "explode", "reason": "x"})
    assert answer.status == 403
    look("/models/risk/fraud:rollout", {"do": "resume", "reason": "back"})
    assert person.registry.rollout("risk/fraud").phase == "running"
    look("/models/risk/fraud:rollout", {"do": "abort", "reason": "enough"})
    assert person.registry.rollout("risk/fraud").outcome == "aborted"
    answer, page = look("/models/risk/fraud:rollout", {"do": "pause", "reason": "too late"})
    assert answer.status == 409
    _, page = look("/rollouts")
    assert "No rollout is running" in page


def test_history_is_searched_served_and_downloaded(look: Any) -> None:
    answer, _ = look("/models/risk/fraud:history", q="rolled falling")
    assert len(answer.values["lines"]) <= 1
    _, page = look("/models/risk/fraud:history", view="served")
    assert "rolled back" in page
    answer, _ = look("/models/risk/fraud:history", form=None, at="2026-02-02")
    assert all(line.at < "2026-02-03" for _, line in answer.values["lines"])


def test_what_served_when_says_which_move_was_a_rollback_and_from_where(look: Any) -> None:
    _, page = look("/models/risk/fraud:history", view="served")
    assert page.count("rolled back from 1.2.0") == 1
    assert page.count(">promoted") == 4
    _, page = look("/models/risk/fraud:history", view="served", q="rolled falling")
    assert (page.count("rolled back"), page.count("promoted")) == (1, 0)


def test_a_cell_that_a_spreadsheet_would_run_is_text(person: Any) -> None:
    person.registry.tag("risk/fraud@1.4.0", {"a": "b"}, reason='=HYPERLINK("x")')
    from holdfast.web.pages import history_pages, page_paths
    from holdfast.web.pages.page import Asked

    asked = Asked(
        "/",
        page_paths.Place("risk/fraud", None, "history"),
        {"form": "csv"},
        None,
        "2026-03-02",
        "k",
    )
    file = history_pages.of_model(person, asked)
    assert isinstance(file, Download)
    assert "'=HYPERLINK" in file.text


@pytest.mark.parametrize("path", OF_MODEL)
def test_what_a_visitor_may_not_see_is_not_there(look: Any, person: Any, path: str) -> None:
    blind = replace(person, hidden=frozenset({"risk/fraud"}))
    answer, page = look(path, visitor=blind)
    assert answer.status == 404
    assert "1.3.0" not in page
    _, front = look("/", visitor=blind)
    assert "fraud" not in front


@pytest.mark.parametrize(
    "path",
    ["/models/risk/fraud:nothing", "/models/nothing", "/nothing", "/models/risk/fraud@9.9.9"],
)
def test_unknown_pages_are_told(look: Any, path: str) -> None:
    answer, page = look(path)
    assert answer.status == 404
    assert "Request r1" in page


def test_a_page_that_only_shows_takes_no_form(look: Any) -> None:
    answer, _ = look("/models/risk/fraud:history", {"x": "y"})
    assert answer.status == 404


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_text_of_users_is_text_on_every_page(look: Any, person: Any, tmp_path: Any) -> None:
    from joblib import dump
    from sklearn.linear_model import LogisticRegression

    registry = person.registry
    file = tmp_path / "m.joblib"
    dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), file)
    registry.register(
        "evil", file, metrics={EVIL: 1.0}, description=f"{EVIL}\n\n[x](javascript:alert(1))",
        author=EVIL, framework=EVIL, limitations=[EVIL], hyperparameters={EVIL: EVIL},
        metadata={EVIL: EVIL}, training_data={"source": EVIL}, lineage={"run_id": EVIL},
    )  # fmt: skip
    registry.tag("evil@1.0.0", {"k": EVIL}, reason=EVIL)
    registry.note("evil@1.0.0", EVIL)
    registry.approve("evil@1.0.0", reason=EVIL)
    registry.promote("evil@1.0.0", reason=EVIL)
    registry.hold("evil@1.0.0", reason=EVIL)
    for path in (
        "/",
        "/history",
        *(
            path.replace("risk/fraud@1.4.0", "evil@1.0.0").replace("risk/fraud", "evil")
            for path in OF_MODEL
        ),
    ):
        _, page = look(path)
        parser = Balanced()
        parser.feed(page)
        assert parser.inline == []
        assert "<script>alert" not in page
        assert "javascript:" not in page.replace("](javascript:alert(1))", "")
        assert "<img" not in page
