"""A team's server behind nginx and Caddy themselves, with the configurations of `deploy/`."""

import contextlib
import hashlib
import http.client
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.test_web import certificate
from tests.servers.running import free_port
from tests.serving.facing import until
from tests.web.facing import Served, register
from tests.web.teams import Team

ROOT = Path(__file__).parent.parent.parent
HOST = "models.example.com"
NETWORK = "127.0.0.0/8"
STRANGER = "203.0.113.9"

Proxy = tuple[int, ssl.SSLContext | None]
Run = Callable[[Path, int], contextlib.AbstractContextManager[Proxy]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    team = Team(tmp_path)
    register(team.registry, tmp_path, "risk/iris")
    with team.served(proxies=(NETWORK,), host_names=(HOST,), secure=True) as served:
        yield served


@contextlib.contextmanager
def nginx(folder: Path, web: int) -> Iterator[Proxy]:
    """Run it; it returns to its caller once it listens."""
    program = shutil.which("nginx") or pytest.skip("nginx is not installed")
    certificate(folder)
    port = free_port()
    site = (ROOT / "deploy" / "nginx" / "holdfast.conf").read_text()
    for pattern, text in (
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("/etc/ssl/holdfast/models.", f"{folder}/tls."),
        ("127.0.0.1:8090", f"127.0.0.1:{web}"),
    ):
        assert pattern in site
        site = site.replace(pattern, text)
    user = "user root;" if os.geteuid() == 0 else ""
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    written = folder / "nginx.conf"
    written.write_text(
        f"{user} pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;"
        f"events {{}} http {{ access_log off; {paths} {site} }}"
    )
    command = [program, "-e", f"{folder}/error.log", "-c", str(written)]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "[warn]" not in tried.stderr
    subprocess.run(command, check=True)
    try:
        context = ssl.create_default_context(cafile=folder / "tls.crt")
        yield port, context
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@contextlib.contextmanager
def caddy(folder: Path, web: int) -> Iterator[Proxy]:
    """Run it without TLS, for which it would ask a certificate authority."""
    program = shutil.which("caddy") or pytest.skip("caddy is not installed")
    port = free_port()
    admin = f"unix/{folder}/admin.sock"
    written = folder / "Caddyfile"
    site = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    written.write_text(f"{{\n\tadmin {admin}\n\tauto_https off\n}}\n{site}")
    environment = os.environ | {
        "HOLDFAST_HOST_NAME": f"http://{HOST}:{port}",
        "HOLDFAST_WEB": f"127.0.0.1:{web}",
        "HOME": str(folder),
    }
    options = ("--config", str(written), "--adapter", "caddyfile")
    subprocess.run(
        [program, "start", *options],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port, None
    finally:
        stop = [program, "stop", "--address", admin]
        subprocess.run(stop, env=environment, check=True, capture_output=True)


def connection(proxy: Proxy) -> http.client.HTTPConnection:
    port, context = proxy
    if context is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)


def ask(
    proxy: Proxy, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    with contextlib.closing(connection(proxy)) as line:
        line.request(method, path, body, {"Host": HOST} | named)
        answer = line.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("run", [nginx, caddy])
def test_requests_reach_the_server_as_they_were_sent(
    run: Run, served: Served, tmp_path: Path
) -> None:
    bearer = f"Bearer {served.token}"
    content = os.urandom(3 << 20)  # more than nginx takes unless it is told to
    blob = f"/api/v1/blobs/{hashlib.sha256(content).hexdigest()}"
    with run(tmp_path, served.port) as proxy:
        for path in ("risk%2Firis", "risk/iris", "risk%252Firis", "risk//iris", "risk/x/../iris"):
            direct = served.get(f"/models/{path}")
            passed_on = ask(proxy, "GET", f"/api/v1/models/{path}", authorization=bearer)
            assert passed_on[0] == direct.status
        assert ask(proxy, "PUT", blob, content, authorization=bearer)[0] == 201
        assert ask(proxy, "GET", "/livez")[0] == 200


@pytest.mark.parametrize("run", [nginx, caddy])
def test_events_go_out_when_they_happen(run: Run, served: Served, tmp_path: Path) -> None:
    named = {"Host": HOST, "Authorization": f"Bearer {served.token}"}
    followers = served.app.desk.followers
    with run(tmp_path, served.port) as proxy:
        with contextlib.closing(connection(proxy)) as line:
            line.request("GET", "/api/v1/models/risk/iris:events", headers=named)
            with line.getresponse() as answer:
                assert answer.readline() == b"retry: 2000\n"
                served.post("/models/risk/iris:promote", {"version": "1.0.0", "reason": "first"})
                lines = [answer.readline() for _ in range(4)]
            assert followers.watchers == 1
        until(lambda: followers.watchers == 0)  # the proxy lets go of whom nobody watches for

    assert b"event: promoted\n" in lines


@pytest.mark.parametrize("run", [nginx, caddy])
def test_nobody_says_which_address_they_come_from(run: Run, served: Served, tmp_path: Path) -> None:
    wrong = "Bearer hft_p_" + "A" * 49
    with run(tmp_path, served.port) as proxy:
        assert ask(proxy, "GET", "/api/v1/whoami", authorization=wrong, x_forwarded_for=STRANGER)[
            0
        ] in (401, 429)
    served.app.desk.guard.flush()
    addresses = {item["address"] for item in served.get("/access/log").json["items"]}

    assert addresses == {"127.0.0.1"}
    assert ask((served.port, None), "GET", "/api/v1/whoami", authorization=wrong)[0] == 401


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (f"{STRANGER}:4711", STRANGER),
        ("[2001:db8::7]:443", "2001:db8::7"),
        (f"198.51.100.1, {STRANGER}", STRANGER),  # what the client itself wrote stands first
        (f"198.51.100.1, {STRANGER}:1, 127.0.0.9", STRANGER),
    ],
)
def test_one_client_has_one_address(served: Served, forwarded: str, address: str) -> None:
    """Failed sign-ins are counted by address: a port or a made-up one must not make another."""
    wrong = "Bearer hft_p_" + "A" * 49
    direct = (served.port, None)
    ask(direct, "GET", "/api/v1/whoami", authorization=wrong, x_forwarded_for=forwarded)
    served.app.desk.guard.flush()

    assert {item["address"] for item in served.get("/access/log").json["items"]} == {address}


def test_a_network_of_proxies_is_believed(served: Served) -> None:
    """In a cluster a proxy's address changes; `--behind-proxy` takes the network it comes from."""
    wrong = "Bearer hft_p_" + "A" * 49
    direct = (served.port, None)
    ask(direct, "GET", "/api/v1/whoami", authorization=wrong, x_forwarded_for=STRANGER)
    served.app.desk.guard.flush()
    addresses = {item["address"] for item in served.get("/access/log").json["items"]}

    assert addresses == {STRANGER}
