"""What a shell can fill in for an argument that names a model or a version."""

import contextlib
from collections.abc import Callable
from typing import Final

from click.shell_completion import CompletionItem

from holdfast.registry import Registry

_STANDING: Final = ("production", "staging", "latest", "previous")
"""Names that every model has for a version."""


def completed(
    open_registry: Callable[[], Registry], incomplete: str, *, with_version: bool
) -> list[CompletionItem]:
    """List what fits an argument that names a model, or a version.

    A store that is not there, or damaged, has nothing to offer.
    """
    with contextlib.suppress(Exception):
        return [
            CompletionItem(word)
            for word in _words(open_registry(), incomplete, with_version=with_version)
        ]
    return []


def _words(registry: Registry, incomplete: str, *, with_version: bool) -> list[str]:
    model, at, _ = incomplete.partition("@")
    if at:
        versions = registry.versions(model)
        aliases = {alias for info in versions for alias in info.aliases}
        names = [*_STANDING, *sorted(aliases), *(info.version for info in versions[::-1])]
        words = [f"{model}@{name}" for name in dict.fromkeys(names)]
    else:
        models = [info.model for info in registry.models()]
        words = [word for word in models if word.startswith(incomplete)]
        if with_version and words == [incomplete]:
            words = [f"{incomplete}@{name}" for name in _STANDING]
    return [word for word in words if word.startswith(incomplete)]
