"""The verbs of recorded trainings: whether one may begin, that one failed, what a version keeps."""

import os
from collections.abc import Iterator

from holdfast.core import curves, figure_content, names, training_commands, training_record
from holdfast.core.curves import Curve
from holdfast.core.events import TrainingFailed
from holdfast.core.figure_content import MEDIA
from holdfast.core.lineage_record import DataUse
from holdfast.core.manifest import Artifact, Manifest, digest_of
from holdfast.core.training_record import FACTS, FigureFile, TrainingRecord
from holdfast.core.version import parse
from holdfast.core.views import Moved
from holdfast.errors import ConflictError, DamagedError, HoldfastError, NotFoundError
from holdfast.registry.commits import moved
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import AbsentError

CURVES_FILE = "curves.json.z"
"""Where the curves are in a version's folder; what else has that role is somebody's own."""


class Trainings:
    """What is recorded of trainings in one store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def require_room(self, model: str, version: str | None = None) -> bool:
        """Check that a version of a model could be written: better before the training than after.

        Returns:
            True if the model has no entry yet.

        Raises:
            InvalidInputError: If the model or the version may not be called so.
            ConflictError: If there is that version.
            StoreError: If the store cannot be reached or written.
        """
        names.check_model(model)
        exact = None if version is None else str(parse(version))
        with self._session.writable().workplace():
            state = self._session.ledger(model).state()
        if exact is not None and exact in state.versions:
            advice = "a version never changes; choose another"
            raise ConflictError(f"{model}@{exact}", "was registered before", advice)
        return not state.seq

    def data_use(self, name: str, source: object) -> DataUse:
        """Return what is to be recorded of data: a path, a pattern, or `sales@v3`.

        Raises:
            InvalidInputError: If it cannot be read.
            NotFoundError: If that version of data does not exist.
        """
        from holdfast.registry import trained_on

        return trained_on.use_of(self._session, name, source)

    def fail(
        self,
        model: str,
        failure: TrainingFailed,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Write that a training of a model failed; the model need not have a version yet."""
        checked = training_commands.training_failed(failure)
        options = CommitOptions(reason, idempotency_key)
        outcome = self._session.commit(
            names.check_model(model), lambda _state, _at: checked, TrainingFailed, options
        )
        return moved(outcome)

    def record(self, ref: object) -> TrainingRecord:
        """Return what a version keeps of its training; curves and figures go with its bytes.

        Raises:
            DamagedError: If its curves are not curves, or their bytes changed.
        """
        manifest = self._session.manifest(self._session.find(str(ref))[1])
        facts = manifest.metadata.get(FACTS)
        return TrainingRecord(
            ref=f"{manifest.name}@{manifest.version}",
            facts=facts if isinstance(facts, dict) else {},
            curves=self._curves(manifest),
            figures=tuple(_figures(manifest)),
        )

    def last_values(self, digest: str) -> dict[str, float | None]:
        """Return the last value of each curve of a manifest; none where they cannot be read.

        A comparison tells more than curves, and `verify` tells of damage.
        """
        try:
            curves = self._curves(self._session.open_store.blobs.manifest(digest))
        except DamagedError:
            return {}
        return {name: curve.last for name, curve in curves.items()}

    def figure(self, ref: object, name: str) -> tuple[FigureFile, bytes]:
        """Return a figure of a version, its bytes checked for what they are.

        Raises:
            NotFoundError: If there is none of that name, or its bytes are gone.
            DamagedError: If they changed.
            InvalidInputError: If they are not what a figure may be.
        """
        manifest = self._session.manifest(self._session.find(str(ref))[1])
        subject = f"figure {figure_content.shown(name)} of {manifest.name}@{manifest.version}"
        for figure in _figures(manifest):
            if figure.name == name:
                raw = self._read(figure.sha256, figure_content.MOST_BYTES, subject)
                if raw is None:
                    raise NotFoundError(subject, advice="it was purged")
                figure_content.kind_of(name, raw)
                return figure, raw
        raise NotFoundError(subject, names.nearest(name, [one.name for one in _figures(manifest)]))

    def pictures(self, ref: str) -> list[str]:
        """Draw curves and figures of a version for a notebook; what cannot be read is told."""
        from holdfast.core import notebook

        def content(figure: FigureFile) -> bytes | None:
            try:
                return self.figure(ref, figure.name)[1]
            except HoldfastError:
                return None

        try:
            return list(training_record.pictures(self.record(ref), content))
        except HoldfastError as error:
            return [notebook.line(str(error), "b")]

    def _curves(self, manifest: Manifest) -> dict[str, Curve]:
        artifact = manifest.artifacts.get(curves.ROLE)
        if artifact is None or artifact.path != CURVES_FILE:
            return {}
        subject = f"curves of {manifest.name}@{manifest.version}"
        raw = self._read(artifact.files[0].sha256, curves.MOST_COMPRESSED_BYTES, subject)
        if raw is None:
            return {}
        return dict(sorted(curves.unpacked(raw, subject).curves.items()))

    def _read(self, sha256: str, most: int, subject: str) -> bytes | None:
        """Read a small blob; None if it was purged."""
        try:
            with self._session.open_store.blobs.open(sha256) as file:
                raw = file.read(most + 1)
        except AbsentError:
            return None
        if digest_of(raw) != sha256:
            raise DamagedError(subject, "is too large, or its bytes changed", "holdfast verify")
        return raw


def _figures(manifest: Manifest) -> Iterator[FigureFile]:
    """Go through the pictures in the folder of figures, sorted by name."""
    artifact: Artifact | None = manifest.artifacts.get(figure_content.ROLE)
    for file in artifact.files if artifact is not None else ():
        stem, suffix = os.path.splitext(os.path.basename(file.path))
        if suffix[1:] in MEDIA:
            kind: figure_content.Kind = "png" if suffix == ".png" else "svg"
            yield FigureFile(figure_content.named(stem), kind, file.sha256, file.size_bytes)
