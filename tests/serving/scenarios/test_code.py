"""Versions with their own code in one server."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.formats.code.packages import pickled, shop
from tests.serving.facing import until
from tests.serving.serving import MODEL, serving

import holdfast
from holdfast.registry import trial_runs
from holdfast.serving.deployment import preparation


def test_two_versions_of_one_package_answer_side_by_side(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for factor in (2, 3):
        model = pickled(tmp_path / str(factor) / "model.pkl")
        source = shop(tmp_path / str(factor), factor)
        registry.register("shop", model, code=source, trust="reviewed", input_example=[[1.0]])
    trials = trial_runs.begun(registry, ["shop"], "auto", "holdfast.serving.deployment.trial_load")
    try:
        two, three = (
            preparation.load(registry, "shop", name, trials) for name in ("1.0.0", "1.1.0")
        )
    finally:
        if trials is not None:
            trials.close()

    assert list(two.predict([[5.0]])) == [10.0]
    assert list(three.predict([[5.0]])) == [15.0]
    assert list(two.predict([[5.0]])) == [10.0]


@pytest.mark.parametrize("sandbox", ["off", "auto"])
def test_a_server_swaps_between_versions_that_are_code_and_answers_by_each(
    tmp_path: Path, sandbox: str
) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for factor in (2, 3):
        registry.register(
            MODEL,
            code=shop(tmp_path / str(factor), factor),
            entry="shop.scoring:Scorer",
            trust="reviewed",
            input_example=[[1.0]],
        )
    for number in (1, 2):  # a second person's, for it is code
        holdfast.open(tmp_path / "store", by="ben").approve(f"{MODEL}@v{number}")
    registry.promote(f"{MODEL}@1.0.0")
    with serving(tmp_path / "store", tmp_path, "--sandbox", sandbox) as server:
        first = _answer(server.port)
        registry.promote(f"{MODEL}@1.1.0")
        until(lambda: _answer(server.port)["model_version"] == "1.1.0")
        second, pinned = _answer(server.port), _answer(server.port, "1.0.0")
        registry.rollback(MODEL, reason="back")
        until(lambda: _answer(server.port)["model_version"] == "1.0.0")
        third = _answer(server.port)

    told = [(one["model_version"], one["predictions"]) for one in (first, second, pinned, third)]
    assert told == [("1.0.0", [10.0]), ("1.1.0", [15.0]), ("1.0.0", [10.0]), ("1.0.0", [10.0])]


def _answer(port: int, version: str = "") -> dict[str, Any]:
    headers = {"x-model-version": version} if version else {}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/predict", json={"instances": [[5.0]]}, headers=headers, timeout=60
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told
