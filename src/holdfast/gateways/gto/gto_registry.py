"""What the tags of a GTO registry add up to, by GTO's own rules: seconds order, commits identify.

An assignment names a commit; it is of the version that is registered there. A name is held by the
version that it was given to last and not taken from.
"""

from collections.abc import Iterable

from msgspec import Struct

from holdfast.gateways.gto import gto_tags
from holdfast.gateways.gto.git_repository import GitTag
from holdfast.gateways.gto.gto_tags import GtoTag

__all__ = ["GtoArtifact", "GtoStage", "GtoVersion", "artifacts_of"]


class GtoVersion(Struct, frozen=True):
    """A version that is registered, by the tag that did it."""

    version: str
    tag: GitTag


class GtoStage(Struct, frozen=True):
    """A version was given a stage, by a tag."""

    version: str
    tag: GitTag


class GtoArtifact(Struct):
    """One artifact.

    Attributes:
        versions: In order of registration.
        assignments: By stage, in order; only of versions that are still registered.
        holders: Version by stage, as of now.
        is_deprecated: Whether that was said last of it.
        passed_over: What cannot be told of it, each with its reason.
    """

    name: str
    versions: dict[str, GtoVersion] = {}
    assignments: dict[str, list[GtoStage]] = {}
    holders: dict[str, str] = {}
    is_deprecated: bool = False
    passed_over: list[str] = []


def artifacts_of(tags: Iterable[GitTag]) -> dict[str, GtoArtifact]:
    """Return all artifacts of a registry by name."""
    told: dict[str, list[tuple[GtoTag, GitTag]]] = {}
    for tag in sorted(tags, key=lambda tag: (tag.second, tag.name)):
        read = gto_tags.parse(tag.name)
        if read is not None:
            told.setdefault(read.artifact, []).append((read, tag))
    return {name: _artifact(name, lines) for name, lines in sorted(told.items())}


def _artifact(name: str, lines: list[tuple[GtoTag, GitTag]]) -> GtoArtifact:
    artifact = GtoArtifact(name)
    artifact.is_deprecated = lines[-1][0].action == "deprecate"
    for read, tag in lines:
        if read.action == "register" and read.version is not None:
            there = artifact.versions.get(read.version)
            if there is None:
                artifact.versions[read.version] = GtoVersion(read.version, tag)
            elif there.tag.commit != tag.commit:
                artifact.passed_over.append(f"{tag.name} registers {read.version} once more")
        elif read.action == "deregister" and read.version is not None:
            artifact.versions.pop(read.version, None)
    _assign(artifact, lines)
    return artifact


def _assign(artifact: GtoArtifact, lines: list[tuple[GtoTag, GitTag]]) -> None:
    by_commit: dict[str, list[GtoVersion]] = {}
    for version in artifact.versions.values():
        by_commit.setdefault(version.tag.commit, []).append(version)
    given: dict[str, dict[str, int]] = {}
    for order, (read, tag) in enumerate(lines):
        if read.stage is None:
            continue
        there = by_commit.get(tag.commit)
        if there is None:
            artifact.passed_over.append(f"{tag.name} is on a commit without a version")
            continue
        earlier = [other for other in there if other.tag.second <= tag.second]
        holder = (earlier or there)[-1].version  # as GTO finds it, by the commit
        if read.action == "assign":
            artifact.assignments.setdefault(read.stage, []).append(GtoStage(holder, tag))
            given.setdefault(read.stage, {})[holder] = order
        else:
            given.get(read.stage, {}).pop(holder, None)
    artifact.holders = {
        stage: max(orders, key=lambda version: orders[version])
        for stage, orders in sorted(given.items())
        if orders
    }
