"""moto, one request at a time: it looks whether a name is free, and takes it, in two steps."""

import io
import signal
import sys
from collections.abc import Iterable
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

_APP: Any = DomainDispatcherApplication(create_backend_app)
_TURN = Lock()


def _in_turn(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"]  # read first: a client that stops keeps nobody else waiting
    if environ.get("wsgi.input_terminated"):
        environ["wsgi.input"] = io.BytesIO(body.read())
    elif environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"] = io.BytesIO(body.read(int(environ["CONTENT_LENGTH"])))
    with _TURN:
        return list(_APP(environ, start))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run_simple(sys.argv[1], int(sys.argv[2]), _in_turn, threaded=True)
