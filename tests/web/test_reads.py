"""The reads of the API: the same views as in Python."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.web.facing import Served, register, running

import holdfast


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("reads")
    registry = holdfast.open(folder / "store", by="eve")
    for text in ("one", "two", "three"):
        register(registry, folder, text=text)
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.stage("iris@1.2.0")
    registry.tag("iris@1.2.0", {"team": "risk"})
    file = folder / "model.txt"
    registry.register("iris", file, version="1.3.0", environment={"packages": {"numpy": "2.0.0"}})
    holdfast.open(folder / "store", by="bob").promote(
        register(holdfast.open(folder / "store", by="bob"), folder, "risk/credit", "other")
    )
    for number in range(3):
        register(registry, folder, f"many-{number}", str(number))
    with running(folder / "store") as served:
        yield served


def plain(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (":policy", lambda r: r.policy("iris")),
        (":situation", lambda r: r.situation("iris")),
        (":head", lambda r: r.heads("iris")[0]),
        (":compare?a=1.0.0&b=1.1.0", lambda r: r.compare("iris@1.0.0", "iris@1.1.0")),
        (":rollout", lambda r: {"rollout": r.rollout("iris")}),
        (":served", lambda r: {"items": r.served("iris")}),
        (":servers", lambda r: {"items": r.fleet.servers("iris")}),
        ("", lambda r: next(info for info in r.models() if info.model == "iris")),
        ("@1.0.0:card", lambda r: r.card("iris@1.0.0")),
        (":verify", lambda r: r.verify("iris")),
    ],
)
def test_a_view_is_the_same_as_in_python(served: Served, path: str, read: Any) -> None:
    assert served.get(f"/models/iris{path}").json == plain(read(served.registry))


def test_a_status_is_the_same_but_for_its_time(served: Served) -> None:
    there = served.get("/models/iris:status").json
    here = plain(served.registry.status("iris"))

    varying = {"at": "", "before": {}}
    assert there | varying == here | varying
    assert there["before"]["version"] == "1.0.0"


@pytest.mark.parametrize("ref", ["1.0.0", "production", "previous", "%5E1.0", "v2", "staging"])
def test_a_version_comes_with_its_manifest(served: Served, ref: str) -> None:
    there = served.get(f"/models/iris@{ref}").json
    info = served.registry.resolve(f"iris@{ref.replace('%5E', '^')}")

    manifest = there.pop("manifest")
    assert there == plain(info)
    assert manifest == plain(served.registry.manifest(info))


def test_a_version_is_found_by_its_digest(served: Served) -> None:
    digest = served.registry.resolve("iris@1.0.0").digest

    assert served.get(f"/models/iris@{digest}").json["version"] == "1.0.0"
    assert served.get(f"/models/iris@{digest[:20]}:card").status == 200
    assert served.get("/models/iris@sha256:").status == 422


def test_a_card_and_an_environment_are_text(served: Served) -> None:
    card = served.get("/models/iris@1.0.0:card?form=markdown")
    environment = served.get("/models/iris@1.3.0:environment?form=conda")

    assert card.body.decode() == served.registry.card("iris@1.0.0", "markdown")
    assert environment.body.decode() == served.registry.environment("iris@1.3.0", "conda")
    assert card.headers["content-type"].startswith("text/markdown")
    assert served.get("/models/iris@1.0.0:card?form=pdf").code == "invalid_input"
    assert served.get("/models/iris@1.0.0:environment?form=pip").code == "invalid_input"


def test_the_gate_is_asked_without_moving_anything(served: Served) -> None:
    there = served.get("/models/iris:gate?version=1.2.0").json

    assert there["passed"] is True
    assert served.get("/models/iris:gate").code == "invalid_input"
    assert served.get("/models/iris:gate?version=risk/credit@1.0.0").code == "invalid_input"


def test_versions_are_found_by_what_they_are(served: Served) -> None:
    there = served.get("/search?where=tag.team%20%3D%20%22risk%22").json
    here = plain(served.registry.search('tag.team = "risk"'))

    assert there == here
    assert there["total"] == 1
    one = served.get("/search?model=iris&limit=2&order_by=version%20desc").json
    assert [info["version"] for info in one["versions"]] == ["1.3.0", "1.2.0"]
    assert served.get("/search?where=%28").code == "invalid_input"
    assert served.get("/search?limit=0").code == "invalid_input"
    assert served.get("/search?model=irs").code == "not_found"


def test_a_list_comes_in_pages(served: Served) -> None:
    names: list[str] = []
    path = "/models?limit=2"
    pages = 0
    while path:
        answer = served.get(path)
        names += [item["model"] for item in answer.json["items"]]
        pages += 1
        following = answer.json["next"]
        assert (following is None) == ("link" not in answer.headers)
        if following:
            assert f"cursor={following.replace('=', '%3D')}" in answer.headers["link"]
        path = f"/models?limit=2&cursor={following}" if following else ""

    assert names == ["iris", "many-0", "many-1", "many-2", "risk/credit"]
    assert pages == 3


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("q=MANY", ["many-0", "many-1", "many-2"]),
        ("stage=production", ["iris", "risk/credit"]),
        ("stage=staging", ["iris"]),
        ("tag=team", ["iris"]),
        ("tag=team=risk", ["iris"]),
        ("tag=team=fraud", []),
        ("by=bob", ["risk/credit"]),
        ("at=2001-01-01", []),
    ],
)
def test_a_list_is_filtered(served: Served, filters: str, names: list[str]) -> None:
    assert [item["model"] for item in served.get(f"/models?{filters}").json["items"]] == names


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=e30x", "stage=live", "at=soon"],
)
def test_a_list_that_cannot_be_is_refused(served: Served, query: str) -> None:
    assert served.get(f"/models?{query}").code == "invalid_input"


def paged(served: Served, path: str) -> list[Any]:
    items, following = [], ""
    while True:
        answer = served.get(f"{path}{following}").json
        items += answer["items"]
        if answer["next"] is None:
            return items
        following = f"&cursor={answer['next']}"


def test_versions_history_and_entries_come_in_pages(served: Served) -> None:
    versions = paged(served, "/models/iris:versions?limit=2")
    history = paged(served, "/models/iris:history?limit=2")
    entries = paged(served, "/models/iris:entries?limit=2")

    assert versions == plain(served.registry.versions("iris"))
    assert history == plain(served.registry.history("iris"))
    assert [entry["seq"] for entry in entries] == [line["seq"] for line in history]
    assert paged(served, "/models/iris:history?last=2") == history[-2:]
    staged = served.get("/models/iris:versions?status=staging").json["items"]
    assert [version["version"] for version in staged] == ["1.2.0"]


def test_a_history_in_pages_does_not_jump(served: Served, tmp_path: Path) -> None:
    register(served.registry, tmp_path, "moving", "1")
    served.registry.note("moving@1.0.0", "one")
    first = served.get("/models/moving:history?limit=1").json
    served.registry.note("moving@1.0.0", "two")
    rest = served.get(f"/models/moving:history?limit=9&cursor={first['next']}").json

    assert len(rest["items"]) == 1
    assert rest["next"] is None
    served.registry.delete("moving", reason="over", force=True)


def test_every_model_is_told_in_a_line_and_by_its_head(served: Served) -> None:
    overview = served.get("/overview").json["items"]
    heads = served.get("/heads").json["items"]

    assert overview == plain(served.registry.overview())
    assert heads == plain(served.registry.heads())


def test_a_model_that_is_not_there_has_its_nearest_told(served: Served) -> None:
    answer = served.get("/models/irs")

    assert (answer.status, answer.code) == (404, "not_found")
    assert answer.json["nearest"] == ["iris"]
