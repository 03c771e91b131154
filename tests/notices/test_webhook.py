"""A webhook: what is sent, how it is signed, and what each answer means."""

import hashlib
import hmac
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.notices.receiver import Receiver, listening

from holdfast.notices import webhook
from holdfast.notices.targets import Target
from holdfast.notices.webhook import Failure

BODY = b'{"id":"iris/42"}'


def send(url: str, secret: str | None = None, timeout_s: float = 5.0) -> Failure | None:
    return webhook.send(Target("ops", "webhook", url, secret), "iris/42", BODY, timeout_s)


def test_the_body_is_posted_as_a_cloud_event_to_path_and_query(receiver: Receiver) -> None:
    assert send(receiver.url) is None

    (post,) = receiver.posts
    assert (post.path, post.body) == ("/hook?team=ml", BODY)
    assert post.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert post.headers["X-Holdfast-Id"] == "iris/42"
    assert "X-Holdfast-Signature" not in post.headers


def test_a_receiver_can_tell_who_signed_it_and_when(receiver: Receiver) -> None:
    send(receiver.url, secret="s3cret")

    headers = receiver.posts[0].headers
    stamp = headers["X-Holdfast-Timestamp"]
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert headers["X-Holdfast-Signature"] == f"sha256={expected}"
    assert abs(time.time() - int(stamp)) < 60


def test_the_signature_does_not_change_from_release_to_release() -> None:
    assert webhook.signature("s3cret", "1700000000", b"{}") == (
        "sha256=97926816e98fbb41ccb1673225ff29a2f35369099990e1b1561651e7bd097ebf"
    )


def test_an_id_of_other_letters_is_sent_in_plain_ones(receiver: Receiver) -> None:
    target = Target("ops", "webhook", receiver.url)

    assert webhook.send(target, "blüte\n/42", BODY, 5.0) is None
    assert receiver.posts[0].headers["X-Holdfast-Id"] == "bl\\xfcte\\n/42"


@pytest.mark.parametrize(
    ("status", "lasting"),
    [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)],
)
def test_an_answer_that_is_no_success_is_a_failure(
    receiver: Receiver, status: int, *, lasting: bool
) -> None:
    receiver.usual = status

    assert send(receiver.url) == Failure(f"http://127.0.0.1 answers {status}", lasting=lasting)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with listening() as elsewhere:
        receiver.usual, receiver.location = 307, elsewhere.url

        failed = send(receiver.url, secret="s3cret")

        assert elsewhere.posts == []
    assert failed is not None
    assert "answers 307 and redirects" in failed.problem


def test_whoever_does_not_answer_in_time_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        failed = send(f"http://127.0.0.1:{port}/", timeout_s=0.05)

    assert failed == Failure("http://127.0.0.1 does not answer: TimeoutError")


def test_whoever_answers_something_else_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        failed = send(f"http://127.0.0.1:{odd.getsockname()[1]}/")
        thread.join()

    assert failed == Failure("http://127.0.0.1 does not answer: BadStatusLine")


def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path: Path) -> None:
    made = subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost "
        "-days 1 -keyout key.pem -out cert.pem".split(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl is not installed")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request)
    thread.start()

    failed = send(f"https://127.0.0.1:{server.server_port}/secret-path")

    thread.join()
    server.server_close()
    assert failed is not None
    assert failed.problem.startswith("https://127.0.0.1 does not answer: [SSL: CERTIFICATE_VERIFY")
