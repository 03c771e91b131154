"""Which of our names can be repositories and tags."""

import pytest

from holdfast.core.oci_names import is_repository, is_tag, tag_of, version_of


@pytest.mark.parametrize("name", ["iris", "team/iris", "a.b", "a_b", "a__b", "a--b", "a/b/c1"])
def test_a_repository_is_in_lower_case(name: str) -> None:
    assert is_repository(name)


@pytest.mark.parametrize(
    "name", ["Iris", "team iris", "-a", "a-", "a//b", "a___b", "_token", "a/", "é", "", "a" * 251]
)
def test_other_names_are_no_repositories(name: str) -> None:
    assert not is_repository(name)


def test_a_tag_has_an_underscore_for_the_plus_of_a_build() -> None:
    assert tag_of("1.2.0-rc.1+cu12") == "1.2.0-rc.1_cu12"
    assert version_of("1.2.0-rc.1_cu12") == "1.2.0-rc.1+cu12"
    assert version_of("1.2.0") == "1.2.0"
    assert version_of("my_alias") is None
    assert tag_of(f"1.2.0-{'a' * 130}") is None
    assert is_tag("production")
    assert not is_tag("^1.2")
