"""A store with a past, and visitors of its pages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joblib import dump
from sklearn.linear_model import LogisticRegression

from holdfast import open as open_registry
from holdfast.errors import RefusedError
from holdfast.registry import Registry
from holdfast.web.pages import drawing, page_paths, page_routes
from holdfast.web.pages.page import Answer, Asked, Drawn
from holdfast.web.web_settings import WebSettings

NOW = "2026-03-02T22:58:00.000000Z"
ALL = frozenset(
    (
        "read",
        "promote",
        "rollback",
        "approve",
        "force",
        "rollout-pause",
        "rollout-resume",
        "rollout-abort",
        "predictions",
        "access",
    )
)


@dataclass
class Person:
    """A visitor with certain verbs."""

    registry: Registry
    name: str = "ana"
    role: str = "promoter"
    csrf: str = "c5rf"
    read_only: bool = False
    verbs: frozenset[str] = ALL
    hidden: frozenset[str] = field(default_factory=frozenset)
    log: str | None = None
    access: None = None
    signed_in_at: str = NOW
    session: str = ""
    notes: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def settings(self) -> WebSettings:
        return WebSettings(lambda: self.registry, log=self.log)

    def note(self, what: str, why: str, model: str | None) -> None:
        self.notes.append((what, why, model))

    def may(self, verb: str, model: str | None) -> bool:
        return verb in self.verbs and model not in self.hidden

    def who_may(self, verb: str, model: str | None) -> str:
        return f"A promoter of {model} may {verb}; ask an admin."

    def key(self, text: str) -> str | None:
        return f"{self.name}:{text}" if text else None


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store: five versions, one rolled back, one forced, one staged."""
    folder = tmp_path_factory.mktemp("pages")
    moments = (datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=day) for day in range(200))
    registry = open_registry(folder / "store", by="ana", clock=lambda: next(moments))
    for number, recall in enumerate((0.70, 0.72, 0.71, 0.50, 0.73)):
        file = folder / f"model{number}.joblib"
        dump(LogisticRegression(C=number + 1).fit([[0.0], [1.0]], [0, 1]), file)
        info = registry.register("risk/fraud", file, metrics={"recall": recall, "latency_ms": 12})
        if number < 3:
            registry.promote(info, reason="nightly")
        if number == 2:
            registry.rollback("risk/fraud", reason="recall is falling")
        if number == 3:
            with pytest.raises(RefusedError):
                registry.promote(info)
            registry.promote(info, force=True, reason="the new feed needs it")
    registry.stage("risk/fraud@1.4.0", reason="for review")
    return folder / "store"


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    import shutil

    return Path(shutil.copytree(filled, tmp_path / "store"))


@pytest.fixture
def person(store: Path) -> Person:
    """Return somebody who may do most things."""
    return Person(open_registry(store, by="ana"))


Look = Callable[..., tuple[Answer, str]]


@pytest.fixture
def look(person: Person) -> Look:
    """Return what asks for a page and draws it."""

    def ask(
        path: str, form: dict[str, str] | None = None, visitor: Person = person, **query: str
    ) -> tuple[Answer, str]:
        place = page_paths.parse(path)
        asked = Asked(path, place, query, form, NOW, "0" * 32, request_id="r1")
        answer = page_routes.answer(visitor, asked)
        return answer, drawing.draw(answer.template, answer.values) if isinstance(
            answer, Drawn
        ) else ""

    return ask
