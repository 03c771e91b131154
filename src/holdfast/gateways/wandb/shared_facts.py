"""Facts on their way between two registries, whose readers are others than before."""

from typing import Any, Final

from holdfast.core.redaction import without_credentials

__all__ = ["without_secrets"]

_MOST_LEVELS: Final = 20


def without_secrets(value: Any, key: str = "", level: int = 0) -> Any:
    """Return data without what gives access, also where its name alone tells; and not too deep."""
    match value:
        case str() if key:
            named = f"{key}={value}"
            kept = without_credentials(named)
            return value if kept == named else kept.removeprefix(f"{key}=")
        case str():
            return without_credentials(value)
        case dict() if level < _MOST_LEVELS:
            return {name: without_secrets(inner, name, level + 1) for name, inner in value.items()}
        case list() | tuple() if level < _MOST_LEVELS:
            return [without_secrets(inner, key, level + 1) for inner in value]
        case dict() | list() | tuple():
            return "…"
    return value
