"""What a version was made from and what became of it, as nested nodes: for pages and terminals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from holdfast.core import history, wording
from holdfast.core.drawing.lineage_graph import LineageNode
from holdfast.core.lineage_record import DataUse, Lineage
from holdfast.core.manifest import PATCH, Manifest
from holdfast.core.state import State
from holdfast.core.views import VersionInfo, version_info
from holdfast.core.wording import count
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry.descendants import Child, Descent, descent
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.session import Session

__all__ = ["LineageTree", "Link", "lineage_tree"]

_DEEP: Final = 3
_MOST: Final = 40
_PERIODS: Final = 8
_SERVERS: Final = 8
_DIGITS: Final = 12
_DATA: Final = ("window", "digests", "samples", "rows")

Link = Callable[[str, str, str], str]
"""From a model, what of it (a version, an alias, nothing) and which view of that, to an address."""


@dataclass(frozen=True, slots=True)
class LineageTree:
    """The lineage of one version, both ways.

    Attributes:
        here: The version, with what it was made from.
        became: What was made from it, and what names, runs or ran it.
        unread: Versions that were not looked at.
    """

    info: VersionInfo
    manifest: Manifest
    here: LineageNode
    became: tuple[LineageNode, ...]
    unread: int

    def _repr_html_(self) -> str:
        """Show it in a notebook: as a graph, and the same as nested lists."""
        from holdfast.core import notebook
        from holdfast.core.drawing.lineage_graph import graph

        parts: list[str] = [notebook.heading(self.info.ref, self.here.note)]
        if self.here.sources or self.became:
            parts.append(graph(self.here, self.became))
        for title, nodes, empty in (
            ("made from", self.here.sources, "nothing was recorded"),
            ("became", self.became, "nothing was made from it or names it"),
        ):
            parts.append(notebook.heading(title))
            parts.append(notebook.nested(nodes) if nodes else notebook.line(empty, "m"))
        if self.unread:
            parts.append(notebook.line(f"{count(self.unread, 'version')} could not be read", "b"))
        return notebook.view(*parts)


def lineage_tree(
    session: Session,
    ref: str,
    sees: Callable[[str], bool],
    link: Link,
    most: int | None,
) -> LineageTree:
    """Gather the lineage of a version.

    Args:
        session: The store.
        ref: The version.
        sees: Tells which models may be shown.
        link: Makes addresses of pages; empty where there are no pages.
        most: How many manifests are read now for what became of it; `None` for all.
    """
    state, record = session.find(ref)
    info = version_info(state, record)
    sources = tuple(_Sources(session, sees, link).of(info, _DEEP))
    url = link(info.model, info.version, "")
    here = LineageNode("version", info.ref, _since(info), url, sources)
    descents = descent(session, sees, most)
    children = _Children(descents, link).of(info, _DEEP)
    became = (*children, *_became(session, state, info, link))
    return LineageTree(info, session.manifest(record), here, became, descents.unread)


def _since(info: VersionInfo) -> str:
    return f"registered {wording.moment(info.registered_at)[:10]} by {info.registered_by}"


class _Sources:
    """What versions were made from, back over some generations; no version is told twice.

    A manifest can name any parents, also itself or a thousand.
    """

    def __init__(self, session: Session, sees: Callable[[str], bool], link: Link) -> None:
        self._session, self._sees, self._link = session, sees, link
        self._seen: set[str] = set()
        self._left = _MOST

    def of(self, info: VersionInfo, generations: int) -> Iterator[LineageNode]:
        """Go through what a version was made from."""
        self._seen.add(info.digest)
        manifest = self._session.manifest(self._session.find(f"{info.model}@{info.version}")[1])
        lineage = manifest.lineage
        base = lineage.base if lineage.base is not UNSET else None
        for kind, ref in (("base", base), *(("parent", ref) for ref in lineage.parents)):
            if ref is None or self._left <= 0:
                continue
            self._left -= 1
            yield self._version(kind, str(ref), generations)
        yield from _things(manifest)

    def _version(self, kind: str, ref: str, generations: int) -> LineageNode:
        """Return a version that a manifest names, as far as it is there and may be seen."""
        try:
            if not self._sees(ref.partition("@")[0]):
                return LineageNode(kind, ref, "")
            info = version_info(*self._session.find(ref))
        except (NotFoundError, InvalidInputError):
            return LineageNode(kind, ref, "not in this store")
        if info.digest in self._seen:
            url = self._link(info.model, info.version, "")
            return LineageNode(kind, info.ref, "named above", url)
        try:
            before = tuple(self.of(info, generations - 1)) if generations > 1 else ()
        except HoldfastError:  # its own page tells of the damage
            before = ()
        url = self._link(info.model, info.version, "lineage")
        return LineageNode(kind, info.ref, _since(info), url, before)


class _Children:
    """What was made from versions, on over some generations; no version is told twice."""

    def __init__(self, descents: Descent, link: Link) -> None:
        self._descents, self._link = descents, link
        self._seen: set[tuple[str, str]] = set()
        self._left = _MOST

    def of(self, info: VersionInfo, generations: int) -> tuple[LineageNode, ...]:
        """Return what names a version as its parent, the newest first."""
        self._seen.add((info.model, info.version))
        listed = self._descents.children.get((info.model, info.version), [])
        newest = sorted(listed, key=lambda child: child.info.registered_at, reverse=True)
        shown = newest[: self._left]
        self._left -= len(shown)
        nodes = [self._node(child, generations) for child in shown]
        if len(newest) > len(shown):
            nodes.append(LineageNode("child", f"{len(newest) - len(shown)} more"))
        return tuple(nodes)

    def _node(self, child: Child, generations: int) -> LineageNode:
        info, key = child.info, (child.info.model, child.info.version)
        url = self._link(info.model, info.version, "lineage")
        if key in self._seen:
            return LineageNode(child.kind, info.ref, "named above", url)
        after = self.of(info, generations - 1) if generations > 1 else ()
        return LineageNode(child.kind, info.ref, _since(info), url, after)


def _things(manifest: Manifest) -> Iterator[LineageNode]:
    """Go through what else was recorded: data, code, environment, the run."""
    lineage = manifest.lineage
    yield from _data(manifest)
    yield from _code(manifest)
    if any(one is not UNSET for one in (lineage.entry, lineage.locks, lineage.seed)):
        yield _environment(manifest)
    run = [f"slot {lineage.slot}"] * (lineage.slot is not UNSET)
    run += [f"seed {lineage.seed}"] * (lineage.seed is not UNSET)
    if lineage.run_id and not run:
        yield LineageNode("run", lineage.run_id, "of the experiment tracker")
    elif run:
        yield LineageNode("run", lineage.run_id or "training", ", ".join(run))


def _data(manifest: Manifest) -> Iterator[LineageNode]:
    lineage, training = manifest.lineage, manifest.training_data
    for name, use in lineage.used_data.items():
        where = use.ref or use.path
        yield LineageNode("data", f"{name}: {where}" if where else name, _digests(use))
    recorded = {key: training[key] for key in _DATA if training.get(key)}
    if lineage.used_data:
        recorded.pop("digests", None)
    facts = [f"{name} {_fact(value)}" for name, value in recorded.items()]
    if lineage.data_window and not training.get("window"):
        facts.append(f"window {lineage.data_window}")
    if training.get("source") or facts:
        text = _fact(training.get("source") or "training data")
        yield LineageNode("data", text, ", ".join(facts))


def _digests(use: DataUse) -> str:
    digests = (("bytes", use.digest), ("rows", use.rows))
    return ", ".join(f"{what} {_digest(value)}" for what, value in digests if value)


def _code(manifest: Manifest) -> Iterator[LineageNode]:
    lineage = manifest.lineage
    notes = [str(lineage.code_version)] if lineage.code_version else []
    notes += _changes(lineage, manifest.artifacts)
    notes += [str(one) for one in (lineage.entry, lineage.remote) if one is not UNSET]
    if lineage.git_commit or notes:
        text = f"commit {lineage.git_commit[:_DIGITS]}" if lineage.git_commit else "code"
        yield LineageNode("code", text, ", ".join(notes))


def _changes(lineage: Lineage, artifacts: dict[str, Any]) -> list[str]:
    if PATCH in artifacts:
        return ["with changes that are kept as a patch"]
    return ["with changes that were not committed"] if lineage.git_dirty else []


def _environment(manifest: Manifest) -> LineageNode:
    recorded, locks = manifest.environment, manifest.lineage.locks
    notes = [wording.count(len(recorded.packages), "package")]
    if locks is not UNSET:
        notes += [f"{name} {_digest(digest)}" for name, digest in sorted(locks.items())]
    return LineageNode("environment", f"Python {recorded.python or '?'}", ", ".join(notes))


def _fact(value: object) -> str:
    """Show what somebody told of data in a line."""
    if isinstance(value, dict):
        text = ", ".join(f"{name} {_fact(inner)}" for name, inner in list(value.items())[:10])
    else:
        text = _digest(value) if isinstance(value, str) else str(value)
    return wording.shortened(text, 120)


def _digest(text: str) -> str:
    is_digest = text.startswith("sha256:") and len(text) == len("sha256:") + 64
    return text[: len("sha256:") + _DIGITS] if is_digest else text


def _became(session: Session, state: State, info: VersionInfo, link: Link) -> Iterator[LineageNode]:
    """Go through what names the version now, runs it, and when it was live."""
    model = info.model
    for alias in info.aliases:
        yield LineageNode("alias", alias, "names it now", link(model, alias, ""))
    if info.status == "staging":
        yield LineageNode("alias", "staging", "names it now", link(model, "staging", ""))
    rollout = state.rollout
    if rollout is not None and rollout.version == info.version:
        stage = "goes on" if rollout.goes_on else str(rollout.outcome or "over").replace("_", " ")
        text = f"rollout {rollout.number}"
        yield LineageNode("rollout", text, stage, link(model, "", "rollout"))
    yield from _served(state, info, link)
    yield from _servers(session, info)


def _served(state: State, info: VersionInfo, link: Link) -> Iterator[LineageNode]:
    periods = [one for one in history.periods(state) if one.version == info.version]
    for period in periods[-_PERIODS:][::-1]:
        how = "rolled back to" if period.how == "rolled_back" else "promoted"
        until = wording.moment(period.until) if period.until else "now"
        reason = f": {period.reason}" if period.reason else ""
        yield LineageNode(
            "live",
            f"live {wording.moment(period.since)[:10]} to {until[:10]}",
            f"{how} by {period.by}{reason}",
            link(info.model, "", "served"),
        )
    if len(periods) > _PERIODS:
        yield LineageNode("live", f"{len(periods) - _PERIODS} times more", "", "")


def _servers(session: Session, info: VersionInfo) -> Iterator[LineageNode]:
    """Go through the serving processes that say they hold the version, and still report."""
    now = session.clock()
    holding = [
        (report, loaded)
        for report in Fleet(session).servers(info.model)
        if report.is_fresh(now) and (loaded := report.held(info.version)) is not None
    ]
    for report, loaded in holding[:_SERVERS]:
        note = "answers with it" if report.active == info.version else f"has it: {loaded.state}"
        yield LineageNode("server", report.worker, note)
    if len(holding) > _SERVERS:
        yield LineageNode("server", f"{len(holding) - _SERVERS} more")
