"""Tokens on this machine: whose they are, who can read them, and what is never shown."""

import os
import stat
from pathlib import Path

import pytest

from holdfast.errors import InvalidInputError, StoreError
from holdfast.store.remote import server_credentials
from holdfast.store.remote.server_address import parse

HERE = parse("https://models.example.com")
THERE = parse("https://models.example.com:8443")
SECRET = "hft_p_0123456789abcdef"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
    return tmp_path


def test_a_token_is_kept_for_its_server_alone() -> None:
    server_credentials.keep(HERE, SECRET)
    server_credentials.keep(THERE, "hft_p_another-secret")

    assert server_credentials.token_for(HERE) == SECRET
    assert server_credentials.token_for(THERE) == "hft_p_another-secret"
    assert server_credentials.token_for(parse("http://localhost")) is None


def test_the_file_is_for_nobody_else() -> None:
    before = os.umask(0)
    try:
        path = server_credentials.keep(HERE, SECRET)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["credentials.toml"]


def test_a_token_is_replaced_and_forgotten() -> None:
    server_credentials.keep(HERE, SECRET)
    server_credentials.keep(HERE, "hft_p_second-secret")
    assert server_credentials.token_for(HERE) == "hft_p_second-secret"

    assert server_credentials.forget(HERE)
    assert not server_credentials.forget(HERE)
    assert server_credentials.token_for(HERE) is None


def test_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    server_credentials.keep(HERE, SECRET)
    monkeypatch.setenv("HOLDFAST_TOKEN", " hft_p_of-the-environment\n")

    assert server_credentials.token_for(HERE) == "hft_p_of-the-environment"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    path = server_credentials.keep(HERE, SECRET)
    path.chmod(mode)

    for ask in (
        lambda: server_credentials.token_for(HERE),
        lambda: server_credentials.forget(HERE),
    ):
        with pytest.raises(StoreError, match="can be read by others") as refusal:
            ask()
        assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "text", [f'["https://models.example.com"]\ntoken = "{SECRET}', "[[", "\udcff", "a = 1\na = 2"]
)
def test_a_file_that_cannot_be_read_is_told_without_what_is_in_it(text: str) -> None:
    path = server_credentials.keep(HERE, SECRET)
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(StoreError, match="is not valid TOML") as refusal:
        server_credentials.token_for(HERE)

    assert SECRET not in repr(refusal.value.__context__) + str(refusal.value)


def test_a_pipe_in_its_place_keeps_nobody_waiting() -> None:
    path = server_credentials.keep(HERE, SECRET)
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(StoreError, match="cannot be read"):
        server_credentials.token_for(HERE)


@pytest.mark.parametrize(
    "token", ["", "short", "with space inside it", "line\nbreak-in-it", "höchst-geheim", 5, None]
)
def test_what_cannot_be_a_token_is_refused_and_not_shown(token: object) -> None:
    with pytest.raises(InvalidInputError, match="is not a token") as refusal:
        server_credentials.check(token, "token")

    assert not isinstance(token, str) or len(token) < 6 or token not in str(refusal.value)


def test_entries_that_nobody_could_use_are_dropped_when_it_is_written() -> None:
    path = server_credentials.keep(HERE, SECRET)
    path.write_text(f'{path.read_text()}\n["https://odd"]\nname = "x"\n\n[plain]\ntoken = 5\n')

    server_credentials.keep(THERE, "hft_p_another-secret")

    assert "odd" not in path.read_text()
    assert server_credentials.token_for(HERE) == SECRET


def test_a_link_to_the_file_stays_a_link(home: Path) -> None:
    path = server_credentials.keep(HERE, SECRET)
    kept = home / "kept.toml"
    path.rename(kept)
    path.symlink_to(kept)

    server_credentials.keep(HERE, "hft_p_second-secret")

    assert path.is_symlink()
    assert "second" in kept.read_text()
