"""Lineage: what a manifest names and what became of the version, as far as one may see it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.web.pages.page import Redirect

Made = Callable[..., str]


@pytest.fixture
def made(person: Any, tmp_path: Path) -> Made:
    """Return what registers a version of a model from what it is told; each has other bytes."""
    numbers = iter(range(1000))

    def register(model: str, **facts: Any) -> str:
        file = tmp_path / "m.txt"
        file.write_text(str(next(numbers)))
        return str(person.registry.register(model, file, **facts).ref)

    return register


def test_parents_data_code_and_run_are_shown_over_generations(look: Any, made: Made) -> None:
    first = made("base", training_data={"source": "crawl", "window": "2025"})
    second = made("tuned", lineage={"parents": [first], "run_id": "run-7", "git_commit": "ab" * 20})
    _, page = look(f"/models/{made('small', lineage={'parents': [second]})}:lineage")
    assert 'href="/models/tuned@1.0.0:lineage"' in page
    assert 'href="/models/base@1.0.0:lineage"' in page
    assert "crawl" in page
    assert "window 2025" in page
    assert "run-7" in page
    assert "commit abababababab" in page
    assert 'role="img"' in page
    assert page.index("tuned@1.0.0:lineage") < page.index("base@1.0.0:lineage")


def test_what_became_of_it_is_shown(look: Any, person: Any) -> None:
    person.registry.alias("risk/fraud@1.3.0", "best")
    _, page = look("/models/risk/fraud@1.3.0:lineage")
    assert "best" in page
    assert "to now" in page
    assert "promoted by ana: the new feed needs it" in page
    _, staged = look("/models/risk/fraud@1.4.0:lineage")
    assert 'href="/models/risk/fraud@staging"' in staged
    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    assert "goes on" in look("/models/risk/fraud@1.4.0:lineage")[1]
    person.registry.rollouts.abort("risk/fraud", reason="enough")
    assert "aborted" in look("/models/risk/fraud@1.4.0:lineage")[1]


def test_many_times_in_production_end(look: Any, made: Made, person: Any) -> None:
    first, second = made("busy"), made("busy", lineage={"data_window": "2026-Q3"})
    for _ in range(5):
        person.registry.promote(first, reason="there")
        person.registry.promote(second, reason="and back")
    person.registry.promote(first)
    for _ in range(4):
        person.registry.promote(second, reason="there")
        person.registry.rollback("busy", reason="and back")
    _, page = look(f"/models/{first}:lineage")
    assert "times more" in page
    assert "rolled back to by ana" in page
    assert "window 2026-Q3" in look(f"/models/{second}:lineage")[1]


def test_a_model_leads_to_what_is_live_else_to_the_newest(look: Any, made: Made) -> None:
    assert look("/models/risk/fraud:lineage")[0] == Redirect("/models/risk/fraud@1.3.0:lineage")
    made("other")
    assert look("/models/other:lineage")[0] == Redirect("/models/other@1.0.0:lineage")
    assert look("/models/other@latest:lineage")[0] == Redirect("/models/other@1.0.0:lineage")


def test_nothing_recorded_teaches_how_to_record(look: Any, made: Made) -> None:
    ref = made("bare", lineage={"git_commit": None, "git_dirty": None})
    _, page = look(f"/models/{ref}:lineage")
    assert "Nothing was recorded" in page
    assert "registry.register" in page
    assert "it was never live" in page
    assert "<svg xmlns" not in page


def test_a_parent_that_one_may_not_see_is_a_name_alone(look: Any, made: Made, person: Any) -> None:
    made("secret", training_data={"source": "hidden feed"})
    ref = made("open", lineage={"parents": ["secret@1.0.0", "gone@1.0.0", "secret@9.9.9"]})
    _, page = look(f"/models/{ref}:lineage")
    assert page.count("not in this store") >= 2
    assert "hidden feed" in page
    blind = replace(person, hidden=frozenset({"secret"}))
    _, page = look(f"/models/{ref}:lineage", visitor=blind)
    assert "secret@1.0.0" in page  # the manifest says so
    assert "/models/secret" not in page
    assert "hidden feed" not in page
    tree = page.partition("Made from")[2]
    assert tree.count("not in this store") == 1  # what is gone; of the others nothing is told


def test_a_version_is_told_once_and_many_parents_end(look: Any, made: Made) -> None:
    first = made("base")
    twice = made("twice", lineage={"parents": [first]})
    ref = made("loop", lineage={"parents": [first, twice]})
    _, page = look(f"/models/{ref}:lineage")
    assert "named above" in page
    many = made("many", lineage={"parents": [f"base@9.9.{number}" for number in range(60)]})
    _, page = look(f"/models/{many}:lineage")
    assert page.partition("Made from")[2].count("not in this store") == 40
    assert "more" in page


def test_a_damaged_parent_hides_no_page(look: Any, made: Made, person: Any, store: Path) -> None:
    first = made("base")
    ref = made("child", lineage={"parents": [first]})
    digest = person.registry.resolve(first).digest.removeprefix("sha256:")
    blob = store / "blobs" / "sha256" / digest
    blob.chmod(0o600)
    blob.write_bytes(b"other")
    fresh = replace(person, registry=holdfast.open(store, by="ana"))
    answer, page = look(f"/models/{ref}:lineage", visitor=fresh)
    assert answer.status == 200
    assert "base@1.0.0" in page


def test_what_was_made_from_it_is_shown_over_generations(
    look: Any, made: Made, person: Any
) -> None:
    first = made("base")
    digest = person.registry.resolve(first).digest
    second = made("tuned", lineage={"parents": [f"base@{digest}", first]})
    third = made("small", lineage={"parents": ["tuned@v1"]})
    adapter = made("lora", base=first)
    made("vague", lineage={"parents": ["base@latest", "base@9.9.9", "no ref", "none@1.0.0"]})
    _, page = look(f"/models/{first}:lineage")
    became = page.partition("Became")[2]
    assert became.count(f'href="/models/{second}:lineage"') == 2  # by digest and by version
    assert f'href="/models/{third}:lineage"' in became
    assert f'href="/models/{adapter}:lineage"' in became
    assert became.index(adapter) < became.index(second)  # the newest first
    assert "vague" not in page  # what a ref that moves meant then is not known
    assert "child: tuned@1.0.0" in page  # drawn
    assert "adapter: lora@1.0.0" in page
    assert "not looked at" not in page


def test_children_that_one_may_not_see_do_not_show(look: Any, made: Made, person: Any) -> None:
    first = made("base")
    made("secret", lineage={"parents": [first]})
    blind = replace(person, hidden=frozenset({"secret"}))
    assert "secret" in look(f"/models/{first}:lineage")[1]
    assert "secret" not in look(f"/models/{first}:lineage", visitor=blind)[1]


def test_a_circle_of_children_ends(look: Any, made: Made) -> None:
    made("one", lineage={"parents": ["two@1.0.0", "one@1.0.0"]})
    made("two", lineage={"parents": ["one@1.0.0"]})
    _, page = look("/models/one@1.0.0:lineage")
    assert page.partition("Became")[2].count("named above") == 2


def test_many_children_end_and_are_counted(look: Any, made: Made) -> None:
    made("base")
    for _ in range(42):
        made("child", lineage={"parents": ["base@1.0.0"]})
    _, page = look("/models/base@1.0.0:lineage")
    became = page.partition("Became")[2]
    assert became.count('href="/models/child@') == 40
    assert "2 more" in became


def test_a_manifest_is_read_once_and_some_at_a_time(
    look: Any, made: Made, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.registry import descendants

    made("base")
    for _ in range(4):
        made("child", lineage={"parents": ["base@1.0.0"]})
    session = person.registry._session
    monkeypatch.setattr(descendants, "MOST_READ", 2)
    found = descendants.descent(session, lambda _name: True, descendants.MOST_READ)
    assert found.unread == len(session.state("risk/fraud").versions) + 5 - 2
    names = [child.info.version for child in found.children["base", "1.0.0"]]
    assert sorted(names) == ["1.2.0", "1.3.0"]  # the newest first
    assert "were not looked at yet" in look("/models/base@1.0.0:lineage")[1]
    for _ in range(4):
        found = descendants.descent(session, lambda _name: True, descendants.MOST_READ)
    assert (found.unread, len(found.children["base", "1.0.0"])) == (0, 4)
    monkeypatch.setattr(descendants, "MOST_READ", 0)  # nothing is read from here on
    assert (
        len(
            descendants.descent(session, lambda _name: True, descendants.MOST_READ).children[
                "base", "1.0.0"
            ]
        )
        == 4
    )


def test_a_damaged_child_hides_no_other(look: Any, made: Made, person: Any, store: Path) -> None:
    first = made("base")
    broken = made("broken", lineage={"parents": [first]})
    sound = made("sound", lineage={"parents": [first]})
    digest = person.registry.resolve(broken).digest.removeprefix("sha256:")
    (store / "blobs" / "sha256" / digest).unlink()
    fresh = replace(person, registry=holdfast.open(store, by="ana"))
    _, page = look(f"/models/{first}:lineage", visitor=fresh)
    assert sound in page
    assert "1 version was not looked at yet, or is damaged" in page


def test_of_parents_without_end_some_are_looked_at(look: Any, made: Made) -> None:
    made("base")
    far = [f"base@9.9.{number}" for number in range(100)]
    made("child", lineage={"parents": [*far[:50], "base@1.0.0"]})
    made("child", lineage={"parents": [*far, "base@1.0.0"]})
    _, page = look("/models/base@1.0.0:lineage")
    assert page.partition("Became")[2].count('href="/models/child@') == 1
