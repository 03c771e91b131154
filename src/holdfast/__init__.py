"""Version control for machine-learning models in production, from a plain folder.

```python
registry = holdfast.open("store")
registry.register("iris", model, scaler, metrics={"roc_auc": 0.9939})
registry.promote("iris@latest", reason="first release")
registry.load("iris@production").predict(rows)
```

Names are imported when they are first used, so `import holdfast` costs next to nothing.
"""

from importlib import import_module

TYPE_CHECKING = False  # `typing` is not imported: the current folder may come first on the path

__version__ = "0.1.0"

__all__ = [
    "HoldfastError", "MetricRule", "Policy", "Registry", "Retention", "__version__", "autolog",
    "open", "training",
]  # fmt: skip

if TYPE_CHECKING:
    from holdfast.core.policy import MetricRule, Policy, Retention
    from holdfast.errors import HoldfastError
    from holdfast.recording import autolog, training
    from holdfast.registry import Registry
    from holdfast.registry import open_registry as open  # noqa: A004

_HOMES = {
    "HoldfastError": ("holdfast.errors", "HoldfastError"),
    "MetricRule": ("holdfast.core.policy", "MetricRule"),
    "Policy": ("holdfast.core.policy", "Policy"),
    "Registry": ("holdfast.registry", "Registry"),
    "Retention": ("holdfast.core.policy", "Retention"),
    "autolog": ("holdfast.recording", "autolog"),
    "open": ("holdfast.registry", "open_registry"),
    "training": ("holdfast.recording", "training"),
}


def __getattr__(name: str) -> object:
    try:
        module, attribute = _HOMES[name]
    except KeyError:
        message = f"module 'holdfast' has no attribute {name!r}"
        raise AttributeError(message) from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
