"""Every page there is, over a store with something of everything: looked at, not changed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e import full_store
from tests.e2e.browsing import MODEL, Stage, staged
from tests.web.pages.test_prediction_page import row_of

from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.drift.drift_findings import FeatureFinding
from holdfast.core.policy import Policy
from holdfast.predictions import open_log
from holdfast.registry.catalogue_verbs import Labels

EVIL = full_store.EVIL
RECORDED = f"/models/{full_store.RECORDED}"
TESTED = f"/models/{full_store.TESTED}"
NAMED = tuple(f"/models/{quote(name)}" for name in (full_store.LONG, full_store.FOREIGN))
PAGES = (
    "/", "/?q=nothing", "/?show=rolling", "/rollouts", "/history", "/predictions", "/settings",
    "/access", "/access?show=tokens", "/access?show=grants", "/access?show=rules",
    "/access?show=log", "/access?show=changes", MODEL, f"{MODEL}@1.1.0", f"{MODEL}:compare",
    f"{MODEL}:history", f"{MODEL}:history?view=served", f"{MODEL}:rollout", f"{MODEL}:lineage",
    f"{MODEL}:accuracy", f"{MODEL}:policy", f"{MODEL}:promote?version=1.1.0", f"{MODEL}:rollback",
    f"{MODEL}@1.1.0:approve", RECORDED, f"{RECORDED}@production", f"{RECORDED}:compare",
    f"{RECORDED}:lineage", f"{RECORDED}@1.1.0:lineage", f"{RECORDED}:accuracy",
    f"{RECORDED}:policy", f"{RECORDED}:history", f"{RECORDED}@1.0.0", TESTED,
    f"{TESTED}:rollout", f"/models/{full_store.REFERRED}@latest", *NAMED,
    *(f"{name}@production" for name in NAMED), f"{NAMED[0]}:history", f"{NAMED[1]}:compare",
    "/models/nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def furnished(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return a server that all tests of this module look at."""
    with staged(browser, tmp_path_factory.mktemp("full")) as made:
        registry = made.team.registry
        full_store.fill(registry, made.folder)
        registry.promote("risk/fraud@1.2.0", reason="second")
        registry.stage("risk/fraud@1.1.0")
        row = row_of(registry, "risk/fraud@1.2.0", "2026-02-05T00:00:00.000000Z")
        log = open_log(made.folder / "predictions")
        log.write([row])
        full_store.scored(registry, log)
        log.close()
        yield made


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_is_accessible(furnished: Stage, theme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = furnished.tab(viewport={"width": width, "height": 900}, color_scheme=theme)
    found = []
    for path in PAGES:
        page = tab.go(path)
        violations = axe.run(page).response["violations"]
        found += [(path, one["id"], one["nodes"][0]["target"]) for one in violations]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append((path, "is wider than the window", []))
    assert found == []
    assert tab.errors == []


def test_what_asks_for_a_look_is_on_the_page_of_the_model(furnished: Stage) -> None:
    page = furnished.tab().go(RECORDED)
    said = page.inner_text("main")
    assert "drift in age since 2026-11-29" in said
    assert "holdfast drift clinic/tumours-recorded --acknowledge drift-2026-11-29" in said
    assert "missed" in page.inner_text("section[aria-label=Retraining]")
    page.click("text=schedule")
    page.wait_for_url(f"**{RECORDED}:policy")


def test_a_training_is_told_with_its_curves_its_figures_and_where_it_came_from(
    furnished: Stage,
) -> None:
    page = furnished.tab().go(f"{RECORDED}@production")
    training = page.locator("section[aria-label=Training]")
    assert training.locator("svg[role=img]").count() == 1
    assert "train" in str(training.locator("svg[role=img]").get_attribute("aria-label"))
    figure = training.locator("img")
    figure.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('section[aria-label=Training] img').complete")
    assert figure.evaluate("image => image.naturalWidth") == 320
    assert "measured (june)" in page.inner_text("section[aria-label=Metrics]")
    assert "Slices by region" in page.inner_text("section[aria-label=Slices]")
    page.click("text=as a graph")
    page.wait_for_url(f"**{RECORDED}@1.1.0:lineage")
    assert "visits@v1" in page.inner_text("section[aria-label='Made from']")
    page.click("section[aria-label='Made from'] a >> text=@1.0.0")
    page.wait_for_url(f"**{RECORDED}@1.0.0:lineage")
    page = furnished.tab().go(f"{RECORDED}:compare")
    assert page.locator("section[aria-label='Learning curves'] svg[role=img]").count() == 2


def test_batches_are_told_on_the_page_and_in_the_lineage(furnished: Stage) -> None:
    page = furnished.tab().go(f"{RECORDED}@production")
    batches = page.locator("section[aria-label=Batches]")
    assert batches.locator("tbody tr").count() == 10
    assert full_store.FEED in batches.inner_text()
    assert "2 more are in the log" in batches.inner_text()
    assert page.locator("section[aria-label=Batches] img").count() == 0
    page = furnished.tabs[-1].go(f"{RECORDED}@1.1.0:lineage")
    assert "1234567 rows" in page.inner_text("main")
    page = furnished.tab(furnished.team.member("kim", "viewer")).go(f"{RECORDED}@1.1.0")
    seen = page.inner_text("section[aria-label=Batches]")
    assert "1,234,568" in seen
    assert "s3://" not in seen
    assert "shown to those who may look predictions up" in seen


def test_a_figure_that_is_opened_by_itself_runs_nothing(furnished: Stage) -> None:
    tab = furnished.tab()
    source = tab.go(f"{RECORDED}@production").locator("section[aria-label=Training] img")
    answer = tab.page.goto(f"{tab.origin}{source.get_attribute('src')}")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_run_of_mlflow_is_a_link_that_tells_nobody_where_it_was_clicked(
    furnished: Stage,
) -> None:
    page = furnished.tab().go(f"/models/{full_store.REFERRED}@latest")
    link = page.locator(f"a[href='{full_store.RUN_LINK}']")
    assert link.inner_text() == "4f2a"
    assert link.get_attribute("rel") == "noreferrer noopener"
    assert "Promote…" not in page.inner_text("main")


def test_an_ab_test_says_which_side_is_better_and_by_how_much(furnished: Stage) -> None:
    page = furnished.tab().go(f"{TESTED}:rollout")
    said = page.inner_text("main")
    assert "A/B test" in said
    assert "difference +0.25 (+0.1 to +0.4)" in said
    assert "candidate better" in page.inner_text("section[aria-label=Verdict]")
    assert "Failures" not in said


def test_what_one_may_not_do_is_absent_and_a_sentence_says_who_may(furnished: Stage) -> None:
    page = furnished.tab(furnished.team.member("vic", "viewer")).go(MODEL)
    assert page.locator("text=/Promote…|Roll back…/").count() == 0
    assert "it takes the role promoter or admin; ask ana" in page.inner_text("main")
    page = furnished.tabs[-1].go(f"{TESTED}:rollout")
    assert page.locator("form[action$=':rollout'], textarea").count() == 0
    assert "ask ana" in page.inner_text("main")
    for path in ("/access", "/predictions", f"{MODEL}:promote"):
        assert "Not allowed" in furnished.tabs[-1].go(path).inner_text("h1")


def test_the_print_of_a_history_says_what_it_is_of_and_who_printed_it(furnished: Stage) -> None:
    page = furnished.tab(color_scheme="dark").go(f"{MODEL}:history")
    page.emulate_media(media="print")
    said = page.inner_text("main")
    assert re.search(r"Store [0-9a-f]{32}.* Entries 1 to \d+\. Head \d+:[0-9a-f]{64}\.", said)
    assert "Printed by ana" in said
    for hidden in ("header nav", "footer", "form.filters", ".actions"):
        assert not page.locator(hidden).first.is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    colour = page.evaluate("getComputedStyle(document.querySelector('td .muted')).color")
    assert colour == "rgb(84, 97, 92)"  # as on light pages


def test_a_table_is_sorted_by_its_heads_and_a_command_is_copied(furnished: Stage) -> None:
    tab = furnished.tab(permissions=["clipboard-read", "clipboard-write"])
    page = tab.go("/")
    names = "[...document.querySelectorAll('td .name')].map(one => one.textContent)"
    before = page.evaluate(names)
    for _ in range(2):
        page.click("th >> text=Model")
    assert page.evaluate(names) == before[::-1]
    assert page.locator("th[aria-sort=descending]").inner_text() == "Model"
    page = tab.go(MODEL)
    page.click("text=Copy")
    page.wait_for_selector("text=Copied")
    assert "holdfast rollback risk/fraud" in page.evaluate("navigator.clipboard.readText()")


def test_text_of_users_stays_text(stage: Stage) -> None:
    write_evil(stage)
    tab = stage.tab()
    for path in ("/", "/history", "/rollouts", "/models/evil", "/models/evil@1.0.0",
                 "/models/evil:history", "/models/evil:history?view=served", "/models/evil:policy",
                 "/models/evil@1.1.0:lineage", "/models/evil:compare", "/models/evil:rollout",
                 "/models/evil@1.1.0:approve", "/models/afar@1.0.0", "/access?show=tokens",
                 "/access?show=changes", "/access", "/settings", f"/?q={quote(EVIL)}",
                 f"/history?q={quote(EVIL)}", f"/predictions?id={quote(EVIL)}",
                 f"/models/{quote(EVIL)}"):  # fmt: skip
        page = tab.go(path)
        assert page.locator("img[src=x], main script").count() == 0
    tab.go("/models/evil").click("text=Promote…")
    tab.page.wait_for_selector("dialog[open]")
    tab.go("/settings").fill("input[name=label]", EVIL)
    tab.page.click("text=Make token")
    tab.page.wait_for_selector("section[aria-label='New token']")
    assert EVIL in tab.page.inner_text("section[aria-label='Your tokens']")


def write_evil(stage: Stage) -> None:
    """Fill every field that takes free text."""
    registry: Any = stage.team.registry
    file: Path = stage.folder / "m.txt"
    for text in ("evil", "more"):
        file.write_text(text)
        registry.register(
            "evil", file, metrics={EVIL: 1.0}, description=f"{EVIL}\n\n[x](javascript:alert(1))",
            author=EVIL, framework=EVIL, algorithm=EVIL, limitations=[EVIL],
            hyperparameters={EVIL: EVIL}, metadata={EVIL: {EVIL: EVIL}, "training": {EVIL: EVIL}},
            training_data={"source": EVIL}, lineage={"run_id": EVIL}, reason=EVIL,
        )  # fmt: skip
    registry.tag("evil@1.0.0", {"k": EVIL}, reason=EVIL)
    registry.note("evil@1.0.0", EVIL)
    registry.approve("evil@1.1.0", reason=EVIL)
    registry.promote("evil@1.0.0", reason=EVIL)
    registry.hold("evil@1.1.0", reason=EVIL)
    registry.set_policy("evil", Policy(required_fields=("description",)), reason=EVIL)
    registry.rollouts.start("evil@1.1.0", reason=EVIL)
    feature = FeatureFinding(
        name=EVIL, kind="drift", event=EVIL, expected=0.1, share=0.4, log_evidence=5.0
    )
    registry.drift.record("evil", DriftFound(
        version="1.0.0", finding="drift-2026-11-29", kind="drift", since="2026-11-01",
        until="2026-11-29", log_evidence=5.0, drifted=(feature,)))  # fmt: skip
    labels = Labels(lambda _state: None, tags={"k": EVIL}, texts={"run_link": f"https://x/{EVIL}"})
    registry.catalogue.refer("afar", f"s3://x/{EVIL}", labels, {"lineage": {"run_id": EVIL}})
