"""A server that lies: what its client notices, and that nothing of a lie stays behind."""

import base64
import gzip
import hashlib
import json
import logging
import socket
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.servers.lying import (
    TOKEN,
    Asked,
    LyingServer,
    Sent,
    document,
    lying,
    opened,
    problem,
    running,
)
from tests.servers.tls import certificate

import holdfast
from holdfast import signing
from holdfast.core import entry as entries
from holdfast.core import manifest as manifests
from holdfast.core.entry import Stamp
from holdfast.core.events import Noted, Promoted, Registered
from holdfast.errors import (
    ConflictError,
    DamagedError,
    HoldfastError,
    InvalidInputError,
    StoreError,
)
from holdfast.store import blobs, private_cache, remote_journal, remote_location, remote_names
from holdfast.store.remote import http_client


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user of one's own, with a token, outside the checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)


@pytest.fixture
def folder(tmp_path: Path) -> holdfast.Registry:
    """Return a registry with five entries: 1.0.0 was live, 1.1.0 is."""
    registry = holdfast.open(tmp_path / "store", by="ana")
    for number in range(2):
        path = tmp_path / "model.txt"
        path.write_text(f"model {number}\n" * 9)
        ref = registry.register("iris", path, metrics={"auc": 0.9})
        registry.promote(ref, reason=f"release {number}")
    registry.note("iris@1.1.0", "seen")
    return registry


@pytest.fixture
def evil(folder: holdfast.Registry) -> Iterator[LyingServer]:
    with lying(Path(folder.location)) as served:
        yield served


def about_journal(change: Any) -> Any:
    """Lie about the journal alone."""

    def lie(asked: Asked, sent: Sent) -> Sent:
        is_journal = asked.path.endswith(":journal") and sent.status == 200
        changed: Sent = change(sent) if is_journal else sent
        return changed

    return lie


def as_of(evil: LyingServer, last: int) -> Any:
    """Show the journal as it was when it ended with an entry."""

    def lie(asked: Asked, sent: Sent) -> Sent:
        if not asked.path.endswith(":journal"):
            return sent
        paths = sorted(evil.store.glob("models/iris/journal/0*.json"))[:last]
        lines = [path.read_bytes() for path in paths]
        after = int(asked.query["after"])
        return (
            replace(sent, status=200, body=b"").with_entries(lines, last)
            if not after
            else (replace(sent.with_entries(lines, last), status=200, body=b"".join(lines[after:])))
        )

    return lie


def resealed(raw: bytes, **fields: Any) -> bytes:
    """Return an entry with other fields and a checksum that fits."""
    told = json.loads(raw) | fields
    del told["sum"]
    body = json.dumps(told, separators=(",", ":")).encode()[:-1]
    return body + b',"sum":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def changed_byte(sent: Sent) -> Sent:
    lines = sent.lines
    lines[1] = lines[1].replace(b"release 0", b"release X")
    return sent.with_entries(lines, 5)


def changed_entry(sent: Sent) -> Sent:
    lines = sent.lines
    lines[1] = resealed(lines[1], by="eve")
    return sent.with_entries(lines, 5)


def skipped(sent: Sent) -> Sent:
    lines = sent.lines
    return sent.with_entries([*lines[:2], *lines[3:]], 5)


def skipped_and_counted(sent: Sent) -> Sent:
    lines = sent.lines
    return sent.with_entries([*lines[:2], *lines[3:]], 4)


def reordered(sent: Sent) -> Sent:
    lines = sent.lines
    return sent.with_entries([lines[0], lines[2], lines[1], *lines[3:]], 5)


def twice(sent: Sent) -> Sent:
    lines = sent.lines
    return sent.with_entries([*lines, lines[-1]], 6)


def of_another_model(sent: Sent) -> Sent:
    lines = sent.lines
    return sent.with_entries([*lines[:4], resealed(lines[4], model="other")], 5)


def cut_in_the_middle(sent: Sent) -> Sent:
    return replace(sent, body=sent.body[:-10])


