"""The rules of one registered model in plain Python, written from `docs/design/format.md` alone.

It knows nothing of files, entries or folds: what `holdfast` does on disk is held against it.
"""

from dataclasses import dataclass, field
from typing import Literal

Part = Literal["major", "minor", "patch"]


class Forbidden(Exception):  # noqa: N818 - the rules say no, which is no error of theirs
    """The rules do not allow the deed."""


@dataclass
class Kept:
    """One version: what it holds, and where it stands."""

    number: int
    content: str
    status: str = "registered"
    served: bool = False
    put_away: bool = False
    held: bool = False


@dataclass
class Model:
    """One registered model."""

    versions: dict[str, Kept] = field(default_factory=dict)
    live: str | None = None
    staged: str | None = None
    exists: bool = False
    aliases: dict[str, str] = field(default_factory=dict)
    line: list[str] = field(default_factory=list)
    rejected: set[str] = field(default_factory=set)
    ever_live: list[str | None] = field(default_factory=list)

    @property
    def present(self) -> list[str]:
        """The versions that have their bytes."""
        return [version for version, record in self.versions.items() if record.status != "purged"]

    @property
    def previous(self) -> str | None:
        """The version that a rollback goes to."""
        fit = [
            version
            for version in self.line
            if version != self.live
            and version not in self.rejected
            and self.versions[version].status != "purged"
        ]
        return fit[-1] if fit else None

    def next_version(self, part: Part) -> str:
        """Return the version behind the highest ever registered."""
        if not self.versions:
            return "1.0.0"
        major, minor, patch = max(tuple(map(int, text.split("."))) for text in self.versions)
        match part:
            case "major":
                return f"{major + 1}.0.0"
            case "minor":
                return f"{major}.{minor + 1}.0"
            case "patch":
                return f"{major}.{minor}.{patch + 1}"

    def register(self, version: str, content: str) -> bool:
        """Add a version; say whether it is new."""
        known = self.versions.get(version)
        if known is not None:
            if known.status == "purged" or known.content != content:
                raise Forbidden
            return False
        self.versions[version] = Kept(len(self.versions) + 1, content)
        self.exists = True
        return True

    def _needs_bytes(self, version: str) -> Kept:
        record = self.versions[version]
        if record.status == "purged":
            raise Forbidden
        return record

    def _leave(self) -> None:
        """Put the live version away."""
        if self.live is not None:
            self.versions[self.live].status = "archived"
            self.versions[self.live].put_away = True

    def _go_live(self, version: str) -> None:
        if self.staged == version:
            self.staged = None
        self._leave()
        self.live = version
        self.versions[version].status = "production"
        self.versions[version].served = True
        self.ever_live.append(version)

    def promote(self, version: str) -> bool:
        """Make a version live; say whether it was not."""
        self._needs_bytes(version)
        if self.live == version:
            return False
        self._go_live(version)
        self.line.append(version)
        self.rejected = set()
        return True

    def rollback(self, to: str | None) -> str:
        """Go back; say where to."""
        target = to or self.previous
        if self.live is None or target is None:
            raise Forbidden
        record = self._needs_bytes(target)
        if target == self.live or not record.served:
            raise Forbidden
        self.rejected.add(self.live)
        self.rejected.discard(target)
        self._go_live(target)
        if target in self.line:
            last = len(self.line) - 1 - self.line[::-1].index(target)
            self.line = self.line[: last + 1]
        else:
            self.line[-1] = target
        return target

    def stage(self, version: str) -> bool:
        """Stage a version; say whether it was not."""
        self._needs_bytes(version)
        if self.live == version:
            raise Forbidden
        if self.staged == version:
            return False
        if self.staged is not None:
            before = self.versions[self.staged]
            before.status = "archived" if before.put_away else "registered"
        self.staged = version
        self.versions[version].status = "staging"
        return True

    def archive(self, version: str) -> bool:
        """Put a version away; say whether it was not."""
        record = self._needs_bytes(version)
        if self.live == version:
            raise Forbidden
        if record.status == "archived":
            return False
        if self.staged == version:
            self.staged = None
        record.status, record.put_away = "archived", True
        return True

    def alias(self, alias: str, version: str) -> bool:
        """Let an alias name a version; say whether it did not."""
        self._needs_bytes(version)
        changed = self.aliases.get(alias) != version
        self.aliases[alias] = version
        return changed

    def remove_alias(self, alias: str) -> None:
        """Let an alias name nothing."""
        if alias not in self.aliases:
            raise Forbidden
        del self.aliases[alias]

    def hold(self, version: str) -> bool:
        """Hold a version; say whether it was not held."""
        record = self._needs_bytes(version)
        changed = not record.held
        record.held = True
        return changed

    def release(self, version: str) -> bool:
        """Release a version; say whether it was held."""
        changed = self.versions[version].held
        self.versions[version].held = False
        return changed

    def _spared(self, version: str, *, target_too: bool) -> bool:
        return (
            version in (self.live, self.staged, *self.aliases.values())
            or self.versions[version].held
            or (target_too and version == self.previous)
        )

    def purge(self, keep: int, *, target_too: bool) -> list[str]:
        """Purge archived versions beyond the newest; say which went."""
        archived = [v for v in self.present if self.versions[v].status == "archived"]
        unspared = sorted(archived, key=lambda version: -self.versions[version].number)
        free = [v for v in unspared if not self._spared(v, target_too=target_too)]
        beyond = [v for v in free if unspared.index(v) >= keep]
        gone = sorted(beyond, key=lambda version: self.versions[version].number)
        for version in gone:
            self.versions[version].status = "purged"
        return gone

    def purge_chosen(self, version: str) -> list[str]:
        """Purge one version if nothing spares it; say which went."""
        if self.versions[version].status == "purged":
            return []
        if self._spared(version, target_too=True):
            raise Forbidden
        self.versions[version].status = "purged"
        return [version]

    def delete(self) -> None:
        """Delete the model by force."""
        if any(self.versions[version].held for version in self.present):
            raise Forbidden
        for version in self.present:
            self.versions[version].status = "purged"
        if self.live is not None:
            self.ever_live.append(None)
        self.live = self.staged = None
        self.exists = False
        self.aliases, self.line, self.rejected = {}, [], set()
