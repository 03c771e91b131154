"""Drop-in for single-folder registries: their code runs unchanged on a Holdfast store.

```python
from holdfast.compat import ModelRegistry, RegistryError
```

Two families of calls are served, with the names, arguments, return shapes and messages their code
expects: one model to a folder with versions `v1`, `v2`, … (`register`, `promote`, `rollback`,
…), and models by name with versions of the caller's own (`save_model`, `load_model`,
`list_versions(name)`). What those registries promised and did not do is done here: versions past
`v9` come in the right order, `purge_archived(keep_last_n=0)` deletes all archived versions, a
number is never used twice, nothing is overwritten, and every move is in the history.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, cast, overload

from holdfast import formats
from holdfast.core.manifest import Manifest
from holdfast.core.policy import OPEN
from holdfast.core.version import Order, order
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError, InvalidInputError, NoPreviousVersionError, NotFoundError
from holdfast.registry import open_registry
from holdfast.registry.facts import Facts
from holdfast.registry.registry import Registry
from holdfast.store.open_store import GRACE_S

logger = logging.getLogger(__name__)

_MODEL = "model"
_WHERE = "/models"
_TRUST = "registered by code that loads its files itself"


class RegistryError(HoldfastError):
    """Anything a registry refuses or cannot do."""

    code = "conflict"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except HoldfastError as error:
        raise RegistryError(str(error)) from error


class ModelRegistry:
    """A registry of one model to a folder, or of models by name.

    Args:
        store_dir: The folder; made if it is not there.
        base_dir: The same, as registries by name call it.
    """

    def __init__(
        self,
        store_dir: str | PathLike[str] | None = None,
        *,
        base_dir: str | PathLike[str] = _WHERE,
    ) -> None:
        self.store = Path(base_dir if store_dir is None else store_dir)
        self.base_dir = str(self.store)
        with _translated():
            self._registry: Registry = open_registry(self.store)
            self._registry.init()
        logger.info("Registry initialised at %s", self.store.resolve())

    # One model to a folder

    def register(
        self,
        model_path: str | PathLike[str],
        preprocessor_path: str | PathLike[str],
        metrics: Mapping[str, float],
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Copy a model and its preprocessor into a new version and return it, such as `v1`."""
        facts = dict(metadata or {})
        with _translated():
            self._open_gate(_MODEL)
            model, preprocessor = Path(model_path), Path(preprocessor_path)
            done = self._registry.register(
                _MODEL,
                model,
                preprocessor,
                bump="minor",
                metrics=metrics,
                metadata=facts,
                trust=_TRUST,
                formats=_kept_as_they_are(model=model, preprocessor=preprocessor),
            )
        version = f"v{done.version.number}"
        logger.info("Registered %s | ROC-AUC %.4f", version, metrics.get("roc_auc", 0))
        return version

    def _open_gate(self, model: str) -> None:
        """Let a model of this face promote what its code says: its gate is elsewhere."""
        try:
            self._registry.policy(model)
        except NotFoundError:
            reason = "made through holdfast.compat, whose callers have a gate of their own"
            self._registry.set_policy(model, OPEN, reason=reason)

    def stage(self, version: str) -> None:
        """Mark a version as staging."""
        self._find(version)
        with _translated():
            self._registry.stage(f"{_MODEL}@{version}")
        logger.info("%s -> staging", version)

    def promote(self, version: str) -> None:
        """Make a version live; the one live before is archived."""
        self._find(version)
        with _translated():
            before = self.current_version()
            self._registry.promote(f"{_MODEL}@{version}")
        logger.info("Promoted %s -> production | previous = %s", version, before or "none")

    def rollback(self) -> str:
        """Go back to the version that was live before, and return it."""
        before = self.current_version()
        try:
            with _translated():
                self._registry.rollback(_MODEL)
        except RegistryError as error:
            if before is None or isinstance(error.__cause__, NoPreviousVersionError):
                raise RegistryError("No previous version to roll back to.") from error
            raise
        now = self.current_version() or ""
        logger.warning("ROLLBACK: %s -> %s", before, now)
        return now

    def current_version(self) -> str | None:
        """Return the live version, `None` if there is none."""
        try:
            with _translated():
                return f"v{self._registry.resolve(f'{_MODEL}@production').number}"
        except RegistryError as error:
            if isinstance(error.__cause__, NotFoundError):
                return None
            raise

    def current_artifacts(self) -> dict[str, Path]:
        """Return the paths of the live model, its preprocessor and its manifest.

        Raises:
            RegistryError: If nothing is live, or the files were tampered with.
        """
        if self.current_version() is None:
            raise RegistryError("No version is currently promoted.")
        with _translated():
            return self._registry.paths(f"{_MODEL}@production")

    @overload
    def list_versions(self) -> list[dict[str, Any]]: ...

    @overload
    def list_versions(self, name: str) -> list[str]: ...

    def list_versions(self, name: str | None = None) -> list[dict[str, Any]] | list[str]:
        """Return the manifests of all versions by number; with a name, its versions in order."""
        if name is None:
            return [self._manifest(info) for info in self._present(_MODEL)]
        return [info.version for info in sorted(self._present(name), key=_semver)]

    def get_manifest(self, version: str) -> dict[str, Any]:
        """Return a version's manifest: checksums, metrics, metadata and status."""
        return self._manifest(self._find(version))

    def compare(self, version_a: str, version_b: str) -> dict[str, Any]:
        """Put the metrics of two versions side by side; a metric missing on a side has no delta."""
        a, b = self._find(version_a).metrics, self._find(version_b).metrics
        delta = {name: round(b[name] - a[name], 6) for name in sorted(a.keys() & b.keys())}
        return {version_a: dict(a), version_b: dict(b), "delta (b - a)": delta}

    def purge_archived(self, keep_last_n: int = 2) -> list[str]:
        """Delete archived versions but the newest, and return them; 0 deletes all of them."""
        numbers = {info.version: f"v{info.number}" for info in self._present(_MODEL)}
        if not numbers:
            return []
        with _translated():
            grace_s = 0.0 if self._registry.init().probe.locks else GRACE_S
            done = self._registry.purge(
                _MODEL, keep=keep_last_n, rollback_target="purged", grace_s=grace_s
            )
        deleted = [numbers[version] for version in done.purged]
        for version in deleted:
            logger.info("Purged archived version %s", version)
        return deleted

    def _present(self, model: str) -> list[VersionInfo]:
        try:
            with _translated():
                versions = self._registry.versions(model)
        except RegistryError as error:
            if isinstance(error.__cause__, NotFoundError | InvalidInputError):
                return []
            raise
        return sorted(
            (info for info in versions if info.status != "purged"), key=lambda info: info.number
        )

    def _find(self, version: str) -> VersionInfo:
        for info in self._present(_MODEL):
            if f"v{info.number}" == version:
                return info
        raise RegistryError(f"Version '{version}' not found in registry.")

    def _manifest(self, info: VersionInfo) -> dict[str, Any]:
        with _translated():
            manifest = self._registry.manifest(info)
        promoted = [p for p in self._registry.served(info.model) if p.version == info.version]
        return {
            "version": f"v{info.number}",
            "registered_at": info.registered_at,
            **_digests(manifest),
            "metrics": dict(info.metrics),
            "metadata": dict(manifest.metadata),
            "status": info.status,
            **({"promoted_at": promoted[-1].since} if promoted else {}),
        }

    # Models by name

    def save_model(self, name: str, version: str, model: object, metadata: dict[str, Any]) -> None:
        """Save a model under a version of the caller's choice; a version is never overwritten."""
        metadata["saved_at"] = datetime.now(UTC).isoformat()
        with _translated():
            self._open_gate(name)
            self._registry.register(name, model, version=version, **_facts(metadata))
            folder = self._registry.paths(f"{name}@{version}")["manifest"].parent
        print(f"Saved {name} v{version} to {folder}")  # noqa: T201 - as its callers expect

    def load_model(self, name: str, version: str) -> tuple[Any, dict[str, Any]]:
        """Return a model, its bytes verified, and the metadata saved with it."""
        with _translated():
            pair = self._registry.load(f"{name}@{version}")
        return pair.model, dict(pair.manifest.metadata)


