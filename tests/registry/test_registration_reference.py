"""Registration with training data: counts alone are kept, as one file of the version."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.registry.conftest import Text

from holdfast import Registry
from holdfast.core.drift.drift_reference import unpacked
from holdfast.errors import InvalidInputError
from holdfast.formats.reference_building import built


def training() -> Any:
    chance = np.random.default_rng(3)
    return pd.DataFrame({"age": chance.normal(40, 9, 800), "plan": ["a", "b"] * 400})


def test_counts_of_the_training_data_become_a_file_of_the_version(
    registry: Registry, text: Text, store: Path
) -> None:
    done = registry.register("iris", text("a"), reference=training())
    manifest = registry.manifest("iris@1.0.0")
    artifact = manifest.artifacts["reference"]

    raw = (store / "blobs" / "sha256" / artifact.files[0].sha256).read_bytes()

    assert done.created
    assert (artifact.path, artifact.format) == ("reference.json.z", "file")
    assert unpacked(raw, "reference") == built(training())


def test_the_same_reference_is_the_same_registration(registry: Registry, text: Text) -> None:
    path = text("a")
    registry.register("iris", path, version="1.0.0", reference=training())
    again = registry.register("iris", path, version="1.0.0", reference=training())

    assert not again.created


def test_training_data_that_is_not_a_table_registers_nothing(
    registry: Registry, text: Text
) -> None:
    with pytest.raises(InvalidInputError, match="has no columns with names"):
        registry.register("iris", text("a"), reference=np.zeros((3, 3)))

    assert registry.models() == []


def test_a_reference_is_given_once(registry: Registry, text: Text) -> None:
    with pytest.raises(InvalidInputError, match="is given twice"):
        registry.register(
            "iris", text("a"), reference=training(), artifacts={"reference": text("b")}
        )
