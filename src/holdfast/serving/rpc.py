"""The Open Inference Protocol over gRPC, on the event loop that answers HTTP.

A call goes the way of a request over HTTP: the same token, routing, checks, limits, log, metrics
and line in the access log; its metadata stand for headers. Calls come to handlers of streams,
though each has one message: so the token is looked at before the message is read, and a message
that does not come in time ends its call.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from holdfast import __version__
from holdfast.core import strict_json
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.http import addresses
from holdfast.http.asgi import Headers, Pairs
from holdfast.rows.refusal import Refusal
from holdfast.serving.answering.prediction_handler import GONE, Path
from holdfast.serving.protocols import inference_messages
from holdfast.serving.protocols.codec import EncodedBody
from holdfast.serving.protocols.inference_messages import InferMessage
from holdfast.serving.protocols.protocol_messages import SERVICE, Message, message
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.web import readiness
from holdfast.serving.web.application import Application
from holdfast.serving.worker_state import in_memory

__all__ = ["RpcServer"]

_log = logging.getLogger(__name__)

_OPEN: Final = frozenset(("ServerLive", "ServerReady"))
"""Methods that ask for no token: those of whoever starts and stops the server."""

_OK: Final = 200
_CODES: Final = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 413: "RESOURCE_EXHAUSTED", 422: "INVALID_ARGUMENT",
    GONE: "CANCELLED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_OF_CONNECTIONS: Final = frozenset((b"connection",))
"""Headers of HTTP/1.1 that say nothing here."""

_LONGEST_DETAILS: Final = 600
"""Characters of a message: callers take no more than 8 kB of what comes after an answer."""

_CALLS_LONG: Final = 5
"""For how many calls of the longest kind a connection lives: callers connect anew by themselves.

