"""Everything but predictions: health, metadata, metrics, feedback, documentation; by FastAPI."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from holdfast import __version__
from holdfast.errors import MissingLibraryError
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols import inference_protocol, predict
from holdfast.serving.protocols.bodies import read_body
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.telemetry import feedback_queue
from holdfast.serving.web import documentation, openapi, readiness
from holdfast.serving.worker_state import WorkerState, in_memory

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Scrape", "admin"]

Scrape = Callable[[], tuple[bytes, str]]
"""Writes the metrics, and says of what content type."""

_UNREADY: Final = 503


def admin(
    served: WorkerState, scrape: Scrape, keep: feedback_queue.Keep | None, limits: ServerLimits
) -> Any:
    """Make the FastAPI application.

    Args:
        served: What is served.
        keep: Where feedback goes; None if this server keeps none.
        limits: Of its body and of the time that it may take.

    Raises:
        MissingLibraryError: If the extra `serve` is not installed.
    """
    try:
        from fastapi import FastAPI
    except ModuleNotFoundError as error:
        raise MissingLibraryError("fastapi", "serve", "serving needs it") from error

    app = FastAPI(
        title="Holdfast",
        version=__version__,
        description="Predictions by versions that a registry holds, and which version made them.",
        docs_url=None,  # FastAPI's pages fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_errors(app)
    _add_health(app, served)
    _add_protocol(app, served)
    _add_repository(app, served)
    _add_rest(app, scrape, keep, limits)
    made = app.openapi

    def described() -> dict[str, Any]:
        routing_tables = served.routing_tables.values()
        live = [(routing_table.model, routing_table.active) for routing_table in routing_tables]
        manifests = [(model, active.manifest if active else None) for model, active in live]
        hot = openapi.described(manifests, lone=len(manifests) == 1)
        page = made()
        return {**page, "paths": {**hot, **page["paths"]}}

    app.openapi = described  # type: ignore[method-assign]
    _add_documentation(app)
    return app


def _add_documentation(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.responses import HTMLResponse

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        prefix = request.scope.get("root_path", "").rstrip("/")
        page = documentation.drawn(app.openapi(), prefix)
        return HTMLResponse(page, headers=documentation.HEADERS)


def _add_errors(app: "FastAPI") -> None:
    """Give every refusal one form: `{"error": ...}`."""
    from fastapi import Request, Response
    from starlette.exceptions import HTTPException

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        headers = {name.decode(): value.decode() for name, value in refusal.headers.items()}
        return Response(refusal.body, refusal.status, headers, "application/json")

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        method, path = request.method, request.url.path
        known = error.status_code != 404  # noqa: PLR2004
        problem = f": {error.detail}" if known else " is not a path of this server; see /docs"
        refusal = Refusal(error.status_code, f"{method} {path}{problem}")
        headers = dict(error.headers or {})
        return Response(refusal.body, refusal.status, headers, "application/json")


def _add_health(app: "FastAPI", served: WorkerState) -> None:
    from fastapi.responses import JSONResponse

    @app.get("/livez", tags=["health"])
    async def livez() -> JSONResponse:
        """Tell that the process answers."""
        return JSONResponse({"live": True})

    @app.get("/ready", tags=["health"])
    async def ready(version: str | None = None) -> JSONResponse:
        """Tell whether every model is answered for, or the given version is; 503 if not."""
        good, document = readiness.readiness(served, version)
        return JSONResponse(document, 200 if good else _UNREADY)

    for path in ("/ping", "/health", "/v2/health/ready"):
        app.get(path, tags=["health"], name=path)(_ready_too(served))

    @app.get("/v2/health/live", tags=["health"])
    async def live() -> JSONResponse:
        """Tell that the process answers, as the Open Inference Protocol asks it."""
        return JSONResponse({"live": True})

    @app.get("/models", tags=["models"])
    async def models() -> JSONResponse:
        """List the models: what is live, what is in memory, and the rollout that goes on."""
        return JSONResponse({"worker": served.worker, "models": readiness.models(served)})


def _ready_too(served: WorkerState) -> Callable[[], Any]:
    from fastapi.responses import JSONResponse

    async def ready() -> JSONResponse:
        """Tell whether every model is answered for; 503 if not."""
        good, document = readiness.readiness(served)
        return JSONResponse(document, 200 if good else _UNREADY)

    return ready


def _add_protocol(app: "FastAPI", served: WorkerState) -> None:
    """Add the metadata of the Open Inference Protocol; the first path that fits is taken."""
    from fastapi.responses import JSONResponse

    @app.get("/v2", tags=["models"])
    async def server() -> JSONResponse:
        """Describe the server."""
        extensions = ["binary_tensor_data", "model_repository"]
        return JSONResponse({"name": "holdfast", "version": __version__, "extensions": extensions})

    @app.get("/v2/models/{model:path}/versions/{version}/ready", tags=["models"])
    async def version_ready(model: str, version: str) -> JSONResponse:
        """Tell whether a version is in memory here; 503 if not."""
        good = version in in_memory(readiness.routing_table_of(served, model))
        document = {"name": model, "version": version, "ready": good}
        return JSONResponse(document, 200 if good else _UNREADY)

    @app.get("/v2/models/{model:path}/versions/{version}", tags=["models"])
    @app.get("/v2/models/{model:path}/versions/{version}/config", tags=["models"])
    async def version_described(model: str, version: str) -> JSONResponse:
        """Describe the inputs and outputs of a version."""
        return JSONResponse(
            inference_protocol.described(readiness.loaded_of(served, model, version))
        )

    @app.get("/v2/models/{model:path}/ready", tags=["models"])
    async def model_ready(model: str) -> JSONResponse:
        """Tell whether a model is answered for; 503 if not."""
        active = readiness.routing_table_of(served, model).active
        document = {"name": model, "ready": active is not None}
        return JSONResponse(document, 200 if active else _UNREADY)

    @app.get("/v2/models/{model:path}", tags=["models"])
    @app.get("/v2/models/{model:path}/config", tags=["models"])
    async def described(model: str) -> JSONResponse:
        """Describe the inputs and outputs of the version that is live."""
        return JSONResponse(inference_protocol.described(readiness.loaded_of(served, model)))


def _add_repository(app: "FastAPI", served: WorkerState) -> None:
    from fastapi.responses import JSONResponse

    @app.post("/v2/repository/index", tags=["models"])
    async def index() -> JSONResponse:
        """List every version that is in memory, loading, or failed to load."""
        return JSONResponse(readiness.index(served))

    @app.post("/v2/repository/models/{model:path}/load", tags=["models"])
    @app.post("/v2/repository/models/{model:path}/unload", tags=["models"])
    async def moved(model: str) -> None:
        """Refuse: what is loaded follows the registry alone."""
        message = (
            f"the versions of {model} follow the registry; use `holdfast promote` or `rollout`"
        )
        raise Refusal(403, message)


def _add_rest(
    app: "FastAPI", scrape: Scrape, keep: feedback_queue.Keep | None, limits: ServerLimits
) -> None:
    from fastapi import Request, Response
    from fastapi.responses import JSONResponse

    @app.get("/version", tags=["health"])
    async def version() -> Response:
        """Tell the version of Holdfast."""
        return Response(__version__, media_type="text/plain")

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Write the metrics as Prometheus reads them."""
        page, media = scrape()
        return Response(page, headers={"content-type": media})

    @app.post("/feedback", tags=["predictions"])
    async def truth(request: Request) -> JSONResponse:
        """Keep what predictions should have been: an object or a list of `prediction_id, label`."""
        if keep is None:
            raise Refusal(404, "this server keeps no prediction log, and so no feedback")
        headers = dict(request.scope["headers"])
        predict.check_media(headers)
        truths = feedback_queue.read(await read_body(request.receive, headers, limits))
        try:
            async with asyncio.timeout(limits.timeout_s):
                unknown = await keep(truths)
        except TimeoutError as error:
            message = f"the log did not store it within {limits.timeout_s:g} s; send it again"
            raise Refusal(504, message) from error
        answer: dict[str, Any] = {"kept": len(truths)}
        return JSONResponse({**answer, "unknown": unknown} if unknown else answer)
