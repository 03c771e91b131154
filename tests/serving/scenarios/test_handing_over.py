"""Connections that wait at a worker's socket when it makes way for another one."""

import asyncio
import http.client
import socket

import uvicorn
from tests.serving.facing import routing_table, served, sums

from holdfast.serving.server import _answer_waiting
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.web.application import application
from holdfast.serving.web.direct import Protocol


def told(asking: list[http.client.HTTPConnection]) -> list[int]:
    statuses = []
    for connection in asking:
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        connection.close()
    return statuses


async def handed_over(
    listening: socket.socket, asking: list[http.client.HTTPConnection]
) -> list[int]:
    """Close a socket that connections wait at, as a worker does, and read the answers."""
    app = application(served(routing_table(sums())), ServerLimits())
    config = uvicorn.Config(app, http=Protocol, log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await _answer_waiting(server, [listening])
    listening.close()
    statuses = await asyncio.to_thread(told, asking)
    for connection in [*server.server_state.connections]:
        connection.transport.abort()
    await asyncio.sleep(0)
    return statuses


def test_connections_that_wait_are_answered_and_not_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        asking = [http.client.HTTPConnection(*listening.getsockname()) for _ in range(5)]
        socket.create_connection(listening.getsockname()).close()  # it did not wait
        for connection in asking:
            connection.request("GET", "/livez", headers={"connection": "close"})

        assert asyncio.run(handed_over(listening, asking)) == [200] * 5
