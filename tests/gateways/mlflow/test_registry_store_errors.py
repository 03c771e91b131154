"""Errors that MLflow's own clients and tests look for, by text and code."""

from typing import Any

import pytest

EXISTS, ABSENT, INVALID = (
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "INVALID_PARAMETER_VALUE",
)
NOT_A_NUMBER = "Parameter 'version' must be an integer, got 'x'"
TEXTS: list[tuple[str, tuple[Any, ...], str, str]] = [
    ("create_registered_model", ("a",), EXISTS, "Registered Model (name=a) already exists"),
    ("get_registered_model", ("b",), ABSENT, "Registered Model with name=b not found"),
    ("get_model_version", ("a", 7), ABSENT, "Model Version (name=a, version=7) not found"),
    ("get_model_version_by_alias", ("a", "x"), INVALID, "Registered model alias x not found."),
    ("get_model_version_by_alias", ("a", "1"), INVALID, "Registered model alias 1 not found."),
    ("get_latest_versions", ("a", ["x"]), INVALID, "Invalid Model Version stage: x."),
    ("create_registered_model", ("",), INVALID, "Missing value for required parameter 'name'"),
    ("rename_registered_model", ("a", ""), INVALID, "required parameter 'new_name'"),
    ("delete_registered_model_tag", ("a", None), INVALID, "required parameter 'key'"),
    ("delete_model_version_tag", ("a", "x", "k"), INVALID, NOT_A_NUMBER),
    ("search_registered_models", (None, 1001), INVALID, "request parameter max_results"),
    ("search_model_versions", (None, 200_001), INVALID, "request parameter max_results"),
    ("search_model_versions", (None, 0), INVALID, "Invalid value for max_results."),
    ("search_model_versions", (None, 5, ["name up"]), INVALID, "order_by clause 'name up'"),
    ("search_model_versions", (None, 5, ["name ASC up"]), INVALID, "Invalid order_by clause"),
    ("search_model_versions", (None, 5, ["run_id"]), INVALID, "Invalid attribute key 'run_id'"),
    ("search_registered_models", ("run_id = '1'",), INVALID, "Invalid attribute key 'run_id'"),
    ("search_registered_models", (None, 5, ["x"]), INVALID, "Invalid order by key 'x' specified"),
    ("search_registered_models", ("name",), INVALID, "Invalid clause(s) in filter string"),
    ("search_model_versions", ("name",), INVALID, "Invalid clause(s) in filter string"),
    ("search_model_versions", (None, 5, None, "evilhax"), INVALID, "could not base64-decode"),
    ("search_registered_models", (None, 5, None, "evilhax"), INVALID, "could not base64-decode"),
]


def test_each_error_that_clients_look_for_has_its_text_and_code(ours: Any) -> None:
    from mlflow.entities.model_registry import RegisteredModelTag
    from mlflow.exceptions import MlflowException

    ours.create_registered_model("a")
    ours.create_model_version("a", "s")
    for method, args, code, text in TEXTS:
        with pytest.raises(MlflowException) as refused:
            getattr(ours, method)(*args)

        assert (refused.value.error_code, text in refused.value.message) == (code, True), method
    for setter, *place in (("set_registered_model_tag", "a"), ("set_model_version_tag", "a", 1)):
        with pytest.raises(MlflowException, match="'value' exceeds the maximum length of 100000"):
            getattr(ours, setter)(*place, RegisteredModelTag("k", "v" * 100_001))
