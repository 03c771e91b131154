"""A server that answers gRPC, in a thread, and callers of it: plain ones and Triton's."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
import uvloop
from tests.serving.facing import Told
from tritonclient.utils import np_to_triton_dtype

from holdfast.http import addresses
from holdfast.serving.answering.finished import RequestSink
from holdfast.serving.protocols.protocol_messages import SERVICE, message
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.rpc import RpcServer
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.web.application import Application, application
from holdfast.serving.worker_state import WorkerState


@dataclass
class Rpc:
    """A server that runs."""

    address: str
    served: WorkerState
    told: Told
    app: Application
    server: RpcServer
    loop: asyncio.AbstractEventLoop

    def put(self, routing_table: RoutingTable) -> None:
        self.served.routing_tables[routing_table.model] = routing_table

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


@contextmanager
def rpc_running(
    house: WorkerState,
    limits: ServerLimits | None = None,
    sinks: Sequence[RequestSink] = (),
    *,
    host: str = "127.0.0.1",
    **more: Any,
) -> Iterator[Rpc]:
    """Serve gRPC alone in a thread, on a free port of this machine."""
    sink = Told()
    app = application(house, limits, (sink, *sinks), **more)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with addresses.taken(host, 0) as bound_socket:
        server = RpcServer(app, bound_socket)
        port = bound_socket.getsockname()[1]
        rpc = Rpc(f"{host}:{port}", house, sink, app, server, loop)
        try:
            rpc.run(server.start())
            yield rpc
        finally:
            rpc.run(server.stop(0))
            loop.call_soon_threadsafe(app.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()


def call(
    address: str, method: str, request: Any = b"", *, timeout_s: float = 30, **metadata: Any
) -> tuple[Any, Any]:
    """Call a method by plain grpcio; return the answer's message, or error, and the call.

    Args:
        request: A message, or its bytes.
        metadata: `x_request_id="1"` is `x-request-id`.
    """
    raw = request if isinstance(request, bytes) else request.SerializeToString()
    metadata_fields = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    with grpc.insecure_channel(address) as channel:
        try:
            answer, done = channel.unary_unary(f"/{SERVICE}/{method}").with_call(
                raw, timeout=timeout_s, metadata=metadata_fields, wait_for_ready=True
            )
        except grpc.RpcError as error:
            return error, error
    return message(f"{method}Response").FromString(answer), done


def infer_request(model: str = "iris", rows: Any = None, **facts: Any) -> Any:
    """Make a request with one input of two numbers a row, as raw bytes."""
    values = np.array([[1.0, 2.0]] if rows is None else rows, dtype="<f8")
    request = message("ModelInferRequest")(model_name=model, **facts)
    request.inputs.add(name="input", datatype="FP64", shape=values.shape)
    request.raw_input_contents.append(values.tobytes())
    return request


def tensor(name: str, values: Any, datatype: str | None = None) -> triton.InferInput:
    """Make an input of Triton's."""
    made = triton.InferInput(name, list(values.shape), datatype or np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values)
    return made