def another_head(sent: Sent) -> Sent:
    return replace(sent, headers=sent.headers | {"ETag": f'"5:{"0" * 64}"'})


def without_a_number(sent: Sent) -> Sent:
    return replace(sent, headers={"ETag": sent.headers["ETag"]})


def no_entries_at_all(sent: Sent) -> Sent:
    return replace(sent, body=b"<html>sign in</html>\n")


LIES = (
    changed_byte, changed_entry, skipped, skipped_and_counted, reordered, twice, of_another_model,
    cut_in_the_middle, another_head, without_a_number, no_entries_at_all,
)  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_about_entries_is_refused_and_leaves_no_trace(evil: LyingServer, lie: Any) -> None:
    evil.lie = about_journal(lie)
    with pytest.raises((DamagedError, StoreError)):
        opened(evil).status("iris")

    evil.lie = lambda _asked, sent: sent
    live = opened(evil).status("iris").live
    assert live is not None
    assert live.version == "1.1.0"


def test_a_server_that_goes_back_is_refused_by_the_same_process(evil: LyingServer) -> None:
    client = opened(evil)
    assert client.history("iris")[-1].seq == 5
    evil.lie = as_of(evil, 3)

    with pytest.raises(DamagedError, match="ends at entry 3, but entry 5 was seen here"):
        client.status("iris")


def test_a_server_that_goes_back_is_refused_by_the_next_process(
    evil: LyingServer, tmp_path: Path
) -> None:
    assert opened(evil).history("iris")[-1].seq == 5
    cut = tmp_path / "cut"
    holdfast.open(evil.store).backup(holdfast.open(cut))
    for number in (4, 5):
        (cut / f"models/iris/journal/{number:010d}.json").unlink()
    (cut / "models/iris/active_version.json").unlink()
    evil.store = cut

    with pytest.raises(DamagedError, match="ends at entry 3, but entry 5 was seen here"):
        opened(evil).status("iris")


def test_it_is_refused_too_where_the_entries_themselves_were_forgotten(evil: LyingServer) -> None:
    assert opened(evil).history("iris")[-1].seq == 5
    for kind in (Path.home() / ".cache" / "holdfast-checked").glob("server-journals-*"):
        private_cache.clear(kind.name)
    evil.lie = as_of(evil, 4)

    with pytest.raises(DamagedError, match="ends at entry 4, but entry 5 was seen here"):
        opened(evil).status("iris")


def test_a_history_that_was_rewritten_is_refused(evil: LyingServer) -> None:
    assert opened(evil).history("iris")[-1].seq == 5
    for kind in (Path.home() / ".cache" / "holdfast-checked").glob("server-journals-*"):
        private_cache.clear(kind.name)

    def rewritten(sent: Sent) -> Sent:
        lines = sent.lines
        lines[4] = resealed(lines[4], by="eve")
        return sent.with_entries(
            [*lines, resealed(lines[4], seq=6, prev=entries.digest(lines[4]))], 6
        )

    evil.lie = about_journal(rewritten)
    with pytest.raises(DamagedError, match="has another entry 5 than was seen here"):
        opened(evil).status("iris")


def test_a_model_that_was_seen_and_is_hidden_is_no_model_that_never_was(evil: LyingServer) -> None:
    client = opened(evil)
    assert client.history("iris")[-1].seq == 5
    hidden = problem(404, "not_found", "model iris not found")
    evil.lie = lambda asked, sent: hidden if asked.path.endswith(":journal") else sent

    for again in (client, opened(evil)):
        with pytest.raises(DamagedError, match="is not shown any more, but entry 5 was seen here"):
            again.status("iris")


def test_a_pinned_head_is_held_against_a_server_never_seen_before(evil: LyingServer) -> None:
    head = holdfast.open(evil.store).heads("iris")[0]
    evil.lie = as_of(evil, 3)

    assert opened(evil).history("iris")[-1].seq == 3  # an old state shown to a new client
    with pytest.raises(DamagedError):
        opened(evil, pins={"iris": str(head)}).status("iris")


