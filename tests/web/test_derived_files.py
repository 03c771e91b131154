"""Files derived from journals follow who changed something; nobody waits for them."""

import json
from pathlib import Path

from tests.serving.facing import until
from tests.web.facing import process, register, running

import holdfast


def pointer(store: Path) -> Path:
    return store / "models/iris/active_version.json"


def test_derived_files_follow_each_change(tmp_path: Path) -> None:
    store = tmp_path / "store"
    register(holdfast.open(store, by="eve"), tmp_path)
    with running(store) as served:
        assert served.post("/models/iris:promote", {"version": "1.0.0"}).status == 200

        until(lambda: json.loads(pointer(store).read_bytes())["current"] == "1.0.0")


def test_a_server_that_stops_leaves_none_behind(tmp_path: Path) -> None:
    store = tmp_path / "store"
    registry = holdfast.open(store, by="eve")
    for text in ("one", "two"):
        register(registry, tmp_path, text=text)
    with running(store) as served:
        for number in range(20):
            version = f"1.{number % 2}.0"
            body = {"version": version, "reason": "again", "force": True}
            assert served.post("/models/iris:promote", body).status == 200

    (head,) = registry.heads("iris")
    assert json.loads(pointer(store).read_bytes())["seq"] == head.seq
    assert registry.verify().whole


def test_files_that_cannot_be_written_fail_no_change(tmp_path: Path) -> None:
    store = tmp_path / "store"
    register(holdfast.open(store, by="eve"), tmp_path)
    pointer(store).unlink()
    pointer(store).mkdir()
    (pointer(store) / "in the way").touch()
    with running(store) as served:
        assert served.post("/models/iris:promote", {"version": "1.0.0"}).status == 200
        assert served.get("/models/iris@production").status in (200, 303)


def test_a_version_that_was_just_moved_is_whole(tmp_path: Path) -> None:
    store = tmp_path / "store"
    registry = holdfast.open(store, by="eve")
    for text in ("one", "two"):
        register(registry, tmp_path, text=text)
    with running(store) as served:
        for number in range(10):
            body = {"version": f"1.{number % 2}.0", "reason": "again", "force": True}
            assert served.post("/models/iris:promote", body).status == 200
            assert registry.verify("iris@1.0.0").whole


def test_a_server_that_is_killed_behind_an_answer_loses_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    register(holdfast.open(store, by="eve"), tmp_path)
    with process(store) as server:
        assert server.post("/models/iris:promote", {"version": "1.0.0"}).status == 200
        server.process.kill()

    registry = holdfast.open(store)
    assert registry.resolve("iris@production").version == "1.0.0"
    assert registry.verify().whole
    assert json.loads(pointer(store).read_bytes())["current"] == "1.0.0"
