import pytest

from holdfast.core import ability
from holdfast.core.gate import Candidate, judge
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.policy import OPEN, Policy


def _version(format_name: str | None) -> Manifest:
    model = Artifact("model.bin", format_name, ()) if format_name else None
    return Manifest(
        name="iris", version="1.0.0", number=1, registered_at="", registered_by="",
        artifacts={"model": model} if model else {},
    )  # fmt: skip


@pytest.mark.parametrize("format_name", ["file", "folder", "safetensors", "torch-state", None])
def test_a_version_that_cannot_predict_does_not_follow_one_that_can(
    format_name: str | None,
) -> None:
    (reason,) = ability.judge(_version(format_name), _version("joblib"))

    assert reason.startswith("model: ")
    assert reason.endswith("it cannot predict, but the champion can")


@pytest.mark.parametrize(("candidate", "champion"), [("onnx", "joblib"), ("file", "folder")])
def test_others_follow_each_other(candidate: str, champion: str) -> None:
    assert ability.judge(_version(candidate), _version(champion)) == []


def test_the_gate_asks_unless_it_lets_callers_break() -> None:
    file_candidate, model = (
        Candidate(_version(format_name), {}, frozenset()) for format_name in ("file", "joblib")
    )

    assert not judge(Policy(), file_candidate, model).passed
    assert judge(OPEN, file_candidate, model).passed
