"""The verbs of drift: the reference of a version, findings, and taking note of them."""

from dataclasses import dataclass
from typing import Final

from holdfast.core import drift_commands
from holdfast.core.drift import drift_reference
from holdfast.core.drift.drift_events import DriftAcknowledged, DriftFound
from holdfast.core.drift.drift_reference import DriftReference
from holdfast.core.manifest import Manifest, digest_of
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import DamagedError, NotFoundError
from holdfast.registry import losses
from holdfast.registry.commits import commit_on_model
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import AbsentError

_ABSOLUTE: Final = "mae"
"""Losses whose mean is the mean absolute error are the absolute errors themselves."""

_ADVICE: Final = "register the next version with --reference TRAINING.parquet"


@dataclass(frozen=True, slots=True)
class VersionReference:
    """What training looked like, as a version keeps it.

    Attributes:
        sha256: Of the file.
    """

    manifest: Manifest
    sha256: str
    reference: DriftReference


class Drifts:
    """What is known and recorded of drift in one store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self, model: str) -> State:
        """Return a model as its journal tells it."""
        return self._session.state(model)

    def reference(self, ref: object) -> VersionReference:
        """Read the reference of a version; what it says is checked, and bounded in size.

        Raises:
            NotFoundError: If the version was registered without one.
            DamagedError: If the file is not one.
        """
        manifest = self._session.manifest(self._session.find(str(ref))[1])
        subject = f"{manifest.name}@{manifest.version}"
        artifact = manifest.artifacts.get(drift_reference.ROLE)
        if artifact is None:
            raise NotFoundError(f"drift reference of {subject}", advice=_ADVICE)
        if len(artifact.files) != 1:
            problem = "is a folder"
            raise DamagedError(f"drift reference of {subject}", problem, _ADVICE)
        digest = artifact.files[0].sha256
        try:
            with self._session.open_store.blobs.open(digest) as file:
                raw = file.read(drift_reference.MOST_COMPRESSED_BYTES + 1)
        except AbsentError:
            advice = "it was purged; name a version whose files are kept"
            raise NotFoundError(f"drift reference of {subject}", advice=advice) from None
        if digest_of(raw) != digest:
            problem = "is too large, or its bytes changed"
            raise DamagedError(f"drift reference of {subject}", problem, "holdfast verify")
        reference = drift_reference.unpacked(raw, f"drift reference of {subject}")
        return VersionReference(manifest, digest, reference)

    def absolute_errors(self, model: str) -> list[float] | None:
        """Return how far the live version was off, row by row, on what it was evaluated on first.

        Returns:
            `None` where no losses `mae` are kept.

        Raises:
            DamagedError: If they are not what was measured.
        """
        record = self._session.find(f"{model}@production")[1]
        series = next((series for series in record.losses if series.name == _ABSOLUTE), None)
        return None if series is None else losses.values(self._session, series)

    def record(
        self,
        model: str,
        found: DriftFound,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Record a finding about the live version, unless it is latched.

        Raises:
            ConflictError: If another version is live by now.
        """
        return commit_on_model(
            self._session,
            model,
            lambda state: drift_commands.find(state, found),
            DriftFound,
            CommitOptions(reason, idempotency_key),
        )

    def acknowledge(
        self,
        model: str,
        finding: str,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Take note of a finding: its features may alarm again, on days after this one.

        Raises:
            NotFoundError: If there is none of that name.
        """
        return commit_on_model(
            self._session,
            model,
            lambda state: drift_commands.acknowledge(state, finding),
            DriftAcknowledged,
            CommitOptions(reason, idempotency_key),
        )
