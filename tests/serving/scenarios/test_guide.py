"""The guide shows what a server answers."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from tests.serving.facing import Does, made, rollout, running, served

from holdfast.rows.loaded_version import Loaded
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.telemetry.feedback_queue import Truth
from holdfast.serving.web import paths

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "serving.md"
BLOCKS = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOMES = {
    "type": "object",
    "properties": {
        "rooms": {"type": "integer", "minimum": 0},
        "area": {"type": "number", "minimum": 0},
    },
    "required": ["rooms", "area"],
    "order": ["rooms", "area"],
}


def homes(version: str, more: float) -> Loaded:
    def predict(rows: Any) -> Any:
        return rows[:, 0] * 26 + rows[:, 1] * 2 + more

    words = {"input_schema": HOMES, "output_schema": {"type": "number"}}
    return made(Does(predict), version, name="homes", **words)


def parsed(block: str) -> tuple[str, dict[str, str], str]:
    head, _, body = block.strip().partition("\n\n")
    first, *lines = head.splitlines()
    return first, dict(line.split(": ", 1) for line in lines), body


async def keep(truths: Sequence[Truth]) -> None:
    assert truths[0].at is not None


def sent(client: httpx.Client, block: str) -> httpx.Response:
    line, headers, body = parsed(block)
    method, path = line.split()
    return client.request(method, path, headers=headers, content=body.encode())


def test_the_guide_shows_requests_and_their_answers() -> None:
    canary = rollout("1.3.0", weight=1e-12)
    routing_table = RoutingTable("homes", homes("1.2.0", 0.5), canary, homes("1.3.0", 10.5))
    blocks = BLOCKS.findall(GUIDE.read_text())
    shown, actual = [], []
    with running(served(routing_table), keep=keep) as server:
        for question, answer in zip(blocks[::2], blocks[1::2], strict=True):
            status, headers, body = parsed(answer)
            response = sent(server.client, question)
            shown.append((status, headers, UUID.sub("ID", body)))
            real = {name: response.headers.get(name, "") for name in headers}
            actual.append((str(response.status_code), real, UUID.sub("ID", response.text)))

    assert actual == shown
    assert len(shown) == 8


def test_the_guide_names_every_path_header_status_and_metric() -> None:
    page = GUIDE.read_text()
    with running(served(RoutingTable("homes", homes("1.2.0", 0)))) as server:
        described = json.loads(server.get("/openapi.json").text)
        metrics = server.get("/metrics").text
    tails = {path.rsplit("}", 1)[-1].rsplit("homes", 1)[-1] for path in described["paths"]}
    statuses = {*described["paths"]["/predict"]["post"]["responses"]}
    names = set(re.findall(r"^# TYPE (\w+) ", metrics, re.MULTILINE))

    assert [tail for tail in sorted(tails) if tail not in page] == []
    assert [path for path in sorted(paths.OPEN) if path not in page] == []
    assert [status for status in sorted(statuses - {"200"}) if f"| {status} |" not in page] == []
    assert [name for name in sorted(names) if name not in page] == []
