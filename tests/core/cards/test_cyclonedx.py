"""The ML-BOM, judged by the published schema."""

import functools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from packageurl import PackageURL

from holdfast.core.cards import Today, cyclonedx
from holdfast.core.manifest import Artifact, Environment, File, Manifest

COLUMNS = {
    "type": "object",
    "properties": {"a": {"type": "number", "dtype": "float64"}, "b": {"type": ["number", "null"]}},
}


@functools.cache
def _validator() -> Any:
    # imported here: it compiles grammars for seconds, which only one of the processes has to do
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)


def problem(document: dict[str, Any]) -> str:
    """Return the schema's first complaint, or nothing."""
    error = _validator().validate_str(json.dumps(document, allow_nan=False))
    return str(error.data.message) if error else ""


def subject(document: dict[str, Any]) -> dict[str, Any]:
    """Return the component that the document is about."""
    component: dict[str, Any] = document["metadata"]["component"]
    return component


def said(component: dict[str, Any]) -> set[tuple[str, str]]:
    """Return a component's properties."""
    return {(entry["name"], entry["value"]) for entry in component["properties"]}


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the component called *name*."""
    match: dict[str, Any] = next(part for part in document["components"] if part["name"] == name)
    return match


@pytest.fixture(scope="module")
def bom(iris: Manifest, iris_today: Today) -> dict[str, Any]:
    """Render the document of the full manifest."""
    return cyclonedx.render(iris, iris_today, "0.1.0")


def test_a_full_document_is_valid(bom: dict[str, Any]) -> None:
    assert problem(bom) == ""


def test_a_bare_document_is_valid(bare: Manifest, bare_today: Today) -> None:
    assert problem(cyclonedx.render(bare, bare_today, "0.1.0")) == ""


def test_the_judge_refuses_a_document_with_an_unknown_key(bom: dict[str, Any]) -> None:
    assert "mood" in problem({**bom, "mood": "good"})


def test_the_document_is_about_the_model(bom: dict[str, Any], iris: Manifest) -> None:
    model = subject(bom)

    assert model["type"] == "machine-learning-model"
    assert (model["name"], model["version"]) == ("iris", "1.2.0")
    assert model["hashes"] == [{"alg": "SHA-256", "content": iris.artifacts["model"].digest}]
    assert model["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    assert model["authors"] == [{"name": "Botany team"}]


def test_the_model_card_states_parameters_metrics_and_limits(bom: dict[str, Any]) -> None:
    card = subject(bom)["modelCard"]

    assert card["modelParameters"]["task"] == "tabular-classification"
    assert card["modelParameters"]["modelArchitecture"] == "RandomForestClassifier"
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "accuracy", "value": "0.968"},
        {"type": "log_loss", "value": "1e-05"},
    ]
    assert card["considerations"] == {
        "useCases": ["Teaching and demonstrations."],
        "technicalLimitations": ["Knows no other species.", "Takes no missing values."],
    }


def test_the_training_data_and_named_datasets_are_datasets(bom: dict[str, Any]) -> None:
    trained_on, named_dataset = subject(bom)["modelCard"]["modelParameters"]["datasets"]

    assert trained_on["name"] == "UCI Machine Learning Repository"
    assert {"name": "samples", "value": "150"} in trained_on["contents"]["properties"]
    assert named_dataset == {"type": "dataset", "name": "scikit-learn/iris"}


def test_properties_carry_what_the_standard_has_no_place_for(
    bom: dict[str, Any], iris_today: Today
) -> None:
    assert said(subject(bom)) >= {
        ("holdfast:digest", iris_today.digest),
        ("holdfast:status", "production"),
        ("holdfast:alias", "champion"),
        ("holdfast:git_commit", "0123456789abcdef0123456789abcdef01234567"),
        ("holdfast:git_dirty", "false"),
        ("holdfast:parent", "iris@1.1.0"),
        ("holdfast:executes_code", "true"),
        ("holdfast:hyperparameter:max_depth", "null"),
    }


def test_an_unscanned_version_is_not_said_to_be_harmless(bare: Manifest, bare_today: Today) -> None:
    document = cyclonedx.render(bare, bare_today, "0.1.0")

    assert "holdfast:executes_code" not in {name for name, _ in said(subject(document))}


def test_files_and_preprocessor_are_components_with_their_digests(
    bom: dict[str, Any], iris: Manifest
) -> None:
    preprocessor = component(bom, "iris preprocessor")
    file = component(bom, "preprocessor.joblib")

    digest = [{"alg": "SHA-256", "content": iris.artifacts["preprocessor"].digest}]
    assert preprocessor["type"] == "machine-learning-model"
    assert (preprocessor["hashes"], file["hashes"]) == (digest, digest)
    assert said(file) == {("holdfast:role", "preprocessor"), ("holdfast:size_bytes", "1011")}


def test_packages_are_libraries_spelt_as_the_index_spells_them(bom: dict[str, Any]) -> None:
    libraries = [part for part in bom["components"] if part["type"] == "library"]

    assert [part["purl"] for part in libraries] == [
        "pkg:pypi/ruamel-yaml@0.18%2Blocal",
        "pkg:pypi/scikit-learn@1.5.0",
    ]
    assert [PackageURL.from_string(part["purl"]).version for part in libraries] == [
        "0.18+local",
        "1.5.0",
    ]


def test_two_spellings_of_one_package_are_one_component(bare: Manifest, bare_today: Today) -> None:
    packages = {"PyYAML": "6.0", "pyyaml": "6.0", "Py_YAML": "6.0"}
    manifest = structs.replace(bare, environment=Environment(packages=packages))

    document = cyclonedx.render(manifest, bare_today, "0.1.0")

    purls = [part["purl"] for part in document["components"] if part["type"] == "library"]
    assert purls == ["pkg:pypi/py-yaml@6.0", "pkg:pypi/pyyaml@6.0"]


def test_what_is_no_project_name_gets_no_purl(bare: Manifest, bare_today: Today) -> None:
    environment = Environment(packages={"our fork of numpy": "2", "numpy": ""})

    document = cyclonedx.render(structs.replace(bare, environment=environment), bare_today, "0.1.0")

    assert "purl" not in component(document, "our fork of numpy")
    assert component(document, "numpy")["purl"] == "pkg:pypi/numpy"


def test_the_model_depends_on_its_files_preprocessor_and_packages(bom: dict[str, Any]) -> None:
    edges = {entry["ref"]: entry.get("dependsOn") for entry in bom["dependencies"]}

    assert edges == {
        "file:model/model.joblib": None,
        "file:preprocessor/preprocessor.joblib": None,
        "model:iris@1.2.0": [
            "file:model/model.joblib",
            "pkg:pypi/ruamel-yaml@0.18%2Blocal",
            "pkg:pypi/scikit-learn@1.5.0",
            "preprocessor:iris@1.2.0",
        ],
        "preprocessor:iris@1.2.0": ["file:preprocessor/preprocessor.joblib"],
    }


def test_a_folder_has_digests_for_its_files_and_none_for_itself(
    bare: Manifest, bare_today: Today
) -> None:
    files = (File("saved/a", "0" * 64, 1), File("saved/b", "1" * 64, 1))
    manifest = structs.replace(bare, artifacts={"model": Artifact("saved", "folder", files)})

    document = cyclonedx.render(manifest, bare_today, "0.1.0")

    assert "hashes" not in subject(document)
    assert [part["hashes"][0]["content"] for part in document["components"]] == ["0" * 64, "1" * 64]


def test_files_of_roles_and_folders_that_sound_alike_stay_apart(
    bare: Manifest, bare_today: Today
) -> None:
    alike = {
        "a/b": Artifact("c", "file", (File("c", "0" * 64, 1),)),
        "a": Artifact("b", "folder", (File("b/c", "1" * 64, 1),)),
    }

    document = cyclonedx.render(structs.replace(bare, artifacts=alike), bare_today, "0.1.0")

    assert [part["name"] for part in document["components"]] == ["c", "b/c"]


@pytest.mark.parametrize(
    ("schema", "formats"),
    [
        (None, []),
        (COLUMNS, ["a: float64", "b: number or null"]),
        ({"type": "array", "items": COLUMNS}, ["a: float64", "b: number or null"]),
        (
            {"type": "array", "items": {"type": "number"}, "dtype": "float64", "shape": [None, 3]},
            ["array of float64 [null, 3]"],
        ),
        ({"type": "array", "items": {"type": "number"}}, ["array of number"]),
        ({"type": "array"}, ["array of any"]),
        ({"title": "anything"}, ["any"]),
    ],
)
def test_inputs_say_each_column_or_the_whole_value(
    schema: dict[str, Any] | None, formats: list[str], bare: Manifest, bare_today: Today
) -> None:
    document = cyclonedx.render(structs.replace(bare, input_schema=schema), bare_today, "0.1.0")

    inputs = subject(document)["modelCard"].get("modelParameters", {}).get("inputs", [])
    assert [entry["format"] for entry in inputs] == formats


def test_the_serial_number_is_a_name_based_uuid_of_the_digest(
    iris: Manifest, iris_today: Today, bom: dict[str, Any]
) -> None:
    archived = cyclonedx.render(iris, replace(iris_today, status="archived"), "0.2.0")
    other = cyclonedx.render(iris, replace(iris_today, digest="0" * 64), "0.1.0")

    assert archived["serialNumber"] == bom["serialNumber"]
    assert other["serialNumber"] != bom["serialNumber"]
    assert bom["serialNumber"].split("-")[2].startswith("5")


def test_the_document_names_the_tool_and_the_time_of_the_last_entry(bom: dict[str, Any]) -> None:
    assert bom["metadata"]["tools"]["components"] == [
        {"type": "application", "name": "holdfast", "version": "0.1.0"}
    ]
    assert bom["metadata"]["timestamp"] == "2026-06-09T08:00:00.000000Z"


def test_a_version_longer_than_the_schema_allows_is_cut(bare: Manifest, bare_today: Today) -> None:
    environment = Environment(packages={"long": "1" * 2000})
    manifest = structs.replace(bare, version="1" * 2000, environment=environment)

    assert problem(cyclonedx.render(manifest, bare_today, "0.1.0")) == ""


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_document_is_valid_and_every_reference_is_unique(
    data: st.DataObject,
    manifests: st.SearchStrategy[Manifest],
    todays: st.SearchStrategy[Today],
) -> None:
    document = cyclonedx.render(data.draw(manifests), data.draw(todays), "0.1.0")

    refs = [part["bom-ref"] for part in (subject(document), *document["components"])]
    dependency_refs = {
        ref for entry in document["dependencies"] for ref in entry.get("dependsOn", [])
    }
    assert problem(document) == ""
    assert len(refs) == len(set(refs))
    assert dependency_refs <= set(refs)
