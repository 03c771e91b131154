"""The pages in a real browser, as people use them: by mouse, by keyboard, without a script.

`make e2e` installs what drives the browser; where there is none, these tests are skipped.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.browsing import MODEL, Stage, Tab
from tests.web.facing import process, register
from tests.web.pages.test_prediction_page import row_of

import holdfast
from holdfast.core.policy import Policy
from holdfast.predictions import Prediction, open_log
from holdfast.predictions.ids import Mint
from holdfast.rollouts.driver import tick
from holdfast.rollouts.log_source import Logged


def test_a_version_is_promoted_in_a_dialog_and_taken_back(stage: Stage) -> None:
    page = stage.tab().go(MODEL)
    page.click("text=Promote…")
    page.wait_for_selector("dialog[open]")
    page.select_option("dialog select[name=version]", "1.1.0")
    page.click("dialog >> text=Look at it")
    page.wait_for_selector("dialog h1:has-text('1.1.0')")
    page.fill("dialog textarea", "better")
    page.click("dialog button.solid")
    page.wait_for_selector("text=Done: promote 1.0.0 → 1.1.0")
    assert stage.live() == "1.1.0"
    page.click("text=Roll back…")
    page.fill("dialog textarea", "no")
    page.click("dialog button.danger")
    page.wait_for_selector("text=Done: rollback")
    assert stage.live() == "1.0.0"


def test_a_dialog_closes_and_gives_the_focus_back(stage: Stage) -> None:
    page = stage.tab().go(MODEL)
    for close in ("Escape", "Close", "Cancel"):
        page.click("text=Promote…")
        page.wait_for_selector("dialog[open]")
        assert page.evaluate("document.activeElement.closest('dialog') !== null")
        if close == "Escape":
            page.keyboard.press(close)
        else:
            page.click(f"dialog >> text={close}")
        page.wait_for_selector("dialog", state="detached")
        assert page.evaluate("document.activeElement.textContent") == "Promote…"
    assert stage.live() == "1.0.0"


def test_a_refused_version_goes_live_by_force_or_by_a_second_person(stage: Stage) -> None:
    cleo_s, ben_s = stage.team.member("cleo", "promoter"), stage.team.member("ben", "approver")
    stage.team.registry.set_policy(
        "risk/fraud", Policy(approvals=1, approval="authenticated"), reason="two people"
    )
    cleo = stage.tab(cleo_s).go(f"{MODEL}:promote?version=1.1.0")
    assert "The gate refuses it" in cleo.inner_text("main")
    assert cleo.locator("textarea").count() == 0
    ben = stage.tab(ben_s).go(f"{MODEL}@1.1.0")
    ben.click("text=Approve…")
    ben.fill("dialog textarea", "looked at the slices")
    ben.click("dialog button.solid")
    ben.wait_for_url(f"**{MODEL}@1.1.0")
    cleo.reload()
    cleo.fill("textarea", "approved")
    cleo.click("button.solid")
    cleo.wait_for_selector("text=Done: promote")
    assert stage.live() == "1.1.0"
    ana = stage.tab().go(f"{MODEL}:promote?version=1.2.0")
    ana.fill("textarea", "the night needs it")
    ana.click("text=Promote by force")
    ana.wait_for_selector("text=by force")
    assert stage.live() == "1.2.0"


def test_the_keyboard_is_enough(stage: Stage) -> None:
    page = stage.tab().go("/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("fraud")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=fraud*")
    page = stage.tabs[-1].go(MODEL)

    def reach(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            shown = "(e => (e.textContent || e.name || '').trim())(document.activeElement)"
            if page.evaluate(shown) == text:
                return
        pytest.fail(f"{text} is not reached by the keyboard")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reach("Promote…")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    reach("reason")
    page.keyboard.type("by keyboard")
    reach("Promote")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Done: promote")
    assert stage.live() == "1.2.0"


def test_everything_works_without_a_script(stage: Stage) -> None:
    page = stage.tab(java_script_enabled=False).go(MODEL)
    page.click("text=Promote…")
    page.wait_for_url("**:promote")
    page.fill("textarea", "without a script")
    page.click("button.solid")
    page.wait_for_selector("text=Done: promote")
    assert stage.live() == "1.2.0"


def test_a_canary_is_watched_live_to_its_halt(stage: Stage) -> None:
    registry = stage.team.registry
    registry.rollouts.start("risk/fraud@1.1.0", reason="canary")
    registry.rollouts.advance("risk/fraud", reason="servers are ready")
    page = stage.tab().go(f"{MODEL}:rollout")
    assert "Halt" not in page.inner_text("main")
    page.fill("textarea", "half a reas")
    registry.rollouts.pause("risk/fraud", reason="somebody else's")
    page.wait_for_selector("text=Resume")
    assert page.input_value("textarea") == "half a reas"
    page.keyboard.type("on")
    assert page.input_value("textarea") == "half a reason"
    registry.rollouts.resume("risk/fraud", reason="somebody else's")
    mint, now_us = Mint("host-1"), time.time_ns() // 1000
    sides: Any = (("1.0.0", "active"), ("1.1.0", "canary"))
    rows = [
        Prediction(
            mint(), now_us, "risk/fraud", version, "0" * 64, role, status, 1000, "host-1",
            rollout=1, weight=0.05, key=f"{side}{number:015x}",
        )
        for side, (version, role) in enumerate(sides)
        for number in range(200)
        for status in [500 if side else 200]
    ]  # fmt: skip
    log = open_log(stage.folder / "predictions")
    log.write(rows)
    tick(registry, "risk/fraud", Logged(log, "risk/fraud"), datetime.now(UTC))
    log.close()
    page.wait_for_selector("text=Halt at 5 %")
    assert "halted" in page.inner_text("main")
    page.wait_for_selector("textarea", state="detached")
    assert page.locator("button >> text=Abort").count() == 0


def test_what_was_drawn_anew_can_still_be_copied(stage: Stage) -> None:
    stage.team.registry.promote("risk/fraud@1.1.0", reason="so that there is a way back")
    page = stage.tab().go(MODEL)
    page.wait_for_selector("text=Copy")
    stage.team.registry.promote("risk/fraud@1.2.0", reason="from elsewhere")
    page.wait_for_selector("section.hero a.live >> text=1.2.0")
    assert page.locator("section.hero .command button >> text=Copy").count() == 1


def test_without_a_script_a_reason_can_be_written_while_a_rollout_goes_on(stage: Stage) -> None:
    stage.team.registry.rollouts.start("risk/fraud@1.1.0", reason="canary")
    page = stage.tab(java_script_enabled=False).go(f"{MODEL}:rollout")
    refresh = page.locator("meta[http-equiv=refresh]")
    assert refresh.get_attribute("content") == "10"
    page.click("noscript a")  # selectors by text pass over it
    page.wait_for_url("**?still=yes")
    assert refresh.count() == 0
    page.fill("textarea", "wrong day")
    page.click("text=Abort")
    page.wait_for_selector("text=aborted")


def test_a_prediction_is_looked_up(stage: Stage) -> None:
    row = row_of(stage.team.registry, "risk/fraud@1.0.0", "2026-02-05T00:00:00.000000Z")
    log = open_log(stage.folder / "predictions")
    log.write([row])
    log.close()
    page = stage.tab().go("/predictions")
    page.fill("#id", row.prediction_id)
    page.click("text=Look up")
    assert "4711" not in page.inner_text("main")
    page.click("text=Show input and output")
    page.wait_for_selector("text=4711")


def test_a_token_is_made_and_rights_are_given(stage: Stage) -> None:
    page = stage.tab().go("/access")
    page.fill("form:has-text('Add person') input[name=name]", "frida")
    page.click("text=Add person")
    page.wait_for_selector("text=Done: add")
    page.click("text=Grants")
    page.fill("input[name=subject]", "frida")
    page.click("text=Give role")
    page.wait_for_selector("text=Done: grant frida viewer for *")
    page.click("text=Tokens")
    page.select_option("select[name=user]", label="frida")
    page.click("text=Make token")
    secret = page.inner_text("section[aria-label='New token'] code")
    frida = stage.tab(secret)
    assert "frida" in frida.page.inner_text("header")
    assert frida.page.locator("text=Access").count() == 0


def test_a_form_of_another_site_changes_nothing(stage: Stage) -> None:
    tab = stage.tab()
    target = f"{tab.origin}{MODEL}:promote"
    form = (
        f'<form method="post" action="{target}"><input name="version" value="1.1.0">'
        '<input name="reason" value="forged"></form><script>document.forms[0].submit()</script>'
    )
    page = tab.page.context.new_page()
    page.route("http://evil.example/", lambda route: route.fulfill(
        content_type="text/html", body=form))  # fmt: skip
    page.goto("http://evil.example/")
    page.wait_for_url(target)
    assert "promote" not in page.title().lower()
    assert stage.live() == "1.0.0"


def test_a_server_that_stops_does_not_wait_for_open_tabs(
    browser: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    token = "a-token-of-a-server-for-one-user-alone"
    registry = holdfast.open(tmp_path / "store", by="ana")
    register(registry, tmp_path, "risk/fraud", "1")
    with process(tmp_path / "store") as server:
        opened: Callable[[], Any] = browser.new_context
        tabs = [Tab(opened().new_page(), server.url).sign_in(token) for _ in range(3)]
        request.addfinalizer(lambda: [tab.page.context.close() for tab in tabs])
        for tab in tabs:
            tab.go(MODEL).wait_for_function("document.documentElement.classList.contains('js')")
        server.process.terminate()
        assert server.process.wait(60) is not None