What a caller does not read lies in memory here, and gRPC waits for ever for room to send it: it is
given up with its connection.
"""
_IDLE_S: Final = 300
_ALIVE_S: Final = 60
_IDENTITY: Final = 1 << 0

Told = tuple[int, EncodedBody, Pairs]
Method = Callable[[Message, Headers], Awaitable[Told]]


class RpcServer:
    """Answers gRPC at one address, for as long as an event loop runs.

    Args:
        app: What answers over HTTP.
        bound_socket: The address, which the supervisor took.
    """

    def __init__(self, app: Application, bound_socket: socket.socket) -> None:
        self._app = app
        self._bound_socket = bound_socket
        self._server: Any = None
        self._ending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer.

        Raises:
            MissingLibraryError: If the extra `grpc` is not installed.
            InvalidInputError: If the address cannot be listened on.
        """
        message("ModelInferRequest")  # before a caller waits for it
        try:
            import grpc
        except ModuleNotFoundError as error:
            raise MissingLibraryError("grpcio", "grpc", "gRPC needs it") from error

        methods = _Methods(self._app).all()
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(partial(self._call, name, method))
            for name, method in methods.items()
        }
        limits = self._app.limits
        server = grpc.aio.server(
            options=_options(limits), maximum_concurrent_rpcs=limits.door.connections
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        address = addresses.lent(self._bound_socket)
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:
            raise InvalidInputError(
                f"address {address}", "cannot be listened on by gRPC", "name another"
            ) from error
        await server.start()
        self._server = server

    def leave(self, grace_s: float) -> None:
        """Take no new calls, and end once those under way are answered or the time is over."""
        if self._server is not None and self._ending is None:
            self._ending = asyncio.ensure_future(self._server.stop(grace_s))

    async def stop(self, grace_s: float) -> None:
        """Leave, and wait for the end."""
        self.leave(grace_s)
        if self._ending is not None:
            await self._ending

    async def _call(self, name: str, method: Method, _: Any, context: Any) -> bytes:
        """Answer one call."""
        started_ns = time.perf_counter_ns()
        answer: Told = GONE, EncodedBody(b""), []
        try:
            answer = await self._told(name, method, context)
        finally:  # a caller that is gone cancels this
            if self._app.access is not None:
                asked = "GRPC", f"/{SERVICE}/{name}"
                status, body, headers = answer
                self._app.access.note(asked, status, headers, len(body.content), started_ns)
        status, body, headers = answer
        context.set_trailing_metadata(_metadata((*headers, *body.headers)))
        if status != _OK:
            await context.abort(_code(status), _details(body))
        return body.content

    async def _told(self, name: str, method: Method, context: Any) -> Told:
        headers: dict[bytes, bytes] = {}
        try:
            headers = _headers(context.invocation_metadata() or ())
            if name not in _OPEN:
                self._app.admit(headers)
            raw = await _read(context, self._app.limits)
            return await method(inference_messages.parse(f"{name}Request", raw), headers)
        except Refusal as refusal:
            return self._app.refused(None, headers, refusal)


class _Methods:
    """What each method of the service answers."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._served = app.served

    def all(self) -> dict[str, Method]:
        """Return the methods by their names."""
        return {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server,
            "ModelMetadata": self._model,
            "ModelInfer": self._infer,
        }

    async def _live(self, _: Message, headers: Headers) -> Told:  # noqa: ARG002
        return _answer("ServerLive", live=True)

    async def _ready(self, _: Message, headers: Headers) -> Told:  # noqa: ARG002
        return _answer("ServerReady", ready=readiness.readiness(self._served)[0])

    async def _model_ready(self, asked: Message, headers: Headers) -> Told:  # noqa: ARG002
        routing_table = readiness.routing_table_of(self._served, asked.name)
        if asked.version:
            return _answer("ModelReady", ready=asked.version in in_memory(routing_table))
        return _answer("ModelReady", ready=routing_table.active is not None)

    async def _server(self, _: Message, headers: Headers) -> Told:  # noqa: ARG002
        return _answer("ServerMetadata", name="holdfast", version=__version__)

    async def _model(self, asked: Message, headers: Headers) -> Told:  # noqa: ARG002
        loaded = readiness.loaded_of(self._served, asked.name, asked.version or None)
        return _OK, EncodedBody(inference_messages.described(loaded).SerializeToString()), []

    async def _infer(self, asked: Message, headers: Headers) -> Told:
        path = Path(asked.model_name, asked.model_version or None)
        if path.model not in self._served.routing_tables:
            raise readiness.unknown(self._served, path.model)
        waited: asyncio.Future[Told] = asyncio.get_running_loop().create_future()

        def reply(*told: Any) -> None:
            if not waited.done():
                waited.set_result(told)

        cancel = self._app.ask((InferMessage(asked), path), headers, b"", reply)
        try:
            return await waited
        except asyncio.CancelledError:  # the caller is gone, or its deadline has passed
            if cancel is not None:
                cancel()
            raise


def _answer(method: str, **fields: Any) -> Told:
    return _OK, EncodedBody(message(f"{method}Response")(**fields).SerializeToString()), []


async def _read(context: Any, limits: ServerLimits) -> bytes:
    """Read a call's one message."""
    try:
        async with asyncio.timeout(limits.timeout_s):
            raw = await context.read()
    except TimeoutError as error:
        raise Refusal(408, f"the message did not come within {limits.timeout_s:g} s") from error
    if not isinstance(raw, bytes):
        most = f"{limits.body_bytes:,} bytes"
        raise Refusal(400, f"the call has no message, or one of more than {most}")
    return raw


def _headers(metadata: Iterable[tuple[str, str | bytes]]) -> dict[bytes, bytes]:
    """Return metadata as headers are; the last of each name."""
    headers: dict[bytes, bytes] = {}
    for key, value in metadata:
        name = key.lower().encode()
        if name == b"authorization" and name in headers:
            raise Refusal(400, "authorization is sent more than once in the metadata")
        headers[name] = value.encode() if isinstance(value, str) else value
    return headers


def _metadata(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode(), value.decode("latin-1"))
        for name, value in headers
        if name not in _OF_CONNECTIONS
    )


def _code(status: int) -> Any:
    import grpc

    return getattr(grpc.StatusCode, _CODES.get(status, "UNKNOWN"))


def _details(body: EncodedBody) -> str:
    """Return what a refusal says, as far as callers read it."""
    error_text: str = strict_json.decode(body.content)["error"]
    return (
        error_text if len(error_text) <= _LONGEST_DETAILS else f"{error_text[:_LONGEST_DETAILS]}…"
    )


def _options(limits: ServerLimits) -> list[tuple[str, int]]:
    door = limits.door
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY),  # a small message stays small
        ("grpc.max_metadata_size", door.header_bytes),
        ("grpc.absolute_max_metadata_size", door.header_bytes),
        ("grpc.max_concurrent_streams", door.pipelined),
        ("grpc.max_allowed_incoming_connections", door.connections),
        ("grpc.server_handshake_timeout_ms", int(door.header_s * 1000)),
        ("grpc.max_connection_idle_ms", _IDLE_S * 1000),
        ("grpc.max_connection_age_ms", int(limits.timeout_s * _CALLS_LONG * 1000)),
        ("grpc.max_connection_age_grace_ms", int(limits.timeout_s * 1000)),
        ("grpc.keepalive_time_ms", _ALIVE_S * 1000),
        ("grpc.keepalive_timeout_ms", int(door.header_s * 1000)),
    ]
