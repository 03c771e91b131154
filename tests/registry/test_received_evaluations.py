"""What a server takes of an evaluation that a client measured: losses it can hold against it."""

import array
from typing import Any

import pytest
from msgspec.structs import replace
from tests.registry.conftest import Text

from holdfast import Registry
from holdfast.core.evaluation import Evaluation, Figure, MeasuredChampion
from holdfast.errors import InvalidInputError
from holdfast.registry import received_evaluations
from holdfast.registry.session import CommitOptions

LOSSES = array.array("d", [1.0, 2.0, 3.0]).tobytes()
JUNE = Evaluation(
    name="june",
    data="a" * 64,
    label="price",
    rows=3,
    task="regression",
    tool="scikit-learn 1.9",
    figures=(Figure("mae", 2.0),),
)


def accept(registry: Registry, evaluation: Evaluation, *kept: dict[str, str]) -> Any:
    both: Any = (*kept, {}, {})[:2]
    options = CommitOptions()
    return received_evaluations.accept(registry._session, "iris@1.0.0", evaluation, both, options)


@pytest.fixture
def sent(registry: Registry, text: Text) -> dict[str, str]:
    """Return losses that were sent, of a model with two versions."""
    registry.register("iris", text("one"))
    registry.register("iris", text("two"))
    return {"mae": registry._session.open_store.blobs.add_bytes(LOSSES)}


def test_losses_that_were_sent_are_named(registry: Registry, sent: dict[str, str]) -> None:
    beside = replace(
        JUNE,
        figures=(Figure("mae", 2.0, champion=2.0, change=0.0),),
        champion=MeasuredChampion("1.1.0"),
    )
    accept(registry, JUNE, sent)
    accept(registry, beside, sent, sent)
    mine, other = (registry._session.find(f"iris@{one}")[1] for one in ("1.0.0", "1.1.0"))

    assert [series.sha256 for series in (*mine.losses, *other.losses)] == [sent["mae"]] * 2
    assert other.evaluations[0].beside == "1.0.0"
    assert registry.verify().whole


@pytest.mark.parametrize(
    ("changes", "kept", "problem"),
    [
        ({"rows": 0}, {}, "no rows or too many"),
        ({"rows": 6_000_000}, {}, "no rows or too many"),
        ({"data": "x"}, {}, "no digest"),
        ({}, {"mae": "b" * 64}, "were not sent"),
        ({}, {"mae": "../x"}, "were not sent"),
        ({"rows": 4}, None, "are not 4 numbers"),
        ({"figures": (Figure("mae", 9.0),)}, None, "the mean of its losses is 2.0"),
        ({"champion": MeasuredChampion("9.0.0")}, None, "does not exist"),
    ],
)
def test_what_disagrees_is_refused(
    registry: Registry, sent: dict[str, str], changes: Any, kept: Any, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        accept(registry, replace(JUNE, **changes), sent if kept is None else kept)
    assert len(registry.entries("iris")) == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_losses_are_numbers(registry: Registry, sent: dict[str, str], bad: float) -> None:
    raw = array.array("d", [1.0, bad, float("inf")]).tobytes()
    strange = {"mae": registry._session.open_store.blobs.add_bytes(raw)}
    assert sent

    with pytest.raises(InvalidInputError, match="must be finite numbers"):
        accept(registry, JUNE, strange)
