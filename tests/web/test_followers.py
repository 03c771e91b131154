"""Events as they happen, told to all who watch."""

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until
from tests.web.facing import TOKEN, Served, process, register, running

import holdfast
from holdfast.http.problems import Problem
from holdfast.web import followers
from holdfast.web.exchange import Request
from holdfast.web.guard import LocalGuard
from holdfast.web.rights import Rights
from holdfast.web.work import Work


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    register(holdfast.open(tmp_path / "store", by="eve"), tmp_path)
    with running(tmp_path / "store") as served:
        yield served


@contextlib.contextmanager
def watching(port: int, query: str = "", **headers: str) -> Iterator[http.client.HTTPResponse]:
    """Watch a model; the answer has begun."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    named |= {"Authorization": f"Bearer {TOKEN}"}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(line):
        line.request("GET", f"/api/v1/models/iris:events{query}", headers=named)
        answer = line.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.readline() == b"retry: 2000\n"
        answer.readline()
        yield answer


def event(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """Read the next event."""
    lines: dict[str, str] = {}
    while line := answer.readline().decode().strip():
        name, _, text = line.partition(": ")
        lines[name] = text
    told: dict[str, Any] = json.loads(lines["data"])
    return {"id": lines["id"], "event": lines["event"]} | told


def test_whoever_watches_is_told_what_happens(served: Served) -> None:
    with watching(served.port) as one, watching(served.port) as two:
        served.post("/models/iris:promote", {"version": "1.0.0", "reason": "first\nrelease"})
        told = event(one)

        assert told == event(two)
        assert (told["id"], told["event"], told["by"]) == ("2", "promoted", "ana")
        assert told["reason"] == "first\nrelease"
        served.post("/models/iris:note", {"version": "1.0.0", "text": "seen"})
        assert [event(one)["event"], event(two)["event"]] == ["noted", "noted"]


def test_another_process_is_followed_too(served: Served) -> None:
    with watching(served.port) as answer:
        assert isinstance(served.registry.location, Path)
        holdfast.open(served.registry.location, by="bob").promote("iris@1.0.0")

        assert event(answer)["by"] == "bob"


def test_whoever_comes_back_misses_nothing(served: Served) -> None:
    for number in range(3):
        served.post("/models/iris:note", {"version": "1.0.0", "text": f"note {number}"})

    with watching(served.port, last_event_id="2") as answer:
        assert [event(answer)["seq"] for _ in range(2)] == [3, 4]
    with watching(served.port, "?after=3") as answer:
        assert event(answer)["seq"] == 4


def test_one_follower_serves_all_and_ends_with_the_last(served: Served) -> None:
    known = served.app.desk.followers
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(watching(served.port))
        assert known.watchers == 5
        assert len(known._by_model) == 1
        text = served.ask("GET", "/metrics").body.decode()
        assert "holdfast_web_watchers 5" in text
    served.post("/models/iris:note", {"version": "1.0.0", "text": "so that it is noticed"})
    until(lambda: known.watchers == 0)
    until(lambda: not known._by_model)


def test_only_so_many_watch(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MOST_WATCHERS", 1)
    with watching(served.port):
        answer = served.get("/models/iris:events")

    assert (answer.status, answer.code) == (503, "busy")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/models/irs:events", "not_found"),
        ("/models/iris:events?after=x", "invalid_input"),
        ("/models/iris:events?after=%E2%91%A0", "invalid_input"),
    ],
)
def test_what_cannot_be_watched_is_refused(served: Served, path: str, code: str) -> None:
    assert served.get(path).code == code


class Revocable(LocalGuard):
    """Knows its user until it does not."""

    revoked = False

    def enter(self, request: Request, *, writes: bool) -> Rights:
        if self.revoked:
            raise Problem(401, "unauthenticated", "the token was revoked")
        return super().enter(request, writes=writes)


def test_it_ends_with_the_token(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    guard = Revocable("ana", TOKEN)
    with running(tmp_path / "store", guard) as served, watching(served.port) as answer:
        guard.revoked = True
        assert answer.read() == b""


def test_a_process_with_watchers_ends_at_once(tmp_path: Path) -> None:
    register(holdfast.open(tmp_path / "store"), tmp_path)
    with process(tmp_path / "store") as server, contextlib.ExitStack() as stack:
        answers = [stack.enter_context(watching(server.port)) for _ in range(20)]
        server.process.terminate()
        ends = [threading.Thread(target=answer.read) for answer in answers]
        for thread in ends:
            thread.start()
        assert server.process.wait(60) == 0
        for thread in ends:
            thread.join(60)
            assert not thread.is_alive()


def test_nobody_s_rights_are_looked_up_once_the_server_stops(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "_CHECK_S", 0.0)
    looked: list[int] = []

    async def watched() -> tuple[int, int]:
        work = Work()
        all_of = followers.Followers(served.registry, work)
        answer = await followers.stream(
            all_of, work, ("iris", "ana"), None, lambda: looked.append(1)
        )
        pieces = aiter(answer.pieces)
        for _ in range(3):  # the last one after a look
            await anext(pieces)
        before = len(looked)
        all_of.close()
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        answer.release()
        work.close()
        return before, len(looked)

    assert asyncio.run(watched()) == (1, 1)


def test_a_line_on_which_nothing_happens_is_kept_open(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followers, "_PING_S", 0.0)
    with watching(served.port) as answer:
        assert answer.readline() == b": still here\n"
