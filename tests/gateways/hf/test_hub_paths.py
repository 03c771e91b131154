"""Paths of the Hub's API, as they are sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.gateways.hf.hub_paths import HubTarget, claims, model_of, parse, repo_of


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("/api/whoami-v2", HubTarget("whoami-v2")),
        ("/api/models", HubTarget("models")),
        ("/api/models/", HubTarget("models")),
        ("/api/models/iris", HubTarget("info", "iris")),
        ("/api/models/registry/iris", HubTarget("info", "iris")),
        ("/api/models/team/iris", HubTarget("info", "team/iris")),
        ("/api/models/iris/revision/%5E1.2", HubTarget("info", "iris", "^1.2")),
        ("/api/models/a/b/tree/main/x%2Fy/z", HubTarget("tree", "a/b", "main", "x/y/z")),
        ("/api/models/a/b/tree/refs%2Ftags%2F1.0.0", HubTarget("tree", "a/b", "refs/tags/1.0.0")),
        ("/a/b/resolve/main/x/y", HubTarget("resolve", "a/b", "main", "x/y")),
        ("/a/resolve/1.0.0/x", HubTarget("resolve", "a", "1.0.0", "x")),
        ("/a/b.git/info/lfs/objects/batch", HubTarget("lfs-batch", "a/b")),
        ("/a.git/info/lfs/objects/verify", HubTarget("lfs-verify", "a")),
        ("/api/repos/create", HubTarget("create-repo")),
        ("/api/hub/lfs/ab", HubTarget("lfs-object", path="ab")),
        ("/api/hub/xet/a/b/s/v1/shards", HubTarget("xet", "a/b", "s", "v1/shards")),
    ],
)
def test_a_path_says_what_is_asked(raw: str, target: HubTarget) -> None:
    assert claims(raw.encode())
    assert parse(raw.encode()) == target


@pytest.mark.parametrize(
    "raw",
    ["/", "/models/a/resolve/b", "/static/resolve/x", "/api/v1/models/a", "/login/resolve/x",
     "/v2/a/b", "/metrics", "/api/v1/resolve/x/y"],
)  # fmt: skip
def test_other_paths_are_left_to_others(raw: str) -> None:
    assert not claims(raw.encode())


@pytest.mark.parametrize(
    "raw",
    ["/api/models/a/b/c", "/api/models/a/b/c/tree/main", "/a/b/c/resolve/main/x", "/resolve/a",
     "/a/resolve/main", "/api/repos/x", "/a.git/info/lfs/objects/other", "/api/hub/xet/a/b"],
)  # fmt: skip
def test_what_the_hub_does_not_have_is_not_found(raw: str) -> None:
    with pytest.raises((NotFoundError, InvalidInputError)):
        parse(raw.encode())


@pytest.mark.parametrize("name", ["iris", "team/iris", "Iris_2.0", "a-b/c.d"])
def test_a_name_that_clients_can_write_is_a_repository(name: str) -> None:
    assert repo_of(name) == model_of(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "a/b/c",
        "a b",
        "../x",
        "a--b",
        "a..b",
        "-a",
        "x.git",
        "ü",
        "tree",
        "a/tree",
        "registry/a",
        "",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert repo_of(name) is None


@given(st.binary(max_size=80))
def test_no_path_names_what_lies_outside(tail: bytes) -> None:
    for start in (b"/a/b/resolve/main/", b"/api/models/a/b/tree/", b"/api/models/", b"/api/hub/"):
        try:
            target = parse(start + tail)
        except HoldfastError:
            continue

        assert not {"..", "."} & set(target.path.split("/"))
        assert "\0" not in target.path + target.revision + target.model
