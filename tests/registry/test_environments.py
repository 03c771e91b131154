"""Environments written for installers, and held against what is installed here."""

import platform
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from tests.registry.conftest import Text

from holdfast import Registry
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.registry.environments import PackageDifference

RECORDED = {"python": "3.11.4", "packages": {"numpy": "2.1.0", "torch": "2.5.1+cpu"}}


@pytest.fixture
def made(registry: Registry, text: Text) -> Registry:
    registry.register("iris", text("one"), environment=RECORDED)
    return registry


def test_requirements_are_pinned_and_name_where_they_come_from(made: Registry) -> None:
    assert made.environment("iris@latest").splitlines() == [
        "# iris@1.0.0, registered with Python 3.11.4",
        "numpy==2.1.0",
        "torch==2.5.1  # registered with the build +cpu",
    ]


def test_uv_reads_a_project(made: Registry) -> None:
    project = tomllib.loads(made.environment("iris@latest", "uv"))["project"]

    assert project["requires-python"] == "==3.11.*"
    assert project["dependencies"] == ["numpy==2.1.0", "torch==2.5.1"]
    assert (project["name"], project["version"]) == ("iris-environment", "1.0.0")


def test_conda_reads_a_file_of_its_own(made: Registry) -> None:
    assert made.environment("iris@latest", "conda").splitlines() == [
        "# iris@1.0.0",
        "name: iris-1.0.0",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python=3.11.4",
        "  - pip",
        "  - pip:",
        "      - numpy==2.1.0",
        "      - torch==2.5.1",
    ]


@pytest.mark.parametrize(
    "recorded",
    [
        {"packages": {"numpy\n--index-url http://mirror.example": "1"}},
        {"packages": {"numpy": "1\nevil @ http://mirror.example/evil.whl"}},
        {"packages": {"-r other.txt": "1"}},
        {"packages": {"numpy": "1; import os"}},
        {"packages": {"numpy": "1"}, "python": "3.11\n  - evil"},
    ],
)
@pytest.mark.parametrize("form", ["requirements", "uv", "conda"])
def test_what_is_no_name_or_version_reaches_no_installer(
    registry: Registry, text: Text, recorded: dict[str, Any], form: Any
) -> None:
    registry.register("iris", text("one"), environment=recorded)

    with pytest.raises(InvalidInputError, match="install it by hand"):
        registry.environment("iris@latest", form)


def test_a_version_without_libraries_has_nothing_to_write(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), environment={"python": "3.11.4"})

    with pytest.raises(InvalidInputError, match=r"iris@1\.0\.0 records no libraries"):
        registry.environment("iris@latest")


def test_another_form_is_refused(made: Registry) -> None:
    with pytest.raises(InvalidInputError, match="form 'pipenv' is unknown"):
        made.environment("iris@latest", "pipenv")  # type: ignore[arg-type]


def test_a_check_lists_what_differs_here(registry: Registry, text: Text) -> None:
    packages = {"numpy": "0.9", "msgspec": version("msgspec"), "nowhere": "3.1"}
    recorded = {"python": "2.7.1", "packages": packages}
    registry.register("iris", text("one"), environment=recorded)

    assert registry.check_environment("iris@latest") == (
        PackageDifference("python", "2.7.1", platform.python_version()),
        PackageDifference("nowhere", "3.1", None),
        PackageDifference("numpy", "0.9", version("numpy")),
    )


def test_a_reader_that_demands_the_environment_loads_no_other(made: Registry) -> None:
    made.load("iris@latest")
    made.demand_environment()

    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"other versions: .*numpy 2\.1\.0 → "):
            made.load("iris@latest")
