"""A Unix socket is one server's, and nobody else's file is removed for it."""

import socket
import stat
from pathlib import Path

import pytest

from holdfast.errors import InvalidInputError
from holdfast.http.addresses import joined
from holdfast.http.unix_sockets import at_path


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_a_socket_has_its_mode_and_is_removed_at_the_end(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "s"
    with at_path(path, mode):
        mode_bits = path.lstat().st_mode

    assert stat.S_ISSOCK(mode_bits)
    assert stat.S_IMODE(mode_bits) == mode
    assert not path.exists()


def test_a_socket_that_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with at_path(path, 0o600), socket.socket(socket.AF_UNIX) as call:
        call.connect(str(path))


def test_a_socket_that_is_listened_on_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with at_path(path, 0o600):
        with pytest.raises(InvalidInputError, match="another server listens"), at_path(path, 0o600):
            pytest.fail("two servers at one path")

        assert path.exists()


def test_a_file_that_is_no_socket_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("notes")
    with pytest.raises(InvalidInputError, match="other than a socket"), at_path(path, 0o600):
        pytest.fail("a file was replaced")

    assert path.read_text() == "notes"


@pytest.mark.parametrize("name", ["missing/s", "s" * 200])
def test_a_path_where_none_can_be_is_refused(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(InvalidInputError, match="cannot be listened on"),
        at_path(tmp_path / name, 0o600),
    ):
        pytest.fail("it cannot be there")


def test_a_socket_that_another_server_put_there_since_is_left(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        with at_path(path, 0o600):
            path.rename(tmp_path / "moved")
            other.bind(str(path))

        assert path.exists()


def test_workers_accept_from_one_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        at_path(path, 0o600) as bound_socket,
        joined(bound_socket) as worker,
        socket.socket(socket.AF_UNIX) as call,
    ):
        call.connect(str(path))
        accepted, _ = worker.accept()
        accepted.close()
