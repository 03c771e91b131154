"""Files on their way to a server: whole, in parts, and from where they broke off."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.lying import TOKEN, Asked, LyingServer, Sent, lying, problem

from holdfast.errors import NotFoundError, StoreError
from holdfast.store import remote_uploads
from holdfast.store.remote import http_client
from holdfast.store.remote.http_client import HttpClient
from holdfast.store.remote.server_address import parse
from holdfast.store.remote_uploads import Uploads

CONTENT = bytes(range(256)) * 40


class Receiver:
    """Takes files in parts, and hangs up when it is told to.

    Attributes:
        came: What came of the file.
        cuts: Numbers of the requests for parts that are cut off, from 1.
    """

    def __init__(self, *cuts: int) -> None:
        self.came = b""
        self.cuts = cuts
        self.parts = 0
        self.gone = False

    def __call__(self, asked: Asked, _sent: Sent) -> Sent | None:
        match asked.method:
            case "PUT":
                self.came = asked.body
                return Sent(201)
            case "POST":
                return Sent(201, headers={"Location": "/api/v1/uploads/7"})
            case "HEAD" if self.gone:
                return Sent(404)
            case "HEAD":
                return Sent(204, headers={"Upload-Offset": str(len(self.came))})
            case _:
                return self._part(asked)

    def _part(self, asked: Asked) -> Sent | None:
        self.parts += 1
        assert int(asked.headers["upload-offset"]) == len(self.came)
        cut = self.parts in self.cuts
        self.came += asked.body[: len(asked.body) // 2] if cut else asked.body
        return None if cut else Sent(204)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    monkeypatch.setattr(remote_uploads, "RESUMABLE", 1 << 10)
    monkeypatch.setattr(remote_uploads, "_PART", 1 << 12)
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(http_client, "_LONGEST_PAUSE_S", 0.002)
    (tmp_path / "file").write_bytes(CONTENT)
    with lying(tmp_path) as served:
        yield served


def send(served: LyingServer, tmp_path: Path, content: bytes = CONTENT) -> list[int]:
    path = tmp_path / "file"
    path.write_bytes(content)
    steps: list[int] = []
    client = HttpClient(parse(served.url), lambda: TOKEN)
    sha256 = hashlib.sha256(content).hexdigest()
    Uploads(client).send(path, sha256, len(content), steps.append)
    return steps


def test_a_small_file_goes_whole(served: LyingServer, tmp_path: Path) -> None:
    served.lie = receiver = Receiver()
    steps = send(served, tmp_path, b"small")

    assert receiver.came == b"small"
    assert sum(steps) == 5


def test_a_large_file_goes_in_parts(served: LyingServer, tmp_path: Path) -> None:
    served.lie = receiver = Receiver()
    steps = send(served, tmp_path)

    assert receiver.came == CONTENT
    assert (receiver.parts, sum(steps)) == (3, len(CONTENT))
    parts = [asked for asked in served.asked if asked.method == "PATCH"]
    assert [asked.headers["upload-complete"] for asked in parts] == ["?0", "?0", "?1"]


@pytest.mark.parametrize("cuts", [(1,), (2, 3), (1, 2, 3, 4), (3,)])
def test_a_part_that_broke_off_goes_on_where_it_stood(
    served: LyingServer, tmp_path: Path, cuts: tuple[int, ...]
) -> None:
    served.lie = receiver = Receiver(*cuts)
    steps = send(served, tmp_path)

    assert receiver.came == CONTENT
    assert sum(steps) == len(CONTENT)


@pytest.mark.parametrize("status", [409, 429, 502, 503, 504])
@pytest.mark.parametrize("times", [1, 3])
def test_what_may_be_over_in_a_moment_ends_no_upload(
    served: LyingServer, tmp_path: Path, status: int, times: int
) -> None:
    receiver, refused = Receiver(2), [0]

    def lie(asked: Asked, sent: Sent) -> Sent | None:
        asks = ("PATCH",) if status == 409 else ("PATCH", "HEAD")
        if asked.method in asks and receiver.parts == 2 and refused[0] < times:
            refused[0] += 1
            is_ours = status == 409 and asked.method == "PATCH"
            return problem(409, "conflict", "being written") if is_ours else Sent(status)
        return receiver(asked, sent)

    served.lie = lie
    steps = send(served, tmp_path)

    assert receiver.came == CONTENT
    assert sum(steps) == len(CONTENT)


def test_an_upload_is_begun_anew_where_what_came_is_gone(
    served: LyingServer, tmp_path: Path
) -> None:
    receiver, lost, gone = Receiver(), [0], problem(404, "not_found", "upload '7' not found")

    def lie(asked: Asked, sent: Sent) -> Sent | None:
        if asked.method == "PATCH" and receiver.parts == 1 and lost[0] < 1:
            lost[0] += 1
            receiver.came = b""
            return gone
        return receiver(asked, sent)

    served.lie = lie
    send(served, tmp_path)
    assert receiver.came == CONTENT

    served.lie = lambda asked, sent: gone if asked.method == "PATCH" else lie(asked, sent)
    with pytest.raises(NotFoundError):
        send(served, tmp_path)


def test_an_upload_that_breaks_off_for_ever_is_given_up(
    served: LyingServer, tmp_path: Path
) -> None:
    served.lie = Receiver(*range(1, 100))
    with pytest.raises(StoreError, match="broke the connection"):
        send(served, tmp_path)


def test_an_upload_that_became_a_blob_before_its_answer_came_is_done(
    served: LyingServer, tmp_path: Path
) -> None:
    served.lie = receiver = Receiver(3)
    receiver.gone = True

    assert sum(send(served, tmp_path)) == len(CONTENT)


@pytest.mark.parametrize("location", ["", "https://evil.example/x", "/elsewhere"])
def test_a_place_that_is_none_is_refused(
    served: LyingServer, tmp_path: Path, location: str
) -> None:
    served.lie = lambda _asked, _sent: Sent(201, headers={"Location": location})

    with pytest.raises(StoreError, match="has given no place for an upload"):
        send(served, tmp_path)


def test_an_offset_that_is_none_is_refused(served: LyingServer, tmp_path: Path) -> None:
    receiver = Receiver(1)

    def lie(asked: Asked, sent: Sent) -> Sent | None:
        return Sent(204) if asked.method == "HEAD" else receiver(asked, sent)

    served.lie = lie
    with pytest.raises(StoreError, match="does not say how much came"):
        send(served, tmp_path)
