"""`login` and `logout`: tokens checked with the server, and kept where nobody else reads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.lying import TOKEN, LyingServer, Sent, lying

import holdfast as library
from holdfast.cli import main
from holdfast.store.remote import http_client, server_credentials


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)
    (tmp_path / "m.txt").write_text("model")
    library.open("store", by="ana").register("iris", "m.txt")
    with lying(tmp_path / "store") as served:
        yield served


def run(capsys: Any, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def says(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_token_is_checked_kept_and_used(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, f"{TOKEN}\n")
    status, out, err = run(capsys, "login", served.url)
    assert (status, err) == (0, "")
    assert f"signed in to {served.url} as ana" in out
    assert TOKEN not in out

    status, out, _ = run(capsys, "ls", "--store", served.url)
    assert status == 0
    assert "iris" in out

    status, out, _ = run(capsys, "logout", served.url, "--json")
    assert json.loads(out)["data"] == {"server": served.url, "removed": True, "forgot": False}
    status, _, err = run(capsys, "ls", "--store", served.url)
    assert status == 11
    assert f"run `holdfast login {served.url}`" in err


def test_a_token_that_the_server_does_not_know_is_not_kept(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "hft_p_of-somebody-else")
    status, _, err = run(capsys, "login", served.url)

    assert status == 11
    assert "hft_p_of-somebody-else" not in err
    assert not server_credentials.path().exists()


def test_a_token_is_needed(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "\n")
    status, _, err = run(capsys, "login", served.url)

    assert status == 2
    assert "give it on standard input" in err


def test_the_environment_is_told_to_go_first(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", "hft_p_old-and-expired")
    says(monkeypatch, TOKEN)
    _, out, _ = run(capsys, "login", served.url)

    assert "HOLDFAST_TOKEN is set, and goes before it" in out


def test_a_server_put_back_is_used_again_once_it_was_forgotten(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", TOKEN)
    registry = library.open("store", by="ana")
    registry.note("iris@1.0.0", "second entry")
    assert run(capsys, "history", "iris", "--store", served.url)[0] == 0
    (served.store / "models/iris/journal/0000000002.json").unlink()

    status, _, err = run(capsys, "history", "iris", "--store", served.url)
    assert status == 6
    assert "holdfast logout --forget" in err

    assert run(capsys, "logout", served.url, "--forget")[0] == 0
    assert run(capsys, "history", "iris", "--store", served.url)[0] == 0


def test_something_that_is_no_server_is_told(
    served: LyingServer, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.lie = lambda _asked, _sent: Sent(200, b"<html>welcome</html>")
    says(monkeypatch, TOKEN)
    status, _, err = run(capsys, "login", served.url)

    assert status == 7
    assert "has given an answer that a Holdfast server does not give" in err
