"""What a run writes, kept in files that stay short however much it is: the last 1 MB counts."""

import threading
from io import BufferedReader
from pathlib import Path
from typing import Final

__all__ = ["KEPT_BYTES", "LogTail"]

KEPT_BYTES: Final = 1_000_000
_PIECE: Final = 1 << 16


class LogTail:
    """Reads a pipe to its end, on a thread of its own, into two files that take turns.

    Args:
        folder: Where they are.
        pipe: What processes write to; it ends when the last of them did.
    """

    def __init__(self, folder: Path, pipe: BufferedReader) -> None:
        self.total_bytes = 0
        self._old = folder / "log.1"
        self._new = folder / "log"
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, name="log", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._keep()
        except OSError:  # a full disk must not make the training wait for whoever reads
            while piece := self._pipe.read1(_PIECE):
                self.total_bytes += len(piece)

    def _keep(self) -> None:
        file = self._new.open("wb", buffering=0)
        length = 0
        while piece := self._pipe.read1(_PIECE):
            self.total_bytes += len(piece)
            if length > KEPT_BYTES:
                file.close()
                self._new.replace(self._old)
                file, length = self._new.open("wb", buffering=0), 0
            file.write(piece)
            length += len(piece)
        file.close()

    def end(self, within_s: float) -> bytes:
        """Wait so long for the end, and return the last 1 MB, marked where more came before."""
        self._thread.join(within_s)
        text = b"".join(path.read_bytes() for path in (self._old, self._new) if path.is_file())
        if self.total_bytes <= KEPT_BYTES:
            return text
        head = b"[%d bytes in all, the last %d follow]\n" % (self.total_bytes, KEPT_BYTES)
        return head + text[-KEPT_BYTES:]
