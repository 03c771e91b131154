"""How a server runs, in a form that is sent to its workers."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.predictions.capture import CaptureOptions
from holdfast.registry import Registry
from holdfast.sandbox import Mode, Trials
from holdfast.serving.server_limits import ServerLimits

__all__ = ["Addresses", "ServerSettings"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server answers, as its supervisor holds it for all workers.

    Attributes:
        http: For HTTP.
        grpc: For gRPC; None for not at all.
    """

    http: socket.socket
    grpc: socket.socket | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server runs.

    Attributes:
        models: What it serves; it must be registered.
        open_registry: Opens the store; its author signs the moves of rollouts that it drives.
        limits: What it takes.
        log: Where predictions are kept, a folder or `postgresql://…`; `None` keeps none.
        keeping: What is kept of them.
        durable: Answer only once the row is committed.
        drives: Whether it drives the rollouts of its models.
        hang_s: A worker whose event loop stands so long, in a call of a model, is replaced.
        access_log: Whether each answer is a line of JSON on the standard output.
        max_requests: After so many a worker is replaced; 0 for never.
        max_memory_bytes: A worker that holds more memory is replaced; 0 for never.
        drain_s: How long it still answers, but is not ready, once it is told to stop.
        keep_alive_s: How long a connection may be idle.
        prefix: Of the paths that a proxy shows to callers, such as `/models`; empty for none.
        sandbox: Whether it is restrained, and versions are tried out apart.
        writable: Where it writes beside the log and the folder for temporary files.
        traces: Whether a span of each request is exported.
        trials: Where versions are tried out, if the sandbox is on and that is begun already.
    """

    models: tuple[str, ...]
    open_registry: Callable[[], Registry]
    limits: ServerLimits = field(default_factory=ServerLimits)
    log: str | None = "predictions"
    keeping: CaptureOptions = field(default_factory=CaptureOptions)
    durable: bool = False
    drives: bool = True
    hang_s: float = 10.0
    access_log: bool = False
    max_requests: int = 0
    max_memory_bytes: int = 0
    drain_s: int = 0
    keep_alive_s: int = 5
    prefix: str = ""
    sandbox: Mode = "auto"
    writable: tuple[Path, ...] = ()
    traces: bool = False
    trials: Trials | None = None