def _digests(manifest: Manifest) -> dict[str, str]:
    return {
        f"{role}_sha256": artifact.digest for role, artifact in sorted(manifest.artifacts.items())
    }


def _semver(info: VersionInfo) -> Order:
    return order(info.version)


def _kept_as_they_are(**paths: Path) -> dict[str, str]:
    """Name the roles whose file is not what its name promises: this face keeps any bytes."""
    return {role: "file" for role, path in paths.items() if not formats.is_sound(path)}


def _facts(metadata: Mapping[str, Any]) -> Facts:
    """Read a model card in the classic shape; what is of another shape stays mere metadata."""
    numbers = metadata.get("performance", metadata.get("metrics"))
    facts: dict[str, Any] = {
        "metadata": metadata,
        "metrics": {key: value for key, value in _mapping(numbers).items() if _is_number(value)},
        "hyperparameters": _mapping(metadata.get("hyperparameters")) or None,
        "training_data": _mapping(metadata.get("training_data")),
        "formats": {"model": "joblib"},
        "trust": _TRUST,
    }
    for name in ("description", "author", "framework", "algorithm"):
        facts[name] = metadata[name] if isinstance(metadata.get(name), str) else None
    limitations = metadata.get("limitations")
    facts["limitations"] = limitations if isinstance(limitations, list) else ()
    stated_facts = {name: value for name, value in facts.items() if value is not None}
    # Old code changes schemas under any version: no schema is held against it.
    return cast("Facts", stated_facts | {"input_schema": None, "output_schema": None})


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