def test_a_forged_entry_is_refused_where_signatures_are_demanded(
    evil: LyingServer, tmp_path: Path
) -> None:
    keys = signing.create("ana", tmp_path)
    owner = holdfast.open(evil.store, by="ana", signing_key=keys.private)
    policy = replace_policy(owner.policy("iris"), signing.public(keys.public))
    owner.set_policy("iris", policy, reason="sign what serves")
    assert opened(evil).history("iris")[-1].seq == 6

    def forged(sent: Sent) -> Sent:
        raws = [
            path.read_bytes() for path in sorted(evil.store.glob("models/iris/journal/0*.json"))
        ]
        stamp = Stamp(datetime.now(UTC), "ana", "f" * 32)
        at = entries.next_time(stamp.at, json.loads(raws[-1])["at"])
        event = Promoted(version="1.0.0", was="1.1.0", forced=True, refused=("x",))
        raw, _ = entries.write("iris", 7, entries.digest(raws[-1]), at, stamp, event)
        return sent.with_entries([*sent.lines, raw], 7)

    evil.lie = about_journal_always(forged)
    with pytest.raises(DamagedError, match="sign"):
        opened(evil).status("iris")

    evil.lie = lambda _asked, sent: sent
    assert opened(evil).history("iris")[-1].seq == 6


def about_journal_always(change: Any) -> Any:
    """Lie about the journal, also where nothing is new."""

    def lie(asked: Asked, sent: Sent) -> Sent:
        if not asked.path.endswith(":journal"):
            return sent
        return change(replace(sent, status=200)) if sent.status in (200, 304) else sent

    return lie


def replace_policy(policy: Any, signer: Any) -> Any:
    from msgspec.structs import replace as replaced

    return replaced(policy, signers={"ana": signer}, require_signature=True)


@pytest.mark.parametrize(
    "lie",
    [
        lambda sent: replace(sent, body=sent.body.replace(b"model 1", b"m0del 1")),
        lambda sent: replace(sent, body=sent.body[:-1]),
        lambda sent: replace(sent, body=sent.body + b"more"),
        lambda sent: replace(sent, body=b""),
    ],
    ids=["another byte", "too short", "too long", "empty"],
)
def test_a_wrong_blob_is_refused_and_not_kept(evil: LyingServer, lie: Any) -> None:
    def changed(asked: Asked, sent: Sent) -> Sent:
        is_model = ":blobs/" in asked.path and b"model 1" in sent.body
        return lie(sent) if is_model else sent

    evil.lie = changed
    with pytest.raises(DamagedError):
        opened(evil).fetch("iris@production")
    with pytest.raises(DamagedError):
        opened(evil).checkout("iris@production", "out")
    assert not opened(evil).verify().whole

    evil.lie = lambda _asked, sent: sent
    assert opened(evil).fetch("iris@production").paths["model"].read_text() == "model 1\n" * 9


def test_a_manifest_that_is_another_is_refused(evil: LyingServer) -> None:
    manifests = {
        info.version: info.digest.removeprefix("sha256:")
        for info in holdfast.open(evil.store).versions("iris")
    }
    other = (evil.store / "blobs/sha256" / manifests["1.0.0"]).read_bytes()

    def swapped(asked: Asked, sent: Sent) -> Sent:
        return replace(sent, body=other) if asked.path.endswith(manifests["1.1.0"]) else sent

    evil.lie = swapped
    with pytest.raises(DamagedError, match="has changed"):
        opened(evil).manifest("iris@1.1.0")


