"""Uploads by Xet as requests: every codec, files made of parts, and clients that lie."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import Caller, Reply, Served, running
from tests.web.hub import xet_parts as xet
from tests.web.hub.xet_parts import GROUPED, LZ4, RAW, Part, chunk, of, shard
from tests.web.teams import Team, as_

MODEL = "team/tiny"
DATA = random.Random(7).randbytes(70_001)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path / "store") as served:
        yield served


def session(caller: Caller, model: str = MODEL) -> str:
    told = caller.ask("GET", f"/api/models/{model}/xet-write-token/main")
    assert told.status == 200, told.body
    assert told.headers["x-xet-cas-url"] == told.json["casUrl"]
    return str(told.json["casUrl"]).partition(f":{caller.port}")[2]


def xorb(caller: Caller, base: str, body: bytes, name: str = xet.XORB) -> Reply:
    return caller.ask("POST", f"{base}/v1/xorbs/default/{name}", body)


def finish(caller: Caller, base: str, body: bytes) -> dict[str, Any]:
    answer = caller.ask("POST", f"{base}/v2/shards", body)
    assert answer.status == 200, answer.body
    last: dict[str, Any] = json.loads(answer.body.splitlines()[-1])
    return last


def blob(served: Served, data: bytes) -> Path:
    return Path(served.registry.location) / "blobs" / "sha256" / hashlib.sha256(data).hexdigest()


def leftovers(served: Served) -> list[str]:
    folder = Path(served.registry.location) / "blobs" / "sha256"
    return sorted(path.suffix for path in folder.glob(".tmp-*/*") if path.is_file())


@pytest.mark.parametrize("codec", [RAW, LZ4, GROUPED])
def test_each_codec_gives_the_file_back(served: Served, codec: int) -> None:
    base = session(served)
    parts = [DATA[:30_003], DATA[30_003:]]

    new = xorb(served, base, b"".join(chunk(part, codec) for part in parts) + b"XETBLOB footer")
    told = finish(served, base, shard(of(DATA, Part(len(DATA), 0, 2))))

    assert new.json == {"was_inserted": True}
    assert told == {"type": "result"}
    assert blob(served, DATA).read_bytes() == DATA
    assert leftovers(served) == [".places"]


def test_the_first_form_of_a_shard_is_taken_too(served: Served) -> None:
    base = session(served)
    xorb(served, base, chunk(DATA))

    answer = served.ask("POST", f"{base}/v1/shards", shard(of(DATA)))

    assert answer.json == {"result": 1}
    assert blob(served, DATA).exists()


def test_later_files_are_made_of_what_is_there(served: Served) -> None:
    base = session(served)
    xorb(served, base, chunk(DATA) + chunk(b"second"))
    finish(served, base, shard(of(DATA + b"second", Part(len(DATA) + 6, 0, 2))))
    whole = b"second" + DATA + b"third"

    xorb(served, session(served), chunk(b"third"), "cd" * 32)
    told = finish(
        served,
        session(served),
        shard(of(whole, Part(6, 1, 2), Part(len(DATA)), Part(5, xorb="cd" * 32))),
    )

    assert told == {"type": "result"}
    assert blob(served, whole).read_bytes() == whole
    assert xorb(served, base, chunk(DATA) + chunk(b"second")).json == {"was_inserted": False}


def test_a_xorb_that_is_used_in_part_stays(served: Served) -> None:
    base = session(served)
    xorb(served, base, chunk(DATA) + chunk(b"later"))

    finish(served, base, shard(of(DATA)))
    told = finish(served, base, shard(of(b"later", Part(5, 1, 2))))

    assert told == {"type": "result"}
    assert ".xorb" in leftovers(served)


def test_what_is_gone_ends_the_session_so_that_all_is_sent_anew(served: Served) -> None:
    base = session(served)
    xorb(served, base, chunk(DATA))
    finish(served, base, shard(of(DATA)))
    blob(served, DATA).unlink()

    told = finish(served, base, shard(of(DATA)))

    assert told["type"] == "error"
    assert "upload anew" in told["message"]
    assert session(served) != base
    assert xorb(served, base, chunk(DATA)).status == 404


LIES = {
    "other bytes": shard(of(b"other", Part(len(DATA)))),
    "another length": shard(of(DATA, Part(len(DATA) - 1))),
    "too many chunks": shard(of(DATA, Part(len(DATA), 0, 9))),
    "no chunks": shard(of(DATA, Part(0, 1, 1))),
    "an absent xorb": shard(of(DATA, Part(len(DATA), xorb="ef" * 32))),
    "no sha256": shard(xet.Made("0" * 64, [Part(len(DATA))], flags=1 << 31)),
    "cut": shard(of(DATA))[:-60],
    "short": b"x",
    "empty": b"",
    "endless": shard(of(DATA))[:48] + b"\1" * 32 + b"\xff" * 16,
    "a huge file": shard(of(DATA, *[Part(0xFFFFFFFF)] * 20_000)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_shard_that_lies_makes_nothing(served: Served, lie: str) -> None:
    base = session(served)
    xorb(served, base, chunk(DATA))

    told = finish(served, base, LIES[lie])

    assert told["type"] == "error"
    folder = Path(served.registry.location) / "blobs" / "sha256"
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".tmp-xet")] == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"\0" * 7, chunk(DATA)[:-1], b"\1" + chunk(DATA)[1:], chunk(b"x", raw_bytes=0),
        chunk(DATA, raw_bytes=(1 << 24) - 1), b"\0\1\0\0\7\1\0\0x", chunk(b"") * 3,
    ],
)  # fmt: skip
def test_a_xorb_that_cannot_be_is_refused(served: Served, body: bytes) -> None:
    answer = xorb(served, session(served), body)

    assert (answer.status, body == b"") in ((422, False), (200, True))


@pytest.mark.parametrize("codec", [LZ4, GROUPED])
def test_a_chunk_that_is_not_what_it_says_makes_nothing(served: Served, codec: int) -> None:
    """A bomb, and bytes that are not packed at all."""
    base = session(served)
    bomb = chunk(b"\0" * 1_000_000, codec, raw_bytes=100)
    junk = b"\0" + (5).to_bytes(3, "little") + bytes([codec]) + (9).to_bytes(3, "little") + b"junk!"
    xorb(served, base, bomb + junk)

    for term in (Part(100), Part(9, 1, 2)):
        assert finish(served, base, shard(of(DATA, term)))["type"] == "error"


@pytest.mark.parametrize("name", ["x", "A" * 64, "..%2F..%2Fholdfast.json", "ab" * 31])
def test_only_a_digest_names_a_xorb(served: Served, name: str) -> None:
    assert xorb(served, session(served), chunk(DATA), name).status in (404, 422)


def test_a_body_that_is_too_long_is_refused_before_it_comes(served: Served) -> None:
    base = session(served)

    answer = served.ask(
        "POST", f"{base}/v1/xorbs/default/{xet.XORB}", b"", content_length="99999999"
    )

    assert answer.status == 413


def test_what_others_sent_is_not_told_of(served: Served) -> None:
    base = session(served)

    assert served.ask("GET", f"{base}/v1/chunks/default/{xet.XORB}").status == 404
    assert served.ask("POST", f"{base}/v1/other", b"x").status == 404


def test_a_session_is_one_users_and_one_models(tmp_path: Path) -> None:
    team = Team(tmp_path)
    mallory = team.member("mallory", "registrar", "team/*")
    viewer = team.member("vera", "viewer")
    with team.served() as served:
        base = session(served)
        xorb(served, base, chunk(DATA))
        thief = as_(served, mallory)

        assert thief.ask("POST", f"{base}/v2/shards", shard(of(DATA))).status == 404
        own = session(thief)
        assert finish(thief, own, shard(of(DATA)))["type"] == "error"
        assert xorb(thief, own.replace(MODEL, "team/other"), chunk(DATA)).status == 404
        assert xorb(thief, own.replace(MODEL, "risk/other"), chunk(DATA)).status == 404
        assert xorb(as_(served, viewer), base, chunk(DATA)).status == 403
        assert xorb(as_(served, None), base, chunk(DATA)).status == 401


def test_who_pushes_at_once_shares_a_session_and_loses_nothing(served: Served) -> None:
    """Sixteen processes of one user: the same chunks, other files."""
    told: list[dict[str, Any]] = []
    files = [DATA + b"%d" % number for number in range(16)]

    def push(number: int) -> None:
        base = session(served)
        tail = b"%d" % number
        xorb(served, base, chunk(DATA))
        xorb(served, base, chunk(tail), hashlib.sha256(tail).hexdigest())
        part = Part(len(tail), xorb=hashlib.sha256(tail).hexdigest())
        told.append(finish(served, base, shard(of(files[number], Part(len(DATA)), part))))

    threads = [threading.Thread(target=push, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told == [{"type": "result"}] * 16
    assert all(blob(served, data).read_bytes() == data for data in files)
