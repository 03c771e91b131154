"""A line of JSON for each answer: who was answered how, and never what was asked."""

import json
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Final

import msgspec

from holdfast.http.asgi import Pairs

__all__ = ["AccessLog"]

_MOST_WAITING: Final = 10_000
_AT_ONCE: Final = 4_096
"""Bytes that a pipe takes whole, so that lines of several workers do not mix."""

_END_S: Final = 2.0
_Note = tuple[int, str, str, int, Pairs, int, int]


class AccessLog:
    """Writes lines to a file on a thread of its own; what nobody takes in time is left out.

    Args:
        descriptor: Of the open file; it stays open.
        names: The headers of an answer that are written, by the names of their fields.
    """

    def __init__(self, descriptor: int, names: Mapping[bytes, str]) -> None:
        self._descriptor = descriptor
        self._names = names
        self._notes: SimpleQueue[_Note | None] = SimpleQueue()
        self._left_out = 0
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def note(
        self, asked: tuple[str, str], status: int, headers: Pairs, size: int, started_ns: int
    ) -> None:
        """Have a line written.

        Args:
            asked: Method and path, without the query; both empty if they could not be read.
            headers: Of the answer.
            size: Bytes of its body.
            started_ns: When the request came, by `time.perf_counter_ns`.
        """
        if self._notes.qsize() >= _MOST_WAITING:
            self._left_out += 1
            return
        took_us = (time.perf_counter_ns() - started_ns) // 1000
        self._notes.put((time.time_ns(), *asked, status, headers, size, took_us))

    def close(self) -> None:
        """Write what waits."""
        self._notes.put(None)
        self._thread.join(_END_S)

    def _run(self) -> None:
        while (note := self._notes.get()) is not None:
            lines = [self._line(note)]
            size = len(lines[0])
            while not self._notes.empty() and size < _AT_ONCE:
                following = self._notes.get()
                if following is None:
                    self._write(lines)
                    return
                lines.append(self._line(following))
                size += len(lines[-1])
            if self._left_out:
                left_out, self._left_out = self._left_out, 0
                lines.append(msgspec.json.encode({"left_out": left_out}) + b"\n")
            self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        block = b""
        for line in lines:
            if block and len(block) + len(line) > _AT_ONCE:
                self._put(block)
                block = b""
            block += line
        self._put(block)

    def _put(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # nobody reads it; the answers go on
            self._left_out += 1

    def _line(self, note: _Note) -> bytes:
        at_ns, method, path, status, headers, size, took_us = note
        at = datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "method": method or None,
            "path": path or None,
            "status": status,
            "ms": took_us / 1000,
            "bytes": size,
        }
        for name, value in headers:
            if name in self._names:
                fields[self._names[name]] = value.decode("latin-1")
        return _shown(msgspec.json.encode(fields)) + b"\n"


def _shown(line: bytes) -> bytes:
    """Escape what would steer a terminal: callers choose paths and ids, and people read logs."""
    text = line.decode()
    if text.isprintable():
        return line
    signs = (sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)
    return "".join(signs).encode()