@pytest.mark.parametrize("path", ["/store", "/journals", ":journal", ":blobs/"])
def test_an_answer_without_end_is_left(
    evil: LyingServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (remote_journal, "_MOST_ANSWER"), (remote_names, "_MOST_LIST"),
        (remote_location, "_MOST_ANSWER"), (blobs, "MAX_BYTES"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 1 << 20)

    def endless(asked: Asked, sent: Sent) -> Sent:
        return replace(sent, endless=b" " * (1 << 16), headers={}) if path in asked.path else sent

    evil.lie = endless
    with pytest.raises(HoldfastError):
        _looked_at(evil)


def test_a_short_answer_that_unpacks_without_end_fills_no_memory(
    evil: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_names, "_MOST_LIST", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    packed = {"Content-Encoding": "gzip"}
    evil.lie = lambda _asked, sent: replace(sent, body=bomb, headers=packed)
    tracemalloc.start()
    try:
        with pytest.raises(HoldfastError):
            _looked_at(evil)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 24 << 20


def _looked_at(evil: LyingServer) -> None:
    client = opened(evil)
    client._session.models()
    client.manifest("iris@production")


def test_a_model_without_end_is_not_hashed_for_ever(evil: LyingServer) -> None:
    def endless(asked: Asked, sent: Sent) -> Sent:
        is_model = ":blobs/" in asked.path and b"model 1" in sent.body
        return replace(sent, endless=b"x" * (1 << 16), headers={}) if is_model else sent

    evil.lie = endless
    assert not opened(evil).verify().whole
    with pytest.raises(DamagedError):
        opened(evil).fetch("iris@production")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_carries_no_token_away(
    evil: LyingServer, status: int
) -> None:
    with lying(evil.store) as other:
        evil.lie = lambda asked, _sent: Sent(
            status, headers={"Location": f"{other.url}/api/v1{asked.path}"}
        )

        with pytest.raises(StoreError, match="redirect") as refusal:
            opened(evil).models()

        assert not other.asked
        assert TOKEN not in str(refusal.value)


def _pointing(evil: LyingServer, other: LyingServer) -> None:
    """Have a server point downloads to another, once the client says that it follows."""

    def point(asked: Asked, sent: Sent) -> Sent:
        if ":blobs/" in asked.path and asked.headers.get("holdfast-redirect") == "follow":
            return Sent(307, headers={"Location": f"{other.url}/api/v1{asked.path}?key=k3y"})
        return sent

    evil.lie = point


def test_a_download_that_is_pointed_elsewhere_goes_there_without_the_token(
    evil: LyingServer,
) -> None:
    with lying(evil.store) as other:
        other.lie = lambda asked, _sent: other._blob(asked.path[-64:], asked)
        _pointing(evil, other)
        assert opened(evil).verify().whole

    assert other.asked
    told = {name for asked in other.asked for name in asked.headers}
    assert told <= {"host", "accept-encoding", "user-agent", "range"}
    assert TOKEN not in str([(asked.path, asked.headers) for asked in other.asked])


def test_bytes_from_elsewhere_that_are_others_are_refused(evil: LyingServer) -> None:
    with lying(evil.store) as other:
        other.lie = lambda _asked, _sent: Sent(200, b"other bytes")
        _pointing(evil, other)
        with pytest.raises(DamagedError):
            opened(evil).fetch("iris@production")


def test_bytes_from_elsewhere_without_end_end(evil: LyingServer) -> None:
    with lying(evil.store) as other:
        other.lie = lambda _asked, _sent: Sent(200, b"model", endless=b"x" * (1 << 16))
        _pointing(evil, other)
        with pytest.raises(DamagedError):
            opened(evil).fetch("iris@production")


@pytest.mark.parametrize(
    "answer",
    [
        Sent(403, b"expired"),
        Sent(404, b"gone"),
        Sent(500),
        Sent(204),
        Sent(307, headers={"Location": "http://127.0.0.1:9/x"}),
        None,
    ],
)
def test_what_is_not_to_be_had_elsewhere_is_sent_by_the_server(
    evil: LyingServer, answer: Sent | None
) -> None:
    with lying(evil.store) as other:
        other.lie = lambda _asked, _sent: answer
        _pointing(evil, other)
        client = opened(evil)
        client.fetch("iris@production")
        assert client.verify().whole

        assert len(other.asked) == 1  # and it is not tried again for a while


def test_a_download_from_https_is_not_pointed_to_http(
    evil: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with lying(evil.store) as other:
        _pointing(evil, other)
        with running(evil, context) as url:
            assert holdfast.open(url).verify().whole

        assert not other.asked


def test_a_redirect_from_https_to_http_is_not_followed_either(
    evil: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    evil.lie = lambda asked, _sent: Sent(302, headers={"Location": f"{evil.url}{asked.path}"})
    with running(evil, context) as url, pytest.raises(StoreError, match="redirect"):
        holdfast.open(url).models()

    assert len(evil.asked) == 1
    assert evil.asked[0].headers["authorization"] == f"Bearer {TOKEN}"  # by https alone


def test_a_server_without_a_trusted_certificate_gets_no_token(
    evil: LyingServer, tmp_path: Path
) -> None:
    _, context = certificate(tmp_path)
    with running(evil, context) as url, pytest.raises(StoreError, match="no trusted certificate"):
        holdfast.open(url).models()

    assert not evil.asked


def test_http_to_another_machine_is_refused_before_a_token_is_sent() -> None:
    with pytest.raises(InvalidInputError, match="lets anyone on the way read the token"):
        holdfast.open("http://registry.example.com")


@pytest.mark.parametrize(
    "said",
    ["\x1b[2J\x1b]0;owned\x07", "a\nb\rc", "x" * 100_000],
    ids=["escapes", "lines", "very long"],
)
def test_what_a_server_says_is_shown_in_one_line_of_bounded_length(
    evil: LyingServer, said: str
) -> None:
    evil.lie = lambda _asked, _sent: problem(403, "nothing-known", said)

    with pytest.raises(HoldfastError) as refusal:
        opened(evil).models()

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 3_000


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{" * 99_999, b'{"id":1,"id":2}', b"\xff", b"<html>"],
    ids=["empty", "null", "a list", "too deep", "a key twice", "no text", "a page"],
)
def test_an_answer_that_is_none_is_refused(evil: LyingServer, body: bytes) -> None:
    evil.lie = lambda _asked, _sent: Sent(200, body)

    with pytest.raises(StoreError, match="does not answer as a Holdfast server"):
        opened(evil).models()


def test_a_download_that_breaks_off_goes_on_where_it_stood(evil: LyingServer) -> None:
    big = Path("big.bin")
    big.write_bytes(bytes(range(256)) * 4096)
    holdfast.open(evil.store).register("big", big)

    def cut(asked: Asked, sent: Sent) -> Sent:
        if ":blobs/" not in asked.path or len(sent.body) < 300_000:
            return sent
        whole = str(len(sent.body))
        return replace(sent, headers=sent.headers | {"Content-Length": whole}, cut=300_000)

    evil.lie = cut
    path = opened(evil).fetch("big@latest").paths["model"]

    assert path.read_bytes() == big.read_bytes()
    ranges = [asked.headers.get("range") for asked in evil.asked if ":blobs/" in asked.path]
    assert sum(text is not None for text in ranges) >= 2


def test_a_download_that_never_goes_on_is_given_up(evil: LyingServer) -> None:
    def cut(asked: Asked, sent: Sent) -> Sent:
        if ":blobs/" not in asked.path:
            return sent
        return replace(sent, headers=sent.headers | {"Content-Length": "999"}, cut=0)

    evil.lie = cut
    with pytest.raises(StoreError, match="broke the connection"):
        opened(evil).manifest("iris@production")


def test_a_server_that_sends_the_beginning_again_is_understood(evil: LyingServer) -> None:
    big = Path("big.bin")
    big.write_bytes(bytes(range(256)) * 4096)
    holdfast.open(evil.store).register("big", big)

    def whole_again(asked: Asked, sent: Sent) -> Sent:
        if ":blobs/" not in asked.path or len(sent.body) < 300_000:
            return sent
        if asked.headers.get("range"):
            return Sent(200, big.read_bytes())
        return replace(sent, headers={"Content-Length": str(len(sent.body))}, cut=300_000)

    evil.lie = whole_again
    path = opened(evil).fetch("big@latest").paths["model"]

    assert path.read_bytes() == big.read_bytes()


# What is written is read back


def writes(evil: LyingServer, deed: Any) -> None:
    """Let the server answer verbs by what *deed* does in its folder."""

    def lie(asked: Asked, sent: Sent) -> Sent | None:
        if asked.method != "POST":
            return sent
        written: Sent | None = deed(asked)
        return written

    evil.lie = lie


def entry_of(store: Path) -> dict[str, Any]:
    head = holdfast.open(store).heads("iris")[0]
    raw = (store / f"models/iris/journal/{head.seq:010d}.json").read_bytes()
    return {"seq": head.seq, "head": head.sha256, "commit": json.loads(raw)["commit"]}


def test_an_entry_that_was_not_written_is_missed(evil: LyingServer) -> None:
    moved = {
        "model": "iris", "version": "1.0.0", "was": "1.1.0", "changed": True, "note": "promoted",
    }  # fmt: skip
    writes(
        evil,
        lambda _asked: document(
            {"result": moved, "entry": {"seq": 6, "head": "0" * 64, "commit": "1" * 32}}
        ),
    )

    with pytest.raises(DamagedError, match="says that entry 6 of iris is new, which it is not"):
        opened(evil).promote("iris@1.0.0", reason="back")


def test_an_answer_that_nothing_was_to_be_done_may_not_say_that_it_was(evil: LyingServer) -> None:
    moved = {"model": "iris", "version": "1.0.0", "was": None, "changed": True, "note": "done"}
    writes(evil, lambda _asked: document({"result": moved, "entry": None}))

    with pytest.raises(DamagedError, match="says that it changed iris, but wrote no entry"):
        opened(evil).promote("iris@1.0.0", reason="back")


@pytest.mark.parametrize(
    ("deed", "by", "said"),
    [
        (lambda registry: registry.promote("iris@1.0.0", reason="back"), "eve", "in the name of"),
        (lambda registry: registry.stage("iris@1.0.0", reason="back"), "ana", "something else"),
        (lambda registry: registry.promote("iris@1.0.0", reason="no"), "ana", "another reason"),
        (
            lambda registry: registry.promote("iris@1.0.0", reason="back", force=True),
            "ana",
            None,
        ),
    ],
    ids=["another author", "another deed", "another reason", "as asked"],
)
def test_an_entry_of_another_kind_is_noticed(
    evil: LyingServer, deed: Any, by: str, said: str | None
) -> None:
    def written(_asked: Asked) -> Sent:
        deed(holdfast.open(evil.store, by=by))
        return document({"result": None, "entry": entry_of(evil.store)})

    writes(evil, written)
    client = opened(evil)
    if said is None:
        assert client.promote("iris@1.0.0", reason="back").version == "1.0.0"
        return
    with pytest.raises(DamagedError, match=said):
        client.promote("iris@1.0.0", reason="back")


def test_a_version_that_was_not_asked_for_is_noticed(evil: LyingServer) -> None:
    def written(_asked: Asked) -> Sent:
        holdfast.open(evil.store, by="ana").alias("iris@1.1.0", "tested", reason="try")
        return document({"result": None, "entry": entry_of(evil.store)})

    writes(evil, written)
    with pytest.raises(DamagedError, match="with another version"):
        opened(evil).alias("iris@1.0.0", "tested", reason="try")


def test_a_lost_answer_is_asked_for_again_under_the_same_key(evil: LyingServer) -> None:
    keys: list[str] = []

    def written(asked: Asked) -> Sent | None:
        keys.append(asked.headers["idempotency-key"])
        holdfast.open(evil.store, by="ana").promote(
            "iris@1.0.0", reason="back", idempotency_key=f"u1:{keys[-1]}"
        )
        if len(keys) == 1:
            return None  # done, and nobody is told
        return document({"result": None, "entry": None})

    writes(evil, written)
    done = opened(evil).promote("iris@1.0.0", reason="back")

    assert (done.version, done.was, done.changed) == ("1.0.0", "1.1.0", True)
    assert len(set(keys)) == 1
    assert len(keys) == 2
    assert len(holdfast.open(evil.store).history("iris")) == 6


def test_where_every_answer_is_lost_the_journal_tells(evil: LyingServer) -> None:
    def written(asked: Asked) -> Sent | None:
        key = f"u1:{asked.headers['idempotency-key']}"
        registry = holdfast.open(evil.store, by="ana")
        registry.promote("iris@1.0.0", reason="back", idempotency_key=key)
        return None

    writes(evil, written)
    done = opened(evil).promote("iris@1.0.0", reason="back")

    assert (done.version, done.changed) == ("1.0.0", True)


def test_where_nothing_tells_the_outcome_is_unknown(evil: LyingServer) -> None:
    writes(evil, lambda _asked: None)

    with pytest.raises(holdfast.errors.OutcomeUnknownError, match="its outcome is unknown"):
        opened(evil).promote("iris@1.0.0", reason="back")


def test_a_refusal_is_the_error_that_it_was(evil: LyingServer) -> None:
    refusal = problem(
        409, "refused", "production refused iris@1.0.0: auc fell",
        subject="iris@1.0.0", by="production", reasons=["auc fell"],
    )  # fmt: skip
    writes(evil, lambda _asked: refusal)

    with pytest.raises(holdfast.errors.RefusedError, match="auc fell") as raised:
        opened(evil).promote("iris@1.0.0", reason="back")

    assert raised.value.reasons == ("auc fell",)


def test_a_token_is_shown_nowhere(evil: LyingServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    evil.lie = lambda _asked, _sent: problem(500, "store", "the disk is full")

    with pytest.raises(HoldfastError) as refusal:
        opened(evil).models()

    assert TOKEN not in repr(refusal.value)
    assert TOKEN not in caplog.text
    assert all(TOKEN not in json.dumps(asked.query) + asked.path for asked in evil.asked)
    assert evil.asked


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_READ_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,
        pytest.raises(StoreError, match="did not answer in time"),
    ):
        holdfast.open(f"http://127.0.0.1:{deaf.getsockname()[1]}").models()


def wanting(evil: LyingServer, event: Any, **fields: Any) -> Any:
    """Have a server want an entry signed that says other than was asked."""
    raws = [path.read_bytes() for path in sorted(evil.store.glob("models/iris/journal/0*.json"))]
    stamp = Stamp(datetime.now(UTC), fields.pop("by", "ana"), "f" * 32, fields.pop("reason", "go"))
    at = entries.next_time(stamp.at, json.loads(raws[-1])["at"])
    raw, _ = entries.write("iris", 6, entries.digest(raws[-1]), at, stamp, event)
    message = raw[: raw.rindex(b',"sum"')]
    return document({"bytes": base64.b64encode(message).decode(), "result": None})


@pytest.mark.parametrize(
    ("event", "fields", "said"),
    [
        (Promoted(version="1.1.0", was=None), {}, "with another version"),
        (Promoted(version="1.0.0", was="1.1.0", forced=True), {}, "with another forced"),
        (Noted(version="1.0.0", text="x"), {}, "something else than promote"),
        (Promoted(version="1.0.0", was="1.1.0"), {"by": "eve"}, "in the name of eve"),
        (Promoted(version="1.0.0", was="1.1.0"), {"reason": "mine"}, "with another reason"),
    ],
    ids=["version", "force", "deed", "author", "reason"],
)
def test_nothing_else_is_signed_than_what_was_asked(
    evil: LyingServer, tmp_path: Path, event: Any, fields: dict[str, Any], said: str
) -> None:
    keys = signing.create("ana", tmp_path)
    asked: list[str] = []

    def deed(request: Asked) -> Sent:
        asked.append(request.path)
        return wanting(evil, event, **fields)  # type: ignore[no-any-return]

    writes(evil, deed)
    with pytest.raises(DamagedError, match=said):
        opened(evil, signing_key=keys.private).promote("iris@1.0.0", reason="go")

    assert asked == ["/models/iris:prepare"]


@pytest.mark.parametrize("text", ["?", "aGVsbG8=", 5], ids=["no base64", "no entry", "a number"])
def test_what_is_no_entry_is_not_signed(evil: LyingServer, tmp_path: Path, text: Any) -> None:
    keys = signing.create("ana", tmp_path)
    writes(evil, lambda _asked: document({"bytes": text, "result": None}))

    with pytest.raises((StoreError, ConflictError)):
        opened(evil, signing_key=keys.private).promote("iris@1.0.0", reason="go")


def test_an_entry_without_the_signature_made_for_it_is_noticed(
    evil: LyingServer, tmp_path: Path
) -> None:
    keys = signing.create("ana", tmp_path)

    def deed(request: Asked) -> Sent:
        if request.path.endswith(":prepare"):
            return wanting(evil, Promoted(version="1.0.0", was="1.1.0"))  # type: ignore[no-any-return]
        holdfast.open(evil.store, by="ana").promote("iris@1.0.0", reason="go")
        return document({"result": None, "entry": entry_of(evil.store)})

    writes(evil, deed)
    with pytest.raises(DamagedError, match="without its signature"):
        opened(evil, signing_key=keys.private).promote("iris@1.0.0", reason="go")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (None, "without its manifest"),
        ("?", "without its manifest"),
        ("e30=", "of another manifest than it sent"),
        ("another", "with another metrics"),
    ],
)
def test_no_registration_is_signed_but_of_what_was_sent(
    evil: LyingServer, tmp_path: Path, sent: str | None, said: str
) -> None:
    """What is signed names a digest; the manifest behind it must be the caller's own."""
    keys = signing.create("ana", tmp_path)
    asked: list[str] = []

    def lie(request: Asked, told: Sent) -> Sent:
        if request.method == "PUT":
            sha256 = request.path.rpartition("/")[2]
            return document({"sha256": sha256, "size_bytes": len(request.body)})
        if request.path.endswith((":prepare", ":commit")):
            asked.append(request.path)
            return another(evil, json.loads(request.body), sent)
        return told

    evil.lie = lie
    (tmp_path / "new.txt").write_text("new")
    with pytest.raises(DamagedError, match=said):
        opened(evil, signing_key=keys.private).register("iris", tmp_path / "new.txt", reason="go")

    assert asked == ["/models/iris:prepare"]


@pytest.mark.parametrize(
    ("field", "value"), [("registered_by", "mallory"), ("version", "9.9.9"), ("number", 77)]
)
def test_no_manifest_is_signed_that_says_other_than_its_entry(
    evil: LyingServer, tmp_path: Path, field: str, value: object
) -> None:
    """Who registered it is in the manifest for ever, and its digest is what the caller signs."""
    keys = signing.create("ana", tmp_path)
    asked: list[str] = []

    def lie(request: Asked, told: Sent) -> Sent:
        if request.method == "PUT":
            sha256 = request.path.rpartition("/")[2]
            return document({"sha256": sha256, "size_bytes": len(request.body)})
        if request.path.endswith((":prepare", ":commit")):
            asked.append(request.path)
            return another(evil, json.loads(request.body), "another", **{field: value})
        return told

    evil.lie = lie
    (tmp_path / "new.txt").write_text("new")
    with pytest.raises(DamagedError, match=f"with another {field}"):
        opened(evil, signing_key=keys.private).register(
            "iris", tmp_path / "new.txt", metrics={"auc": 1.0}, reason="go"
        )

    assert asked == ["/models/iris:prepare"]


def another(evil: LyingServer, body: dict[str, Any], sent: str | None, **changed: object) -> Sent:
    """Prepare a registration whose manifest says more than the draft."""
    decided = {"version": "1.2.0", "number": 3, "registered_at": "", "registered_by": "ana"}
    draft = {**body["arguments"]["draft"], **decided, "scan": {}, "metrics": {"auc": 1.0}}
    draft |= changed
    manifest = manifests.encode(msgspec.convert(draft, manifests.Manifest))
    event = Registered(
        version="1.2.0", number=3, manifest=manifests.digest_of(manifest), size_bytes=3,
        metrics={"auc": 1.0}, why="first",
    )  # fmt: skip
    prepared = json.loads(wanting(evil, event).body)
    text = base64.b64encode(manifest).decode() if sent == "another" else sent
    return document(prepared if text is None else {**prepared, "manifest": text})
