"""A postprocessor: what makes the answer of what a model predicts."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelEncoder, StandardScaler
from tests.formats.code.packages import pickled, write

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError, RefusedError
from holdfast.registry import trial_runs
from holdfast.serving.deployment import preparation

ROWS = np.random.default_rng(5).random((40, 3))
WORDS = np.where(ROWS[:, 0] > 0.5, "yes", "no")
THRESHOLD = """
class Threshold:
    response_method = "predict_proba"

    def postprocess(self, shares):
        return ["review" if share > 0.9 else "pass" for share in shares[:, 1]]
"""


@pytest.fixture
def parts() -> tuple[LogisticRegression, StandardScaler, LabelEncoder]:
    decoder = LabelEncoder().fit(WORDS)
    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), decoder.transform(WORDS))
    return model, scaler, decoder


def test_a_label_encoder_decodes_what_is_predicted(registry: Registry, parts: Any) -> None:
    model, scaler, decoder = parts
    done = registry.register("words", model, scaler, postprocessor=decoder, input_example=ROWS[:3])
    pair = registry.load(done)

    expected = decoder.inverse_transform(model.predict(scaler.transform(ROWS)))
    assert pair.predict(ROWS).tolist() == expected.tolist()
    assert pair.predict_proba(ROWS).shape == (40, 2)
    assert sorted(registry.manifest(done).artifacts) == ["model", "postprocessor", "preprocessor"]
    assert registry.manifest(done).output_schema is None


def test_it_is_served_and_the_output_schema_is_of_what_it_returns(
    registry: Registry, parts: Any
) -> None:
    model, scaler, decoder = parts
    schema = {"type": "string", "enum": ["no", "yes"]}
    registry.register(
        "words", model, scaler, postprocessor=decoder, output_schema=schema, input_example=ROWS[:3]
    )
    trials = trial_runs.begun(registry, [], "auto", "holdfast.serving.deployment.trial_load")
    try:
        served = preparation.load(registry, "words", "1.0.0", trials)
    finally:
        if trials is not None:
            trials.close()

    expected = decoder.inverse_transform(model.predict(scaler.transform(ROWS)))
    assert list(served.predict(ROWS)) == expected.tolist()
    assert served.rowwise


def test_it_may_ask_for_probabilities_and_be_code_of_its_own(
    registry: Registry, parts: Any, tmp_path: Path
) -> None:
    model, scaler, _ = parts
    joblib.dump(model, tmp_path / "model.joblib")
    joblib.dump(scaler, tmp_path / "scaler.joblib")
    registry.register(
        "words", tmp_path / "model.joblib", tmp_path / "scaler.joblib",
        postprocessor=pickled(tmp_path / "post.pkl", "limits", "Threshold"),
        code=write(tmp_path, limits=THRESHOLD) / "limits.py", input_example=ROWS[:3], trust="ours",
    )  # fmt: skip
    shares = model.predict_proba(scaler.transform(ROWS))[:, 1]

    expected = ["review" if share > 0.9 else "pass" for share in shares]
    assert registry.load("words@v1").predict(ROWS) == expected
    served = preparation.load(registry, "words", "1.0.0")
    assert list(served.predict(ROWS)) == expected
    assert not served.rowwise  # nobody knows whether it looks at rows beside each other


def test_one_that_does_not_take_what_is_predicted_is_refused(
    registry: Registry, parts: Any
) -> None:
    model, scaler, _ = parts
    wrong = StandardScaler().fit(ROWS)  # which scales three columns, not one

    with pytest.raises(RefusedError, match="does not answer its input_example"):
        registry.register("words", model, scaler, postprocessor=wrong, input_example=ROWS[:3])
    with pytest.raises(RefusedError, match="has a dict without postprocess"):
        registry.register("words", model, scaler, postprocessor={"a": 1}, input_example=ROWS[:3])
    with pytest.raises(InvalidInputError, match="is given twice"):
        registry.register("words", model, postprocessor=wrong, artifacts={"postprocessor": wrong})


def test_it_goes_through_bundle_copy_and_backup_and_is_on_the_card(
    registry: Registry, parts: Any, tmp_path: Path
) -> None:
    model, scaler, decoder = parts
    done = registry.register("words", model, scaler, postprocessor=decoder)
    registry.export("words", tmp_path / "words.tar")
    others = [holdfast.open(tmp_path / name) for name in ("bundle", "copy", "backup")]
    others[0].import_(tmp_path / "words.tar")
    registry.copy(others[1])
    registry.backup(others[2])

    expected = registry.load(done).predict(ROWS).tolist()
    for other in others:
        opened = holdfast.open(other.location)
        assert opened.load("words@v1").predict(ROWS).tolist() == expected
        assert opened.verify().whole
    assert "postprocessor.joblib" in str(registry.card(done, "markdown"))
    bom: Any = registry.card(done, "cyclonedx")
    kinds = {part["name"]: part["type"] for part in bom["components"]}
    assert kinds["words postprocessor"] == "machine-learning-model"
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in bom["dependencies"]}
    assert edges["postprocessor:words@1.0.0"] == ["file:postprocessor/postprocessor.joblib"]
