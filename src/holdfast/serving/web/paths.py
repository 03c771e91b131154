"""Which face and which model a path names."""

from typing import Final

from holdfast.serving.answering.hot import Path
from holdfast.serving.faces.face import Face
from holdfast.serving.faces.inference_protocol import Infer
from holdfast.serving.faces.invocations import Invocations
from holdfast.serving.faces.wire import Predict

__all__ = ["OPEN", "fixed", "named"]

OPEN: Final = frozenset(
    ("/livez", "/ready", "/ping", "/health", "/v2/health/live", "/v2/health/ready")
)
"""Paths that ask for no token: those of whoever starts and stops the server."""

_PREDICT: Final = Predict()
_INVOKE: Final = Invocations()
_INFER: Final = Infer()
_FORMS: Final[tuple[tuple[str, str, Face], ...]] = (
    ("/models/", "/predict", _PREDICT),
    ("/models/", "/invocations", _INVOKE),
    ("/v1/models/", ":predict", _PREDICT),
    ("/v2/models/", "/infer", _INFER),
)
_VERSIONS: Final = "/versions/"


def fixed(models: tuple[str, ...]) -> dict[str, tuple[Face, Path]]:
    """Return the paths of all models; those without a model's name exist where one is served."""
    found = {
        f"{start}{model}{end}": (face, Path(model))
        for start, end, face in _FORMS
        for model in models
    }
    if len(models) == 1:
        found["/predict"] = (_PREDICT, Path(models[0]))
        found["/invocations"] = (_INVOKE, Path(models[0]))
    return found


def named(path: str) -> tuple[Face, Path] | None:
    """Read a path that is none of the fixed ones: of a version, or of a model unknown here."""
    for start, end, face in _FORMS:
        if path.startswith(start) and path.endswith(end):
            model, versions, version = path[len(start) : -len(end)].rpartition(_VERSIONS)
            if versions and start == "/v2/models/":
                return face, Path(model, version)
            return face, Path(path[len(start) : -len(end)])
    return None
