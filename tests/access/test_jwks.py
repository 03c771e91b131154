"""Keys of providers: how they are fetched, how long they are kept, and what is refused."""

import contextlib
import json
import threading

import pytest
from tests.access.conftest import NOON
from tests.access.issuer import EC, RSA, Issuer, issuing

from holdfast.access import id_tokens
from holdfast.access.jwks import KeySets
from holdfast.access.provider_http import fetch
from holdfast.errors import BusyError, HoldfastError, InvalidInputError, UnauthenticatedError

DISCOVERY = "/.well-known/openid-configuration"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_sets(clock: Clock) -> KeySets:
    return KeySets(clock)


def test_keys_are_fetched_once_an_hour(issuer: Issuer, key_sets: KeySets, clock: Clock) -> None:
    for moment in (1000.0, 1001.0, 4599.0):
        clock.now = moment
        assert [key.kid for key in key_sets.keys(issuer.url, "1")] == ["1"]
    assert issuer.asked == [DISCOVERY, "/jwks"]
    clock.now = 4600.0
    key_sets.keys(issuer.url, None)

    assert issuer.asked == [DISCOVERY, "/jwks"] * 2


def test_an_unknown_key_has_them_fetched_again_once_a_minute(
    issuer: Issuer, key_sets: KeySets, clock: Clock
) -> None:
    key_sets.keys(issuer.url, "1")
    issuer.publish((RSA, {"kid": "1"}), (EC, {"kid": "2"}))
    assert key_sets.keys(issuer.url, "2") == []
    clock.now += 60
    assert [key.kid for key in key_sets.keys(issuer.url, "2")] == ["2"]
    for _ in range(5):
        key_sets.keys(issuer.url, "invented")

    assert len(issuer.asked) == 4


def test_a_flood_of_unknown_keys_at_an_issuer_that_is_down_asks_it_once_a_minute(
    issuer: Issuer, key_sets: KeySets, clock: Clock
) -> None:
    key_sets.keys(issuer.url, "1")
    issuer.answers.clear()
    clock.now += 61
    with pytest.raises(BusyError, match="answered 404"):
        key_sets.keys(issuer.url, "invented")
    assert key_sets.keys(issuer.url, "invented") == []
    assert [key.kid for key in key_sets.keys(issuer.url, "1")] == ["1"]

    assert len(issuer.asked) == 3


def test_a_key_without_an_id_that_came_later_is_found(
    issuer: Issuer, key_sets: KeySets, clock: Clock
) -> None:
    claims = {"iss": issuer.url, "sub": "7", "exp": NOON.timestamp() + 300}
    key_sets.keys(issuer.url, "1")
    issuer.publish((RSA, {"kid": "1"}), (EC, {}))
    with pytest.raises(UnauthenticatedError, match="signed by no key"):
        id_tokens.read(issuer.sign(claims, EC), issuer.url, key_sets, NOON)
    clock.now += 60

    assert id_tokens.read(issuer.sign(claims, EC), issuer.url, key_sets, NOON)


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((302, {"Location": "https://evil.example/"}, b""), "answered 302"),
        ((200, {}, b"x" * (64 * 1024 + 1)), "more than 65536 bytes"),
        ((200, {}, b"<html>"), "answered nonsense"),
        ((200, {}, b'{"keys": 5}'), "answered nonsense"),
        ((500, {}, b"{}"), "answered 500"),
    ],
)
def test_an_answer_that_is_not_keys_is_refused(
    issuer: Issuer, path: str, answer: tuple[int, dict[str, str], bytes], problem: str
) -> None:
    issuer.answers[path] = answer

    with pytest.raises(BusyError, match=problem):
        KeySets().keys(issuer.url, "1")


def test_an_issuer_that_calls_itself_otherwise_is_another(issuer: Issuer) -> None:
    issuer.discover(issuer="https://other.example")

    with pytest.raises(BusyError, match=r"calls itself 'https://other\.example'"):
        KeySets().discovery(issuer.url)


@pytest.mark.parametrize("uri", ["http://10.0.0.1/jwks", "file:///etc/passwd", "ftp://x/"])
def test_keys_come_over_https_or_from_this_machine(issuer: Issuer, uri: str) -> None:
    issuer.discover(jwks_uri=uri)

    with pytest.raises(InvalidInputError, match="must be https://"):
        KeySets().keys(issuer.url, None)


def test_nobody_who_answers_is_busy(issuer: Issuer) -> None:
    url = issuer.url
    with pytest.raises(InvalidInputError, match="must be https://"):
        KeySets().keys("http://id.example", None)
    closed = KeySets(get=lambda _url: json.dumps({"issuer": url}).encode())

    with pytest.raises(BusyError, match="answered nonsense"):
        closed.keys(url, None)


def test_a_port_without_a_server_is_busy() -> None:
    with issuing() as gone:
        url = gone.url

    with pytest.raises(BusyError, match="failed to answer: ConnectError"):
        KeySets().keys(url, None)


def test_an_issuer_that_never_answered_is_left_alone_for_a_while(
    issuer: Issuer, key_sets: KeySets, clock: Clock
) -> None:
    answers = dict(issuer.answers)
    issuer.answers.clear()
    for _ in range(3):
        with pytest.raises(BusyError):
            key_sets.keys(issuer.url, "1")
    assert len(issuer.asked) == 1

    issuer.answers.update(answers)
    clock.now += 10
    assert [key.kid for key in key_sets.keys(issuer.url, "1")] == ["1"]


def test_an_issuer_that_hangs_keeps_nobody_from_another(issuer: Issuer) -> None:
    hangs, go_on = threading.Event(), threading.Event()

    def get(url: str) -> bytes:
        if not url.startswith(issuer.url):
            hangs.set()
            assert go_on.wait(60)
        return fetch(url)

    key_sets = KeySets(get=get)

    def ask() -> None:
        with contextlib.suppress(HoldfastError):
            key_sets.keys("https://127.0.0.1:1", None)

    thread = threading.Thread(target=ask)
    thread.start()
    assert hangs.wait(60)
    assert [key.kid for key in key_sets.keys(issuer.url, "1")] == ["1"]
    go_on.set()
    thread.join(60)
