"""MLflow's words for Holdfast's: a plugin for its clients, and a bridge to its servers.

The only package that imports mlflow, and only where its own classes are needed: what the calls mean
is decided without it, for the plugin and the server alike.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.gateways.mlflow.bridge import log_to_mlflow, transition_model_stage

__all__ = ["log_to_mlflow", "transition_model_stage"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from holdfast.gateways.mlflow import bridge

    return getattr(bridge, name)
