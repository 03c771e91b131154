"""What a version was made from and what became of it: as a graph, and the same as nested lists."""

from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from holdfast.core import wording
from holdfast.core.manifest import Lineage, Manifest
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry.descendants import Child, Descent, descent
from holdfast.web.below import session_of
from holdfast.web.pages.drawing import digest, fact, markup
from holdfast.web.pages.lineage_drawing import Node, graph
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common
from holdfast.web.pages.page_paths import model_url, version_url
from holdfast.web.pages.visitor import Visitor

_DEEP: Final = 3
_MOST: Final = 40
_PERIODS: Final = 8
_DATA: Final = ("source", "window", "digests", "samples", "rows")


def of_model(visitor: Visitor, asked: Asked) -> Redirect:
    """Lead to the lineage of what is live, else of the newest version."""
    model, situation = asked.place.model, visitor.registry.situation(asked.place.model)
    version = situation.production or visitor.registry.resolve(f"{model}@latest").version
    return Redirect(version_url(model, version, "lineage"))


def page(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the lineage of a version; an alias or a range leads to the one that it names now."""
    model, registry = asked.place.model, visitor.registry
    info = registry.resolve(f"{model}@{asked.place.version}")
    if info.version != asked.place.version:
        return Redirect(version_url(model, info.version, "lineage"))
    sources = tuple(_Sources(visitor).of(info, _DEEP))
    here = Node("version", info.ref, _since(info), version_url(model, info.version), sources)
    found = descent(session_of(registry), lambda name: visitor.may("read", name))
    children = _Children(found).of(info, _DEEP)
    became = (*children, *_became(visitor, info))
    values = {
        "model": model,
        "info": info,
        "here": here,
        "became": became,
        "unread": found.unread,
        "graph": markup(graph(here, became)) if sources or became else "",
    }
    return Drawn("lineage", common(visitor, asked, "models") | values)


def _since(info: VersionInfo) -> str:
    return f"registered {wording.moment(info.registered_at)[:10]} by {info.registered_by}"


class _Sources:
    """What versions were made from, back over some generations; no version is told twice.

    A manifest can name any parents, also itself or a thousand.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._seen: set[str] = set()
        self._left = _MOST

    def of(self, info: VersionInfo, generations: int) -> Iterator[Node]:
        """Go through what a version was made from."""
        self._seen.add(info.digest)
        manifest = self._visitor.registry.manifest(info)
        lineage = manifest.lineage
        base = lineage.base if lineage.base is not UNSET else None
        for kind, ref in (("base", base), *(("parent", ref) for ref in lineage.parents)):
            if ref is None or self._left <= 0:
                continue
            self._left -= 1
            yield self._version(kind, str(ref), generations)
        yield from _things(manifest, lineage)

    def _version(self, kind: str, ref: str, generations: int) -> Node:
        """Return a version that a manifest names, as far as it is there and theirs to see."""
        model = ref.partition("@")[0]
        try:
            if not self._visitor.may("read", model):
                return Node(kind, ref, "")
            info = self._visitor.registry.resolve(ref)
        except (NotFoundError, InvalidInputError):
            return Node(kind, ref, "not in this store")
        if info.digest in self._seen:
            return Node(kind, info.ref, "named above", version_url(info.model, info.version))
        try:
            before = tuple(self.of(info, generations - 1)) if generations > 1 else ()
        except HoldfastError:  # its own page tells of the damage
            before = ()
        url = version_url(info.model, info.version, "lineage")
        return Node(kind, info.ref, _since(info), url, before)


class _Children:
    """What was made from versions, on over some generations; no version is told twice."""

    def __init__(self, found: Descent) -> None:
        self._found = found
        self._seen: set[tuple[str, str]] = set()
        self._left = _MOST

    def of(self, info: VersionInfo, generations: int) -> tuple[Node, ...]:
        """Return what names a version as its parent, the newest first."""
        self._seen.add((info.model, info.version))
        listed = self._found.children.get((info.model, info.version), [])
        newest = sorted(listed, key=lambda child: child.info.registered_at, reverse=True)
        shown = newest[: self._left]
        self._left -= len(shown)
        nodes = [self._node(child, generations) for child in shown]
        if len(newest) > len(shown):
            nodes.append(Node("child", f"{len(newest) - len(shown)} more"))
        return tuple(nodes)

    def _node(self, child: Child, generations: int) -> Node:
        info, key = child.info, (child.info.model, child.info.version)
        url = version_url(info.model, info.version, "lineage")
        if key in self._seen:
            return Node(child.kind, info.ref, "named above", url)
        after = self.of(info, generations - 1) if generations > 1 else ()
        return Node(child.kind, info.ref, _since(info), url, after)


def _things(manifest: Manifest, lineage: Lineage) -> Iterator[Node]:
    """Go through what else was recorded: data, code, the tracker's run."""
    data = manifest.training_data
    facts = [f"{name} {fact(data[name])}" for name in _DATA[1:] if data.get(name)]
    if lineage.data_window and not data.get("window"):
        facts.append(f"window {lineage.data_window}")
    if data.get("source") or facts:
        yield Node("data", fact(data.get("source") or "training data"), ", ".join(facts))
    if lineage.git_commit or lineage.code_version:
        dirty = "with changes that were not committed" if lineage.git_dirty else ""
        code = f"commit {digest(lineage.git_commit)}" if lineage.git_commit else "code"
        yield Node("code", code, ", ".join(filter(None, (lineage.code_version, dirty))))
    if lineage.run_id:
        yield Node("run", lineage.run_id, "of the experiment tracker")


def _became(visitor: Visitor, info: VersionInfo) -> Iterator[Node]:
    """Go through what names the version now, and when it was live."""
    registry, model = visitor.registry, info.model
    for alias in info.aliases:
        yield Node("alias", alias, "names it now", version_url(model, alias))
    if info.status == "staging":
        yield Node("alias", "staging", "names it now", version_url(model, "staging"))
    rollout = registry.rollout(model)
    if rollout is not None and rollout.version == info.version:
        state = "goes on" if rollout.goes_on else str(rollout.outcome or "over").replace("_", " ")
        yield Node("rollout", f"rollout {rollout.number}", state, model_url(model, "rollout"))
    periods = [period for period in registry.served(model) if period.version == info.version]
    for period in periods[-_PERIODS:][::-1]:
        how = "rolled back to" if period.how == "rolled_back" else "promoted"
        until = wording.moment(period.until) if period.until else "now"
        reason = f": {period.reason}" if period.reason else ""
        yield Node(
            "live",
            f"live {wording.moment(period.since)[:10]} to {until[:10]}",
            f"{how} by {period.by}{reason}",
            f"{model_url(model, 'history')}?view=served",
        )
    if len(periods) > _PERIODS:
        yield Node("live", f"{len(periods) - _PERIODS} times more", "", "")
