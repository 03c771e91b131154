"""Which codec and which model a path names."""

from typing import Final

from holdfast.serving.answering.prediction_handler import Path
from holdfast.serving.protocols.codec import Codec
from holdfast.serving.protocols.inference_protocol import Infer
from holdfast.serving.protocols.invocations import Invocations
from holdfast.serving.protocols.predict import PredictCodec

__all__ = ["OPEN", "fixed", "named"]

OPEN: Final = frozenset(
    ("/livez", "/ready", "/ping", "/health", "/v2/health/live", "/v2/health/ready")
)
"""Paths that ask for no token: those of whoever starts and stops the server."""

_PREDICT: Final = PredictCodec()
_INVOKE: Final = Invocations()
_INFER: Final = Infer()
_FORMS: Final[tuple[tuple[str, str, Codec], ...]] = (
    ("/models/", "/predict", _PREDICT),
    ("/models/", "/invocations", _INVOKE),
    ("/v1/models/", ":predict", _PREDICT),
    ("/v2/models/", "/infer", _INFER),
)
_VERSIONS: Final = "/versions/"


def fixed(models: tuple[str, ...]) -> dict[str, tuple[Codec, Path]]:
    """Return the paths of all models; those without a model's name exist where one is served."""
    routes = {
        f"{start}{model}{end}": (codec, Path(model))
        for start, end, codec in _FORMS
        for model in models
    }
    if len(models) == 1:
        routes["/predict"] = (_PREDICT, Path(models[0]))
        routes["/invocations"] = (_INVOKE, Path(models[0]))
    return routes


def named(path: str) -> tuple[Codec, Path] | None:
    """Read a path that is not one of the fixed ones: of a version, or of a model unknown here."""
    for start, end, codec in _FORMS:
        if path.startswith(start) and path.endswith(end):
            model, versions, version = path[len(start) : -len(end)].rpartition(_VERSIONS)
            if versions and start == "/v2/models/":
                return codec, Path(model, version)
            return codec, Path(path[len(start) : -len(end)])
    return None
