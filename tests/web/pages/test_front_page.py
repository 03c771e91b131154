"""What asks for attention on the front page: damage first, then rollouts, then approvals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import holdfast
from holdfast.core.policy import Policy


def test_what_waits_for_an_approval_is_asked_for(look: Any, person: Any) -> None:
    person.registry.set_policy("risk/fraud", Policy(approvals=1), reason="a second person")
    answer, page = look("/")
    (ask,) = answer.values["asks"]
    assert ask.title == "risk/fraud 1.4.0 waits for approval"
    assert ask.url == "/models/risk/fraud@1.4.0:approve"
    assert "0 of 1 approvals" in page


def test_a_rollout_is_told_by_where_it_stands_and_its_first_reason(
    look: Any, person: Any, tmp_path: Path
) -> None:
    from tests.web.pages.test_rollout_pages import judged

    person.registry.rollouts.start("risk/fraud@1.4.0", reason="canary")
    (ask,) = look("/")[0].values["asks"]
    assert ask.title == "risk/fraud 1.4.0 is rolling out"
    assert ask.text == "preparing, no traffic yet · not judged yet"
    person.registry.rollouts.abort("risk/fraud", reason="anew")
    judged(person, tmp_path, 0)
    (ask,) = look("/")[0].values["asks"]
    assert ask.text.startswith("5 % · step 1 of 4 · hold: ")


def test_damage_comes_first(look: Any, person: Any, store: Path) -> None:
    newest = max((store / "models").rglob("journal/*.json"))
    newest.chmod(0o600)
    newest.write_bytes(b"other")
    fresh = replace(person, registry=holdfast.open(store, by="ana"))
    answer, page = look("/", visitor=fresh)
    assert answer.values["asks"][0].title == "risk/fraud is damaged"
    assert "See" in page


def test_the_way_back_says_whether_its_files_are_there(look: Any, person: Any, store: Path) -> None:
    _, page = look("/")
    assert "all there</small>" in page
    assert "Whether each byte is whole is checked" in page  # what was not looked at is said
    situation = person.registry.situation("risk/fraud")
    manifest = person.registry.manifest(f"risk/fraud@{situation.previous}")
    (file,) = manifest.files
    (store / "blobs" / "sha256" / file.sha256).unlink()
    _, page = look("/")
    assert f"{file.path} is missing</small>" in page
    assert "all there</small>" not in page
    assert "all there" not in look("/", at="2026-02-20T00:00:00Z")[1]  # nobody knows it of then
