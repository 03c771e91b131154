"""The small servers that Holdfast's is measured against, as uvicorn starts them.

`hello` is what HTTP alone costs here, `inline` the model's time on top, `fastapi_app` what most
teams write. The model's file is named by the environment's MODEL: uvicorn takes no arguments of
ours.
"""

import os
from typing import Any

import joblib
import msgspec
import numpy as np

HEADERS = [(b"content-type", b"application/json")]


class Request(msgspec.Struct):
    """What all of them take."""

    instances: list[list[float]]


async def body(receive: Any) -> bytes:
    """Read a request whole."""
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def answer(send: Any, content: bytes) -> None:
    """Send a JSON answer."""
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": content})


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Read the request and answer a constant."""
    if scope["type"] == "http":
        await body(receive)
        await answer(send, b'{"predictions":[1]}')


class Inline:
    """Bare ASGI with the model called in place."""

    def __init__(self) -> None:
        self._preprocessor, self._model = joblib.load(os.environ["MODEL"])
        self._decoder = msgspec.json.Decoder(Request)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        rows = np.asarray(self._decoder.decode(await body(receive)).instances)
        predictions = self._model.predict(self._preprocessor.transform(rows)).tolist()
        await answer(send, msgspec.json.encode({"predictions": predictions}))


def inline() -> Inline:
    """Make the bare app with its model."""
    return Inline()


def fastapi_app() -> Any:
    """Make the app of a FastAPI tutorial: pydantic in and out, the model called in place."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        instances: list[list[float]]

    class Told(BaseModel):
        predictions: list[int]

    app = FastAPI()
    preprocessor, model = joblib.load(os.environ["MODEL"])

    @app.post("/predict")
    async def predict(asked: Asked) -> Told:
        rows = preprocessor.transform(np.asarray(asked.instances))
        return Told(predictions=model.predict(rows).tolist())

    return app
