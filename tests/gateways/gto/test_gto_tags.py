"""Names of tags, read as GTO reads them."""

import pytest

from holdfast.gateways.gto import gto_tags
from holdfast.gateways.gto.gto_tags import GtoTag


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("iris@v1.2.0", GtoTag("iris", "register", version="1.2.0")),
        ("iris@v1.2.0#4", GtoTag("iris", "register", version="1.2.0")),
        ("team/iris@v1.2.0-rc.1+cu12", GtoTag("team/iris", "register", version="1.2.0-rc.1+cu12")),
        ("iris@v1.2.0!#6", GtoTag("iris", "deregister", version="1.2.0")),
        ("iris#production#3", GtoTag("iris", "assign", stage="production")),
        ("iris#prod", GtoTag("iris", "assign", stage="prod")),
        ("iris#staging!#4", GtoTag("iris", "unassign", stage="staging")),
        ("iris@deprecated#5", GtoTag("iris", "deprecate")),
        ("sub/dir=iris@v1.0.0", GtoTag("sub/dir:iris", "register", version="1.0.0")),
    ],
)
def test_a_tag_of_gtos_is_read(name: str, tag: GtoTag) -> None:
    assert gto_tags.parse(name) == tag


@pytest.mark.parametrize(
    "name",
    [
        "v1.2.0",
        "iris",
        "iris@1.2.0",
        "iris@v1.2",
        "iris@v01.2.0",
        "iris@created",
        "iris@v1.2.0!!",
        "iris@v1.2.0\n",
        "-iris@v1.2.0",
        "../x=iris@v1.2.0",
        "a/../../x=iris@v1.2.0",
        "/etc=iris@v1.2.0",
        "iris@v1.2.99999999999999999999",
        f"iris#prod#{'9' * 5000}",
        f"{'i' * 2000}@v1.2.0",
        "ïris@v1.2.0",
    ],
)
def test_another_tag_is_passed_over(name: str) -> None:
    assert gto_tags.parse(name) is None


@pytest.mark.parametrize(
    "tag",
    [
        GtoTag("sub:iris", "register", version="1.0.0"),
        GtoTag("iris", "deregister", version="1.0.0"),
        GtoTag("iris", "assign", stage="eu"),
        GtoTag("iris", "unassign", stage="eu"),
        GtoTag("iris", "deprecate"),
    ],
)
def test_what_is_written_is_read_again(tag: GtoTag) -> None:
    assert gto_tags.parse(gto_tags.tag_name(tag, 7)) == tag
