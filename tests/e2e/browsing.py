"""A real browser, and what people do in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Served, register
from tests.web.teams import Team

MODEL = "/models/risk/fraud"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def launched() -> Iterator[Any]:
    """Start the machine's own browser; skip, with a word, where there is none."""
    driver = pytest.importorskip("playwright.sync_api", reason="no driver of a browser; `make e2e`")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    with driver.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        started = playwright.chromium.launch(executable_path=program, args=options)
        yield started
        started.close()


@dataclass
class Tab:
    """A page of a person who is signed in; what it must not do is collected."""

    page: Any
    origin: str
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self.errors.append(f"alert {dialog.message}"))

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.errors.append(f"asked {request.url}")

    def go(self, path: str) -> Any:
        self.page.goto(f"{self.origin}{path}", wait_until="load")
        return self.page

    def sign_in(self, token: str) -> "Tab":
        self.go("/").fill("#token", token)
        self.page.click("button.solid")
        return self


@dataclass
class Stage:
    """A team's server and its browser."""

    team: Team
    served: Served
    browser: Any
    folder: Path
    tabs: list[Tab] = field(default_factory=list)

    def tab(self, token: str | None = None, **options: Any) -> Tab:
        """Open a window of somebody's own."""
        page = self.browser.new_context(**options).new_page()
        opened = Tab(page, f"http://127.0.0.1:{self.served.port}")
        self.tabs.append(opened)
        return opened.sign_in(token or self.team.ana)

    def live(self) -> str:
        """Return the version that is live."""
        return str(self.team.registry.resolve("risk/fraud@production").version)

    def close(self) -> None:
        """Close all windows; none may have erred."""
        for tab in self.tabs:
            tab.page.context.close()
            assert tab.errors == []


@contextmanager
def staged(browser: Any, folder: Path) -> Iterator[Stage]:
    """Serve a team whose one model has three versions."""
    team = Team(folder)
    for text in ("1", "2", "3"):
        register(team.registry, folder, "risk/fraud", text)
    team.registry.promote("risk/fraud@1.0.0", reason="first")
    team.access.grant("ana", "predictions")
    with team.served(log=str(folder / "predictions")) as served:
        made = Stage(team, served, browser, folder)
        yield made
        made.close()
