"""`holdfast web` as it is called: what it refuses before it listens, and what it says."""

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast
from tests.web.facing import register
from tests.web.teams import Team

from holdfast import open as open_registry
from holdfast import signing


@pytest.fixture
def local(holdfast: Holdfast, tmp_path: Path) -> Holdfast:
    """A store without people."""
    register(open_registry(tmp_path / "store"), tmp_path)
    return holdfast


@pytest.fixture
def team(holdfast: Holdfast, tmp_path: Path) -> Holdfast:
    """A store with people, and the key of its servers beside it."""
    Team(tmp_path)
    return holdfast


def test_it_says_what_it_would_do(local: Holdfast) -> None:
    done = local("web", "check", "--host-name", "Models.example", "--json")

    assert done.data == {
        "mode": "local",
        "host": "127.0.0.1",
        "port": 8090,
        "tls": False,
        "read_only": False,
        "anonymous_read": False,
        "host_names": ["models.example"],
        "behind_proxy": [],
        "log": None,
        "redirect": False,
        "warnings": [],
    }
    assert "host_names      –" in local("web", "check").out


def test_it_says_what_is_odd_about_a_teams_server(team: Holdfast) -> None:
    signing.create("other", Path())
    options = ("--host", "0.0.0.0", "--insecure-http", "--believe-key", "other.pub")
    done = team("web", "check", *options, "--json").data

    assert done["mode"] == "team"
    assert [warning.partition(" ")[0] for warning in done["warnings"]] == [
        "without",
        "--insecure-http:",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--host", "0.0.0.0"), "the store has no people yet"),
        (("--anonymous-read",), "--anonymous-read is for the server of a team"),
        (("--host-name", "a:80"), "--host-name 'a:80' is not a host name"),
        (("--tls-cert", "x"), "are needed together"),
        (("--tls-cert", "x", "--tls-key", "y"), "--tls-cert 'x' cannot be used"),
    ],
)
def test_what_is_not_safe_is_refused(
    local: Holdfast, options: tuple[str, ...], message: str
) -> None:
    done = local("web", "check", *options)

    assert done.status in (2, 4)
    assert message in done.err


def test_a_team_is_not_served_to_other_machines_in_the_clear(team: Holdfast) -> None:
    done = team("web", "check", "--host", "0.0.0.0")

    assert done.status == 4
    assert "tokens would cross the network in the clear" in done.err
    behind = team("web", "check", "--host", "0.0.0.0", "--behind-proxy", "10.0.0.2")
    assert behind.status == 0


def test_a_server_that_believes_no_key_does_not_start(team: Holdfast) -> None:
    done = team("web", "--port", "0")

    assert done.status == 2
    assert "is told no key to believe about people" in done.err


def test_a_place_without_a_store_is_not_served(holdfast: Holdfast) -> None:
    done = holdfast("web", "check")

    assert done.status == 7
    assert "is not a store yet" in done.err


def test_a_short_token_is_refused(local: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HOLDFAST_TOKEN", "short")
    done = local("web", "check")

    assert done.status == 2
    assert "HOLDFAST_TOKEN has 5 characters" in done.err


def certificate(folder: Path) -> None:
    """Write a certificate for this machine, good for a day, and its key."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "tls.key").write_bytes(private)


def test_it_speaks_tls_prints_its_link_once_and_keeps_it_out_of_the_log(tmp_path: Path) -> None:
    register(open_registry(tmp_path / "store"), tmp_path)
    certificate(tmp_path)
    command = [
        *(sys.executable, "-m", "holdfast", "web", "--port", "0", "--access-log", "json"),
        *("--tls-cert", "tls.crt", "--tls-key", "tls.key"),
    ]
    environment = {name: text for name, text in os.environ.items() if name != "HOLDFAST_TOKEN"}
    started = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stderr is not None
    lines: list[str] = []
    for line in started.stderr:
        lines.append(line.decode())
        if "HOLDFAST_TOKEN=" in lines[-1]:
            break
    (link,) = re.findall(r"https://\S+/login/\S+", "".join(lines))
    (token,) = re.findall(r"HOLDFAST_TOKEN=(\S+)", lines[-1])
    context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    page = urllib.request.urlopen(link, context=context).read()
    origin = link.partition("/login/")[0]
    asking = urllib.request.Request(
        f"{origin}/api/v1/whoami", headers={"Authorization": f"Bearer {token}"}
    )
    answer = urllib.request.urlopen(asking, context=context).read()
    started.send_signal(signal.SIGTERM)
    out, err = started.communicate(timeout=60)

    assert b"<button" in page
    assert b'"local":true' in answer
    assert started.returncode == 0
    secret = link.rpartition("/")[2]
    assert secret.encode() not in out + err
    assert b'"path":"/login/{link}"' in out
    assert token.encode() not in out + err
