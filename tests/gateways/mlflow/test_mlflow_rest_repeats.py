"""Creations whose answers were lost: asked for again, nothing is made twice."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import TOKEN, Served, running

from holdfast.http.asgi import Gone
from holdfast.web.exchange import Answer, Request
from holdfast.web.mlflow_rest.repeats import Repeats

API = "/api/2.0/mlflow"


class Line:
    """A connection whose caller hangs up when it is told to."""

    def __init__(self) -> None:
        self.cut = asyncio.Event()

    def request(self, path: str = "/create") -> Request:
        async def receive() -> dict[str, Any]:
            await self.cut.wait()
            return {"type": "http.disconnect"}

        scope = {"method": "POST", "path": path, "headers": [], "type": "http"}
        request = Request(scope, receive, "id")
        request.route = path
        return request


class Maker:
    """Makes something when it is let, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.let = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> Answer:
        await self.let.wait()
        if self.failure is not None:
            raise self.failure
        self.made += 1
        return Answer(content=str(self.made).encode())


async def lost(repeats: Repeats, maker: Maker, body: bytes = b"x") -> None:
    line = Line()
    first = asyncio.ensure_future(repeats.once(line.request(), body, maker))
    await asyncio.sleep(0)
    line.cut.set()
    with pytest.raises(Gone):
        await first


def test_a_repeat_gets_the_answer_that_was_lost() -> None:
    async def story() -> None:
        repeats, maker = Repeats(), Maker()
        await lost(repeats, maker)
        again = asyncio.ensure_future(repeats.once(Line().request(), b"x", maker))
        await asyncio.sleep(0)
        maker.let.set()

        assert (await again).content == b"1"
        assert (await repeats.once(Line().request(), b"x", maker)).content == b"2"

    asyncio.run(story())


def test_another_body_or_path_is_another_request() -> None:
    async def story() -> None:
        repeats, maker = Repeats(), Maker()
        maker.let.set()
        await lost(repeats, Maker())

        assert (await repeats.once(Line().request(), b"y", maker)).content == b"1"
        assert (await repeats.once(Line().request("/other"), b"x", maker)).content == b"2"

    asyncio.run(story())


def test_what_failed_is_tried_again() -> None:
    async def story() -> None:
        repeats, broken, maker = Repeats(), Maker(), Maker()
        broken.failure = ValueError("no")
        await lost(repeats, broken)
        broken.let.set()
        await asyncio.sleep(0.01)
        maker.let.set()

        assert (await repeats.once(Line().request(), b"x", maker)).content == b"1"

    asyncio.run(story())


def test_a_client_that_hangs_up_and_asks_again_makes_one_version(tmp_path: Path) -> None:
    with running(tmp_path / "store") as served:
        folder = "/api/2.0/mlflow-artifacts/artifacts/uploads/m"
        served.ask("POST", f"{API}/registered-models/create", {"name": "iris"})
        served.ask("PUT", f"{folder}/MLmodel", b"flavors: {}\n")
        served.ask("PUT", f"{folder}/large.bin", bytes(30 << 20))  # to take in takes a while
        where = f"http://localhost{folder}"
        body = json.dumps({"name": "iris", "source": where}).encode()
        hung_up(served, body)
        again = served.ask(
            "POST", f"{API}/model-versions/create", body, host="localhost", connection="close"
        )

        assert again.json["model_version"]["version"] == "1"
        assert versions(served) == ["1"]


def versions(served: Served) -> list[str]:
    found = served.ask("GET", f"{API}/model-versions/search").json["model_versions"]
    return [version["version"] for version in found]


def hung_up(served: Served, body: bytes) -> None:
    head = f"POST {API}/model-versions/create HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(head.encode() + body)
