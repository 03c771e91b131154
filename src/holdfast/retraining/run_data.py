"""The data of a run: found, hashed before the training, and again after it."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from holdfast.core.lineage_record import DataUse
from holdfast.datasets import data_digests, data_source
from holdfast.datasets.data_records import DataVersion
from holdfast.errors import InvalidInputError
from holdfast.registry import Registry, trained_on

__all__ = ["RunData", "taken"]


class RunData(Struct, frozen=True):
    """What a run reads.

    Attributes:
        paths: By name, absolute.
        files: SHA-256 of each file, by name and by path in it.
        versions: Those of data by name, by the run's own name for them.
        written: Paths as they were given.
    """

    paths: dict[str, Path]
    files: dict[str, dict[str, str]]
    versions: dict[str, DataVersion]
    written: dict[str, str]

    @property
    def digests(self) -> dict[str, str]:
        """One digest a name, of bytes."""
        return data_digests.of_data(self.files)

    def require_same(self) -> None:
        """Refuse what a training came to whose data was written meanwhile.

        Raises:
            InvalidInputError: Naming the first file that changed.
        """
        after = data_digests.of_files(self.paths)
        changed = [name for name in self.files if self.files[name] != after[name]]
        if changed:
            before, now = self.files[changed[0]], after[changed[0]]
            paths = sorted(
                path for path in before.keys() | now.keys() if before.get(path) != now.get(path)
            )
            subject = f"data {changed[0]} {paths[0]}".strip()
            advice = "train on a copy that nobody writes"
            raise InvalidInputError(subject, "changed during the run", advice)

    def uses(self) -> dict[str, DataUse]:
        """Return what a version records of it; rows are read where files have some."""
        digests = self.digests
        return {name: self._use(name, digests[name]) for name in sorted(self.paths)}

    def _use(self, name: str, digest: str) -> DataUse:
        if name in self.versions:
            return trained_on.of_version(self.versions[name])
        return DataUse(digest, data_source.rows_of(self.paths[name]), None, self.written[name])


def taken(
    registry: Registry, paths: Mapping[str, Path], refs: Mapping[str, str], home: Path
) -> RunData:
    """Find the data of a run, and hold what has a name against what was recorded.

    Args:
        registry: Where data by name is.
        paths: Files and folders by the run's name for them.
        refs: Versions of data likewise.
        home: A folder for copies of what the store keeps.

    Raises:
        InvalidInputError: If it cannot be read, or is no longer what was recorded.
        NotFoundError: If there is no such version of data.
    """
    located = {
        name: registry.data.located(ref, home / str(index))
        for index, (name, ref) in enumerate(sorted(refs.items()))
    }
    versions = {name: version for name, (version, _path) in located.items()}
    found = {name: path.absolute() for name, path in paths.items()}
    found |= {name: path for name, (_version, path) in located.items()}
    written = {name: str(path) for name, path in paths.items()}
    data = RunData(found, data_digests.of_files(found), versions, written)
    for name, version in versions.items():
        recorded, now = version.added.digest, data.digests[name]
        if recorded not in (None, now):
            problem = f"has changed: its bytes are {now}, and {recorded} was recorded"
            advice = f"add it as another version, or see `holdfast data verify {version.ref}`"
            raise InvalidInputError(f"data {version.ref}", problem, advice)
    return data
