"""Versions with their own code in one server."""

from pathlib import Path

from tests.formats.code.packages import pickled, shop

import holdfast
from holdfast.registry import trying
from holdfast.serving.swapping import loading


def test_two_versions_of_one_package_answer_side_by_side(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    for factor in (2, 3):
        model = pickled(tmp_path / str(factor) / "model.pkl")
        source = shop(tmp_path / str(factor), factor)
        registry.register("shop", model, code=source, trust="reviewed", input_example=[[1.0]])
    trials = trying.begun(registry, ["shop"], "auto", "holdfast.serving.swapping.trying")
    try:
        two, three = (loading.load(registry, "shop", name, trials) for name in ("1.0.0", "1.1.0"))
    finally:
        if trials is not None:
            trials.close()

    assert list(two.predict([[5.0]])) == [10.0]
    assert list(three.predict([[5.0]])) == [15.0]
    assert list(two.predict([[5.0]])) == [10.0]
