"""An address is one server's, whatever the other asks for."""

import socket
from contextlib import closing

import pytest

from holdfast.errors import InvalidInputError
from holdfast.http.addresses import joined, listen, taken

HERE = "127.0.0.1"


def port_of(bound_socket: socket.socket) -> int:
    port: int = bound_socket.getsockname()[1]
    return port


@pytest.mark.parametrize("host", [HERE, "0.0.0.0", "localhost"])
def test_a_held_address_is_refused_before_anybody_listens(host: str) -> None:
    with (
        taken(HERE, 0) as bound_socket,
        pytest.raises(InvalidInputError, match="cannot be listened on"),
    ):
        taken(host, port_of(bound_socket))


def test_workers_share_an_address_that_stays_closed_to_others() -> None:
    with (
        taken(HERE, 0) as bound_socket,
        joined(bound_socket) as joined_socket,
        joined(bound_socket) as other,
    ):
        with pytest.raises(InvalidInputError, match="cannot be listened on"):
            taken(HERE, port_of(bound_socket))
        for worker in (joined_socket, other):
            listen(worker, 8)
        with pytest.raises(InvalidInputError, match="cannot be listened on"):
            taken(HERE, port_of(bound_socket))
        calls = [socket.create_connection((HERE, port_of(bound_socket))) for _ in range(4)]
        for call in calls:
            call.close()


def test_a_port_shared_by_other_programs_is_refused() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((HERE, 0))
        with pytest.raises(InvalidInputError, match="cannot be listened on"):
            taken(HERE, port_of(other))


@pytest.mark.parametrize("joins", [True, False])
def test_last_connections_of_a_server_do_not_keep_the_next_one_out(*, joins: bool) -> None:
    with taken(HERE, 0) as bound_socket:
        port = port_of(bound_socket)
        listening = joined(bound_socket) if joins else bound_socket
        with listening:
            listen(listening, 8)
            call = socket.create_connection((HERE, port))
            with closing(listening.accept()[0]):
                pass  # who closes first holds the port for a minute
            call.close()
    with taken(HERE, port) as bound_socket, pytest.raises(InvalidInputError):
        taken(HERE, port)
    with taken(HERE, port) as bound_socket, joined(bound_socket) as worker:
        listen(worker, 8)
        with pytest.raises(InvalidInputError):
            taken(HERE, port)
